package io.blkmq.aio;

import java.io.IOException;
import java.io.Serial;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.file.FileSystemException;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/**
 * A file opened by an engine, for that engine and others of its family ({@code io_uring} and {@code libaio};
 * {@code channel} and {@code null}; {@code memory}; each that {@linkplain EngineDriver another module} provides). Any thread may call any method.
 *
 * <p>Engines use it asynchronously. It also has blocking forms, for callers with a thread to spend. They return bytes or a
 * negative {@linkplain Errno errno}, and continue a transfer until it is done, the file ends, or an error occurs. An interrupt
 * neither ends them nor closes the file.
 *
 * <p>{@link #close} refuses new operations at once and returns. The last operation in flight closes the system's file, so its
 * descriptor is never used for another file. The state is one word,
 * {@code references}: bit 0 says closed, bit 31 says gone, the bits between count the operations that use it.
 *
 * @since 0.1.0
 */
public abstract sealed class AioFile implements AutoCloseable permits NativeFile, ChannelFile, MemoryFile, DrivenFile {

    /** The kind of use that a file is opened for. */
    public enum Access {
        /** Reading (and syncing). */
        READ_ONLY,
        /**
         * Reading and writing. On Linux a block device is claimed by {@code O_EXCL}: one that is mounted, or that another has
         * claimed, is refused with EBUSY. The claim lasts until the file is closed; {@link AioFile#reopen} takes no other.
         */
        READ_WRITE,
        /** Reading and writing, also of a block device that is mounted or that another has claimed. */
        READ_WRITE_SHARED
    }

    /** What the system's page cache is told of a range of a file: {@code posix_fadvise}. It changes how fast I/O is, never what it does. */
    public enum Advice {
        /** Nothing in particular: read ahead as usual. For the whole of this open, whatever the range. */
        NORMAL(0),
        /** Reads come in no order: do not read ahead. For the whole of this open, whatever the range. */
        RANDOM(1),
        /** Reads come one after the other: read further ahead. For the whole of this open, whatever the range. */
        SEQUENTIAL(2),
        /** The range is going to be read: begin to read it. */
        WILL_NEED(3),
        /** The range is not going to be read: drop its pages, as far as they have been written back. */
        DONT_NEED(4);

        /** The system's. */
        final int number;

        Advice(int number) {
            this.number = number;
        }
    }

    /** What is done when a file is opened, or holds as long as it is open. Each needs access for writing. */
    public enum Option {
        /** A file that does not exist is made, empty, with the permissions of the process's mask. */
        CREATE,
        /** The file is made; if it exists, opening fails with {@link java.nio.file.FileAlreadyExistsException}. */
        CREATE_NEW,
        /** A regular file that exists is cut to no bytes, when all else about opening it has succeeded. A device stays as it is. */
        TRUNCATE_EXISTING,
        /** Each write ends when its data is durable, with the metadata that is needed to find it ({@code O_DSYNC}). */
        DSYNC,
        /** Each write ends when its data and all metadata are durable ({@code O_SYNC}). */
        SYNC
    }

    /** The file cannot do direct I/O, as on a file system without it. It can be opened buffered. */
    public static final class DirectUnsupportedException extends IOException {
        @Serial
        private static final long serialVersionUID = 1L;

        DirectUnsupportedException(Path path) {
            super(path + ": direct I/O is not supported by this file");
        }
    }

    private static final VarHandle REFERENCES;
    private static final VarHandle CLOSER;
    private static final int CLOSED = 1;
    private static final int USER = 2;
    private static final int GONE = Integer.MIN_VALUE | CLOSED;

    static {
        try {
            MethodHandles.Lookup lookup = MethodHandles.lookup();
            REFERENCES = lookup.findVarHandle(AioFile.class, "references", int.class).withInvokeExactBehavior();
            CLOSER = lookup.findVarHandle(AioFile.class, "closer", Closer.class);
        } catch (ReflectiveOperationException e) {
            throw new ExceptionInInitializerError(e);
        }
    }

    /**
     * The units of a file's I/O, each a power of two of bytes.
     *
     * @param memoryAlignment see {@link AioFile#memoryAlignment}
     * @param offsetAlignment see {@link AioFile#offsetAlignment}
     * @param blockBytes see {@link AioFile#blockBytes}
     */
    record Units(int memoryAlignment, int offsetAlignment, int blockBytes) {}

    /** Closes the system's file when nobody uses it any more. */
    interface Closer {
        /** Stands for who closes it at once. */
        Closer NOBODY = () -> {};

        /** The file has no user any more. Called once, by who has used it last, or by who closes it. */
        void idle();
    }

    private final Opening opening;
    private final int memoryAlignment;
    private final int offsetAlignment;
    private final int blockBytes;

    private volatile int references;
    /** Who closes the system's file in {@link #closeNow}'s stead, once nobody uses it; null for that. Through CLOSER, by volatile steps. */
    @SuppressWarnings("unused")
    private volatile @Nullable Closer closer;
    /**
     * The thread that {@linkplain #hold holds} the file. Written by the holder, one at a time. A thread finds itself here only if it has
     * written that, so it needs no order.
     */
    private @Nullable Thread holder;

    AioFile(Opening opening, Units units) {
        this.opening = opening;
        memoryAlignment = units.memoryAlignment();
        offsetAlignment = units.offsetAlignment();
        blockBytes = units.blockBytes();
    }

    /** {@return the path by which it was opened} */
    public final Path path() {
        return opening.path();
    }

    /** {@return whether its I/O goes past the page cache} */
    public final boolean isDirect() {
        return opening.direct();
    }

    /** {@return whether it was opened for writing} */
    public final boolean isWritable() {
        return opening.access() != Access.READ_ONLY;
    }

    /** Whether the file stays the same when its name goes. */
    abstract boolean hasDescriptor();

    /** What is equal for two opens of the same file, as long as either is open. */
    abstract Object identity();

    /**
     * Locks a range of the file against others that have opened it, for this open. Does not wait.
     *
     * @param position its first byte
     * @param bytes how many; what ends at {@link Long#MAX_VALUE} has no end
     * @param shared whether it excludes exclusive locks only
     * @return whether it is locked
     * @throws IOException if the system refuses
     * @throws UnsupportedOperationException if there is no descriptor that could be locked
     */
    abstract boolean tryLockRange(long position, long bytes, boolean shared) throws IOException;

    /** Gives a range up; nothing to do if the file is closed. */
    abstract void unlockRange(long position, long bytes) throws IOException;

    /** How it was opened. */
    final Opening opening() {
        return opening;
    }

    /** How it is opened once more, for the same access. */
    final Opening openingAgain(boolean direct) {
        return opening.again(isWritable() ? Access.READ_WRITE_SHARED : Access.READ_ONLY, direct);
    }

    /** {@return whether {@link #close} has been called} */
    public final boolean isClosed() {
        return (references & CLOSED) != 0;
    }

    /**
     * The size of the open file now.
     *
     * @return bytes; of a block device, its capacity
     * @throws IOException if the file is closed or the system refuses
     */
    public abstract long size() throws IOException;

    /**
     * The alignment that I/O to this file needs of addresses of memory.
     *
     * @return bytes, a power of two; 1 if the file is buffered
     */
    public final int memoryAlignment() {
        return memoryAlignment;
    }

    /**
     * The alignment that I/O to this file needs of offsets and lengths.
     *
     * @return bytes, a power of two; 1 if the file is buffered
     */
    public final int offsetAlignment() {
        return offsetAlignment;
    }

    /** {@return the file system's block in bytes, which holes are made of} */
    public final int blockBytes() {
        return blockBytes;
    }

    /**
     * The size of I/O that the storage does best: what it keeps in one place, as an object or a stripe.
     *
     * @return bytes; 0 if it tells none
     */
    public int optimalBytes() {
        return 0;
    }

    /**
     * Says that the caller is about to wait for all operations of the file that are in flight, and then to close it. Where the storage may be away
     * for a long time they are not waited for without end: those that it has not ended after some seconds end with ETIMEDOUT, and so do all later
     * ones. They may still be carried out. Does nothing where the system brings each operation home.
     */
    public void hasten() {
        // The system ends what it has begun.
    }

    /**
     * Whether the file has an operation, by its file system and the way it was opened. The file tries each form of
     * {@code fallocate} once: on a file without a name in the same directory or, where it can make none, on a block far behind the
     * file's end. Content and size stay as they were.
     *
     * @param operation the operation
     * @return whether the file can do it
     */
    public abstract boolean supports(AioOperation operation);

    /**
     * Reads until the memory is full, or the file ends.
     *
     * @param offset where in the file the read begins, in bytes
     * @param memory native memory to fill
     * @return bytes, less than asked only at the end of the file; or a negative errno
     * @throws IllegalArgumentException if it is heap memory or the offset is negative
     */
    @CheckReturnValue
    public abstract long read(long offset, MemorySegment memory);

    /**
     * The same into a part of the memory, without an object for the part where the file can do that.
     *
     * @param offset where in the file the read begins, in bytes
     * @param memory native memory
     * @param from where in the memory the part begins, in bytes
     * @param bytes of the part
     * @return as of {@link #read(long, MemorySegment)}
     * @throws IllegalArgumentException if it is heap memory or the offset is negative
     * @throws IndexOutOfBoundsException if the part is not in the memory
     */
    @CheckReturnValue
    public long read(long offset, MemorySegment memory, long from, long bytes) {
        return read(offset, memory.asSlice(from, bytes));
    }

    /**
     * Whether a read or write of the file is a copy in memory, which waits for no device: the file is on a tmpfs or the like. To carry
     * it out at once costs less than to hand it over.
     *
     * @return false where that is not known
     */
    public boolean isInMemory() {
        return false;
    }

    /**
     * Writes all of the memory.
     *
     * @param offset where in the file the write begins, in bytes
     * @param memory native memory
     * @return bytes, all of them; or a negative errno
     * @throws IllegalArgumentException if it is heap memory or the offset is negative
     */
    @CheckReturnValue
    public abstract long write(long offset, MemorySegment memory);

    /**
     * The same out of a part of the memory, without an object for the part where the file can do that.
     *
     * @param offset where in the file the write begins, in bytes
     * @param memory native memory
     * @param from where in the memory the part begins, in bytes
     * @param bytes of the part
     * @return as of {@link #write(long, MemorySegment)}
     * @throws IllegalArgumentException if it is heap memory or the offset is negative
     * @throws IndexOutOfBoundsException if the part is not in the memory
     */
    @CheckReturnValue
    public long write(long offset, MemorySegment memory, long from, long bytes) {
        return write(offset, memory.asSlice(from, bytes));
    }

    /**
     * Makes the data that was written durable.
     *
     * @param dataOnly whether by {@code fdatasync}; otherwise by {@code fsync}
     * @return 0, or a negative errno
     */
    @CheckReturnValue
    public abstract int sync(boolean dataOnly);

    /**
     * Sets the size: a longer file is cut, and of a shorter one the new part is a hole, which reads as zeroes. What is written at the
     * same time may be cut or not. Durable after a {@link #sync}.
     *
     * @param bytes the size
     * @return 0, or a negative errno: EINVAL for a block device, EBADF if the file is closed or not open for writing, EFBIG if it
     *         cannot be so long
     * @throws IllegalArgumentException if the size is negative
     */
    @CheckReturnValue
    public abstract int setSize(long bytes);

    static void requireSize(long bytes) {
        if (bytes < 0) {
            throw new IllegalArgumentException("size " + bytes + " must not be negative");
        }
    }

    /**
     * Passes the result of an operation on, or throws: {@code file.check(engine.run(kiocb), "read")}.
     *
     * @param result bytes or 0; or a negative errno
     * @param operation what was tried, for the message
     * @return the result, if it is no error
     * @throws IOException what {@link AioException#of} makes of an error, with the path of this file
     */
    public final long check(long result, String operation) throws IOException {
        if (result < 0) {
            throw AioException.of(result, path(), operation);
        }
        return result;
    }

    /**
     * The writes of this file that a power cut leaves whole or not at all ({@link AioFlag#ATOMIC}). Asks the system; a device's limits stay as
     * they are while it is in use.
     *
     * @return their limits; {@link AtomicWrites#NONE} if it has none
     */
    public AtomicWrites atomicWrites() {
        return AtomicWrites.NONE;
    }

    /**
     * Where the next hole is: reads of a hole are zeroes that come from no disk.
     *
     * @param offset where to look from, in bytes
     * @return where it begins, or the end of the file if there is none; a negative errno: EOPNOTSUPP where the system does not tell
     */
    @CheckReturnValue
    public abstract long nextHole(long offset);

    /**
     * Frees the blocks of a range; the size of the file stays.
     *
     * @param offset where the range begins in the file, in bytes
     * @param bytes the length of the range
     * @return 0, or a negative errno: EOPNOTSUPP where system or file cannot
     */
    @CheckReturnValue
    public abstract int punchHole(long offset, long bytes);

    /**
     * Makes a range read as zeroes, with its blocks allocated; the size of the file stays.
     *
     * @param offset where the range begins in the file, in bytes
     * @param bytes the length of the range
     * @return 0, or a negative errno: EOPNOTSUPP where system or file cannot
     */
    @CheckReturnValue
    public final int zeroRange(long offset, long bytes) {
        return zeroRange(offset, bytes, true);
    }

    /**
     * Makes a range read as zeroes, with its blocks allocated.
     *
     * @param offset where the range begins in the file, in bytes
     * @param bytes the length of the range
     * @param keepSize whether the size of the file stays, if the range ends behind the end of the file
     * @return 0, or a negative errno: EOPNOTSUPP where system or file cannot
     */
    @CheckReturnValue
    public abstract int zeroRange(long offset, long bytes, boolean keepSize);

    /**
     * Allocates the blocks of a range; the data in it stays.
     *
     * @param offset where the range begins in the file, in bytes
     * @param bytes the length of the range
     * @param keepSize whether the size of the file stays, if the range ends behind the end of the file
     * @return 0, or a negative errno: EOPNOTSUPP where system or file cannot
     */
    @CheckReturnValue
    public abstract int allocate(long offset, long bytes, boolean keepSize);

    /**
     * Writes the file's pages back, and drops them from the page cache.
     *
     * @return 0, or a negative errno: EOPNOTSUPP where the system cannot
     */
    public abstract int dropPageCache();

    /**
     * Tells the page cache what is going to happen to a range.
     *
     * @param advice what
     * @param offset where the range begins in the file, in bytes
     * @param bytes the length of the range; 0 for all that follows
     * @return 0, also where there is no cache (the {@code memory} engine); or a negative errno: EBADF if the file is closed, EOPNOTSUPP
     *         where the system cannot be asked, and by {@code channel} and {@code null} for what holds for an open, since the JDK's
     *         open cannot be reached
     * @throws IllegalArgumentException if offset or length is negative
     */
    public abstract int advise(Advice advice, long offset, long bytes);

    static void requireRange(long offset, long bytes) {
        if (offset < 0 || bytes < 0) {
            throw new IllegalArgumentException("offset " + offset + " and length " + bytes + " must not be negative");
        }
    }

    /**
     * Locks the whole file against other opens of it, in this process and in others; a second call changes the kind
     * of the lock. On Linux it is an open file description lock. Elsewhere it is a lock of
     * {@link java.nio.channels.FileChannel}, of which the JDK allows one for each file in a process, also if they are
     * shared. It goes with {@link #close}.
     *
     * @param exclusive whether it excludes every other lock; otherwise it excludes exclusive locks only
     * @return true if this open holds the lock; false if another open holds a lock that excludes this one
     * @throws IOException if the system refuses, for example an exclusive lock of a file that is not open for writing
     */
    public abstract boolean tryLock(boolean exclusive) throws IOException;

    /**
     * Whether two open files are the same file of the file system, whatever their names.
     *
     * @param other the other
     * @return whether they are
     */
    public abstract boolean isSameFile(AioFile other);

    /**
     * Opens the same file once more, for the same access. On Linux the file may have been renamed or deleted meanwhile. A lock stays
     * with the open that took it. The new one has the {@link #path} of this one.
     *
     * @param direct whether I/O of the new open goes past the page cache
     * @return another open of the file, which the caller closes
     * @throws DirectUnsupportedException if the file cannot do direct I/O
     * @throws IOException if this one is closed, the system refuses, or, where a file is found by its path alone, another
     *         file has the path now
     */
    public abstract AioFile reopen(boolean direct) throws IOException;

    final FileSystemException closedFailure() {
        return new FileSystemException(path().toString(), null, "is closed");
    }

    final FileSystemException anotherFailure() {
        return new FileSystemException(path().toString(), null, "is another file now");
    }

    /** Closes the file: new operations get EBADF; those in flight end as if it were open. Idempotent. */
    @Override
    public final void close() {
        int was = (int) REFERENCES.getAndBitwiseOr(this, CLOSED);
        if ((was & CLOSED) == 0 && was == 0) {
            closeOnce();
        }
    }

    /** Closes the file, and has the system's file closed by another; false, and that is not called, if it has been closed before. */
    final boolean closeBy(Closer its) {
        if (!CLOSER.compareAndSet(this, null, its)) {
            return false;
        }
        int was = (int) REFERENCES.getAndBitwiseOr(this, CLOSED);
        if ((was & CLOSED) != 0) {
            // Whoever closes the system's file may have found it.
            return !CLOSER.compareAndSet(this, its, null);
        }
        if (was == 0) {
            closeOnce();
        }
        return true;
    }

    /** Counts a user, so that the file stays; false if it is closed, and the calling thread does not hold it. */
    final boolean acquire() {
        int was = (int) REFERENCES.getAndAdd(this, USER);
        if ((was & CLOSED) == 0 || Thread.currentThread().equals(holder)) {
            return true;
        }
        release();
        return false;
    }

    /** Gives back what {@link #acquire} gave. */
    final void release() {
        int now = (int) REFERENCES.getAndAdd(this, -USER) - USER;
        if (now == CLOSED) {
            closeOnce();
        }
    }

    /**
     * Keeps the file for several operations of the calling thread that belong together: once one has begun, {@link #close} refuses none of the
     * others. {@link #letGo} ends that. One thread at a time, which the caller sees to.
     */
    final void hold() throws FileSystemException {
        if (!acquire()) {
            throw closedFailure();
        }
        holder = Thread.currentThread();
    }

    /** Gives back what {@link #hold} gave. */
    final void letGo() {
        holder = null;
        release();
    }

    /**
     * Several may see the last user go, because a refused acquire counts for a moment: the one that sets GONE closes.
     */
    private void closeOnce() {
        if (REFERENCES.compareAndSet(this, CLOSED, GONE)) {
            Closer by = (Closer) CLOSER.getAndSet(this, Closer.NOBODY);
            if (by == null) {
                int _ = closeNow();
            } else {
                by.idle();
            }
        }
    }

    /** Closes the system's file: 0, or a negative errno, and it is closed all the same. Called once, with no user left. */
    abstract int closeNow();

    static void requireNative(long offset, MemorySegment memory) {
        if (!memory.isNative()) {
            throw new IllegalArgumentException("heap memory cannot be given to the kernel: " + memory);
        }
        if (offset < 0) {
            throw new IllegalArgumentException("offset " + offset + " must not be negative");
        }
    }

    @Override
    public String toString() {
        return getClass().getSimpleName() + "[" + path() + (isWritable() ? " rw" : " ro")
                + (isDirect() ? " direct" : "") + (isClosed() ? " closed" : "") + "]";
    }
}
