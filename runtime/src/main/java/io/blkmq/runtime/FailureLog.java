package io.blkmq.runtime;

import org.jspecify.annotations.Nullable;

/** Tells a log of what failed where the work has to go on, whatever becomes of the telling. */
final class FailureLog {
    private FailureLog() {}

    /**
     * Tells of a failure.
     *
     * @param log an application's, perhaps: what it throws is dropped, since there is nobody left to tell
     * @param what failed
     * @param cause why
     */
    static void log(System.Logger log, String what, @Nullable Throwable cause) {
        try {
            log.log(System.Logger.Level.ERROR, what, cause);
        } catch (Throwable _) {
            // A full disk below the log must not become the end of a thread.
        }
    }
}
