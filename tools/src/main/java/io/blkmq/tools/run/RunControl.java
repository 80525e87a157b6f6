package io.blkmq.tools.run;

import org.jspecify.annotations.Nullable;

/** Tells all threads of a run to come to an end. Any thread. */
public final class RunControl {
    private final @Nullable RunControl outer;
    private volatile boolean stopped;

    /** Nobody has asked for an end yet. */
    public RunControl() {
        this(null);
    }

    private RunControl(@Nullable RunControl outer) {
        this.outer = outer;
    }

    /** A control of one run, which ends with this and can also end by itself. */
    RunControl inner() {
        return new RunControl(this);
    }

    /** Asks for the end: what is in flight is waited for, and the run is reported as far as it came. */
    public void stop() {
        stopped = true;
    }

    /**
     * Whether the end was asked for.
     *
     * @return true from {@link #stop} on
     */
    public boolean isStopped() {
        return stopped || (outer != null && outer.isStopped());
    }
}
