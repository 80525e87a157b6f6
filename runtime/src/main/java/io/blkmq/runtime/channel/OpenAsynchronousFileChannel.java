package io.blkmq.runtime.channel;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.AsynchronousFileChannel;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.CompletionHandler;
import java.nio.channels.FileLock;
import java.util.Objects;
import java.util.concurrent.Executor;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * An {@link AsynchronousFileChannel} over something that is read and written at offsets: a disk, or a file. It answers as the JDK's channel
 * of a file does: which argument is looked at first, what is thrown and what is told. Subclasses do the I/O and call handlers. Thread-safe.
 */
public abstract class OpenAsynchronousFileChannel extends AsynchronousFileChannel {
    private static final System.Logger LOG = System.getLogger(OpenAsynchronousFileChannel.class.getName());
    /** A thread that owns nothing: memory that it may access is confined to no thread. */
    private static final Thread ANOTHER = Thread.ofPlatform().unstarted(() -> {});

    private final AtomicBoolean closed = new AtomicBoolean();

    /** A channel that is open. */
    protected OpenAsynchronousFileChannel() {}

    // ---- what subclasses do

    /**
     * Refuses to read from what is not open for reading.
     *
     * @throws java.nio.channels.NonReadableChannelException if it is not
     */
    protected abstract void requireReadable();

    /**
     * Refuses to write to what is not open for writing.
     *
     * @throws java.nio.channels.NonWritableChannelException if it is not
     */
    protected abstract void requireWritable();

    /**
     * Begins a transfer. Of a channel that is closed it tells so.
     *
     * @param write whether the buffer is written, and not filled
     * @param buffer the caller's, whose memory any thread may access
     * @param position where it begins, in bytes
     * @param result is told how it ends
     */
    protected abstract void begin(boolean write, ByteBuffer buffer, long position, AsyncResult<Integer> result);

    /**
     * The future of an operation that is about to begin.
     *
     * @param <V> the type of its result
     * @return a future
     */
    protected abstract <V> OperationFuture<V> newFuture();

    /**
     * Calls a handler of the user's.
     *
     * @param handler calls it
     * @param here whether the calling thread may do so on the spot
     */
    protected abstract void call(Runnable handler, boolean here);

    /**
     * The size now.
     *
     * @return bytes
     * @throws IOException if it is not to be had
     */
    protected abstract long currentSize() throws IOException;

    /**
     * Cuts what is longer to a size.
     *
     * @param size bytes
     * @throws IOException if it cannot be cut
     */
    protected abstract void cut(long size) throws IOException;

    /** {@return the locks of this process on the disk or file} */
    protected abstract FileLockTable locks();

    /** {@return the locks of the system} */
    protected abstract SystemLocks systemLocks();

    /**
     * Has an executor tell a handler, and somebody else if it does not. The handler is told once, whatever the executor does: it may throw
     * after it has taken the handler, or have run it on the spot.
     *
     * @param executor of the user's
     * @param handler to be told
     * @param elsewhere tells it in the place of an executor that has thrown before the handler began
     */
    protected static void tellBy(Executor executor, Runnable handler, Consumer<Runnable> elsewhere) {
        OnceTold once = new OnceTold(handler);
        try {
            executor.execute(once);
        } catch (RuntimeException | Error e) {
            if (once.hasBegun()) {
                // The handler's own.
                throw e;
            }
            elsewhere.accept(once);
        }
    }

    /** A handler that is told once, whoever else has it. */
    private static final class OnceTold implements Runnable {
        private final Runnable handler;
        private final AtomicBoolean begun = new AtomicBoolean();

        OnceTold(Runnable handler) {
            this.handler = handler;
        }

        boolean hasBegun() {
            return begun.get();
        }

        @Override
        public void run() {
            if (begun.compareAndSet(false, true)) {
                handler.run();
            }
        }
    }

    /**
     * Goes on asking the system for a lock that another process has, and tells. Not on the calling thread.
     *
     * @param lock reserved
     * @param result is told how it ends
     */
    protected void awaitLock(FileLockTable.RangeLock lock, AsyncResult<FileLock> result) {
        throw new IllegalStateException("a lock that no other process can have is refused");
    }

    /**
     * Closes what is the channel's own, and ends what is in flight. Its locks are released. Called once.
     *
     * @throws IOException if it fails
     */
    protected abstract void closeOwn() throws IOException;

    // ---- reading and writing

    @Override
    public final <A extends @Nullable Object> void read(ByteBuffer dst, long position, A attachment,
            CompletionHandler<Integer, ? super A> handler) {
        read(dst, position, new Handled<>(handler, attachment));
    }

    @Override
    public final Future<Integer> read(ByteBuffer dst, long position) {
        OperationFuture<Integer> future = newFuture();
        read(dst, position, future);
        return future;
    }

    private void read(ByteBuffer dst, long position, AsyncResult<Integer> result) {
        OpenFileChannel.requireNotNegative("position", position);
        if (dst.isReadOnly()) {
            throw new IllegalArgumentException("the buffer is read-only: nothing can be read into it");
        }
        requireReadable();
        begin(false, dst, position, result);
    }

    @Override
    public final <A extends @Nullable Object> void write(ByteBuffer src, long position, A attachment,
            CompletionHandler<Integer, ? super A> handler) {
        write(src, position, new Handled<>(handler, attachment));
    }

    @Override
    public final Future<Integer> write(ByteBuffer src, long position) {
        OperationFuture<Integer> future = newFuture();
        write(src, position, future);
        return future;
    }

    private void write(ByteBuffer src, long position, AsyncResult<Integer> result) {
        Objects.requireNonNull(src, "src");
        OpenFileChannel.requireNotNegative("position", position);
        requireWritable();
        begin(true, src, position, result);
    }

    /**
     * Memory of the caller's, if it can be used by other threads.
     *
     * @param buffer the caller's
     * @return its memory, from its position to its limit
     * @throws IllegalArgumentException if it is confined to a thread
     * @throws IllegalStateException if its arena is closed
     */
    protected static MemorySegment requireUsable(ByteBuffer buffer) {
        MemorySegment memory = MemorySegment.ofBuffer(buffer);
        if (!memory.isAccessibleBy(ANOTHER)) {
            throw new IllegalArgumentException(
                    "the memory of the buffer is confined to one thread, but the operation may end"
                            + " on another: use memory of a shared arena, of the heap, or an IoBuffer");
        }
        if (!memory.scope().isAlive()) {
            throw new IllegalStateException("the arena of the buffer's memory is closed");
        }
        return memory;
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
            call(() -> handler.completed(value, attachment), here);
        }

        @Override
        public void failed(Throwable cause, boolean here) {
            call(() -> handler.failed(cause, attachment), here);
        }
    }

    // ---- size

    @Override
    public final long size() throws IOException {
        requireOpen();
        return currentSize();
    }

    @Override
    public final AsynchronousFileChannel truncate(long size) throws IOException {
        OpenFileChannel.requireNotNegative("size", size);
        requireWritable();
        requireOpen();
        cut(size);
        return this;
    }

    // ---- locks

    @Override
    public final <A extends @Nullable Object> void lock(long position, long size, boolean shared, A attachment,
            CompletionHandler<FileLock, ? super A> handler) {
        lock(position, size, shared, new Handled<>(handler, attachment));
    }

    @Override
    public final Future<FileLock> lock(long position, long size, boolean shared) {
        OperationFuture<FileLock> future = newFuture();
        lock(position, size, shared, future);
        return future;
    }

    private void lock(long position, long size, boolean shared, AsyncResult<FileLock> result) {
        requireLockable(shared);
        FileLockTable.RangeLock lock;
        boolean locked;
        try {
            lock = reserve(position, size, shared);
            locked = ask(lock);
        } catch (IOException e) {
            result.failed(e, false);
            return;
        }
        // Out of the try: what a handler throws here is its own.
        if (locked) {
            result.completed(lock, false);
            return;
        }
        if (result instanceof OperationFuture<?> future) {
            future.onCancelled(() -> drop(lock), this::closeForCancelled);
        }
        await(lock, result);
    }

    /** A lock that nobody waits for is nobody's. */
    private void await(FileLockTable.RangeLock lock, AsyncResult<FileLock> result) {
        boolean awaited = false;
        try {
            awaitLock(lock, result);
            awaited = true;
        } finally {
            if (!awaited) {
                drop(lock);
            }
        }
    }

    @Override
    public final @Nullable FileLock tryLock(long position, long size, boolean shared) throws IOException {
        requireLockable(shared);
        FileLockTable.RangeLock lock = reserve(position, size, shared);
        if (ask(lock)) {
            return lock;
        }
        lock.drop();
        return null;
    }

    private FileLockTable.RangeLock reserve(long position, long size, boolean shared) throws IOException {
        requireOpen();
        FileLockTable.RangeLock lock = locks().reserve(this, position, size, shared, systemLocks());
        if (!isOpen()) {
            // Closed meanwhile: whoever closed it may have looked at the table before the lock was there.
            lock.drop();
            throw new ClosedChannelException();
        }
        return lock;
    }

    /** Asks the system for a lock, which is dropped if it refuses. */
    private static boolean ask(FileLockTable.RangeLock lock) throws IOException {
        boolean good = false;
        try {
            boolean locked = lock.askSystem();
            good = true;
            return locked;
        } finally {
            if (!good) {
                lock.drop();
            }
        }
    }

    /**
     * Gives up a lock that nobody has got.
     *
     * @param lock reserved
     */
    protected static void drop(FileLockTable.RangeLock lock) {
        try {
            lock.drop();
        } catch (IOException e) {
            LOG.log(System.Logger.Level.WARNING, "a lock that nobody got cannot be given up", e);
        }
    }

    private void requireLockable(boolean shared) {
        if (shared) {
            requireReadable();
        } else {
            requireWritable();
        }
    }

    // ---- closing

    @Override
    public final boolean isOpen() {
        return !closed.get();
    }

    /**
     * Refuses a channel that is closed.
     *
     * @throws ClosedChannelException if it is closed
     */
    protected final void requireOpen() throws ClosedChannelException {
        if (!isOpen()) {
            throw new ClosedChannelException();
        }
    }

    /** Ends what is in flight, and does not wait for the device. Closing again does nothing. */
    @Override
    public final void close() throws IOException {
        if (closed.compareAndSet(false, true)) {
            try {
                locks().releaseAll(this);
            } finally {
                closeOwn();
            }
        }
    }

    /** Closes the channel because an operation has been cancelled that may be interrupted. */
    protected final void closeForCancelled() {
        try {
            close();
        } catch (IOException e) {
            LOG.log(System.Logger.Level.WARNING, () -> "closing " + this + " for an operation that was cancelled", e);
        }
    }
}
