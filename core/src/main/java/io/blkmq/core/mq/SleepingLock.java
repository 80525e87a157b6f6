package io.blkmq.core.mq;

import io.blkmq.core.driver.CompletionBatch;
import io.blkmq.runtime.IoRuntime;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;

/**
 * A lock whose holder may park, for changes that wait for I/O to end: who waits for it parks, too, and polls as long as it may be its own
 * I/O that the holder waits for. Not reentrant. The kernel's counterpart is {@code struct mutex}.
 */
public final class SleepingLock {
    private final IoRuntime runtime;
    private final PollingPark parking;
    private final AtomicReference<@Nullable Thread> holder = new AtomicReference<>();
    private final Queue<Thread> waiters = new ConcurrentLinkedQueue<>();

    /** A lock whose holders do not wait for I/O that those who wait for the lock poll for. */
    public SleepingLock(IoRuntime runtime) {
        this(runtime, new PollingPark(runtime, null));
    }

    SleepingLock(IoRuntime runtime, PollingPark parking) {
        this.runtime = runtime;
        this.parking = parking;
    }

    /**
     * Waits for the lock. An interrupt does not end the wait and is kept for the caller.
     *
     * @param what for the message
     * @throws IllegalStateException if the calling thread has it, or is completing: who has it may wait for that
     */
    public void lock(String what) {
        lock(what, Long.MAX_VALUE);
    }

    /**
     * Like {@link #lock(String)}, with a bound.
     *
     * @param what for the message
     * @param timeoutNanos at most this long; {@link Long#MAX_VALUE} for ever
     * @return whether the calling thread has it now
     */
    boolean lock(String what, long timeoutNanos) {
        if (CompletionBatch.current() != null) {
            throw new IllegalStateException(what + " from inside a completion of a block device would wait for itself");
        }
        Thread thread = Thread.currentThread();
        if (thread.equals(holder.get())) {
            throw new IllegalStateException(what + " from inside a change of the same tag set would wait for itself");
        }
        boolean interrupted = false;
        long start = runtime.nanoTime();
        waiters.add(thread);
        // After joining: pairs with the holder, which lets go and then looks at who waits.
        boolean locked = holder.compareAndSet(null, thread);
        while (!locked) {
            long left = timeoutNanos - (runtime.nanoTime() - start);
            if (left <= 0) {
                break;
            }
            parking.parkNanos(this, left);
            interrupted |= Thread.interrupted();
            locked = holder.compareAndSet(null, thread);
        }
        waiters.remove(thread);
        if (!locked && holder.get() == null) {
            // Perhaps let go for this thread, which has gone.
            wakeNext();
        }
        if (interrupted) {
            thread.interrupt();
        }
        return locked;
    }

    public void unlock() {
        holder.set(null);
        wakeNext();
    }

    private void wakeNext() {
        Thread next = waiters.peek();
        if (next != null) {
            runtime.unpark(next);
        }
    }
}
