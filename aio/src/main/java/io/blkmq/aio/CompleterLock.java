package io.blkmq.aio;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/**
 * Held by who completes. Any thread may try to have it; one at a time may wait for it, which is the reaper, or after its end who
 * closes. It is there because a lock of the JDK makes an object each time a thread has to wait, which is what a reaper does
 * whenever it wakes while a submitter tells what ended in its doorbell. Not reentrant.
 */
final class CompleterLock {

    private static final VarHandle HOLDER;

    static {
        try {
            HOLDER = MethodHandles.lookup().findVarHandle(CompleterLock.class, "holder", Thread.class)
                    .withInvokeExactBehavior();
        } catch (ReflectiveOperationException e) {
            throw new ExceptionInInitializerError(e);
        }
    }

    /** Volatile: taking it acquires what was done by who had it before, giving it back releases. */
    private volatile @Nullable Thread holder;
    /** Volatile: who waits says so, then looks at the holder; who gives back does so, then looks here. */
    private volatile @Nullable Thread waiter;

    boolean tryLock() {
        return holder == null && HOLDER.compareAndSet(this, (Thread) null, Thread.currentThread());
    }

    /** Waits. An interrupt does not end the wait; it is there again afterwards. */
    void lock() {
        if (tryLock()) {
            return;
        }
        boolean interrupted = false;
        waiter = Thread.currentThread();
        while (!tryLock()) {
            LockSupport.park(this);
            interrupted |= Thread.interrupted();
        }
        waiter = null;
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    void unlock() {
        assert isHeldByCurrentThread() : "held by " + holder;
        holder = null;
        Thread waiting = waiter;
        if (waiting != null) {
            LockSupport.unpark(waiting);
        }
    }

    boolean isHeldByCurrentThread() {
        return Thread.currentThread().equals(holder);
    }
}
