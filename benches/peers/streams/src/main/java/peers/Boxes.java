package peers;

import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.processor.api.ContextualProcessor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;

/** Both sides of a tracking number: its scans and its registration meet in one store. */
final class Boxes {
    static final String STORE = "boxes";

    private Boxes() { }

    private abstract static class OnParcels<V> extends ContextualProcessor<Bytes, V, String, Change.BoxEvent> {
        KeyValueStore<Bytes, Parcel> parcels;

        @Override
        public void init(ProcessorContext<String, Change.BoxEvent> context) {
            super.init(context);
            parcels = context.getStateStore(STORE);
        }

        Parcel known(Bytes number) {
            Parcel parcel = parcels.get(number);
            return parcel == null ? new Parcel() : parcel;
        }

        void tell(Record<Bytes, V> record, Parcel parcel, Milestone from, Milestone to) {
            Change.BoxEvent event = new Change.BoxEvent(
                    parcel.shipmentId, parcel.boxId, text(record.key()), from, to, parcel.occurredAt);
            context().forward(record.withKey(parcel.shipmentId).withValue(event));
        }

        private static String text(Bytes number) {
            return new String(number.get(), java.nio.charset.StandardCharsets.ISO_8859_1);
        }
    }

    /** Takes scans. */
    static final class Scans extends OnParcels<Scan> {
        @Override
        public void process(Record<Bytes, Scan> record) {
            Scan scan = record.value();
            if (scan.milestone() == null) {
                return;
            }
            Parcel parcel = known(record.key());
            Milestone before = parcel.highest();
            if (before != null && before.compareTo(scan.milestone()) >= 0) {
                return;
            }
            parcel.reached |= (byte) (1 << scan.milestone().ordinal());
            parcel.occurredAt = scan.eventTime();
            parcels.put(record.key(), parcel);
            if (parcel.isRegistered()) {
                tell(record, parcel, before, scan.milestone());
            }
        }
    }

    /** Takes registrations, and tells what was scanned before them. */
    static final class Registrations extends OnParcels<Registration> {
        @Override
        public void process(Record<Bytes, Registration> record) {
            Parcel parcel = known(record.key());
            parcel.shipmentId = record.value().shipmentId();
            parcel.boxId = record.value().boxId();
            parcels.put(record.key(), parcel);
            Milestone before = null;
            for (Milestone milestone : Milestone.ALL) {
                if ((parcel.reached & 1 << milestone.ordinal()) != 0) {
                    tell(record, parcel, before, milestone);
                    before = milestone;
                }
            }
        }
    }
}
