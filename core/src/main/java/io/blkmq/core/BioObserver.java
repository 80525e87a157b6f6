package io.blkmq.core;

import org.jspecify.annotations.Nullable;

/**
 * Sees each bio that is submitted to a queue, as the submitter gave it: before it is cut, merged, or preceded by a flush. For traces and
 * for tests; the kernel's counterpart is the tracepoints that {@code blktrace} uses. Without an observer a queue does nothing for it but
 * look whether there is one.
 *
 * <p>Its calls run on the way of the I/O: they are short, do not wait, and call no disk. What one throws is logged and counted, and
 * concerns no bio.
 *
 * @see io.blkmq.core.driver.RequestQueue#addObserver
 * @since 0.1.0
 */
@FunctionalInterface
public interface BioObserver {
    /**
     * A bio has been submitted, and nothing has been done of it yet. Runs on the submitting thread, several at once for several threads.
     *
     * @param bio in flight: to be looked at during the call, and not to be changed. Where it lies on the device says
     *        {@link Bio#deviceSector()}
     * @return who is told of its end; null for nobody
     */
    @Nullable
    End submitted(Bio bio);

    /** Is told how a bio ended. */
    @FunctionalInterface
    interface End {
        /**
         * The bio has ended, and its submitter is told next. Runs once, on the thread that tells the submitter.
         *
         * @param bio still in flight: to be looked at during the call
         * @param status how it ended
         */
        void ended(Bio bio, Status status);
    }
}
