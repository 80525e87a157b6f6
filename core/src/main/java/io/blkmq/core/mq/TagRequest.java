package io.blkmq.core.mq;

import io.blkmq.core.Bio;
import io.blkmq.core.IoPriority;
import io.blkmq.core.Operation;
import io.blkmq.core.QueueLimits;
import io.blkmq.core.Status;
import io.blkmq.core.WriteLifetime;
import io.blkmq.core.driver.Request;
import io.blkmq.core.driver.RequestQueue;
import io.blkmq.core.driver.SegmentVisitor;
import io.blkmq.core.jfr.DiskEvents;
import io.blkmq.core.jfr.RequestEvent;
import io.blkmq.runtime.IoRuntime;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * The request of a tag: what it asks of the driver, its way and its bios. Its life, one atomic word, is {@link RequestLife}.
 *
 * <p>Ownership: the holder of the tag. From allocation to {@code queueRq} that is the submitting thread (or the one that runs the
 * dispatch list), then the driver, and from {@link #complete} on the completing thread. The hand-over inside the driver, and the
 * tag bitmap when the tag goes round, publish the plain fields.
 */
public final class TagRequest extends RequestLife {
    /** The flags of {@link Bio} that a driver is shown. */
    private static final int DRIVER_FLAGS = Bio.FUA | Bio.NOUNMAP | Bio.SYNC;
    /** Beside the flags of a bio: the driver has had it and given it back, so it stays as it is. */
    private static final int OFFERED = 1 << 30;
    /** Beside the flags of a bio: what the driver has prepared in its part of the request is kept. */
    private static final int PREPARED = 1 << 29;

    /** Instead of the time in which the driver was given it. */
    static final long NOT_ISSUED = Long.MIN_VALUE;

    private static final VarHandle OWNER;

    static {
        try {
            OWNER = MethodHandles.lookup().findVarHandle(TagRequest.class, "owner", QueueSettings.class);
        } catch (ReflectiveOperationException e) {
            throw new ExceptionInInitializerError(e);
        }
    }

    final Tags tags;
    /** The word and mask of the tag in its bitmap. */
    public final int word;
    public final long mask;
    public final boolean reserved;
    /** The scheduler whose tag it is; null for a request that a driver is given. */
    final @Nullable Scheduler scheduler;
    /** Where the share counts the tag that it is held by, if it does ({@link TagShare}). The holder's. */
    @Nullable
    AtomicInteger countedIn;
    private final MemorySegment pdu;
    private @Nullable Object driverData;
    private @Nullable Object elevatorData;

    /** The tag; a flush request borrows another's. */
    private int tag;
    /** The queue that used the tag last. Volatile when it changes: see {@link DeviceQueue}'s freeze. */
    private @Nullable QueueSettings owner;
    private @Nullable DispatchContext hctx;
    private @Nullable EntryContext ctx;

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

    /** What the flight recorder will be told of it, if it is told of requests; may be left over from a use before. The holder's. */
    private @Nullable RequestEvent trace;

    /** Whether it is a caller's own, without bios. Goes with the request, like the fields around it. */
    private PassThrough passThrough = PassThrough.NONE;
    private @Nullable Consumer<? super Request> passThroughEnded;

    /** The bios, in ascending order of their sectors. */
    private @Nullable Bio bio;
    /** The last of them once there are several; meaningless before. */
    private @Nullable Bio lastBio;
    /** How many pieces of memory, or ranges without data, the bios have once there are several; 0 before. */
    private int mergedPieces;
    /** The scheduler's request that this one carries out; null if there is none. Goes with the request. */
    @Nullable
    TagRequest scheduled;
    /** Of a scheduler's request: how far it is. Guarded by the elevator's lock. */
    Scheduler.Place place = Scheduler.Place.OUTSIDE;
    /** How many bytes of the first bio are done: see {@link #update}. */
    private long bioDoneBytes;

    /** The next request of whatever list this one stands in; it stands in one at most. */
    @Nullable
    TagRequest next;
    /** How far it is in its {@link FlushSequence}, {@link FlushSequence#NONE} if it is in none. The flush machine's. */
    int flush;
    /** Whether it is the flush request of a {@link FlushQueue}: then it borrows its tag from the first of those that wait for it. */
    boolean flushesForOthers;

    /** One that a driver is given. */
    TagRequest(Tags tags, int tag, MemorySegment pdu) {
        this(tags, tag, pdu, null);
    }

    TagRequest(Tags tags, int tag, MemorySegment pdu, @Nullable Scheduler scheduler) {
        this.tags = tags;
        this.scheduler = scheduler;
        this.tag = tag;
        this.word = tags.wordOf(tag);
        this.mask = tags.maskOf(tag);
        this.reserved = tags.isReserved(tag);
        this.pdu = pdu;
    }

    // ---- what a driver asks

    @Override
    public int tag() {
        return tag;
    }

    @Override
    public Operation operation() {
        return operation;
    }

    @Override
    public int flags() {
        return flags & DRIVER_FLAGS;
    }

    @Override
    public long sector() {
        return sector;
    }

    @Override
    public long bytes() {
        return bytes;
    }

    @Override
    public IoPriority priority() {
        return priority;
    }

    @Override
    public WriteLifetime lifetime() {
        return lifetime;
    }

    @Override
    public @Nullable Object elevatorData() {
        return elevatorData;
    }

    @Override
    public void setElevatorData(@Nullable Object data) {
        this.elevatorData = data;
    }

    @Override
    public MemorySegment pdu() {
        return pdu;
    }

    @Override
    public @Nullable Object driverData() {
        return driverData;
    }

    @Override
    public void setDriverData(@Nullable Object data) {
        this.driverData = data;
    }

    @Override
    public QueueSettings queue() {
        QueueSettings q = owner;
        if (q == null) {
            throw new IllegalStateException("request " + tag + " has no queue yet");
        }
        return q;
    }

    @Override
    public DispatchContext hardwareContext() {
        DispatchContext h = hctx;
        if (h == null) {
            throw new IllegalStateException("request " + tag + " has no hardware context yet");
        }
        return h;
    }

    @Override
    public EntryContext softwareContext() {
        EntryContext c = ctx;
        if (c == null) {
            throw new IllegalStateException("request " + tag + " has no software context yet");
        }
        return c;
    }

    @Override
    public int segmentCount() {
        int count = 0;
        long skip = bioDoneBytes;
        for (Bio b = bio; b != null; b = ((BioState) b).next) {
            count += BioState.segmentCount(b, skip);
            skip = 0;
        }
        return count;
    }

    @Override
    public void forEachSegment(SegmentVisitor visitor) {
        long skip = bioDoneBytes;
        for (Bio b = bio; b != null; b = ((BioState) b).next) {
            BioState.forEachSegment(b, skip, visitor);
            skip = 0;
        }
    }

    // ---- what a driver tells

    @Override
    public void keepPrepared() {
        flags |= PREPARED;
    }

    boolean isPrepared() {
        return (flags & PREPARED) != 0;
    }

    @Override
    public void end(Status result) {
        requireComplete("ended");
        // Plain: only the completing thread ends it. A driver that ends it twice, or ends it and throws, is found out by this.
        setState(ENDED);
        setStatus(result);
        Trampoline batch = Trampoline.enter();
        try {
            batch.add(this);
        } finally {
            batch.leave();
        }
    }

    @Override
    public boolean update(Status result, long done) {
        if (flush != FlushSequence.NONE || flushesForOthers) {
            throw new IllegalStateException(this + " has a flush sequence and cannot end in part");
        }
        requireComplete("updated");
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
        queue().countDone(softwareContext(), operation, done);
        Trampoline batch = Trampoline.enter();
        try {
            tellFirst(result, done, batch);
        } finally {
            batch.leave();
        }
        sector += done / QueueLimits.SECTOR_BYTES;
        bytes -= done;
        return bytes > 0;
    }

    private void tellFirst(Status result, long done, Trampoline batch) {
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
            batch.tell(b, softwareContext());
        }
    }

    // ---- the way down

    /** Gives an allocated request to a queue. Volatile where the queue changes, for the freeze. */
    public void ownBy(QueueSettings queue) {
        QueueSettings before = owner;
        if (before != queue) {
            OWNER.setVolatile(this, queue);
            if (before != null) {
                // Between the tag bitmap and here the tag looked held by its former queue: a freezer there may wait for it.
                before.tagLeft();
            }
        }
    }

    public @Nullable QueueSettings ownerVolatile() {
        return (QueueSettings) OWNER.getVolatile(this);
    }

    /** It looked held by the queue that used it last, and is free: a freezer there may wait for that. */
    void tellTagLeft() {
        QueueSettings last = ownerVolatile();
        if (last != null) {
            last.tagLeft();
        }
    }

    /** Says which way an allocated request goes. */
    void route(EntryContext from, DispatchContext through) {
        // References are written where they change: a store costs the collector's barrier.
        if (ctx != from) {
            ctx = from;
        }
        if (hctx != through) {
            hctx = through;
        }
    }

    boolean goesThrough(DispatchContext one) {
        return one.equals(hctx);
    }

    boolean goesLike(TagRequest other) {
        return hctx == other.hctx;
    }

    /** Whether it is a scheduler's, which no driver sees. */
    boolean isOfElevator() {
        return scheduler != null;
    }

    /** Fills an allocated request, whose way is known, from its first bio. */
    void init(Bio first) {
        assert state() == IDLE : this;
        resetTimeout();
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
        if (DiskEvents.recordsRequests()) {
            beginTrace();
        }
    }

    private void beginTrace() {
        RequestEvent begun = trace;
        // What was offered to the driver whole and not taken is sent once more, at the same time.
        if (!flushesForOthers && (begun == null || !begun.isOf(sentNanos))) {
            trace = DiskEvents.requestBegins(sentNanos);
        }
    }

    /** It ends, and its bios are told next: so is the flight recorder, which is told of requests. */
    void endTrace() {
        RequestEvent begun = trace;
        if (begun != null) {
            trace = null;
            if (begun.isOf(sentNanos)) {
                begun.ended(this, waitNanosOf(issuedNanos));
            }
        }
    }

    private long waitNanosOf(long issued) {
        long until = issued == NOT_ISSUED ? runtime().nanoTime() : issued;
        return Math.max(until - sentNanos, 0);
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
        return (now == IN_FLIGHT || now >= TIMING) && !flushesForOthers && !isPassThrough();
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
        return mergedPieces != 0 ? mergedPieces : BioState.pieces(firstBio());
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
    void absorb(TagRequest following, int pieces) {
        Bio last = following.lastBio();
        ((BioState) lastBio()).next = following.bio;
        lastBio = last;
        mergedPieces = pieces;
        bytes += following.bytes;
        if (following.sentNanos - sentNanos < 0) {
            sentNanos = following.sentNanos;
            trace = following.trace;
        }
        following.bio = null;
        following.lastBio = null;
    }

    // ---- a scheduler's request, and the one that carries it out

    /** Carries out a scheduler's request, which keeps its sector and length for the elevator. */
    void carryOut(TagRequest source) {
        assert state() == IDLE : this;
        route(source.softwareContext(), source.hardwareContext());
        resetTimeout();
        scheduled = source;
        copyWork(source);
    }

    /** Takes back what is left of what another request was to carry out. */
    void takeBackFrom(TagRequest carrier) {
        copyWork(carrier);
        carrier.scheduled = null;
    }

    private void copyWork(TagRequest from) {
        operation = from.operation;
        flags = from.flags;
        priority = from.priority;
        lifetime = from.lifetime;
        sector = from.sector;
        bytes = from.bytes;
        sentNanos = from.sentNanos;
        issuedNanos = from.issuedNanos;
        if (DiskEvents.recordsRequests()) {
            trace = from.trace;
        }
        bio = from.bio;
        bioDoneBytes = from.bioDoneBytes;
        lastBio = from.lastBio;
        mergedPieces = from.mergedPieces;
        from.bio = null;
        from.lastBio = null;
        from.bioDoneBytes = 0;
    }

    /** Makes an allocated request its caller's own: without bios, and freed by the caller. */
    void initPassThrough(Operation what) {
        assert state() == IDLE : this;
        resetTimeout();
        bio = null;
        operation = what;
        flags = 0;
        priority = IoPriority.NONE;
        lifetime = WriteLifetime.NOT_SET;
        sector = 0;
        bytes = 0;
        setStatus(Status.OK);
        passThrough = PassThrough.ALLOCATED;
    }

    /** Its caller sends it. */
    void beginPassThrough(Consumer<? super Request> ended) {
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
        Consumer<? super Request> ended = Objects.requireNonNull(passThroughEnded);
        setState(IDLE);
        passThrough = PassThrough.ALLOCATED;
        try {
            ended.accept(this);
        } catch (Throwable t) {
            CallbackFailures.report("completion of " + this, t);
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
    void cloneForFlush(TagRequest source) {
        assert state() == IDLE : this;
        assert source.state() == IDLE : source;
        ownBy(source.queue());
        ctx = source.ctx;
        hctx = source.hctx;
        tag = source.tag;
        goOnFrom(source);
        resetTimeout();
        operation = Operation.FLUSH;
        flags = 0;
        sector = 0;
        bytes = 0;
        setStatus(Status.OK);
        MemorySegment.copy(source.pdu, 0, pdu, 0, pdu.byteSize());
    }

    /** The flush request that this one lent its tag has ended: the next try is the one after its tries. */
    void takeTagBack(TagRequest flush) {
        goOnFrom(flush);
    }

    void dropFlags(int dropped) {
        flags &= ~dropped;
    }

    // ---- the way up

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
        Status result = status();
        EntryContext through = ctx;
        while (b != null) {
            BioState link = b;
            Bio following = link.next;
            if (following != null) {
                link.next = null;
            }
            BioState.finish(b, result, through);
            b = following;
        }
    }

    // ---- time-outs, on the timer's thread

    // ---- steps of its life

    @Override
    void completed() {
        queue().completeInDriver(this);
    }

    /**
     * Completes and ends it in one step, for a queue whose requests end as they complete ({@link DeviceQueue#endsAtOnce}).
     *
     * @return false if it has to go the whole way, and nothing has changed
     */
    boolean endAtOnce(Status result) {
        return queue().endsAtOnce(result) && leaveFlightEnded(result);
    }

    @Override
    void givenBack(boolean kick) {
        flags |= OFFERED;
        queue().requeue(this, kick);
    }

    @Override
    void offered() {
        flags |= OFFERED;
    }

    @Override
    void stray() {
        queue().countStrayCompletion(this);
    }

    @Override
    boolean isOwnedBy(RequestQueue queue) {
        return ownerVolatile() == queue;
    }

    @Override
    IoRuntime runtime() {
        return queue().set.runtime();
    }

    /**
     * The driver gets it next; its hand-over publishes the other fields.
     *
     * @return the generation of this try
     */
    long start() {
        QueueSettings q = owner;
        return start(q == null ? 0 : q.tick());
    }

    /** The block layer ends it, which the driver has not. The caller holds it. */
    void failUnissued(Status result) {
        assert state() == IDLE : this;
        issuedNanos = NOT_ISSUED;
        setState(COMPLETE);
        setStatus(result);
    }

    @Override
    public void setTimeoutNanos(long nanos) {
        if (nanos <= 0) {
            throw new IllegalArgumentException("timeout of " + nanos + " ns: must be positive");
        }
        useTimeout(queue().ticks(nanos));
    }

    @Override
    public String toString() {
        QueueSettings q = owner;
        return (flushesForOthers ? "flush request " : "request ") + tag + " of " + (q == null ? "no queue" : q.name())
                + " (" + operation + ", sector " + sector + ", " + bytes + " bytes, " + stateName() + ")";
    }
}
