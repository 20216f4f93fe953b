package peers;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.io.UncheckedIOException;

/** What the job needs of a scan; the record's key is the tracking number. The milestone is null if the code is unknown. */
record Scan(Milestone milestone, String eventTime) {
    private static final JsonFactory JSON = new JsonFactory();

    static Scan read(byte[] bytes) {
        String carrier = "";
        String code = null;
        String milestone = null;
        String eventTime = null;
        try (JsonParser parser = JSON.createParser(bytes)) {
            parser.nextToken();
            while (parser.nextToken() == JsonToken.FIELD_NAME) {
                String name = parser.currentName();
                JsonToken value = parser.nextToken();
                if (value == JsonToken.VALUE_STRING) {
                    switch (name) {
                        case "carrier" -> carrier = parser.getText();
                        case "code" -> code = parser.getText();
                        case "milestone" -> milestone = parser.getText();
                        case "event_time" -> eventTime = parser.getText();
                        default -> { }
                    }
                } else {
                    parser.skipChildren();
                }
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        Milestone meaning = code != null ? Milestone.ofCode(carrier, code) : Milestone.ofName(milestone);
        return new Scan(meaning, eventTime);
    }
}
