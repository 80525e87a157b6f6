package io.blkmq.core.driver;

import io.blkmq.core.Bio;
import io.blkmq.core.IoPriority;
import io.blkmq.core.Operation;
import io.blkmq.core.QueueLimits;
import io.blkmq.core.Status;
import io.blkmq.core.WriteLifetime;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.Objects;
import java.util.function.Consumer;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * What a driver is given to do: one operation on a range of sectors, with the memory of one or more bios. It exists once per
 * tag, is made with the tag set and used again and again. The kernel's counterpart is {@code struct request}.
 *
 * <pre>
 *   IDLE ──start──▶ IN_FLIGHT ──complete──▶ COMPLETE ──end──▶ ENDED ──bios told──▶ IDLE
 *     ▲                 │ queueRq: RESOURCE
 *     └─────────────────┘
 * </pre>
 *
 * <p>The step to COMPLETE is one atomic transition and has one winner; whoever comes second is counted and does nothing.
 *
 * <p>While the driver is asked about a request whose time is over, the request is TIMING: it can neither end nor be used again
 * under the driver's hands. A completion or requeue in that time is noted (TIMING_COMPLETED, TIMING_REQUEUED) and carried out when
 * the driver has answered.
 *
 * <p>Ownership: the holder of the tag. From allocation to {@code queueRq} that is the submitting thread (or the one that runs the
 * dispatch list), then the driver, and from {@link #complete} on the completing thread. The hand-over inside the driver, and the
 * tag bitmap when the tag goes round, publish the plain fields.
 */
public final class Request {
    static final int IDLE = 0;
    static final int IN_FLIGHT = 1;
    static final int COMPLETE = 2;
    /** Between {@link #end} and the moment its bios are told. */
    static final int ENDED = 3;

    /** The driver's {@code timeout} is being asked. */
    static final int TIMING = 4;
    /** It has been completed meanwhile. */
    static final int TIMING_COMPLETED = 5;
    /** It has been given back meanwhile. */
    static final int TIMING_REQUEUED = 6;

    /** One of the two is being noted. */
    static final int TIMING_NOTING = 7;

    /** The flags of {@link Bio} that a driver is shown. */
    private static final int DRIVER_FLAGS = Bio.FUA | Bio.NOUNMAP | Bio.SYNC;
    /** Beside the flags of a bio: the driver has had it and given it back, so it stays as it is. */
    private static final int OFFERED = 1 << 30;
    /** Beside the flags of a bio: what the driver has prepared in its part of the request is kept. */
    private static final int PREPARED = 1 << 29;

    /** Instead of the time in which the driver was given it. */
    static final long NOT_ISSUED = Long.MIN_VALUE;

    private static final String[] STATE_NAMES = {"idle", "in flight", "complete", "ended", "timed out",
            "timed out and complete", "timed out and given back", "timed out and on its way"};
    private static final int STATE_BITS = 3;
    private static final long STATE_MASK = (1L << STATE_BITS) - 1;

    private static final VarHandle LIFE;
    private static final VarHandle OWNER;

    static {
        try {
            MethodHandles.Lookup lookup = MethodHandles.lookup();
            LIFE = lookup.findVarHandle(Request.class, "life", long.class);
            OWNER = lookup.findVarHandle(Request.class, "owner", RequestQueue.class);
        } catch (ReflectiveOperationException e) {
            throw new ExceptionInInitializerError(e);
        }
    }

    final Tags tags;
    /** The word and mask of the tag in its bitmap. */
    final int word;
    final long mask;
    final boolean reserved;
    /** The scheduler whose tag it is; null for a request that a driver is given. */
    final @Nullable Scheduler scheduler;
    /** The share that counts the tag, if one does. The holder's. */
    @Nullable
    TagShare countedBy;
    private final MemorySegment pdu;
    private @Nullable Object driverData;
    private @Nullable Object elevatorData;

    /** The tag; a flush request borrows another's. */
    private int tag;
    /** The queue that used the tag last. Volatile when it changes: see {@link RequestQueue}'s freeze. */
    private @Nullable RequestQueue owner;
    private @Nullable HardwareContext hctx;
    private @Nullable SoftwareContext ctx;

    /**
     * The generation, and in the lowest bits the state: one word, so that a completion that comes late for one try can never end the
     * next one, of this use of the tag or of another. Written plainly by the holder of the tag; the step out of IN_FLIGHT is a compare-and-set.
     */
    private long life;
    private Status status = Status.OK;
    private Operation operation = Operation.READ;
    private int flags;
    private IoPriority priority = IoPriority.NONE;
    private WriteLifetime lifetime = WriteLifetime.NOT_SET;
    private long sector;
    private long bytes;
    /**
     * When it was sent, and when the driver was given it last; {@link #NOT_ISSUED} before, where that may not come. Times of a batch,
     * and meaningful where the queue counts.
     */
    private long sentNanos;
    private long issuedNanos;

    /** The tick of {@link Timeouts} in which it was started. */
    private int startTick;
    /** Its own time-out in ticks, 0 for the queue's. */
    private int timeoutTicks;
    /** How it was completed while TIMING. Published by the step to TIMING_COMPLETED. */
    private Status timedStatus = Status.OK;
    /** Whether the requeue list is kicked for what was given back while TIMING. Published like {@link #timedStatus}. */
    private boolean timedKick;

    /** Whether it is a caller's own, without bios. Goes with the request, like the fields around it. */
    private PassThrough passThrough = PassThrough.NONE;
    private @Nullable Consumer<Request> passThroughEnded;

    /** The bios, in ascending order of their sectors. */
    private @Nullable Bio bio;
    /** The last of them once there are several; meaningless before. */
    private @Nullable Bio lastBio;
    /** How many pieces of memory, or ranges without data, the bios have once there are several; 0 before. */
    private int mergedPieces;
    /** The scheduler's request that this one carries out; null if there is none. Goes with the request. */
    @Nullable
    Request scheduled;
    /** Of a scheduler's request: how far it is. Guarded by the elevator's lock. */
    Scheduler.Place place = Scheduler.Place.OUTSIDE;
    /** How many bytes of the first bio are done: see {@link #update}. */
    private long bioDoneBytes;
    /** The thread that keeps the request TIMING. Written by it alone, and meaningful to it alone. */
    private @Nullable Thread keeper;

    /** The next request of whatever list this one stands in; it stands in one at most. */
    @Nullable
    Request next;
    /** How far it is in its {@link FlushSequence}, {@link FlushSequence#NONE} if it is in none. The flush machine's. */
    int flush;
    /** The flush machine that this is the flush request of; null for any other request. */
    @Nullable
    FlushQueue flushQueue;

    Request(Tags tags, int tag, MemorySegment pdu, @Nullable Scheduler scheduler) {
        this.tags = tags;
        this.scheduler = scheduler;
        this.tag = tag;
        this.word = tags.wordOf(tag);
        this.mask = tags.maskOf(tag);
        this.reserved = tags.isReserved(tag);
        this.pdu = pdu;
    }

    // ---- what a driver asks

    /**
     * The number of the request among those of its hardware context; no other request in flight there has it.
     *
     * @return from 0 to the tag set's depth - 1
     */
    public int tag() {
        return tag;
    }

    /**
     * What to do.
     *
     * @return the operation
     */
    public Operation operation() {
        return operation;
    }

    /**
     * Flags of {@link Bio} that concern a driver or an elevator: {@link Bio#FUA} if the device has it, {@link Bio#NOUNMAP},
     * {@link Bio#SYNC}.
     *
     * @return a set of bits
     */
    public int flags() {
        return flags & DRIVER_FLAGS;
    }

    /**
     * Where it begins.
     *
     * @return sector of 512 bytes
     */
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
     * How urgent it is.
     *
     * @return that of its bios, {@link IoPriority#NONE} if nothing was said
     */
    public IoPriority priority() {
        return priority;
    }

    /**
     * How long what it writes is going to stay.
     *
     * @return the hint of its first bio
     */
    public WriteLifetime lifetime() {
        return lifetime;
    }

    /**
     * The elevator's object of this request. It stays with the request from use to use, so that an elevator makes one only where
     * it finds none of its own.
     *
     * @return what {@link #setElevatorData} was given, perhaps by another elevator
     */
    public @Nullable Object elevatorData() {
        return elevatorData;
    }

    /**
     * Gives the request an object of the elevator's, from {@link Elevator#insert} on.
     *
     * @param data anything
     */
    public void setElevatorData(@Nullable Object data) {
        this.elevatorData = data;
    }

    /**
     * The driver's bytes of this request: as many as the tag set says, aligned to 64, in one slab with the others'. They keep
     * their content from use to use. The kernel's counterpart is {@code blk_mq_rq_to_pdu}.
     *
     * @return off-heap memory, valid until the tag set is closed
     */
    public MemorySegment pdu() {
        return pdu;
    }

    /**
     * The driver's object of this request.
     *
     * @return what {@link #setDriverData} was given
     */
    public @Nullable Object driverData() {
        return driverData;
    }

    /**
     * Gives the request an object of the driver's, in {@link BlockDriver#initRequest}.
     *
     * @param data anything
     */
    public void setDriverData(@Nullable Object data) {
        this.driverData = data;
    }

    /**
     * The queue it is for.
     *
     * @return the queue
     * @throws IllegalStateException if the request was never used
     */
    public RequestQueue queue() {
        RequestQueue q = owner;
        if (q == null) {
            throw new IllegalStateException("request " + tag + " has no queue yet");
        }
        return q;
    }

    /**
     * The hardware context it goes through.
     *
     * @return the context
     * @throws IllegalStateException if the request was never used
     */
    public HardwareContext hardwareContext() {
        HardwareContext h = hctx;
        if (h == null) {
            throw new IllegalStateException("request " + tag + " has no hardware context yet");
        }
        return h;
    }

    /**
     * The software context it came in through.
     *
     * @return the context
     * @throws IllegalStateException if the request was never used
     */
    public SoftwareContext softwareContext() {
        SoftwareContext c = ctx;
        if (c == null) {
            throw new IllegalStateException("request " + tag + " has no software context yet");
        }
        return c;
    }

    /**
     * Counts how often a driver has been given a request of this tag: each use of the tag has another number, and each try of a use that
     * the driver refused, or gave back whole or in part. A driver that may find completions late notes it when it takes the request, and
     * gives it back with them ({@link #complete(long, Status)}).
     *
     * @return another number for each time that a driver is given it
     */
    public long generation() {
        return life >>> STATE_BITS;
    }

    /**
     * How many pieces of memory there are.
     *
     * @return 0 for operations without data
     */
    public int segmentCount() {
        int count = 0;
        long skip = bioDoneBytes;
        for (Bio b = bio; b != null; b = ((BioState) b).next) {
            count += BioState.segmentCount(b, skip);
            skip = 0;
        }
        return count;
    }

    /**
     * Shows all pieces of memory in order.
     *
     * @param visitor sees them
     */
    public void forEachSegment(SegmentVisitor visitor) {
        long skip = bioDoneBytes;
        for (Bio b = bio; b != null; b = ((BioState) b).next) {
            BioState.forEachSegment(b, skip, visitor);
            skip = 0;
        }
    }

    // ---- what a driver tells

    /**
     * The device is done with the request and its memory. {@link BlockDriver#complete} follows on this thread. Any thread, also
     * from within {@code queueRq}. A request that is not in flight stays as it is: the call is counted.
     *
     * @param result how it went
     */
    public void complete(Status result) {
        complete(generation(), result);
    }

    /**
     * Like {@link #complete(Status)}, for the try that the completion belongs to: a late one ends neither the tag's next use nor the
     * next try of the same.
     *
     * @param forGeneration {@link #generation()} when the driver took the request
     * @param result how it went
     */
    public void complete(long forGeneration, Status result) {
        long inFlight = forGeneration << STATE_BITS | IN_FLIGHT;
        if (LIFE.compareAndSet(this, inFlight, inFlight - IN_FLIGHT + COMPLETE)) {
            setStatus(result);
            queue().completeInDriver(this);
        } else {
            completeNotInFlight(forGeneration, result);
        }
    }

    private void completeNotInFlight(long forGeneration, Status result) {
        long use = forGeneration << STATE_BITS;
        for (;;) {
            long now = (long) LIFE.getVolatile(this);
            if (now == (use | TIMING)) {
                if (LIFE.compareAndSet(this, now, use | TIMING_NOTING)) {
                    timedStatus = result;
                    LIFE.setVolatile(this, use | TIMING_COMPLETED);
                    return;
                }
            } else if (now != (use | IN_FLIGHT)) {
                queue().countStrayCompletion(this);
                return;
            } else if (LIFE.compareAndSet(this, now, use | COMPLETE)) {
                setStatus(result);
                queue().completeInDriver(this);
                return;
            }
        }
    }

    /**
     * The driver gives the request back, to be given it again: it goes to the queue's requeue list, and from there, when that is
     * kicked, before everything that waits. Any thread, also from within {@code queueRq} or {@code timeout}. A request that is not in
     * flight stays as it is: the call is counted. The kernel's counterpart is {@code blk_mq_requeue_request}.
     *
     * @param kick whether the list is kicked at once; else by {@link RequestQueue#kickRequeueList}
     */
    public void requeue(boolean kick) {
        requeue(generation(), kick);
    }

    /**
     * Like {@link #requeue(boolean)}, for the try that is given back: one that is late takes neither the tag's next use nor the next try
     * of the same from the driver.
     *
     * @param forGeneration {@link #generation()} when the driver took the request
     * @param kick whether the list is kicked at once; else by {@link RequestQueue#kickRequeueList}
     */
    public void requeue(long forGeneration, boolean kick) {
        long use = forGeneration << STATE_BITS;
        for (;;) {
            long now = (long) LIFE.getVolatile(this);
            if (now == (use | TIMING)) {
                if (LIFE.compareAndSet(this, now, use | TIMING_NOTING)) {
                    timedKick = kick;
                    LIFE.setVolatile(this, use | TIMING_REQUEUED);
                    return;
                }
            } else if (now != (use | IN_FLIGHT)) {
                queue().countStrayCompletion(this);
                return;
            } else if (LIFE.compareAndSet(this, now, use | IDLE)) {
                flags |= OFFERED;
                queue().requeue(this, kick);
                return;
            }
        }
    }

    /**
     * Gives a completed request back, whole or what {@link #update} has left of it, in place of {@link #end}: called once, by
     * {@link BlockDriver#complete} or later, by whoever would have ended it.
     *
     * @param kick whether the requeue list is kicked at once; else by {@link RequestQueue#kickRequeueList}
     * @throws IllegalStateException if the request has not been completed, or was ended before
     */
    public void requeueCompleted(boolean kick) {
        requireComplete("given back");
        flags |= OFFERED;
        setState(IDLE);
        queue().requeue(this, kick);
    }

    /**
     * Notes that the driver has prepared something in its part of this request, PDU or object, which it wants to find again if it gives
     * the request back. Such a request keeps its tag and goes to the dispatch list; any other goes back to the elevator, if there is
     * one, and may come with another tag. Holds for one use. While the driver has it. The kernel's counterpart is
     * {@code RQF_DONTPREP}.
     */
    public void keepPrepared() {
        flags |= PREPARED;
    }

    boolean isPrepared() {
        return (flags & PREPARED) != 0;
    }

    /** What is complete is its completing thread's: all who could take it out of flight have lost. */
    private void requireComplete(String what) {
        if (state() != COMPLETE) {
            throw new IllegalStateException(this + " is " + what + ", but not between complete and its end");
        }
    }

    /**
     * Sets a time-out of this request's own, while the driver has it. It holds for one use.
     *
     * @param nanos the time from its start; rounded up to the queue's tick, which is a sixteenth of its time-out and a second at
     *        the most
     * @throws IllegalArgumentException if not positive
     */
    public void setTimeoutNanos(long nanos) {
        if (nanos <= 0) {
            throw new IllegalArgumentException("timeout of " + nanos + " ns: must be positive");
        }
        timeoutTicks = queue().timeouts().ticks(nanos);
    }

    /**
     * How the driver said that it went.
     *
     * @return the status given to {@link #complete}
     */
    public Status status() {
        return status;
    }

    /**
     * Ends a completed request: its bios are told, its tag is freed. Called once, by {@link BlockDriver#complete} or later on any
     * thread. The kernel's counterpart is {@code blk_mq_end_request}.
     *
     * @param result what the bios are told
     * @throws IllegalStateException if the request has not been completed, or was ended before
     */
    public void end(Status result) {
        requireComplete("ended");
        // Plain: only the completing thread ends it. A driver that ends it twice, or ends it and throws, is found out by this.
        setState(ENDED);
        setStatus(result);
        CompletionBatch batch = CompletionBatch.enter();
        try {
            batch.add(this);
        } finally {
            batch.leave();
        }
    }

    /**
     * Ends a completed request in part: the bios that the first bytes cover are told, and what is left is the request from now on.
     * Called by {@link BlockDriver#complete} or later, before {@link #end} or {@link #requeueCompleted}. The kernel's counterpart is
     * {@code blk_update_request}.
     *
     * @param result what the bios covered are told; a bio that is covered in part keeps an error for its end
     * @param done how many bytes from the beginning: whole blocks
     * @return whether something is left
     * @throws IllegalArgumentException if the bytes are negative, more than the request has, or not whole blocks
     * @throws IllegalStateException if the request has not been completed, was ended before, or has a flush sequence
     */
    public boolean update(Status result, long done) {
        if (flush != FlushSequence.NONE || flushQueue != null) {
            throw new IllegalStateException(this + " has a flush sequence and cannot end in part");
        }
        if (state() != COMPLETE) {
            throw new IllegalStateException(this + " is updated, but not between complete and its end");
        }
        if (done < 0 || done > bytes) {
            throw new IllegalArgumentException(this + ": " + done + " bytes done: 0 to " + bytes + " are possible");
        }
        int blockBytes = queue().limits().logicalBlockBytes();
        if (done % blockBytes != 0) {
            throw new IllegalArgumentException(
                    this + ": " + done + " bytes done: not a multiple of the block size of " + blockBytes + " bytes");
        }
        if (isPassThrough() || done == 0) {
            return done < bytes;
        }
        queue().countDone(this, done);
        CompletionBatch batch = CompletionBatch.enter();
        try {
            tellFirst(result, done, batch);
        } finally {
            batch.leave();
        }
        sector += done / QueueLimits.SECTOR_BYTES;
        bytes -= done;
        return bytes > 0;
    }

    private void tellFirst(Status result, long done, CompletionBatch batch) {
        long left = done;
        for (Bio b = bio; b != null && left > 0; b = bio) {
            BioState link = b;
            long rest = b.bytes() - bioDoneBytes;
            link.noteError(result);
            if (rest > left) {
                bioDoneBytes += left;
                return;
            }
            left -= rest;
            bio = link.next;
            link.next = null;
            bioDoneBytes = 0;
            batch.tell(b);
        }
    }

    // ---- the way down

    /** Gives an allocated request to a queue. Volatile where the queue changes, for the freeze. */
    void ownBy(RequestQueue queue) {
        RequestQueue before = owner;
        if (before != queue) {
            OWNER.setVolatile(this, queue);
            if (before != null) {
                // Between the tag bitmap and here the tag looked held by its former queue: a freezer there may wait for it.
                before.tagLeft();
            }
        }
    }

    @Nullable
    RequestQueue ownerVolatile() {
        return (RequestQueue) OWNER.getVolatile(this);
    }

    /** Says which way an allocated request goes. */
    void route(SoftwareContext from, HardwareContext through) {
        // References are written where they change: a store costs the collector's barrier.
        if (ctx != from) {
            ctx = from;
        }
        if (hctx != through) {
            hctx = through;
        }
    }

    boolean goesThrough(HardwareContext one) {
        return one.equals(hctx);
    }

    /** Fills an allocated request, whose way is known, from its first bio. */
    void init(Bio first) {
        assert state() == IDLE : this;
        timeoutTicks = 0;
        bio = first;
        bioDoneBytes = 0;
        Operation what = first.operation();
        if (operation != what) {
            operation = what;
        }
        flags = first.flags();
        mergedPieces = 0;
        if (priority != first.priority()) {
            priority = first.priority();
        }
        if (lifetime != first.lifetime()) {
            lifetime = first.lifetime();
        }
        sector = first.deviceSector();
        bytes = first.bytes();
    }

    // ---- its times, where its queue counts

    /** It leaves its plug, if it was with one, for the elevator or the driver. */
    void sent(long nowNanos) {
        sentNanos = nowNanos;
    }

    /** The driver may never be given it. */
    void notIssued() {
        issuedNanos = NOT_ISSUED;
    }

    void issued(long nowNanos) {
        issuedNanos = nowNanos;
    }

    long sentNanos() {
        return sentNanos;
    }

    long issuedNanos() {
        return issuedNanos;
    }

    /** Whether the driver has it, and it is one that counts. For any thread: what moves is shown as it was found. */
    boolean countsAsInFlight() {
        int now = state();
        return (now == IN_FLIGHT || now >= TIMING) && flushQueue == null && !isPassThrough();
    }

    // ---- merging: the request is the caller's, and waits

    /** Whether nothing has been done of it, and it may still grow: see {@link Merging}. */
    boolean isWhole() {
        return bio != null && (flags & OFFERED) == 0 && bioDoneBytes == 0 && flush == FlushSequence.NONE;
    }

    /** Flags of its bios, with {@link #OFFERED} and {@link #PREPARED}. */
    int allFlags() {
        return flags;
    }

    Bio firstBio() {
        return Objects.requireNonNull(bio);
    }

    Bio lastBio() {
        return Objects.requireNonNull(mergedPieces == 0 ? bio : lastBio);
    }

    /** How many pieces of memory it has, or, of an operation without data, how many ranges: at least 1. */
    int piecesNow() {
        return mergedPieces != 0 ? mergedPieces : Merging.pieces(firstBio());
    }

    /** A bio that begins where the request ends becomes its last one. */
    void append(Bio added, int pieces) {
        ((BioState) lastBio()).next = added;
        lastBio = added;
        mergedPieces = pieces;
        bytes += added.bytes();
    }

    /** A bio that ends where the request begins becomes its first one. */
    void prepend(Bio added, int pieces) {
        Bio last = lastBio();
        BioState link = added;
        link.next = bio;
        bio = added;
        lastBio = last;
        mergedPieces = pieces;
        sector = added.deviceSector();
        bytes += added.bytes();
    }

    /** The bios of a request that begins where this one ends become this one's. That one keeps its sector and length. */
    void absorb(Request following, int pieces) {
        Bio last = following.lastBio();
        ((BioState) lastBio()).next = following.bio;
        lastBio = last;
        mergedPieces = pieces;
        bytes += following.bytes;
        if (following.sentNanos - sentNanos < 0) {
            sentNanos = following.sentNanos;
        }
        following.bio = null;
        following.lastBio = null;
    }

    // ---- a scheduler's request, and the one that carries it out

    /** Carries out a scheduler's request, which keeps its sector and length for the elevator. */
    void carryOut(Request source) {
        assert state() == IDLE : this;
        route(source.softwareContext(), source.hardwareContext());
        timeoutTicks = 0;
        scheduled = source;
        copyWork(source);
    }

    /** Takes back what is left of what another request was to carry out. */
    void takeBackFrom(Request carrier) {
        copyWork(carrier);
        carrier.scheduled = null;
    }

    private void copyWork(Request from) {
        operation = from.operation;
        flags = from.flags;
        priority = from.priority;
        lifetime = from.lifetime;
        sector = from.sector;
        bytes = from.bytes;
        sentNanos = from.sentNanos;
        issuedNanos = from.issuedNanos;
        bio = from.bio;
        bioDoneBytes = from.bioDoneBytes;
        lastBio = from.lastBio;
        mergedPieces = from.mergedPieces;
        from.bio = null;
        from.lastBio = null;
        from.bioDoneBytes = 0;
    }

    /** For the elevator's clock: when it began to wait, in ticks. */
    void noteWaitingSince(int tick) {
        startTick = tick;
    }

    /** Makes an allocated request its caller's own: without bios, and freed by the caller. */
    void initPassThrough(Operation what) {
        assert state() == IDLE : this;
        timeoutTicks = 0;
        bio = null;
        operation = what;
        flags = 0;
        priority = IoPriority.NONE;
        lifetime = WriteLifetime.NOT_SET;
        sector = 0;
        bytes = 0;
        status = Status.OK;
        passThrough = PassThrough.ALLOCATED;
    }

    /** Its caller sends it. */
    void beginPassThrough(Consumer<Request> ended) {
        if (passThrough != PassThrough.ALLOCATED) {
            throw new IllegalStateException(this + " is " + passThrough + ": it cannot be executed");
        }
        passThrough = PassThrough.EXECUTING;
        passThroughEnded = ended;
    }

    /** Its caller is done with it. */
    void endPassThrough() {
        if (passThrough != PassThrough.ALLOCATED) {
            throw new IllegalStateException(this + " is " + passThrough + ": it cannot be freed");
        }
        passThrough = PassThrough.NONE;
        passThroughEnded = null;
    }

    boolean isPassThrough() {
        return passThrough != PassThrough.NONE;
    }

    /** It has ended: its caller has it again, and may send or free it at once. */
    void tellPassThrough() {
        Consumer<Request> ended = Objects.requireNonNull(passThroughEnded);
        setState(IDLE);
        passThrough = PassThrough.ALLOCATED;
        try {
            ended.accept(this);
        } catch (Throwable t) {
            CallbackFailures.report("completion of a request", t);
        }
    }

    /** Whose a request without bios is. */
    private enum PassThrough {
        NONE, ALLOCATED, EXECUTING
    }

    /**
     * Makes this flush request the clone of a waiting one: its tag, its context, its PDU's bytes. It goes on with the tag's generation, so
     * that a late completion that names tag and generation means one of the two and never the other.
     */
    void cloneForFlush(Request source) {
        assert state() == IDLE : this;
        assert source.state() == IDLE : source;
        ownBy(source.queue());
        ctx = source.ctx;
        hctx = source.hctx;
        tag = source.tag;
        life = source.life;
        timeoutTicks = 0;
        operation = Operation.FLUSH;
        flags = 0;
        sector = 0;
        bytes = 0;
        status = Status.OK;
        MemorySegment.copy(source.pdu, 0, pdu, 0, pdu.byteSize());
    }

    /** The flush request that this one lent its tag has ended: the next try is the one after its tries. */
    void takeTagBack(Request flush) {
        assert state() == IDLE : this;
        life = flush.generation() << STATE_BITS | IDLE;
    }

    void dropFlags(int dropped) {
        flags &= ~dropped;
    }

    /**
     * The driver gets it next; its hand-over publishes the other fields.
     *
     * @return the generation of this try
     */
    long start() {
        RequestQueue q = owner;
        return start(q == null ? 0 : q.timeouts().tick());
    }

    /**
     * The driver gets it with others that start in the same tick. A try that begins here has a generation of its own: the completion of
     * one before it, of this use of the tag or of another, finds that it is over.
     *
     * @return the generation of this try
     */
    long start(int tick) {
        assert state() == IDLE : this;
        if (timeoutTicks == Timeouts.NEVER) {
            // Its driver was asked about the use or try before.
            timeoutTicks = 0;
        }
        startTick = tick;
        long generation = generation() + 1;
        // Release: pairs with the timer's look at the state, which then sees the tick.
        LIFE.setRelease(this, generation << STATE_BITS | IN_FLIGHT);
        return generation;
    }

    /**
     * The driver did not take it.
     *
     * @param use its generation since it was started: the tag may be another's by now
     * @return false if the driver has completed it all the same
     */
    boolean unstart(long use) {
        if (leaveFlight(use, IDLE)) {
            flags |= OFFERED;
            return true;
        }
        return false;
    }

    /** The block layer ends it in the driver's place, if it is the same try. Returns false if the driver has completed it. */
    boolean fail(long use, Status result) {
        if (!leaveFlight(use, COMPLETE)) {
            return false;
        }
        setStatus(result);
        return true;
    }

    /** The block layer ends it, which the driver has not. The caller holds it. */
    void failUnissued(Status result) {
        assert state() == IDLE : this;
        issuedNanos = NOT_ISSUED;
        setState(COMPLETE);
        setStatus(result);
    }

    // ---- the way up

    /** What the bios will be told. */
    void noteStatus(Status result) {
        setStatus(result);
    }

    /** Between two steps of a flush sequence, or for the next flush. */
    void rewind() {
        setState(IDLE);
    }

    /** Tells the bios. After that the request is empty and its tag can be freed. */
    void finishBios() {
        Bio b = bio;
        bio = null;
        bioDoneBytes = 0;
        if (mergedPieces != 0) {
            lastBio = null;
        }
        // Plain: freeing the tag publishes it.
        setState(IDLE);
        Status result = status;
        while (b != null) {
            BioState link = b;
            Bio following = link.next;
            if (following != null) {
                link.next = null;
            }
            BioState.finish(b, result);
            b = following;
        }
    }

    int state() {
        return (int) ((long) LIFE.getAcquire(this) & STATE_MASK);
    }

    /** A reference is written where it changes: see {@link #route}. */
    private void setStatus(Status value) {
        if (status != value) {
            status = value;
        }
    }

    /** Plain: for the holder of the tag, outside of flight. */
    private void setState(int state) {
        life = (life & ~STATE_MASK) | state;
    }

    /** Takes it out of flight, after the driver has been asked about it if it is just being asked. */
    private boolean leaveFlight(long ofGeneration, int state) {
        long use = ofGeneration << STATE_BITS;
        for (;;) {
            long now = (long) LIFE.getVolatile(this);
            if (now == (use | TIMING)) {
                queue().tagSet().runtime().spinWait();
            } else if (now != (use | IN_FLIGHT)) {
                return false;
            } else if (LIFE.compareAndSet(this, now, use | state)) {
                return true;
            }
        }
    }

    // ---- time-outs, on the timer's thread

    int startTick() {
        return startTick;
    }

    int timeoutTicks() {
        return timeoutTicks;
    }

    /** Keeps the request as it is while the driver is asked. False if it is not in flight, or kept by another. */
    boolean beginTiming() {
        long now = (long) LIFE.getVolatile(this);
        long use = now & ~STATE_MASK;
        if (now == (use | IN_FLIGHT) && LIFE.compareAndSet(this, now, use | TIMING)) {
            keeper = Thread.currentThread();
            return true;
        }
        return false;
    }

    /**
     * Shows the request to a visitor while it can neither end nor be used again, if it is in flight for a queue. Waits for another
     * thread that keeps it; the visitor of a visitor, or of a driver that is asked about a time-out, sees what its own thread keeps.
     *
     * @param of the queue; the tag may go to another at any moment before the request is kept
     * @return false if the visitor wants to see no more
     */
    boolean visit(RequestQueue of, Predicate<Request> visitor) {
        while (ownerVolatile() == of) {
            long now = (long) LIFE.getVolatile(this);
            long state = now & STATE_MASK;
            if (state >= TIMING && Thread.currentThread().equals(keeper)) {
                return state != TIMING || visitor.test(this);
            } else if (state >= TIMING) {
                Parking.spinWait(queue().tagSet().runtime());
            } else if (state != IN_FLIGHT) {
                return true;
            } else if (beginTiming()) {
                try {
                    // Once more: the tag may have gone to another queue before it was kept.
                    return owner != of || visitor.test(this);
                } finally {
                    endTiming();
                }
            }
        }
        return true;
    }

    /** The driver has ended it, or will: it is not asked again. While TIMING. */
    void neverTimesOut() {
        timeoutTicks = Timeouts.NEVER;
    }

    /** While TIMING. */
    void restartTimer(int tick) {
        startTick = tick;
    }

    /** Lets it go again, and carries out what was put off. */
    void endTiming() {
        keeper = null;
        long now = (long) LIFE.getVolatile(this);
        long use = now & ~STATE_MASK;
        if (now == (use | TIMING) && LIFE.compareAndSet(this, now, use | IN_FLIGHT)) {
            return;
        }
        while (state() == TIMING_NOTING) {
            queue().tagSet().runtime().spinWait();
        }
        if (state() == TIMING_COMPLETED) {
            setState(COMPLETE);
            status = timedStatus;
            queue().completeInDriver(this);
        } else {
            timeoutTicks = 0;
            flags |= OFFERED;
            setState(IDLE);
            queue().requeue(this, timedKick);
        }
    }

    @Override
    public String toString() {
        RequestQueue q = owner;
        return (flushQueue != null ? "flush request " : "request ") + tag + " of " + (q == null ? "no queue" : q.name())
                + " (" + operation + ", sector " + sector + ", " + bytes + " bytes, "
                + STATE_NAMES[Objects.checkIndex(state(), STATE_NAMES.length)] + ")";
    }
}
