package io.blkmq.core.elevator;

import java.util.concurrent.atomic.AtomicIntegerArray;

/**
 * How long requests took against their target, in all and at the driver, in 8 buckets of a quarter of the target each: four are good, the
 * last takes all that is longer. Recorded by any thread, in a part of each hardware context, both in one step: a part counts the pairs of
 * buckets. Read by one at a time.
 */
final class KyberLatencies {
    static final int BUCKETS = 8;
    static final int GOOD_BUCKETS = 4;
    /** With so many samples a percentile is worth something; with fewer after {@link #WAIT_NANOS}. */
    private static final int SAMPLES_MIN = 500;
    private static final long WAIT_NANOS = 1_000_000_000;

    /** By hardware context: the bucket in all times {@link #BUCKETS}, and the bucket at the driver. */
    private final AtomicIntegerArray[] recorded;
    /** In all, and at the driver: what has been collected and not been used. The reader's. */
    final Samples total = new Samples();
    final Samples atDriver = new Samples();

    KyberLatencies(int hardwareContexts) {
        recorded = new AtomicIntegerArray[hardwareContexts];
        for (int i = 0; i < hardwareContexts; i++) {
            recorded[i] = new AtomicIntegerArray(BUCKETS * BUCKETS);
        }
    }

    void record(int hctx, long totalNanos, long driverNanos, long targetNanos) {
        long width = Math.max(targetNanos / GOOD_BUCKETS, 1);
        recorded[hctx].getAndIncrement(bucket(totalNanos, width) * BUCKETS + bucket(driverNanos, width));
    }

    private static int bucket(long nanos, long width) {
        // Most are well within their target, and need no division.
        return nanos <= width ? 0 : (int) Math.min((nanos - 1) / width, BUCKETS - 1);
    }

    /** Collects what has been recorded. */
    void collect() {
        for (AtomicIntegerArray part : recorded) {
            for (int i = 0; i < part.length(); i++) {
                if (part.get(i) != 0) {
                    int count = part.getAndSet(i, 0);
                    total.collected[i / BUCKETS] += count;
                    atDriver.collected[i % BUCKETS] += count;
                }
            }
        }
    }

    /** What is known of one of the two. */
    static final class Samples {
        private final int[] collected = new int[BUCKETS];
        private boolean collecting;
        private long sinceNanos;

        /**
         * The bucket of a percentile, and a new beginning.
         *
         * @return negative if there are not yet enough samples: they are kept
         */
        int percentile(int percent, long nowNanos) {
            long samples = 0;
            for (int count : collected) {
                samples += count;
            }
            if (samples == 0) {
                return -1;
            }
            if (!collecting) {
                collecting = true;
                sinceNanos = nowNanos;
            }
            if (samples < SAMPLES_MIN && nowNanos - sinceNanos < WAIT_NANOS) {
                return -1;
            }
            collecting = false;
            long below = (samples * percent + 99) / 100;
            int bucket = 0;
            while (bucket < BUCKETS - 1 && collected[bucket] < below) {
                below -= collected[bucket++];
            }
            java.util.Arrays.fill(collected, 0);
            return bucket;
        }
    }
}
