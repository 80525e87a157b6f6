package io.blkmq.tools.job;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.function.Function;
import java.util.stream.Collectors;

/**
 * What the values of a key look like, and what they mean to the program.
 *
 * @param text for people, with the unit
 * @param flag whether the key alone, without a value, means 1
 * @param optional whether the key alone means the empty text
 * @param parser makes a value of its text; throws {@link IllegalArgumentException} with a message that says what is possible
 */
record ValueType(String text, boolean flag, boolean optional, Function<String, Object> parser) {
    static final ValueType FLAG = new ValueType("0 or 1", true, ValueType::flag);
    static final ValueType SIZE = new ValueType("bytes", false, Quantity::bytes);
    static final ValueType EXTENT = new ValueType("bytes or %", false, Extent::parse);
    static final ValueType SIZES = new ValueType("bytes, by direction", false,
            text -> ByDirection.parse(text, 0L, Quantity::bytes));
    static final ValueType RATES = new ValueType("operations/s, by direction", false,
            text -> ByDirection.parse(text, 0L, Quantity::bytes));
    static final ValueType PERCENTS = new ValueType("%, by direction", false,
            text -> ByDirection.parse(text, 100, part -> Quantity.count(part, 0, 100)));
    static final ValueType PERCENT = count(0, 100, "%");
    static final ValueType SECONDS = new ValueType("time, in s", false, Quantity::nanos);
    static final ValueType MICROS = new ValueType("time, in us", false, Quantity::nanosOfMicros);
    static final ValueType MILLIS = new ValueType("time, in ms", false, Quantity::nanosOfMillis);
    static final ValueType MICROS_BY_DIRECTION = new ValueType("time in us, by direction", false,
            text -> ByDirection.parse(text, 0L, Quantity::nanosOfMicros));
    /** Of a log: alone, the job's name. */
    static final ValueType LOG = new ValueType("text", false, true, String::strip);
    static final ValueType TEXT = new ValueType("text", false, ValueType::text);
    static final ValueType DECIMAL_PERCENT = new ValueType("0 to 100", false, ValueType::decimalPercent);
    static final ValueType PERCENTILES = new ValueType("numbers, with : between", false, ValueType::percentiles);
    static final ValueType SEED = new ValueType("number", false, ValueType::seed);
    static final ValueType NAMES = new ValueType("names, with : between", false, ValueType::names);
    static final ValueType PATTERN = new ValueType("bytes: 0x.., number, \"text\", %o", false, FillPattern::parse);

    private static final int COUNT_MAX = Integer.MAX_VALUE;

    ValueType(String text, boolean flag, Function<String, Object> parser) {
        this(text, flag, false, parser);
    }

    /** A number. */
    static ValueType count(int min, int max) {
        return count(min, max, max == COUNT_MAX ? "number" : min + " to " + max);
    }

    private static ValueType count(int min, int max, String text) {
        return new ValueType(text, false, value -> Quantity.count(value, min, max));
    }

    /** One of some words. Several words may mean the same: {@code none 0|mixed 1}. */
    static ValueType words(String... groups) {
        return new ValueType(
                Arrays.stream(groups).map(group -> group.split(" ", -1)[0]).collect(Collectors.joining(", ")), false,
                text -> word(text, groups));
    }

    private static Object word(String text, String... groups) {
        for (String group : groups) {
            List<String> words = List.of(group.split(" ", -1));
            if (words.contains(text.strip())) {
                return words.getFirst();
            }
        }
        throw new IllegalArgumentException("\"" + text.strip() + "\": possible are " + Arrays.stream(groups)
                .flatMap(group -> Arrays.stream(group.split(" ", -1))).collect(Collectors.joining(", ")));
    }

    private static Object flag(String text) {
        return switch (text.strip()) {
            case "0" -> false;
            case "1" -> true;
            default -> throw new IllegalArgumentException("\"" + text.strip() + "\": 0 and 1 are possible");
        };
    }

    private static Object text(String text) {
        if (text.isBlank()) {
            throw new IllegalArgumentException("a text is needed");
        }
        return text.strip();
    }

    private static Object decimalPercent(String text) {
        double number = decimal(text);
        if (!(number >= 0 && number <= 100)) {
            throw new IllegalArgumentException("\"" + text.strip() + "\": 0 to 100 is possible");
        }
        return number;
    }

    private static double decimal(String text) {
        try {
            return Double.parseDouble(text.strip());
        } catch (NumberFormatException e) {
            throw new IllegalArgumentException("\"" + text.strip() + "\" is not a number", e);
        }
    }

    private static Object percentiles(String text) {
        double[] numbers = Arrays.stream(text.split(":", -1)).mapToDouble(ValueType::decimal).sorted().toArray();
        for (double number : numbers) {
            if (!(number > 0 && number <= 100)) {
                throw new IllegalArgumentException(
                        String.format(Locale.ROOT, "%.2f: above 0 up to 100 is possible", number));
            }
        }
        return numbers;
    }

    private static Object seed(String text) {
        try {
            return Long.parseUnsignedLong(text.strip());
        } catch (NumberFormatException e) {
            throw new IllegalArgumentException("\"" + text.strip() + "\": a number of 64 bits is needed", e);
        }
    }

    /** Names between colons; {@code \:} is a colon in a name. */
    private static Object names(String text) {
        List<String> names = new ArrayList<>();
        StringBuilder name = new StringBuilder();
        String stripped = text.strip();
        for (int i = 0; i < stripped.length(); i++) {
            char c = stripped.charAt(i);
            if (c == '\\' && i + 1 < stripped.length() && stripped.charAt(i + 1) == ':') {
                name.append(':');
                i++;
            } else if (c == ':') {
                names.add(name.toString());
                name.setLength(0);
            } else {
                name.append(c);
            }
        }
        names.add(name.toString());
        if (names.stream().anyMatch(String::isBlank)) {
            throw new IllegalArgumentException("\"" + stripped + "\": a name is needed");
        }
        return List.copyOf(names);
    }
}
