package io.blkmq.core;

import io.blkmq.core.driver.Parking;
import io.blkmq.core.mq.DeviceQueue;
import io.blkmq.core.mq.EntryContext;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.jspecify.annotations.Nullable;

/**
 * A future whose waiters send down first what their plugs hold back, as before any wait; and so do those who wait for a stage that was
 * derived from it. A waiter that may poll for its operation does so, because nobody else does.
 */
class WaitingFuture<T> extends CompletableFuture<T> {
    /** After so long a waiter that has become unable to poll looks again. */
    private static final long LOOK_NANOS = 1_000_000;

    /** Where the operation is polled for; null if it is not polled. */
    private final @Nullable Polled polled;

    private record Polled(DeviceQueue queue, EntryContext context) {}

    /** Of something that ends by itself. */
    WaitingFuture() {
        this.polled = null;
    }

    /** Of an operation on a disk that the calling thread submits. */
    WaitingFuture(DeviceQueue queue) {
        this.polled = queue.isPolled() ? new Polled(queue, queue.contextOfCurrentThread()) : null;
    }

    private WaitingFuture(WaitingFuture<?> origin) {
        this.polled = origin.polled;
    }

    @Override
    public <U> CompletableFuture<U> newIncompleteFuture() {
        return new WaitingFuture<>(this);
    }

    @Override
    public T get() throws InterruptedException, ExecutionException {
        beforeWait();
        for (int looks = 0; polls(); looks++) {
            if (Thread.interrupted()) {
                throw new InterruptedException();
            }
            poll(looks);
        }
        return super.get();
    }

    @Override
    public T get(long timeout, TimeUnit unit) throws InterruptedException, ExecutionException, TimeoutException {
        beforeWait();
        if (!polls()) {
            return super.get(timeout, unit);
        }
        long timeoutNanos = unit.toNanos(timeout);
        long begin = nanoTime();
        long left = timeoutNanos;
        for (int looks = 0; left > 0 && polls(); looks++) {
            if (Thread.interrupted()) {
                throw new InterruptedException();
            }
            poll(looks);
            left = timeoutNanos - (nanoTime() - begin);
        }
        return super.get(Math.max(left, 0), TimeUnit.NANOSECONDS);
    }

    @Override
    public T join() {
        beforeWait();
        for (int looks = 0; polls(); looks++) {
            poll(looks);
        }
        return super.join();
    }

    private void beforeWait() {
        if (!isDone()) {
            Parking.flush();
        }
    }

    private boolean polls() {
        return polled != null && !isDone() && polled.queue().mayPollFor(polled.context());
    }

    private void poll(int looks) {
        Polled at = Objects.requireNonNull(polled);
        at.queue().requireNoCompletion("waiting for an operation on " + at.queue().name());
        at.queue().awaitEnd(this, at.context(), 0, looks, LOOK_NANOS);
    }

    private long nanoTime() {
        return Objects.requireNonNull(polled).queue().tagSet().runtime().nanoTime();
    }
}
