package io.blkmq.core;

import io.blkmq.core.mq.BioState;
import io.blkmq.runtime.IoBuffer;
import java.lang.foreign.MemorySegment;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * One I/O as the caller describes it: an operation, a first sector, and memory. Made once, filled, submitted, and after its end
 * filled and submitted again, so that steady I/O allocates nothing. The kernel's counterpart is {@code struct bio}.
 *
 * <p>From {@link Disk#submit} until its completion runs, the bio and its memory belong to the device: it can be neither changed
 * (an {@link IllegalStateException} says so) nor submitted again. Otherwise it is for one thread at a time.
 *
 * <p>Memory that is not blkmq's own ({@link IoBuffer}) or is not aligned as the device needs is copied through a bounce buffer,
 * because an application might close its arena while the kernel writes there. A caller that vouches for its memory says so with
 * {@link #CALLER_MEMORY}.
 *
 * @since 0.1.0
 */
@SuppressWarnings("exports") // the engine keeps its part of the object in the superclass
public final class Bio extends BioState {
    /** Makes all earlier acknowledged writes durable before this one begins (REQ_PREFLUSH). */
    public static final int PREFLUSH = 1;
    /** This write is durable when it is acknowledged (REQ_FUA). */
    public static final int FUA = 1 << 1;
    /**
     * Ends with {@link Status#AGAIN} where it would have to wait for a tag or a frozen queue, and also where it is over a limit and
     * would have to be cut, as in the kernel: after some parts had gone, another might have to wait (REQ_NOWAIT).
     */
    public static final int NOWAIT = 1 << 2;
    /** Is not merged with its neighbours (REQ_NOMERGE). */
    public static final int NOMERGE = 1 << 3;
    /** A write of zeroes that keeps the blocks allocated (REQ_NOUNMAP). */
    public static final int NOUNMAP = 1 << 4;
    /**
     * The caller vouches that its memory stays valid until the bio has ended. Native memory that is aligned as the device needs
     * then goes to the engine without a copy. Closing its arena earlier corrupts memory, and no check is made.
     */
    public static final int CALLER_MEMORY = 1 << 5;
    /**
     * The caller finds the end of this I/O by {@link Disk#poll}: it goes through a hardware context for polled I/O, where the disk has
     * such (REQ_POLLED). Elsewhere it changes nothing.
     */
    public static final int POLLED = 1 << 6;
    /** Somebody waits for this write: an elevator does not hold it back in favour of reads (REQ_SYNC). Reads always are. */
    public static final int SYNC = 1 << 7;

    private static final int FLAGS_ALL = (SYNC << 1) - 1;

    private final BioVec[] vecs;
    private Operation operation = Operation.READ;
    private int flags;
    private long sector;
    private long bytes;
    private int vecCount;
    private IoPriority priority = IoPriority.NONE;
    private WriteLifetime lifetime = WriteLifetime.NOT_SET;
    private @Nullable BioCompletion completion;
    private @Nullable Object attachment;

    /** Makes a bio for one piece of memory. */
    public Bio() {
        this(1);
    }

    /**
     * Makes a bio.
     *
     * @param vecsMax how many pieces of memory it can carry, 0 or more
     * @throws IllegalArgumentException if negative
     */
    public Bio(int vecsMax) {
        if (vecsMax < 0) {
            throw new IllegalArgumentException("vecsMax " + vecsMax + " is negative");
        }
        this.vecs = new BioVec[vecsMax];
        for (int i = 0; i < vecsMax; i++) {
            vecs[i] = new BioVec();
        }
    }

    /**
     * Begins to describe a new I/O: no memory, no flags, no priority, no hint. Completion and attachment stay as they are.
     *
     * @param operation what to do
     * @param sector first sector of 512 bytes; 0 for a flush
     * @return this
     * @throws IllegalStateException if the bio is in flight
     */
    public Bio reset(Operation operation, long sector) {
        requireIdle();
        this.operation = operation;
        this.sector = sector;
        this.flags = 0;
        this.bytes = 0;
        this.vecCount = 0;
        forgetMemory();
        // References are written where they change: a store costs the collector's barrier.
        if (priority != IoPriority.NONE) {
            priority = IoPriority.NONE;
        }
        if (lifetime != WriteLifetime.NOT_SET) {
            lifetime = WriteLifetime.NOT_SET;
        }
        return this;
    }

    /**
     * Moves the I/O to another place and keeps everything else: the cheapest way to use a bio again.
     *
     * @param operation what to do; {@link Operation#READ} or {@link Operation#WRITE} where memory was added
     * @param sector first sector of 512 bytes
     * @return this
     * @throws IllegalStateException if the bio is in flight
     */
    public Bio retarget(Operation operation, long sector) {
        requireIdle();
        this.operation = operation;
        this.sector = sector;
        return this;
    }

    /**
     * Adds memory behind the memory that was added before.
     *
     * @param memory all of it is used
     * @return this
     * @throws IllegalArgumentException if it is empty or above 2 GiB
     * @throws IllegalStateException if the bio is in flight or full
     */
    public Bio add(MemorySegment memory) {
        return add(memory, 0, memory.byteSize());
    }

    /**
     * Adds a part of a segment behind the memory that was added before.
     *
     * @param memory of any kind
     * @param offset where in it the part begins, in bytes
     * @param length the part's length in bytes
     * @return this
     * @throws IllegalArgumentException if the part is empty or above 2 GiB
     * @throws IndexOutOfBoundsException if the part is not within the memory
     * @throws IllegalStateException if the bio is in flight or full
     */
    public Bio add(MemorySegment memory, long offset, long length) {
        requireIdle();
        Objects.checkFromIndexSize(offset, length, memory.byteSize());
        if (length <= 0 || length > Integer.MAX_VALUE) {
            throw new IllegalArgumentException(
                    "memory of " + length + " bytes: 1 to " + Integer.MAX_VALUE + " are possible");
        }
        if (vecCount == vecs.length) {
            throw new IllegalStateException(
                    "the bio has room for " + vecs.length + " pieces of memory, and all are used");
        }
        BioVec piece = vecs[vecCount++];
        piece.set(memory, offset, (int) length);
        noteMemory(piece);
        bytes += length;
        return this;
    }

    /**
     * Sets the length of an operation without memory: discard and write zeroes.
     *
     * @param length bytes
     * @return this
     * @throws IllegalStateException if the bio is in flight or memory was added
     */
    public Bio length(long length) {
        requireIdle();
        if (vecCount != 0) {
            throw new IllegalStateException("the length of a bio with memory is the sum of its memory");
        }
        this.bytes = length;
        return this;
    }

    /**
     * Sets the flags.
     *
     * @param flags any of {@link #PREFLUSH}, {@link #FUA}, {@link #NOWAIT}, {@link #NOMERGE}, {@link #NOUNMAP},
     *        {@link #CALLER_MEMORY}, {@link #POLLED}, {@link #SYNC}
     * @return this
     * @throws IllegalArgumentException if there are others
     * @throws IllegalStateException if the bio is in flight
     */
    public Bio flags(int flags) {
        requireIdle();
        if ((flags & ~FLAGS_ALL) != 0) {
            throw new IllegalArgumentException("unknown flags 0x" + Integer.toHexString(flags & ~FLAGS_ALL));
        }
        this.flags = flags;
        return this;
    }

    /**
     * Sets how urgent it is.
     *
     * @param urgency for an elevator that looks at it
     * @return this
     * @throws IllegalStateException if the bio is in flight
     */
    public Bio priority(IoPriority urgency) {
        requireIdle();
        this.priority = urgency;
        return this;
    }

    /**
     * Says how long what it writes is going to stay.
     *
     * @param expected a hint for the device
     * @return this
     * @throws IllegalStateException if the bio is in flight
     */
    public Bio lifetime(WriteLifetime expected) {
        requireIdle();
        this.lifetime = expected;
        return this;
    }

    /**
     * Sets the completion that is called when the bio has ended.
     *
     * @param completion or null for none
     * @return this
     * @throws IllegalStateException if the bio is in flight
     */
    public Bio onEnd(@Nullable BioCompletion completion) {
        requireIdle();
        this.completion = completion;
        return this;
    }

    /**
     * Attaches an object of the caller's, to find its own state in the completion.
     *
     * @param attachment anything
     * @return this
     */
    public Bio attach(@Nullable Object attachment) {
        this.attachment = attachment;
        return this;
    }

    /**
     * The attachment.
     *
     * @return the caller's object
     */
    public @Nullable Object attachment() {
        return attachment;
    }

    /**
     * The operation.
     *
     * @return the operation
     */
    public Operation operation() {
        return operation;
    }

    /**
     * The flags.
     *
     * @return a set of the constants of this class
     */
    public int flags() {
        return flags;
    }

    /**
     * How urgent it is.
     *
     * @return {@link IoPriority#NONE} if nothing was said
     */
    public IoPriority priority() {
        return priority;
    }

    /**
     * How long what it writes is going to stay.
     *
     * @return {@link WriteLifetime#NOT_SET} if nothing was said
     */
    public WriteLifetime lifetime() {
        return lifetime;
    }

    @Override
    public long sector() {
        return sector;
    }

    /**
     * How long it is.
     *
     * @return bytes
     */
    public long bytes() {
        return bytes;
    }

    /**
     * How many pieces of memory it carries.
     *
     * @return 0 or more
     */
    public int vecCount() {
        return vecCount;
    }

    /**
     * One piece of its memory.
     *
     * @param index from 0 to {@link #vecCount()} - 1
     * @return the piece
     */
    public BioVec vec(int index) {
        Objects.checkIndex(index, vecCount);
        return vecs[index];
    }

    @Override
    protected @Nullable BioCompletion completion() {
        return completion;
    }

    @Override
    public String toString() {
        return operation + " sector " + sector + ", " + bytes + " bytes in " + vecCount + " pieces, flags 0x"
                + Integer.toHexString(flags) + (isInFlight() ? ", in flight" : ", " + status());
    }

    /** Counts what the calling thread has completed, before it tells somebody who may look at the counters. */
    static void countEnded() {
        countOwn();
    }
}
