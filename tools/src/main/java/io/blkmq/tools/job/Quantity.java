package io.blkmq.tools.job;

import java.util.Locale;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/**
 * Numbers with units, as fio writes them. In sizes {@code k} is 1024, and so on; a {@code b} behind it changes nothing; only
 * {@code kib} and its like are powers of 1000, as in fio, whose prefixes stand opposite to the standards'. Capitals do not
 * matter. What is wrong is told by an {@link IllegalArgumentException} that says what is possible.
 */
public final class Quantity {
    private static final Map<String, Long> TIMES = Map.of("us", 1_000L, "usec", 1_000L, "ms", 1_000_000L, "msec",
            1_000_000L, "", 1_000_000_000L, "s", 1_000_000_000L, "m", TimeUnit.MINUTES.toNanos(1), "h",
            TimeUnit.HOURS.toNanos(1), "d", TimeUnit.DAYS.toNanos(1));
    private static final String PREFIXES = "kmgtp";

    private Quantity() {}

    /**
     * A size.
     *
     * @param text like {@code 4096}, {@code 4k}, {@code 32G}
     * @return bytes, 0 or more
     */
    public static long bytes(String text) {
        String stripped = text.strip().toLowerCase(Locale.ROOT);
        int digits = digits(stripped, text, "a size like 512, 4k, 32g");
        long number = number(stripped.substring(0, digits), text);
        return scale(number, bytesOf(stripped.substring(digits), text), text);
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
        String stripped = text.strip().toLowerCase(Locale.ROOT);
        int digits = digits(stripped, text, "a time like 20, 500ms, 2m");
        Long unit = TIMES.get(stripped.substring(digits));
        if (unit == null) {
            throw new IllegalArgumentException("\"" + text.strip()
                    + "\" has an unknown unit: us, ms, s, m, h, d are possible, and none for seconds");
        }
        return scale(number(stripped.substring(0, digits), text), unit, text);
    }

    /**
     * A plain number.
     *
     * @param text digits
     * @param min the least that is possible
     * @param max the most that is possible
     * @return the number
     */
    public static int count(String text, int min, int max) {
        String stripped = text.strip();
        if (digits(stripped, text, "a number") != stripped.length()) {
            throw new IllegalArgumentException("\"" + stripped + "\" is not a number");
        }
        return (int) between(number(stripped, text), min, max);
    }

    static long between(long value, long min, long max) {
        if (value < min || value > max) {
            throw new IllegalArgumentException(min + " to " + max + " are possible");
        }
        return value;
    }

    /** How many characters at the beginning are digits. */
    private static int digits(String stripped, String text, String wanted) {
        if (stripped.startsWith("-")) {
            throw new IllegalArgumentException("\"" + text.strip() + "\" is negative");
        }
        int digits = 0;
        while (digits < stripped.length() && stripped.charAt(digits) >= '0' && stripped.charAt(digits) <= '9') {
            digits++;
        }
        if (digits == 0) {
            throw new IllegalArgumentException("\"" + text.strip() + "\": " + wanted + " is needed");
        }
        return digits;
    }

    private static long number(String digits, String text) {
        try {
            return Long.parseLong(digits);
        } catch (NumberFormatException e) {
            throw tooLarge(text, e);
        }
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
