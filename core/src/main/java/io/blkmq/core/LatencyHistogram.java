package io.blkmq.core;

import java.util.Arrays;
import java.util.Objects;

/**
 * A histogram of the times of operations: four buckets for each power of two, so that a figure read from it is at most a quarter too large.
 * Operations of more than two hours are in the last bucket. Immutable.
 *
 * @since 0.1.0
 */
public final class LatencyHistogram {
    /** The number of buckets. */
    public static final int BUCKETS = 168;

    private static final int PARTS_BITS = 2;
    private static final int PARTS = 1 << PARTS_BITS;

    private final long[] counts;
    private final long total;

    /**
     * Of counts.
     *
     * @param counts how many operations each bucket has; copied
     * @throws IllegalArgumentException if there are not {@value #BUCKETS}, or one is negative
     */
    public LatencyHistogram(long[] counts) {
        if (counts.length != BUCKETS) {
            throw new IllegalArgumentException(counts.length + " buckets: there are " + BUCKETS);
        }
        this.counts = counts.clone();
        long sum = 0;
        for (int bucket = 0; bucket < BUCKETS; bucket++) {
            if (counts[bucket] < 0) {
                throw new IllegalArgumentException(
                        counts[bucket] + " operations in bucket " + bucket + ": must not be negative");
            }
            sum += counts[bucket];
        }
        this.total = sum;
    }

    /**
     * Where an operation is counted.
     *
     * @param nanos how long it took, not negative
     * @return from 0 to {@link #BUCKETS} - 1
     */
    public static int bucketOf(long nanos) {
        if (nanos < PARTS) {
            return (int) nanos;
        }
        int power = 63 - Long.numberOfLeadingZeros(nanos);
        int bucket = (power - 1) * PARTS + (int) (nanos >>> (power - PARTS_BITS) & PARTS - 1);
        return Math.min(bucket, BUCKETS - 1);
    }

    /**
     * The shortest time of a bucket.
     *
     * @param bucket from 0 to {@link #BUCKETS} - 1
     * @return nanoseconds
     */
    public static long lowestNanos(int bucket) {
        Objects.checkIndex(bucket, BUCKETS);
        return bound(bucket);
    }

    /**
     * The longest time of a bucket. The last bucket also has longer operations.
     *
     * @param bucket from 0 to {@link #BUCKETS} - 1
     * @return nanoseconds
     */
    public static long highestNanos(int bucket) {
        Objects.checkIndex(bucket, BUCKETS);
        return bound(bucket + 1) - 1;
    }

    private static long bound(int bucket) {
        if (bucket < PARTS) {
            return bucket;
        }
        int power = bucket / PARTS + 1;
        return (long) (PARTS + bucket % PARTS) << (power - PARTS_BITS);
    }

    /**
     * How many operations there are.
     *
     * @return in all buckets
     */
    public long total() {
        return total;
    }

    /**
     * How many operations a bucket has.
     *
     * @param bucket from 0 to {@link #BUCKETS} - 1
     * @return the count
     */
    public long count(int bucket) {
        return counts[Objects.checkIndex(bucket, BUCKETS)];
    }

    /**
     * A time that so many of all operations did not exceed: the longest one of the bucket in which that operation stands.
     *
     * @param percent above 0, at most 100
     * @return nanoseconds; 0 if there are no operations
     * @throws IllegalArgumentException if it is another percentage
     */
    public long percentileNanos(double percent) {
        if (!(percent > 0 && percent <= 100)) {
            throw new IllegalArgumentException("percentile " + percent + ": above 0 to 100 are possible");
        }
        if (total == 0) {
            return 0;
        }
        long rank = Math.clamp((long) Math.ceil(percent / 100 * total), 1, total);
        int bucket = 0;
        for (long seen = counts[0]; seen < rank; seen += counts[bucket]) {
            bucket++;
        }
        return highestNanos(bucket);
    }

    /**
     * The difference to an earlier state of the same histogram.
     *
     * @param earlier of the same disk and group
     * @return the difference
     * @throws IllegalArgumentException if it has more operations than this in some bucket
     */
    public LatencyHistogram since(LatencyHistogram earlier) {
        long[] added = new long[BUCKETS];
        Arrays.setAll(added, bucket -> counts[bucket] - earlier.counts[bucket]);
        return new LatencyHistogram(added);
    }

    @Override
    public String toString() {
        return total == 0
                ? "no operations"
                : total + " operations: 50 % within " + percentileNanos(50) + " ns, 99 % within " + percentileNanos(99)
                        + " ns, all within " + percentileNanos(100) + " ns";
    }
}
