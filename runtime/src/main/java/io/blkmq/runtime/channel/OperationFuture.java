package io.blkmq.runtime.channel;

import java.util.Comparator;
import java.util.List;
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
 * The result of an operation of a channel, for those who wait. How a thread waits is up to subclasses: that of a
 * disk waits through the disk's runtime, and polls where the disk is polled. Thread-safe.
 *
 * <p>The state goes from null to a value, a {@link Failure} or {@link #CANCELLED}, once. A waiter enters the set and looks at the
 * state once more before it parks; who ends it sets the state and then looks at the set.
 *
 * @param <V> the type of the result
 */
public abstract class OperationFuture<V> implements Future<V>, AsyncResult<V> {
    private static final Object CANCELLED = new Object();

    /** Gives up an operation that nobody has been told of yet. */
    @FunctionalInterface
    public interface Canceller {
        /**
         * Gives it up.
         *
         * @return whether it was given up
         */
        boolean cancel();
    }

    private record Failure(Throwable cause) {}

    private record Value<V>(V value) {}

    private final AtomicReference<@Nullable Object> state = new AtomicReference<>();
    private final Set<Thread> waiters = ConcurrentHashMap.newKeySet();
    /** Written before the operation begins, and so before anybody has the future. */
    private Canceller canceller = () -> false;
    /** Gives back what the operation would have got; as that. */
    private Runnable undo = () -> {};
    /** Closes the channel; as that. */
    private Runnable closer = () -> {};

    /** The future of an operation that has not begun. */
    protected OperationFuture() {}

    /**
     * Says how it is given up. Before the operation begins.
     *
     * @param value gives it up
     * @param close closes the channel, for an operation that has been given up and may be interrupted
     */
    public final void onCancel(Canceller value, Runnable close) {
        canceller = value;
        closer = close;
    }

    /**
     * Says what is given back if it is cancelled: after it counts as cancelled, so that nobody is told of a result which is given back. Before
     * the operation begins.
     *
     * @param givesBack called once at most
     * @param close closes the channel, for an operation that has been given up and may be interrupted
     */
    public final void onCancelled(Runnable givesBack, Runnable close) {
        canceller = () -> true;
        undo = givesBack;
        closer = close;
    }

    /** {@return whose operation it is, in words} */
    protected abstract String what();

    /**
     * Refuses to wait where that would be for ever.
     *
     * @throws IllegalStateException if the thread may not wait
     */
    protected abstract void requireMayWait();

    /** {@return a time in nanoseconds, to be compared with another} */
    protected abstract long nanoTime();

    /**
     * Waits until the thread is unparked or interrupted, or for no reason.
     *
     * @param looks how often it has looked in vain
     * @param leftNanos for no longer than this; {@link Long#MAX_VALUE} for ever
     */
    protected abstract void park(int looks, long leftNanos);

    /**
     * Ends the waiting of some threads.
     *
     * @param threads in the order of their start
     */
    protected abstract void unparkAll(List<Thread> threads);

    @Override
    public final void completed(V value, boolean here) {
        end(new Value<>(value));
    }

    @Override
    public final void failed(Throwable cause, boolean here) {
        end(new Failure(cause));
    }

    private void end(Object outcome) {
        if (state.compareAndSet(null, outcome)) {
            wakeWaiters();
        }
    }

    private void wakeWaiters() {
        // In the order of the threads' start, since that of the set is another each time.
        unparkAll(waiters.stream().sorted(Comparator.comparingLong(Thread::threadId)).toList());
    }

    /**
     * Gives the operation up, unless it has ended. The device may go on with it; whose the buffer is then, the channel says.
     */
    @Override
    public final boolean cancel(boolean mayInterruptIfRunning) {
        if (isDone() || !canceller.cancel()) {
            return false;
        }
        if (state.compareAndSet(null, CANCELLED)) {
            try {
                undo.run();
            } finally {
                wakeWaiters();
            }
        }
        boolean cancelled = isCancelled();
        if (cancelled && mayInterruptIfRunning) {
            // Only now: the close must not be what ends this one.
            closer.run();
        }
        return cancelled;
    }

    @Override
    public final boolean isCancelled() {
        return state.get() == CANCELLED;
    }

    @Override
    public final boolean isDone() {
        return state.get() != null;
    }

    @Override
    public final V get() throws InterruptedException, ExecutionException {
        return valueOf(Objects.requireNonNull(await(Long.MAX_VALUE, true)));
    }

    @Override
    public final V get(long timeout, TimeUnit unit) throws InterruptedException, ExecutionException, TimeoutException {
        Object outcome = await(unit.toNanos(timeout), true);
        if (outcome == null) {
            throw new TimeoutException("not ended within " + timeout + " " + unit);
        }
        return valueOf(outcome);
    }

    /**
     * Waits like {@link #get()}, but an interrupt does not end the wait and is kept.
     *
     * @return the result
     * @throws ExecutionException if it failed
     */
    public final V getUninterruptibly() throws ExecutionException {
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
        throw new CancellationException(what() + " was cancelled");
    }

    /** The outcome; null if there was none in time. */
    private @Nullable Object await(long nanos, boolean interruptible) throws InterruptedException {
        Object outcome = state.get();
        if (outcome != null) {
            return outcome;
        }
        if (interruptible && Thread.interrupted()) {
            throw new InterruptedException();
        }
        if (nanos <= 0) {
            return null;
        }
        requireMayWait();
        Thread self = Thread.currentThread();
        boolean interrupted = false;
        long start = nanoTime();
        waiters.add(self);
        try {
            for (int looks = 0; (outcome = state.get()) == null; looks++) {
                long left = nanos == Long.MAX_VALUE ? nanos : nanos - (nanoTime() - start);
                if (left <= 0) {
                    return null;
                }
                park(looks, left);
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
        return what() + ": "
                + (outcome == null ? "not ended" : outcome == CANCELLED ? "cancelled" : outcome.toString());
    }
}
