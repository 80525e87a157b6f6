package io.blkmq.core.driver;

import java.util.concurrent.atomic.LongAdder;

/** What callbacks of users and drivers throw: logged and counted here, and never the end of a thread or of another request. */
final class CallbackFailures {
    private static final System.Logger LOG = System.getLogger("io.blkmq.core");
    private static final LongAdder COUNT = new LongAdder();

    private CallbackFailures() {}

    static void report(String what, Throwable thrown) {
        COUNT.increment();
        LOG.log(System.Logger.Level.ERROR, what + " failed", thrown);
    }

    static void report(String what) {
        COUNT.increment();
        LOG.log(System.Logger.Level.ERROR, what);
    }

    static long count() {
        return COUNT.sum();
    }
}
