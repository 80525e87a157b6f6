package io.blkmq.testkit.provider;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.AsynchronousFileChannel;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.CompletionHandler;
import java.nio.channels.FileLock;
import java.nio.channels.NonReadableChannelException;
import java.nio.channels.NonWritableChannelException;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;

/**
 * An asynchronous channel of a file. An operation takes effect before the call that starts it returns, so that operations take effect
 * in the order in which they are started; only handlers run on other threads: of the executor, or on a virtual thread each.
 */
final class TreeAsynchronousFileChannel extends AsynchronousFileChannel {
    private final OpenFile file;
    private final Executor executor;
    private volatile boolean closed;

    TreeAsynchronousFileChannel(OpenFile file, @Nullable Executor executor) {
        this.file = file;
        this.executor = executor != null
                ? executor
                : task -> Thread.ofVirtual().name("completion of " + file).start(task);
    }

    /** What is done at once. */
    @FunctionalInterface
    private interface Action<T> {
        T perform() throws IOException;
    }

    private <T> Future<T> start(Action<T> action) {
        CompletableFuture<T> future = new CompletableFuture<>();
        try {
            requireOpen();
            future.complete(action.perform());
        } catch (IOException e) {
            future.completeExceptionally(e);
        }
        return future;
    }

    private <T, A> void start(Action<T> action, @Nullable A attachment, CompletionHandler<T, ? super A> handler) {
        Objects.requireNonNull(handler, "handler");
        T result;
        try {
            requireOpen();
            result = action.perform();
        } catch (IOException e) {
            executor.execute(() -> handler.failed(e, attachment));
            return;
        }
        tell(result, () -> handler.completed(result, attachment));
    }

    /** A lock that nobody is told of is nobody's, as with the JDK's channel, if the executor refuses the handler. */
    private void tell(@Nullable Object result, Runnable handler) {
        AtomicBoolean claimed = new AtomicBoolean();
        try {
            executor.execute(() -> {
                if (claimed.compareAndSet(false, true)) {
                    handler.run();
                }
            });
        } catch (RuntimeException | Error e) {
            // Not if it was told, and what was thrown is the handler's own.
            if (result instanceof FileLock lock && claimed.compareAndSet(false, true)) {
                release(lock, e);
            }
            throw e;
        }
    }

    private static void release(FileLock lock, Throwable refusal) {
        try {
            lock.release();
        } catch (IOException e) {
            refusal.addSuppressed(e);
        }
    }

    private void requireOpen() throws ClosedChannelException {
        if (closed) {
            throw new ClosedChannelException();
        }
    }

    private Action<Integer> reading(ByteBuffer dst, long position) {
        requirePosition(position);
        if (dst.isReadOnly()) {
            throw new IllegalArgumentException("a read-only buffer cannot be read into");
        }
        requireReadable();
        return () -> file.read(position, dst);
    }

    private Action<Integer> writing(ByteBuffer src, long position) {
        Objects.requireNonNull(src);
        requirePosition(position);
        requireWritable();
        return () -> file.write(position, src);
    }

    private Action<FileLock> locking(long position, long size, boolean shared) {
        if (shared) {
            requireReadable();
        } else {
            requireWritable();
        }
        return () -> file.fileSystem().locks().lock(file, this, position, size, shared);
    }

    private static void requirePosition(long position) {
        if (position < 0) {
            throw new IllegalArgumentException("position " + position + ": at least 0 is possible");
        }
    }

    private void requireReadable() {
        if (!file.options().reads()) {
            throw new NonReadableChannelException();
        }
    }

    private void requireWritable() {
        if (!file.options().writes()) {
            throw new NonWritableChannelException();
        }
    }

    @Override
    public Future<Integer> read(ByteBuffer dst, long position) {
        return start(reading(dst, position));
    }

    @Override
    public <A> void read(ByteBuffer dst, long position, @Nullable A attachment,
            CompletionHandler<Integer, ? super A> handler) {
        start(reading(dst, position), attachment, handler);
    }

    @Override
    public Future<Integer> write(ByteBuffer src, long position) {
        return start(writing(src, position));
    }

    @Override
    public <A> void write(ByteBuffer src, long position, @Nullable A attachment,
            CompletionHandler<Integer, ? super A> handler) {
        start(writing(src, position), attachment, handler);
    }

    @Override
    public Future<FileLock> lock(long position, long size, boolean shared) {
        return start(locking(position, size, shared));
    }

    @Override
    public <A> void lock(long position, long size, boolean shared, @Nullable A attachment,
            CompletionHandler<FileLock, ? super A> handler) {
        start(locking(position, size, shared), attachment, handler);
    }

    @Override
    public FileLock tryLock(long position, long size, boolean shared) throws IOException {
        requireOpen();
        return locking(position, size, shared).perform();
    }

    @Override
    public long size() throws IOException {
        requireOpen();
        return file.size();
    }

    @Override
    public AsynchronousFileChannel truncate(long size) throws IOException {
        if (size < 0) {
            throw new IllegalArgumentException("size " + size + ": at least 0 is possible");
        }
        requireOpen();
        requireWritable();
        if (size < file.size()) {
            file.truncate(size);
        }
        return this;
    }

    @Override
    public void force(boolean metaData) throws IOException {
        requireOpen();
        file.force(metaData);
    }

    @Override
    public boolean isOpen() {
        return !closed;
    }

    @Override
    public void close() {
        closed = true;
        file.fileSystem().closed(this);
        file.fileSystem().locks().releaseAll(file, this);
        file.close();
    }

    @Override
    public String toString() {
        return "asynchronous channel of " + file;
    }
}
