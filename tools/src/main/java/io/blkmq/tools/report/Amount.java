package io.blkmq.tools.report;

import java.util.Locale;

/** Numbers as people read them: three digits and a prefix. */
public final class Amount {
    private static final String[] BINARY = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    private static final String[] DECIMAL_BYTES = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
    private static final String[] DECIMAL = {"", "k", "M", "G", "T", "P", "E"};

    private Amount() {}

    /**
     * A size in powers of 1024.
     *
     * @param bytes 0 or more
     * @return like {@code 64.0KiB}
     */
    public static String bytes(double bytes) {
        return scaled(bytes, 1024, BINARY);
    }

    /**
     * A size in powers of 1000.
     *
     * @param bytes 0 or more
     * @return like {@code 65.5kB}
     */
    public static String decimalBytes(double bytes) {
        return scaled(bytes, 1000, DECIMAL_BYTES);
    }

    /**
     * A number in powers of 1000.
     *
     * @param count 0 or more
     * @return like {@code 64.1k}
     */
    public static String count(double count) {
        return scaled(count, 1000, DECIMAL);
    }

    private static String scaled(double amount, double base, String[] units) {
        int unit = 0;
        double rest = amount;
        while (rest >= base * 0.99995 && unit < units.length - 1) {
            rest /= base;
            unit++;
        }
        boolean whole = unit == 0 && rest == Math.rint(rest);
        return String.format(Locale.ROOT, whole || rest >= 100 ? "%.0f" : rest >= 10 ? "%.1f" : "%.2f", rest)
                + units[unit];
    }
}
