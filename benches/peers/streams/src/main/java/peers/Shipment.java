package peers;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;

/** What is known of a shipment: enough for its plan line. */
final class Shipment {
    String fc = "";
    int boxes;
    boolean isReady;
    long version;
    /** How many boxes show each milestone. */
    final int[] byMilestone = new int[Milestone.ALL.length];
    String occurredAt = "";

    Shipment apply(Change change) {
        if (change instanceof Change.Command command) {
            switch (command.type()) {
                case "create_shipment" -> {
                    fc = command.fc();
                    boxes = command.boxes();
                }
                case "confirm_ready" -> isReady = true;
                default -> { }
            }
        } else if (change instanceof Change.BoxEvent event) {
            if (event.from() != null) {
                byMilestone[event.from().ordinal()]--;
            }
            byMilestone[event.to().ordinal()]++;
            occurredAt = event.occurredAt();
        }
        version++;
        return this;
    }

    byte[] planLine(String id) {
        Json json = new Json(320).text("fc", fc).text("shipment_id", id).number("version", version).number("total", boxes);
        json.open("by_milestone");
        for (Milestone milestone : Milestone.ALL) {
            if (byMilestone[milestone.ordinal()] != 0) {
                json.number(milestone.name(), byMilestone[milestone.ordinal()]);
            }
        }
        return json.close().text("occurred_at", occurredAt).end();
    }

    static Serde<Shipment> serde() {
        return Serdes.serdeFrom((topic, shipment) -> shipment == null ? null : shipment.write(), (topic, bytes) -> read(bytes));
    }

    private byte[] write() {
        byte[] place = fc.getBytes(StandardCharsets.ISO_8859_1);
        byte[] time = occurredAt.getBytes(StandardCharsets.ISO_8859_1);
        ByteBuffer out = ByteBuffer.allocate(14 + 4 * byMilestone.length + place.length + time.length)
                .putLong(version).putInt(boxes).put((byte) (isReady ? 1 : 0));
        for (int count : byMilestone) {
            out.putInt(count);
        }
        return out.put((byte) place.length).put(place).put(time).array();
    }

    private static Shipment read(byte[] bytes) {
        if (bytes == null) {
            return null;
        }
        ByteBuffer in = ByteBuffer.wrap(bytes);
        Shipment shipment = new Shipment();
        shipment.version = in.getLong();
        shipment.boxes = in.getInt();
        shipment.isReady = in.get() == 1;
        for (int i = 0; i < shipment.byMilestone.length; i++) {
            shipment.byMilestone[i] = in.getInt();
        }
        int place = in.get();
        shipment.fc = new String(bytes, in.position(), place, StandardCharsets.ISO_8859_1);
        int time = in.position() + place;
        shipment.occurredAt = new String(bytes, time, bytes.length - time, StandardCharsets.ISO_8859_1);
        return shipment;
    }
}
