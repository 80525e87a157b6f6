package io.blkmq.core;

import io.blkmq.core.driver.CompletionBatch;
import io.blkmq.runtime.IoBuffer;
import io.blkmq.runtime.IoRuntime;
import io.blkmq.runtime.channel.FileLockTable;
import io.blkmq.runtime.channel.OpenFileChannel;
import io.blkmq.runtime.channel.SystemLocks;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.AsynchronousCloseException;
import java.nio.channels.AsynchronousFileChannel;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.CompletionHandler;
import java.nio.channels.FileLock;
import java.util.Comparator;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executor;
import java.util.concurrent.Future;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.atomic.AtomicBoolean;
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
 * of the caller; of one channel one after the other, in the order in which they ended.
 *
 * <p>Closing ends all operations in flight with {@link AsynchronousCloseException}. Those that have memory of the caller's with the
 * device end so when the device has given it back.
 */
final class AsyncDiskChannel extends AsynchronousFileChannel {
    private static final System.Logger LOG = System.getLogger(AsyncDiskChannel.class.getName());

    private final DeviceNode node;
    private final Disk disk;
    private final @Nullable Executor handlers;
    private final AtomicBoolean closed = new AtomicBoolean();
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

    // ---- reading and writing

    @Override
    public <A extends @Nullable Object> void read(ByteBuffer dst, long position, A attachment,
            CompletionHandler<Integer, ? super A> handler) {
        read(dst, position, new Handled<>(handler, attachment));
    }

    @Override
    public Future<Integer> read(ByteBuffer dst, long position) {
        ChannelFuture<Integer> future = new ChannelFuture<>(disk);
        read(dst, position, future);
        return future;
    }

    private void read(ByteBuffer dst, long position, AsyncResult<Integer> result) {
        OpenFileChannel.requireNotNegative("position", position);
        if (dst.isReadOnly()) {
            throw new IllegalArgumentException("the buffer is read-only: nothing can be read into it");
        }
        node.requireReadable();
        begin(new AsyncTransfer(this, Operation.READ, dst, position, begun.incrementAndGet(), result));
    }

    @Override
    public <A extends @Nullable Object> void write(ByteBuffer src, long position, A attachment,
            CompletionHandler<Integer, ? super A> handler) {
        write(src, position, new Handled<>(handler, attachment));
    }

    @Override
    public Future<Integer> write(ByteBuffer src, long position) {
        ChannelFuture<Integer> future = new ChannelFuture<>(disk);
        write(src, position, future);
        return future;
    }

    private void write(ByteBuffer src, long position, AsyncResult<Integer> result) {
        Objects.requireNonNull(src, "src");
        OpenFileChannel.requireNotNegative("position", position);
        node.requireWritable();
        begin(new AsyncTransfer(this, Operation.WRITE, src, position, begun.incrementAndGet(), result));
    }

    /** Memory of the caller's, if it can be used by other threads. */
    static MemorySegment requireUsable(ByteBuffer buffer) {
        MemorySegment memory = MemorySegment.ofBuffer(buffer);
        if (!memory.isAccessibleBy(BioVec.ANOTHER)) {
            throw new IllegalArgumentException(
                    "the memory of the buffer is confined to one thread, but the operation may end"
                            + " on another: use memory of a shared arena, of the heap, or an IoBuffer");
        }
        if (!memory.scope().isAlive()) {
            throw new IllegalStateException("the arena of the buffer's memory is closed");
        }
        return memory;
    }

    private void begin(AsyncTransfer transfer) {
        if (transfer.result() instanceof ChannelFuture<?> future) {
            future.onCancel(mayInterrupt -> cancel(transfer, mayInterrupt));
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

    private boolean cancel(AsyncTransfer transfer, boolean mayInterrupt) {
        if (!transfer.abandon()) {
            return false;
        }
        if (mayInterrupt) {
            close();
        }
        return true;
    }

    void ended(AsyncTransfer transfer) {
        inFlight.remove(transfer);
    }

    // ---- telling

    /** Calls a handler. */
    private void tell(Runnable call, boolean here) {
        if (handlers != null) {
            try {
                handlers.execute(call);
                return;
            } catch (RejectedExecutionException e) {
                // The handler has to be told all the same.
                tellByRuntime(call);
                return;
            }
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
            node.runtime().tell(this::tellAll);
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
            LOG.log(System.Logger.Level.ERROR, "a handler of the channel of " + disk.name() + " failed", t);
        }
    }

    /** A handler with its attachment. */
    private final class Handled<V, A extends @Nullable Object> implements AsyncResult<V> {
        private final CompletionHandler<V, ? super A> handler;
        private final A attachment;

        Handled(CompletionHandler<V, ? super A> handler, A attachment) {
            this.handler = Objects.requireNonNull(handler, "handler");
            this.attachment = attachment;
        }

        @Override
        public void completed(V value, boolean here) {
            tell(() -> handler.completed(value, attachment), here);
        }

        @Override
        public void failed(Throwable cause, boolean here) {
            tell(() -> handler.failed(cause, attachment), here);
        }
    }

    // ---- size and durability

    @Override
    public long size() throws IOException {
        requireOpen();
        return node.sizeBytes();
    }

    @Override
    public AsynchronousFileChannel truncate(long size) throws IOException {
        OpenFileChannel.requireNotNegative("size", size);
        node.requireWritable();
        requireOpen();
        node.truncate(size);
        return this;
    }

    /** Waits, as the method of the JDK does. An interrupt does not end the wait and is kept. */
    @Override
    public void force(boolean metaData) throws IOException {
        requireOpen();
        disk.queue().requireNoCompletion("force of the channel of " + disk.name());
        ChannelFuture<Integer> future = new ChannelFuture<>(disk);
        begin(new AsyncTransfer(this, Operation.FLUSH, null, 0, begun.incrementAndGet(), future));
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
    public <A extends @Nullable Object> void lock(long position, long size, boolean shared, A attachment,
            CompletionHandler<FileLock, ? super A> handler) {
        lock(position, size, shared, new Handled<>(handler, attachment));
    }

    @Override
    public Future<FileLock> lock(long position, long size, boolean shared) {
        ChannelFuture<FileLock> future = new ChannelFuture<>(disk);
        lock(position, size, shared, future);
        return future;
    }

    /** Nobody ever waits: who has a part of the range is in this process, and then the request is refused. */
    private void lock(long position, long size, boolean shared, AsyncResult<FileLock> result) {
        node.requireLockable(shared);
        try {
            result.completed(tryLock(position, size, shared), false);
        } catch (IOException e) {
            result.failed(e, false);
        }
    }

    @Override
    public FileLock tryLock(long position, long size, boolean shared) throws IOException {
        node.requireLockable(shared);
        requireOpen();
        FileLockTable.RangeLock lock = disk.fileLocks().reserve(this, position, size, shared, SystemLocks.NONE);
        if (!isOpen()) {
            // Closed meanwhile: whoever closed it may have looked at the table before the lock was there.
            lock.drop();
            throw new ClosedChannelException();
        }
        return lock;
    }

    // ---- closing

    @Override
    public boolean isOpen() {
        return !closed.get();
    }

    private void requireOpen() throws ClosedChannelException {
        if (!isOpen()) {
            throw new ClosedChannelException();
        }
    }

    /** Ends what is in flight, and does not wait for the device. The disk stays open. Closing again does nothing. */
    @Override
    public void close() {
        if (!closed.compareAndSet(false, true)) {
            return;
        }
        releaseLocks();
        // In the order in which they were begun, since that of the set is another each time.
        List<AsyncTransfer> ended = inFlight.stream().sorted(Comparator.comparingLong(AsyncTransfer::number))
                .filter(AsyncTransfer::endsByClose).toList();
        // The youngest first: then none of them has one of them behind it in a line of blocks, and nobody gets blocks only to go.
        ended.reversed().forEach(AsyncTransfer::giveUpWaiting);
        ended.forEach(AsyncTransfer::tellClosed);
    }

    private void releaseLocks() {
        try {
            disk.fileLocks().releaseAll(this);
        } catch (IOException e) {
            throw new AssertionError("the system knows nothing of these locks", e);
        }
    }

    @Override
    public String toString() {
        return "asynchronous channel of " + disk + (isOpen() ? "" : ", closed");
    }
}
