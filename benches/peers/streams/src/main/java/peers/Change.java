package peers;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.List;

/** What changes a shipment: a command or a box event. */
sealed interface Change permits Change.Command, Change.BoxEvent {

    /** A box and the number it is given. */
    record Item(String boxId, String trackingId) { }

    /** A command; what its type does not have is null, zero or empty. */
    record Command(String type, String fc, int boxes, List<Item> items) implements Change {
        private static final JsonFactory JSON = new JsonFactory();

        static Command read(byte[] bytes) {
            String type = "";
            String fc = null;
            int boxes = 0;
            List<Item> items = List.of();
            try (JsonParser parser = JSON.createParser(bytes)) {
                parser.nextToken();
                while (parser.nextToken() == JsonToken.FIELD_NAME) {
                    String name = parser.currentName();
                    parser.nextToken();
                    switch (name) {
                        case "type" -> type = parser.getText();
                        case "fc" -> fc = parser.getText();
                        case "boxes" -> {
                            while (parser.nextToken() != JsonToken.END_ARRAY) {
                                parser.skipChildren();
                                boxes++;
                            }
                        }
                        case "items" -> items = items(parser);
                        default -> parser.skipChildren();
                    }
                }
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
            return new Command(type, fc, boxes, items);
        }

        private static List<Item> items(JsonParser parser) throws IOException {
            List<Item> items = new ArrayList<>();
            while (parser.nextToken() == JsonToken.START_OBJECT) {
                String boxId = null;
                String trackingId = null;
                while (parser.nextToken() == JsonToken.FIELD_NAME) {
                    String name = parser.currentName();
                    parser.nextToken();
                    switch (name) {
                        case "box_id" -> boxId = parser.getText();
                        case "tracking_id" -> trackingId = parser.getText();
                        default -> parser.skipChildren();
                    }
                }
                items.add(new Item(boxId, trackingId));
            }
            return items;
        }
    }

    /** A box rose from one milestone (null: none) to another. */
    record BoxEvent(String shipmentId, String boxId, String trackingId, Milestone from, Milestone to, String occurredAt)
            implements Change {
        private static final JsonFactory JSON = new JsonFactory();

        byte[] write() {
            Json json = new Json(224).text("shipment_id", shipmentId).text("box_id", boxId)
                    .text("tracking_id", trackingId).text("milestone", to.name());
            if (from != null) {
                json.text("from", from.name());
            }
            return json.text("occurred_at", occurredAt).end();
        }

        static BoxEvent read(byte[] bytes) {
            String[] fields = new String[6];
            try (JsonParser parser = JSON.createParser(bytes)) {
                parser.nextToken();
                while (parser.nextToken() == JsonToken.FIELD_NAME) {
                    int field = switch (parser.currentName()) {
                        case "shipment_id" -> 0;
                        case "box_id" -> 1;
                        case "tracking_id" -> 2;
                        case "from" -> 3;
                        case "milestone" -> 4;
                        default -> 5;
                    };
                    parser.nextToken();
                    fields[field] = parser.getText();
                }
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
            Milestone from = fields[3] == null ? null : Milestone.ofName(fields[3]);
            return new BoxEvent(fields[0], fields[1], fields[2], from, Milestone.ofName(fields[4]), fields[5]);
        }
    }
}
