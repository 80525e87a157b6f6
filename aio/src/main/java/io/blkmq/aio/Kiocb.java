package io.blkmq.aio;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.Arrays;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * One operation: its kind, file, offset, memory and completion. Made once, embedded in the object that its owner keeps
 * for each request, and used again and again; preparing, submitting and completing it allocates nothing. The
 * counterpart of {@code struct kiocb} with its {@code iov_iter}.
 *
 * <pre>
 *                prepareX              submit: 0
 *   UNPREPARED ------------> PREPARED ------------> IN_FLIGHT
 *        ^                   ^      |                   |
 *        |                   +------+ submit: -errno    |
 *        +----------------------------------------------+ just before its completion is called
 * </pre>
 *
 * <p>Outside of IN_FLIGHT it belongs to its owner, who calls it from one thread at a time; in flight it belongs to
 * the engine, and every method that changes it throws {@link IllegalStateException}.
 *
 * @since 0.1.0
 */
public final class Kiocb {

    /** Bytes of one {@code struct iovec}: base and length, 8 bytes each. */
    public static final int SEGMENT_BYTES = 16;

    /** The most segments of one operation. */
    public static final int SEGMENTS_MAX = 65_536;

    private static final int UNPREPARED = 0;
    private static final int PREPARED = 1;
    private static final int IN_FLIGHT = 2;

    private static final MemorySegment NO_SEGMENTS = MemorySegment.NULL;

    private static final VarHandle STATE;
    private static final VarHandle CANCEL_WANTED;

    /** Stands for "some other thread" when memory is asked who may use it. Never started. */
    static final Thread ANOTHER = Thread.ofPlatform().unstarted(() -> {});

    static {
        try {
            MethodHandles.Lookup lookup = MethodHandles.lookup();
            STATE = lookup.findVarHandle(Kiocb.class, "state", int.class).withInvokeExactBehavior();
            CANCEL_WANTED = lookup.findVarHandle(Kiocb.class, "cancelWanted", boolean.class).withInvokeExactBehavior();
        } catch (ReflectiveOperationException e) {
            throw new ExceptionInInitializerError(e);
        }
    }

    private final MemorySegment inlineIovecs;
    private final @Nullable MemorySegment[] inlineMemory;

    /** Where the segments are: {@link #inlineIovecs}, or in what the pool has lent. */
    private MemorySegment iovecs;
    private IovecPool.@Nullable Room lent;
    /** The segments themselves, which keeps them reachable; null past {@link #segments}. */
    private @Nullable MemorySegment[] memory;
    private int segments;
    private long bytes;

    /** Accessed through STATE where another thread may look. */
    @SuppressWarnings("unused")
    private int state;

    private AioOperation operation = AioOperation.READ;
    private @Nullable AioFile file;
    private long offset;
    /** Of a range: whether the file's size stays. */
    private boolean keepSize;
    /** Of a write: the sync that it ends with. */
    private @Nullable AioOperation syncAfter;
    private @Nullable AioCompletion completion;
    private long userData;
    /** The bits of its {@link AioFlag}s. */
    private int flags;
    /** Its {@link AioPriority}, as the kernel has it; 0 if it has none of its own. */
    private short priority;

    /** Whether it is to end early. Accessed through CANCEL_WANTED while it is in flight. */
    @SuppressWarnings("unused")
    private boolean cancelWanted;
    /** The engine's: the kernel has been asked to give it back. Guarded by the placer's lock. */
    boolean cancelAsked;

    /** The engine's: the next in a list of the engine. */
    @Nullable
    Kiocb next;
    /** The engine's: what its file has in the ring, while it is in flight there. */
    @Nullable
    FileLane lane;
    /** The engine's: how it ended, while it waits to be told; and until the {@link #waiter} has read it. */
    long result;
    /** The thread that waits for it ({@link AioEngine#run}). Written by that thread before it submits, and when it has ended. */
    @Nullable
    Thread waiter;
    /** The engine's: tries after the kernel gave it back. */
    int retries;
    /** The engine's: the bytes have been written, and the sync after them is under way. */
    boolean syncing;
    /** The placer's: the part that was placed last is a write that the kernel ends when it is durable. */
    boolean writingThrough;
    /** The engine's: the kernel has refused such a write; this operation does without. */
    boolean refusedThrough;
    /** The placer's: a part was placed whose bytes become durable by a sync alone. */
    private boolean syncDue;
    private long transferred;
    private int firstIovec;

    /** The call that it stands for, which has no file of its own here; null for an operation on a file. */
    final @Nullable FileCall<?> call;

    /** All memory of the process. A class of its own: where native access is denied it cannot be initialised, and kiocbs work all the same. */
    private static final class AllMemory {
        @SuppressWarnings("restricted")
        static final MemorySegment SEGMENT = MemorySegment.NULL.reinterpret(Long.MAX_VALUE);
    }

    /**
     * Makes a kiocb in memory of the owner's.
     *
     * @param iovecs off-heap memory for the segments, {@value #SEGMENT_BYTES} bytes each, aligned to 8, of a scope
     *        that every thread may use: a slice of what the owner has for each request. An operation of more segments
     *        takes a larger array from a pool, and gives it back when it completes
     * @throws IllegalArgumentException if it is heap memory, confined to a thread, misaligned, or has no room for one
     *        segment
     */
    public Kiocb(MemorySegment iovecs) {
        if (!iovecs.isNative() || !iovecs.isAccessibleBy(ANOTHER)) {
            throw new IllegalArgumentException(
                    "room for segments must be native memory that every thread may use: " + iovecs);
        }
        if (iovecs.byteSize() < SEGMENT_BYTES || (iovecs.address() & 7) != 0) {
            throw new IllegalArgumentException(
                    "room for segments must be at least " + SEGMENT_BYTES + " bytes, aligned to 8: " + iovecs);
        }
        inlineIovecs = iovecs;
        inlineMemory = new MemorySegment[(int) Math.min(iovecs.byteSize() / SEGMENT_BYTES, 1024)];
        this.iovecs = iovecs;
        memory = inlineMemory;
        call = null;
    }

    /** Stands for a call, and is prepared for that, once. */
    Kiocb(FileCall<?> call) {
        this.call = call;
        inlineIovecs = NO_SEGMENTS;
        inlineMemory = new MemorySegment[0];
        iovecs = inlineIovecs;
        memory = inlineMemory;
        // It is none of them; but as this, it moves nothing, and has no sync.
        operation = AioOperation.ALLOCATE;
        completion = call;
        state = PREPARED;
    }

    /**
     * Makes a kiocb with off-heap room of its own, which lives as long as the kiocb is reachable.
     *
     * @param inlineSegments segments for which there is room without the pool, 1 to 1024
     * @return a new kiocb, not prepared
     * @throws IllegalArgumentException for any other number
     */
    public static Kiocb withSegments(int inlineSegments) {
        if (inlineSegments < 1 || inlineSegments > 1024) {
            throw new IllegalArgumentException("inline segments " + inlineSegments + " is not in 1 to 1024");
        }
        return new Kiocb(Arena.ofAuto().allocate((long) inlineSegments * SEGMENT_BYTES, 8));
    }

    /**
     * Prepares a read, so far without memory: {@link #addSegment(MemorySegment)}.
     *
     * @param source the file
     * @param offset where the read begins in the file, in bytes
     * @param completion is told when the operation has ended
     * @param userData is passed to the completion
     * @return this
     * @throws IllegalStateException if the kiocb is in flight
     * @throws IllegalArgumentException if the offset is negative
     */
    public Kiocb prepareRead(AioFile source, long offset, AioCompletion completion, long userData) {
        return prepare(AioOperation.READ, source, offset, 0, completion, userData);
    }

    /**
     * Prepares a write, so far without memory: {@link #addSegment(MemorySegment)}.
     *
     * @param target the file
     * @param offset where the write begins in the file, in bytes
     * @param completion is told when the operation has ended
     * @param userData is passed to the completion
     * @return this
     * @throws IllegalStateException if the kiocb is in flight
     * @throws IllegalArgumentException if the offset is negative
     */
    public Kiocb prepareWrite(AioFile target, long offset, AioCompletion completion, long userData) {
        return prepare(AioOperation.WRITE, target, offset, 0, completion, userData);
    }

    /**
     * Makes a prepared write end only when it is durable. What else was written to the file need not be: that takes a
     * {@linkplain #prepareSync sync}. Where {@link AioEngine#writesThrough} holds, the kernel writes and syncs as one operation
     * ({@code RWF_DSYNC}); elsewhere a sync of the file follows the write, which {@code io_uring} links to it. The result is the
     * write's, or the sync's error.
     *
     * @param dataOnly whether data alone is to be durable, with the metadata that is needed to find it, as after {@code fdatasync};
     *        otherwise all metadata is, as after {@code fsync}
     * @return this
     * @throws IllegalStateException if the kiocb is in flight or not prepared for a write
     */
    public Kiocb thenSync(boolean dataOnly) {
        requireOwned();
        if (state != PREPARED || operation != AioOperation.WRITE) {
            throw new IllegalStateException("only a prepared write can be synced after");
        }
        syncAfter = dataOnly ? AioOperation.FDATASYNC : AioOperation.FSYNC;
        return this;
    }

    /**
     * Says how a prepared transfer is to be carried out. May be called for several flags.
     *
     * @param flag the flag
     * @return this
     * @throws IllegalStateException if the kiocb is in flight, not prepared for a transfer, or prepared for a read where the flag is one of
     *         writes
     */
    public Kiocb with(AioFlag flag) {
        requirePreparedTransfer(flag.name());
        if (flag == AioFlag.ATOMIC && operation != AioOperation.WRITE) {
            throw new IllegalStateException("only a prepared write can be ATOMIC");
        }
        flags |= flag.bit;
        return this;
    }

    /**
     * Gives a prepared transfer a priority of its own.
     *
     * @param its the priority
     * @return this
     * @throws IllegalStateException if the kiocb is in flight or not prepared for a transfer
     */
    public Kiocb priority(AioPriority its) {
        requirePreparedTransfer("a priority");
        priority = its.value();
        return this;
    }

    private void requirePreparedTransfer(String wanted) {
        requireOwned();
        if (state != PREPARED || !operation.isTransfer()) {
            throw new IllegalStateException("only a prepared read or write can have " + wanted);
        }
    }

    /**
     * Prepares a sync. The result is 0.
     *
     * @param target the file
     * @param dataOnly whether the sync is an {@code fdatasync}; otherwise it is an {@code fsync}
     * @param completion is told when the operation has ended
     * @param userData is passed to the completion
     * @return this
     * @throws IllegalStateException if the kiocb is in flight
     */
    public Kiocb prepareSync(AioFile target, boolean dataOnly, AioCompletion completion, long userData) {
        return prepare(dataOnly ? AioOperation.FDATASYNC : AioOperation.FSYNC, target, 0, 0, completion, userData);
    }

    /**
     * Prepares to free the blocks of a range; the size of the file stays. The result is 0.
     *
     * @param target the file
     * @param offset where the range begins in the file, in bytes
     * @param bytes the length of the range
     * @param completion is told when the operation has ended
     * @param userData is passed to the completion
     * @return this
     * @throws IllegalStateException if the kiocb is in flight
     * @throws IllegalArgumentException if offset or length is negative
     */
    public Kiocb preparePunchHole(AioFile target, long offset, long bytes, AioCompletion completion, long userData) {
        return prepare(AioOperation.PUNCH_HOLE, target, offset, bytes, completion, userData);
    }

    /**
     * Prepares to make a range read as zeroes; its blocks stay allocated, and the size of the file stays. The result is 0.
     *
     * @param target the file
     * @param offset where the range begins in the file, in bytes
     * @param bytes the length of the range
     * @param completion is told when the operation has ended
     * @param userData is passed to the completion
     * @return this
     * @throws IllegalStateException if the kiocb is in flight
     * @throws IllegalArgumentException if offset or length is negative
     */
    public Kiocb prepareZeroRange(AioFile target, long offset, long bytes, AioCompletion completion, long userData) {
        return prepareZeroRange(target, offset, bytes, true, completion, userData);
    }

    /**
     * Prepares to make a range read as zeroes; its blocks stay allocated. The result is 0.
     *
     * @param target the file
     * @param offset where the range begins in the file, in bytes
     * @param bytes the length of the range
     * @param keepSize whether the size of the file stays; otherwise the file ends at the end of the range, if it ended before that
     * @param completion is told when the operation has ended
     * @param userData is passed to the completion
     * @return this
     * @throws IllegalStateException if the kiocb is in flight
     * @throws IllegalArgumentException if offset or length is negative
     */
    public Kiocb prepareZeroRange(AioFile target, long offset, long bytes, boolean keepSize, AioCompletion completion,
            long userData) {
        prepare(AioOperation.ZERO_RANGE, target, offset, bytes, completion, userData);
        this.keepSize = keepSize;
        return this;
    }

    /**
     * Prepares to allocate the blocks of a range; the data in it stays. The result is 0.
     *
     * @param target the file
     * @param offset where the range begins in the file, in bytes
     * @param bytes the length of the range
     * @param keepSize whether the size of the file stays; otherwise the file ends at the end of the range, if it ended before that
     * @param completion is told when the operation has ended
     * @param userData is passed to the completion
     * @return this
     * @throws IllegalStateException if the kiocb is in flight
     * @throws IllegalArgumentException if offset or length is negative
     */
    public Kiocb prepareAllocate(AioFile target, long offset, long bytes, boolean keepSize, AioCompletion completion,
            long userData) {
        prepare(AioOperation.ALLOCATE, target, offset, bytes, completion, userData);
        this.keepSize = keepSize;
        return this;
    }

    private Kiocb prepare(AioOperation what, AioFile where, long at, long length, AioCompletion told, long data) {
        requireOwned();
        if (at < 0 || length < 0) {
            throw new IllegalArgumentException("offset " + at + " and length " + length + " must not be negative");
        }
        clearSegments();
        operation = what;
        file = Objects.requireNonNull(where, "file");
        offset = at;
        bytes = length;
        keepSize = true;
        flags = 0;
        priority = 0;
        cancelWanted = false;
        cancelAsked = false;
        syncAfter = null;
        syncing = false;
        writingThrough = false;
        refusedThrough = false;
        syncDue = false;
        completion = Objects.requireNonNull(told, "completion");
        userData = data;
        transferred = 0;
        firstIovec = 0;
        retries = 0;
        // Plain: until submit, whose compare-and-set publishes everything above, only the owner looks.
        state = PREPARED;
        return this;
    }

    /**
     * Adds memory to a prepared read or write, behind the memory that it has already. The memory is kept reachable until the
     * completion.
     *
     * @param nativeMemory the memory, all of it
     * @return this
     * @throws IllegalArgumentException if it is heap memory, closed, at address 0, read-only for a read, confined to
     *         another thread, or one segment more than {@value #SEGMENTS_MAX}
     * @throws IllegalStateException if the kiocb is in flight or not prepared for a transfer
     */
    public Kiocb addSegment(MemorySegment nativeMemory) {
        return addSegment(nativeMemory, 0, nativeMemory.byteSize());
    }

    /**
     * Adds a part of a segment, without making a slice.
     *
     * @param nativeMemory the memory
     * @param partOffset where in the memory the part begins, in bytes
     * @param partBytes the length of the part
     * @return this
     * @throws IndexOutOfBoundsException if the part is not within the memory
     * @throws IllegalArgumentException as {@link #addSegment(MemorySegment)}
     * @throws IllegalStateException as {@link #addSegment(MemorySegment)}
     */
    public Kiocb addSegment(MemorySegment nativeMemory, long partOffset, long partBytes) {
        Objects.checkFromIndexSize(partOffset, partBytes, nativeMemory.byteSize());
        requireOwned();
        if (state != PREPARED || !operation.isTransfer()) {
            throw new IllegalStateException("memory can be added only to a prepared read or write");
        }
        requireUsable(nativeMemory);
        if (segments == SEGMENTS_MAX) {
            throw new IllegalArgumentException("an operation has at most " + SEGMENTS_MAX + " segments");
        }
        if (segments == memory.length) {
            grow();
        }
        long at = (long) segments * SEGMENT_BYTES;
        iovecs.set(ValueLayout.JAVA_LONG, at, nativeMemory.address() + partOffset);
        iovecs.set(ValueLayout.JAVA_LONG, at + 8, partBytes);
        memory[segments++] = nativeMemory;
        bytes = Math.addExact(bytes, partBytes);
        return this;
    }

    private void requireUsable(MemorySegment nativeMemory) {
        if (!nativeMemory.isNative()) {
            throw new IllegalArgumentException("heap memory cannot be given to the kernel: " + nativeMemory);
        }
        if (nativeMemory.address() == 0 && nativeMemory.byteSize() > 0) {
            throw new IllegalArgumentException("memory at address 0: " + nativeMemory);
        }
        if (!nativeMemory.scope().isAlive()) {
            throw new IllegalArgumentException("memory of a closed arena: " + nativeMemory);
        }
        if (!nativeMemory.isAccessibleBy(Thread.currentThread())) {
            throw new IllegalArgumentException("memory confined to another thread: " + nativeMemory);
        }
        if (operation == AioOperation.READ && nativeMemory.isReadOnly()) {
            throw new IllegalArgumentException("read into read-only memory: " + nativeMemory);
        }
    }

    private void grow() {
        IovecPool.Room larger = IovecPool.borrow(segments + 1);
        MemorySegment.copy(iovecs, 0, larger.iovecs, 0, (long) segments * SEGMENT_BYTES);
        System.arraycopy(memory, 0, larger.memory, 0, segments);
        if (lent != null) {
            IovecPool.giveBack(lent, segments);
        } else {
            Arrays.fill(inlineMemory, 0, segments, null);
        }
        lent = larger;
        iovecs = larger.iovecs;
        memory = larger.memory;
    }

    private void clearSegments() {
        if (lent != null) {
            IovecPool.giveBack(lent, segments);
            lent = null;
            iovecs = inlineIovecs;
            memory = inlineMemory;
        } else {
            for (int i = 0; i < segments; i++) {
                inlineMemory[i] = null;
            }
        }
        segments = 0;
    }

    private void requireOwned() {
        // Acquire: pairs with the release in free(), for an owner that learns by asking that its operation has ended.
        if ((int) STATE.getAcquire(this) == IN_FLIGHT) {
            throw new IllegalStateException("the kiocb is in flight: " + this);
        }
    }

    /** {@return the kind of operation that it is, or was last, prepared for} */
    public AioOperation operation() {
        return operation;
    }

    /** {@return where the operation starts in the file, in bytes} */
    public long offset() {
        return offset;
    }

    /** {@return bytes to move, or the length of the range; 0 for a sync} */
    public long bytes() {
        return bytes;
    }

    /** {@return how many segments of memory it has} */
    public int segments() {
        return segments;
    }

    /** {@return the user data that its completion is told} */
    public long userData() {
        return userData;
    }

    /**
     * The file of an operation in flight; for an {@link EngineDriver}.
     *
     * @return the file
     * @throws NullPointerException if it is not prepared
     */
    public AioFile file() {
        return Objects.requireNonNull(file);
    }

    /**
     * The sync that a write ends with; for an {@link EngineDriver}.
     *
     * @return FSYNC or FDATASYNC; null for an operation without
     */
    public @Nullable AioOperation syncAfter() {
        return syncAfter;
    }

    /**
     * Whether the file's size stays, of an operation on a range; for an {@link EngineDriver}.
     *
     * @return true unless the file is to end at the end of the range, if it ended before that
     */
    public boolean keepsSize() {
        return keepSize;
    }

    /**
     * The segments of an operation in flight; for an {@link EngineDriver}.
     *
     * @return an array of {@code struct iovec} that begins with {@link #segments} of them: an address and a length of 8 bytes each
     */
    public MemorySegment iovecs() {
        return iovecs;
    }

    /**
     * Copies what was read into the segments, from the first on; for an {@link EngineDriver}.
     *
     * @param from native memory that holds the bytes
     * @param count how many, at most {@link #bytes}
     * @return that number, or EFAULT, negated, if an arena has been closed meanwhile
     */
    public long scatter(MemorySegment from, long count) {
        long done = 0;
        for (int i = 0; i < segments && done < count; i++) {
            if (!memory(i).scope().isAlive()) {
                return -Errno.EFAULT;
            }
            long length = Math.min(partBytes(i), count - done);
            // By address: the memory may be confined to the thread that submitted.
            MemorySegment.copy(from, done, AllMemory.SEGMENT,
                    iovecs.get(ValueLayout.JAVA_LONG, (long) i * SEGMENT_BYTES), length);
            done += length;
        }
        return count;
    }

    /** The file of an operation in flight; null for a call. */
    @Nullable
    AioFile fileOrNone() {
        return file;
    }

    /** {@return whether an engine has it; any thread may ask} */
    public boolean isInFlight() {
        // Acquire: pairs with the release in free().
        return (int) STATE.getAcquire(this) == IN_FLIGHT;
    }

    /** Whether it is prepared; its owner asks. */
    boolean isPrepared() {
        return state == PREPARED;
    }

    /** Asks for an early end. Any thread. */
    void wantCancel() {
        // Volatile: see wasCancelWanted. For the completer the engine's own mark, which is set after this, would do.
        CANCEL_WANTED.setVolatile(this, true);
    }

    /** Whether it was to end early before the engine had it. Who has just submitted it, when it may be another operation already. */
    boolean wasCancelWanted() {
        // Volatile, as the mark and as the step that gave it to the engine: this look comes after that step, or the completer's finds it.
        return (boolean) CANCEL_WANTED.getVolatile(this);
    }

    /** Whether it is to end early. The engine. */
    boolean isCancelWanted() {
        // Opaque: pairs with the store above by way of the engine's mark.
        return (boolean) CANCEL_WANTED.getOpaque(this);
    }

    /** What it is to do, for a message. */
    String operationInWords() {
        StringBuilder words = new StringBuilder(operation.name());
        for (AioFlag flag : AioFlag.values()) {
            if ((flags & flag.bit) != 0) {
                words.append(' ').append(flag);
            }
        }
        if (priority != 0) {
            words.append(" with a priority");
        }
        if (syncAfter != null) {
            words.append(" with ").append(syncAfter).append(" after it");
        }
        return words.toString();
    }

    @Override
    public String toString() {
        // Read once: an engine that ends the operation takes it away meanwhile.
        AioFile its = file;
        return call != null
                ? "Kiocb[" + call + "]"
                : "Kiocb[" + operation + " offset=" + offset + " bytes=" + bytes + " segments=" + segments
                        + (its == null ? "" : " file=" + its.path()) + "]";
    }

    // What follows is for engines.

    /**
     * Takes it for an engine: it is in flight afterwards, and its file cannot go away until {@link #free} or
     * {@link #unclaim}.
     *
     * @return 0, or the negative errno that submit is to return
     */
    int claim(Class<? extends AioFile> family) {
        // Acquires what the preparing thread wrote, should it be another; also decides between two submitters.
        int was = (int) STATE.compareAndExchange(this, PREPARED, IN_FLIGHT);
        if (was != PREPARED) {
            return was == IN_FLIGHT ? -Errno.EBUSY : -Errno.EINVAL;
        }
        int refused = claimFile(family);
        if (refused != 0) {
            STATE.setRelease(this, PREPARED);
        }
        return refused;
    }

    private int claimFile(Class<? extends AioFile> family) {
        AioFile claimed = file();
        if (claimed.getClass() != family) {
            return -Errno.EINVAL;
        }
        if (operation.needsWriteAccess() && !claimed.isWritable()) {
            return -Errno.EBADF;
        }
        for (int i = 0; i < segments; i++) {
            // The last look before the kernel has the address: from here on the arena must stay open.
            if (!Objects.requireNonNull(memory[i]).scope().isAlive()) {
                return -Errno.EFAULT;
            }
        }
        return claimed.acquire() ? 0 : -Errno.EBADF;
    }

    /** {@link #claim} of a call. */
    void claimCall() {
        assert call != null && state == PREPARED : this;
        STATE.setRelease(this, IN_FLIGHT);
    }

    /** Undoes {@link #claim} of an operation that nothing has been done for. */
    void unclaim() {
        lane = null;
        // It has not begun, so it was not to be ended.
        CANCEL_WANTED.setOpaque(this, false);
        AioFile claimed = file;
        if (claimed != null) {
            claimed.release();
        }
        // Release: pairs with the acquire in requireOwned and claim.
        STATE.setRelease(this, PREPARED);
    }

    /** Gives it back to its owner. Who is to be told must have been asked before. */
    void free() {
        AioFile ended = file;
        clearSegments();
        file = null;
        lane = null;
        completion = null;
        if (ended != null) {
            ended.release();
        }
        // Release: pairs with the acquire of whoever prepares or claims it next.
        STATE.setRelease(this, UNPREPARED);
    }

    /** The bits of its flags, which are the kernel's. */
    int flags() {
        return flags;
    }

    boolean has(AioFlag flag) {
        return (flags & flag.bit) != 0;
    }

    /** Its priority, as the kernel has it; 0 for the thread's. */
    short priorityValue() {
        return priority;
    }

    /** The place of registered memory that the next so many segments all lie in, or -1. */
    int findRegistered(MemoryTable table, int count) {
        int place = -1;
        for (int i = firstIovec; i < firstIovec + count; i++) {
            long at = (long) i * SEGMENT_BYTES;
            int found = table.find(memory(i), iovecs.get(ValueLayout.JAVA_LONG, at),
                    iovecs.get(ValueLayout.JAVA_LONG, at + 8));
            if (found < 0 || (place >= 0 && found != place)) {
                return -1;
            }
            place = found;
        }
        return place;
    }

    /** Whether one entry of a ring moves all that remains of a transfer. */
    boolean isOneEntry() {
        return remainingSegments() <= NativeFile.SEGMENTS_MAX && bytes - transferred <= NativeFile.TRANSFER_MAX;
    }

    /**
     * The flags of a write that is about to be placed, {@code RWF_...}: those that make it durable, if that is wanted and the file
     * takes them; otherwise 0, and a sync is due after it. The placer.
     */
    int flagsToWriteThrough(NativeFile target) {
        AioOperation sync = syncAfter;
        writingThrough = sync != null && bytes > 0 && !refusedThrough && target.writesThrough();
        if (writingThrough) {
            return sync == AioOperation.FDATASYNC ? NativeFile.RWF_DSYNC : NativeFile.RWF_SYNC;
        }
        syncDue = sync != null;
        return 0;
    }

    /** Of a write whose bytes have all been written: whether a sync has to make some of them durable. */
    boolean needsSync() {
        return syncDue;
    }

    /** The mode of {@code fallocate} for an operation on a range. */
    int allocationMode() {
        int size = keepSize ? FileCalls.FALLOC_KEEP_SIZE : 0;
        return switch (operation) {
            case PUNCH_HOLE -> FileCalls.FALLOC_PUNCH_HOLE | FileCalls.FALLOC_KEEP_SIZE;
            case ZERO_RANGE -> FileCalls.FALLOC_ZERO_RANGE | size;
            case ALLOCATE -> size;
            default -> throw new AssertionError(operation);
        };
    }

    AioCompletion completion() {
        return Objects.requireNonNull(completion);
    }

    /** The memory that a segment is a part of: from {@link #partOffset}, {@link #partBytes} long. */
    MemorySegment memory(int segment) {
        return Objects.requireNonNull(memory[segment]);
    }

    /** Where in its memory a segment begins, in bytes. The operation has not advanced. */
    long partOffset(int segment) {
        return iovecs.get(ValueLayout.JAVA_LONG, (long) segment * SEGMENT_BYTES) - memory(segment).address();
    }

    /** Length of a segment. The operation has not advanced. */
    long partBytes(int segment) {
        return iovecs.get(ValueLayout.JAVA_LONG, (long) segment * SEGMENT_BYTES + 8);
    }

    /** Notes that the next so many bytes have been moved; what remains starts behind them. */
    void advance(long moved) {
        assert moved > 0 && transferred + moved < bytes : "moved " + moved + " of " + this;
        transferred += moved;
        long left = moved;
        while (true) {
            long at = (long) firstIovec * SEGMENT_BYTES;
            long length = iovecs.get(ValueLayout.JAVA_LONG, at + 8);
            if (left < length) {
                iovecs.set(ValueLayout.JAVA_LONG, at, iovecs.get(ValueLayout.JAVA_LONG, at) + left);
                iovecs.set(ValueLayout.JAVA_LONG, at + 8, length - left);
                return;
            }
            left -= length;
            firstIovec++;
        }
    }

    /** Bytes moved so far. */
    long transferred() {
        return transferred;
    }

    /** Where in the file what remains starts. */
    long remainingOffset() {
        return offset + transferred;
    }

    /** How many segments what remains has. */
    int remainingSegments() {
        return segments - firstIovec;
    }

    /** Address of the first {@code struct iovec} of what remains. */
    long remainingIovecs() {
        return iovecs.address() + (long) firstIovec * SEGMENT_BYTES;
    }

    /** The segment that what remains starts in. */
    MemorySegment firstMemory() {
        return Objects.requireNonNull(memory[firstIovec]);
    }

    /** Address where what remains starts. */
    long firstAddress() {
        return iovecs.get(ValueLayout.JAVA_LONG, (long) firstIovec * SEGMENT_BYTES);
    }

    /** Bytes of what remains in its first segment. */
    long firstBytes() {
        return iovecs.get(ValueLayout.JAVA_LONG, (long) firstIovec * SEGMENT_BYTES + 8);
    }
}
