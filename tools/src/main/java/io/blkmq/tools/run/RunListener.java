package io.blkmq.tools.run;

/** Is told that a run begins, and each second how far it is. */
@FunctionalInterface
public interface RunListener {
    /** All devices are there, and all jobs fit: they begin. */
    default void begins() {}

    /**
     * How far it is.
     *
     * @param running how many jobs have not ended
     * @param operations how many operations ended since the last time
     * @param bytes how much they moved
     * @param intervalNanos how long the last time was ago
     */
    void progress(int running, long operations, long bytes, long intervalNanos);
}
