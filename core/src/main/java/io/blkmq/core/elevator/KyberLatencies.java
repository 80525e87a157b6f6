package io.blkmq.core.elevator;

import java.util.concurrent.atomic.AtomicIntegerArray;

/**
 * How long requests took against their target, in 8 buckets of a quarter of the target each: four are good, the last takes all that
 * is longer. Recorded by any thread, in a part of each hardware context; read by one at a time.
 */
final class KyberLatencies {
    static final int BUCKETS = 8;
    static final int GOOD_BUCKETS = 4;
    /** With so many samples a percentile is worth something; with fewer after {@link #WAIT_NANOS}. */
    private static final int SAMPLES_MIN = 500;
    private static final long WAIT_NANOS = 1_000_000_000;

    private final AtomicIntegerArray[] recorded;
    /** What has been collected and not been used. The reader's, like all below. */
    private final int[] collected = new int[BUCKETS];
    private boolean collecting;
    private long sinceNanos;

    KyberLatencies(int hardwareContexts) {
        recorded = new AtomicIntegerArray[hardwareContexts];
        for (int i = 0; i < hardwareContexts; i++) {
            recorded[i] = new AtomicIntegerArray(BUCKETS);
        }
    }

    void record(int hctx, long latencyNanos, long targetNanos) {
        long width = Math.max(targetNanos / GOOD_BUCKETS, 1);
        long bucket = latencyNanos <= 0 ? 0 : Math.min((latencyNanos - 1) / width, BUCKETS - 1);
        recorded[hctx].getAndIncrement((int) bucket);
    }

    /** Collects what has been recorded. */
    void collect() {
        for (AtomicIntegerArray part : recorded) {
            for (int i = 0; i < BUCKETS; i++) {
                if (part.get(i) != 0) {
                    collected[i] += part.getAndSet(i, 0);
                }
            }
        }
    }

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
