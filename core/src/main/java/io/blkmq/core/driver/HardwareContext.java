package io.blkmq.core.driver;

import io.blkmq.core.Bio;
import io.blkmq.core.QueueLimits;
import io.blkmq.core.Status;
import io.blkmq.runtime.IoRuntime;
import java.util.ArrayDeque;
import java.util.Iterator;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.Lock;
import org.jspecify.annotations.Nullable;

/**
 * A way down to the device. Submitting threads call the driver from here themselves; what the driver could not take stands on
 * the dispatch list, in order, and goes before anything new. The kernel's counterpart is {@code struct blk_mq_hw_ctx}.
 *
 * <p>The dispatch list is guarded by its lock; {@link #waiting} is its length for those who only look. One thread at a time
 * serves it: {@link #run} is a small state machine, so that a call that comes while another runs makes that one go round again.
 *
 * <pre>
 *   IDLE ──run──▶ RUNNING ──run by another──▶ AGAIN
 *    ▲               │ done                     │ done: go round
 *    └───────────────┴──────────────◀───────────┘
 * </pre>
 *
 * <p>A context may be held, by {@link #stop} or by a quiesced queue: then everything goes to the list and stays there. A thread
 * that issues looks at {@link #waiting} after it has entered the block layer ({@link CompletionBatch#enter}, a volatile
 * read-modify-write), and a quiescing thread waits after it has set the hold until all who were in there have left: so none is
 * in the driver afterwards, and no counter is kept for it.
 *
 * <p>No wake-up is lost: whoever puts a request on the list sees to it that a timer runs the context, and besides every
 * completion that finds the list not empty runs it. A context whose driver has refused is also noted with the tag set, so that
 * completions of other contexts and queues run it, whose resources it may share.
 *
 * <p>A polled context belongs to who polls it: its driver may keep what it has for one thread, and tells completions on that thread. So
 * others never give its driver anything ({@link #mayServe}): who freezes, unquiesces, starts, kicks the requeue list, hands blocks over or
 * carries a timer leaves what there is to do on the list, and whoever polls the context next does it. Nothing is lost: what is on the list
 * has not ended, and its end is found by polling. No timer and no completion of another context's is needed for it.
 *
 * <p>Where the driver may block ({@link TagSet.Flag#BLOCKING}), everything goes by the list, and an agent of the context's own serves
 * it. That calls the driver from outside of the block layer, so that the driver may itself do I/O and wait for it.
 */
public final class HardwareContext {
    /** How long the layer waits before it offers again what a driver refused with {@link Status#RESOURCE}. */
    static final long RESOURCE_DELAY_NANOS = TimeUnit.MILLISECONDS.toNanos(3);

    /** How many of the newest requests on the list are looked at for a merge. */
    private static final int MERGE_LOOKS = 8;

    private static final int HELD = 1 << 30;
    private static final int IDLE = 0;
    private static final int RUNNING = 1;
    private static final int AGAIN = 2;

    final Tags tags;
    final TagShare share;
    private final RequestQueue queue;
    private final BlockDriver driver;
    private final int index;
    /** Changed only while the queue is frozen. */
    private volatile QueueType type;
    private @Nullable Object driverData;
    private @Nullable FlushQueue flushQueue;

    private final Lock lock;
    private final ArrayDeque<Request> dispatch = new ArrayDeque<>();
    /** Whether the thread that serves the list holds its first request in hand. Guarded by the lock. */
    private boolean inHand;
    /** Whether the agent is, or is about to be, in the driver. Guarded by the lock. */
    private boolean agentBusy;
    /** Whether the context is stopped, and whether its queue is quiesced. Guarded by the lock. */
    private boolean stopped;
    private boolean quiesced;
    /** Whether the device is gone. Guarded by the lock for writing. */
    private volatile boolean dead;
    /**
     * 0 if requests may go straight to the driver. Otherwise the length of the dispatch list, with the request in hand, and
     * {@link #HELD} if nothing may be dispatched. Written under the lock.
     */
    private volatile int waiting;
    private final AtomicInteger running = new AtomicInteger(IDLE);
    /** Whether a timer is going to run this context. */
    private final AtomicInteger rerunTimers = new AtomicInteger();
    /** Whether the last look for a tag of the driver's found none. The thread's that serves the list. */
    private boolean missedTag;
    /** Where it stands when the driver has refused, and when it finds no tag. */
    private final StarvedContexts.Place refused = new StarvedContexts.Place(this);
    private final StarvedContexts.Place withoutTag = new StarvedContexts.Place(this);
    /** Where requests wait before they come here, in whose order; null without an elevator. Changed only while the queue is frozen. */
    private volatile @Nullable Scheduler scheduler;
    /** Serves the list where the driver may block; null elsewhere. */
    private final @Nullable DispatchAgent agent;

    HardwareContext(RequestQueue queue, int index, QueueType type, TagShare share) {
        this.queue = queue;
        this.lock = queue.tagSet().runtime().newLock();
        this.driver = queue.tagSet().driver();
        this.index = index;
        this.type = type;
        this.share = share;
        this.tags = share.tags;
        this.agent = queue.tagSet().isBlocking() ? new DispatchAgent(this) : null;
    }

    /**
     * Its number.
     *
     * @return from 0
     */
    public int index() {
        return index;
    }

    /**
     * What it is for.
     *
     * @return changes only with {@link TagSet#updateHardwareQueues}
     */
    public QueueType type() {
        return type;
    }

    /** While the queue is frozen. */
    void setType(QueueType value) {
        type = value;
    }

    /**
     * Whether completions are found by {@link BlockDriver#poll}.
     *
     * @return true if its type is {@link QueueType#POLL}, or with {@link TagSet.Flag#POLLED}
     */
    public boolean isPolled() {
        return type == QueueType.POLL || queue.tagSet().isPolled();
    }

    /**
     * Its queue.
     *
     * @return always the same
     */
    public RequestQueue queue() {
        return queue;
    }

    /**
     * The driver's object.
     *
     * @return what {@link #setDriverData} was given
     */
    public @Nullable Object driverData() {
        return driverData;
    }

    /**
     * Gives the context an object of the driver's, in {@link BlockDriver#initHctx}.
     *
     * @param data anything
     */
    public void setDriverData(@Nullable Object data) {
        this.driverData = data;
    }

    /**
     * The request that is in flight under a tag: how a driver finds it again from a number. Meaningful only while the driver
     * has the request.
     *
     * @param tag of a request that the driver was given
     * @return the request; while its tag is lent, the flush request
     */
    public Request request(int tag) {
        return tags.active(tag);
    }

    void useFlushQueue(FlushQueue flush) {
        this.flushQueue = flush;
    }

    /** Whether the calling thread is the agent of this context. */
    boolean isServedHere() {
        return agent != null && agent.isCurrentThread();
    }

    /** Ends its agent. The queue has no request any more, or has never had one. */
    void retire() {
        if (agent != null) {
            awaitAgent(Long.MAX_VALUE);
            agent.stop();
        }
    }

    FlushQueue flushQueue() {
        return java.util.Objects.requireNonNull(flushQueue);
    }

    /** While the queue is frozen and nothing is in flight. */
    void useScheduler(@Nullable Scheduler value) {
        scheduler = value;
    }

    @Nullable
    Scheduler scheduler() {
        return scheduler;
    }

    private boolean hasWaiting() {
        return (waiting & ~HELD) != 0;
    }

    /** Whether there may be something to dispatch, on the list or with the elevator. */
    boolean hasWork() {
        Scheduler elevator = scheduler;
        return hasWaiting() || (elevator != null && elevator.hasWork(index));
    }

    /** Whose tags an I/O has: the scheduler's, unless there is none or it is one of a flush sequence. */
    TagShare source(Bio bio, boolean sequenced) {
        Scheduler elevator = scheduler;
        return elevator == null || sequenced ? share : elevator.share(index, bio.operation(), bio.flags());
    }

    // ---- tags of the driver's for requests that the elevator gives out

    /** Takes a tag of the driver's without waiting. If there is none, completions that free one run this context. */
    @Nullable
    Request takeTag() {
        Request rq = share.tryGetAny();
        if (rq == null && (tags.isShared() || queue.tagSet().isHostWide())) {
            // What goes through here frees tags and looks here; what goes another way looks at who is noted.
            tags.withoutTag.add(withoutTag);
            rq = share.tryGetAny();
        }
        missedTag = rq == null;
        if (rq != null) {
            rq.ownBy(queue);
        }
        return rq;
    }

    /** Gives a tag back that nothing was found for. It does not run this context: that has just looked. */
    void putTagBack(Request rq, CompletionBatch batch) {
        tags.put(rq.word, rq.mask, false);
        queue.tagsFreed(1, batch);
        if (!tags.withoutTag.isEmpty()) {
            tags.withoutTag.run(1, batch);
        }
    }

    // ---- merging with what waits without an elevator

    /**
     * Lets a bio join one of the last few requests of its software context on the dispatch list.
     *
     * @return whether it has
     */
    boolean mergeWaiting(Bio bio, SoftwareContext ctx, QueueLimits limits) {
        lock.lock();
        try {
            if (queue.limits() != limits) {
                return false;
            }
            int looks = queue.mergesFurther() ? MERGE_LOOKS : 1;
            Iterator<Request> newest = dispatch.descendingIterator();
            for (int i = 0; i < looks && newest.hasNext(); i++) {
                Request rq = newest.next();
                if (rq.softwareContext() == ctx
                        && (Merging.append(rq, bio, limits) || Merging.prepend(rq, bio, limits))) {
                    return true;
                }
            }
            return false;
        } finally {
            lock.unlock();
        }
    }

    /** Whether the driver could be given more than it has: nothing holds the context, and there is a tag. */
    boolean couldTake() {
        return (dead || !isHeld()) && share.mayTake() && tags.hasFree();
    }

    private boolean isHeld() {
        return (waiting & HELD) != 0;
    }

    /**
     * Stops the dispatch of this context: what is submitted waits in order. A driver may stop its own from within
     * {@code queueRq}. Calls that are under way are not waited for ({@link RequestQueue#quiesce} does). The kernel's counterpart
     * is {@code blk_mq_stop_hw_queue}.
     */
    public void stop() {
        setStopped(true);
    }

    /** Undoes {@link #stop}, and dispatches what waits. */
    public void start() {
        setStopped(false);
        run();
    }

    private void setStopped(boolean value) {
        lock.lock();
        try {
            stopped = value;
            countWaiting();
        } finally {
            lock.unlock();
        }
    }

    /** Holds dispatch for the queue, or lets it go on: then {@link #run} is due. */
    void setQuiesced(boolean value) {
        lock.lock();
        try {
            quiesced = value;
            countWaiting();
        } finally {
            lock.unlock();
        }
    }

    /** Ends every hold; {@link #run} is due. */
    void letGo() {
        lock.lock();
        try {
            stopped = false;
            quiesced = false;
            countWaiting();
        } finally {
            lock.unlock();
        }
    }

    /**
     * Whether the context is stopped.
     *
     * @return true from {@link #stop} to {@link #start}
     */
    public boolean isStopped() {
        lock.lock();
        try {
            return stopped;
        } finally {
            lock.unlock();
        }
    }

    /** The time of what is being done, if it is counted; then nobody reads a clock for nothing. */
    long nowIfCounted(CompletionBatch batch) {
        return queue.iostats() ? batch.nowNanos(queue.tagSet().runtime()) : 0;
    }

    /**
     * Whether the calling thread may give the driver requests of this context: of a polled one only who submits to it or polls it. All
     * that goes to the driver asks this, but what a submitter issues straight.
     */
    private boolean mayServe(CompletionBatch batch) {
        return !isPolled() || (batch.serves(this) && queue.claim(this));
    }

    /**
     * The calling thread has come to submit something that will wait here: until it leaves the block layer it may serve the context.
     * Before it is put there, so that nobody else takes the context with it.
     */
    void beginServing(CompletionBatch batch) {
        if (isPolled()) {
            batch.serve(this);
            boolean _ = queue.claim(this);
        }
    }

    /**
     * Issues one request from the calling thread, or puts it behind those that wait.
     *
     * @param submitting whether the thread has come to submit it
     */
    void issue(Request rq, boolean submitting, CompletionBatch batch) {
        if (waiting != 0 || agent != null || !(submitting || mayServe(batch))) {
            if (submitting) {
                beginServing(batch);
            }
            defer(rq);
            runSoon(batch);
        } else if (issueToDriver(rq, true, batch) == Issue.REFUSED) {
            defer(rq);
            afterRefusal(batch);
        }
    }

    /** Lets the elevator have a request, and the context be run. */
    void schedule(Scheduler elevator, Request rq, boolean submitting, CompletionBatch batch) {
        if (submitting) {
            beginServing(batch);
        }
        elevator.insert(rq, batch);
        runSoon(batch);
    }

    /** The same with all requests of a plug. */
    void schedule(Scheduler elevator, RequestBatch requests, long sentNanos, boolean submitting,
            CompletionBatch batch) {
        if (submitting) {
            beginServing(batch);
        }
        elevator.insert(requests, sentNanos, batch);
        runSoon(batch);
    }

    /** Has it run, by the calling thread before it leaves the block layer, unless it is the agent's or of those who poll it. */
    void runSoon(CompletionBatch batch) {
        if (agent != null && !dead) {
            agent.wake();
        } else {
            batch.runLater(this);
        }
    }

    /** Issues a batch from the calling thread: whole if the driver takes it so, else one by one. */
    void issue(RequestBatch requests, long sentNanos, boolean submitting, CompletionBatch batch) {
        int size = requests.size();
        if (waiting != 0 || agent != null || !(submitting || mayServe(batch))) {
            if (submitting) {
                beginServing(batch);
            }
            deferFrom(requests, 0, sentNanos);
            runSoon(batch);
            return;
        }
        boolean bellDue = false;
        for (int i = size > 1 ? issueWhole(requests, sentNanos, batch) : 0; i < size; i++) {
            if (waiting != 0) {
                // Stopped by the driver meanwhile, or something has come to stand before it.
                deferFrom(requests, i, sentNanos);
                runSoon(batch);
                break;
            }
            boolean last = i == size - 1;
            Request rq = requests.request(i);
            rq.sent(sentNanos);
            Issue issue = issueToDriver(rq, last, batch);
            if (issue == Issue.REFUSED) {
                deferFrom(requests, i, sentNanos);
                afterRefusal(batch);
                break;
            }
            bellDue = issue == Issue.TAKEN ? !last : bellDue;
        }
        if (bellDue) {
            ringBell(batch);
        }
    }

    private int issueWhole(RequestBatch requests, long sentNanos, CompletionBatch batch) {
        int size = requests.size();
        requests.start(queue.timeouts().tick(), sentNanos);
        int taken;
        batch.issueBegins();
        try {
            taken = driver.queueRqs(this, requests);
        } catch (Throwable t) {
            CallbackFailures.report("queueRqs of " + queue.name(), t);
            failThoseInFlight(requests, 0, batch);
            return size;
        } finally {
            batch.issueEnds();
        }
        if (taken < 0 || taken > size) {
            CallbackFailures.report("queueRqs of " + queue.name() + " took " + taken + " of " + size + " requests");
            failThoseInFlight(requests, 0, batch);
            return size;
        }
        return unstartFrom(requests, taken, batch) ? taken : size;
    }

    /** Takes back what the driver said that it did not take. Returns false if it has completed some of that: then all of that has ended. */
    private boolean unstartFrom(RequestBatch requests, int first, CompletionBatch batch) {
        for (int i = first; i < requests.size(); i++) {
            if (!requests.request(i).unstart(requests.use(i))) {
                CallbackFailures.report("queueRqs of " + queue.name() + " took fewer requests than it completed");
                for (int idle = first; idle < i; idle++) {
                    Request rq = requests.request(idle);
                    rq.failUnissued(Status.IOERR);
                    batch.addLater(rq);
                }
                failThoseInFlight(requests, i, batch);
                return false;
            }
        }
        return true;
    }

    /** The driver broke its contract: nobody knows what it took, so what it has not completed fails. */
    private static void failThoseInFlight(RequestBatch requests, int first, CompletionBatch batch) {
        for (int i = first; i < requests.size(); i++) {
            Request rq = requests.request(i);
            if (rq.fail(requests.use(i), Status.IOERR)) {
                batch.addLater(rq);
            }
        }
    }

    /** Gives one request to the driver. If it is refused it is idle again, and the caller's. */
    private Issue issueToDriver(Request rq, boolean last, CompletionBatch batch) {
        int budget = budget();
        if (budget < 0) {
            return Issue.REFUSED;
        }
        rq.issued(nowIfCounted(batch));
        long use = rq.start();
        Status status;
        batch.issueBegins();
        try {
            status = driver.queueRq(this, rq, last);
        } catch (Throwable t) {
            CallbackFailures.report("queueRq of " + queue.name(), t);
            status = Status.IOERR;
        } finally {
            batch.issueEnds();
        }
        return status == Status.OK ? Issue.TAKEN : notTaken(rq, use, status, budget, batch);
    }

    /** The same on the agent, from outside of the block layer. */
    private Issue issueToBlockingDriver(Request rq, boolean last) {
        int budget = budget();
        if (budget < 0) {
            return Issue.REFUSED;
        }
        rq.issued(queue.iostats() ? queue.tagSet().runtime().nanoTime() : 0);
        long use = rq.start();
        Status status;
        try {
            status = driver.queueRq(this, rq, last);
        } catch (Throwable t) {
            CallbackFailures.report("queueRq of " + queue.name(), t);
            status = Status.IOERR;
        }
        if (status == Status.OK) {
            return Issue.TAKEN;
        }
        CompletionBatch batch = CompletionBatch.enter();
        try {
            return notTaken(rq, use, status, budget, batch);
        } finally {
            batch.leave();
        }
    }

    private Issue notTaken(Request rq, long use, @Nullable Status status, int budget, CompletionBatch batch) {
        putBudget(budget);
        if (status == Status.RESOURCE || status == Status.DEV_RESOURCE) {
            if (rq.unstart(use)) {
                return Issue.REFUSED;
            }
        } else {
            if (status == null) {
                CallbackFailures.report("queueRq of " + queue.name() + " returned null");
            }
            if (rq.fail(use, status == null ? Status.IOERR : status)) {
                // Later: it may be one of a batch that goes down.
                batch.addLater(rq);
                return Issue.ENDED;
            }
        }
        CallbackFailures.report("queueRq of " + queue.name() + " refused a request that it has completed");
        return Issue.ENDED;
    }

    private void putBudget(int budget) {
        try {
            driver.putBudget(queue, budget);
        } catch (Throwable t) {
            CallbackFailures.report("putBudget of " + queue.name(), t);
        }
    }

    private int budget() {
        try {
            return driver.getBudget(queue);
        } catch (Throwable t) {
            CallbackFailures.report("getBudget of " + queue.name(), t);
            return -1;
        }
    }

    /** Puts a request behind those that wait. */
    void defer(Request rq) {
        lock.lock();
        try {
            dispatch.addLast(rq);
            countWaiting();
        } finally {
            lock.unlock();
        }
    }

    /** Puts a request before those that wait. */
    void deferFirst(Request rq) {
        lock.lock();
        try {
            dispatch.addFirst(rq);
            countWaiting();
        } finally {
            lock.unlock();
        }
    }

    /** The device is gone: nothing goes to the driver any more, but what is in somebody's hand. */
    void die(CompletionBatch batch) {
        lock.lock();
        try {
            dead = true;
            countWaiting();
        } finally {
            lock.unlock();
        }
        endWaiting(batch);
    }

    private void endWaiting(CompletionBatch batch) {
        for (;;) {
            Request rq;
            lock.lock();
            try {
                rq = dispatch.pollFirst();
                countWaiting();
            } finally {
                lock.unlock();
            }
            if (rq == null) {
                break;
            }
            rq.failUnissued(Status.NODEV);
            batch.add(rq);
        }
        Scheduler elevator = scheduler;
        if (elevator != null) {
            elevator.endWaiting(index, batch);
        }
    }

    private void deferFrom(RequestBatch requests, int first, long sentNanos) {
        lock.lock();
        try {
            for (int i = first; i < requests.size(); i++) {
                Request rq = requests.request(i);
                rq.sent(sentNanos);
                dispatch.addLast(rq);
            }
            countWaiting();
        } finally {
            lock.unlock();
        }
    }

    /** Under the lock. */
    private void countWaiting() {
        waiting = dispatch.size() + (inHand ? 1 : 0) + (stopped || quiesced || dead ? HELD : 0);
    }

    /**
     * The driver has refused what stands on the list by now: the next completion calls the context, and a timer does if none comes; a polled
     * one goes on with each poll.
     *
     * <p>What the driver missed may have come free before the context was noted, with the last request that it had: then no completion
     * comes. So who has noted the context looks whether the driver has anything, and otherwise has it asked again at once. A context that
     * was noted before the driver was asked needs no such look: a driver that refuses with nothing in flight is asked again by the timer.
     */
    private void afterRefusal(CompletionBatch batch) {
        if (agent == null && isPolled()) {
            return;
        }
        TagSet set = queue.tagSet();
        // In this order: a completion ends its request, frees the tag, and then looks who was refused.
        if (set.refused.add(refused) && !set.isAnyBegun()) {
            runSoon(batch);
        } else if (rerunTimers.compareAndSet(0, 1)) {
            set.runtime().schedule(RESOURCE_DELAY_NANOS, () -> {
                rerunTimers.set(0);
                run();
            });
        }
    }

    private void ringBell(CompletionBatch batch) {
        batch.issueBegins();
        try {
            commit();
        } finally {
            batch.issueEnds();
        }
    }

    private void commit() {
        try {
            driver.commitRqs(this);
        } catch (Throwable t) {
            CallbackFailures.report("commitRqs of " + queue.name(), t);
        }
    }

    /**
     * Like {@link #run}, on a thread of the runtime: for callers that hold locks of the driver's. The kernel's counterpart is
     * {@code blk_mq_run_hw_queue} with {@code async}.
     */
    public void runAsync() {
        queue.tagSet().runtime().execute(this::run);
    }

    /**
     * Like {@link #runAsync}, later. The kernel's counterpart is {@code blk_mq_delay_run_hw_queue}.
     *
     * @param delayNanos how much later
     */
    public void runLater(long delayNanos) {
        queue.tagSet().runtime().schedule(delayNanos, this::run);
    }

    /**
     * Serves the dispatch list until it is empty or the driver refuses. Any thread; returns at once if another is at it, which
     * then goes round again. A driver that answered {@link Status#DEV_RESOURCE} calls it when it can take requests again. A polled
     * context is served by who polls it, with each poll: then this does nothing for any other thread.
     */
    public void run() {
        if (dead) {
            CompletionBatch batch = CompletionBatch.enter();
            try {
                endWaiting(batch);
            } finally {
                batch.leave();
            }
            return;
        }
        if (!mayDispatch()) {
            passOn();
            return;
        }
        if (agent != null) {
            agent.wake();
            return;
        }
        CompletionBatch batch = CompletionBatch.enter();
        try {
            if (!mayServe(batch)) {
                // Whoever polls it next finds what is left here, and may be asleep.
                queue.tagSet().parking().wakePollers();
                return;
            }
            if (batch.isIssuing()) {
                batch.runLater(this);
            } else if (running.compareAndSet(IDLE, RUNNING) || running.getAndSet(AGAIN) == IDLE) {
                do {
                    running.set(RUNNING);
                    dispatchWaiting(batch);
                } while (!running.compareAndSet(RUNNING, IDLE));
            }
        } finally {
            batch.leave();
        }
    }

    /** Whether requests of this context's are under way: with the elevator, on the list or with the driver; with host-wide tags, of any. */
    boolean mayHaveRequests() {
        Scheduler elevator = scheduler;
        // In this order: see RequestQueue.isBusy.
        return (elevator != null && elevator.isBusy(index)) || tags.holdsAnyOf(queue);
    }

    boolean mayDispatch() {
        return !isHeld() && hasWork();
    }

    /**
     * A tag that has become free, and was to be for this context, is for another: this one is held by now, or has nothing any more, or
     * its driver refuses what has a tag already.
     */
    void passOn() {
        if (!tags.withoutTag.isEmpty()) {
            CompletionBatch batch = CompletionBatch.enter();
            try {
                tags.withoutTag.run(1, batch);
            } finally {
                batch.leave();
            }
        }
    }

    /** Serves the list like {@link #run}, on the agent. */
    void dispatchOnAgent() {
        boolean bellDue = false;
        boolean driverRefused = false;
        for (Request rq = takeNextOnAgent(); rq != null; rq = driverRefused ? null : takeNextOnAgent()) {
            boolean last = isLast();
            Issue issue = issueToBlockingDriver(rq, last);
            driverRefused = issue == Issue.REFUSED;
            putFromHand(driverRefused ? rq : null);
            bellDue = issue == Issue.TAKEN ? !last : bellDue;
        }
        if (bellDue) {
            commit();
        }
        lock.lock();
        try {
            agentBusy = false;
        } finally {
            lock.unlock();
        }
        CompletionBatch batch = CompletionBatch.enter();
        try {
            dispatchEnds(driverRefused, batch);
        } finally {
            batch.leave();
        }
    }

    private void dispatchEnds(boolean driverRefused, CompletionBatch batch) {
        if (dead) {
            // What was put back from the hand may be on the list since after it was emptied.
            run();
            return;
        }
        if (driverRefused) {
            afterRefusal(batch);
        }
        if (!missedTag && (driverRefused || !mayDispatch())) {
            passOn();
        }
        missedTag = false;
    }

    /**
     * Waits until the agent is not in the driver. Nothing may be dispatched, or there is nothing.
     *
     * @return false if it is after the time given
     */
    boolean awaitAgent(long timeoutNanos) {
        IoRuntime runtime = queue.tagSet().runtime();
        long start = runtime.nanoTime();
        for (int looks = 0; agent != null && isAgentBusy(); looks++) {
            if (runtime.nanoTime() - start >= timeoutNanos) {
                return false;
            }
            CompletionBatch.pause(runtime, looks);
        }
        return true;
    }

    private boolean isAgentBusy() {
        lock.lock();
        try {
            return agentBusy;
        } finally {
            lock.unlock();
        }
    }

    private void dispatchWaiting(CompletionBatch batch) {
        boolean bellDue = false;
        boolean driverRefused = false;
        for (Request rq = takeNext(batch); rq != null; rq = driverRefused ? null : takeNext(batch)) {
            boolean last = isLast();
            Issue issue = issueToDriver(rq, last, batch);
            driverRefused = issue == Issue.REFUSED;
            putFromHand(driverRefused ? rq : null);
            bellDue = issue == Issue.TAKEN ? !last : bellDue;
        }
        if (bellDue) {
            ringBell(batch);
        }
        dispatchEnds(driverRefused, batch);
    }

    /** Whether nothing follows the request in hand, as far as can be seen. If nothing does all the same, the bell is rung. */
    private boolean isLast() {
        Scheduler elevator = scheduler;
        return waiting == 1 && (elevator == null || !elevator.hasWork(index));
    }

    /** What goes next: from the list, and when that is empty from the elevator, with a tag of the driver's. */
    private @Nullable Request takeNext(CompletionBatch batch) {
        Request rq = takeInHand();
        if (rq == null) {
            return takeScheduled(batch);
        }
        if (rq.scheduler == null) {
            return rq;
        }
        // Given out to another context, which had no tag for it.
        Request carrier = takeTag();
        if (carrier != null) {
            carrier.carryOut(rq);
            return carrier;
        }
        putFromHand(rq);
        // Those behind it that have their tags must not wait for one: it may be theirs that is missing.
        return takeTaggedInHand();
    }

    private @Nullable Request takeNextOnAgent() {
        CompletionBatch batch = CompletionBatch.enter();
        try {
            return takeNext(batch);
        } finally {
            batch.leave();
        }
    }

    private @Nullable Request takeScheduled(CompletionBatch batch) {
        Scheduler elevator = scheduler;
        if (elevator == null || !elevator.hasWork(index) || !beginHand()) {
            return null;
        }
        Request rq = elevator.next(this, batch);
        if (rq == null) {
            putFromHand(null);
        }
        return rq;
    }

    /** Like {@link #takeInHand}, for a request that the elevator is going to give out. Returns false if nothing may go. */
    private boolean beginHand() {
        lock.lock();
        try {
            if (stopped || quiesced || dead) {
                return false;
            }
            inHand = true;
            agentBusy |= agent != null;
            countWaiting();
            return true;
        } finally {
            lock.unlock();
        }
    }

    /**
     * Takes the first request off the list: once the driver has it, it may come back as a new one. It goes on counting as
     * waiting, so that nothing overtakes it before the driver has decided.
     */
    private @Nullable Request takeInHand() {
        lock.lock();
        try {
            Request rq = stopped || quiesced || dead ? null : dispatch.pollFirst();
            inHand = rq != null;
            agentBusy |= inHand && agent != null;
            countWaiting();
            return rq;
        } finally {
            lock.unlock();
        }
    }

    private @Nullable Request takeTaggedInHand() {
        lock.lock();
        try {
            if (stopped || quiesced || dead) {
                return null;
            }
            for (Request rq : dispatch) {
                if (rq.scheduler == null) {
                    dispatch.remove(rq);
                    inHand = true;
                    agentBusy |= agent != null;
                    countWaiting();
                    return rq;
                }
            }
            return null;
        } finally {
            lock.unlock();
        }
    }

    private void putFromHand(@Nullable Request refused) {
        lock.lock();
        try {
            inHand = false;
            if (refused != null) {
                dispatch.addFirst(refused);
            }
            countWaiting();
        } finally {
            lock.unlock();
        }
    }

    @Override
    public String toString() {
        return queue.name() + " hctx " + index + " (" + type + "): " + tags.heldCount() + " of " + tags.depth()
                + " tags held, " + (waiting & ~HELD) + " waiting" + (isHeld() ? ", held" : "");
    }

    /** What became of a request that was offered to the driver. */
    private enum Issue {
        TAKEN, ENDED, REFUSED
    }
}
