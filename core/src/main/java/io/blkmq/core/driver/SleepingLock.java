package io.blkmq.core.driver;

import io.blkmq.core.IoRuntime;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;

/**
 * A lock whose holder may park, for changes that wait for I/O to end: who waits for it parks by the runtime, too. Not reentrant. The
 * kernel's counterpart is {@code struct mutex}.
 */
final class SleepingLock {
    private final IoRuntime runtime;
    private final AtomicReference<@Nullable Thread> holder = new AtomicReference<>();
    private final Queue<Thread> waiters = new ConcurrentLinkedQueue<>();

    SleepingLock(IoRuntime runtime) {
        this.runtime = runtime;
    }

    /**
     * Waits for the lock. An interrupt does not end the wait and is kept for the caller.
     *
     * @param what for the message
     * @throws IllegalStateException if the calling thread has it
     */
    void lock(String what) {
        Thread thread = Thread.currentThread();
        if (thread.equals(holder.get())) {
            throw new IllegalStateException(what + " from inside a change of the same tag set would wait for itself");
        }
        boolean interrupted = false;
        waiters.add(thread);
        // After joining: pairs with the holder, which lets go and then looks at who waits.
        while (!holder.compareAndSet(null, thread)) {
            runtime.park(this);
            interrupted |= Thread.interrupted();
        }
        waiters.remove(thread);
        if (interrupted) {
            thread.interrupt();
        }
    }

    void unlock() {
        holder.set(null);
        Thread next = waiters.peek();
        if (next != null) {
            runtime.unpark(next);
        }
    }
}
