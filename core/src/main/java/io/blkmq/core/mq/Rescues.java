package io.blkmq.core.mq;

import java.util.concurrent.atomic.LongAdder;

/** Counts how often a timer has set going what somebody should have called and did not: a mistake of blkmq's, or of an elevator. */
public final class Rescues {
    private static final LongAdder COUNT = new LongAdder();

    private Rescues() {}

    static void count(String what) {
        COUNT.increment();
        CallbackFailures.log(System.Logger.Level.WARNING, what);
    }

    /** Of all queues. */
    public static long count() {
        return COUNT.sum();
    }
}
