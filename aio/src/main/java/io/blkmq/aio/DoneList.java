package io.blkmq.aio;

import io.blkmq.aio.life.EngineEnd;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;

/**
 * Operations of an engine without a ring that have ended, and are to be told by its owner or its agent. Any thread adds; one at a time takes
 * all of them, and may wait for one: the owner, the agent, or who closes.
 *
 * <pre>
 *   who adds: compare-and-set of the newest -- onto an empty list --> raises the descriptor, unparks the waiter
 *   who takes: drains the descriptor -> swaps the newest for none -> turns the list round
 * </pre>
 *
 * <p>The list is linked by {@link Kiocb#next}, so its length is bounded by what is in flight. There is no lock: one of the JDK makes an object each
 * time that a thread has to wait for it, and an agent that looks all the time meets who adds in it.
 */
final class DoneList {

    private static final VarHandle NEWEST;

    static {
        try {
            NEWEST = MethodHandles.lookup().findVarHandle(DoneList.class, "newest", Kiocb.class)
                    .withInvokeExactBehavior();
        } catch (ReflectiveOperationException e) {
            throw new ExceptionInInitializerError(e);
        }
    }

    private final ReadyEvent ready;
    private final EngineEnd end;
    /** Whether there is a reason to wait for another. */
    private final BooleanSupplier mayWait;

    /** Each links to the one before it. Volatile: adding releases the operation's result, and taking acquires it. */
    private volatile @Nullable Kiocb newest;
    /** Who waits is to look once more what is due. Volatile: raised before who waits is looked for. */
    private volatile boolean dueChanged;
    /** Volatile: who waits says so, then looks whether it has to; who ends the wait changes that, then looks here. */
    private volatile @Nullable Thread waiter;

    /**
     * @param ready what is raised while there are any
     * @param end of the engine: lets nobody raise a descriptor that has been given back
     * @param mayWait whether there is a reason to wait for another
     */
    DoneList(ReadyEvent ready, EngineEnd end, BooleanSupplier mayWait) {
        this.ready = ready;
        this.end = end;
        this.mayWait = mayWait;
    }

    /** Adds an operation. Any thread. */
    void add(Kiocb kiocb) {
        Kiocb before;
        do {
            before = newest;
            kiocb.next = before;
        } while (!NEWEST.compareAndSet(this, before, kiocb));
        if (before == null) {
            raise();
            wake();
        }
    }

    /** It may have been taken and told by now, so the engine may be about to end. */
    private void raise() {
        if (ready.fd() >= 0 && end.visit()) {
            try {
                ready.raise();
            } finally {
                int _ = end.leave();
            }
        }
    }

    /** Ends a wait, so that what it waits for is looked at again. Any thread. */
    void wake() {
        Thread waiting = waiter;
        if (waiting != null) {
            LockSupport.unpark(waiting);
        }
    }

    /** What is due has changed: a wait ends, and if there is none the next. Any thread. */
    void dueHasChanged() {
        dueChanged = true;
        wake();
    }

    /** Takes all, oldest first by {@link Kiocb#next}, or null. Waits so long at most for one, while there is a reason to. An interrupt does not end the wait. */
    @Nullable
    Kiocb take(long timeoutNanos) {
        if (timeoutNanos > 0 && newest == null) {
            await(timeoutNanos);
        }
        dueChanged = false;
        ready.drain();
        // Looked at first: an agent finds none most of the time.
        return newest == null ? null : turned((Kiocb) NEWEST.getAndSet(this, (Kiocb) null));
    }

    private void await(long timeoutNanos) {
        boolean interrupted = false;
        // May wrap around, and is compared by difference.
        long deadline = System.nanoTime() + timeoutNanos;
        long left = timeoutNanos;
        waiter = Thread.currentThread();
        while (newest == null && left > 0 && !dueChanged && mayWait.getAsBoolean()) {
            LockSupport.parkNanos(this, left);
            interrupted |= Thread.interrupted();
            left = timeoutNanos == Long.MAX_VALUE ? left : deadline - System.nanoTime();
        }
        waiter = null;
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    private static @Nullable Kiocb turned(@Nullable Kiocb newest) {
        Kiocb first = null;
        for (Kiocb kiocb = newest; kiocb != null;) {
            Kiocb before = kiocb.next;
            kiocb.next = first;
            first = kiocb;
            kiocb = before;
        }
        return first;
    }
}
