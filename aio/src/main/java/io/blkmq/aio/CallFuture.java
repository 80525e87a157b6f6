package io.blkmq.aio;

import java.util.concurrent.CompletableFuture;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * The future of a call that names a file, or closes one. No memory of the caller's is lent to it, so it is done as soon as anybody
 * completes it: who cancels it, or its time-out, does not wait. The engine is asked to end the call early then. What the call may still
 * bring is given back: of the call and whoever else completes the future one wins, and if it is not the call, an opened file is closed.
 */
final class CallFuture<T extends @Nullable Object> extends CompletableFuture<T> {

    private final Runnable endEarly;

    /** A future that runs this when somebody else than the call has completed it. */
    CallFuture(Runnable endEarly) {
        this.endEarly = endEarly;
    }

    /** The future of a call that a thread carries out, beside any engine. */
    static <T extends @Nullable Object> CallFuture<T> elsewhere(FileCall.Work<T> work, Consumer<T> discard) {
        CallFuture<T> future = new CallFuture<>(() -> {});
        if (!CallThreads.execute(() -> {
            try {
                T outcome = work.run();
                if (!future.end(outcome)) {
                    discard.accept(outcome);
                }
            } catch (Throwable t) {
                future.fail(t);
            }
        })) {
            future.fail(AioException.of(Errno.EAGAIN, null, "start of a thread"));
        }
        return future;
    }

    /** The call has brought this; false if somebody else has completed the future. */
    boolean end(T value) {
        return super.complete(value);
    }

    /** The call has failed. */
    void fail(Throwable failure) {
        boolean _ = super.completeExceptionally(failure);
    }

    private boolean wonBySomebody(boolean won) {
        if (won) {
            endEarly.run();
        }
        return won;
    }

    @Override
    public boolean complete(T value) {
        return wonBySomebody(super.complete(value));
    }

    @Override
    public boolean completeExceptionally(Throwable failure) {
        return wonBySomebody(super.completeExceptionally(failure));
    }

    @Override
    public boolean cancel(boolean mayInterruptIfRunning) {
        boolean done = isDone();
        boolean cancelled = super.cancel(mayInterruptIfRunning);
        if (!done && cancelled) {
            endEarly.run();
        }
        return cancelled;
    }

    @Override
    public <U extends @Nullable Object> CompletableFuture<U> newIncompleteFuture() {
        // What follows from it is no call.
        return new CompletableFuture<>();
    }
}
