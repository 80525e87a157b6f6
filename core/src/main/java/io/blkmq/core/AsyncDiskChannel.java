package io.blkmq.core;

import io.blkmq.core.driver.CompletionBatch;
import io.blkmq.core.mq.CallbackFailures;
import io.blkmq.runtime.IoRuntime;
import io.blkmq.runtime.channel.AsyncResult;
import io.blkmq.runtime.channel.FileLockTable;
import io.blkmq.runtime.channel.OpenAsynchronousFileChannel;
import io.blkmq.runtime.channel.OperationFuture;
import io.blkmq.runtime.channel.SystemLocks;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.AsynchronousCloseException;
import java.nio.channels.ClosedChannelException;
import java.util.Comparator;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executor;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/**
 * A disk as a file of fixed size, whose operations hold no thread ({@link AsyncTransfer}). Thread-safe.
 *
 * <p>No call but {@link #force} waits: what finds no tag, or a frozen disk, stands on the queue's backlog, and a write that finds its
 * blocks locked is told when it gets them.
 *
 * <p>Handlers run on the thread that found the completion, outside of all locks, and from there only in the way of the block layer's
 * completions: what a handler begins goes on after it has returned, so no handler runs within another. What ends within the call that
 * began it, or by the channel's being closed, is told on a thread of the runtime's ({@link IoRuntime#tell}), and so never on the stack
 * of the caller, unless there is no memory for a thread; of one channel one after the other, in the order in which they ended.
 *
 * <p>Closing ends all operations in flight with {@link AsynchronousCloseException}. Those that have memory of the caller's with the
 * device end so when the device has given it back.
 */
final class AsyncDiskChannel extends OpenAsynchronousFileChannel implements AsyncTransfer.Owner {
    private final DeviceNode node;
    private final DiskSectors disk;
    private final @Nullable Executor handlers;
    private final AtomicLong begun = new AtomicLong();
    /** An operation enters it and looks whether the channel is open; who closes the channel says so and looks at it. */
    private final Set<AsyncTransfer> inFlight = ConcurrentHashMap.newKeySet();

    /** What the runtime is to tell, in this order. */
    private final ConcurrentLinkedQueue<Runnable> toTell = new ConcurrentLinkedQueue<>();
    /** How many have come since the telling thread last looked; 0 if there is no such thread. */
    private final AtomicInteger tellings = new AtomicInteger();

    AsyncDiskChannel(DeviceNode node, @Nullable Executor handlers) {
        this.node = node;
        this.disk = node.disk();
        this.handlers = handlers;
    }

    DeviceNode node() {
        return node;
    }

    @Override
    protected void requireReadable() {
        node.requireReadable();
    }

    @Override
    protected void requireWritable() {
        node.requireWritable();
    }

    // ---- reading and writing

    @Override
    protected void begin(boolean write, ByteBuffer buffer, long position, AsyncResult<Integer> result) {
        begin(new AsyncTransfer(this, node, write ? Operation.WRITE : Operation.READ, buffer, requireUsable(buffer),
                position, begun.incrementAndGet(), result));
    }

    @Override
    protected <V> OperationFuture<V> newFuture() {
        return new DiskFuture<>(disk);
    }

    private void begin(AsyncTransfer transfer) {
        if (transfer.result() instanceof OperationFuture<?> future) {
            future.onCancel(transfer::abandon, this::closeForCancelled);
        }
        inFlight.add(transfer);
        if (!isOpen()) {
            transfer.refuse(new ClosedChannelException());
            return;
        }
        // In a batch, since a thread that completes never waits: nor does this one, for a tag or at a frozen queue.
        try (var _ = CompletionBatch.open()) {
            transfer.begin();
        } finally {
            transfer.hasBegun();
        }
    }

    @Override
    public void ended(AsyncTransfer transfer) {
        inFlight.remove(transfer);
    }

    // ---- telling

    @Override
    protected void call(Runnable call, boolean here) {
        if (handlers != null) {
            tellBy(handlers, call, this::tellByRuntime);
            return;
        }
        if (here) {
            call.run();
        } else {
            tellByRuntime(call);
        }
    }

    private void tellByRuntime(Runnable call) {
        toTell.add(call);
        if (tellings.getAndIncrement() == 0) {
            try {
                node.runtime().tell(this::tellAll);
            } catch (Throwable t) {
                // No thread is to be had. The handlers have to be told all the same, and those who come later stand behind them.
                CallbackFailures.report("telling on another thread the handlers of the channel of " + disk.name(), t);
                tellAll();
            }
        }
    }

    /** The handlers of this channel are told one after the other: whoever is slow delays none but those of the same channel. */
    private void tellAll() {
        int seen = 1;
        do {
            for (Runnable call = toTell.poll(); call != null; call = toTell.poll()) {
                tellOne(call);
            }
            seen = tellings.addAndGet(-seen);
        } while (seen != 0);
    }

    /** Under the same rules as any completion: a handler that would block on a disk is told that it must not. */
    private void tellOne(Runnable call) {
        try (var _ = CompletionBatch.open()) {
            call.run();
        } catch (Throwable t) {
            CallbackFailures.report("a handler of the channel of " + disk.name(), t);
        }
    }

    // ---- size and durability

    @Override
    protected long currentSize() {
        return node.sizeBytes();
    }

    @Override
    protected void cut(long size) throws IOException {
        node.truncate(size);
    }

    /** Waits, as the method of the JDK does. An interrupt does not end the wait and is kept. */
    @Override
    public void force(boolean metaData) throws IOException {
        requireOpen();
        disk.queue().requireNoCompletion("force of the channel of " + disk.name());
        DiskFuture<Integer> future = new DiskFuture<>(disk);
        begin(new AsyncTransfer(this, node, Operation.FLUSH, null, null, 0, begun.incrementAndGet(), future));
        try {
            var _ = future.getUninterruptibly();
        } catch (ExecutionException e) {
            if (e.getCause() instanceof ClosedChannelException) {
                AsynchronousCloseException closedHere = new AsynchronousCloseException();
                closedHere.initCause(e);
                throw closedHere;
            }
            if (e.getCause() instanceof BlockIOException failed) {
                throw node.failure(Operation.FLUSH, 0, 0, failed.status(), failed);
            }
            throw new IOException("force of the channel of " + disk.name() + " failed", e);
        }
    }

    // ---- locks

    @Override
    protected FileLockTable locks() {
        return disk.fileLocks();
    }

    /** Nobody ever waits: who has a part of a range is in this process, and then the request is refused. */
    @Override
    protected SystemLocks systemLocks() {
        return SystemLocks.NONE;
    }

    // ---- closing

    /** Does not wait for the device. The disk stays open. */
    @Override
    protected void closeOwn() {
        // In the order in which they were begun, since that of the set is another each time.
        List<AsyncTransfer> ended = inFlight.stream().sorted(Comparator.comparingLong(AsyncTransfer::number))
                .filter(AsyncTransfer::endsByClose).toList();
        // The youngest first: then none of them has one of them behind it in a line of blocks, and nobody gets blocks only to go.
        ended.reversed().forEach(AsyncTransfer::giveUpWaiting);
        ended.forEach(this::tellClosed);
    }

    /** A handler that throws on this thread is the matter of its executor alone: the others are claimed, and nobody else tells them. */
    private void tellClosed(AsyncTransfer transfer) {
        try {
            transfer.tellClosed();
        } catch (Throwable t) {
            CallbackFailures.report("a handler of the channel of " + disk.name() + ", which was closed,", t);
        }
    }

    @Override
    public String toString() {
        return "asynchronous channel of " + disk + (isOpen() ? "" : ", closed");
    }
}
