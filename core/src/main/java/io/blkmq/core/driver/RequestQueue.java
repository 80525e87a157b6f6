package io.blkmq.core.driver;

import io.blkmq.core.Bio;
import io.blkmq.core.BioVec;
import io.blkmq.core.IoBuffer;
import io.blkmq.core.Operation;
import io.blkmq.core.QueueLimits;
import io.blkmq.core.Status;
import java.io.IOException;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.LongAdder;
import java.util.concurrent.locks.Lock;
import java.util.function.BooleanSupplier;
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
 * completing may not, since it may be the one that frees tags; what it submits then stands on the {@link Backlog}.
 */
public final class RequestQueue {
    /** The most memory that bounce buffers of one queue take at a time, unless a single bio is larger. */
    static final long BOUNCE_BYTES_MAX = 16L << 20;

    private final TagSet set;
    private final BlockDriver driver;
    private final String name;
    private final @Nullable Object queueData;
    private final HardwareContext[] hctxs;
    /** Their number is a power of two. */
    private final SoftwareContext[] contexts;
    private final QueueGate gate;
    private final Backlog backlog;
    private final RequeueList requeued;
    private final Timeouts timeouts;
    private final Lock lock;
    /** Guarded by the lock. */
    private int quiesceDepth;
    /** Written under the lock. */
    private volatile QueueLimits limits;
    private volatile long capacitySectors;

    private final AtomicLong bouncingBytes = new AtomicLong();
    private final LongAdder bounces = new LongAdder();
    private final LongAdder strayCompletions = new LongAdder();

    RequestQueue(TagSet set, String name, QueueLimits limits, long capacitySectors, @Nullable Object queueData)
            throws IOException {
        this.set = set;
        this.driver = set.driver();
        this.name = name;
        this.limits = limits;
        this.capacitySectors = requireCapacity(capacitySectors);
        this.queueData = queueData;
        this.lock = set.runtime().newLock();
        this.gate = new QueueGate(set.runtime());
        this.backlog = new Backlog(set.runtime());
        this.requeued = new RequeueList(set.runtime());
        this.timeouts = new Timeouts(this, set.runtime(), set.timeoutNanos());
        this.hctxs = new HardwareContext[set.hardwareQueues()];
        for (int i = 0; i < hctxs.length; i++) {
            hctxs[i] = new HardwareContext(this, i, set.tags(i));
        }
        int count = Integer.highestOneBit(Math.max(hctxs.length, set.runtime().processors()) * 2 - 1);
        QueueMap map = new QueueMap(count, hctxs.length);
        driver.mapQueues(map);
        this.contexts = new SoftwareContext[count];
        for (int i = 0; i < count; i++) {
            contexts[i] = new SoftwareContext(i, hctxs[map.hardwareQueue(i)], count);
        }
        initContexts();
    }

    private void initContexts() throws IOException {
        int ready = 0;
        try {
            for (; ready < hctxs.length; ready++) {
                initContext(hctxs[ready]);
            }
        } finally {
            if (ready < hctxs.length) {
                exitContexts(ready);
            }
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
            hctx.useFlushQueue(new FlushQueue(hctx, set.newFlushRequest(hctx.index())));
        } catch (IOException e) {
            exitHctx(hctx);
            throw e;
        }
    }

    private void exitContexts(int count) {
        for (int i = 0; i < count; i++) {
            set.exitRequest(hctxs[i].flushQueue().flushRequest(), i);
            exitHctx(hctxs[i]);
        }
    }

    private void exitHctx(HardwareContext hctx) {
        try {
            driver.exitHctx(hctx, hctx.index());
        } catch (Throwable t) {
            CallbackFailures.report("exitHctx of " + name, t);
        }
    }

    // ---- the way down

    /**
     * Submits a bio through the calling thread's context. It is the device's until its completion runs, perhaps before this
     * method returns. Waits for a tag, and at a frozen queue, unless the bio says NOWAIT; called by a completion it never waits.
     * Waiting does not end by an interrupt.
     *
     * @param bio an idle bio
     * @throws IllegalArgumentException if it is empty, unaligned, negative or contradicts itself, or its memory can be used by
     *         one thread only
     * @throws IndexOutOfBoundsException if it reaches past the end of the device
     * @throws UnsupportedOperationException if it writes to a read-only device
     * @throws IllegalStateException if it is in flight, or the queue is closed
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
        accept(bio);
        CompletionBatch current = CompletionBatch.current();
        if (current != null) {
            current.defer(bio, ctx);
        } else {
            send(bio, ctx, null, true);
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
        accept(bio);
        send(bio, plug.context(), plug, true);
    }

    /** Sends a bio whose submitter could not wait. */
    void submitDeferred(Bio bio, RequestBatch batch) {
        send(bio, batch.context(), batch, false);
    }

    /**
     * Refuses what {@link #submit} would refuse because of what the bio asks or where, and does nothing else.
     *
     * @param bio an idle bio
     */
    public void check(Bio bio) {
        BioCheck.check(bio, this);
    }

    /** Checks a bio and takes it from its caller. What is usual passes by one comparison. */
    private void accept(Bio bio) {
        int blockMask = limits.logicalBlockBytes() - 1;
        long bytes = bio.bytes();
        long sector = bio.sector();
        int vecs = bio.vecCount();
        if (((bytes | sector << 9) & blockMask) != 0 || bytes <= 0 || sector < 0
                || sector > capacitySectors - (bytes >>> 9) || vecs == 0 || bio.operation() != Operation.READ
                || bio.flags() != 0 || gate.isDying()) {
            BioCheck.check(bio, this);
        }
        for (int i = 0; i < vecs; i++) {
            BioVec vec = bio.vec(i);
            if (vec.isConfined() || vec.isReadOnly()) {
                BioCheck.checkMemory(bio, vec);
            }
        }
        ((BioState) bio).claim();
    }

    private void send(Bio bio, SoftwareContext ctx, @Nullable RequestBatch plug, boolean mayWait) {
        QueueLimits lim = limits;
        if (!BioSplit.isNeeded(bio, lim)) {
            sendPart(bio, ctx, plug, mayWait, lim);
        } else if (!isSupported(bio.operation(), lim)) {
            BioState.finish(bio, Status.NOTSUPP);
        } else {
            // The limits have changed since the bio got a bounce buffer: its parts get their own.
            ((BioState) bio).unbounce();
            BioSplit split = new BioSplit(bio, lim);
            while (split.hasNext()) {
                Bio part = split.next();
                ((BioState) part).claim();
                sendPart(part, ctx, plug, mayWait, lim);
            }
            split.allCut();
        }
    }

    private static boolean isSupported(Operation operation, QueueLimits lim) {
        return switch (operation) {
            case DISCARD -> lim.discardBytesMax() > 0;
            case WRITE_ZEROES -> lim.writeZeroesBytesMax() > 0;
            case READ, WRITE, FLUSH -> true;
        };
    }

    /** Sends a bio that is within the limits. */
    private void sendPart(Bio bio, SoftwareContext ctx, @Nullable RequestBatch plug, boolean mayWait, QueueLimits lim) {
        int steps = FlushSequence.DATA;
        boolean durable = bio.operation() == Operation.FLUSH || (bio.flags() & (Bio.PREFLUSH | Bio.FUA)) != 0;
        if (durable) {
            steps = FlushSequence.policy(bio, lim);
            if (steps == 0) {
                BioState.finish(bio, Status.OK);
                return;
            }
        }
        if (bio.vecCount() != 0 && needsBounce(bio, lim) && !bounce(bio, ctx)) {
            return;
        }
        Request rq = mayWait && (bio.flags() & Bio.NOWAIT) == 0 ? get(bio, ctx, plug) : tryGet(bio, ctx, plug);
        if (rq == null) {
            return;
        }
        // From here on the tag keeps a freeze from ending, and so the limits from changing.
        if (limits != lim) {
            giveBack(rq);
            if (!isRefusedNow(bio)) {
                send(bio, ctx, plug, mayWait);
            }
            return;
        }
        rq.init(bio, ctx);
        if (durable && !lim.hasFua()) {
            // A flush after the data does it, or nothing has to.
            rq.dropFlags(Bio.FUA);
        }
        if (steps != FlushSequence.DATA) {
            startSequence(rq, steps);
        } else if (plug != null) {
            plug(rq, plug);
        } else {
            issue(rq);
        }
    }

    /** Ends a bio that waited while its queue changed, and that the queue would refuse now. */
    private boolean isRefusedNow(Bio bio) {
        try {
            BioCheck.check(bio, this);
            return false;
        } catch (RuntimeException e) {
            BioState.finish(bio, gate.isDying() ? Status.NODEV : Status.INVAL);
            return true;
        }
    }

    private void plug(Request rq, RequestBatch plug) {
        plug.add(rq);
        if (plug.isFull()) {
            issue(plug);
        }
    }

    private void startSequence(Request rq, int steps) {
        CompletionBatch batch = CompletionBatch.enter();
        try {
            rq.hardwareContext().flushQueue().submit(rq, steps, batch);
        } finally {
            batch.leave();
        }
    }

    private void issue(Request rq) {
        CompletionBatch batch = CompletionBatch.enter();
        try {
            rq.hardwareContext().issue(rq, batch);
        } finally {
            batch.leave();
        }
    }

    /** Sends a batch down, and empties it. */
    void issue(RequestBatch requests) {
        if (requests.size() == 0) {
            return;
        }
        CompletionBatch batch = CompletionBatch.enter();
        try {
            requests.context().hardwareContext().issue(requests, batch);
        } finally {
            requests.clear();
            batch.leave();
        }
    }

    // ---- tags

    /**
     * A request for a bio of a thread that may wait. Null if the queue is dying, and the bio has ended, or if it turns out that the
     * thread is completing and uses a plug: then it may not wait, and the bio stands on the backlog.
     */
    private @Nullable Request get(Bio bio, SoftwareContext ctx, @Nullable RequestBatch plug) {
        for (;;) {
            if (!gate.isOpen()) {
                if (gate.isDying()) {
                    BioState.finish(bio, Status.NODEV);
                    return null;
                }
                flushBeforeWait(plug);
                if (mustNotWait(plug)) {
                    return tryGet(bio, ctx, plug);
                }
                gate.awaitOpen();
                continue;
            }
            Request rq = plug != null ? plug.tryGet() : ctx.hardwareContext().tags.tryGet(ctx);
            if (rq == null) {
                flushBeforeWait(plug);
                if (mustNotWait(plug)) {
                    return tryGet(bio, ctx, plug);
                }
                rq = awaitTag(ctx, false);
                if (rq == null) {
                    continue;
                }
            }
            rq.ownBy(this);
            // After taking the tag: pairs with a freezer, which closes the gate and then looks at the tags.
            if (gate.isOpen()) {
                timeouts.tagTaken();
                return rq;
            }
            giveBack(rq);
        }
    }

    /** A request for a bio that does not wait. Null if there is none: the bio has ended or stands on the backlog. */
    private @Nullable Request tryGet(Bio bio, SoftwareContext ctx, @Nullable RequestBatch plug) {
        if (gate.isOpen()) {
            Request rq = plug != null ? plug.tryGet() : ctx.hardwareContext().tags.tryGet(ctx);
            if (rq != null) {
                rq.ownBy(this);
                if (gate.isOpen()) {
                    timeouts.tagTaken();
                    return rq;
                }
                giveBack(rq);
            }
        }
        if (gate.isDying()) {
            BioState.finish(bio, Status.NODEV);
        } else if ((bio.flags() & Bio.NOWAIT) != 0) {
            BioState.finish(bio, Status.AGAIN);
        } else {
            Tags tags = ctx.hardwareContext().tags;
            hold(bio, ctx, () -> gate.isDying() || (gate.isOpen() && tags.hasFree()));
        }
        return null;
    }

    /** Without a plug a completing thread does not come here: what it submits is put off. */
    private static boolean mustNotWait(@Nullable RequestBatch plug) {
        return plug != null && CompletionBatch.current() != null;
    }

    private void flushBeforeWait(@Nullable RequestBatch plug) {
        if (plug != null) {
            plug.flushTo(this);
        }
    }

    /** Waits for a tag; whoever polls this queue polls meanwhile, since nobody else would free one. */
    private @Nullable Request awaitTag(SoftwareContext ctx, boolean reserved) {
        if (!set.isPolled()) {
            return ctx.hardwareContext().tags.await(ctx, reserved);
        }
        if (poll(ctx) == 0) {
            set.runtime().spinWait();
        }
        return null;
    }

    private void giveBack(Request rq) {
        putTags(rq.tags, rq.word, rq.mask, rq.reserved);
    }

    /** Gives tags back outside of a completion. */
    void putTags(HardwareContext hctx, int word, long mask, boolean reserved) {
        putTags(hctx.tags, word, mask, reserved);
    }

    private void putTags(Tags tags, int word, long mask, boolean reserved) {
        CompletionBatch batch = CompletionBatch.enter();
        try {
            tags.put(word, mask, reserved);
            tagsFreed(Long.bitCount(mask), batch);
        } finally {
            batch.leave();
        }
    }

    /** Gives back the tags of requests that have ended. */
    void putTags(HardwareContext hctx, int word, long mask, boolean reserved, CompletionBatch batch) {
        hctx.tags.put(word, mask, reserved);
        tagsFreed(Long.bitCount(mask), batch);
        if (hctx.hasWaiting()) {
            batch.runLater(hctx);
        }
    }

    /** A tag that this queue used last belongs to another queue now: whoever waits for this queue's tags looks again. */
    void tagLeft() {
        if (!gate.isOpen()) {
            gate.tagsFreed();
        }
    }

    /** After tags were given back: whoever may have waited for them goes on. */
    private void tagsFreed(int count, CompletionBatch batch) {
        if (!gate.isOpen()) {
            gate.tagsFreed();
        }
        if (!backlog.isEmpty()) {
            serveBacklog(count, batch);
        }
        if (set.queues().size() > 1) {
            for (RequestQueue other : set.queues()) {
                if (other != this && !other.backlog.isEmpty()) {
                    other.serveBacklog(count, batch);
                }
            }
        }
    }

    // ---- bios that wait without a thread

    /** Puts a bio on the backlog, and takes one off again if after that it turns out that it could go on. */
    private void hold(Bio bio, SoftwareContext ctx, BooleanSupplier couldGoOn) {
        backlog.add(bio, ctx);
        if (couldGoOn.getAsBoolean()) {
            serveBacklogNow(1);
        }
    }

    /** Serves the backlog outside of a completion, or in whichever is under way. */
    private void serveBacklogNow(int count) {
        CompletionBatch batch = CompletionBatch.enter();
        try {
            serveBacklog(count, batch);
        } finally {
            batch.leave();
        }
    }

    private void serveBacklog(int count, CompletionBatch batch) {
        for (int i = 0; i < count; i++) {
            Bio bio = backlog.poll();
            if (bio == null) {
                return;
            }
            if (isRefusedNow(bio)) {
                continue;
            }
            batch.defer(bio, Objects.requireNonNull(((BioState) bio).context));
        }
    }

    // ---- bounce buffers

    private static boolean needsBounce(Bio bio, QueueLimits lim) {
        if (lim.takesAnyMemory()) {
            return bio.vecCount() > lim.segmentsMax() && !((BioState) bio).isBounced();
        }
        if (((BioState) bio).isBounced()) {
            return false;
        }
        long alignmentMask = lim.dmaAlignmentBytes() - 1L;
        boolean vouched = (bio.flags() & Bio.CALLER_MEMORY) != 0;
        int vecs = bio.vecCount();
        for (int i = 0; i < vecs; i++) {
            BioVec vec = bio.vec(i);
            if (!vec.isPooled() && !(vouched && vec.memory().isNative())) {
                return true;
            }
            if (alignmentMask != 0 && ((vec.memory().address() + vec.offset() | vec.bytes()) & alignmentMask) != 0) {
                return true;
            }
        }
        return vecs > lim.segmentsMax();
    }

    /** Gives a bio a bounce buffer. If it can have none now, or never, it stands on the backlog or has ended. */
    private boolean bounce(Bio bio, SoftwareContext ctx) {
        long bytes = bio.bytes();
        if (!mayBounce(bytes)) {
            if (gate.isDying()) {
                BioState.finish(bio, Status.NODEV);
            } else if ((bio.flags() & Bio.NOWAIT) != 0) {
                BioState.finish(bio, Status.AGAIN);
            } else {
                hold(bio, ctx, () -> gate.isDying() || mayBounce(bytes));
            }
            return false;
        }
        bouncingBytes.addAndGet(bytes);
        try {
            copyOut(bio, IoBuffer.allocate(bytes));
        } catch (RuntimeException | OutOfMemoryError e) {
            // The caller has closed its arena, or the pool is at its limit.
            bounceEnded(bytes);
            CallbackFailures.report("bounce buffer for " + bio, e);
            BioState.finish(bio, Status.IOERR);
            return false;
        }
        bounces.increment();
        return true;
    }

    private void copyOut(Bio bio, IoBuffer buffer) {
        try {
            BioState.bounce(bio, buffer, this);
        } catch (RuntimeException e) {
            buffer.close();
            throw e;
        }
    }

    private boolean mayBounce(long bytes) {
        long now = bouncingBytes.get();
        return now == 0 || now + bytes <= BOUNCE_BYTES_MAX;
    }

    void bounceEnded(long bytes) {
        bouncingBytes.addAndGet(-bytes);
        // Who waits for these bytes goes on, also where no tag is given back with them.
        if (!backlog.isEmpty()) {
            serveBacklogNow(1);
        }
    }

    // ---- the way up

    /** The driver's half of a completion. */
    void completeInDriver(Request rq) {
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
        if (!set.isPolled()) {
            return 0;
        }
        CompletionBatch batch = CompletionBatch.enter();
        try {
            return batch.isNested() ? 0 : driver.poll(ctx.hardwareContext(), ctx);
        } catch (Throwable t) {
            CallbackFailures.report("poll of " + name, t);
            return 0;
        } finally {
            batch.leave();
        }
    }

    // ---- requests without bios

    /**
     * A request of the caller's own, for a command that is no I/O of a bio: a driver's or a test's. The caller fills what the
     * driver looks at (PDU, typed object), executes it as often as it likes, and frees it; until then it holds a tag, and a freeze
     * waits for it. The kernel's counterpart is {@code blk_mq_alloc_request}.
     *
     * @param operation what the driver is told
     * @param reserved whether to take one of the reserved tags, which no bio gets
     * @param mayWait whether to wait for a tag, and at a frozen queue
     * @return the request, null if there is none and the caller may not wait
     * @throws IllegalArgumentException if a reserved tag is asked for and the tag set has none
     * @throws IllegalStateException if the queue is closed, or if it may wait and is called by a completion
     */
    public @Nullable Request allocateRequest(Operation operation, boolean reserved, boolean mayWait) {
        if (reserved && set.reservedTags() == 0) {
            throw new IllegalArgumentException(name + ": a reserved tag is asked for, but the tag set has none");
        }
        if (mayWait) {
            requireNoCompletion("allocateRequest");
        }
        SoftwareContext ctx = contextOfCurrentThread();
        for (;;) {
            if (gate.isDying()) {
                throw new IllegalStateException(name + " is closed");
            }
            Request rq = gate.isOpen() ? tryGetOwned(ctx, reserved) : null;
            if (rq != null) {
                rq.initPassThrough(operation, ctx);
                return rq;
            }
            if (!mayWait) {
                return null;
            }
            awaitOne(ctx, reserved);
        }
    }

    /** A tag that passed the gate, null if there is none or the gate was closed meanwhile. */
    private @Nullable Request tryGetOwned(SoftwareContext ctx, boolean reserved) {
        Tags tags = ctx.hardwareContext().tags;
        Request rq = reserved ? tags.tryGetReserved() : tags.tryGet(ctx);
        if (rq == null) {
            return null;
        }
        rq.ownBy(this);
        // After taking the tag, as for a bio.
        if (gate.isOpen()) {
            timeouts.tagTaken();
            return rq;
        }
        giveBack(rq);
        return null;
    }

    /** Waits for what was missing: the gate, or a tag, which is given back to be taken in the regular way. */
    private void awaitOne(SoftwareContext ctx, boolean reserved) {
        if (!gate.isOpen()) {
            gate.awaitOpen();
            return;
        }
        Request rq = awaitTag(ctx, reserved);
        if (rq != null) {
            rq.ownBy(this);
            giveBack(rq);
        }
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
        while (!ended.get()) {
            if (!pollAll()) {
                set.runtime().park(this);
            }
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
        giveBack(rq);
    }

    // ---- requeue

    void requeue(Request rq, boolean kick) {
        requeued.add(rq);
        if (kick) {
            kickRequeueList();
        }
    }

    /**
     * Gives the driver again what it has requeued, before everything that waits. Any thread. The kernel's counterpart is
     * {@code blk_mq_kick_requeue_list}.
     */
    public void kickRequeueList() {
        CompletionBatch batch = CompletionBatch.enter();
        try {
            for (Request rq = requeued.takeLast(); rq != null; rq = requeued.takeLast()) {
                rq.hardwareContext().deferFirst(rq);
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
        gate.freezerComes();
        try {
            while (isBusy()) {
                long left = timeoutNanos - (set.runtime().nanoTime() - start);
                if (left <= 0) {
                    return false;
                }
                if (!pollAll()) {
                    set.runtime().parkNanos(this, left);
                }
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
        if (gate.reopen() && !backlog.isEmpty()) {
            serveBacklogNow(backlog.size());
        }
    }

    /** Polls every hardware context that this thread may poll. Returns whether there was one. */
    private boolean pollAll() {
        if (!set.isPolled()) {
            return false;
        }
        boolean polled = false;
        for (SoftwareContext ctx : contexts) {
            if (driver.mayPoll(ctx.hardwareContext())) {
                poll(ctx);
                polled = true;
            }
        }
        set.runtime().spinWait();
        return polled;
    }

    Timeouts timeouts() {
        return timeouts;
    }

    /** Shows every request of this queue that holds a tag, or the flush request that borrows it. It may change at any moment. */
    void eachActive(Consumer<Request> visitor) {
        for (HardwareContext hctx : hctxs) {
            hctx.tags.eachActiveOf(this, visitor);
        }
    }

    boolean isBusy() {
        for (HardwareContext hctx : hctxs) {
            if (hctx.tags.holdsAnyOf(this)) {
                return true;
            }
        }
        return false;
    }

    /**
     * Refuses what would wait from within a completion.
     *
     * @param what for the message
     * @throws IllegalStateException if the calling thread is completing
     */
    public void requireNoCompletion(String what) {
        if (CompletionBatch.current() != null) {
            throw new IllegalStateException(what + " from inside a completion of a block device would wait for itself");
        }
    }

    /**
     * Ends the queue: who waits to submit gets NODEV, what is stopped or quiesced goes down, what is in flight is waited for, and
     * the driver's contexts are undone.
     * Closing again does nothing but wait.
     *
     * @throws IllegalStateException if called by a completion
     */
    public void close() {
        requireNoCompletion("close");
        boolean first = gate.kill();
        letGo();
        freezeStart();
        serveBacklogNow(backlog.size());
        freezeWait(Long.MAX_VALUE);
        if (first) {
            exitContexts(hctxs.length);
            set.forget(this);
        }
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
     * @return a power of two
     */
    public int contexts() {
        return contexts.length;
    }

    /**
     * One of the software contexts.
     *
     * @param index from 0 to {@link #contexts()} - 1
     * @return the context
     */
    public SoftwareContext context(int index) {
        return contexts[Objects.checkIndex(index, contexts.length)];
    }

    /**
     * The software context that the calling thread is mapped to, by its number at the runtime.
     *
     * @return always the same for a thread
     */
    public SoftwareContext contextOfCurrentThread() {
        return contexts[set.runtime().threadIndex() & (contexts.length - 1)];
    }

    /**
     * One of the hardware contexts.
     *
     * @param index from 0 to the tag set's number - 1
     * @return the context
     */
    public HardwareContext hardwareContext(int index) {
        return hctxs[Objects.checkIndex(index, hctxs.length)];
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
     * How many tags are held now, by requests and by plugs that took them in advance. Of all queues that share the tags.
     *
     * @return exact when nothing moves
     */
    public int heldTags() {
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
                .append(set.isPolled() ? ", polled" : "").append(", backlog ").append(backlog.size())
                .append(", requeue list ").append(requeued.size()).append(", stray completions ")
                .append(strayCompletions()).append('\n');
        for (HardwareContext hctx : hctxs) {
            text.append("  ").append(hctx).append(", flush: ").append(hctx.flushQueue()).append('\n');
            hctx.tags.eachActiveOf(this, rq -> text.append("    ").append(rq).append(", age ")
                    .append((timeouts.tick() - rq.startTick()) * timeouts.tickNanos() / 1_000_000).append(" ms\n"));
        }
        return text.toString();
    }

    @Override
    public String toString() {
        return name;
    }
}
