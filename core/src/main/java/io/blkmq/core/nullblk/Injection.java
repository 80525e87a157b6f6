package io.blkmq.core.nullblk;

import java.util.concurrent.atomic.AtomicLong;

/**
 * Decides by a seed when a fault occurs: with a probability, and at most a number of times. It may be changed while the device is in
 * use. The kernel's counterpart is a {@code fault_attr}. Thread-safe; the same seed makes the same decisions.
 *
 * @since 0.1.0
 */
public final class Injection {
    private static final long GAMMA = 0x9E3779B97F4A7C15L;
    private static final double UNIT = 0x1.0p-53;

    private final long seed;
    private final AtomicLong asked = new AtomicLong();
    private final AtomicLong left = new AtomicLong();
    private final AtomicLong struck = new AtomicLong();
    private volatile double rate;

    private Injection(long seed) {
        this.seed = seed;
    }

    /**
     * An injection without faults, until it is {@link #set}.
     *
     * @param seed decides when faults occur
     * @return a new one
     */
    public static Injection seeded(long seed) {
        return new Injection(seed);
    }

    /**
     * Sets how often a fault occurs from now on.
     *
     * @param probability from 0 to 1
     * @param times the most faults; {@link Long#MAX_VALUE} for no bound
     * @return this
     * @throws IllegalArgumentException with the value that is out of range
     */
    public Injection set(double probability, long times) {
        if (!(probability >= 0 && probability <= 1)) {
            throw new IllegalArgumentException("probability " + probability + ": 0 to 1 are possible");
        }
        if (times < 0) {
            throw new IllegalArgumentException("times " + times + ": 0 to " + Long.MAX_VALUE + " are possible");
        }
        left.set(times);
        rate = probability;
        return this;
    }

    /** No fault occurs from now on. */
    public void stop() {
        var _ = set(0, 0);
    }

    /**
     * How many faults have occurred.
     *
     * @return since it was made
     */
    public long struck() {
        return struck.get();
    }

    /**
     * Decides once. For a driver, which asks where the fault could occur.
     *
     * @return whether it is to go wrong this time
     */
    public boolean strikes() {
        double now = rate;
        if (now == 0 || left.get() == 0 || (mixed(asked.getAndIncrement()) >>> 11) * UNIT >= now) {
            return false;
        }
        if (left.getAndUpdate(times -> times == 0 || times == Long.MAX_VALUE ? times : times - 1) == 0) {
            return false;
        }
        struck.getAndIncrement();
        return true;
    }

    /** The splitmix64 generator's number at a place. */
    private long mixed(long place) {
        long z = seed + (place + 1) * GAMMA;
        z = (z ^ z >>> 30) * 0xBF58476D1CE4E5B9L;
        z = (z ^ z >>> 27) * 0x94D049BB133111EBL;
        return z ^ z >>> 31;
    }
}
