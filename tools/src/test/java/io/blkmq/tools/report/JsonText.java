package io.blkmq.tools.report;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Reads JSON into maps, lists, strings, numbers and booleans, strictly enough to find what a parser would refuse. */
public final class JsonText {
    private final String text;
    private int at;

    private JsonText(String text) {
        this.text = text;
    }

    /** Reads one object. */
    public static Map<String, Object> parse(String text) {
        JsonText json = new JsonText(text);
        Map<String, Object> object = json.object();
        json.space();
        if (json.at != text.length()) {
            throw json.wrong("the end");
        }
        return object;
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

    private Object value() {
        space();
        return switch (text.charAt(at)) {
            case '{' -> object();
            case '[' -> array();
            case '"' -> string();
            default -> word();
        };
    }

    private Map<String, Object> object() {
        Map<String, Object> object = new LinkedHashMap<>();
        expect('{');
        space();
        while (text.charAt(at) != '}') {
            String name = string();
            expect(':');
            if (object.put(name, value()) != null) {
                throw wrong("a name other than " + name);
            }
            more('}');
        }
        at++;
        return object;
    }

    private List<Object> array() {
        List<Object> array = new ArrayList<>();
        expect('[');
        space();
        while (text.charAt(at) != ']') {
            array.add(value());
            more(']');
        }
        at++;
        return array;
    }

    private void more(char end) {
        space();
        if (text.charAt(at) == ',') {
            at++;
            space();
            if (text.charAt(at) == end) {
                throw wrong("a value");
            }
        }
    }

    private String string() {
        expect('"');
        StringBuilder string = new StringBuilder();
        while (text.charAt(at) != '"') {
            char c = text.charAt(at++);
            if (c == '\\') {
                c = text.charAt(at++);
                c = c == 'n' ? '\n' : c == 't' ? '\t' : c;
                if (c == 'u') {
                    c = (char) Integer.parseInt(text.substring(at, at + 4), 16);
                    at += 4;
                }
            }
            string.append(c);
        }
        at++;
        return string.toString();
    }

    private Object word() {
        int from = at;
        while ("+-.0123456789eE".indexOf(text.charAt(at)) >= 0 || Character.isLetter(text.charAt(at))) {
            at++;
        }
        String word = text.substring(from, at);
        return switch (word) {
            case "true" -> true;
            case "false" -> false;
            default -> Double.valueOf(word);
        };
    }

    private void expect(char wanted) {
        space();
        if (text.charAt(at) != wanted) {
            throw wrong(String.valueOf(wanted));
        }
        at++;
        space();
    }

    private void space() {
        while (at < text.length() && Character.isWhitespace(text.charAt(at))) {
            at++;
        }
    }

    private AssertionError wrong(String wanted) {
        return new AssertionError("no JSON: expected " + wanted + " at " + at + " of\n" + text);
    }
}
