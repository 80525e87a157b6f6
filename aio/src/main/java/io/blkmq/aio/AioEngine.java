package io.blkmq.aio;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.Set;

/**
 * Carries out operations on any number of files and tells their completions.
 *
 * <p>The life of an operation: prepare a {@link Kiocb}, {@link #submit} it (many, if there are many), {@link #commit}
 * once. In {@link CompletionMode#REAPER} completions are called by threads of the engine (or by the submitter), and
 * any thread may call any method. In {@link CompletionMode#POLLED} the thread that submits first owns the engine; it
 * alone submits, commits, polls and awaits.
 *
 * <p>Operations for which the ring, or the pool of threads, has no room wait in the engine, first come first served, up
 * to {@link AioEngineConfig#inFlightMax} in flight; what is over is answered with EAGAIN, and no method but
 * {@link #await} and {@link #close} ever waits. Room comes with completions: an operation's own place is free when its
 * completion is called, and {@link ReapListener#reapEnds} says that others may have become so. Operations in flight
 * together have no order, except that a sync after a write ({@link Kiocb#thenSync}) comes after it. There is no
 * cancel. A transfer that moves less than asked is continued
 * until it is done, fails, or makes no progress: a read then ends with the bytes it has (end of file), a write with
 * EIO. Memory belongs to the engine from submit to completion, and is kept reachable; only
 * the application can break that rule, by closing its arena before.
 */
public interface AioEngine extends AutoCloseable {

    /** The name of its kind: {@code io_uring}, {@code libaio}, {@code channel}, {@code memory}, {@code null}. */
    String name();

    /** Who finds completions. */
    CompletionMode completionMode();

    /** What it does asynchronously. Submitting anything else is refused with EOPNOTSUPP. */
    Set<AioOperation> operations();

    /**
     * Opens a regular file (or block device) that exists, for this engine and others of its family. Any thread may
     * call it.
     *
     * @param direct past the page cache
     * @throws java.nio.file.NoSuchFileException if there is none
     * @throws java.nio.file.AccessDeniedException if it may not be opened so
     * @throws AioFile.DirectUnsupportedException if the file cannot do direct I/O
     * @throws IOException otherwise, naming the path: a directory, a FIFO, no descriptors left
     */
    AioFile open(Path path, AioFile.Access access, boolean direct) throws IOException;

    /**
     * Accepts an operation, or refuses it.
     *
     * @return 0: the completion will be called, perhaps before this returns. Otherwise a negative errno, the
     *         completion will not be called and the kiocb is free again: EBADF if the file is closed or not open in
     *         the direction asked for, EINVAL if the kiocb is not prepared, the file is of another family of engines,
     *         or the engine is closed, EBUSY if the kiocb is in flight, EOPNOTSUPP if the operation, or the sync
     *         after it, is not one of {@link #operations}, EIO if the kernel has refused the engine's ring for good, EFAULT if memory of it has been closed, EAGAIN if as many
     *         as {@link AioEngineConfig#inFlightMax} are in flight
     * @throws IllegalStateException if the engine is polled and belongs to another thread
     */
    int submit(Kiocb kiocb);

    /**
     * Rings the doorbell: everything submitted goes to the kernel, with one system call for all of it. Nothing to do
     * if there is nothing. A submit that finds the ring full rings by itself, and so does one of a thread that has had to wait for
     * the device ({@link AioEngineConfig.Builder#promptDoorbell}).
     */
    void commit();

    /**
     * Calls the completions that are there, and returns how many. Never blocks, and enters the kernel only if the
     * ring says that there is work waiting for it. Does nothing (0) in {@link CompletionMode#REAPER}, and inside a
     * completion.
     */
    int poll();

    /**
     * {@link #commit}, then like {@link #poll}, but waits for at least one completion while any operation is in
     * flight. Does nothing (0) in {@link CompletionMode#REAPER}.
     *
     * @param timeoutNanos the longest wait in nanoseconds; {@link Long#MAX_VALUE} for ever
     * @throws IllegalStateException inside a completion
     */
    int await(long timeoutNanos);

    /**
     * Tells the engine of memory that much I/O will use, so that the kernel can pin it once. Operations of a single
     * segment that lies in it use it from then on. May be called while I/O is in flight, by any thread, up to 64
     * times; memory whose arena has been closed leaves its place to others.
     *
     * @return whether it is used; false where the engine has no such thing or the system refuses (RLIMIT_MEMLOCK):
     *        I/O works all the same
     * @throws IllegalArgumentException if it is heap memory
     */
    boolean registerMemory(MemorySegment slab);

    /**
     * Undoes {@link #registerMemory}: to be called before the memory's arena is closed, so that its pages are given
     * back.
     *
     * @return whether that memory was registered
     */
    boolean unregisterMemory(MemorySegment slab);

    /** What it has done so far. Any thread may call it. */
    AioStatistics statistics();

    /**
     * Refuses further operations, waits until all that are in flight have completed and been told, then gives back
     * rings, descriptors and threads. Files stay open. Idempotent: of several calls, at once or not, each returns when that has been
     * done.
     *
     * <p>A polled engine with nothing in flight may be closed by any thread; one that is inside of a call of its owner's, which tells
     * the last operation, is waited for. A polled engine whose owner's thread has ended may be closed by any thread. Operations that the owner left,
     * and whose end can no longer be learned, are told ECANCELED when they have ended, whatever they did.
     *
     * @throws IllegalStateException inside a completion; or in {@link CompletionMode#POLLED}, if operations are in
     *         flight and the owner is another, living thread
     */
    @Override
    void close();
}
