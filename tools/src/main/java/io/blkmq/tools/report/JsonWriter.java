package io.blkmq.tools.report;

import java.util.Locale;

/**
 * Writes JSON, indented, in the order of the calls. Names and values must come in turn within an object; nesting is the caller's.
 * For one thread.
 */
final class JsonWriter {
    private final StringBuilder text = new StringBuilder();
    private int depth;
    private boolean first = true;

    JsonWriter beginObject() {
        return open('{');
    }

    JsonWriter beginObject(String name) {
        return name(name).open('{');
    }

    JsonWriter beginArray(String name) {
        return name(name).open('[');
    }

    JsonWriter endObject() {
        return end('}');
    }

    JsonWriter endArray() {
        return end(']');
    }

    JsonWriter put(String name, String value) {
        name(name);
        quote(value);
        return this;
    }

    JsonWriter put(String name, long value) {
        name(name).text.append(value);
        return this;
    }

    JsonWriter put(String name, boolean value) {
        name(name).text.append(value);
        return this;
    }

    JsonWriter put(String name, double value) {
        if (!Double.isFinite(value)) {
            throw new IllegalArgumentException(name + ": JSON has no " + value);
        }
        name(name).text.append(String.format(Locale.ROOT, "%.6f", value));
        return this;
    }

    /** An element of an array. */
    JsonWriter add(String value) {
        separate();
        quote(value);
        return this;
    }

    /** An element of an array that is an object. */
    JsonWriter addObject() {
        separate();
        return open('{');
    }

    private JsonWriter name(String name) {
        separate();
        quote(name);
        text.append(" : ");
        return this;
    }

    private JsonWriter open(char bracket) {
        text.append(bracket);
        depth++;
        first = true;
        return this;
    }

    private JsonWriter end(char bracket) {
        depth--;
        if (!first) {
            newLine();
        }
        first = false;
        text.append(bracket);
        return this;
    }

    private void separate() {
        if (!first) {
            text.append(',');
        }
        first = false;
        newLine();
    }

    private void newLine() {
        text.append('\n').repeat("  ", depth);
    }

    private void quote(String value) {
        text.append('"');
        for (int i = 0; i < value.length(); i++) {
            char c = value.charAt(i);
            switch (c) {
                case '"' -> text.append("\\\"");
                case '\\' -> text.append("\\\\");
                case '\n' -> text.append("\\n");
                case '\t' -> text.append("\\t");
                default -> {
                    if (c < 0x20) {
                        text.append(String.format(Locale.ROOT, "\\u%04x", (int) c));
                    } else {
                        text.append(c);
                    }
                }
            }
        }
        text.append('"');
    }

    @Override
    public String toString() {
        return text + "\n";
    }
}
