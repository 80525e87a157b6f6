package io.blkmq.core.mq;

import java.util.concurrent.atomic.LongAdder;

/** What callbacks of users and drivers throw: logged and counted here, and never the end of a thread or of another request. */
final class CallbackFailures {
    private static final System.Logger LOG = System.getLogger("io.blkmq.core");
    private static final LongAdder COUNT = new LongAdder();
    private static volatile String latest = "";

    private CallbackFailures() {}

    static void report(String what, Throwable thrown) {
        COUNT.increment();
        latest = what + " failed: " + thrown;
        LOG.log(System.Logger.Level.ERROR, what + " failed", thrown);
    }

    static void report(String what) {
        COUNT.increment();
        latest = what;
        LOG.log(System.Logger.Level.ERROR, what);
    }

    static long count() {
        return COUNT.sum();
    }

    /** The last of them, for tests. */
    static String latest() {
        return latest;
    }
}
