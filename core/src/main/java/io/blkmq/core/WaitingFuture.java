package io.blkmq.core;

import io.blkmq.core.driver.Parking;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/**
 * A future whose waiters send down first what their plugs hold back, as before any wait; and so do those who wait for a stage that was
 * derived from it.
 */
class WaitingFuture<T> extends CompletableFuture<T> {
    @Override
    public <U> CompletableFuture<U> newIncompleteFuture() {
        return new WaitingFuture<>();
    }

    @Override
    public T get() throws InterruptedException, ExecutionException {
        beforeWait();
        return super.get();
    }

    @Override
    public T get(long timeout, TimeUnit unit) throws InterruptedException, ExecutionException, TimeoutException {
        beforeWait();
        return super.get(timeout, unit);
    }

    @Override
    public T join() {
        beforeWait();
        return super.join();
    }

    private void beforeWait() {
        if (!isDone()) {
            Parking.flush();
        }
    }
}
