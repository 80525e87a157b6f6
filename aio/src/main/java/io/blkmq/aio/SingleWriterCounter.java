package io.blkmq.aio;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;

/**
 * A count that one thread at a time raises (a ring's owner, its reaper, or who holds a lock) and any thread reads.
 * Raising it costs a load and a store.
 */
final class SingleWriterCounter {

    private static final VarHandle VALUE;

    static {
        try {
            VALUE = MethodHandles.lookup().findVarHandle(SingleWriterCounter.class, "value", long.class)
                    .withInvokeExactBehavior();
        } catch (ReflectiveOperationException e) {
            throw new ExceptionInInitializerError(e);
        }
    }

    /** Accessed through VALUE by other threads. */
    private long value;

    void increment() {
        // Opaque: pairs with nothing. Readers need a whole value that is recent, and no order with other memory.
        VALUE.setOpaque(this, value + 1);
    }

    long get() {
        return (long) VALUE.getOpaque(this);
    }
}
