package io.blkmq.core.nullblk;

import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Lets so many bytes through in a second, by the time at which the device will be done with what it was given: a request may go when
 * that is not farther than {@link #BURST_NANOS} away, however large it is itself. Thread-safe.
 */
final class Throttle {
    static final long BURST_NANOS = TimeUnit.MILLISECONDS.toNanos(10);

    private final long bytesPerSecond;
    /** When the device will be done. */
    private final AtomicLong doneAt;

    Throttle(long bytesPerSecond, long now) {
        this.bytesPerSecond = bytesPerSecond;
        this.doneAt = new AtomicLong(now);
    }

    /**
     * Lets bytes through, or not.
     *
     * @return 0 if they may go, else in how many nanoseconds to ask again
     */
    long nanosUntil(long bytes, long now) {
        long takes = (long) ((double) bytes * TimeUnit.SECONDS.toNanos(1) / bytesPerSecond);
        for (;;) {
            long before = doneAt.get();
            long ahead = before - now;
            if (ahead > BURST_NANOS) {
                return ahead - BURST_NANOS;
            }
            if (doneAt.compareAndSet(before, (ahead > 0 ? before : now) + takes)) {
                return 0;
            }
        }
    }
}
