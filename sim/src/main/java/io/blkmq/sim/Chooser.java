package io.blkmq.sim;

import java.util.List;
import java.util.SplittableRandom;

/**
 * Makes every choice of a simulation, all by its seed. Rare switches find other bugs than frequent ones, so the seed also says by
 * which of these rules threads are chosen:
 *
 * <pre>
 *   uniform    anyone who can run, at each step
 *   keep       the same thread goes on with a chance of 50, 90 or 98 in 100, else anyone
 *   priority   the thread of the highest priority; priorities are random, and that of a thread changes now and then. So some
 *              thread stands still for a long time while all others go on, which chance alone hardly ever does
 * </pre>
 */
final class Chooser {
    private static final int[] KEEP_PERCENT = {0, 50, 90, 98};
    private static final int[] PRIORITY_CHANGE_ONE_IN = {10, 40, 160};
    /** One look in so many goes to a thread that only polls, while others have something to do. */
    private static final int POLLER_ONE_IN = 8;
    private static final int SPURIOUS_ONE_IN = 32;

    private final SplittableRandom random;
    private final int stepNanosMax;
    private final boolean byPriority;
    private final int keepPercent;
    private final int priorityChangeOneIn;
    private final boolean spuriousReturns;
    private long digest;

    Chooser(long seed, long stepNanosMax) {
        this.random = new SplittableRandom(seed);
        this.stepNanosMax = (int) stepNanosMax;
        int rule = random.nextInt(KEEP_PERCENT.length + 1);
        this.byPriority = rule == KEEP_PERCENT.length;
        this.keepPercent = byPriority ? 0 : KEEP_PERCENT[rule];
        this.priorityChangeOneIn = PRIORITY_CHANGE_ONE_IN[random.nextInt(PRIORITY_CHANGE_ONE_IN.length)];
        this.spuriousReturns = random.nextBoolean();
        this.digest = seed;
    }

    /** How long a step takes. */
    long stepNanos() {
        return stepNanosMax == 0 ? 0 : 1 + random.nextInt(stepNanosMax);
    }

    /** The priority of a new thread. */
    int priority() {
        return random.nextInt();
    }

    /** Whether the thread that runs goes on, whoever else could. */
    boolean keeps() {
        return keepPercent != 0 && random.nextInt(100) < keepPercent;
    }

    /** Whether a park returns for no reason, as parks may. */
    boolean returnsForNoReason() {
        return spuriousReturns && random.nextInt(SPURIOUS_ONE_IN) == 0;
    }

    /**
     * Chooses one of those who can run.
     *
     * @param from not empty
     * @param pollers how many of them only poll; unless all do, they are looked at less often
     */
    SimulatedThread choose(List<SimulatedThread> from, int pollers) {
        boolean anyone = pollers == 0 || pollers == from.size() || random.nextInt(POLLER_ONE_IN) == 0;
        if (byPriority && (pollers == 0 || !anyone)) {
            return highest(from, anyone);
        }
        int at = random.nextInt(anyone ? from.size() : from.size() - pollers);
        for (SimulatedThread thread : from) {
            if ((anyone || !thread.polls()) && at-- == 0) {
                return thread;
            }
        }
        throw new AssertionError("chose one that is not there");
    }

    private SimulatedThread highest(List<SimulatedThread> from, boolean anyone) {
        SimulatedThread highest = null;
        for (SimulatedThread thread : from) {
            if ((anyone || !thread.polls()) && (highest == null || thread.priority > highest.priority)) {
                highest = thread;
            }
        }
        if (highest == null) {
            throw new AssertionError("nobody to choose from");
        }
        if (random.nextInt(priorityChangeOneIn) == 0) {
            highest.priority = priority();
        }
        return highest;
    }

    /** Adds a step to the digest. */
    void note(int thread, int entry, long nanos) {
        long mixed = (digest ^ ((long) thread << 8 | entry)) * 0x9E3779B97F4A7C15L + nanos;
        digest = mixed ^ mixed >>> 29;
    }

    long digest() {
        return digest;
    }
}
