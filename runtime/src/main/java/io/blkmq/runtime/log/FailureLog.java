package io.blkmq.runtime.log;

import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * Tells a log of a failure where the work has to go on, whatever becomes of the telling: the log may be on the disk that has failed, and one thread
 * may serve many. Any thread.
 */
public final class FailureLog {
    private FailureLog() {}

    /**
     * Tells it.
     *
     * @param log perhaps an application's: what it throws is dropped, since nobody is left to be told
     * @param level how bad it is
     * @param what has failed; asked for where the level is logged
     * @param cause why; null if the text says it
     */
    public static void log(System.Logger log, System.Logger.Level level, Supplier<String> what,
            @Nullable Throwable cause) {
        try {
            if (log.isLoggable(level)) {
                log.log(level, what.get(), cause);
            }
        } catch (Throwable _) {
            // It must not become the end of a thread, or of a request that is still to be told.
        }
    }
}
