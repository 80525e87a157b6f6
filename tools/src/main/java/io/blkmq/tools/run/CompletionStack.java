package io.blkmq.tools.run;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/**
 * Brings operations that ended on other threads to the thread of their job, which sleeps while there are none. Any thread pushes;
 * the owner takes all with one exchange, so that no single entry is ever popped and an entry that comes back does no harm.
 *
 * <p>The owner raises {@link #asleep} and then looks at the stack; a pusher pushes and then looks at {@code asleep}: both pairs
 * are volatile, so one of the two sees the other and no wake-up is lost.
 */
final class CompletionStack {
    private static final VarHandle HEAD;
    private static final VarHandle ASLEEP;

    static {
        try {
            MethodHandles.Lookup lookup = MethodHandles.lookup();
            HEAD = lookup.findVarHandle(CompletionStack.class, "head", IoSlot.class);
            ASLEEP = lookup.findVarHandle(CompletionStack.class, "asleep", boolean.class);
        } catch (ReflectiveOperationException e) {
            throw new ExceptionInInitializerError(e);
        }
    }

    private final Thread owner;
    private volatile @Nullable IoSlot head;
    private volatile boolean asleep;

    CompletionStack(Thread owner) {
        this.owner = owner;
    }

    /** Any thread; the slot's fields are the owner's when it has taken it. */
    void push(IoSlot slot) {
        IoSlot before;
        do {
            before = head;
            slot.older = before;
        } while (!HEAD.compareAndSet(this, before, slot));
        if (asleep && ASLEEP.compareAndSet(this, true, false)) {
            LockSupport.unpark(owner);
        }
    }

    /** The owner: all there is, youngest first, linked by {@link IoSlot#older}. */
    @Nullable
    IoSlot takeAll() {
        return head == null ? null : (IoSlot) HEAD.getAndSet(this, null);
    }

    /** The owner: sleeps until there is something, or for no reason. */
    void await(long nanosMax) {
        asleep = true;
        if (head == null) {
            LockSupport.parkNanos(this, nanosMax);
        }
        asleep = false;
    }
}
