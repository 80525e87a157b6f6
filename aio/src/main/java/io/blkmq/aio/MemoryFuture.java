package io.blkmq.aio;

import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * The future of an operation that memory of the caller's is lent to: it is done when the memory is the caller's again. Whoever else wants to
 * complete it, a time-out or who cancels, has the operation ended early, and gets what it asked for if the operation has been.
 */
class MemoryFuture extends CompletableFuture<Long> {

    /** How it ends if it can be ended early; the first wish counts. Guarded by the monitor. */
    private @Nullable Runnable wish;
    /** Whether the operation has ended. Guarded by the monitor. */
    private boolean over;

    /** Has the operation ended early, if that can be. Called at most once, before {@link #noMoreEarly}. */
    void endEarly() {
        // Nobody knows how.
    }

    private synchronized void wishFor(Runnable end) {
        if (wish == null) {
            wish = end;
            if (!over) {
                endEarly();
            }
        }
    }

    /** From now on the operation's kiocb may be another's: it is not cancelled any more. */
    final synchronized void noMoreEarly() {
        over = true;
    }

    /** The operation has ended with a result. */
    final void end(long result) {
        boolean _ = super.complete(result);
    }

    /** The operation has failed; whether because it was ended early. */
    final void end(Throwable failure, boolean early) {
        Runnable wished = early ? wish() : null;
        if (wished != null) {
            wished.run();
        } else {
            boolean _ = super.completeExceptionally(failure);
        }
    }

    /** Whether somebody has asked for an early end. */
    final boolean isWished() {
        return wish() != null;
    }

    private synchronized @Nullable Runnable wish() {
        return wish;
    }

    @Override
    public final boolean complete(Long value) {
        wishFor(() -> super.complete(value));
        return false;
    }

    @Override
    public final boolean completeExceptionally(Throwable failure) {
        wishFor(() -> super.completeExceptionally(failure));
        return false;
    }

    @Override
    public final boolean cancel(boolean mayInterruptIfRunning) {
        wishFor(() -> super.completeExceptionally(new CancellationException()));
        return isCancelled();
    }

    @Override
    public final CompletableFuture<Long> completeAsync(Supplier<? extends Long> value, Executor executor) {
        executor.execute(() -> complete(value.get()));
        return this;
    }

    @Override
    public final void obtrudeValue(Long value) {
        throw new UnsupportedOperationException("the memory is lent until the operation ends");
    }

    @Override
    public final void obtrudeException(Throwable failure) {
        throw new UnsupportedOperationException("the memory is lent until the operation ends");
    }

    @Override
    public final <U> CompletableFuture<U> newIncompleteFuture() {
        // What follows from it is no operation.
        return new CompletableFuture<>();
    }
}
