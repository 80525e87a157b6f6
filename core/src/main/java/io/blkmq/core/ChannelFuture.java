package io.blkmq.core;

import io.blkmq.core.mq.EntryContext;
import io.blkmq.runtime.IoBuffer;
import io.blkmq.runtime.IoRuntime;
import java.util.Comparator;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.CancellationException;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;

/**
 * The result of an operation of a channel, for those who wait. Unlike those of the JDK it waits through the disk's runtime, and on a
 * polled disk it polls. Thread-safe.
 *
 * <p>The state goes from null to a value, a {@link Failure} or {@link #CANCELLED}, once. A waiter enters the set and looks at the
 * state once more before it parks; who ends it sets the state and then looks at the set.
 */
final class ChannelFuture<V> implements Future<V>, AsyncResult<V> {
    private static final Object CANCELLED = new Object();

    /** Whether an operation that nobody has been told of yet is given up; may close the channel. */
    @FunctionalInterface
    interface Canceller {
        boolean cancel(boolean mayInterruptIfRunning);
    }

    private record Failure(Throwable cause) {}

    private record Value<V>(V value) {}

    private final Disk disk;
    private final IoRuntime runtime;
    /** That of the thread which begins the operation: on a polled disk its end is found there. */
    private final EntryContext context;
    private final AtomicReference<@Nullable Object> state = new AtomicReference<>();
    private final Set<Thread> waiters = ConcurrentHashMap.newKeySet();
    /** Written before the operation begins, and so before anybody has the future. */
    private Canceller canceller = _ -> false;

    ChannelFuture(Disk disk) {
        this.disk = disk;
        this.runtime = disk.queue().tagSet().runtime();
        this.context = disk.deviceQueue().contextOfCurrentThread();
    }

    void onCancel(Canceller value) {
        canceller = value;
    }

    @Override
    public void completed(V value, boolean here) {
        end(new Value<>(value));
    }

    @Override
    public void failed(Throwable cause, boolean here) {
        end(new Failure(cause));
    }

    private void end(Object outcome) {
        if (state.compareAndSet(null, outcome)) {
            // In the order of the threads' start, since that of the set is another each time.
            runtime.unparkAll(waiters.stream().sorted(Comparator.comparingLong(Thread::threadId)).toList());
        }
    }

    /**
     * Gives the operation up, unless it has ended. The device may go on with it. After that the buffer is the caller's again, except if
     * it is memory of an {@link IoBuffer}: that stays the device's until it has ended.
     */
    @Override
    public boolean cancel(boolean mayInterruptIfRunning) {
        if (isDone() || !canceller.cancel(mayInterruptIfRunning)) {
            return false;
        }
        end(CANCELLED);
        return isCancelled();
    }

    @Override
    public boolean isCancelled() {
        return state.get() == CANCELLED;
    }

    @Override
    public boolean isDone() {
        return state.get() != null;
    }

    @Override
    public V get() throws InterruptedException, ExecutionException {
        return valueOf(Objects.requireNonNull(await(Long.MAX_VALUE, true)));
    }

    @Override
    public V get(long timeout, TimeUnit unit) throws InterruptedException, ExecutionException, TimeoutException {
        Object outcome = await(unit.toNanos(timeout), true);
        if (outcome == null) {
            throw new TimeoutException("not ended within " + timeout + " " + unit);
        }
        return valueOf(outcome);
    }

    /** Waits like {@link #get()}, but an interrupt does not end the wait and is kept. */
    V getUninterruptibly() throws ExecutionException {
        try {
            return valueOf(Objects.requireNonNull(await(Long.MAX_VALUE, false)));
        } catch (InterruptedException e) {
            throw new AssertionError("a wait that no interrupt ends", e);
        }
    }

    @SuppressWarnings("unchecked") // only a V is put into a value
    private V valueOf(Object outcome) throws ExecutionException {
        if (outcome instanceof Value<?> value) {
            return (V) value.value();
        }
        if (outcome instanceof Failure failure) {
            throw new ExecutionException(failure.cause());
        }
        throw new CancellationException("the operation on the channel of " + disk.name() + " was cancelled");
    }

    /** The outcome; null if there was none in time. */
    private @Nullable Object await(long nanos, boolean interruptible) throws InterruptedException {
        if (interruptible && Thread.interrupted()) {
            throw new InterruptedException();
        }
        Object outcome = state.get();
        if (outcome != null || nanos <= 0) {
            return outcome;
        }
        disk.queue().requireNoCompletion("waiting for an operation on the channel of " + disk.name());
        Thread self = Thread.currentThread();
        boolean interrupted = false;
        long start = runtime.nanoTime();
        waiters.add(self);
        try {
            for (int looks = 0; (outcome = state.get()) == null; looks++) {
                long left = nanos == Long.MAX_VALUE ? nanos : nanos - (runtime.nanoTime() - start);
                if (left <= 0) {
                    return null;
                }
                disk.deviceQueue().awaitEnd(this, context, 0, looks, left);
                if (Thread.interrupted()) {
                    if (interruptible) {
                        throw new InterruptedException();
                    }
                    interrupted = true;
                }
            }
            return outcome;
        } finally {
            waiters.remove(self);
            if (interrupted) {
                self.interrupt();
            }
        }
    }

    @Override
    public String toString() {
        Object outcome = state.get();
        return "operation on the channel of " + disk.name() + ": "
                + (outcome == null ? "not ended" : outcome == CANCELLED ? "cancelled" : outcome.toString());
    }
}
