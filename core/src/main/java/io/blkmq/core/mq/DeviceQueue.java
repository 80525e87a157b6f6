package io.blkmq.core.mq;

import io.blkmq.core.Bio;
import io.blkmq.core.BioObserver;
import io.blkmq.core.Operation;
import io.blkmq.core.QueueLimits;
import io.blkmq.core.Status;
import io.blkmq.core.driver.BlockDriver;
import io.blkmq.core.driver.CompletionAffinity;
import io.blkmq.core.driver.Parking;
import io.blkmq.core.driver.Request;
import io.blkmq.core.driver.SoftwareContext;
import io.blkmq.core.driver.TagSet;
import io.blkmq.core.jfr.DiskEvents;
import io.blkmq.core.jfr.SubmitWaitEvent;
import java.io.IOException;
import java.util.Objects;
import java.util.function.Consumer;
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
public final class DeviceQueue extends QueueParts {
    private final BlockDriver driver;
    /** Whether the driver leaves its half of a completion to the block layer. */
    private final boolean endsAtOnce;
    /** The same of requests that end well. */
    private final boolean endsWellAtOnce;
    private final OwnRequests own;

    DeviceQueue(TagSet set, PoolParts shared, String name, QueueLimits limits, long capacitySectors,
            @Nullable Object queueData) throws IOException {
        super(set, shared, name, limits, capacitySectors, queueData);
        this.driver = set.driver();
        this.endsAtOnce = !DriverCalls.hasOwnComplete(driver);
        this.endsWellAtOnce = endsAtOnce || driver.completesFailuresAlone();
        this.own = new OwnRequests(this);
        contexts.make();
    }

    // ---- the way down

    @Override
    public void submit(Bio bio) {
        submit(bio, contextOfCurrentThread());
    }

    @Override
    public void submit(Bio bio, SoftwareContext ctx) {
        submit(bio, (EntryContext) ctx, null);
    }

    /**
     * Submits a bio through a given context.
     *
     * @param bio an idle bio
     * @param ctx of this queue
     * @param range the partition that its sector counts in; null for the whole device
     * @see #submit(Bio)
     */
    public void submit(Bio bio, EntryContext ctx, @Nullable SectorRange range) {
        submit(bio, ctx, range, Wait.INTERRUPTIBLE);
    }

    /**
     * Submits a bio through a given context. It may wait, and no interrupt ends that: for an operation of which something
     * has been submitted.
     *
     * @param bio an idle bio
     * @param ctx of this queue
     * @param range the partition that its sector counts in; null for the whole device
     * @see #submit(Bio)
     */
    public void submitUninterruptibly(Bio bio, EntryContext ctx, @Nullable SectorRange range) {
        submit(bio, ctx, range, Wait.UNINTERRUPTIBLE);
    }

    /**
     * Submits a bio through a given context, as a completion does: the calling thread waits for no tag, and at no gate.
     * What the bio has to wait for it waits for in line.
     *
     * @param bio an idle bio
     * @param ctx of this queue
     * @param range the partition that its sector counts in; null for the whole device
     * @see #submit(Bio)
     */
    public void submitWithoutWaiting(Bio bio, EntryContext ctx, @Nullable SectorRange range) {
        // Inside from before the bio is taken: then whatever it ends, or lets go on, comes after this submission.
        Trampoline batch = Trampoline.enter();
        try {
            if (batch.isNested()) {
                accept(bio, range);
                batch.defer(bio, ctx);
            } else {
                requireSubmitter(ctx.hardwareContext(bio.operation(), bio.flags()));
                accept(bio, range);
                send(bio, ctx, null, Wait.NONE);
            }
        } finally {
            batch.leave();
        }
    }

    private void submit(Bio bio, EntryContext ctx, @Nullable SectorRange range, Wait wait) {
        Trampoline current = Trampoline.current();
        if (current == null) {
            requireSubmitter(ctx.hardwareContext(bio.operation(), bio.flags()));
        }
        accept(bio, range);
        if (current != null) {
            current.defer(bio, ctx);
        } else {
            send(bio, ctx, null, wait);
        }
    }

    /**
     * Submits a bio and leaves it with a plug.
     *
     * @param bio an idle bio
     * @param plug of this queue, the calling thread's
     * @param range the partition that its sector counts in; null for the whole device
     * @see #submit(Bio)
     */
    public void submit(Bio bio, Batch plug, @Nullable SectorRange range) {
        submit(bio, plug, range, Wait.INTERRUPTIBLE);
    }

    /**
     * Submits a bio and leaves it with a plug. It may wait, and no interrupt ends that.
     *
     * @param bio an idle bio
     * @param plug of this queue, the calling thread's
     * @param range the partition that its sector counts in; null for the whole device
     * @see #submitUninterruptibly(Bio, EntryContext, SectorRange)
     */
    public void submitUninterruptibly(Bio bio, Batch plug, @Nullable SectorRange range) {
        submit(bio, plug, range, Wait.UNINTERRUPTIBLE);
    }

    private void submit(Bio bio, Batch plug, @Nullable SectorRange range, Wait wait) {
        if (range == null && plug.addShort(bio)) {
            return;
        }
        requireSubmitter(plug.context().hardwareContext(bio.operation(), bio.flags()));
        accept(bio, range);
        if (plug.isGoingDown()) {
            // By a driver that is being given the batch, which is in the block layer.
            Objects.requireNonNull(Trampoline.current()).defer(bio, plug.context());
        } else {
            send(bio, plug.context(), plug, wait);
            plug.learn();
        }
    }

    private void requireSubmitter(DispatchContext hctx) {
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
    public void requireSubmitter(Operation operation, EntryContext ctx) {
        requireSubmitter(ctx.hardwareContext(operation, 0));
    }

    @Override
    void submitDeferred(Bio bio, Batch batch) {
        send(bio, batch.context(), batch, Wait.NONE);
    }

    @Override
    void submitWaited(Bio bio, Batch.Deferred batch) {
        BioState state = bio;
        batch.begin(state.granted, state.isTrying);
        SubmitWaitEvent waited = state.waiting;
        state.granted = null;
        state.isTrying = false;
        state.waiting = null;
        waitEnded(waited, bio, !gate.isDying());
        if (!isRefusedNow(bio, batch.context())) {
            send(bio, batch.context(), batch, Wait.NONE);
        }
        // From here on the bio may be anybody's.
        TagRequest unused = batch.takeGranted();
        if (unused != null) {
            giveBackGranted(unused);
        }
        if (batch.endTrying()) {
            bounces.turnEnds();
        }
    }

    /**
     * Refuses what {@link #submit} would refuse because of what the bio asks or where, and does nothing else.
     *
     * @param bio an idle bio
     * @param range the partition that its sector counts in; null for the whole device
     */
    public void check(Bio bio, @Nullable SectorRange range) {
        BioCheck.check(bio, this, range);
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
        BioObserver seeing = observer;
        if (seeing != null) {
            BioState.show(bio, seeing, contexts.ofCurrentThread());
        }
    }

    private void send(Bio bio, EntryContext ctx, @Nullable Batch plug, Wait wait) {
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
            Trampoline.endAlone(bio, ctx, Status.NOTSUPP);
        } else if ((bio.flags() & Bio.NOWAIT) != 0) {
            // A part could find no tag after others have gone, and the bio could not be refused any more.
            Trampoline.endAlone(bio, ctx, Status.AGAIN);
        } else {
            sendParts(new BioSplit(bio, lim, ctx), ctx, plug, wait);
        }
    }

    /** Cuts a bio and sends its parts, until all are gone or one cannot go on: then the whole waits in its line. */
    private void sendParts(BioSplit split, EntryContext ctx, @Nullable Batch plug, Wait wait) {
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
    private void sendPart(Bio bio, EntryContext ctx, @Nullable Batch plug, Wait wait, QueueLimits lim) {
        int steps = FlushSequence.DATA;
        boolean durable = bio.operation() == Operation.FLUSH || (bio.flags() & (Bio.PREFLUSH | Bio.FUA)) != 0;
        if (durable) {
            steps = FlushSequence.policy(bio, lim);
            if (steps == 0) {
                Trampoline.endAlone(bio, ctx, Status.OK);
                return;
            }
        }
        if (bio.vecCount() != 0 && BounceBuffers.isNeeded(bio, lim) && !bounces.bounce(bio, ctx, plug, lim)) {
            return;
        }
        boolean sequenced = steps != FlushSequence.DATA;
        if (!sequenced && merges && mayMeet(bio, ctx, plug) && merge(bio, ctx, plug, lim)) {
            return;
        }
        TagRequest rq = wait != Wait.NONE && (bio.flags() & Bio.NOWAIT) == 0
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
        if (durable && !FlushSequence.goesThrough(bio, lim)) {
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
    private static boolean mayMeet(Bio bio, EntryContext ctx, @Nullable Batch plug) {
        return (plug != null && plug.touches(bio)) || ctx.hardwareContext(bio.operation(), bio.flags()).hasWork();
    }

    /** Lets a bio join a request that waits: with the plug, with the elevator, or on the list of its hardware context. */
    private boolean merge(Bio bio, EntryContext ctx, @Nullable Batch plug, QueueLimits lim) {
        if (!Merging.mayMerge(bio, lim) || isShutOut(bio)) {
            return false;
        }
        DispatchContext hctx = ctx.hardwareContext(bio.operation(), bio.flags());
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

    private boolean mergeWaiting(Bio bio, EntryContext ctx, DispatchContext hctx, QueueLimits lim) {
        Scheduler elevator = hctx.scheduler();
        if (elevator == null) {
            return hctx.list().merge(bio, ctx, lim);
        }
        if (!mergesFurther()) {
            return false;
        }
        Trampoline batch = Trampoline.enter();
        try {
            return elevator.merge(hctx.index(), bio, lim, batch);
        } finally {
            batch.leave();
        }
    }

    /** Sends a bio by limits that have changed on its way. */
    private void sendAgain(Bio bio, EntryContext ctx, @Nullable Batch plug, Wait wait) {
        BioState state = bio;
        if (state.split != null) {
            state.unbounce();
            state.split.takeBack();
        } else if (!isRefusedNow(bio, ctx)) {
            send(bio, ctx, plug, wait);
        }
    }

    /** Ends a bio that waited while its queue changed, and that the queue would refuse now. */
    private boolean isRefusedNow(Bio bio, EntryContext ctx) {
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
            Trampoline.endAlone(bio, ctx, refusal);
        }
        return true;
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

    private void startSequence(TagRequest rq, int steps) {
        Trampoline batch = Trampoline.enter();
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

    void issue(TagRequest rq) {
        Trampoline batch = Trampoline.enter();
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

    // ---- tags

    /** Whether and how a submitter waits for what is missing. */
    private enum Wait {
        NONE, INTERRUPTIBLE, UNINTERRUPTIBLE
    }

    /**
     * A request for a bio of a thread that may wait. Null if the queue is dying, or the wait was interrupted, and the bio has ended; or
     * if it turns out that the thread is completing and uses a plug: then it may not wait, and the bio stands in a line without it.
     */
    private @Nullable TagRequest get(Bio bio, EntryContext ctx, @Nullable Batch plug, boolean sequenced,
            boolean interruptible) {
        SubmitWaitEvent wait = null;
        for (;;) {
            int opened = gate.state();
            if (!QueueGate.isOpen(opened)) {
                if (gate.isDying()) {
                    waitEnded(wait, bio, false);
                    Trampoline.endAlone(bio, ctx, Status.NODEV);
                    return null;
                }
                flushBeforeWait(plug);
                if (mustNotWait(plug)) {
                    return tryGet(bio, ctx, plug, sequenced);
                }
                wait = wait != null ? wait : DiskEvents.waitBegins(DiskEvents.FROZEN, true);
                if (!gate.awaitOpen(interruptible)) {
                    waitEnded(wait, bio, false);
                    Trampoline.endAlone(bio, ctx, Status.INTR);
                    return null;
                }
                continue;
            }
            DispatchContext hctx = ctx.hardwareContext(bio.operation(), bio.flags());
            TagShare source = hctx.source(bio, sequenced);
            TagRequest rq = tryTake(ctx, hctx, source, plug);
            if (rq == null) {
                flushBeforeWait(plug);
                if (mustNotWait(plug)) {
                    return tryGet(bio, ctx, plug, sequenced);
                }
                wait = wait != null ? wait : DiskEvents.waitBegins(DiskEvents.QUEUE_FULL, true);
                rq = awaitTag(ctx, hctx, source, false, interruptible);
                if (rq == null) {
                    if (interruptible && Thread.currentThread().isInterrupted()) {
                        waitEnded(wait, bio, false);
                        Trampoline.endAlone(bio, ctx, Status.INTR);
                        return null;
                    }
                    continue;
                }
            }
            if (enter(rq, ctx, hctx, opened)) {
                waitEnded(wait, bio, true);
                return rq;
            }
        }
    }

    /** Tells the flight recorder, if it is told of such a wait. */
    private void waitEnded(@Nullable SubmitWaitEvent wait, Bio bio, boolean entered) {
        if (wait != null) {
            wait.ended(name, bio, entered);
        }
    }

    /**
     * A request for a bio whose thread does not wait. Null if there is none: the bio has ended, or stands in a line, from where it goes on
     * by itself.
     */
    private @Nullable TagRequest tryGet(Bio bio, EntryContext ctx, @Nullable Batch plug, boolean sequenced) {
        int opened = gate.state();
        DispatchContext hctx = ctx.hardwareContext(bio.operation(), bio.flags());
        TagShare source = hctx.source(bio, sequenced);
        if (QueueGate.isOpen(opened)) {
            TagRequest rq = plug == null ? null : plug.takeGranted();
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
            Trampoline.endAlone(bio, ctx, Status.NODEV);
        } else if ((bio.flags() & Bio.NOWAIT) != 0) {
            Trampoline.endAlone(bio, ctx, Status.AGAIN);
        } else if (gate.isOpen()) {
            source.await(Backlog.inLine(bio, ctx, DiskEvents.QUEUE_FULL), ctx);
        } else {
            atGate.add(Backlog.inLine(bio, ctx, DiskEvents.FROZEN));
            // After adding: pairs with who opens the gate, or ends the queue, and then looks at who stands there.
            if (gate.isOpen() || gate.isDying()) {
                letIn();
            }
        }
        return null;
    }

    private static @Nullable TagRequest tryTake(EntryContext ctx, DispatchContext hctx, TagShare source,
            @Nullable Batch plug) {
        return plug == null ? source.tryGet(ctx) : plug.tryGet(hctx, source);
    }

    /**
     * Brings a request that has just got its tag through the gate. After taking the tag: this look at the gate pairs with a freezer,
     * which closes the gate and then looks at the tags.
     *
     * @param opened the state of the gate before anything else was looked at
     * @return false if the gate has been closed since: then the tag has been given back
     */
    boolean enter(TagRequest rq, EntryContext ctx, DispatchContext hctx, int opened) {
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
    private static boolean mustNotWait(@Nullable Batch plug) {
        return plug != null && Trampoline.current() != null;
    }

    /** What the calling thread holds back may be what it is going to wait for. */
    void flushBeforeWait(@Nullable Batch plug) {
        if (Trampoline.current() == null) {
            OpenPlugs.flushOwn();
        } else if (plug != null) {
            plug.flushHeld();
        }
    }

    /**
     * Waits for a tag; who polls for the completions of its context polls meanwhile, since nobody else would free one. It does so without a
     * place in the line only while nobody takes what it frees: where others stand in line, or what its completions submit has taken the
     * tags, it stands in line, too.
     *
     * @return null if polled, interrupted or turned away
     */
    @Nullable
    TagRequest awaitTag(EntryContext ctx, DispatchContext hctx, TagShare source, boolean reserved,
            boolean interruptible) {
        if (!hctx.isPolled() || source.hasWaiters() || !polling.mayPoll(hctx)) {
            return source.await(ctx, reserved, interruptible);
        }
        int found = polling.poll(hctx, ctx);
        if (found == 0 && contexts.areTagsShared(hctx)) {
            // What went through other contexts, or is another queue's, may hold the tags.
            found = shared.parking.poll();
        }
        Parking.idle(set.runtime(), found);
        if (found == 0) {
            return null;
        }
        TagRequest rq = reserved ? source.tryGetReserved() : source.tryGet(ctx);
        return rq != null ? rq : source.await(ctx, reserved, interruptible);
    }

    /** Gives back a request that nothing has become of. */
    void giveBack(TagRequest rq, DispatchContext hctx) {
        Scheduler elevator = rq.scheduler;
        Trampoline batch = Trampoline.enter();
        try {
            if (elevator == null) {
                hctx.putTags(rq.word, rq.mask, rq.reserved, batch);
            } else {
                elevator.putTag(rq);
            }
        } finally {
            batch.leave();
        }
    }

    /**
     * Gives back a tag that a bio was given in its line and has no use for: to the tags that it is of, since the elevator may have been
     * closed and the hardware context undone meanwhile.
     */
    private void giveBackGranted(TagRequest rq) {
        Trampoline batch = Trampoline.enter();
        try {
            Scheduler elevator = rq.scheduler;
            if (elevator != null) {
                elevator.putTag(rq);
                return;
            }
            putTags(rq.tags, rq.word, rq.mask, rq.reserved);
            for (DispatchContext hctx : contexts.hardware()) {
                if (hctx.tags == rq.tags && hctx.hasWork()) {
                    batch.runLater(hctx);
                }
            }
        } finally {
            batch.leave();
        }
    }

    // ---- requests without bios

    @Override
    public TagRequest allocateRequest(Operation operation, boolean reserved) throws InterruptedException {
        return own.allocate(operation, reserved);
    }

    @Override
    public @Nullable TagRequest tryAllocateRequest(Operation operation, boolean reserved) {
        return own.tryAllocate(operation, reserved);
    }

    @Override
    public void execute(Request rq, Consumer<? super Request> ended) {
        own.execute(rq, ended);
    }

    @Override
    public Status execute(Request rq) {
        return own.execute(rq);
    }

    @Override
    public void free(Request rq) {
        own.free(rq);
    }

    // ---- bios that wait without a thread

    @Override
    void letAllGoOn() {
        letIn();
        bounces.letAllGoOn();
    }

    /** Lets those go on that stand at the gate: it is open, or open for nobody any more. */
    void letIn() {
        atGate.letAllGoOn();
    }

    // ---- the way up

    @Override
    boolean endsAtOnce(Status result) {
        return (result == Status.OK ? endsWellAtOnce : endsAtOnce) && affinity == CompletionAffinity.ANY;
    }

    @Override
    void completeInDriver(TagRequest rq) {
        CompletionAffinity wanted = affinity;
        if (wanted != CompletionAffinity.ANY && !rq.hardwareContext().isPolled()) {
            CompletionRelay relay = contexts.relay(rq.softwareContext().index());
            if (relay.takes(rq.hardwareContext(), contextOfCurrentThread(), wanted)) {
                relay.push(rq);
                return;
            }
        }
        completeHere(rq);
    }

    @Override
    void completeHere(TagRequest rq) {
        try {
            driver.complete(rq);
        } catch (Throwable t) {
            CallbackFailures.report("complete of " + rq, t);
            if (rq.state() == TagRequest.COMPLETE) {
                rq.end(Status.IOERR);
            }
        }
    }

    // ---- requeue

    @Override
    void requeue(TagRequest rq, boolean kick) {
        DiskEvents.requeued(rq, "given back");
        requeued.add(rq.scheduled == null || rq.isPrepared() ? rq : requeued.handBack(rq));
        // After adding: pairs with who ends the queue, says so and then kicks the list.
        if (kick || gate.isDying()) {
            kickRequeueList();
        }
    }

    // ---- freeze

    @Override
    public void unfreeze() {
        if (gate.reopen() && !atGate.isEmpty()) {
            letIn();
        }
    }

    // ---- for people

    @Override
    public String dump() {
        return QueueView.dump(this);
    }
}
