package io.blkmq.aio;

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
import java.nio.channels.FileLock;
import java.nio.channels.NonReadableChannelException;
import java.nio.channels.NonWritableChannelException;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.Executor;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/**
 * A file that grows, as an {@link java.nio.channels.AsynchronousFileChannel}: the futures of {@link AsyncFile}, told as the JDK tells
 * them. Thread-safe.
 *
 * <p>A future is ended by whoever ends the operation, the engine's reaper among them, which only wakes the threads that wait. A handler is
 * never called there: it may block, and the reaper serves all files of the engine. It is called by the executor of the channel, which by
 * default makes a virtual thread for each.
 *
 * <p>An operation is told when the engine has given its memory back, and then once. If the channel has been closed meanwhile, by
 * {@link AsynchronousCloseException}, whatever it did. An operation that is cancelled goes on, and nobody hears of it.
 */
final class AioAsynchronousFileChannel extends OpenAsynchronousFileChannel {

    private final AsyncFile front;
    private final BlockIo io;
    private final ChannelOpening opening;
    private final ChannelEnd end;
    private final Executor handlers;
    private final SystemLocks systemLocks;

    AioAsynchronousFileChannel(AsyncFile front, ChannelOpening opening, ChannelEnd end, Executor handlers) {
        this.front = front;
        this.io = front.channelIo();
        this.opening = opening;
        this.end = end;
        this.handlers = handlers;
        this.systemLocks = new RangeLocks(io.file);
    }

    @Override
    protected void requireReadable() {
        if (!opening.read()) {
            throw new NonReadableChannelException();
        }
    }

    @Override
    protected void requireWritable() {
        if (!opening.write()) {
            throw new NonWritableChannelException();
        }
    }

    @Override
    protected void begin(boolean write, ByteBuffer buffer, long position, AsyncResult<Integer> result) {
        MemorySegment memory = requireUsable(buffer);
        if (result instanceof OperationFuture<?> future) {
            future.onCancel(() -> true, this::closeForCancelled);
        }
        long bytes = memory.byteSize();
        if (!isOpen()) {
            result.failed(new ClosedChannelException(), false);
        } else if (bytes == 0) {
            result.completed(0, false);
        } else if (position > Long.MAX_VALUE - bytes) {
            result.failed(
                    new IOException("Invalid argument: " + BlockIo.inWords(write ? "write" : "read", position, bytes)
                            + " of " + io.file.path() + " ends past the largest offset, " + Long.MAX_VALUE),
                    false);
        } else if (position > BlockIo.OFFSET_MAX - bytes) {
            if (write) {
                result.failed(AioException.of(Errno.EFBIG, io.file.path(), BlockIo.inWords("write", position, bytes)),
                        false);
            } else {
                result.completed(-1, false);
            }
        } else {
            CompletableFuture<Long> moved = write
                    ? front.writeAsync(position, memory)
                    : front.readAsync(position, memory);
            CompletableFuture<Long> _ = moved.whenComplete((done, failure) -> ended(buffer, done, failure, result));
        }
    }

    private void ended(ByteBuffer buffer, @Nullable Long done, @Nullable Throwable failure,
            AsyncResult<Integer> result) {
        if (result instanceof OperationFuture<?> future && future.isCancelled()) {
            return;
        }
        if (!isOpen()) {
            AsynchronousCloseException closedMeanwhile = new AsynchronousCloseException();
            if (failure != null) {
                closedMeanwhile.addSuppressed(failure);
            }
            result.failed(closedMeanwhile, false);
        } else if (failure != null) {
            result.failed(
                    failure instanceof CompletionException && failure.getCause() != null ? failure.getCause() : failure,
                    false);
        } else {
            moved(buffer, Math.toIntExact(Objects.requireNonNull(done)), result);
        }
    }

    private static void moved(ByteBuffer buffer, int bytes, AsyncResult<Integer> result) {
        int from = buffer.position();
        int limit = buffer.limit();
        try {
            buffer.position(from + bytes);
        } catch (IllegalArgumentException e) {
            result.failed(new IllegalStateException(
                    bytes + " bytes have been transferred, but the buffer was changed meanwhile: its position is "
                            + from + " and its limit " + limit,
                    e), false);
            return;
        }
        result.completed(bytes == 0 ? -1 : bytes, false);
    }

    @Override
    protected <V> OperationFuture<V> newFuture() {
        return new AioFuture<>(io);
    }

    @Override
    protected void call(Runnable handler, boolean here) {
        tellBy(handlers, handler, AioAsynchronousFileChannel::tellElsewhere);
    }

    private static void tellElsewhere(Runnable handler) {
        try {
            Thread _ = Thread.startVirtualThread(handler);
        } catch (OutOfMemoryError e) {
            // It has to be told all the same.
            handler.run();
        }
    }

    @Override
    protected long currentSize() throws IOException {
        return io.size();
    }

    @Override
    protected void cut(long size) throws IOException {
        io.requireMayWait("truncate");
        io.cut(size);
    }

    /** Waits, as the method of the JDK does. An interrupt does not end the wait and is kept. */
    @Override
    public void force(boolean metaData) throws IOException {
        requireOpen();
        io.requireMayWait("force");
        try {
            io.sync(!metaData);
        } catch (IOException e) {
            if (isOpen()) {
                throw e;
            }
            AsynchronousCloseException closedMeanwhile = new AsynchronousCloseException();
            closedMeanwhile.addSuppressed(e);
            throw closedMeanwhile;
        }
    }

    @Override
    protected FileLockTable locks() {
        return io.shared.locks();
    }

    @Override
    protected SystemLocks systemLocks() {
        return systemLocks;
    }

    @Override
    protected void awaitLock(FileLockTable.RangeLock lock, AsyncResult<FileLock> result) {
        Thread _ = Thread.startVirtualThread(() -> {
            Throwable failure = ask(lock);
            // Told outside of any try: what a handler throws is no failure of the lock.
            if (failure == null) {
                result.completed(lock, false);
            } else if (!(failure instanceof ClosedChannelException)) {
                drop(lock);
                result.failed(failure, false);
            } else if (!isOpen()) {
                // Given up by the close of the channel; who has cancelled it need not be told.
                result.failed(new AsynchronousCloseException(), false);
            }
        });
    }

    /** Asks for a lock until the system grants it: then null, otherwise why it never will. */
    private @Nullable Throwable ask(FileLockTable.RangeLock lock) {
        try {
            while (!lock.askSystem()) {
                LockSupport.parkNanos(this, AioFileChannel.LOCK_PAUSE_NANOS);
            }
            return null;
        } catch (Throwable t) {
            return t;
        }
    }

    @Override
    protected void closeOwn() throws IOException {
        end.close();
    }

    @Override
    public String toString() {
        return "asynchronous channel of " + front + (isOpen() ? "" : ", closed");
    }
}
