package io.blkmq.sim;

import org.jspecify.annotations.Nullable;

/**
 * A simulation that failed. The message says how, names the seed, and ends with the line that replays it.
 *
 * @since 0.1.0
 */
public final class SimulationFailure extends AssertionError {
    private static final long serialVersionUID = 1;

    /** What ended a simulation. */
    public enum Kind {
        /** A simulated thread threw something: the cause. */
        THROWN,
        /** Nobody could run, and no timer was set. */
        DEADLOCK,
        /** There were more steps than allowed. */
        STEPS,
        /** More virtual time went by than allowed. */
        TIME,
        /** A thread did not come back to the runtime for longer, in real time, than allowed. */
        HANG,
        /** The thread that runs the simulation was interrupted. */
        INTERRUPTED
    }

    /** Why the simulation failed. */
    private final Kind kind;
    /** The seed that repeats it. */
    private final long seed;

    SimulationFailure(Kind kind, long seed, String message, @Nullable Throwable cause) {
        super(message, cause);
        this.kind = kind;
        this.seed = seed;
    }

    /**
     * What ended it.
     *
     * @return the kind
     */
    public Kind kind() {
        return kind;
    }

    /**
     * What it was chosen by.
     *
     * @return the seed
     */
    public long seed() {
        return seed;
    }
}
