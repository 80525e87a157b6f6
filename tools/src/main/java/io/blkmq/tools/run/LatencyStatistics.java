package io.blkmq.tools.run;

import org.HdrHistogram.Histogram;
import org.jspecify.annotations.Nullable;

/**
 * Durations in nanoseconds: number, bounds, mean, deviation and, where wanted, percentiles. For one thread; to be read and merged
 * when it has ended.
 */
public final class LatencyStatistics {
    private static final long NANOS_MAX = 3_600_000_000_000L;
    /** Of percentiles: they are exact to one part in a hundred, and a histogram is small enough for a thousand jobs. */
    private static final int DIGITS = 2;

    private final boolean percentiles;
    /** Made when there is something to count: of a thousand jobs, most do not go in all directions. */
    private @Nullable Histogram histogram;
    private long count;
    private long minNanos = Long.MAX_VALUE;
    private final boolean kept;
    private long maxNanos;
    /** Sums are of differences from here, so that the deviation is not lost in the digits of a large mean. */
    private double origin;
    private double sum;
    private double squares;

    LatencyStatistics(boolean percentiles) {
        this(percentiles, true);
    }

    private LatencyStatistics(boolean percentiles, boolean kept) {
        this.percentiles = percentiles;
        this.kept = kept;
    }

    /** Of those that nobody wants: nothing is recorded. */
    static LatencyStatistics unwanted() {
        return new LatencyStatistics(false, false);
    }

    /** Forgets everything. */
    void reset() {
        histogram = null;
        count = 0;
        minNanos = Long.MAX_VALUE;
        maxNanos = 0;
        sum = 0;
        squares = 0;
    }

    void record(long nanos) {
        if (!kept) {
            return;
        }
        if (count == 0) {
            origin = nanos;
            histogram = percentiles ? new Histogram(1, NANOS_MAX, DIGITS) : null;
        }
        Histogram counts = histogram;
        if (counts != null) {
            counts.recordValue(Math.min(nanos, NANOS_MAX));
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
        if (count == 0) {
            origin = other.origin;
            histogram = percentiles ? new Histogram(1, NANOS_MAX, DIGITS) : null;
        }
        if (histogram != null && other.histogram != null) {
            histogram.add(other.histogram);
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

    /**
     * How many took no longer than a time, and longer than another.
     *
     * @param fromNanos the other, not included
     * @param toNanos the time, included
     * @return how many, as exact as percentiles
     */
    public long countBetween(long fromNanos, long toNanos) {
        Histogram counts = histogram;
        return counts == null || count == 0 || fromNanos >= NANOS_MAX
                ? 0
                : counts.getCountBetweenValues(fromNanos + 1, Math.min(toNanos, NANOS_MAX));
    }

    /** Is told of the lengths that occurred. */
    @FunctionalInterface
    public interface Bins {
        /**
         * Some took so long.
         *
         * @param nanos how long
         * @param number how many
         */
        void bin(long nanos, long number);
    }

    /**
     * Tells all lengths that occurred, in order.
     *
     * @param bins is told
     */
    public void forEachBin(Bins bins) {
        Histogram counts = histogram;
        if (counts != null) {
            counts.recordedValues()
                    .forEach(value -> bins.bin(value.getValueIteratedTo(), value.getCountAddedInThisIterationStep()));
        }
    }

    /** All lengths so far, to be read by the job's thread; null if there was none, or only bounds and means are kept. */
    @Nullable
    Histogram histogram() {
        return histogram;
    }

    /**
     * Whether there are percentiles.
     *
     * @return false if only bounds and means were kept
     */
    public boolean hasPercentiles() {
        return histogram != null;
    }
}
