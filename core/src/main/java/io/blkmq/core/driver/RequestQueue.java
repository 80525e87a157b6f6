package io.blkmq.core.driver;

import io.blkmq.core.Bio;
import io.blkmq.core.BioVec;
import io.blkmq.core.Operation;
import io.blkmq.core.QueueLimits;
import io.blkmq.core.Status;
import io.blkmq.runtime.IoBuffer;
import java.io.IOException;
import java.util.Arrays;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.Executor;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.LongAdder;
import java.util.concurrent.locks.Lock;
import java.util.function.Consumer;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * The queue of one device: takes bios, makes requests of them and sends those down. The kernel's counterpart is
 * {@code struct request_queue}. Thread-safe.
 *
 * <p>{@link #submit} checks the bio against the limits, cuts it if it is too large, gives it a bounce buffer if its memory may
 * not go to the device, takes a tag, which is a request, and issues that from the calling thread or leaves it with the caller's
 * plug.
 *
 * <p>A thread that submits may wait: for a tag ({@link Tags}) and at the gate of a frozen queue ({@link QueueGate}). One that is
 * completing may not, since it may be the one that frees tags; what it submits stands in the same line as threads do, or on a
 * {@link Backlog}.
 */
public final class RequestQueue {
    /** The most memory that bounce buffers of one queue take at a time, unless a single bio is larger. */
    static final long BOUNCE_BYTES_MAX = 16L << 20;
    /** Who waits for I/O of one polled context looks so often at that one, and then once at the others. */
    private static final int LOOKS_AT_ONE = 64;

    private final TagSet set;
    private final BlockDriver driver;
    private final String name;
    private final @Nullable Object queueData;
    /** What the queue has of host-wide tags; null where each hardware context has tags of its own. */
    private final @Nullable TagShare hostShare;
    /** Replaced only while the queue is frozen. */
    private volatile HardwareContext[] hctxs;
    /** Their number is a power of two. Replaced only while the queue is frozen, by more of them. */
    private volatile SoftwareContext[] contexts;
    /** How many there are, or will be when the queue is made. */
    private volatile int contextCount;
    private final QueueGate gate;
    /** Bios that wait without a thread: at the gate, and for bounce buffers. */
    private final Backlog atGate;
    private final Backlog forMemory;
    private final RequeueList requeued;
    private final Timeouts timeouts;
    private final Lock lock;
    /** Guarded by the lock. */
    private int quiesceDepth;
    /** Written under the lock. */
    private volatile QueueLimits limits;
    private volatile long capacitySectors;

    private final AtomicLong bouncingBytes = new AtomicLong();
    private volatile CompletionAffinity affinity;
    private final LongAdder bounces = new LongAdder();
    /** Whether what is done is counted, by {@link ContextCounters}. Changes only while the queue is frozen and nothing is in flight. */
    private volatile boolean iostats = true;
    private final BusyTime busyTime;
    /** The kernel's {@code queue/nomerges}: 0, 1 or 2. */
    private volatile int nomerges;
    /** Whether bios are merged at all: the tag set wants it and {@link #nomerges} does not forbid it. */
    private volatile boolean merges;
    /** The elevator at work; null for none. Changed under the tag set's lock for changes, while the queue is frozen. */
    private volatile @Nullable Scheduler scheduler;
    /** What the elevator was, while the hardware contexts are changed. Under the same lock. */
    private @Nullable AsideElevator aside;
    private final LongAdder strayCompletions = new LongAdder();

    RequestQueue(TagSet set, String name, QueueLimits limits, long capacitySectors, @Nullable Object queueData)
            throws IOException {
        this.set = set;
        this.driver = set.driver();
        this.name = name;
        this.limits = limits;
        this.capacitySectors = requireCapacity(capacitySectors);
        this.queueData = queueData;
        this.affinity = set.completionAffinity();
        this.merges = set.isMerging();
        this.busyTime = new BusyTime(this, set.runtime().nanoTime());
        this.lock = set.runtime().newLock();
        this.gate = new QueueGate(set.runtime(), set.parking());
        this.atGate = new Backlog(set);
        this.forMemory = new Backlog(set);
        this.requeued = new RequeueList(set.runtime());
        this.timeouts = new Timeouts(this, set.runtime(), set.timeoutNanos());
        this.hostShare = set.isHostWide() ? set.tags(0).newShare(this) : null;
        QueueLayout layout = set.layout();
        this.hctxs = new HardwareContext[0];
        this.contexts = new SoftwareContext[0];
        try {
            QueueMaps maps = newMaps(layout);
            this.contextCount = maps.byDefault().contexts();
            HardwareContext[] made = newContexts(layout.total());
            try {
                useContexts(made, maps, layout);
            } catch (Throwable t) {
                exitContexts(made, 0);
                throw t;
            }
        } catch (Throwable t) {
            if (hostShare != null) {
                set.tags(0).dropShare(hostShare);
            }
            throw t;
        }
    }

    // ---- contexts

    /**
     * Makes the hardware contexts that this queue has to have and has not yet.
     *
     * @param total how many in all
     * @return those that there are, and the new ones
     * @throws IOException if the driver could not prepare one; then nothing has changed
     */
    HardwareContext[] newContexts(int total) throws IOException {
        HardwareContext[] now = hctxs;
        HardwareContext[] made = Arrays.copyOf(now, Math.max(total, now.length));
        int ready = now.length;
        try {
            for (; ready < made.length; ready++) {
                TagShare share = hostShare != null ? hostShare : set.tags(ready).newShare(this);
                made[ready] = new HardwareContext(this, ready, QueueType.DEFAULT, share);
                initContext(made[ready]);
            }
        } finally {
            if (ready < made.length) {
                exitContexts(Arrays.copyOf(made, ready), now.length);
                dropShare(made[ready]);
            }
        }
        return made;
    }

    private void dropShare(@Nullable HardwareContext hctx) {
        if (hctx != null && hostShare == null) {
            hctx.tags.dropShare(hctx.share);
        }
    }

    @SuppressWarnings("NullAway") // a driver that gave its tag set no data expects none
    private void initContext(HardwareContext hctx) throws IOException {
        try {
            driver.initHctx(hctx, set.driverData(), hctx.index());
        } catch (Exception e) {
            throw new IOException(name + ": the driver could not prepare hardware context " + hctx.index(), e);
        }
        try {
            hctx.useFlushQueue(new FlushQueue(hctx));
        } catch (IOException e) {
            exitHctx(hctx);
            throw e;
        }
    }

    /** Undoes contexts, from an index on. No request goes through them. */
    void exitContexts(HardwareContext[] all, int from) {
        for (int i = from; i < all.length; i++) {
            all[i].retire();
            all[i].flushQueue().close();
            exitHctx(all[i]);
            dropShare(all[i]);
        }
    }

    private void exitHctx(HardwareContext hctx) {
        try {
            driver.exitHctx(hctx, hctx.index());
        } catch (Throwable t) {
            CallbackFailures.report("exitHctx of " + name, t);
        }
    }

    /**
     * The driver's maps for other numbers of hardware contexts.
     *
     * @throws IOException if the driver could not make one
     */
    QueueMaps newMaps(QueueLayout layout) throws IOException {
        int most = Math.max(layout.total(), set.runtime().processors());
        int count = Math.max(contexts.length, Integer.highestOneBit(most * 2 - 1));
        try {
            return QueueMaps.of(layout, count, driver);
        } catch (RuntimeException e) {
            throw new IOException(name + ": the driver could not map its hardware queues", e);
        }
    }

    /** Goes over to other hardware contexts. While the queue is frozen, or new. */
    void useContexts(HardwareContext[] all, QueueMaps maps, QueueLayout layout) {
        HardwareContext[] before = hctxs;
        HardwareContext[] now = Arrays.copyOf(all, layout.total());
        lock.lock();
        try {
            for (HardwareContext hctx : now) {
                hctx.setType(layout.typeOf(hctx.index()));
                hctx.setQuiesced(quiesceDepth > 0);
            }
            hctxs = now;
        } finally {
            lock.unlock();
        }
        SoftwareContext[] ctxs = Arrays.copyOf(contexts, maps.byDefault().contexts());
        for (int i = 0; i < ctxs.length; i++) {
            HardwareContext byDefault = now[maps.byDefault().hardwareQueue(i)];
            HardwareContext read = now[maps.reads().hardwareQueue(i)];
            HardwareContext poll = now[maps.polls().hardwareQueue(i)];
            if (i < contexts.length) {
                ctxs[i].map(byDefault, read, poll);
            } else {
                ctxs[i] = new SoftwareContext(i, this, byDefault, read, poll);
            }
            ctxs[i].hintWord = i * byDefault.tags.words() / ctxs.length;
        }
        contexts = ctxs;
        contextCount = ctxs.length;
        if (before.length > now.length) {
            exitContexts(before, now.length);
        }
    }

    /** All hardware contexts. */
    HardwareContext[] hardwareContextsNow() {
        return hctxs;
    }

    boolean hasActiveShares() {
        for (HardwareContext hctx : hctxs) {
            if (hctx.share.isActive()) {
                return true;
            }
        }
        return false;
    }

    void sharesBecomeIdle() {
        for (HardwareContext hctx : hctxs) {
            if (!hctx.share.hasWaiters()) {
                hctx.share.becomeIdle();
            }
        }
    }

    // ---- the way down

    /**
     * Submits a bio through the calling thread's context. It is the device's until its completion runs, perhaps before this
     * method returns. Waits for a tag, and at a frozen queue, unless the bio says NOWAIT; called by a completion it never waits.
     * An interrupt ends the wait, and the bio with {@link Status#INTR}, if nothing of it has been submitted yet; it is kept for the
     * caller.
     *
     * @param bio an idle bio
     * @throws IllegalArgumentException if it is empty, unaligned, negative or contradicts itself, or its memory can be used by
     *         one thread only
     * @throws IndexOutOfBoundsException if it reaches past the end of the device
     * @throws UnsupportedOperationException if it writes to a read-only device
     * @throws IllegalStateException if it is in flight, or the queue is closed
     * @throws WrongThreadException if the hardware context is polled by another thread, which alone may submit to it
     */
    public void submit(Bio bio) {
        submit(bio, contextOfCurrentThread());
    }

    /**
     * Submits a bio through a given context.
     *
     * @param bio an idle bio
     * @param ctx of this queue
     * @see #submit(Bio)
     */
    public void submit(Bio bio, SoftwareContext ctx) {
        submit(bio, ctx, null);
    }

    void submit(Bio bio, SoftwareContext ctx, @Nullable SectorRange range) {
        CompletionBatch current = CompletionBatch.current();
        if (current == null) {
            requireSubmitter(ctx.hardwareContext(bio.operation(), bio.flags()));
        }
        accept(bio, range);
        if (current != null) {
            current.defer(bio, ctx);
        } else {
            send(bio, ctx, null, Wait.INTERRUPTIBLE);
        }
    }

    /**
     * Submits a bio and leaves it with a plug.
     *
     * @param bio an idle bio
     * @param plug of this queue, the calling thread's
     * @see #submit(Bio)
     */
    public void submit(Bio bio, RequestBatch plug) {
        submit(bio, plug, null);
    }

    void submit(Bio bio, RequestBatch plug, @Nullable SectorRange range) {
        requireSubmitter(plug.context().hardwareContext(bio.operation(), bio.flags()));
        accept(bio, range);
        if (plug.isGoingDown()) {
            // By a driver that is being given the batch, which is in the block layer.
            Objects.requireNonNull(CompletionBatch.current()).defer(bio, plug.context());
        } else {
            send(bio, plug.context(), plug, Wait.INTERRUPTIBLE);
        }
    }

    private void requireSubmitter(HardwareContext hctx) {
        if (hctx.isPolled()) {
            driver.requireSubmitter(hctx);
        }
    }

    /**
     * Refuses the calling thread if what it submits would be refused because another thread polls for it, and does nothing else.
     *
     * @param operation what it is about to submit
     * @param ctx through which context
     * @throws WrongThreadException if so
     */
    public void requireSubmitter(Operation operation, SoftwareContext ctx) {
        requireSubmitter(ctx.hardwareContext(operation, 0));
    }

    /** Sends a bio whose submitter could not wait. */
    void submitDeferred(Bio bio, RequestBatch batch) {
        send(bio, batch.context(), batch, Wait.NONE);
    }

    /** Sends a bio that has waited without a thread: until it was given a tag, or until it looks like it could go on. */
    void submitWaited(Bio bio, RequestBatch.Deferred batch) {
        BioState state = bio;
        batch.begin(state.granted, state.isTrying);
        state.granted = null;
        state.isTrying = false;
        if (!isRefusedNow(bio)) {
            send(bio, batch.context(), batch, Wait.NONE);
        }
        // From here on the bio may be anybody's.
        Request unused = batch.takeGranted();
        if (unused != null) {
            giveBackGranted(unused);
        }
        if (batch.endTrying()) {
            forMemory.settle();
            tryForMemory();
        }
    }

    /**
     * Refuses what {@link #submit} would refuse because of what the bio asks or where, and does nothing else.
     *
     * @param bio an idle bio
     */
    public void check(Bio bio) {
        BioCheck.check(bio, this, null);
    }

    /** Checks a bio and takes it from its caller. What is usual passes by one comparison. */
    private void accept(Bio bio, @Nullable SectorRange range) {
        long base = 0;
        long end = capacitySectors;
        if (range != null) {
            base = range.startSector();
            end = range.endFor(end);
        }
        int blockMask = limits.logicalBlockBytes() - 1;
        long bytes = bio.bytes();
        long sector = bio.sector();
        BioState state = bio;
        if (((bytes | (base | sector) << 9) & blockMask) != 0 || bytes <= 0 || sector < 0
                || sector > end - (bytes >>> 9) || bio.vecCount() == 0 || bio.operation() != Operation.READ
                || bio.flags() != 0 || gate.isDying()) {
            BioCheck.check(bio, this, range);
        }
        if (state.hasOddMemory()) {
            for (int i = 0; i < bio.vecCount(); i++) {
                BioCheck.checkMemory(bio, bio.vec(i));
            }
        }
        // A flush is the whole device's.
        state.claim(range, bytes == 0 ? 0 : base);
    }

    private void send(Bio bio, SoftwareContext ctx, @Nullable RequestBatch plug, Wait wait) {
        BioState state = bio;
        BioSplit begun = state.split;
        if (begun != null) {
            state.split = null;
            sendParts(begun, ctx, plug, wait);
            return;
        }
        QueueLimits lim = limits;
        // What was bounced for other limits may be cut otherwise by these.
        state.unbounceUnless(lim);
        if (!BioSplit.isNeeded(bio, lim)) {
            sendPart(bio, ctx, plug, wait, lim);
        } else if (!isSupported(bio.operation(), lim)) {
            end(bio, Status.NOTSUPP);
        } else if ((bio.flags() & Bio.NOWAIT) != 0) {
            // A part could find no tag after others have gone, and the bio could not be refused any more.
            end(bio, Status.AGAIN);
        } else {
            sendParts(new BioSplit(bio, lim), ctx, plug, wait);
        }
    }

    /** Cuts a bio and sends its parts, until all are gone or one cannot go on: then the whole waits in its line. */
    private void sendParts(BioSplit split, SoftwareContext ctx, @Nullable RequestBatch plug, Wait wait) {
        Wait waitNow = wait;
        while (split.hasNext()) {
            Status refusal = split.limits() != limits ? refusalOfRest(split) : null;
            if (refusal == null && (gate.isDying() || isShutOut(split.whole()))) {
                refusal = Status.NODEV;
            }
            if (refusal != null) {
                split.abandon(refusal);
                return;
            }
            Bio part = split.next();
            BioState state = part;
            sendPart(part, ctx, plug, waitNow, split.limits());
            // Written by this thread, within sendPart.
            if (state.takenBack) {
                // From here on the split is the line's.
                return;
            }
            if (split.hasFailed()) {
                break;
            }
            // Something of it has been submitted.
            waitNow = wait == Wait.INTERRUPTIBLE ? Wait.UNINTERRUPTIBLE : wait;
        }
        split.allCut();
    }

    /** How what is left of a bio has to end, now that the limits have changed; null if it can go on by the new ones. */
    private @Nullable Status refusalOfRest(BioSplit split) {
        Status refusal = refusal(split.whole());
        QueueLimits lim = limits;
        if (refusal == null && !isSupported(split.whole().operation(), lim)) {
            refusal = Status.NOTSUPP;
        }
        return !split.useLimits(lim) && refusal == null ? Status.INVAL : refusal;
    }

    private static boolean isSupported(Operation operation, QueueLimits lim) {
        return switch (operation) {
            case DISCARD -> lim.discardBytesMax() > 0;
            case WRITE_ZEROES -> lim.writeZeroesBytesMax() > 0;
            case READ, WRITE, FLUSH -> true;
        };
    }

    /** Sends a bio that is within the limits. */
    private void sendPart(Bio bio, SoftwareContext ctx, @Nullable RequestBatch plug, Wait wait, QueueLimits lim) {
        int steps = FlushSequence.DATA;
        boolean durable = bio.operation() == Operation.FLUSH || (bio.flags() & (Bio.PREFLUSH | Bio.FUA)) != 0;
        if (durable) {
            steps = FlushSequence.policy(bio, lim);
            if (steps == 0) {
                end(bio, Status.OK);
                return;
            }
        }
        if (bio.vecCount() != 0 && needsBounce(bio, lim) && !bounce(bio, ctx, plug, lim)) {
            return;
        }
        boolean sequenced = steps != FlushSequence.DATA;
        if (!sequenced && merges && mayMeet(bio, ctx, plug) && merge(bio, ctx, plug, lim)) {
            return;
        }
        Request rq = wait != Wait.NONE && (bio.flags() & Bio.NOWAIT) == 0
                ? get(bio, ctx, plug, sequenced, wait == Wait.INTERRUPTIBLE)
                : tryGet(bio, ctx, plug, sequenced);
        if (rq == null) {
            return;
        }
        // From here on the tag keeps a freeze from ending, and so the limits from changing and a range from being closed.
        if (limits != lim || isShutOut(bio)) {
            giveBack(rq, rq.hardwareContext());
            sendAgain(bio, ctx, plug, wait);
            return;
        }
        rq.init(bio);
        if (durable && !lim.hasFua()) {
            // A flush after the data does it, or nothing has to: without a cache the request is one like any other.
            rq.dropFlags(lim.hasWriteCache() ? Bio.FUA : Bio.FUA | Bio.PREFLUSH);
        }
        if (sequenced) {
            startSequence(rq, steps);
        } else if (plug != null) {
            plug.add(rq);
        } else {
            issue(rq);
        }
    }

    /** Whether there may be a request that a bio could join. For most there is none, and they are asked no more than this. */
    private static boolean mayMeet(Bio bio, SoftwareContext ctx, @Nullable RequestBatch plug) {
        return (plug != null && plug.touches(bio)) || ctx.hardwareContext(bio.operation(), bio.flags()).hasWork();
    }

    /** Lets a bio join a request that waits: with the plug, with the elevator, or on the list of its hardware context. */
    private boolean merge(Bio bio, SoftwareContext ctx, @Nullable RequestBatch plug, QueueLimits lim) {
        if (!Merging.mayMerge(bio, lim) || isShutOut(bio)) {
            return false;
        }
        HardwareContext hctx = ctx.hardwareContext(bio.operation(), bio.flags());
        boolean merged;
        if (plug != null && plug.merge(bio, hctx, lim)) {
            merged = true;
        } else if (!hctx.hasWork() || !gate.isOpen()) {
            // At a frozen queue a bio waits, and joins nothing.
            merged = false;
        } else {
            merged = mergeWaiting(bio, ctx, hctx, lim);
        }
        if (merged) {
            countMerge(ctx, bio.operation());
        }
        return merged;
    }

    private boolean mergeWaiting(Bio bio, SoftwareContext ctx, HardwareContext hctx, QueueLimits lim) {
        Scheduler elevator = hctx.scheduler();
        if (elevator == null) {
            return hctx.mergeWaiting(bio, ctx, lim);
        }
        if (!mergesFurther()) {
            return false;
        }
        CompletionBatch batch = CompletionBatch.enter();
        try {
            return elevator.merge(hctx.index(), bio, lim, batch);
        } finally {
            batch.leave();
        }
    }

    /** Whether neighbours are looked for beyond the newest request. */
    boolean mergesFurther() {
        return merges && nomerges == 0;
    }

    void countMerge(SoftwareContext ctx, Operation operation) {
        if (iostats) {
            ctx.counters.add(ContextCounters.groupOf(operation) * ContextCounters.FIGURES + ContextCounters.MERGES, 1);
        }
    }

    /** A request has ended in part. */
    void countDone(Request rq, long bytes) {
        if (iostats) {
            int at = ContextCounters.groupOf(rq.operation()) * ContextCounters.FIGURES + ContextCounters.SECTORS;
            rq.softwareContext().counters.add(at, bytes / QueueLimits.SECTOR_BYTES);
        }
    }

    /** Requests are on their way to the elevator or the driver. Returns the time, if it is counted. */
    private long countSent(int requests, SoftwareContext ctx, CompletionBatch batch) {
        if (!iostats) {
            return 0;
        }
        long now = batch.nowNanos(set.runtime());
        ctx.counters.sent(requests, now);
        return now;
    }

    /** Sends a bio by limits that have changed on its way. */
    private void sendAgain(Bio bio, SoftwareContext ctx, @Nullable RequestBatch plug, Wait wait) {
        BioState state = bio;
        if (state.split != null) {
            state.unbounce();
            state.split.takeBack();
        } else if (!isRefusedNow(bio)) {
            send(bio, ctx, plug, wait);
        }
    }

    /** Ends a bio that waited while its queue changed, and that the queue would refuse now. */
    private boolean isRefusedNow(Bio bio) {
        Status refusal = refusal(bio);
        if (refusal == null) {
            return false;
        }
        BioState state = bio;
        BioSplit begun = state.split;
        if (begun != null) {
            state.split = null;
            begun.abandon(refusal);
        } else {
            end(bio, refusal);
        }
        return true;
    }

    /**
     * Ends a bio that has no request, within the block layer like any other end: its completion may not wait, and what that submits is
     * put off.
     */
    private static void end(Bio bio, Status status) {
        CompletionBatch batch = CompletionBatch.enter();
        try {
            batch.end(bio, status);
        } finally {
            batch.leave();
        }
    }

    /** How a bio that was accepted has to end, because the queue would refuse it now; null if it would not. */
    private @Nullable Status refusal(Bio bio) {
        BioState state = bio;
        try {
            BioCheck.check(bio, this, state.range);
            return null;
        } catch (RuntimeException e) {
            return gate.isDying() || isShutOut(bio) ? Status.NODEV : Status.INVAL;
        }
    }

    private static boolean isShutOut(Bio bio) {
        BioState state = bio;
        return state.isShutOut();
    }

    private void startSequence(Request rq, int steps) {
        CompletionBatch batch = CompletionBatch.enter();
        try {
            rq.sent(countSent(1, rq.softwareContext(), batch));
            rq.notIssued();
            if (!batch.isNested()) {
                rq.hardwareContext().beginServing(batch);
            }
            rq.hardwareContext().flushQueue().submit(rq, steps, batch);
        } finally {
            batch.leave();
        }
    }

    private void issue(Request rq) {
        CompletionBatch batch = CompletionBatch.enter();
        try {
            if (!rq.isPassThrough()) {
                rq.sent(countSent(1, rq.softwareContext(), batch));
            }
            Scheduler elevator = rq.scheduler;
            if (elevator == null) {
                rq.hardwareContext().issue(rq, !batch.isNested(), batch);
            } else {
                rq.hardwareContext().schedule(elevator, rq, !batch.isNested(), batch);
            }
        } finally {
            batch.leave();
        }
    }

    /** Sends a batch down, which is not empty. Nobody is told anything meanwhile. */
    void issue(RequestBatch requests, CompletionBatch batch) {
        long now = countSent(requests.size(), requests.context(), batch);
        Scheduler elevator = requests.request(0).scheduler;
        if (elevator == null) {
            requests.hardwareContext().issue(requests, now, !batch.isNested(), batch);
        } else {
            requests.hardwareContext().schedule(elevator, requests, now, !batch.isNested(), batch);
        }
    }

    // ---- tags

    /** Whether and how a submitter waits for what is missing. */
    private enum Wait {
        NONE, INTERRUPTIBLE, UNINTERRUPTIBLE
    }

    /**
     * A request for a bio of a thread that may wait. Null if the queue is dying, or the wait was interrupted, and the bio has ended; or
     * if it turns out that the thread is completing and uses a plug: then it may not wait, and the bio stands in a line without it.
     */
    private @Nullable Request get(Bio bio, SoftwareContext ctx, @Nullable RequestBatch plug, boolean sequenced,
            boolean interruptible) {
        for (;;) {
            int opened = gate.state();
            if (!QueueGate.isOpen(opened)) {
                if (gate.isDying()) {
                    end(bio, Status.NODEV);
                    return null;
                }
                flushBeforeWait(plug);
                if (mustNotWait(plug)) {
                    return tryGet(bio, ctx, plug, sequenced);
                }
                if (!gate.awaitOpen(interruptible)) {
                    end(bio, Status.INTR);
                    return null;
                }
                continue;
            }
            HardwareContext hctx = ctx.hardwareContext(bio.operation(), bio.flags());
            TagShare source = hctx.source(bio, sequenced);
            Request rq = tryTake(ctx, hctx, source, plug);
            if (rq == null) {
                flushBeforeWait(plug);
                if (mustNotWait(plug)) {
                    return tryGet(bio, ctx, plug, sequenced);
                }
                rq = awaitTag(ctx, hctx, source, false, interruptible);
                if (rq == null) {
                    if (interruptible && Thread.currentThread().isInterrupted()) {
                        end(bio, Status.INTR);
                        return null;
                    }
                    continue;
                }
            }
            if (enter(rq, ctx, hctx, opened)) {
                return rq;
            }
        }
    }

    /**
     * A request for a bio whose thread does not wait. Null if there is none: the bio has ended, or stands in a line, from where it goes on
     * by itself.
     */
    private @Nullable Request tryGet(Bio bio, SoftwareContext ctx, @Nullable RequestBatch plug, boolean sequenced) {
        int opened = gate.state();
        HardwareContext hctx = ctx.hardwareContext(bio.operation(), bio.flags());
        TagShare source = hctx.source(bio, sequenced);
        if (QueueGate.isOpen(opened)) {
            Request rq = plug == null ? null : plug.takeGranted();
            if (rq != null && rq.tags != source.tags) {
                // The elevator or the maps have changed since it was handed over.
                giveBackGranted(rq);
                rq = null;
            }
            if (rq == null) {
                rq = tryTake(ctx, hctx, source, plug);
            }
            if (rq != null && enter(rq, ctx, hctx, opened)) {
                return rq;
            }
        }
        if (gate.isDying()) {
            end(bio, Status.NODEV);
        } else if ((bio.flags() & Bio.NOWAIT) != 0) {
            end(bio, Status.AGAIN);
        } else if (gate.isOpen()) {
            source.await(inLine(bio, ctx), ctx);
        } else {
            atGate.add(inLine(bio, ctx));
            // After adding: pairs with who opens the gate, or ends the queue, and then looks at who stands there.
            if (gate.isOpen() || gate.isDying()) {
                letIn();
            }
        }
        return null;
    }

    private static @Nullable Request tryTake(SoftwareContext ctx, HardwareContext hctx, TagShare source,
            @Nullable RequestBatch plug) {
        return plug == null ? source.tryGet(ctx) : plug.tryGet(hctx, source);
    }

    /**
     * Brings a request that has just got its tag through the gate. After taking the tag: this look at the gate pairs with a freezer,
     * which closes the gate and then looks at the tags.
     *
     * @param opened the state of the gate before anything else was looked at
     * @return false if the gate has been closed since: then the tag has been given back
     */
    private boolean enter(Request rq, SoftwareContext ctx, HardwareContext hctx, int opened) {
        rq.ownBy(this);
        if (gate.state() == opened) {
            timeouts.tagTaken();
            rq.route(ctx, hctx);
            return true;
        }
        giveBack(rq, hctx);
        return false;
    }

    /** Without a plug a completing thread does not come here: what it submits is put off. */
    private static boolean mustNotWait(@Nullable RequestBatch plug) {
        return plug != null && CompletionBatch.current() != null;
    }

    /** What the calling thread holds back may be what it is going to wait for. */
    private void flushBeforeWait(@Nullable RequestBatch plug) {
        if (CompletionBatch.current() == null) {
            OpenPlugs.flushOwn();
        } else if (plug != null) {
            plug.flushTo(this);
        }
    }

    /**
     * Waits for a tag; who polls for the completions of its context polls meanwhile, since nobody else would free one. It does so without a
     * place in the line only while nobody takes what it frees: where others stand in line, or what its completions submit has taken the
     * tags, it stands in line, too.
     *
     * @return null if polled, interrupted or turned away
     */
    private @Nullable Request awaitTag(SoftwareContext ctx, HardwareContext hctx, TagShare source, boolean reserved,
            boolean interruptible) {
        if (!hctx.isPolled() || source.hasWaiters() || !mayPoll(hctx)) {
            return source.await(ctx, reserved, interruptible);
        }
        int found = poll(hctx, ctx);
        if (found == 0 && (hostShare != null || hctx.tags.isShared())) {
            // What went through other contexts, or is another queue's, may hold the tags.
            found = set.parking().poll();
        }
        if (found == 0) {
            Parking.spinWait(set.runtime());
            return null;
        }
        Request rq = reserved ? source.tryGetReserved() : source.tryGet(ctx);
        return rq != null ? rq : source.await(ctx, reserved, interruptible);
    }

    /** Gives back a request that nothing has become of. */
    private void giveBack(Request rq, HardwareContext hctx) {
        Scheduler elevator = rq.scheduler;
        CompletionBatch batch = CompletionBatch.enter();
        try {
            if (elevator == null) {
                putTags(hctx, rq.word, rq.mask, rq.reserved, batch);
            } else {
                elevator.putTag(rq, batch);
            }
        } finally {
            batch.leave();
        }
    }

    /** Gives tags of the driver's back. */
    void putTags(HardwareContext hctx, int word, long mask, boolean reserved, CompletionBatch batch) {
        putTags(hctx.tags, word, mask, reserved, batch);
        if (hctx.hasWork()) {
            batch.runLater(hctx);
        }
    }

    private void putTags(Tags tags, int word, long mask, boolean reserved, CompletionBatch batch) {
        tags.put(word, mask, reserved);
        tagsFreed(Long.bitCount(mask), batch);
        // After the tags are free: pairs with a context that says that it misses one and then looks once more.
        if (!tags.withoutTag.isEmpty()) {
            tags.withoutTag.run(Long.bitCount(mask), batch);
        }
    }

    /** A tag that this queue used last belongs to another queue now: whoever waits for this queue's tags looks again. */
    void tagLeft() {
        if (!gate.isOpen()) {
            gate.tagsFreed();
        }
    }

    /** More tags than before are handed out. */
    void tagsAdded() {
        if (scheduler != null) {
            runAll();
        }
    }

    /** After tags were given back, and those who wait for them were served: whatever else may have waited for them goes on. */
    void tagsFreed(int count, CompletionBatch batch) {
        if (!gate.isOpen()) {
            gate.tagsFreed();
        }
        if (!set.refused.isEmpty()) {
            set.refused.run(count, batch);
        }
    }

    /**
     * Gives back a tag that a bio was given in its line and has no use for: to the tags that it is of, since the elevator may have been
     * closed and the hardware context undone meanwhile.
     */
    private void giveBackGranted(Request rq) {
        CompletionBatch batch = CompletionBatch.enter();
        try {
            Scheduler elevator = rq.scheduler;
            if (elevator != null) {
                elevator.putTag(rq, batch);
                return;
            }
            putTags(rq.tags, rq.word, rq.mask, rq.reserved, batch);
            for (HardwareContext hctx : hctxs) {
                if (hctx.tags == rq.tags && hctx.hasWork()) {
                    batch.runLater(hctx);
                }
            }
        } finally {
            batch.leave();
        }
    }

    // ---- bios that wait without a thread

    /**
     * Makes a bio ready to stand in a line: in a part's place its whole does, so that a bio of any length stands in one line at most.
     *
     * @return what stands there; once it does it is not the calling thread's any more
     */
    private static Bio inLine(Bio bio, SoftwareContext ctx) {
        BioState state = bio;
        BioSplit split = state.split;
        Bio stands = bio;
        if (split != null) {
            state.unbounce();
            state.takenBack = true;
            split.takeBack();
            stands = split.whole();
            ((BioState) stands).split = split;
        }
        BioState waits = stands;
        waits.context = ctx;
        return stands;
    }

    /** Lets those go on that stand at the gate: it is open, or open for nobody any more. */
    private void letIn() {
        goOn(atGate);
    }

    private static void goOn(Backlog waiting) {
        CompletionBatch batch = CompletionBatch.enter();
        try {
            for (Bio bio = waiting.poll(); bio != null; bio = waiting.poll()) {
                batch.goOn(bio);
            }
        } finally {
            batch.leave();
        }
    }

    /** Lets the first bio that waits for a bounce buffer try to get one. When it has one, the next is let. */
    private void tryForMemory() {
        if (forMemory.isEmpty()) {
            return;
        }
        CompletionBatch batch = CompletionBatch.enter();
        try {
            Bio bio = forMemory.letTry();
            if (bio != null) {
                BioState state = bio;
                state.isTrying = true;
                batch.goOn(bio);
            }
        } finally {
            batch.leave();
        }
    }

    // ---- bounce buffers

    private static boolean needsBounce(Bio bio, QueueLimits lim) {
        if (lim.takesAnyMemory()) {
            return BioSplit.isIllShaped(bio, lim) && !((BioState) bio).isBounced();
        }
        BioState memory = bio;
        if (memory.isBounced()) {
            return false;
        }
        return !memory.isAligned(lim.dmaAlignmentBytes()) || (memory.hasForeignMemory() && !isVouchedFor(bio))
                || BioSplit.isIllShaped(bio, lim);
    }

    /** Whether all of the memory that is not blkmq's own may go to the device as it is, because the caller says so. */
    private static boolean isVouchedFor(Bio bio) {
        if ((bio.flags() & Bio.CALLER_MEMORY) == 0) {
            return false;
        }
        for (int i = 0; i < bio.vecCount(); i++) {
            BioVec vec = bio.vec(i);
            if (!vec.isPooled() && !vec.memory().isNative()) {
                return false;
            }
        }
        return true;
    }

    /** Gives a bio a bounce buffer. If it can have none now, or never, it stands in the line for one or has ended. */
    private boolean bounce(Bio bio, SoftwareContext ctx, @Nullable RequestBatch plug, QueueLimits lim) {
        long bytes = BioState.bounceBytes(bio.bytes(), lim);
        boolean first = plug != null && plug.isTrying();
        // Those who have waited come first.
        if ((!first && !forMemory.isEmpty()) || !takeBounceBytes(bytes)) {
            if (gate.isDying()) {
                end(bio, Status.NODEV);
            } else if ((bio.flags() & Bio.NOWAIT) != 0) {
                end(bio, Status.AGAIN);
            } else {
                if (first && plug != null && plug.endTrying()) {
                    forMemory.addFirst(inLine(bio, ctx));
                } else {
                    forMemory.add(inLine(bio, ctx));
                }
                // After adding: pairs with who frees memory, or ends the queue, and then looks at who waits for it.
                if (gate.isDying() || mayBounce(bouncingBytes.get(), bytes)) {
                    tryForMemory();
                }
            }
            return false;
        }
        try {
            copyOut(bio, IoBuffer.allocate(bytes), lim);
        } catch (RuntimeException | OutOfMemoryError e) {
            // The caller has closed its arena, or the pool is at its limit.
            bounceEnded(bytes);
            CallbackFailures.report("bounce buffer for " + bio, e);
            end(bio, Status.IOERR);
            return false;
        }
        bounces.increment();
        return true;
    }

    private void copyOut(Bio bio, IoBuffer buffer, QueueLimits lim) {
        try {
            BioState.bounce(bio, buffer, this, lim);
        } catch (RuntimeException e) {
            buffer.close();
            throw e;
        }
    }

    private boolean takeBounceBytes(long bytes) {
        for (;;) {
            long now = bouncingBytes.get();
            if (!mayBounce(now, bytes)) {
                return false;
            }
            if (bouncingBytes.compareAndSet(now, now + bytes)) {
                return true;
            }
        }
    }

    private static boolean mayBounce(long now, long bytes) {
        return now == 0 || now + bytes <= BOUNCE_BYTES_MAX;
    }

    void bounceEnded(long bytes) {
        bouncingBytes.addAndGet(-bytes);
        tryForMemory();
    }

    // ---- the way up

    /** The driver's half of a completion, here or where the submitter is. */
    void completeInDriver(Request rq) {
        CompletionAffinity wanted = affinity;
        if (wanted != CompletionAffinity.ANY && !rq.hardwareContext().isPolled()) {
            CompletionRelay relay = rq.softwareContext().relay;
            if (relay.takes(rq.hardwareContext(), contextOfCurrentThread(), wanted)) {
                relay.push(rq);
                return;
            }
        }
        completeHere(rq);
    }

    void completeHere(Request rq) {
        try {
            driver.complete(rq);
        } catch (Throwable t) {
            CallbackFailures.report("complete of " + name, t);
            if (rq.state() == Request.COMPLETE) {
                rq.end(Status.IOERR);
            }
        }
    }

    void countStrayCompletion(Request rq) {
        strayCompletions.increment();
        CallbackFailures.report(name + ": completion of a request that is not in flight: " + rq);
    }

    /**
     * Looks for completions on a polled queue, and tells them, all on the calling thread. Never waits.
     *
     * @param ctx whose hardware context to look at
     * @return how many were found; 0 if this queue is not polled, or if called by a completion
     */
    public int poll(SoftwareContext ctx) {
        HardwareContext polled = ctx.hardwareContext(QueueType.POLL);
        if (!polled.isPolled()) {
            return 0;
        }
        int found = poll(polled, ctx);
        HardwareContext reads = ctx.hardwareContext(QueueType.READ);
        return reads != polled && reads.isPolled() ? found + poll(reads, ctx) : found;
    }

    /**
     * Looks for completions where a request's would be found, and tells them. Never waits. The kernel's counterpart is
     * {@code blk_rq_poll}.
     *
     * @param rq a request of the caller's own
     * @return how many were found; 0 if its hardware context is not polled, or if called by a completion
     */
    public int poll(Request rq) {
        HardwareContext hctx = rq.hardwareContext();
        return hctx.isPolled() ? poll(hctx, rq.softwareContext()) : 0;
    }

    int poll(HardwareContext hctx, SoftwareContext ctx) {
        CompletionBatch batch = CompletionBatch.enter();
        try {
            if (batch.isNested()) {
                return 0;
            }
            batch.serve(hctx);
            int found = driver.poll(hctx, ctx);
            if (hctx.mayDispatch()) {
                // Left here by a thread that is not the one to issue it.
                batch.runLater(hctx);
            }
            return found;
        } catch (Throwable t) {
            CallbackFailures.report("poll of " + name, t);
            return 0;
        } finally {
            batch.leave();
        }
    }

    /** Whether the calling thread may poll a polled context. */
    boolean mayPoll(HardwareContext hctx) {
        try {
            return driver.mayPoll(hctx);
        } catch (Throwable t) {
            CallbackFailures.report("mayPoll of " + name, t);
            return false;
        }
    }

    /** Whether the calling thread, which polls a context or submits to it, may give the driver what waits there. */
    boolean claim(HardwareContext hctx) {
        try {
            return driver.claim(hctx);
        } catch (Throwable t) {
            CallbackFailures.report("claim of " + name, t);
            return false;
        }
    }

    /**
     * Looks once for completions of everything that is in flight and that the calling thread may poll for, whoever has submitted it: for
     * a thread that waits for another one's I/O. Never waits.
     */
    public void pollInFlight() {
        int _ = set.parking().poll();
    }

    /**
     * One step of a wait for I/O that the calling thread has submitted, or another for it: polls if the I/O is polled and the thread may,
     * and otherwise parks, until it is unparked or for no reason. Who waits looks again after each step whether it has ended.
     *
     * @param blocker for people
     * @param ctx the context that the I/O was submitted through
     * @param flags of its bio
     * @param looks how many steps there were before
     * @param nanos how long to park at the most; {@link Long#MAX_VALUE} for ever
     */
    public void awaitEnd(Object blocker, SoftwareContext ctx, int flags, int looks, long nanos) {
        awaitEnd(blocker, ctx.hardwareContext(Operation.READ, flags), ctx, looks, nanos);
    }

    private void awaitEnd(Object blocker, HardwareContext hctx, SoftwareContext ctx, int looks, long nanos) {
        PollingPark parking = set.parking();
        if (hctx.isPolled() && mayPoll(hctx)) {
            if (poll(hctx, ctx) == 0) {
                if (looks % LOOKS_AT_ONE == LOOKS_AT_ONE - 1) {
                    // Now and then at all that there is: it may wait for what went through another context.
                    int _ = parking.poll();
                }
                Parking.spinWait(set.runtime());
            }
        } else {
            parking.parkNanos(blocker, nanos);
        }
    }

    // ---- requests without bios

    /**
     * A request of the caller's own, for a command that is no I/O of a bio: a driver's or a test's. The caller fills what the
     * driver looks at (PDU, typed object), executes it as often as it likes, and frees it; until then it holds a tag, and a freeze
     * waits for it. Waits for a tag, and at a frozen queue. The kernel's counterpart is {@code blk_mq_alloc_request}.
     *
     * @param operation what the driver is told
     * @param reserved whether to take one of the reserved tags, which no bio gets
     * @return the request
     * @throws IllegalArgumentException if a reserved tag is asked for and the tag set has none
     * @throws IllegalStateException if the queue is closed, or if called by a completion
     * @throws InterruptedException if the calling thread is interrupted while it waits
     */
    public Request allocateRequest(Operation operation, boolean reserved) throws InterruptedException {
        refuseInCompletion("allocateRequest");
        for (;;) {
            Request rq = takeOwn(operation, reserved, true);
            if (rq != null) {
                return rq;
            }
            if (Thread.interrupted()) {
                throw new InterruptedException(name + ": interrupted while waiting for a request");
            }
        }
    }

    /**
     * Like {@link #allocateRequest}, without waiting (BLK_MQ_REQ_NOWAIT).
     *
     * @param operation what the driver is told
     * @param reserved whether to take one of the reserved tags, which no bio gets
     * @return the request, null if there is no tag now or the queue is frozen
     * @throws IllegalArgumentException if a reserved tag is asked for and the tag set has none
     * @throws IllegalStateException if the queue is closed
     */
    public @Nullable Request tryAllocateRequest(Operation operation, boolean reserved) {
        return takeOwn(operation, reserved, false);
    }

    /** A request, or null if there is none now; then the wait for what was missing is over. */
    private @Nullable Request takeOwn(Operation operation, boolean reserved, boolean mayWait) {
        if (reserved && set.reservedTags() == 0) {
            throw new IllegalArgumentException(name + ": a reserved tag is asked for, but the tag set has none");
        }
        int opened = gate.state();
        if (gate.isDying()) {
            throw new IllegalStateException(name + " is closed");
        }
        SoftwareContext ctx = contextOfCurrentThread();
        HardwareContext hctx = ctx.hardwareContext(operation, 0);
        Request rq = null;
        if (QueueGate.isOpen(opened)) {
            rq = reserved ? hctx.share.tryGetReserved() : hctx.share.tryGet(ctx);
            if (rq == null && mayWait) {
                flushBeforeWait(null);
                rq = awaitTag(ctx, hctx, hctx.share, reserved, true);
            }
        } else if (mayWait) {
            flushBeforeWait(null);
            gate.awaitOpen(true);
        }
        if (rq == null || !enter(rq, ctx, hctx, opened)) {
            return null;
        }
        rq.initPassThrough(operation);
        return rq;
    }

    /**
     * Sends a request of the caller's own to the driver.
     *
     * @param rq from {@link #allocateRequest}, not in flight
     * @param ended is told once, with the request's {@link Request#status()}; the rules of {@link io.blkmq.core.BioCompletion} hold
     * @throws IllegalStateException if the request is in flight, or not the caller's
     */
    public void execute(Request rq, Consumer<Request> ended) {
        rq.beginPassThrough(ended);
        CompletionBatch current = CompletionBatch.current();
        if (current != null) {
            rq.hardwareContext().defer(rq);
            current.runLater(rq.hardwareContext());
        } else {
            issue(rq);
        }
    }

    /**
     * Sends a request of the caller's own to the driver and waits until it has ended. An interrupt does not end the wait and is
     * kept for the caller. The kernel's counterpart is {@code blk_execute_rq}.
     *
     * @param rq from {@link #allocateRequest}, not in flight
     * @return how it ended
     * @throws IllegalStateException if the request is in flight or not the caller's, or if called by a completion
     */
    public Status execute(Request rq) {
        requireNoCompletion("execute");
        Thread waiter = Thread.currentThread();
        AtomicBoolean ended = new AtomicBoolean();
        execute(rq, _ -> {
            ended.set(true);
            set.runtime().unpark(waiter);
        });
        boolean interrupted = false;
        for (int looks = 0; !ended.get(); looks++) {
            awaitEnd(this, rq.hardwareContext(), rq.softwareContext(), looks, Long.MAX_VALUE);
            interrupted |= Thread.interrupted();
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
        return rq.status();
    }

    /**
     * Gives a request of the caller's own back.
     *
     * @param rq from {@link #allocateRequest}, not in flight
     * @throws IllegalStateException if it is in flight, or was freed before
     */
    public void free(Request rq) {
        rq.endPassThrough();
        giveBack(rq, rq.hardwareContext());
    }

    // ---- requeue

    void requeue(Request rq, boolean kick) {
        requeued.add(rq.scheduled == null || rq.isPrepared() ? rq : handBack(rq));
        // After adding: pairs with who ends the queue, says so and then kicks the list.
        if (kick || gate.isDying()) {
            kickRequeueList();
        }
    }

    /** What the driver has given back is the scheduler's again, and its tag is free. */
    private Request handBack(Request carrier) {
        Request rq = Objects.requireNonNull(carrier.scheduled);
        rq.takeBackFrom(carrier);
        CompletionBatch batch = CompletionBatch.enter();
        try {
            Objects.requireNonNull(rq.scheduler).requeued(rq);
            putTags(rq.hardwareContext(), carrier.word, carrier.mask, carrier.reserved, batch);
        } finally {
            batch.leave();
        }
        return rq;
    }

    /**
     * Gives the driver again what it has requeued, before everything that waits. Any thread. The kernel's counterpart is
     * {@code blk_mq_kick_requeue_list}.
     */
    public void kickRequeueList() {
        CompletionBatch batch = CompletionBatch.enter();
        try {
            for (Request rq = requeued.takeLast(); rq != null; rq = requeued.takeLast()) {
                if (rq.scheduler == null) {
                    rq.hardwareContext().deferFirst(rq);
                } else {
                    rq.scheduler.insertAgain(rq, batch);
                }
                batch.runLater(rq.hardwareContext());
            }
        } finally {
            batch.leave();
        }
    }

    /**
     * Kicks the requeue list later.
     *
     * @param delayNanos how much later
     */
    public void delayKickRequeueList(long delayNanos) {
        set.runtime().schedule(delayNanos, this::kickRequeueList);
    }

    // ---- quiesce

    /**
     * Stops dispatch and waits until the driver is in none of its callbacks that take requests. Requests pile up behind it, in
     * order; those that the driver has may complete. Nestable; each needs its {@link #unquiesce}. The kernel's counterpart is
     * {@code blk_mq_quiesce_queue}.
     *
     * @throws IllegalStateException if called by a completion
     */
    public void quiesce() {
        requireNoCompletion("quiesce");
        setQuiesced(1);
        CompletionBatch.awaitOthers(set.runtime());
        for (HardwareContext hctx : hctxs) {
            hctx.awaitAgent(Long.MAX_VALUE);
        }
    }

    /**
     * Takes one {@link #quiesce} back; the last one dispatches what has piled up.
     *
     * @throws IllegalStateException if the queue is not quiesced
     */
    public void unquiesce() {
        setQuiesced(-1);
    }

    private void setQuiesced(int change) {
        lock.lock();
        try {
            if (quiesceDepth + change < 0) {
                if (gate.isDying()) {
                    // Closing has let everything go.
                    return;
                }
                throw new IllegalStateException(name + ": unquiesce without quiesce");
            }
            quiesceDepth += change;
            for (HardwareContext hctx : hctxs) {
                hctx.setQuiesced(quiesceDepth > 0);
            }
        } finally {
            lock.unlock();
        }
        runAll();
    }

    private void runAll() {
        for (HardwareContext hctx : hctxs) {
            hctx.run();
        }
    }

    // ---- freeze

    /**
     * Stops new requests and waits until none is in flight. Nestable; each needs its {@link #unfreeze}. Requests that are held
     * back by a plug are waited for: a thread flushes its own before it freezes. The kernel's counterpart is {@code blk_mq_freeze_queue}.
     *
     * @throws IllegalStateException if called by a completion
     */
    public void freeze() {
        freezeStart();
        freezeWait(Long.MAX_VALUE);
    }

    /**
     * Stops new requests: those who submit wait, or get AGAIN if they said NOWAIT.
     *
     * @throws IllegalStateException if called by a completion
     */
    public void freezeStart() {
        requireNoCompletion("freeze");
        gate.close();
        runAll();
    }

    /**
     * Waits until no request is in flight; polls meanwhile if the queue is polled and the calling thread may. An interrupt does
     * not end the wait and is kept for the caller.
     *
     * @param timeoutNanos at most this long; {@link Long#MAX_VALUE} for ever
     * @return whether there is none
     * @throws IllegalStateException if called by a completion, or if the queue is not frozen
     */
    public boolean freezeWait(long timeoutNanos) {
        requireNoCompletion("freezeWait");
        if (!gate.isFrozen()) {
            throw new IllegalStateException(name + " is not frozen");
        }
        long start = set.runtime().nanoTime();
        boolean interrupted = false;
        // Also for a wait of no length, which does not park.
        Parking.flush();
        gate.freezerComes();
        try {
            while (isBusy()) {
                long left = timeoutNanos - (set.runtime().nanoTime() - start);
                if (left <= 0) {
                    return false;
                }
                set.parking().parkNanos(this, left);
                interrupted |= Thread.interrupted();
            }
            return true;
        } finally {
            gate.freezerGoes();
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }

    /**
     * Takes one freeze back; the last one lets requests in again.
     *
     * @throws IllegalStateException if the queue is not frozen
     */
    public void unfreeze() {
        if (gate.reopen() && !atGate.isEmpty()) {
            letIn();
        }
    }

    /**
     * Whether completions of some or all hardware contexts are found by polling.
     *
     * @return true if {@link #poll} has something to look at
     */
    public boolean isPolled() {
        return contexts[0].hardwareContext(QueueType.POLL).isPolled();
    }

    Timeouts timeouts() {
        return timeouts;
    }

    /** Shows every request of this queue that holds a tag, or the flush request that borrows it. It may change at any moment. */
    void eachActive(Consumer<Request> visitor) {
        if (hostShare != null) {
            hostShare.tags.eachActiveOf(this, visitor);
            return;
        }
        for (HardwareContext hctx : hctxs) {
            hctx.tags.eachActiveOf(this, visitor);
        }
    }

    boolean isBusy() {
        Scheduler elevator = scheduler;
        // In this order: a request takes its scheduler's tag before the driver's, and gives the driver's back last.
        return (elevator != null && elevator.isBusy()) || hasDriverTags();
    }

    /** Whether something holds a tag of the driver's: what has not been given out by an elevator has none. */
    boolean hasDriverTags() {
        if (hostShare != null) {
            return hostShare.tags.holdsAnyOf(this);
        }
        for (HardwareContext hctx : hctxs) {
            if (hctx.tags.holdsAnyOf(this)) {
                return true;
            }
        }
        return false;
    }

    /**
     * Refuses what would wait for itself: from within a completion, or from within a callback of this queue's driver that may block.
     *
     * @param what for the message
     * @throws IllegalStateException if the calling thread is completing, or serves this queue
     */
    public void requireNoCompletion(String what) {
        refuseInCompletion(what);
        if (isServedHere()) {
            throw new IllegalStateException(
                    what + " from inside a callback of the driver of " + name + " would wait for itself");
        }
    }

    /** Whether the calling thread is in a callback of this queue's driver, which may block. */
    boolean isServedHere() {
        if (set.isBlocking()) {
            for (HardwareContext hctx : hctxs) {
                if (hctx.isServedHere()) {
                    return true;
                }
            }
        }
        return false;
    }

    private static void refuseInCompletion(String what) {
        if (CompletionBatch.current() != null) {
            throw new IllegalStateException(what + " from inside a completion of a block device would wait for itself");
        }
    }

    /**
     * Ends the queue: who waits to submit gets NODEV, what is stopped, quiesced or requeued goes down, what is in flight is waited for, and
     * the driver's contexts are undone.
     * Closing again does nothing but wait.
     *
     * @throws IllegalStateException if called by a completion
     */
    public void close() {
        close(Long.MAX_VALUE);
    }

    /**
     * Like {@link #close()}, with a bound, for a driver that may never complete what it has. After a close that ran into its bound
     * the queue refuses everything, its memory and contexts are still there, and it can be closed again.
     *
     * @param timeoutNanos at most this long
     * @return whether the queue is closed; false if a request is still in flight, a driver that may block has not returned, or a
     *         change of the tag set is under way
     * @throws IllegalStateException if called by a completion
     */
    public boolean close(long timeoutNanos) {
        requireNoCompletion("close");
        long start = set.runtime().nanoTime();
        die();
        kickRequeueList();
        runAll();
        letIn();
        goOn(forMemory);
        if (!freezeWait(timeoutNanos)) {
            return false;
        }
        for (HardwareContext hctx : hctxs) {
            if (!hctx.awaitAgent(timeoutNanos - (set.runtime().nanoTime() - start))) {
                return false;
            }
        }
        return set.undo(this, timeoutNanos - (set.runtime().nanoTime() - start));
    }

    /** Undoes everything. Nothing is in flight, and nobody changes the tag set. */
    void undo() {
        useScheduler(null);
        exitContexts(hctxs, 0);
        for (SoftwareContext ctx : contexts) {
            ctx.relay.stop();
        }
        if (hostShare != null) {
            hostShare.tags.dropShare(hostShare);
        }
    }

    /**
     * The device has gone, without warning. From now on everything is refused with {@link Status#NODEV}, and so is what has not
     * reached the driver yet; what the driver has is the driver's to complete, which finds it by {@link #busyIter}. Any thread, also
     * one that completes; never waits. {@link #close} is still due. The kernel's counterpart is {@code blk_mark_disk_dead}.
     */
    public void markDead() {
        die();
        CompletionBatch batch = CompletionBatch.enter();
        try {
            kickRequeueList();
            letIn();
            goOn(forMemory);
            for (HardwareContext hctx : hctxs) {
                hctx.die(batch);
            }
        } finally {
            batch.leave();
        }
    }

    /**
     * Shows every request that the driver has. A request that is shown can neither end nor be used again until the visitor has
     * returned: a completion in that time, also the visitor's own, is carried out then. Requests that come or go meanwhile may be
     * shown or not. The visitor must not wait for a request. The kernel's counterpart is {@code blk_mq_tagset_busy_iter}.
     *
     * @param visitor says whether to go on
     */
    public void busyIter(Predicate<Request> visitor) {
        boolean[] goOn = {true};
        eachActive(rq -> goOn[0] = goOn[0] && rq.visit(this, visitor));
    }

    /** From here on nobody comes in, who waits to come in leaves, and nothing is held. */
    private void die() {
        gate.kill();
        for (HardwareContext hctx : hctxs) {
            hctx.share.wakeWaiters();
        }
        Scheduler elevator = scheduler;
        if (elevator != null) {
            elevator.wakeWaiters();
        }
        letGo();
    }

    /** Ends every hold: what waits behind one has to end, too. */
    private void letGo() {
        lock.lock();
        try {
            quiesceDepth = 0;
            for (HardwareContext hctx : hctxs) {
                hctx.letGo();
            }
        } finally {
            lock.unlock();
        }
    }

    // ---- elevator

    /**
     * What orders its requests.
     *
     * @return a name of {@link Elevators#names}
     */
    public String elevator() {
        Scheduler now = scheduler;
        return now == null ? Elevators.NONE : now.type().name();
    }

    /**
     * Changes what orders its requests: freezes, changes, and lets go on. Waits for what is in flight; an interrupt does not end that
     * and is kept for the caller. Tunables and {@link #nrRequests} begin with their defaults. Setting what it is already changes nothing.
     *
     * @param name one of {@link Elevators#names}
     * @throws IllegalArgumentException if there is no such elevator, with the names of those there are
     * @throws UnsupportedOperationException if the tag set has {@link TagSet.Flag#NO_ELEVATOR}, unless it is {@code none}
     * @throws IllegalStateException if the queue is closed, or if called by a completion or from within a callback that would wait for
     *         itself
     */
    public void setElevator(String name) {
        ElevatorType type = Elevators.named(name);
        if (type != null && set.isWithoutElevator()) {
            throw new UnsupportedOperationException(
                    this.name + ": elevator '" + name + "': the device takes none (NO_ELEVATOR)");
        }
        change("setElevator", () -> {
            Scheduler now = scheduler;
            if (!Objects.equals(now == null ? null : now.type(), type)) {
                // Made first: if it cannot be, all stays as it is.
                useScheduler(type == null ? null : new Scheduler(this, type, Scheduler.depthByDefault(set.depth())));
            }
        });
    }

    /**
     * The tunables of the elevator, as sysfs shows them below {@code queue/iosched}. They are the elevator's: after a change of that
     * these have no effect.
     *
     * @return by name; empty for {@code none}
     */
    public Map<String, ElevatorAttribute> elevatorAttributes() {
        Scheduler now = scheduler;
        return now == null ? Map.of() : now.attributes();
    }

    /**
     * How many requests a hardware context can have: of the elevator's tags if there is one, else of the driver's. The kernel's
     * counterpart is {@code queue/nr_requests}.
     *
     * @return with reserved ones
     */
    public int nrRequests() {
        Scheduler now = scheduler;
        return now == null ? set.resizedDepth() : now.depth();
    }

    /**
     * Changes how many requests a hardware context can have. With an elevator: freezes, makes other requests, and lets go on. Without
     * one it is {@link TagSet#resize}, and concerns all queues of the tag set.
     *
     * @param value at least 4; at most {@link TagSet#depth()} without an elevator, and 2048 with one
     * @throws IllegalArgumentException if it is not within these
     * @throws IllegalStateException if the queue is closed, or if called by a completion or from within a callback that would wait for
     *         itself
     */
    public void setNrRequests(int value) {
        change("setNrRequests", () -> {
            Scheduler now = scheduler;
            int most = now == null ? set.depth() : Scheduler.REQUESTS_MAX;
            if (value < Scheduler.REQUESTS_MIN || value > most) {
                throw new IllegalArgumentException(this.name + ": nrRequests " + value + ": " + Scheduler.REQUESTS_MIN
                        + " to " + most + " are possible with elevator '" + elevator() + "'");
            }
            if (now == null) {
                set.resize(value);
            } else if (now.depth() != value) {
                Scheduler made = remake(new AsideElevator(now.type(), value, now.settings()));
                made.tellDepth();
                useScheduler(made);
            }
        });
    }

    /** What an elevator is, without being at work. */
    private record AsideElevator(ElevatorType type, int depth, Map<String, String> settings) {}

    /** Changes something while nothing is in flight, and nothing else of the tag set changes. */
    private void change(String what, Runnable step) {
        requireNoCompletion(what);
        set.changing().lock(what);
        try {
            freeze();
            try {
                if (gate.isDying()) {
                    throw new IllegalStateException(name + " is closed");
                }
                step.run();
            } finally {
                unfreeze();
            }
        } finally {
            set.changing().unlock();
        }
    }

    /** Before the hardware contexts change: frozen, and nothing is in flight. */
    void setElevatorAside() {
        Scheduler now = scheduler;
        if (now != null) {
            aside = new AsideElevator(now.type(), now.depth(), now.settings());
            useScheduler(null);
        }
    }

    /** After the hardware contexts have changed, or could not be changed. */
    void takeElevatorBack() {
        AsideElevator before = aside;
        aside = null;
        if (before != null) {
            restore(before);
        }
    }

    private void restore(AsideElevator before) {
        try {
            useScheduler(remake(before));
        } catch (RuntimeException | Error e) {
            CallbackFailures.report("elevator " + before.type().name() + " of " + name + ": none from now on", e);
        }
    }

    /** Another elevator that is tuned like one before. */
    private Scheduler remake(AsideElevator before) {
        Scheduler made = new Scheduler(this, before.type(), before.depth());
        try {
            made.useSettings(before.settings());
        } catch (Throwable t) {
            made.close();
            throw t;
        }
        return made;
    }

    /** While the queue is frozen and nothing is in flight. */
    private void useScheduler(@Nullable Scheduler value) {
        Scheduler before = scheduler;
        scheduler = value;
        for (HardwareContext hctx : hctxs) {
            hctx.useScheduler(value);
        }
        if (before != null) {
            before.close();
        }
    }

    /** Ends what the elevator has lost. The timer's. */
    void endLost(int tick, int ticksMax) {
        Scheduler elevator = scheduler;
        if (elevator != null) {
            CompletionBatch batch = CompletionBatch.enter();
            try {
                elevator.endLost(tick, ticksMax, batch);
            } finally {
                batch.leave();
            }
        }
    }

    /**
     * How far merging goes.
     *
     * @return the kernel's {@code queue/nomerges}: 0 for all merges; 1 for those that cost no search, with the newest request of a plug
     *         or of a list; 2 for none
     */
    public int nomerges() {
        return nomerges;
    }

    /**
     * Changes how far merging goes, from the next bios on.
     *
     * @param value 0, 1 or 2, see {@link #nomerges()}
     * @throws IllegalArgumentException if it is another
     */
    public void setNomerges(int value) {
        if (value < 0 || value > 2) {
            throw new IllegalArgumentException(name + ": nomerges " + value + ": 0, 1 and 2 are possible");
        }
        nomerges = value;
        merges = set.isMerging() && value < 2;
    }

    /**
     * Whether what the device does is counted: see {@link io.blkmq.core.Disk#statistics()}.
     *
     * @return the kernel's {@code queue/iostats}; true for a new queue
     */
    public boolean iostats() {
        return iostats;
    }

    /**
     * Changes whether what the device does is counted: freezes, changes, and lets go on. What has been counted stays.
     *
     * @param value whether it is
     * @throws IllegalStateException if called by a completion
     */
    public void setIostats(boolean value) {
        freeze();
        try {
            iostats = value;
        } finally {
            unfreeze();
        }
    }

    BusyTime busyTime() {
        return busyTime;
    }

    /** All software contexts. Those that there are stay. */
    SoftwareContext[] contextsNow() {
        return contexts;
    }

    /** How many bios wait without a thread: for a tag, at the gate, or for a bounce buffer. For people, and slow. */
    int backlog() {
        Scheduler elevator = scheduler;
        int waiting = atGate.size() + forMemory.size() + (elevator == null ? 0 : elevator.waitingBios());
        if (hostShare != null) {
            return waiting + hostShare.bioCount();
        }
        for (HardwareContext hctx : hctxs) {
            waiting += hctx.share.bioCount();
        }
        return waiting;
    }

    // ---- what it is

    /**
     * Its name.
     *
     * @return for people
     */
    public String name() {
        return name;
    }

    /**
     * Its tag set.
     *
     * @return always the same
     */
    public TagSet tagSet() {
        return set;
    }

    /**
     * The driver's object.
     *
     * @return what {@link TagSet#newQueue} was given
     */
    public @Nullable Object queueData() {
        return queueData;
    }

    /**
     * What the device can take now.
     *
     * @return the limits
     */
    public QueueLimits limits() {
        return limits;
    }

    /**
     * Changes the limits. Only while the queue is frozen, and after {@link #freezeWait} has found nothing in flight.
     *
     * @param value the new ones
     * @throws IllegalStateException if the queue is not frozen
     */
    public void setLimits(QueueLimits value) {
        lock.lock();
        try {
            if (!gate.isFrozen()) {
                throw new IllegalStateException(name + ": limits can be changed only while the queue is frozen");
            }
            this.limits = value;
        } finally {
            lock.unlock();
        }
    }

    /**
     * Changes whether the queue takes its device to have a volatile write cache: freezes, changes, and lets go on. Bios that wait
     * meanwhile go by what holds then. The device is not changed, as by the kernel's {@code queue/write_cache}: a driver whose device
     * is, freezes the queue, changes the device, calls this, and unfreezes. A device whose cache is turned off has to make what is in
     * it durable first: from here on no flush is sent.
     *
     * @param cache whether it has one
     * @param throughCache whether it has FUA
     * @throws IllegalArgumentException if it is to have FUA without a cache
     * @throws IllegalStateException if called by a completion
     */
    public void setWriteCache(boolean cache, boolean throughCache) {
        freeze();
        try {
            lock.lock();
            try {
                limits = limits.toBuilder().writeCache(cache, throughCache).build();
            } finally {
                lock.unlock();
            }
        } finally {
            unfreeze();
        }
    }

    /**
     * Notes that the device has turned out not to have an operation: from now on it is refused before it gets there. Any thread,
     * also the driver's while it has a request; the kernel's counterpart is {@code blk_queue_disable_discard}.
     *
     * @param operation {@link Operation#DISCARD} or {@link Operation#WRITE_ZEROES}
     * @throws IllegalArgumentException if it is another
     */
    public void disable(Operation operation) {
        lock.lock();
        try {
            limits = switch (operation) {
                case DISCARD -> limits.toBuilder().discardBytesMax(0).build();
                case WRITE_ZEROES -> limits.toBuilder().writeZeroesBytesMax(0).build();
                case READ, WRITE, FLUSH -> throw new IllegalArgumentException(operation + " cannot be done without");
            };
        } finally {
            lock.unlock();
        }
    }

    /**
     * The size of the device.
     *
     * @return sectors of 512 bytes
     */
    public long capacitySectors() {
        return capacitySectors;
    }

    /**
     * Changes the size of the device. What is in flight is not concerned.
     *
     * @param sectors of 512 bytes
     * @throws IllegalArgumentException if negative
     */
    public void setCapacitySectors(long sectors) {
        this.capacitySectors = requireCapacity(sectors);
    }

    /**
     * A range of the device's sectors as a device of its own.
     *
     * @param rangeName for people and messages
     * @param startSector where it begins, in whole logical blocks
     * @param sectors its length, in whole logical blocks
     * @return a new range; any number of them may overlap
     * @throws IllegalArgumentException if it is empty, does not begin or end with a logical block, or is not within the device
     * @throws IllegalStateException if the queue is closed
     */
    public SectorRange newRange(String rangeName, long startSector, long sectors) {
        if (gate.isDying()) {
            throw new IllegalStateException(name + " is closed");
        }
        int blockSectors = limits.logicalBlockBytes() / QueueLimits.SECTOR_BYTES;
        long capacity = capacitySectors;
        if (startSector < 0 || sectors <= 0 || startSector > capacity - sectors) {
            throw new IllegalArgumentException(rangeName + ": " + sectors + " sectors from sector " + startSector
                    + ": at least one is needed, within the " + capacity + " of " + name);
        }
        if ((startSector | sectors) % blockSectors != 0) {
            throw new IllegalArgumentException(rangeName + ": " + sectors + " sectors from sector " + startSector
                    + ": not in whole blocks of " + limits.logicalBlockBytes() + " bytes of " + name);
        }
        return new SectorRange(this, rangeName, startSector, sectors);
    }

    private long requireCapacity(long sectors) {
        if (sectors < 0 || sectors > Long.MAX_VALUE / QueueLimits.SECTOR_BYTES) {
            throw new IllegalArgumentException(name + ": capacity of " + sectors + " sectors: 0 to "
                    + Long.MAX_VALUE / QueueLimits.SECTOR_BYTES + " are possible");
        }
        return sectors;
    }

    /**
     * How many software contexts there are.
     *
     * @return a power of two; it grows only where {@link TagSet#updateHardwareQueues} makes more hardware contexts than that
     */
    public int contexts() {
        return contextCount;
    }

    /**
     * One of the software contexts.
     *
     * @param index from 0 to {@link #contexts()} - 1
     * @return the context
     */
    public SoftwareContext context(int index) {
        SoftwareContext[] all = contexts;
        return all[Objects.checkIndex(index, all.length)];
    }

    /**
     * Where completions run.
     *
     * @return now
     */
    public CompletionAffinity completionAffinity() {
        return affinity;
    }

    /**
     * Changes where completions run, from the next ones on.
     *
     * @param value where
     */
    public void setCompletionAffinity(CompletionAffinity value) {
        this.affinity = value;
    }

    /**
     * Lets the completions of a context run on an executor, an event loop for one, unless the affinity is
     * {@link CompletionAffinity#ANY}. Without one they run on the submitting thread or, if another finds them, on a thread of the
     * context's own. What the executor refuses runs on the thread that found it. What one accepts and drops, as when it is shut down at
     * once, is held up until another is set.
     *
     * @param context from 0 to {@link #contexts()} - 1
     * @param executor runs short work one after the other; null for none
     */
    public void setCompletionExecutor(int context, @Nullable Executor executor) {
        context(context).relay.useExecutor(executor);
    }

    /**
     * How long a request may be in flight before its driver is asked. The kernel's counterpart is {@code queue/io_timeout}.
     *
     * @return nanoseconds: the tag set's, or what {@link #setTimeoutNanos} has made of what was set, which is rounded up
     */
    public long timeoutNanos() {
        return timeouts.timeoutNanos();
    }

    /**
     * Changes how long a request may be in flight before its driver is asked, rounded up to a sixteenth of the tag set's time-out.
     * Holds for requests in flight, too.
     *
     * @param nanos positive
     * @throws IllegalArgumentException if not positive
     */
    public void setTimeoutNanos(long nanos) {
        if (nanos <= 0) {
            throw new IllegalArgumentException(name + ": timeout of " + nanos + " ns: must be positive");
        }
        timeouts.setTimeoutNanos(nanos);
    }

    /**
     * The software context that the calling thread is mapped to, by its number at the runtime.
     *
     * @return always the same for a thread
     */
    public SoftwareContext contextOfCurrentThread() {
        SoftwareContext[] all = contexts;
        return all[set.runtime().threadIndex() & (all.length - 1)];
    }

    /**
     * How many hardware contexts there are.
     *
     * @return of all types
     */
    public int hardwareContexts() {
        return hctxs.length;
    }

    /**
     * One of the hardware contexts.
     *
     * @param index from 0 to the tag set's number - 1
     * @return the context
     */
    public HardwareContext hardwareContext(int index) {
        HardwareContext[] all = hctxs;
        return all[Objects.checkIndex(index, all.length)];
    }

    /**
     * Whether the queue refuses everything.
     *
     * @return true from {@link #close} on
     */
    public boolean isDying() {
        return gate.isDying();
    }

    /**
     * Whether new requests are held up.
     *
     * @return true between freeze and unfreeze
     */
    public boolean isFrozen() {
        return gate.isFrozen();
    }

    /**
     * How many bios went through a bounce buffer.
     *
     * @return since the queue was made
     */
    public long bounces() {
        return bounces.sum();
    }

    /**
     * How many times a driver completed a request that was not in flight.
     *
     * @return since the queue was made
     */
    public long strayCompletions() {
        return strayCompletions.sum();
    }

    /**
     * How many times a timer has found I/O that could have gone on and that nobody was about to let go on, and has done it: each is a
     * mistake of blkmq's, or of an elevator, that has cost time. Polled I/O is not counted, which waits for its poller.
     *
     * @return of all queues since the start
     */
    public static long rescues() {
        return Rescues.count();
    }

    /**
     * How many tags are held now, by requests and by plugs that took them in advance. Of all queues that share the tags.
     *
     * @return exact when nothing moves
     */
    public int heldTags() {
        if (hostShare != null) {
            return hostShare.tags.heldCount();
        }
        int held = 0;
        for (HardwareContext hctx : hctxs) {
            held += hctx.tags.heldCount();
        }
        return held;
    }

    /**
     * The state of the queue in words, as debugfs shows that of the kernel's: tags, lists, and each request that holds a tag with
     * what it does, its state and its age. Safe at any time; what moves meanwhile is shown as it was found.
     *
     * @return lines for people
     */
    public String dump() {
        StringBuilder text = new StringBuilder(256);
        text.append(name).append(": ").append(capacitySectors).append(" sectors, ")
                .append(gate.isDying() ? "dying" : gate.isFrozen() ? "frozen" : "open")
                .append(isPolled() ? ", polled" : "").append(", backlog ").append(backlog()).append(", requeue list ")
                .append(requeued.size()).append(", stray completions ").append(strayCompletions()).append(", elevator ")
                .append(elevator()).append('\n');
        Scheduler now = scheduler;
        if (now != null) {
            text.append("  ").append(now.describe()).append('\n');
        }
        for (HardwareContext hctx : hctxs) {
            text.append("  ").append(hctx).append(", flush: ").append(hctx.flushQueue()).append('\n');
            hctx.tags.eachActiveOf(this, rq -> {
                // Host-wide tags are those of all contexts.
                if (rq.goesThrough(hctx)) {
                    text.append("    ").append(rq).append(", age ")
                            .append((timeouts.tick() - rq.startTick()) * timeouts.tickNanos() / 1_000_000)
                            .append(" ms\n");
                }
            });
        }
        return text.toString();
    }

    @Override
    public String toString() {
        return name;
    }
}
