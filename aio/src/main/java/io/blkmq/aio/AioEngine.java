package io.blkmq.aio;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import org.agrona.concurrent.Agent;
import org.jspecify.annotations.Nullable;

/**
 * Carries out operations on any number of files, and calls a completion for each.
 *
 * <p>The life of an operation: prepare a {@link Kiocb} and {@link #submit} it; after one or many, {@link #commit} once.
 * In {@link CompletionMode#REAPER} completions are called by threads of the engine (or by the submitter), in
 * {@link CompletionMode#AGENT} by the thread that runs the {@link #agent}, and any thread may call any method. In
 * {@link CompletionMode#POLLED} the thread that submits first owns the engine; it
 * alone submits, commits, polls and awaits.
 *
 * <p>An operation for which the ring, or the pool of threads, has no room waits in the engine. Those of a file are served in their order;
 * in a ring the files take turns, and a file never has so many of the ring's places that none is left for another. With
 * {@link AioEngineConfig#inFlightMax} operations in flight {@link #submit} answers EAGAIN. Only {@link #await} and {@link #close}
 * wait. Completions make room: an operation's own place is free when its completion is called, and {@link ReapListener#reapEnds}
 * says that other places may be free. Operations in flight have no order, except that a sync after a write
 * ({@link Kiocb#thenSync}) follows that write. Whether an operation can be {@linkplain #cancel cancelled} depends on how far it is. A transfer that moves less than asked is
 * continued until it is done, fails, or makes no progress: then a read ends with the bytes it has (end of file), a write with
 * EIO. Memory belongs to the engine from submit to completion, and is kept reachable. Only the application can break that
 * rule, by closing its arena earlier.
 *
 * @since 0.1.0
 */
public interface AioEngine extends AutoCloseable {

    /** {@return the name of its kind: {@code io_uring}, {@code libaio}, {@code channel}, {@code memory}, {@code null}} */
    String name();

    /** {@return the mode that says which thread finds completions} */
    CompletionMode completionMode();

    /**
     * The operations that it carries out asynchronously. It refuses any other with EOPNOTSUPP.
     *
     * @return an unmodifiable set, always the same
     */
    Set<AioOperation> operations();

    /**
     * The flags ({@link Kiocb#with}) that it knows. It refuses a transfer with any other with EOPNOTSUPP.
     *
     * @return an unmodifiable set, always the same
     */
    Set<AioFlag> flags();

    /**
     * Whether a transfer may have a priority of its own ({@link Kiocb#priority}). Otherwise one that has is refused with EOPNOTSUPP.
     *
     * @return true for {@code io_uring} and {@code libaio}
     */
    boolean hasPriorities();

    /**
     * Opens a regular file (or block device) for this engine and others of its family; one that does not exist, if that is asked for.
     * Any thread may call it. A file that has been made stays, empty, where opening it then fails. A file of the {@code memory} engine
     * is made in memory alone.
     *
     * <p>There is no append: an operation has its offset. Ask the {@linkplain AioFile#size size}, or keep count.
     *
     * @param path the name of the file
     * @param access what the file is opened for
     * @param direct whether I/O goes past the page cache
     * @param options what else is done, or holds while the file is open
     * @return the open file, for the caller to close
     * @throws IllegalArgumentException if there are options, and access is for reading only
     * @throws java.nio.file.ProviderMismatchException by {@code io_uring} and {@code libaio}, if the path is none of the default file
     *         system: the system knows no other, and who wraps paths has to unwrap them. {@code channel}, {@code null} and
     *         {@code memory} take a path of any provider that opens a {@link java.nio.channels.FileChannel}
     * @throws java.nio.file.NoSuchFileException if the file does not exist and is not to be made, or its directory does not exist
     * @throws java.nio.file.FileAlreadyExistsException if the file exists, with {@link AioFile.Option#CREATE_NEW}
     * @throws java.nio.file.AccessDeniedException if a permission is missing
     * @throws AioFile.DirectUnsupportedException if the file cannot do direct I/O
     * @throws IOException otherwise, naming the path: a directory, a FIFO, a block device in use, no descriptors left
     */
    AioFile open(Path path, AioFile.Access access, boolean direct, AioFile.Option... options) throws IOException;

    /**
     * Takes an open file of another owner by its descriptor, which is duplicated: each closes its own. What the two do goes to one open
     * of the system: its access, direct I/O and O_DSYNC are as they are, also where only the other changes them later, and none of its flags is
     * changed here: I/O of a file on a tmpfs is slower than of one that the engine has opened. Of the {@code channel} engine that is so for
     * sizes, locks, syncs and holes; its transfers go to an open of their own, with the same access, by way of {@code /proc/self/fd}. A
     * descriptor comes from native code, from a library that tells it, or from the process that started this one. The JDK tells none of a
     * {@link java.io.FileDescriptor} or {@link java.nio.channels.FileChannel}: open the path of those once more.
     *
     * @param descriptor an open descriptor of this process, of a regular file or block device
     * @param name what the file is called, for messages; it need not lead to the file
     * @return the file, for the caller to close
     * @throws UnsupportedOperationException by {@code memory}, and where the C library cannot be called: the reason is in the message
     * @throws IOException if there is no such descriptor (EBADF), it is no regular file or block device, or it can only be written
     */
    AioFile adopt(int descriptor, Path name) throws IOException;

    /**
     * Gives a file another name, for good: syncs the file, renames it, and syncs the directories. So a file that was written under
     * another name appears under its own whole, or not at all, also after a crash. What has the name already is replaced in one step. Blocks.
     * Files that are open stay open. Of the {@code memory} engine the name changes in memory alone.
     *
     * @param from the name that it has
     * @param to its name from now on, in a directory of the same file system
     * @throws java.nio.file.NoSuchFileException if there is no such file, or no such directory
     * @throws java.nio.file.AtomicMoveNotSupportedException if the directories are on different file systems
     * @throws IOException if the system refuses. If a sync fails after the file has been renamed, its name is the new one, and after a
     *         crash either
     */
    void rename(Path from, Path to) throws IOException;

    /**
     * Takes a file's name away, for good: the directory is synced. Blocks. Files that are open stay open. Of the {@code memory} engine
     * the name goes in memory alone.
     *
     * @param path the file
     * @throws java.nio.file.NoSuchFileException if there is no such file
     * @throws IOException if the system refuses
     */
    void delete(Path path) throws IOException;

    /**
     * Makes the names in a directory durable: of files that were made, renamed or deleted in it. A {@linkplain AioFile#sync sync} of a
     * file is not promised to do that. Blocks. Nothing to do for the {@code memory} engine.
     *
     * @param directory the directory
     * @throws java.nio.file.NoSuchFileException if it does not exist
     * @throws java.nio.file.NotDirectoryException if it is none
     * @throws IOException if the system refuses
     */
    void syncDirectory(Path directory) throws IOException;

    // The same without a wait.

    /**
     * Opens a file as {@link #open}, and does not wait: for a thread that must not, as that of an event loop, since a name on a network
     * file system, or in a directory that nobody has read, takes as long as server or disk do. An operation like others, of those in
     * flight: it is begun by the next {@link #commit}, ends in a {@link #poll}, or wherever the mode has completions called, and there the
     * future is done.
     *
     * <p><b>Who carries it out.</b> {@code io_uring}: the kernel, by entries of the ring ({@code STATX}, {@code OPENAT}), in three steps
     * that follow one another without the caller. What is left when the descriptor is there, and may ask a server, cut a file or try a
     * read, a thread does; so does it all where the kernel has no such entries, or with {@link AioEngineConfig.Builder#completionPolling}.
     * {@code libaio}, {@code null} and engines of other modules: a thread, of at most 16 for all engines of the process. {@code channel}:
     * one of its workers. {@code memory}: the caller, at once. The ring waits for a thread by an eventfd; one that cannot (of {@code
     * libaio} before Linux 4.19, or with {@code completionPolling}) has that thread complete the future.
     *
     * <p><b>Cancellation.</b> Whoever completes the future otherwise, by {@code cancel} or {@code orTimeout}, is not kept waiting. The
     * engine is asked to end the operation early, as by {@link #cancel}; should it still bring a file, that is closed. The same holds if
     * the engine ends it early, with ECANCELED, when it is {@linkplain #closeWithin closed within a time}. Of a polled {@code io_uring}
     * that is given up with an open in the kernel, a descriptor may stay open whose number nobody can learn.
     *
     * <p>A default for engines that are implemented elsewhere carries it out by a thread, which completes the future.
     *
     * @param path the name of the file
     * @param access what the file is opened for
     * @param direct whether I/O goes past the page cache
     * @param options what else is done, or holds while the file is open
     * @return the open file, for the caller to close; or the exception of {@link #open}, {@link AioException} with EAGAIN if there is no
     *         room for another operation, {@link IllegalStateException} if the engine is closed
     * @throws IllegalArgumentException as {@link #open}, also for a path of another provider
     * @throws IllegalStateException if the engine is polled and belongs to another thread
     */
    default CompletableFuture<AioFile> openAsync(Path path, AioFile.Access access, boolean direct,
            AioFile.Option... options) {
        Opening _ = Opening.of(path, access, direct, options);
        return CallFuture.elsewhere(() -> open(path, access, direct, options), AioFile::close);
    }

    /**
     * Closes a file as {@link AioFile#close}, and does not wait: new operations on it are refused from now on; when the last of those in
     * flight has ended, the system's file is closed. That may take its time, as on a network file system, which writes back what it has. As
     * {@link #openAsync}: by an entry of the ring ({@code CLOSE}), unless the file holds a lock or the ring has none, or by a thread. It is
     * closed in any case: also if the future is cancelled, the engine has no room for another operation, or is closed; then a thread does
     * it, and completes the future. Until it is done it is in flight, so {@link #close} of the engine waits for all who use the file,
     * whatever engine they use.
     *
     * @param file a file of the engine's family
     * @return done when the file has been closed; with an exception if the system has told an error with it, as of writing back. Done at
     *         once if it has been closed before
     * @throws IllegalArgumentException if the file is of another family of engines
     * @throws IllegalStateException if the engine is polled and belongs to another thread
     */
    default CompletableFuture<@Nullable Void> closeAsync(AioFile file) {
        return CallFuture.elsewhere(() -> {
            file.close();
            return null;
        }, _ -> {});
    }

    /**
     * Asks the system for the attributes of a file, and does not wait. Follows symbolic links. As {@link #openAsync}: by an entry of the
     * ring ({@code STATX}), or by a thread. Of the {@code memory} engine they are those of the file in memory, if it has been opened;
     * otherwise those of the file that would be. An engine that another module provides has none.
     *
     * @param path the name of the file
     * @return the attributes; or {@link java.nio.file.NoSuchFileException} and the like, as {@link AioException#of} makes them
     * @throws IllegalArgumentException by {@code io_uring} and {@code libaio}, for a path of another provider
     * @throws IllegalStateException if the engine is polled and belongs to another thread
     */
    default CompletableFuture<AioFileAttributes> attributesAsync(Path path) {
        return CallFuture.elsewhere(() -> AioFileAttributes.of(path), _ -> {});
    }

    /**
     * Takes a file's name away as {@link #delete}, and does not wait: the directory is synced. As {@link #openAsync}: by entries of the
     * ring ({@code UNLINKAT}, then {@code OPENAT}, {@code FSYNC} and {@code CLOSE} of the directory), or by a thread. If it is ended early,
     * the name may be gone.
     *
     * @param path the file
     * @return done when the name is gone, for good; or the exception of {@link #delete}
     * @throws IllegalArgumentException by {@code io_uring} and {@code libaio}, for a path of another provider
     * @throws IllegalStateException if the engine is polled and belongs to another thread
     */
    default CompletableFuture<@Nullable Void> deleteAsync(Path path) {
        return CallFuture.elsewhere(() -> {
            delete(path);
            return null;
        }, _ -> {});
    }

    /**
     * Whether a write to a file that is to be durable ({@link Kiocb#thenSync}) is one operation for the kernel, which makes the data of
     * that write durable and need not sync the whole file. Otherwise the engine syncs the file after the write, as its caller could.
     * Either way the write is durable when it ends. A file whose kernel or file system turns out not to know such a write is synced
     * after each from then on, and this is false.
     *
     * @param file a file that was opened by this engine or one of its family
     * @return true for {@code io_uring} and {@code libaio}, of a file that is open for direct I/O and writing
     */
    default boolean writesThrough(AioFile file) {
        return false;
    }

    /**
     * Whether a sync ({@link Kiocb#prepareSync}) is the kernel's to carry out, as a transfer is. Otherwise a thread of this process
     * does it, and waits for it.
     *
     * @return true for {@code io_uring} and {@code libaio}
     */
    default boolean syncsAlone() {
        return false;
    }

    /**
     * Whether freeing and zeroing ranges ({@link Kiocb#preparePunchHole}, {@link Kiocb#prepareZeroRange}) are the storage's to carry out, as a
     * transfer is, and no thread waits for them.
     *
     * @return false unless the engine says so
     */
    default boolean zeroesAlone() {
        return false;
    }

    /**
     * Whether operations are carried out by threads of this process, for which processors are needed. Then a thread that polls does better to
     * {@link #await} for moments than to {@link #poll} over and over.
     *
     * @return false unless the engine says so
     */
    default boolean worksByThreads() {
        return false;
    }

    /**
     * Accepts an operation, or refuses it. Never waits.
     *
     * @param kiocb the operation, prepared
     * @return 0: the completion will be called, perhaps before this returns. Otherwise a negative errno: the
     *         completion will not be called, and the kiocb is free again. EBADF: the file is closed, or not open in the
     *         direction asked for. EINVAL: the kiocb is not prepared, the file is of another family of engines, or the
     *         engine is closed. EBUSY: the kiocb is in flight. EOPNOTSUPP: the operation, or the sync after it, is not
     *         one of {@link #operations}, or a flag none of {@link #flags}, or it has a priority and the engine {@linkplain #hasPriorities none}. EIO: the kernel has refused the engine's ring for good. EFAULT: memory of the
     *         operation has been closed. EAGAIN: {@link AioEngineConfig#inFlightMax} operations are in flight
     * @throws IllegalStateException if the engine is polled and belongs to another thread
     */
    @CheckReturnValue
    int submit(Kiocb kiocb);

    /**
     * Accepts an operation, or throws; otherwise as {@link #submit}. After an exception the kiocb is free and still prepared.
     *
     * @param kiocb the operation, prepared
     * @throws IllegalStateException if the kiocb is in flight or not prepared, its memory has been closed, its file is not open for
     *         writing, the engine is closed, or it is polled and belongs to another thread
     * @throws IllegalArgumentException if the file is of another family of engines
     * @throws UnsupportedOperationException if the operation, or the sync after it, is none of {@link #operations}, a flag is none of
     *         {@link #flags}, or the engine has no priorities
     * @throws AioException with EBADF if the file is closed, with EAGAIN if {@link AioEngineConfig#inFlightMax} operations are in
     *         flight, with EIO if the kernel has refused the engine's ring for good
     * @throws IOException as an {@link AioException}; no other
     */
    default void submitOrThrow(Kiocb kiocb) throws IOException {
        int refused = submit(kiocb);
        if (refused != 0) {
            Refusal.raise(this, kiocb, refused);
        }
    }

    /**
     * Submits one operation, rings the doorbell, and waits until it has ended: the blocking form of whatever a kiocb can describe. In
     * {@link CompletionMode#REAPER} and {@link CompletionMode#AGENT} the thread parks, so a virtual thread gives its carrier back. In
     * {@link CompletionMode#POLLED} it {@linkplain #await awaits}, and calls the completions of others that it finds. An interrupt does
     * not end the wait: the memory is the engine's until the end. The kiocb's own completion is called before this returns, and may not
     * prepare the kiocb again; {@link AioCompletion#NONE} does nothing.
     *
     * @param kiocb the operation, prepared
     * @return the result of the operation, or what {@link #submit} refused it with
     * @throws IllegalStateException inside a completion of this engine, on the thread that runs its agent, or if it is polled and belongs
     *         to another thread: the operation is not begun
     */
    @CheckReturnValue
    long run(Kiocb kiocb);

    /**
     * Asks that an operation in flight end early. Its completion is called in any case, and its memory is the engine's until then: with
     * ECANCELED if it was ended, which of a write says that none, some or all of it may have been written; of a read that has moved bytes, with
     * their count; and with its usual result if it could not be ended. What waits for its turn in the engine ends at once; what waits in the
     * kernel for one of its workers, too. What a device or a server has begun goes on to its end: the kernel gives no memory back that a device
     * still may write to. Of {@code libaio}, {@code channel} and engines of other modules all that has begun goes on.
     *
     * <p>Any thread may call it, the owner alone in {@link CompletionMode#POLLED}. The operation ends in the usual way, so the owner polls, and
     * the agent works, to hear of it. Who cancels an operation whose completion at once submits the kiocb again may meet the next one.
     *
     * @param kiocb an operation of this engine
     * @return whether it was in flight; false also if it has ended meanwhile
     * @throws IllegalStateException if the engine is polled and belongs to another thread
     */
    boolean cancel(Kiocb kiocb);

    /**
     * Hands everything submitted to the kernel, with one system call for all of it (rings the doorbell). Does nothing if there is
     * nothing to hand over. A submit that finds the ring full rings by itself, and so does a submit of a thread that has had to wait
     * for the device ({@link AioEngineConfig.Builder#promptDoorbell}).
     *
     * @throws IllegalStateException if the engine is polled and belongs to another thread
     */
    void commit();

    /**
     * The same, for a thread that has submitted one operation since it rang before: where it has ended, nobody else needs to look for it.
     *
     * @param last the operation, or null for {@link #commit()}
     * @throws IllegalStateException if the engine is polled and belongs to another thread
     */
    default void commit(@Nullable Kiocb last) {
        commit();
    }

    /**
     * Calls the completions that are there. Never blocks, and enters the kernel only if the ring says that there is work
     * waiting for it. Does nothing in a mode other than {@link CompletionMode#POLLED}, and inside a completion.
     *
     * @return how many completions were called
     * @throws IllegalStateException if the engine belongs to another thread
     */
    int poll();

    /**
     * Hands everything submitted to the kernel, waits for at least one completion while any operation is in flight, and
     * calls the completions that are there. Does nothing in a mode other than {@link CompletionMode#POLLED}. An engine that is
     * {@linkplain AioEngineConfig.Builder#wakeable wakeable} belongs to the thread that awaits first, too, and waits for a
     * {@link #wakeup} also with nothing in flight.
     *
     * @param timeoutNanos the longest wait in nanoseconds; {@link Long#MAX_VALUE} for ever
     * @return how many completions were called; 0 after the longest wait, after a {@link #wakeup}, or if nothing is in flight
     *         that could end and nobody could wake
     * @throws IllegalStateException inside a completion, or if the engine belongs to another thread
     */
    int await(long timeoutNanos);

    /**
     * Ends the owner's {@link #await}, now or, if it is not in one, at its next: it calls the completions that are there, and returns.
     * Several calls before that are one. Any thread may call it, also when the engine is closed: then it does nothing. For the event loop
     * of an application, to which other threads leave tasks, and which waits for them and for I/O in one place.
     *
     * @throws IllegalStateException if the engine was opened without {@link AioEngineConfig.Builder#wakeable}
     */
    void wakeup();

    /**
     * A descriptor that can be read while there may be completions to call: for an event loop that waits in {@code epoll} or
     * {@code poll}, in {@link CompletionMode#POLLED} and {@link CompletionMode#AGENT}. It is level-triggered: it can be read until
     * {@link #poll}, or the agent's {@code doWork}, has called what is there. What was submitted has to be {@linkplain #commit committed}
     * before the wait.
     *
     * <p>Wait for no longer than some milliseconds while operations are in flight, and then call {@link #poll} or {@code doWork} all the same: an
     * operation that the device or the kernel had no room for is tried again there, a doorbell that the kernel could not hear is rung again,
     * and a ring that has failed is looked at again, of all of which the descriptor tells nothing. With nothing in flight the wait may be without end.
     *
     * <p>That of {@code io_uring} is the ring. The other engines make an eventfd when they are asked for it first, and raise it for what ends from then
     * on: so ask before you submit. It costs them a system call for each end and each {@link #poll}. What {@code memory} delays
     * ({@link AioEngineConfig.Builder#memoryLatency}) is found when its time has come, by a {@link #poll}. A {@link #wakeup} does not raise it.
     *
     * <p>The descriptor is the engine's: it is for waiting alone, not to be read, written or closed, and has no meaning
     * after {@link #close}.
     *
     * @return the descriptor
     * @throws UnsupportedOperationException with {@link AioEngineConfig.Builder#completionPolling}: there operations end when the device is asked,
     *         by {@link #poll}; where the C library cannot be called; and by engines of other modules that have none
     * @throws java.io.UncheckedIOException if the system has no descriptor left
     * @throws IllegalStateException in {@link CompletionMode#REAPER}, where the reaper calls what is there; or if the engine is closed
     */
    default int descriptor() {
        throw new UnsupportedOperationException("AIO engine " + name() + " has no descriptor that can be waited for");
    }

    /**
     * The duty cycle of an engine in {@link CompletionMode#AGENT}, always the same one. The application runs it: with an
     * {@link org.agrona.concurrent.AgentInvoker} in a cycle that it has already, or with an {@link org.agrona.concurrent.AgentRunner},
     * and the {@link org.agrona.concurrent.IdleStrategy} of its choice.
     *
     * <p>{@link Agent#doWork} never blocks: it calls the completions that are there, submits again operations that have to wait for room,
     * and returns how many completions it has called. It returns 0 inside a completion, while {@link #close} is at work, and when
     * the engine is closed. Failures of the ring are logged, and never thrown.
     *
     * <p>One thread runs the agent, the first that does; another gets an {@link IllegalStateException} that names both.
     * {@link Agent#onClose} lets go of that thread, so that the next may be another. It does not close the engine: operations in flight
     * wait for the next thread that runs the agent, or for {@link #close}.
     *
     * @return the agent
     * @throws IllegalStateException in any other mode
     */
    @SuppressWarnings("exports") // who calls it has Agrona in a module of its own
    default Agent agent() {
        throw new IllegalStateException(
                "AIO engine " + name() + " has no agent in completion mode " + completionMode());
    }

    /**
     * Registers memory that much I/O will use, so that the kernel can pin it once. From then on operations with a single segment in
     * it use the registration. Any thread may call it, also while I/O is in flight, up to 64 times; memory whose arena has been
     * closed gives its place up.
     *
     * @param slab native memory
     * @return whether the memory is registered; false where the engine registers none or the system refuses
     *        (RLIMIT_MEMLOCK): I/O works all the same
     * @throws IllegalArgumentException if it is heap memory
     */
    boolean registerMemory(MemorySegment slab);

    /**
     * Undoes {@link #registerMemory}. Call it before the memory's arena is closed, so that the kernel gives its pages back.
     *
     * @param slab the memory, as it was registered
     * @return whether that memory was registered
     */
    boolean unregisterMemory(MemorySegment slab);

    /**
     * Whether the engine takes operations. Any thread may call it.
     *
     * @return false for good when the engine has been closed, or the kernel has refused its ring for good
     */
    default boolean isOpen() {
        return true;
    }

    /** {@return counts of what the engine has done so far; any thread may call this} */
    AioStatistics statistics();

    /**
     * Refuses further operations, waits until the completions of all operations in flight have been called, then gives back
     * rings, descriptors and threads. Files stay open. Idempotent: each of several calls, at once or not, returns when that is done.
     *
     * <p>Any thread may close a polled engine with nothing in flight; if the owner is still inside a call that tells the last
     * operation, close waits for that call. Any thread may close a polled engine whose owner has ended. The operations that the owner
     * left end with ECANCELED when their results can no longer be learned, whatever they did.
     *
     * <p>In {@link CompletionMode#AGENT} the thread that closes calls the completions of what is in flight, whether or not the agent is
     * still run.
     *
     * @throws IllegalStateException inside a completion; or in {@link CompletionMode#POLLED}, if operations are in
     *         flight and the owner is another, living thread
     */
    @Override
    void close();

    /**
     * The same, and waits no longer than so long; for files on a disk or server that may not answer. What is in flight when the time is over is
     * {@linkplain #cancel cancelled}. What does not end by that, within a tenth of a second, is waited for by a thread of the engine's own, which
     * then gives everything back. Until then memory of those operations is the engine's, and their completions are called by that thread. Of a polled
     * {@code io_uring} that thread cannot ask the kernel for results: what ends then is told ECANCELED, whatever it did.
     *
     * @param timeoutNanos the longest wait in nanoseconds
     * @return whether the engine has ended
     * @throws IllegalStateException as {@link #close}
     */
    boolean closeWithin(long timeoutNanos);
}
