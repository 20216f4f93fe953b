package peers;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;

/**
 * What is known of a tracking number. Until a command registers it, shipment and box are empty and the milestones wait.
 */
final class Parcel {
    String shipmentId = "";
    String boxId = "";
    /** Milestones that it reached, each higher than those before: a bit each. */
    byte reached;
    /** The time of the last scan that said something new. */
    String occurredAt = "";

    boolean isRegistered() {
        return !shipmentId.isEmpty();
    }

    /** The highest milestone, or null. */
    Milestone highest() {
        int bits = reached & 0xff;
        return bits == 0 ? null : Milestone.ALL[31 - Integer.numberOfLeadingZeros(bits)];
    }

    static Serde<Parcel> serde() {
        return Serdes.serdeFrom((topic, parcel) -> parcel == null ? null : parcel.write(), (topic, bytes) -> read(bytes));
    }

    private byte[] write() {
        byte[] shipment = shipmentId.getBytes(StandardCharsets.ISO_8859_1);
        byte[] box = boxId.getBytes(StandardCharsets.ISO_8859_1);
        byte[] time = occurredAt.getBytes(StandardCharsets.ISO_8859_1);
        return ByteBuffer.allocate(3 + shipment.length + box.length + time.length)
                .put(reached)
                .put((byte) shipment.length).put(shipment)
                .put((byte) box.length).put(box)
                .put(time).array();
    }

    private static Parcel read(byte[] bytes) {
        if (bytes == null) {
            return null;
        }
        Parcel parcel = new Parcel();
        parcel.reached = bytes[0];
        int shipment = bytes[1];
        int box = bytes[2 + shipment];
        parcel.shipmentId = new String(bytes, 2, shipment, StandardCharsets.ISO_8859_1);
        parcel.boxId = new String(bytes, 3 + shipment, box, StandardCharsets.ISO_8859_1);
        int time = 3 + shipment + box;
        parcel.occurredAt = new String(bytes, time, bytes.length - time, StandardCharsets.ISO_8859_1);
        return parcel;
    }
}
