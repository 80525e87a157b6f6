package io.blkmq.tools.run;

/** Is told how far a run is. All methods are called by the thread that executes the run. */
public interface RunListener {
    /** Nobody listens. */
    RunListener SILENT = _ -> {};

    /**
     * An image is being written.
     *
     * @param device whose it is
     * @param bytes written until now
     * @param ofBytes in all
     */
    default void laidOut(String device, long bytes, long ofBytes) {}

    /** All devices are there, and all jobs fit: they begin. */
    default void begins() {}

    /**
     * How far it is, each second.
     *
     * @param progress what was done in the last second
     */
    void progress(Progress progress);
}
