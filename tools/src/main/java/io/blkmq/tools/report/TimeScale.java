package io.blkmq.tools.report;

import java.util.Locale;

/** The unit in which durations are printed. */
enum TimeScale {
    /** Billionths. */
    NANOSECONDS("nsec", 1),
    /** Millionths. */
    MICROSECONDS("usec", 1_000),
    /** Thousandths. */
    MILLISECONDS("msec", 1_000_000);

    private static final double ENOUGH = 9_999.5;

    private final String unitName;
    private final long nanos;

    TimeScale(String unitName, long nanos) {
        this.unitName = unitName;
        this.nanos = nanos;
    }

    /** The finest unit in which a duration has up to four digits. */
    static TimeScale of(double nanos) {
        return nanos < ENOUGH ? NANOSECONDS : nanos < ENOUGH * 1000 ? MICROSECONDS : MILLISECONDS;
    }

    String unitName() {
        return unitName;
    }

    /** A duration, rounded to the unit unless that leaves nothing. */
    String plain(long duration) {
        double value = (double) duration / nanos;
        return value >= 10 || this == NANOSECONDS
                ? String.format(Locale.ROOT, "%.0f", value)
                : String.format(Locale.ROOT, "%.2f", value);
    }

    String exact(double duration) {
        return String.format(Locale.ROOT, "%.2f", duration / nanos);
    }
}
