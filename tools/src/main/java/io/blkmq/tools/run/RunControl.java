package io.blkmq.tools.run;

/** Tells all threads of a run to come to an end. Any thread. */
public final class RunControl {
    private volatile boolean stopped;

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
        return stopped;
    }
}
