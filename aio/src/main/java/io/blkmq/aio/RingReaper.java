package io.blkmq.aio;

import io.blkmq.aio.life.ReaperWatch;
import java.util.List;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;

/**
 * The thread that completes the operations of a ring in REAPER mode. It sleeps in the kernel while there is nothing to tell, and ends
 * when the engine is closed and nothing is in flight. Woken for nothing, since what ended was told by submitters in their doorbells, it
 * retires from the kernel until one of them leaves an operation behind ({@link ReaperWatch}).
 *
 * <p>Whatever fails, the thread goes on: operations are in the kernel, and somebody has to bring them home.
 */
final class RingReaper implements Runnable {

    /**
     * The longest that a reaper sleeps: should the kernel have refused a doorbell for want of memory, it is rung
     * again then.
     */
    static final long SLEEP_NANOS = 1_000_000_000L;

    private final NativeEngine engine;
    /** Where this thread alone enters the ring; null otherwise. */
    private final @Nullable HandOver handOver;
    private final Thread thread;
    private final ReaperWatch watch = new ReaperWatch();
    private final BooleanSupplier visited;
    /** Whether it must not retire. */
    private final BooleanSupplier needed;
    /** Whether this thread has made itself known to a ring that it alone enters. Its own. */
    private boolean begun;
    /** Whether it has slept since it was called. Its own. */
    private boolean woken;
    /** How long it may sleep. Its own. */
    private long sleepNanos = SLEEP_NANOS;

    RingReaper(NativeEngine engine, @Nullable HandOver handOver) {
        this.engine = engine;
        this.handOver = handOver;
        begun = handOver == null;
        visited = engine.end::isVisited;
        needed = () -> engine.inFlight() != 0 || engine.closed;
        thread = engine.config.newThread(engine.name(), 0, this);
    }

    void start() {
        if (thread.isVirtual()) {
            throw new IllegalArgumentException("the reaper of AIO engine " + engine.name()
                    + " needs a platform thread, and the "
                    + "thread factory makes virtual ones: it waits in the kernel, and would keep a carrier thread from all "
                    + "other virtual threads");
        }
        thread.start();
    }

    boolean isCaller() {
        return Thread.currentThread() == thread;
    }

    /** Waits until it has ended. */
    void join() {
        Threads.joinAll(List.of(thread));
    }

    @Override
    public void run() {
        while (true) {
            try {
                if (!begun) {
                    boolean _ = engine.owner.claim(engine.name());
                    engine.ownerKnown();
                    begun = true;
                }
                if (engine.isGivenUp()) {
                    takeBack();
                    return;
                }
                int told = reapOnce();
                // Also if it has just told the last: nobody would wake it any more.
                if (engine.closed && engine.isIdle()) {
                    return;
                }
                if (handOver != null) {
                    ringOrSleep(handOver);
                } else if (told == 0 && woken && engine.canCompleteAnywhere() && watch.retire(visited, needed)) {
                    waitForCall();
                } else if (!engine.isReady()) {
                    engine.sleep(sleepNanos);
                    woken = true;
                }
                engine.setbacks.none();
            } catch (RuntimeException | Error e) {
                setBack(e);
            }
        }
    }

    /** A submitter, in its doorbell, leaves an operation in flight. */
    void leaves() {
        watch.leaves();
    }

    /** The calling thread was the last submitter in a doorbell. */
    void lastHasGone() {
        if (watch.lastHasGone(needed)) {
            LockSupport.unpark(thread);
        }
    }

    /** What ended was told by those in whose doorbells it did: until one leaves something behind, the kernel need not wake this thread. */
    private void waitForCall() {
        while (watch.isRetired()) {
            LockSupport.park(this);
            // An interrupt is no call, and would keep it from parking.
            boolean _ = Thread.interrupted();
        }
        woken = false;
    }

    /** Calls this thread back if it has retired; whether it had. Any other thread, having counted what is in flight. */
    boolean call() {
        if (!watch.call()) {
            return false;
        }
        LockSupport.unpark(thread);
        return true;
    }

    private int reapOnce() {
        engine.reaping.lock();
        try {
            int count = engine.tellReady();
            if (handOver != null && engine.placeHandedOver(handOver)) {
                count++;
            }
            sleepNanos = Math.clamp(engine.outcomes.heldBackNanos(), 0, SLEEP_NANOS);
            return count;
        } finally {
            engine.reaping.unlock();
        }
    }

    /** Where this thread alone enters: hands over what has been placed, and waits if there is nothing else to do. */
    private void ringOrSleep(HandOver from) {
        from.fallAsleep();
        boolean busy = engine.isReady() || engine.cancels.areWanted() || from.hasNews(engine.closed)
                || engine.hasOwnerDuties() || (engine.closed && engine.isIdle());
        if (busy) {
            from.awake();
            engine.ring();
        } else {
            boolean _ = engine.ringAndWait(sleepNanos);
            from.awake();
        }
    }

    /** Goes on after a pause, or gives the ring up. */
    private void setBack(Throwable failure) {
        try {
            engine.reaping.lock();
            try {
                int _ = engine.setBack(failure);
            } finally {
                engine.reaping.unlock();
            }
        } catch (RuntimeException | Error e) {
            failure.addSuppressed(e);
        }
        Threads.pause(this, engine.setbacks.pauseNanos(engine.config.nanoTime()));
    }

    private void takeBack() {
        engine.reaping.lock();
        try {
            int _ = engine.takeAllBack();
        } finally {
            engine.reaping.unlock();
        }
    }
}
