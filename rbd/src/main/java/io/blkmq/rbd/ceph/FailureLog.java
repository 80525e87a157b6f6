package io.blkmq.rbd.ceph;

import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** Tells the log of the module of a failure where the work has to go on, whatever becomes of the telling. Any thread. */
public final class FailureLog {
    private FailureLog() {}

    /**
     * Tells it, as a warning.
     *
     * @param what has failed
     * @param cause why; null if the text says it
     */
    public static void log(Supplier<String> what, @Nullable Throwable cause) {
        try {
            System.getLogger("io.blkmq.rbd").log(System.Logger.Level.WARNING, what.get(), cause);
        } catch (Throwable _) {
            // An application's log may throw: the operation is still to be told, and a thread of librbd would end the process.
        }
    }
}
