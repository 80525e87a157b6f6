package io.blkmq.core;

import io.blkmq.core.mq.EntryContext;
import io.blkmq.runtime.IoRuntime;
import io.blkmq.runtime.channel.OperationFuture;
import java.util.List;

/**
 * The future of an operation on a disk. After it has been cancelled the buffer is the caller's again, except if it is memory of an
 * {@link io.blkmq.runtime.IoBuffer}: that stays the device's until it has ended.
 */
final class DiskFuture<V> extends OperationFuture<V> {
    private final DiskSectors disk;
    private final IoRuntime runtime;
    /** That of the thread which begins the operation: on a polled disk its end is found there. */
    private final EntryContext context;

    DiskFuture(DiskSectors disk) {
        this.disk = disk;
        this.runtime = disk.queue().tagSet().runtime();
        this.context = disk.deviceQueue().contextOfCurrentThread();
    }

    @Override
    protected String what() {
        return "operation on the channel of " + disk.name();
    }

    @Override
    protected void requireMayWait() {
        disk.queue().requireNoCompletion("waiting for an operation on the channel of " + disk.name());
    }

    @Override
    protected long nanoTime() {
        return runtime.nanoTime();
    }

    @Override
    protected void park(int looks, long leftNanos) {
        disk.deviceQueue().awaitEnd(this, context, 0, looks, leftNanos);
    }

    @Override
    protected void unparkAll(List<Thread> threads) {
        runtime.unparkAll(threads);
    }
}
