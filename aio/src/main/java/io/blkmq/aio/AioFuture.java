package io.blkmq.aio;

import io.blkmq.runtime.channel.OperationFuture;
import java.util.List;
import java.util.concurrent.locks.LockSupport;

/** The future of an operation of an asynchronous channel: a thread that waits parks. */
final class AioFuture<V> extends OperationFuture<V> {
    private final BlockIo io;

    AioFuture(BlockIo io) {
        this.io = io;
    }

    @Override
    protected String what() {
        return "operation on the channel of " + io.file.path();
    }

    @Override
    protected void requireMayWait() {
        io.requireMayWait("waiting for an operation on a channel");
    }

    @Override
    protected long nanoTime() {
        return System.nanoTime();
    }

    @Override
    protected void park(int looks, long leftNanos) {
        if (leftNanos == Long.MAX_VALUE) {
            LockSupport.park(this);
        } else {
            LockSupport.parkNanos(this, leftNanos);
        }
    }

    @Override
    protected void unparkAll(List<Thread> threads) {
        threads.forEach(LockSupport::unpark);
    }
}
