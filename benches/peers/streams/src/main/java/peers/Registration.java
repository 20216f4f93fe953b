package peers;

import java.nio.charset.StandardCharsets;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;

/** Whose number it is. */
record Registration(String shipmentId, String boxId) {
    static Serde<Registration> serde() {
        return Serdes.serdeFrom(
                (topic, r) -> (r.shipmentId + ' ' + r.boxId).getBytes(StandardCharsets.ISO_8859_1),
                (topic, bytes) -> {
                    String[] parts = new String(bytes, StandardCharsets.ISO_8859_1).split(" ");
                    return new Registration(parts[0], parts[1]);
                });
    }
}
