package peers;

import java.nio.charset.StandardCharsets;

/** A JSON object that is being written. Names and texts need no escapes. */
final class Json {
    private final StringBuilder out;

    Json(int capacity) {
        out = new StringBuilder(capacity).append('{');
    }

    private StringBuilder field(String name) {
        if (out.charAt(out.length() - 1) != '{') {
            out.append(',');
        }
        return out.append('"').append(name).append("\":");
    }

    Json text(String name, String value) {
        field(name).append('"').append(value).append('"');
        return this;
    }

    Json number(String name, long value) {
        field(name).append(value);
        return this;
    }

    Json open(String name) {
        field(name).append('{');
        return this;
    }

    Json close() {
        out.append('}');
        return this;
    }

    byte[] end() {
        return out.append('}').toString().getBytes(StandardCharsets.UTF_8);
    }
}
