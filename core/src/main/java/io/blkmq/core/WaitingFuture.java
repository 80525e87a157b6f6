package io.blkmq.core;

import io.blkmq.core.driver.Parking;
import io.blkmq.core.mq.DeviceQueue;
import io.blkmq.core.mq.EntryContext;
import io.blkmq.core.mq.OwedTimers;
import io.blkmq.runtime.IoRuntime;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.jspecify.annotations.Nullable;

/**
 * A future whose waiters send down first what their plugs hold back, as before any wait; and so do those who wait for a stage that was
 * derived from it. A waiter that may poll for its operation does so, because nobody else does; and one whose runtime owes a timer sets it, as in
 * any other wait ({@link Parking}).
 */
class WaitingFuture<T> extends CompletableFuture<T> {
    /** After so long a waiter that has become unable to poll looks again. */
    private static final long LOOK_NANOS = 1_000_000;

    /** Of the operation; null if it ends by itself. */
    private final @Nullable DeviceQueue queue;
    /** Where the operation is polled for; null if it is not polled. */
    private final @Nullable EntryContext polled;

    /** Of something that ends by itself. */
    WaitingFuture() {
        this.queue = null;
        this.polled = null;
    }

    /** Of an operation on a disk that the calling thread submits. */
    WaitingFuture(DeviceQueue queue) {
        this.queue = queue;
        this.polled = queue.isPolled() ? queue.contextOfCurrentThread() : null;
    }

    private WaitingFuture(WaitingFuture<?> origin) {
        this.queue = origin.queue;
        this.polled = origin.polled;
    }

    @Override
    public <U> CompletableFuture<U> newIncompleteFuture() {
        return new WaitingFuture<>(this);
    }

    @Override
    public T get() throws InterruptedException, ExecutionException {
        beforeWait();
        for (int looks = 0; waitsInSteps(); looks++) {
            if (Thread.interrupted()) {
                throw new InterruptedException();
            }
            step(looks, LOOK_NANOS);
        }
        return super.get();
    }

    @Override
    public T get(long timeout, TimeUnit unit) throws InterruptedException, ExecutionException, TimeoutException {
        beforeWait();
        if (!waitsInSteps()) {
            return super.get(timeout, unit);
        }
        long timeoutNanos = unit.toNanos(timeout);
        long begin = runtime().nanoTime();
        long left = timeoutNanos;
        for (int looks = 0; left > 0 && waitsInSteps(); looks++) {
            if (Thread.interrupted()) {
                throw new InterruptedException();
            }
            step(looks, Math.min(left, LOOK_NANOS));
            left = timeoutNanos - (runtime().nanoTime() - begin);
        }
        return super.get(Math.max(left, 0), TimeUnit.NANOSECONDS);
    }

    @Override
    public T join() {
        beforeWait();
        // A park of an interrupted thread would not wait.
        boolean interrupted = false;
        try {
            for (int looks = 0; waitsInSteps(); looks++) {
                interrupted |= Thread.interrupted();
                step(looks, LOOK_NANOS);
            }
        } finally {
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
        return super.join();
    }

    private void beforeWait() {
        if (!isDone()) {
            Parking.flush();
        }
    }

    /** Whether the calling thread has something to do while it waits. */
    private boolean waitsInSteps() {
        return queue != null && !isDone()
                && ((polled != null && queue.mayPollFor(polled)) || OwedTimers.isAny(runtime()));
    }

    private void step(int looks, long nanos) {
        DeviceQueue of = Objects.requireNonNull(queue);
        if (polled == null) {
            Parking.parkNanos(runtime(), this, nanos);
        } else {
            of.requireNoCompletion("waiting for an operation on " + of.name());
            of.awaitEnd(this, polled, 0, looks, nanos);
        }
    }

    private IoRuntime runtime() {
        return Objects.requireNonNull(queue).tagSet().runtime();
    }
}
