package io.blkmq.aio.life;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;

/**
 * The end of an engine. It ends once, by one thread, and not while anybody uses what it gives back: a descriptor's number may be
 * another file's a moment later, and an unmapped ring has no words to look at.
 *
 * <pre>
 *   IDLE -- use (owner) --> IN_USE          tryBegin: from IDLE by whoever closes,
 *     ^                       |                       from IN_USE by the owner, or by anybody after the owner's thread has ended
 *     +---- letGo (owner) ----+
 *   IDLE or IN_USE -- tryBegin --> ENDING -- done --> (what was waited for in awaitDone)
 * </pre>
 *
 * <p>A polled engine is used by its owner from the first operation in flight until the last has been told, and for as long as a call of
 * the owner's takes. Within that time the owner needs no atomic step to know that nobody ends the engine. So the price is one
 * compare-and-set for each time that the engine becomes busy, and none for an operation.
 *
 * <p>In REAPER mode the engine is always IDLE here. The reaper ends by itself when nothing is in flight; other threads that are going to
 * enter the kernel {@link #visit}, and who ends the engine lets nobody visit any more and waits for those who do.
 */
public final class EngineEnd {

    private static final VarHandle STATE;

    private static final int IDLE = 0;
    private static final int IN_USE = 1;
    private static final int ENDING = 2;

    private static final long PAUSE_NANOS = 10_000L;

    static {
        try {
            STATE = MethodHandles.lookup().findVarHandle(EngineEnd.class, "state", int.class).withInvokeExactBehavior();
        } catch (ReflectiveOperationException e) {
            throw new ExceptionInInitializerError(e);
        }
    }

    /** See above. */
    private volatile int state;
    /** Whether nobody visits any more. Volatile: who shuts raises it, then looks at the count. */
    private volatile boolean shut;
    /** Threads that visit. Volatile steps: who visits raises it, then looks whether it is shut. */
    private final AtomicInteger visitors = new AtomicInteger();
    private final CountDownLatch ended = new CountDownLatch(1);

    // The owner of a polled engine.

    /** Whether the owner, which calls, has the engine in use. */
    public boolean isInUse() {
        // Plain: only the owner itself enters and leaves this state while its thread lives.
        return (int) STATE.get(this) == IN_USE;
    }

    /** Takes the engine into use; false if its end has begun. The owner, which does not have it in use. */
    public boolean use() {
        // Volatile: acquires nothing that the owner has not written, and is before all that it does to the engine.
        return STATE.compareAndSet(this, IDLE, IN_USE);
    }

    /** The owner, which calls, has no operation in flight, and is not inside of the engine any more. */
    public void letGo() {
        // Release: pairs with the compare-and-set of tryBegin, so that who ends the engine finds it as the owner has left it. Only
        // the owner leaves this state, so there is nothing to compare.
        STATE.setRelease(this, IDLE);
    }

    // Who closes.

    /** Whether the end has begun. Any thread. */
    public boolean hasBegun() {
        return state == ENDING;
    }

    /**
     * Begins the end: true for one caller, which has to end the engine and then to call {@link #done}.
     *
     * @param evenInUse whether the caller may end what the owner has in use
     */
    public boolean tryBegin(boolean evenInUse) {
        return STATE.compareAndSet(this, IDLE, ENDING) || (evenInUse && STATE.compareAndSet(this, IN_USE, ENDING));
    }

    /**
     * Begins the end of a polled engine: true for one caller, which has to end the engine and then to call {@link #done}. All others may
     * wait for that ({@link #awaitDone()}). Waits for an owner that has nothing in flight, and is about to leave the engine.
     *
     * @param anyInFlight whether there are operations that nobody but the owner can bring home
     * @throws IllegalStateException if there are, and the owner is another, living thread
     */
    public boolean beginPolled(PolledOwner owner, String engine, BooleanSupplier anyInFlight) {
        while (!hasBegun()) {
            boolean mine = owner.isCallerOrDead();
            if (tryBegin(mine)) {
                return true;
            }
            if (!mine && !hasBegun()) {
                if (anyInFlight.getAsBoolean()) {
                    throw owner.foreign(engine, Thread.currentThread());
                }
                LockSupport.parkNanos(this, PAUSE_NANOS);
            }
        }
        return false;
    }

    /** The engine has ended. Who began. */
    public void done() {
        ended.countDown();
    }

    /** Waits until the engine has ended. An interrupt does not end the wait; it is there again afterwards. */
    public void awaitDone() {
        boolean interrupted = false;
        while (true) {
            try {
                ended.await();
                break;
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    /** Waits until the engine has ended, at most so long; whether it has. An interrupt does not end the wait; it is there again afterwards. */
    public boolean awaitDone(long timeoutNanos) {
        boolean interrupted = false;
        // May wrap around, and is compared by difference.
        long deadline = System.nanoTime() + timeoutNanos;
        try {
            while (true) {
                try {
                    return ended.await(deadline - System.nanoTime(), TimeUnit.NANOSECONDS);
                } catch (InterruptedException e) {
                    interrupted = true;
                }
            }
        } finally {
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }

    // Threads other than the reaper.

    /**
     * Announces a thread other than the reaper that is going to enter the kernel; false if the engine's descriptors are about to be
     * given back. To be followed by {@link #leave} if true.
     */
    public boolean visit() {
        // Volatile, both: see shut.
        visitors.getAndIncrement();
        if (!shut) {
            return true;
        }
        int _ = leave();
        return false;
    }

    /** Ends a visit, and returns how many are left. */
    public int leave() {
        return visitors.decrementAndGet();
    }

    /** Whether anybody visits. */
    public boolean isVisited() {
        return visitors.get() != 0;
    }

    /** Lets nobody visit any more, and waits for those who do. Twice is once. */
    public void shut() {
        shut = true;
        while (visitors.get() != 0) {
            LockSupport.parkNanos(this, PAUSE_NANOS);
        }
    }
}
