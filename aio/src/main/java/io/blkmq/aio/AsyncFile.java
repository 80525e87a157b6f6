package io.blkmq.aio;

import io.blkmq.aio.life.FileTail;
import io.blkmq.runtime.IoBuffer;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.AsynchronousFileChannel;
import java.nio.channels.FileChannel;
import java.nio.file.OpenOption;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;

/**
 * A file for those who want to read and write, and to hear of neither kiocbs, alignment nor errnos. Blocking calls park, so that a virtual
 * thread gives its carrier back; the forms that end in {@code Async} return futures; {@link #readAll} reads a batch with one system call.
 * Any thread may call any method. A blocking call inside of a completion, or on the thread that runs the engine's agent, is refused with
 * {@link IllegalStateException}. An interrupt ends no call, and is kept.
 *
 * <pre>{@code
 * try (var engine = AioEngines.openFirst(AioEngineConfig.defaults(), "io_uring", "channel");
 *         var file = AsyncFile.open(engine, Path.of("log"), AioFile.Access.READ_WRITE, true, AioFile.Option.CREATE)) {
 *     long at = file.append(record);
 *     file.sync(true);
 *     file.readAsync(at, copy).thenAccept(bytes -> ...);
 * }
 * }</pre>
 *
 * <p><b>Memory.</b> Native memory goes to the engine as it is, if the file is buffered, or if address, offset and length suit its
 * {@linkplain AioFile#memoryAlignment direct I/O}. Any other, of the heap or not aligned, is copied by way of pooled
 * {@linkplain IoBuffer aligned memory}. Until a call returns, or a future is done, memory is the engine's.
 *
 * <p><b>Writes that are not aligned</b>, of a file that is open for direct I/O, read the blocks that they cover in part, and write them
 * whole; past the end of the file they write whole blocks, and then cut the file to size: after a crash in between zeroes may follow. Of a file
 * that is open with {@link AioFile.Option#SYNC} or {@code DSYNC} the size is durable, too, when the write returns, for which it is synced. No
 * other write of this process to the file goes on meanwhile, through whichever {@code AsyncFile} or channel of this module, so none is
 * lost; and no read, or look at the size, sees a file that is about to be cut. Of two processes writes to the same block may be lost, and so
 * they may be beside a {@link java.nio.channels.FileChannel} of the JDK's. A log that appends records is better off with whole blocks.
 *
 * @since 0.1.0
 */
public final class AsyncFile implements AutoCloseable {

    private final AioEngine engine;
    private final AioFile file;
    private final Executor executor;
    private final SharedFile shared;
    private final BlockIo io;
    private final BlockIo channelIo;
    /** Whether the open has been given back. */
    private final AtomicBoolean closed = new AtomicBoolean();

    private AsyncFile(AioEngine engine, AioFile file, Executor executor) {
        this.engine = engine;
        this.file = file;
        this.executor = executor;
        shared = SharedFile.enter(file);
        io = new BlockIo(engine, file, shared, false);
        channelIo = new BlockIo(engine, file, shared, true);
    }

    /**
     * Opens a file. Futures of transfers that take several steps, because they are copied, or that wait for room, are carried
     * out by virtual threads.
     *
     * @param engine the engine, which stays open longer than the file
     * @param path the name of the file
     * @param access what the file is opened for
     * @param direct whether I/O goes past the page cache
     * @param options as of {@link AioEngine#open}
     * @return the file, for the caller to close
     * @throws IllegalArgumentException if the engine is polled: it belongs to one thread; or as {@link AioEngine#open}
     * @throws IOException as {@link AioEngine#open}
     */
    public static AsyncFile open(AioEngine engine, Path path, AioFile.Access access, boolean direct,
            AioFile.Option... options) throws IOException {
        requireShared(engine);
        return new AsyncFile(engine, engine.open(path, access, direct, options), Thread::startVirtualThread);
    }

    /**
     * Opens a file as {@link #open}, and does not wait: {@link AioEngine#openAsync} says who carries it out, and what becomes of it when
     * the future is cancelled. The future is completed as those of {@link #readAsync}.
     *
     * @param engine the engine, which stays open longer than the file
     * @param path the name of the file
     * @param access what the file is opened for
     * @param direct whether I/O goes past the page cache
     * @param options as of {@link AioEngine#open}
     * @return the file, for the caller to close; or the exception of {@link #open}, or as {@link AioEngine#openAsync}
     * @throws IllegalArgumentException as {@link #open}
     */
    public static CompletableFuture<AsyncFile> openAsync(AioEngine engine, Path path, AioFile.Access access,
            boolean direct, AioFile.Option... options) {
        requireShared(engine);
        CompletableFuture<AioFile> opening = engine.openAsync(path, access, direct, options);
        engine.commit();
        CallFuture<AsyncFile> future = new CallFuture<>(() -> {
            boolean _ = opening.cancel(false);
        });
        CompletableFuture<AioFile> _ = opening.whenComplete((file, failure) -> {
            if (failure != null) {
                future.fail(failure);
                return;
            }
            AsyncFile opened = new AsyncFile(engine, file, Thread::startVirtualThread);
            if (!future.end(opened)) {
                CompletableFuture<@Nullable Void> _ = opened.closeAsync();
            }
        });
        return future;
    }

    /**
     * Takes an open file over: closing this closes it.
     *
     * @param engine an engine of the file's family, which stays open longer than the file
     * @param file the file
     * @param executor carries out the futures of transfers that take several steps or wait for room: each blocks one of its threads
     *        meanwhile
     * @return the file, for the caller to close
     * @throws IllegalArgumentException if the engine is polled: it belongs to one thread
     */
    public static AsyncFile of(AioEngine engine, AioFile file, Executor executor) {
        requireShared(engine);
        return new AsyncFile(engine, Objects.requireNonNull(file, "file"),
                Objects.requireNonNull(executor, "executor"));
    }

    private static void requireShared(AioEngine engine) {
        if (engine.completionMode() == CompletionMode.POLLED) {
            throw new IllegalArgumentException("AIO engine " + engine.name()
                    + " is polled, and belongs to one thread: a file for all threads needs another mode");
        }
    }

    /** {@return the file itself; not to be written with it what is written with this at the same time} */
    public AioFile file() {
        return file;
    }

    /**
     * The size now. Waits for no write: of one that is under way, and grows the file, it does not know yet. May be called anywhere, also inside of
     * a completion.
     *
     * @return bytes
     * @throws IOException if the file is closed or the system refuses
     */
    public long size() throws IOException {
        return io.size();
    }

    // Channels.

    /**
     * A channel of this file, with a position of its own. Closing it, as an interrupt does, leaves the file open; once the file is closed,
     * its operations fail. Else as {@link AioFiles#openChannel(AioEngine, Path, OpenOption...)} says. Locks of the channel and those of
     * {@link AioFile#tryLock} are locks of one open file for the system: the later takes the place of the former.
     *
     * @param options {@link java.nio.file.StandardOpenOption#READ}, {@code WRITE} and {@code APPEND}; with none of them all is allowed
     *        that the file is open for
     * @return the channel
     * @throws IllegalArgumentException for {@code APPEND} with {@code READ}, and for writing to a file that is open for reading only
     * @throws UnsupportedOperationException for any other option, naming it
     */
    public FileChannel openChannel(OpenOption... options) {
        return new AioFileChannel(this, ChannelOpening.of(file, Arrays.asList(options)), ChannelEnd.NOTHING);
    }

    /**
     * An asynchronous channel of this file. Closing it leaves the file open. Else as
     * {@link AioFiles#openAsynchronousChannel(AioEngine, Path, Executor, OpenOption...)} and {@link #openChannel} say.
     *
     * @param handlers calls handlers
     * @param options {@link java.nio.file.StandardOpenOption#READ} and {@code WRITE}; with none of them all is allowed that the file is
     *        open for
     * @return the channel
     * @throws IllegalArgumentException for writing to a file that is open for reading only
     * @throws UnsupportedOperationException for any other option, naming it
     */
    public AsynchronousFileChannel openAsynchronousChannel(Executor handlers, OpenOption... options) {
        return new AioAsynchronousFileChannel(this, ChannelOpening.ofAsynchronous(file, Arrays.asList(options)),
                ChannelEnd.NOTHING, Objects.requireNonNull(handlers, "handlers"));
    }

    /** What its channels do their I/O with. */
    BlockIo channelIo() {
        return channelIo;
    }

    // Waiting.

    /**
     * Reads until the memory is full, or the file ends.
     *
     * @param offset where in the file the read begins, in bytes
     * @param memory what it fills, also of the heap
     * @return bytes, fewer than asked for only at the end of the file
     * @throws IllegalArgumentException if the offset is negative or too large, or the memory read-only
     * @throws IOException with the error, as {@link AioException#of} makes it
     */
    public long read(long offset, MemorySegment memory) throws IOException {
        requireTarget(offset, memory);
        requireMayWait("read");
        return io.read(offset, memory);
    }

    /**
     * The same into a buffer, from its position to its limit. The position moves by what is read.
     *
     * @param offset where in the file the read begins, in bytes
     * @param buffer what it fills
     * @return bytes, fewer than asked for only at the end of the file
     * @throws IllegalArgumentException if the offset is negative or the buffer read-only
     * @throws IOException with the error, as {@link AioException#of} makes it
     */
    public int read(long offset, ByteBuffer buffer) throws IOException {
        int bytes = (int) read(offset, MemorySegment.ofBuffer(buffer));
        buffer.position(buffer.position() + bytes);
        return bytes;
    }

    /**
     * Reads a batch, with one system call where the engine has a ring, and waits for all of it.
     *
     * @param reads the reads, as many as you like; where their memory overlaps, its content is undefined
     * @return bytes of each read, fewer than asked for only at the end of the file
     * @throws IOException with the error of the first read that failed; all have ended
     */
    public long[] readAll(List<FileRead> reads) throws IOException {
        requireMayWait("readAll");
        return new ReadBatch(this, engine, file, reads).run();
    }

    /**
     * Writes all of the memory.
     *
     * @param offset where in the file the write begins, in bytes
     * @param memory what it writes, also of the heap
     * @throws IllegalArgumentException if the offset is negative
     * @throws IOException with the error, as {@link AioException#of} makes it; some of it may have been written
     */
    public void write(long offset, MemorySegment memory) throws IOException {
        requireRange(offset, memory);
        requireMayWait("write");
        io.write(offset, memory);
    }

    /**
     * The same out of a buffer, from its position to its limit. The position moves to the limit.
     *
     * @param offset where in the file the write begins, in bytes
     * @param buffer what it writes
     * @throws IllegalArgumentException if the offset is negative
     * @throws IOException with the error, as {@link AioException#of} makes it; some of it may have been written
     */
    public void write(long offset, ByteBuffer buffer) throws IOException {
        write(offset, MemorySegment.ofBuffer(buffer));
        buffer.position(buffer.limit());
    }

    /**
     * Writes at the end of the file. Of several calls one follows the other, and no other write goes on meanwhile.
     *
     * @param memory what it writes, also of the heap
     * @return where in the file it was written
     * @throws IOException with the error, as {@link AioException#of} makes it; some of it may have been written
     */
    public long append(MemorySegment memory) throws IOException {
        requireMayWait("append");
        return io.append(memory);
    }

    /**
     * Makes what was written durable.
     *
     * @param dataOnly whether by {@code fdatasync}; otherwise by {@code fsync}
     * @throws IOException with the error, as {@link AioException#of} makes it
     */
    public void sync(boolean dataOnly) throws IOException {
        requireMayWait("sync");
        io.sync(dataOnly);
    }

    /**
     * Sets the size, as {@link AioFile#setSize}. No write goes on meanwhile.
     *
     * @param bytes the size
     * @throws IllegalArgumentException if the size is negative
     * @throws IOException with the error, as {@link AioException#of} makes it
     */
    public void setSize(long bytes) throws IOException {
        requireMayWait("setSize");
        io.setSize(bytes);
    }

    // Futures.

    /**
     * Reads until the memory is full, or the file ends. The future is completed by the thread that completes for the engine: stages that
     * block, or take long, belong on another ({@link CompletableFuture#thenApplyAsync}). Where the engine has no room for it, it
     * waits for room in the executor.
     *
     * <p>The future is done when the memory is the caller's again, and not before. So a {@link CompletableFuture#cancel cancel}, or
     * the time of an {@link CompletableFuture#orTimeout orTimeout}, asks the engine to end the operation early ({@link AioEngine#cancel}): if
     * that can be, the future ends as it was asked to; otherwise with the operation's own result, when there is one. A transfer of several
     * steps goes on to its end. Stages behind the future are futures as any other: their time-outs tell nothing about the memory.
     *
     * @param offset where in the file the read begins, in bytes
     * @param memory what it fills, also of the heap
     * @return bytes, fewer than asked for only at the end of the file; or the exception of {@link #read}
     * @throws IllegalArgumentException if the offset is negative, or the memory read-only, closed or confined to a thread
     */
    public CompletableFuture<Long> readAsync(long offset, MemorySegment memory) {
        requireTarget(offset, memory);
        requireForAll(memory);
        if (!isStraight(offset, memory)) {
            return stepByStep(() -> io.read(offset, memory));
        }
        Pending pending = new Pending("read", offset, memory.byteSize(), takeKiocb());
        pending.target = memory;
        pending.tails = shared.tail().now();
        return pending.begin(pending.kiocb.prepareRead(file, offset, pending, 0).addSegment(memory),
                () -> io.read(offset, memory));
    }

    /**
     * Writes all of the memory. As {@link #readAsync}.
     *
     * @param offset where in the file the write begins, in bytes
     * @param memory what it writes, also of the heap
     * @return bytes, all of them; or the exception of {@link #write}
     * @throws IllegalArgumentException if the offset is negative, or the memory closed or confined to a thread
     */
    public CompletableFuture<Long> writeAsync(long offset, MemorySegment memory) {
        requireRange(offset, memory);
        requireForAll(memory);
        Steps steps = () -> {
            write(offset, memory);
            return memory.byteSize();
        };
        if (!isStraight(offset, memory)) {
            return stepByStep(steps);
        }
        // Prepared before the lock is taken: nothing is held where the memory is refused.
        Pending pending = new Pending("write", offset, memory.byteSize(), takeKiocb());
        Kiocb prepared = pending.kiocb.prepareWrite(file, offset, pending, 0).addSegment(memory);
        pending.stamp = shared.tryShare();
        if (pending.stamp == 0) {
            // Who writes a part of a block holds the lock for more than one operation: this one has to wait, on another thread.
            giveBack(prepared);
            return stepByStep(steps);
        }
        return pending.begin(prepared, steps);
    }

    /**
     * Makes what was written durable: all writes that had ended before this was called. As {@link #readAsync}.
     *
     * @param dataOnly whether by {@code fdatasync}; otherwise by {@code fsync}
     * @return 0; or the exception of {@link #sync}
     */
    public CompletableFuture<Long> syncAsync(boolean dataOnly) {
        Pending pending = new Pending("sync", 0, 0, takeKiocb());
        return pending.begin(pending.kiocb.prepareSync(file, dataOnly, pending, 0), () -> {
            sync(dataOnly);
            return 0;
        });
    }

    /** An operation that is in flight. */
    private final class Pending extends MemoryFuture implements AioCompletion {
        private final String operation;
        private final long offset;
        private final long bytes;
        final Kiocb kiocb;
        /** Of the lock, to be given back at the end; 0 for none. Written before the operation is submitted, which publishes it. */
        private long stamp;
        /** What a read fills, and when it began ({@link FileTail#now}). Written before it is submitted. */
        private @Nullable MemorySegment target;
        private int tails;

        Pending(String operation, long offset, long bytes, Kiocb kiocb) {
            this.operation = operation;
            this.offset = offset;
            this.bytes = bytes;
            this.kiocb = kiocb;
        }

        /** Begins it; where there is no room, who can wait carries it out. */
        CompletableFuture<Long> begin(Kiocb prepared, Steps noRoom) {
            int refused;
            try {
                refused = engine.submit(prepared);
            } catch (Throwable t) {
                letGo();
                throw t;
            }
            if (refused == -Errno.EAGAIN) {
                letGo();
                return stepByStep(noRoom);
            }
            if (refused != 0) {
                complete(0, refused);
            } else {
                engine.commit(prepared);
            }
            return this;
        }

        @Override
        public void complete(long userData, long result) {
            noMoreEarly();
            letGo();
            MemorySegment read = target;
            if (read != null && result > 0 && shared.tail().wasSeen(tails)) {
                // A write was about to cut off some of it: once more, with the lock, by who can wait.
                stepByStep(() -> io.runReadAgain(offset, read), this);
                return;
            }
            long told = read != null && isEndedEarly(result) ? -Errno.ECANCELED : result;
            if (told < 0) {
                end(AioException.of(told, file.path(), BlockIo.inWords(operation, offset, bytes)),
                        told == -Errno.ECANCELED);
            } else {
                end(told);
            }
        }

        /** Whether a read has fewer bytes because it was ended early, which would look like the end of the file. */
        private boolean isEndedEarly(long result) {
            return result >= 0 && result < bytes && (isWished() || io.isCutShort(offset + result));
        }

        @Override
        void endEarly() {
            boolean _ = engine.cancel(kiocb);
        }

        private void letGo() {
            giveBack(kiocb);
            if (stamp != 0) {
                shared.unshare(stamp);
            }
        }
    }

    /** What takes several steps. */
    @FunctionalInterface
    private interface Steps {
        long run() throws IOException;
    }

    private CompletableFuture<Long> stepByStep(Steps steps) {
        MemoryFuture future = new MemoryFuture();
        stepByStep(steps, future);
        return future;
    }

    /** An executor may refuse the steps, or throw after it has taken or run them: the future ends once, and no steps begin after it. */
    private void stepByStep(Steps steps, MemoryFuture future) {
        AtomicBoolean begun = new AtomicBoolean();
        try {
            executor.execute(() -> {
                if (begun.compareAndSet(false, true)) {
                    try {
                        future.end(steps.run());
                    } catch (Throwable t) {
                        future.end(t, false);
                    }
                }
            });
        } catch (Throwable t) {
            if (begun.compareAndSet(false, true)) {
                future.end(t, false);
            }
        }
    }

    // What a batch takes.

    boolean isStraight(long offset, MemorySegment memory) {
        return io.isStraight(offset, memory);
    }

    Kiocb takeKiocb() {
        return io.takeKiocb();
    }

    void giveBack(Kiocb kiocb) {
        io.giveBack(kiocb);
    }

    /** What it does its I/O with. */
    BlockIo io() {
        return io;
    }

    /** What is common to all opens of the file. */
    SharedFile shared() {
        return shared;
    }

    private void requireMayWait(String call) {
        io.requireMayWait(call);
    }

    private static void requireRange(long offset, MemorySegment memory) {
        if (offset < 0 || offset > BlockIo.OFFSET_MAX - memory.byteSize()) {
            throw new IllegalArgumentException("offset " + offset + " and length " + memory.byteSize()
                    + ": a transfer lies between 0 and " + BlockIo.OFFSET_MAX);
        }
    }

    static void requireTarget(long offset, MemorySegment memory) {
        requireRange(offset, memory);
        if (memory.isReadOnly()) {
            throw new IllegalArgumentException("read into read-only memory: " + memory);
        }
    }

    private static void requireForAll(MemorySegment memory) {
        if (!memory.isAccessibleBy(Kiocb.ANOTHER)) {
            throw new IllegalArgumentException(
                    "memory confined to one thread, and a future ends on another: " + memory);
        }
    }

    /**
     * Closes the file: new operations are refused; those in flight end as if it were open. Idempotent. A write that is not aligned is one
     * operation, with all its steps; of another transfer that is copied in pieces, each piece is one. A read that has met a write which cuts the
     * file has to be done again, and fails if the file has been closed meanwhile.
     */
    @Override
    public void close() {
        file.close();
        if (closed.compareAndSet(false, true)) {
            shared.leave();
        }
    }

    /**
     * Closes the file as {@link #close}, and does not wait: {@link AioEngine#closeAsync} says who closes it. It is closed in any case.
     *
     * @return done when the last operation in flight has ended, and the file has been closed; with an exception if the system has told an
     *         error with it. Done at once if it has been closed before
     */
    public CompletableFuture<@Nullable Void> closeAsync() {
        CompletableFuture<@Nullable Void> closing = engine.closeAsync(file);
        engine.commit();
        if (closed.compareAndSet(false, true)) {
            shared.leave();
        }
        return closing;
    }

    @Override
    public String toString() {
        return "AsyncFile[" + file + " by " + engine.name() + "]";
    }
}
