package io.blkmq.core.mq;

import io.blkmq.core.Bio;
import io.blkmq.core.Operation;
import io.blkmq.core.QueueLimits;
import io.blkmq.core.Status;
import io.blkmq.core.driver.Elevator;
import io.blkmq.core.driver.ElevatorAttribute;
import io.blkmq.core.driver.ElevatorQueue;
import io.blkmq.core.driver.ElevatorType;
import io.blkmq.runtime.IoRuntime;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.concurrent.locks.Lock;
import org.jspecify.annotations.Nullable;

/**
 * An elevator at work for one queue, with the tags that its requests have. The kernel's counterpart is
 * {@code struct elevator_queue} with {@code hctx->sched_tags}.
 *
 * <p>A bio that goes by the elevator gets a request of the scheduler's, which no driver ever sees: it waits in the elevator, grows by
 * merges, and has no PDU. When the elevator gives it out a tag of the driver's is taken, whose request carries it out
 * ({@link TagRequest#carryOut}), and ends with it. So a request that waits holds no tag of the driver's, and what a driver is given is
 * always the request of its tag.
 *
 * <p>Where a scheduler's request is ({@link TagRequest#place}) is guarded by the elevator's lock of its hardware context. That is also how
 * an elevator is found out that gives a request out twice, gives out what it never got, or loses one: the first two are refused, the
 * last ends with an error as soon as the elevator says that it has nothing, or at the latest when it has waited for a time-out while
 * everything that the elevator has given out has ended, and the driver could have had more. Each is reported with the elevator's name.
 * After a mistake the contexts are run again with the next tick of {@link Timeouts}, so that what waits behind it goes on.
 *
 * <p>Made and closed while its queue is frozen and nothing is in flight.
 */
final class Scheduler implements ElevatorQueue {
    /** The fewest and the most requests that a hardware context can have with an elevator (BLKDEV_MIN_RQ, MAX_SCHED_RQ). */
    static final int REQUESTS_MIN = 4;
    static final int REQUESTS_MAX = 2048;
    /** Of the driver's depth, as much counts for the number of requests unless another is set. */
    private static final int DEPTH_COUNTED_MAX = 128;
    /** Who stands still at more ticks than this, one after the other, and is not asked for, is forgotten: no thread is about to call. */
    private static final int FORGOTTEN_TICKS = 1;
    private static final VarHandle WAITING = MethodHandles.arrayElementVarHandle(int[].class);
    /** So often an elevator is asked again that gives out what does not wait there. */
    private static final int DISPATCH_TRIES = 8;

    private final QueueSettings queue;
    private final ElevatorType type;
    /** Of the type, which is asked for it once: it is code of a user's. */
    private final String typeName;
    private final int depth;
    private final DispatchContext[] contexts;
    private final Pool[] pools;
    /**
     * How many requests wait for each hardware context. Guarded by the elevator's lock of that context; who is about to ask the elevator
     * looks without it, opaquely, only to know how many tags to take.
     */
    private final int[] waiting;
    /** Whether the elevator has been asked since the last tick and had nothing to go, or something. Guarded like {@link #waiting}. */
    private final boolean[] hadNothing;
    private final boolean[] gaveOut;
    /** For how many ticks each context has stood still, with requests that wait. The timer's. */
    private final int[] stillTicks;
    /** At how many ticks, one after the other, each context was found with requests that nobody asks for. The timer's. */
    private final int[] forgottenTicks;
    /** Who was in the block layer then: one of them may be about to call, however late. The timer's. */
    private final List<List<Trampoline.Visit>> callers;
    private final Elevator elevator;
    /** The elevator's, by hardware context. */
    private final Lock[] locks;
    /** Whether the elevator has made a mistake while it was asked, which may keep others waiting. */
    private volatile boolean mistaken;

    /** Where a scheduler's request is. */
    enum Place {
        /** Not with the elevator: new, on a plug or a list, with the driver, or gone. */
        OUTSIDE,
        /** With the elevator. */
        WAITING
    }

    /** The tags of a hardware context, or of all where the driver's are host-wide. */
    private static final class Pool {
        final Tags tags;
        /** Of those that may have all tags, and of those whose number the elevator limits. */
        final TagShare share;
        final TagShare limited;

        Pool(Scheduler scheduler, int depth, QueueSettings queue) {
            tags = new Tags(depth, 0, false, scheduler.runtime());
            for (int tag = 0; tag < depth; tag++) {
                tags.place(tag, new TagRequest(tags, tag, MemorySegment.NULL, scheduler));
            }
            share = TagShare.of(tags, queue);
            share.bound(Integer.MAX_VALUE);
            limited = TagShare.of(tags, queue);
            limited.bound(depth);
        }
    }

    /**
     * Makes one.
     *
     * @param contexts the queue's
     */
    Scheduler(QueueSettings queue, DispatchContext[] contexts, ElevatorType type, int depth) {
        this.queue = queue;
        this.contexts = contexts;
        this.type = type;
        this.typeName = type.name();
        this.depth = depth;
        this.pools = new Pool[contexts.length];
        this.waiting = new int[contexts.length];
        this.hadNothing = new boolean[contexts.length];
        this.gaveOut = new boolean[contexts.length];
        this.stillTicks = new int[contexts.length];
        this.forgottenTicks = new int[contexts.length];
        this.callers = new ArrayList<>(Collections.nCopies(contexts.length, List.of()));
        this.locks = new Lock[contexts.length];
        for (int i = 0; i < contexts.length; i++) {
            pools[i] = i > 0 && queue.tagSet().isHostWide() ? pools[0] : new Pool(this, depth, queue);
        }
        boolean made = false;
        try {
            this.elevator = Objects.requireNonNull(type.create(this), () -> this + " was not made");
            for (int i = 0; i < locks.length; i++) {
                locks[i] = Objects.requireNonNull(elevator.lock(i), () -> this + " names no lock");
            }
            made = true;
        } finally {
            if (!made) {
                closePools();
            }
        }
    }

    static int depthByDefault(int driverDepth) {
        return Math.max(2 * Math.min(driverDepth, DEPTH_COUNTED_MAX), REQUESTS_MIN);
    }

    /** Nothing waits, and nobody has a tag. Who still waits for one looks elsewhere. */
    void close() {
        closePools();
        try {
            elevator.close();
        } catch (Throwable t) {
            failed("close", t);
        }
    }

    private void closePools() {
        for (int i = 0; i < pools.length; i++) {
            if (i == 0 || pools[i] != pools[0]) {
                pools[i].tags.dropShare(pools[i].share);
                pools[i].tags.dropShare(pools[i].limited);
                pools[i].tags.close();
            }
        }
    }

    ElevatorType type() {
        return type;
    }

    String typeName() {
        return typeName;
    }

    Map<String, ElevatorAttribute> attributes() {
        try {
            return elevator.attributes();
        } catch (Throwable t) {
            failed("attributes", t);
            return Map.of();
        }
    }

    /** What its tunables are set to, to be given to another of its type. */
    Map<String, String> settings() {
        Map<String, String> settings = new TreeMap<>();
        try {
            attributes().forEach((name, attribute) -> settings.put(name, attribute.get()));
        } catch (Throwable t) {
            failed("attributes", t);
        }
        return settings;
    }

    /** Tunes it like another of its type. */
    void useSettings(Map<String, String> settings) {
        settings.forEach((name, value) -> {
            ElevatorAttribute known = attributes().get(name);
            if (known != null && !known.get().equals(value)) {
                known.set(value);
            }
        });
    }

    /** It has another number of requests than the one whose settings it was given. */
    void tellDepth() {
        try {
            elevator.depthChanged(depth);
        } catch (Throwable t) {
            failed("depthChanged", t);
        }
    }

    // ---- what the elevator sees

    @Override
    public String name() {
        return queue.name();
    }

    @Override
    public IoRuntime runtime() {
        return queue.tagSet().runtime();
    }

    @Override
    public int hardwareContexts() {
        return pools.length;
    }

    @Override
    public int depth() {
        return depth;
    }

    @Override
    public void run(int hctx) {
        Trampoline batch = Trampoline.enter();
        try {
            contexts[hctx].runSoon(batch);
        } finally {
            batch.leave();
        }
    }

    // ---- tags

    /** Which tags an I/O may have. */
    TagShare share(int hctx, Operation operation, int flags) {
        Pool pool = pools[hctx];
        int limit;
        try {
            limit = elevator.depthLimit(operation, flags);
        } catch (Throwable t) {
            failed("depthLimit", t);
            return pool.share;
        }
        if (limit >= depth) {
            return pool.share;
        }
        pool.limited.bound(Math.max(1, limit));
        return pool.limited;
    }

    boolean isBusy() {
        for (Pool pool : pools) {
            if (pool.tags.heldCount() > 0) {
                return true;
            }
        }
        return false;
    }

    int heldTags() {
        int held = 0;
        for (int i = 0; i < pools.length; i++) {
            held += i == 0 || pools[i] != pools[0] ? pools[i].tags.heldCount() : 0;
        }
        return held;
    }

    /** Whether requests of a hardware context's are with the elevator, or were given out by it and have not ended. */
    boolean isBusy(int hctx) {
        return pools[hctx].tags.heldCount() > 0;
    }

    /** How many bios wait for a tag without a thread. */
    int waitingBios() {
        int waiting = 0;
        for (int i = 0; i < pools.length; i++) {
            if (i == 0 || pools[i] != pools[0]) {
                waiting += pools[i].share.bioCount() + pools[i].limited.bioCount();
            }
        }
        return waiting;
    }

    void wakeWaiters() {
        for (Pool pool : pools) {
            pool.share.wakeWaiters();
            pool.limited.wakeWaiters();
        }
    }

    // ---- in

    /** Takes a request that comes from a submitter, and merges it with its neighbours if it may. */
    void insert(TagRequest rq, Trampoline batch) {
        int hctx = rq.hardwareContext().index();
        long now = batch.nowNanos(runtime());
        TagRequest gone;
        Lock lock = locks[hctx];
        lock.lock();
        try {
            gone = insertAndJoin(hctx, rq, now, null, batch);
            fenceInserted();
        } finally {
            lock.unlock();
        }
        releaseAll(gone, batch);
    }

    /** Takes all requests of a plug, which go the same way, by a hardware context. */
    void insert(int hctx, IssueBatch requests, long sentNanos, Trampoline batch) {
        long now = batch.nowNanos(runtime());
        TagRequest gone = null;
        Lock lock = locks[hctx];
        lock.lock();
        try {
            for (int i = 0; i < requests.size(); i++) {
                TagRequest rq = requests.request(i);
                rq.sent(sentNanos);
                gone = insertAndJoin(hctx, rq, now, gone, batch);
            }
            fenceInserted();
        } finally {
            lock.unlock();
        }
        releaseAll(gone, batch);
    }

    /** Takes a request back that the driver has given back. */
    void insertAgain(TagRequest rq, Trampoline batch) {
        int hctx = rq.hardwareContext().index();
        long now = batch.nowNanos(runtime());
        Lock lock = locks[hctx];
        lock.lock();
        try {
            insert(hctx, rq, true, now, batch);
            fenceInserted();
        } finally {
            lock.unlock();
        }
    }

    /**
     * After insertions, of which the elevator has told {@link Elevator#hasWork} by release. Pairs with all who free something and then look
     * whether anything waits for it, a tag ({@link QueueSettings#putTags}) or what the elevator counts: who inserts looks for such things
     * after this.
     */
    private static void fenceInserted() {
        VarHandle.fullFence();
    }

    /** Under the lock. Returns the chain of requests that were absorbed, with those of before. */
    private @Nullable TagRequest insertAndJoin(int hctx, TagRequest rq, long now, @Nullable TagRequest before,
            Trampoline batch) {
        if (!insert(hctx, rq, false, now, batch) || !queue.mergesFurther() || !Merging.mayMerge(rq)) {
            return before;
        }
        TagRequest gone = before;
        try {
            TagRequest kept = rq;
            TagRequest preceding = (TagRequest) elevator.preceding(hctx, rq);
            if (preceding != null && join(hctx, preceding, rq)) {
                rq.next = gone;
                gone = rq;
                kept = preceding;
            }
            TagRequest following = (TagRequest) elevator.following(hctx, kept);
            if (following != null && join(hctx, kept, following)) {
                following.next = gone;
                gone = following;
            }
        } catch (Throwable t) {
            failed("merge", t);
        }
        return gone;
    }

    /** Under the lock. Returns false if the elevator would not have it: then it ends with an error. */
    private boolean insert(int hctx, TagRequest rq, boolean atHead, long now, Trampoline batch) {
        rq.noteWaitingSince(queue.tick());
        rq.place = Place.WAITING;
        countWaiting(hctx, 1);
        try {
            elevator.insert(hctx, rq, atHead, now);
            return true;
        } catch (Throwable t) {
            failed("insert", t);
            leave(hctx, rq);
            rq.failUnissued(Status.IOERR);
            batch.addLater(rq);
            return false;
        }
    }

    /** Under the lock. */
    private void leave(int hctx, TagRequest rq) {
        rq.place = Place.OUTSIDE;
        countWaiting(hctx, -1);
    }

    /** Under the lock. */
    private void countWaiting(int hctx, int change) {
        // Opaque: pairs with the look without the lock.
        WAITING.setOpaque(waiting, hctx, waiting[hctx] + change);
    }

    // ---- merges

    /** Lets a bio join a request that waits, if one is its neighbour. */
    boolean merge(int hctx, Bio bio, QueueLimits limits, Trampoline batch) {
        TagRequest gone = null;
        Lock lock = locks[hctx];
        lock.lock();
        try {
            // What waits keeps the limits as they are; what was there before they changed does not wait any more.
            if (queue.limits() != limits) {
                return false;
            }
            TagRequest rq = (TagRequest) elevator.endingAt(hctx, bio);
            boolean atFront = rq == null || !mayGrow(hctx, rq) || !Merging.append(rq, bio, limits);
            if (atFront) {
                rq = (TagRequest) elevator.beginningAt(hctx, bio);
                if (rq == null || !mayGrow(hctx, rq) || !Merging.prepend(rq, bio, limits)) {
                    return false;
                }
            }
            gone = grown(hctx, Objects.requireNonNull(rq), atFront);
        } catch (Throwable t) {
            failed("merge", t);
            return false;
        } finally {
            lock.unlock();
        }
        releaseAll(gone, batch);
        return true;
    }

    /** Tells the elevator of a merge. Whatever it says, the bio has joined. Returns the request that was absorbed, if one was. */
    private @Nullable TagRequest grown(int hctx, TagRequest rq, boolean atFront) {
        try {
            elevator.merged(hctx, rq, atFront);
            TagRequest neighbour = (TagRequest) (atFront ? elevator.preceding(hctx, rq) : elevator.following(hctx, rq));
            if (neighbour != null && join(hctx, atFront ? neighbour : rq, atFront ? rq : neighbour)) {
                return atFront ? rq : neighbour;
            }
        } catch (Throwable t) {
            failed("merge", t);
        }
        return null;
    }

    /** Under the lock. */
    private boolean join(int hctx, TagRequest first, TagRequest second) {
        if (first == second || !mayGrow(hctx, first) || !mayGrow(hctx, second)
                || !Merging.join(first, second, queue.limits())) {
            return false;
        }
        queue.countMerge(second.softwareContext(), second.operation());
        leave(second.hardwareContext().index(), second);
        try {
            elevator.absorbed(hctx, first, second);
        } catch (Throwable t) {
            // It is gone all the same, and its tag has to be freed.
            failed("absorbed", t);
        }
        return true;
    }

    /** Whether a request waits with the elevator, so that the lock of a context, which is held, guards where it is. */
    @SuppressWarnings("ReferenceEquality") // this very lock
    private boolean waitsHere(int hctx, TagRequest rq) {
        if (rq.scheduler != this) {
            return false;
        }
        int own = rq.hardwareContext().index();
        return (own == hctx || locks[own] == locks[hctx]) && rq.place == Place.WAITING;
    }

    /** Whether what comes through a context may join a request: where contexts are polled, whose thread looks for its end. */
    private boolean mayGrow(int hctx, TagRequest rq) {
        return waitsHere(hctx, rq) && (!contexts[hctx].isPolled() || rq.hardwareContext().index() == hctx);
    }

    private void releaseAll(@Nullable TagRequest first, Trampoline batch) {
        TagRequest rq = first;
        while (rq != null) {
            TagRequest following = rq.next;
            rq.next = null;
            batch.countAbsorbed(rq);
            finished(rq);
            batch.putScheduled(rq);
            rq = following;
        }
    }

    // ---- out

    /** Whether there may be something for a hardware context. */
    boolean hasWork(int hctx) {
        try {
            return elevator.hasWork(hctx);
        } catch (Throwable t) {
            failed("hasWork", t);
            return true;
        }
    }

    /**
     * The next request for the driver, with a tag of the driver's; null if there is none now. What the elevator gives out for another
     * hardware context goes to that one's list.
     */
    @Nullable
    TagRequest next(DispatchContext hctx, Trampoline batch) {
        for (;;) {
            TagRequest carrier = hctx.takeTag();
            if (carrier == null) {
                return null;
            }
            TagRequest rq = dispatch(hctx.index(), batch);
            if (rq == null) {
                hctx.putTagBack(carrier);
                return null;
            }
            if (rq.hardwareContext() == hctx) {
                carrier.carryOut(rq);
                return carrier;
            }
            hctx.putTagBack(carrier);
            deferElsewhere(rq, batch);
        }
    }

    /** What was given out for another hardware context goes to that one's list. */
    private static void deferElsewhere(TagRequest rq, Trampoline batch) {
        DispatchContext other = rq.hardwareContext();
        other.list().defer(rq);
        other.runSoon(batch);
    }

    /**
     * The same for as many as may go in one go: takes tags for as many as wait, several in one step, asks the elevator under its lock
     * once, and gives back together what tags are left.
     *
     * @param most how many at the most
     * @return whether there may be more: the elevator was not asked for all, or has given something out for another context
     */
    boolean next(DispatchContext hctx, ScheduledBatch hand, int most, Trampoline batch) {
        hand.clear();
        int index = hctx.index();
        // Without the lock: what is not counted here is found by the next round.
        int tags = hctx.takeTags(hand, Math.clamp((int) WAITING.getOpaque(waiting, index), 1, most));
        if (tags == 0) {
            return false;
        }
        boolean more = dispatch(index, hand, batch);
        for (int i = 0; i < hand.givenCount(); i++) {
            TagRequest rq = hand.given(i);
            if (rq.hardwareContext() == hctx) {
                hand.carryOut(rq);
            } else {
                deferElsewhere(rq, batch);
            }
        }
        hand.clearGiven();
        if (hand.count() < tags) {
            hctx.putTagsBack(hand);
        }
        return more;
    }

    /** Lets the elevator give out as many as there are tags. Returns false when it has no more. */
    private boolean dispatch(int hctx, ScheduledBatch hand, Trampoline batch) {
        long now = batch.nowNanos(runtime());
        Lock lock = locks[hctx];
        int left = hand.tagCount();
        for (int tries = 0; tries < DISPATCH_TRIES; tries++) {
            TagRequest rq = null;
            lock.lock();
            try {
                while (left > 0) {
                    rq = (TagRequest) elevator.dispatch(hctx, now);
                    if (rq == null) {
                        hadNothing[hctx] = true;
                        return false;
                    }
                    if (!waitsHere(hctx, rq)) {
                        break;
                    }
                    leave(rq.hardwareContext().index(), rq);
                    gaveOut[hctx] = true;
                    hand.give(rq);
                    left--;
                }
            } catch (Throwable t) {
                mistaken = true;
                failed("dispatch", t);
                return false;
            } finally {
                lock.unlock();
            }
            if (left == 0) {
                return true;
            }
            CallbackFailures.report(this + " gave out " + rq + ", which does not wait there: ignored");
        }
        mistaken = true;
        return false;
    }

    /** What the elevator gives out next, of what waits there. */
    private @Nullable TagRequest dispatch(int hctx, Trampoline batch) {
        long now = batch.nowNanos(runtime());
        Lock lock = locks[hctx];
        for (int tries = 0; tries < DISPATCH_TRIES; tries++) {
            TagRequest rq;
            lock.lock();
            try {
                rq = (TagRequest) elevator.dispatch(hctx, now);
                if (rq == null) {
                    hadNothing[hctx] = true;
                    return null;
                }
                if (waitsHere(hctx, rq)) {
                    leave(rq.hardwareContext().index(), rq);
                    gaveOut[hctx] = true;
                    return rq;
                }
            } catch (Throwable t) {
                mistaken = true;
                failed("dispatch", t);
                return null;
            } finally {
                lock.unlock();
            }
            CallbackFailures.report(this + " gave out " + rq + ", which does not wait there: ignored");
        }
        mistaken = true;
        return null;
    }

    /** Ends everything that waits for a hardware context: the device is gone. */
    void endWaiting(int hctx, Trampoline batch) {
        for (TagRequest rq = dispatch(hctx, batch); rq != null; rq = dispatch(hctx, batch)) {
            rq.failUnissued(Status.NODEV);
            batch.add(rq);
        }
    }

    // ---- afterwards

    /** The driver's part of a request is over; its bios are told next. */
    void completed(TagRequest rq, Trampoline batch) {
        try {
            elevator.completed(rq, batch.nowNanos(runtime()));
        } catch (Throwable t) {
            failed("completed", t);
        }
    }

    /** The driver gives a request back. */
    void requeued(TagRequest rq) {
        try {
            elevator.requeued(rq);
        } catch (Throwable t) {
            failed("requeued", t);
        }
    }

    /** A request has ended, or was absorbed: its tag is given back next. */
    void finished(TagRequest rq) {
        try {
            elevator.finished(rq);
        } catch (Throwable t) {
            failed("finished", t);
        }
    }

    /** Gives a tag back, also one that somebody still had when the scheduler was closed. */
    void putTag(TagRequest rq) {
        putTags(rq.tags, rq.word, rq.mask);
    }

    /** Gives tags of one word back. */
    void putTags(Tags tags, int word, long mask) {
        tags.put(word, mask, false);
        queue.tagsFreed(Long.bitCount(mask));
    }

    // ---- elevators that break their contract

    /**
     * Finds requests that the elevator has lost: it says that it has nothing while requests are with it; or they have waited for a
     * time-out, and for a time-out it has given out nothing, and nothing was left whose end could let them go. They end with an error. A
     * context that is held, or whose tags others have, does not let its requests wait in vain; nor does one that nobody has polled.
     *
     * <p>While nothing is in flight the contexts are also run once a tick: a request may have waited for nothing but its age, and then the
     * elevator was asked for it before. One that nobody has asked for while it stood still from one tick to the next is run, too, and
     * counts as a rescue ({@link Rescues}): a call was lost. It does not count while somebody may be about to ask: a thread that has not
     * left the block layer since, which may have brought the request, or the context's agent, which has been called.
     *
     * @param tick now
     * @param ticksMax how long requests may stand still
     * @param idle whether nothing is in flight
     */
    void endLost(int tick, int ticksMax, boolean idle, Trampoline batch) {
        boolean again = mistaken;
        mistaken = false;
        // Before it is looked whether anything has moved: who asks and leaves after that look would be taken for one that has not asked.
        boolean[] mayStillBeAskedFor = new boolean[contexts.length];
        for (int i = 0; i < contexts.length; i++) {
            mayStillBeAskedFor[i] = mayStillBeAskedFor(i);
        }
        boolean standsStill = allWaitForTheElevator() && idle;
        for (int i = 0; i < contexts.length; i++) {
            boolean asked = wasAskedInVain(i);
            for (TagRequest rq : takeLost(i, tick, ticksMax, standsStill)) {
                CallbackFailures.report(this + " has lost " + rq + ": it ends with an error");
                rq.failUnissued(Status.IOERR);
                batch.add(rq);
            }
            boolean forgotten = standsStill && !asked && stillTicks[i] > 0 && !again && !contexts[i].isPolled();
            forgottenTicks[i] = forgotten ? forgottenTicks[i] + 1 : 0;
            // Perhaps somebody is about to call: then it goes on before the next tick.
            boolean tooEarly = forgotten && forgottenTicks[i] <= FORGOTTEN_TICKS;
            if (tooEarly) {
                callers.set(i, Trampoline.visitsOfOthers(runtime()));
            }
            if (again || (idle && hasWork(i) && !tooEarly)) {
                if (forgotten && !mayStillBeAskedFor[i]) {
                    Rescues.count(this + ": nobody has asked for what waits for hardware context " + i);
                }
                forgottenTicks[i] = 0;
                callers.set(i, List.of());
                contexts[i].runSoon(batch);
            }
        }
    }

    private boolean mayStillBeAskedFor(int hctx) {
        return contexts[hctx].isAgentCalled() || !callers.get(hctx).stream().allMatch(Trampoline.Visit::isOver);
    }

    /**
     * Whether all requests are with the elevator, and it alone lets them wait, and has given out nothing since the last tick. What may go
     * through one context may wait for what has to go through another.
     */
    private boolean allWaitForTheElevator() {
        int with = 0;
        boolean moved = false;
        for (int i = 0; i < contexts.length; i++) {
            int here;
            locks[i].lock();
            try {
                here = waiting[i];
                moved |= gaveOut[i];
                gaveOut[i] = false;
            } finally {
                locks[i].unlock();
            }
            moved |= here > 0 && !contexts[i].couldTake();
            with += here;
        }
        return !moved && with == heldTags();
    }

    /** Whether the elevator has been asked for what goes through a context since the last tick, and had nothing to go. */
    private boolean wasAskedInVain(int hctx) {
        locks[hctx].lock();
        try {
            return hadNothing[hctx];
        } finally {
            locks[hctx].unlock();
        }
    }

    private List<TagRequest> takeLost(int hctx, int tick, int ticksMax, boolean standsStill) {
        List<TagRequest> lost = new ArrayList<>();
        locks[hctx].lock();
        try {
            if (!standsStill || waiting[hctx] == 0) {
                stillTicks[hctx] = 0;
            } else if (hadNothing[hctx] || !contexts[hctx].isPolled()) {
                stillTicks[hctx]++;
            }
            hadNothing[hctx] = false;
            if (waiting[hctx] > 0) {
                boolean denied = !hasWork(hctx);
                boolean stood = stillTicks[hctx] > ticksMax;
                for (TagRequest rq : pools[hctx].tags.requests) {
                    if (rq.place == Place.WAITING && rq.hardwareContext().index() == hctx
                            && (denied || (stood && tick - rq.startTick() > ticksMax))) {
                        lost.add(rq);
                    }
                }
                lost.forEach(rq -> leave(hctx, rq));
            }
        } finally {
            locks[hctx].unlock();
        }
        return lost;
    }

    /** For people: what the elevator says of itself. */
    String describe() {
        String own = typeName;
        try {
            own = elevator.toString();
        } catch (Throwable t) {
            failed("toString", t);
        }
        return own + ", " + heldTags() + " of " + depth + " requests";
    }

    private void failed(String callback, Throwable t) {
        CallbackFailures.report(callback + " of " + this, t);
    }

    @Override
    public String toString() {
        return "elevator " + typeName + " of " + queue.name();
    }
}
