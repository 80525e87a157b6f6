package io.blkmq.tools.run;

import org.HdrHistogram.Histogram;
import org.jspecify.annotations.Nullable;

/**
 * Durations in nanoseconds: number, bounds, mean, deviation and, where wanted, percentiles. For one thread; to be read and merged
 * when it has ended.
 */
public final class LatencyStatistics {
    private static final long NANOS_MAX = 3_600_000_000_000L;
    private static final int DIGITS = 3;

    private final @Nullable Histogram histogram;
    private long count;
    private long minNanos = Long.MAX_VALUE;
    private long maxNanos;
    /** Sums are of differences from here, so that the deviation is not lost in the digits of a large mean. */
    private double origin;
    private double sum;
    private double squares;

    LatencyStatistics(boolean percentiles) {
        this.histogram = percentiles ? new Histogram(1, NANOS_MAX, DIGITS) : null;
    }

    void record(long nanos) {
        if (histogram != null) {
            histogram.recordValue(Math.min(nanos, NANOS_MAX));
        }
        if (count == 0) {
            origin = nanos;
        }
        count++;
        minNanos = Math.min(minNanos, nanos);
        maxNanos = Math.max(maxNanos, nanos);
        double difference = nanos - origin;
        sum += difference;
        squares += difference * difference;
    }

    void add(LatencyStatistics other) {
        if (other.count == 0) {
            return;
        }
        if (histogram != null && other.histogram != null) {
            histogram.add(other.histogram);
        }
        if (count == 0) {
            origin = other.origin;
        }
        double shift = other.origin - origin;
        squares += other.squares + 2 * shift * other.sum + shift * shift * other.count;
        sum += other.sum + shift * other.count;
        count += other.count;
        minNanos = Math.min(minNanos, other.minNanos);
        maxNanos = Math.max(maxNanos, other.maxNanos);
    }

    /**
     * How many there were.
     *
     * @return 0 or more
     */
    public long count() {
        return count;
    }

    /**
     * The shortest.
     *
     * @return nanoseconds, 0 if there was none
     */
    public long minNanos() {
        return count == 0 ? 0 : minNanos;
    }

    /**
     * The longest.
     *
     * @return nanoseconds, 0 if there was none
     */
    public long maxNanos() {
        return maxNanos;
    }

    /**
     * The mean.
     *
     * @return nanoseconds, 0 if there was none
     */
    public double meanNanos() {
        return count == 0 ? 0 : origin + sum / count;
    }

    /**
     * The standard deviation, of a sample.
     *
     * @return nanoseconds, 0 if there were fewer than two
     */
    public double deviationNanos() {
        return count < 2 ? 0 : Math.sqrt(Math.max(0, (squares - sum * sum / count) / (count - 1)));
    }

    /**
     * How long the given part of all took at the most.
     *
     * @param percent above 0, up to 100
     * @return nanoseconds, 0 if there was none
     */
    public long percentileNanos(double percent) {
        return histogram == null || count == 0 ? 0 : Math.min(histogram.getValueAtPercentile(percent), maxNanos);
    }
}
