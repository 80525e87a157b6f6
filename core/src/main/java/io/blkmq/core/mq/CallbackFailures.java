package io.blkmq.core.mq;

import java.util.concurrent.atomic.LongAdder;

/**
 * What callbacks of users and drivers throw: logged and counted here, and never the end of a thread or of another request.
 * So what is reported may itself throw when it is asked what it is, and so may a user's logger: {@link #report} throws
 * nothing. Thread-safe.
 */
public final class CallbackFailures {
    private static final System.Logger LOG = System.getLogger("io.blkmq.core");
    private static final LongAdder COUNT = new LongAdder();
    private static volatile String latest = "";

    private CallbackFailures() {}

    /**
     * Something has thrown.
     *
     * @param what it was
     * @param thrown what it has thrown
     */
    public static void report(String what, Throwable thrown) {
        COUNT.increment();
        try {
            latest = what + " failed: " + thrown;
            LOG.log(System.Logger.Level.ERROR, what + " failed", thrown);
        } catch (Throwable _) {
            reportByName(what, thrown);
        }
    }

    /** Without a call of what was thrown: that, or the logger that asked it, has thrown something else. */
    private static void reportByName(String what, Throwable thrown) {
        try {
            latest = what + " failed: " + thrown.getClass().getName();
            LOG.log(System.Logger.Level.ERROR, latest);
        } catch (Throwable _) {
            // There is nobody left to tell.
        }
    }

    static void report(String what) {
        COUNT.increment();
        latest = what;
        log(System.Logger.Level.ERROR, what);
    }

    /** Logs for who must go on whatever the logger does. */
    static void log(System.Logger.Level level, String what) {
        try {
            LOG.log(level, what);
        } catch (Throwable _) {
            // There is nobody left to tell.
        }
    }

    static long count() {
        return COUNT.sum();
    }

    /** The last of them, for tests. */
    static String latest() {
        return latest;
    }
}
