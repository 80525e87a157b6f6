package io.blkmq.tools.report;

import com.google.gson.Strictness;
import com.google.gson.stream.JsonReader;
import com.google.gson.stream.JsonToken;
import java.io.IOException;
import java.io.StringReader;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** JSON as maps, lists, strings, numbers, booleans and nulls. Beside what Gson's strict reader refuses, a name that is there twice is no JSON. */
public final class JsonText {
    private JsonText() {}

    /** Reads one object. */
    public static Map<String, Object> parse(String text) {
        try (JsonReader reader = new JsonReader(new StringReader(text))) {
            reader.setStrictness(Strictness.STRICT);
            Map<String, Object> object = object(reader);
            if (reader.peek() != JsonToken.END_DOCUMENT) {
                throw new IOException("something stands behind the object");
            }
            return object;
        } catch (IOException | IllegalStateException e) {
            throw new AssertionError("no JSON: " + e.getMessage() + " of\n" + text, e);
        }
    }

    private static Map<String, Object> object(JsonReader reader) throws IOException {
        Map<String, Object> object = new LinkedHashMap<>();
        reader.beginObject();
        while (reader.hasNext()) {
            String name = reader.nextName();
            if (object.containsKey(name)) {
                throw new IOException(name + " is there twice, at " + reader.getPath());
            }
            object.put(name, value(reader));
        }
        reader.endObject();
        return object;
    }

    private static Object value(JsonReader reader) throws IOException {
        return switch (reader.peek()) {
            case BEGIN_OBJECT -> object(reader);
            case BEGIN_ARRAY -> array(reader);
            case STRING -> reader.nextString();
            case BOOLEAN -> reader.nextBoolean();
            case NULL -> {
                reader.nextNull();
                yield null;
            }
            default -> reader.nextDouble();
        };
    }

    private static List<Object> array(JsonReader reader) throws IOException {
        List<Object> array = new ArrayList<>();
        reader.beginArray();
        while (reader.hasNext()) {
            array.add(value(reader));
        }
        reader.endArray();
        return array;
    }

    /** Goes down a path of names. */
    @SuppressWarnings("unchecked")
    public static Object get(Object from, String... names) {
        Object value = from;
        for (String name : names) {
            value = ((Map<String, Object>) value).get(name);
            if (value == null) {
                throw new AssertionError("no " + name + " in " + String.join(".", names));
            }
        }
        return value;
    }

    /** A number down a path of names. */
    public static double number(Object from, String... names) {
        return (Double) get(from, names);
    }

    /** A list down a path of names. */
    @SuppressWarnings("unchecked")
    public static List<Object> list(Object from, String... names) {
        return (List<Object>) get(from, names);
    }
}
