package io.blkmq.tools.job;

import java.util.Locale;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/**
 * Numbers with units, as fio writes them: decimal, or hexadecimal behind {@code 0x}. In sizes {@code k} is 1024, and so on; a
 * {@code b} behind it changes nothing; only {@code kib} and its like are powers of 1000, as in fio, whose prefixes stand opposite
 * to the standards'. Capitals do not matter. A wrong text is an {@link IllegalArgumentException} that says what is possible.
 */
public final class Quantity {
    private static final Map<String, Long> TIMES = Map.ofEntries(Map.entry("us", 1_000L), Map.entry("usec", 1_000L),
            Map.entry("ms", 1_000_000L), Map.entry("msec", 1_000_000L), Map.entry("s", 1_000_000_000L),
            Map.entry("sec", 1_000_000_000L), Map.entry("m", TimeUnit.MINUTES.toNanos(1)),
            Map.entry("h", TimeUnit.HOURS.toNanos(1)), Map.entry("d", TimeUnit.DAYS.toNanos(1)));
    private static final String PREFIXES = "kmgtp";
    private static final long NANOS_PER_MICRO = 1_000;
    private static final long NANOS_PER_SECOND = 1_000_000_000;

    private Quantity() {}

    /** A text cut into a number and a unit. */
    private record Parts(long number, String unit) {
        static Parts of(String text, String wanted) {
            String stripped = text.strip().toLowerCase(Locale.ROOT);
            if (stripped.startsWith("-")) {
                throw new IllegalArgumentException("\"" + text.strip() + "\" is negative");
            }
            boolean hex = stripped.startsWith("0x");
            String digits = hex ? stripped.substring(2) : stripped;
            int radix = hex ? 16 : 10;
            int length = 0;
            while (length < digits.length() && Character.digit(digits.charAt(length), radix) >= 0
                    && digits.charAt(length) < 128) {
                length++;
            }
            if (length == 0) {
                throw new IllegalArgumentException("\"" + text.strip() + "\": " + wanted + " is needed");
            }
            try {
                return new Parts(Long.parseLong(digits.substring(0, length), radix), digits.substring(length).strip());
            } catch (NumberFormatException e) {
                throw tooLarge(text, e);
            }
        }
    }

    /**
     * A size.
     *
     * @param text like {@code 4096}, {@code 4k}, {@code 32G}, {@code 0x1000}
     * @return bytes, 0 or more
     */
    public static long bytes(String text) {
        Parts parts = Parts.of(text, "a size like 512, 4k, 32g");
        return scale(parts.number, bytesOf(parts.unit, text), text);
    }

    private static long bytesOf(String unit, String text) {
        if (unit.isEmpty() || unit.equals("b")) {
            return 1;
        }
        int power = PREFIXES.indexOf(unit.charAt(0)) + 1;
        String rest = unit.substring(1);
        if (power == 0 || !(rest.isEmpty() || rest.equals("b") || rest.equals("i") || rest.equals("ib"))) {
            throw new IllegalArgumentException(
                    "\"" + text.strip() + "\" has an unknown unit: k, m, g, t, p are possible");
        }
        long base = rest.equals("ib") ? 1000 : 1024;
        long bytes = 1;
        for (int i = 0; i < power; i++) {
            bytes *= base;
        }
        return bytes;
    }

    /**
     * A time; without a unit, seconds.
     *
     * @param text like {@code 20}, {@code 500ms}, {@code 2m}
     * @return nanoseconds
     */
    public static long nanos(String text) {
        return nanos(text, NANOS_PER_SECOND, "seconds");
    }

    /**
     * A time; without a unit, microseconds.
     *
     * @param text like {@code 20}, {@code 500ms}, {@code 2m}
     * @return nanoseconds
     */
    static long nanosOfMicros(String text) {
        return nanos(text, NANOS_PER_MICRO, "microseconds");
    }

    /** A time; without a unit, milliseconds. */
    static long nanosOfMillis(String text) {
        return nanos(text, TimeUnit.MILLISECONDS.toNanos(1), "milliseconds");
    }

    private static long nanos(String text, long unitNanos, String unitName) {
        Parts parts = Parts.of(text, "a time like 20, 500ms, 2m");
        Long unit = parts.unit.isEmpty() ? Long.valueOf(unitNanos) : TIMES.get(parts.unit);
        if (unit == null) {
            throw new IllegalArgumentException("\"" + text.strip()
                    + "\" has an unknown unit: us, ms, s, m, h, d are possible, and none for " + unitName);
        }
        return scale(parts.number, unit, text);
    }

    /**
     * A number, which may have the prefix of a size: {@code 1k} is 1024.
     *
     * @param text digits
     * @param min the least that is possible
     * @param max the most that is possible
     * @return the number
     */
    public static int count(String text, int min, int max) {
        Parts parts = Parts.of(text, "a number");
        if (!parts.unit.isEmpty() && (PREFIXES.indexOf(parts.unit.charAt(0)) < 0 || parts.unit.endsWith("b"))) {
            throw new IllegalArgumentException("\"" + text.strip() + "\" is not a number");
        }
        return (int) between(scale(parts.number, bytesOf(parts.unit, text), text), min, max);
    }

    static long between(long value, long min, long max) {
        if (value < min || value > max) {
            throw new IllegalArgumentException(min + " to " + max + " are possible");
        }
        return value;
    }

    private static long scale(long number, long unit, String text) {
        try {
            return Math.multiplyExact(number, unit);
        } catch (ArithmeticException e) {
            throw tooLarge(text, e);
        }
    }

    private static IllegalArgumentException tooLarge(String text, RuntimeException cause) {
        return new IllegalArgumentException("\"" + text.strip() + "\" is too large for 63 bits", cause);
    }
}
