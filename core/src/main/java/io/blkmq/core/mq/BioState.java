package io.blkmq.core.mq;

import io.blkmq.core.Bio;
import io.blkmq.core.BioCompletion;
import io.blkmq.core.BioObserver;
import io.blkmq.core.BioVec;
import io.blkmq.core.Operation;
import io.blkmq.core.QueueLimits;
import io.blkmq.core.Status;
import io.blkmq.core.driver.SegmentVisitor;
import io.blkmq.core.jfr.SubmitWaitEvent;
import io.blkmq.runtime.IoBuffer;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * The block layer's part of a {@link Bio}: whether it is in flight, how it ended, and the links that chain it to a request or to
 * a list of waiting bios.
 *
 * <p>Ownership: while the bio is idle all fields are the caller's; from {@link #claim} to {@link #finish} they are the block
 * layer's, and go from thread to thread with the request or the list that the bio stands in.
 */
public abstract sealed class BioState extends TagWaiter permits Bio {
    private static final VarHandle IN_FLIGHT;
    private static final int CONFINED = 1;
    private static final int READ_ONLY = 1 << 1;
    private static final int FOREIGN = 1 << 2;

    static {
        try {
            IN_FLIGHT = MethodHandles.lookup().findVarHandle(BioState.class, "inFlight", boolean.class);
        } catch (ReflectiveOperationException e) {
            throw new ExceptionInInitializerError(e);
        }
    }

    /** Released by {@link #finish} after the status, acquired by {@link #isInFlight}: who sees false sees the status. */
    private boolean inFlight;
    private Status status = Status.OK;

    /** The next bio of the same request, or of the same list of waiting bios. */
    @Nullable
    Bio next;
    /** The way that a waiting bio came in. */
    @Nullable
    EntryContext context;
    /** The part of the device that the bio was submitted to; null for all of it. */
    @Nullable
    SectorRange range;
    /** What is added to the sector that the caller gave, to find it on the device. */
    private long baseSector;
    /** The tag that it was given while it stood in line; null without one. Of whoever brings it on its way. */
    @Nullable
    TagRequest granted;
    /** Whether it is the turn of a bio that has waited for a bounce buffer. */
    boolean isTrying;
    /** What the flight recorder will be told of its wait without a thread. */
    @Nullable
    SubmitWaitEvent waiting;
    /** What the bio is a part of, or, while it waits between two of its parts, what has cut it. */
    @Nullable
    BioSplit split;
    /** Of a part: it has found no way, and its whole waits in its place. The cutting thread's. */
    boolean takenBack;
    /** What the device reads or writes instead of the caller's memory. */
    private @Nullable IoBuffer bounce;
    /** Where in the buffer the data begins. */
    private long bounceOffset;
    /** The limits that the buffer was laid out for; null without one. */
    private @Nullable QueueLimits bounceLimits;
    /** Where the buffer counts. */
    private @Nullable BounceRoom bounceRoom;
    /** Who is told of the end before the caller is; null for nobody. */
    private BioObserver.@Nullable End observed;

    /** What all pieces of memory together are like, noted when they are added, so that nobody has to look at each on the way down. */
    private int memoryKinds;
    private int longestPieceBytes;
    /** Addresses and lengths, or-ed: what divides this divides them all. */
    private long memoryAlignment;

    /** For {@link Bio} alone. */
    protected BioState() {}

    /** The bio has no memory. */
    protected final void forgetMemory() {
        memoryKinds = 0;
        longestPieceBytes = 0;
        memoryAlignment = 0;
    }

    /**
     * The bio has one more piece of memory.
     *
     * @param piece the piece
     */
    protected final void noteMemory(BioVec piece) {
        memoryKinds |= (piece.isConfined() ? CONFINED : 0) | (piece.isReadOnly() ? READ_ONLY : 0)
                | (piece.isPooled() ? 0 : FOREIGN);
        longestPieceBytes = Math.max(longestPieceBytes, piece.bytes());
        memoryAlignment |= (piece.memory().address() + piece.offset()) | piece.bytes();
    }

    /** Whether a completion on another thread might not be able to use some of the memory. */
    final boolean hasOddMemory() {
        return (memoryKinds & (CONFINED | READ_ONLY)) != 0;
    }

    /** Whether some of the memory is not blkmq's own. */
    final boolean hasForeignMemory() {
        return (memoryKinds & FOREIGN) != 0;
    }

    final int longestPieceBytes() {
        return longestPieceBytes;
    }

    /** Whether all addresses and lengths are multiples of a power of two. */
    final boolean isAligned(int bytes) {
        return (memoryAlignment & (bytes - 1L)) == 0;
    }

    /**
     * Whom to tell of the end.
     *
     * @return the caller's completion, null if there is none
     */
    protected abstract @Nullable BioCompletion completion();

    /**
     * Whether the bio belongs to the device. Turns false just before the completion runs.
     *
     * @return true from submission to the end
     */
    public final boolean isInFlight() {
        return (boolean) IN_FLIGHT.getAcquire(this);
    }

    /**
     * How the bio ended.
     *
     * @return {@link Status#OK} before the first submission; undefined while in flight
     */
    public final Status status() {
        return status;
    }

    /**
     * Refuses a change of what belongs to the device.
     *
     * @throws IllegalStateException if the bio is in flight
     */
    protected final void requireIdle() {
        if (isInFlight()) {
            throw new IllegalStateException("the bio is in flight: it belongs to the device until its completion runs");
        }
    }

    /** Takes the bio from the caller. The caller's thread. */
    final void claim(@Nullable SectorRange through, long startSector) {
        requireIdle();
        // Plain: whatever hands the bio to another thread publishes it.
        inFlight = true;
        if (status != Status.OK) {
            status = Status.OK;
        }
        baseSector = startSector;
        // Not equals: a reference is written where it changes, since a store costs the collector's barrier.
        if (range != through) {
            range = through;
        }
    }

    /**
     * Takes the bio from the caller, for the whole device, if there is nothing special about it. The caller's thread.
     *
     * @return false if there is: nothing has changed
     */
    final boolean claimIfPlain() {
        if (inFlight || hasOddMemory() || split != null || bounce != null) {
            return false;
        }
        claim(null, 0);
        return true;
    }

    /** Makes the bio a part of another, cut out of it. */
    final void claimFor(BioSplit cutter) {
        BioState whole = cutter.whole();
        split = cutter;
        claim(whole.range, whole.baseSector);
    }

    /**
     * Where it begins, as the caller sees it.
     *
     * @return sector of 512 bytes
     */
    public abstract long sector();

    /**
     * Where a submitted bio begins on the device: its {@link #sector()}, counted from the beginning of the device and not of the
     * partition that it was submitted to. For elevators, which compare it with a request's.
     *
     * @return sector of 512 bytes; undefined before the first submission
     */
    public final long deviceSector() {
        return baseSector + sector();
    }

    /** Where a sector of the bio's lies on the device. */
    final long onDevice(long sector) {
        return baseSector + sector;
    }

    /** How many pieces of memory a bio has, or ranges if it has no memory. */
    static int pieces(Bio self) {
        return self.operation().hasData() ? segmentCount(self, 0) : 1;
    }

    // ---- in a line for a tag

    /** It goes on when the calling thread has done what it is in the middle of. */
    @Override
    final void serve(TagRequest rq) {
        granted = rq;
        wake();
    }

    @Override
    final void wake() {
        Trampoline batch = Trampoline.enter();
        try {
            batch.goOn((Bio) this);
        } finally {
            batch.leave();
        }
    }

    @Override
    final boolean leavesByItself() {
        return false;
    }

    /** Whether the part of the device that it was submitted to has been closed since. */
    final boolean isShutOut() {
        return range != null && range.isClosed();
    }

    /** A part of the bio has ended: an error stays for the end of the whole. Whoever has the request. */
    final void noteError(Status ofPart) {
        if (status == Status.OK) {
            status = ofPart;
        }
    }

    /**
     * Ends the bio: copies back what was bounced, gives the memory back and tells the caller.
     *
     * @param self this
     * @param end how it ended
     * @param ctx where it has come in, for the log; null if that is not known
     */
    static void finish(Bio self, Status end, @Nullable EntryContext ctx) {
        BioState state = self;
        Status whole = state.status == Status.OK ? end : state.status;
        if (state.bounce != null) {
            whole = state.releaseBounce(self, whole);
        }
        if (state.status != whole) {
            // A reference is written where it changes: a store costs the collector's barrier.
            state.status = whole;
        }
        if (state.observed != null) {
            state.tellObserver(self, whole, ctx);
        }
        // Before the bio is the caller's again, who may give it another one at once.
        BioCompletion told = state.completion();
        IN_FLIGHT.setRelease(state, false);
        if (told == null) {
            return;
        }
        try {
            told.ended(self);
        } catch (Throwable t) {
            CallbackFailures.report("completion of a bio" + of(ctx) + " (" + self + ")", t);
        }
    }

    /** Shows a claimed bio to who observes its queue. The submitting thread. */
    static void show(Bio self, BioObserver observer, EntryContext ctx) {
        BioState state = self;
        try {
            state.observed = observer.submitted(self);
        } catch (Throwable t) {
            observerFailed(self, ctx, t);
        }
    }

    private void tellObserver(Bio self, Status end, @Nullable EntryContext ctx) {
        BioObserver.End told = Objects.requireNonNull(observed);
        observed = null;
        try {
            told.ended(self, end);
        } catch (Throwable t) {
            observerFailed(self, ctx, t);
        }
    }

    private static String of(@Nullable EntryContext ctx) {
        return ctx == null ? "" : " of " + ctx.queue().name();
    }

    private static void observerFailed(Bio self, @Nullable EntryContext ctx, Throwable thrown) {
        CallbackFailures.report("observer of a bio" + of(ctx) + " (" + self + ")", thrown);
    }

    /** Counts what the calling thread has completed, before it tells somebody who may look at the counters. */
    protected static void countOwn() {
        Trampoline.countOwn();
    }

    /** Takes the copy away again, before the device has seen it. */
    final void unbounce() {
        IoBuffer buffer = bounce;
        if (buffer != null) {
            bounce = null;
            bounceLimits = null;
            buffer.close();
            Objects.requireNonNull(bounceRoom).give(buffer.bytes());
        }
    }

    /** Whether it is a part of another bio, or waits between two of its parts. */
    final boolean isCut() {
        return split != null;
    }

    final boolean isBounced() {
        return bounce != null;
    }

    /** Takes away a copy that was laid out for other limits. */
    final void unbounceUnless(QueueLimits limits) {
        if (bounceLimits != null && bounceLimits != limits) {
            unbounce();
        }
    }

    /** How much memory a copy takes. */
    static long bounceBytes(long bytes, QueueLimits limits) {
        return bytes + Math.max(0, bounceAlignment(bytes, limits) - IoBuffer.ALIGNMENT_BYTES);
    }

    /**
     * What the address of a copy is a multiple of. Cut in segments of equal length from there, it needs no more of them than the
     * caller's memory would, and keeps both boundaries: the length of a segment is a divisor of the one and a multiple of the other.
     */
    private static long bounceAlignment(long bytes, QueueLimits limits) {
        long forBoundary = limits.segmentBoundaryBytes() == 0
                ? 1
                : Math.min(limits.segmentBytesMax(), Long.highestOneBit(bytes * 2 - 1));
        return Math.max(forBoundary, limits.virtualBoundaryBytes());
    }

    /** Lets the device work on a copy. For a write the caller's bytes are copied now. */
    static void bounce(Bio self, IoBuffer buffer, BounceRoom room, QueueLimits limits) {
        long alignment = bounceAlignment(self.bytes(), limits);
        long start = alignment <= IoBuffer.ALIGNMENT_BYTES ? 0 : -buffer.memory().address() & (alignment - 1);
        if (self.operation() == Operation.WRITE) {
            long at = start;
            for (int i = 0; i < self.vecCount(); i++) {
                BioVec vec = self.vec(i);
                MemorySegment.copy(vec.memory(), vec.offset(), buffer.memory(), at, vec.bytes());
                at += vec.bytes();
            }
        }
        BioState state = self;
        state.bounce = buffer;
        state.bounceOffset = start;
        state.bounceLimits = limits;
        state.bounceRoom = room;
    }

    private Status releaseBounce(Bio self, Status end) {
        IoBuffer buffer = Objects.requireNonNull(bounce);
        bounce = null;
        bounceLimits = null;
        try {
            if (end == Status.OK && self.operation() == Operation.READ) {
                long at = bounceOffset;
                for (int i = 0; i < self.vecCount(); i++) {
                    BioVec vec = self.vec(i);
                    MemorySegment.copy(buffer.memory(), at, vec.memory(), vec.offset(), vec.bytes());
                    at += vec.bytes();
                }
            }
            return end;
        } catch (Throwable t) {
            // The caller closed its arena, the memory is read-only, or the file that it maps has been cut: the data has
            // nowhere to go.
            CallbackFailures.report(
                    "copy to the memory of a bio of " + Objects.requireNonNull(bounceRoom).queue() + " (" + self + ")",
                    t);
            return Status.IOERR;
        } finally {
            buffer.close();
            Objects.requireNonNull(bounceRoom).give(buffer.bytes());
        }
    }

    /**
     * How many pieces of memory the device sees.
     *
     * @param skip bytes from the beginning that it does not
     */
    static int segmentCount(Bio self, long skip) {
        BioState state = self;
        if (state.bounce == null) {
            int vecs = self.vecCount();
            int skipped = 0;
            // A bio without memory may have ended in part, too.
            for (long left = skip; skipped < vecs && left >= self.vec(skipped).bytes(); skipped++) {
                left -= self.vec(skipped).bytes();
            }
            return vecs - skipped;
        }
        int most = Objects.requireNonNull(state.bounceLimits).segmentBytesMax();
        return (int) ((self.bytes() + most - 1) / most - skip / most);
    }

    /** Shows the pieces of memory that the device sees: without some bytes at the beginning. */
    static void forEachSegment(Bio self, long skip, SegmentVisitor visitor) {
        BioState state = self;
        if (state.bounce != null) {
            state.forEachBounced(state.bounce, self.bytes(), skip, visitor);
            return;
        }
        int count = self.vecCount();
        long left = skip;
        for (int i = 0; i < count; i++) {
            BioVec vec = self.vec(i);
            if (left == 0) {
                visitor.segment(vec.memory(), vec.offset(), vec.bytes());
            } else if (left >= vec.bytes()) {
                left -= vec.bytes();
            } else {
                visitor.segment(vec.memory(), vec.offset() + left, (int) (vec.bytes() - left));
                left = 0;
            }
        }
    }

    /** Where the memory that the device sees begins. */
    static long startAddress(Bio self) {
        BioState state = self;
        if (state.bounce != null) {
            return state.bounce.memory().address() + state.bounceOffset;
        }
        BioVec first = self.vec(0);
        return first.memory().address() + first.offset();
    }

    /** Where the memory that the device sees ends. */
    static long endAddress(Bio self) {
        BioState state = self;
        if (state.bounce != null) {
            return state.bounce.memory().address() + state.bounceOffset + self.bytes();
        }
        BioVec last = self.vec(self.vecCount() - 1);
        return last.memory().address() + last.offset() + last.bytes();
    }

    private void forEachBounced(IoBuffer buffer, long bytes, long skip, SegmentVisitor visitor) {
        int most = Objects.requireNonNull(bounceLimits).segmentBytesMax();
        // Cut where it was cut before a part of it ended.
        for (long at = skip; at < bytes;) {
            int length = (int) Math.min(most - at % most, bytes - at);
            visitor.segment(buffer.memory(), bounceOffset + at, length);
            at += length;
        }
    }
}
