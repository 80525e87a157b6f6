package io.blkmq.tools.run;

import org.HdrHistogram.Histogram;
import org.jspecify.annotations.Nullable;

/**
 * The latencies that were recorded since the last look: the difference of two states of a histogram, so that an operation is recorded
 * once, whether anybody looks or not. For the job's thread.
 */
final class LatencyWindow {
    private final LatencyStatistics all;
    // Made at the first look that finds something.
    private @Nullable Histogram before;
    private @Nullable Histogram since;

    LatencyWindow(LatencyStatistics all) {
        this.all = all;
    }

    /** What was recorded until now is not looked at. */
    void begin() {
        percentileNanos(100);
    }

    /** How long the given part of all since the last look took at the most; 0 if there was none. */
    long percentileNanos(double percent) {
        Histogram now = all.histogram();
        if (now == null) {
            before = null;
            return 0;
        }
        Histogram difference = since;
        if (difference == null) {
            difference = new Histogram(now);
            since = difference;
        }
        now.copyInto(difference);
        if (before == null) {
            before = new Histogram(now);
        } else {
            difference.subtract(before);
        }
        now.copyInto(before);
        return difference.getTotalCount() == 0 ? 0 : difference.getValueAtPercentile(percent);
    }
}
