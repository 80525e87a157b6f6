package io.blkmq.core.nullblk;

import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;

/**
 * The bandwidth of a device, by the time at which it will be done with what it was given. A driver lets requests wait in the block layer
 * ({@link #nanosUntil}) or takes them all and completes them when they are through ({@link #nanosFor}). Thread-safe.
 *
 * @since 0.1.0
 */
public final class Throttle {
    /** A request may go when the device will be done with all before it within this time, however large it is itself. */
    static final long BURST_NANOS = TimeUnit.MILLISECONDS.toNanos(10);

    private final long bytesPerSecond;
    /** When the device will be done. */
    private final AtomicLong doneAt;

    /**
     * A device that has nothing to do.
     *
     * @param bytesPerSecond how much goes through in a second
     * @param now the time, by the clock that all calls use, in nanoseconds
     * @throws IllegalArgumentException if it is not positive
     */
    public Throttle(long bytesPerSecond, long now) {
        if (bytesPerSecond <= 0) {
            throw new IllegalArgumentException("bytesPerSecond " + bytesPerSecond + ": must be positive");
        }
        this.bytesPerSecond = bytesPerSecond;
        this.doneAt = new AtomicLong(now);
    }

    /**
     * Lets bytes through, or not: bursts of a hundredth of a second.
     *
     * @param bytes how many
     * @param now the time
     * @return 0 if they may go, else in how many nanoseconds to ask again
     */
    public long nanosUntil(long bytes, long now) {
        for (;;) {
            long before = doneAt.get();
            long ahead = before - now;
            if (ahead > BURST_NANOS) {
                return ahead - BURST_NANOS;
            }
            if (doneAt.compareAndSet(before, (ahead > 0 ? before : now) + nanosOf(bytes))) {
                return 0;
            }
        }
    }

    /**
     * Takes bytes, whatever else is to be done.
     *
     * @param bytes how many
     * @param now the time
     * @return in how many nanoseconds they and all before them are through
     */
    public long nanosFor(long bytes, long now) {
        long takes = nanosOf(bytes);
        return doneAt.updateAndGet(before -> (before - now > 0 ? before : now) + takes) - now;
    }

    private long nanosOf(long bytes) {
        return (long) ((double) bytes * TimeUnit.SECONDS.toNanos(1) / bytesPerSecond);
    }
}
