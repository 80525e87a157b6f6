package io.blkmq.core.mq;

import io.blkmq.core.Bio;
import io.blkmq.core.Status;
import io.blkmq.core.driver.HardwareContext;
import io.blkmq.core.driver.QueueType;
import io.blkmq.core.driver.TagSet;
import io.blkmq.runtime.IoRuntime;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;

/**
 * The way of requests to the driver. Submitting threads call the driver from here themselves; requests that the driver refused stand on the
 * dispatch list, in order, and go before anything new.
 *
 * <p>The dispatch list is guarded by its lock; a thread that only looks asks for its length. One thread at a time
 * serves it: {@link #run} is a small state machine, so that a call that comes while another runs makes that one go round again.
 *
 * <pre>
 *   IDLE ──run──▶ RUNNING ──run by another──▶ AGAIN
 *    ▲               │ done                     │ done: go round
 *    └───────────────┴──────────────◀───────────┘
 * </pre>
 *
 * <p>A context may be held, by {@link #stop} or by a quiesced queue: then everything goes to the list and stays there. A thread
 * that issues looks at the list ({@link DispatchList#isOpen}) after it has entered the block layer ({@link Trampoline#enter}, a volatile
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
public final class DispatchContext extends HardwareContext {
    /** How long the layer waits before it offers again what a driver refused with {@link Status#RESOURCE}. */
    static final long RESOURCE_DELAY_NANOS = TimeUnit.MILLISECONDS.toNanos(3);

    private static final int IDLE = 0;
    private static final int RUNNING = 1;
    private static final int AGAIN = 2;

    final Tags tags;
    public final TagShare share;
    private final QueueSettings queue;
    private final int index;
    private final DispatchList list;
    private final DriverCalls calls;
    /** Changed only while the queue is frozen. */
    private volatile QueueType type;
    private @Nullable Object driverData;
    private @Nullable FlushQueue flushQueue;

    private final AtomicInteger running = new AtomicInteger(IDLE);
    /** Whether a timer is going to run this context; it may be one that is owed. */
    private final AtomicInteger rerunTimers = new AtomicInteger();
    /** Made once: where there is no memory for a timer, there is none for this. */
    private final Runnable runAfterRefusal = this::runAfterRefusal;
    /** Whether the last look for a tag of the driver's found none. The thread's that serves the list. */
    private boolean missedTag;
    /** What the elevator has given out and the driver has not been given yet; made with the first elevator. That thread's, too. */
    private @Nullable ScheduledBatch hand;
    /**
     * How many the elevator is asked for in one go: what the driver refuses is taken back by the list and not by the elevator, so after a
     * refusal it is one, and then more and more. That thread's, too.
     */
    private int handMost = 1;
    /** Whether the driver has taken something without being told that it was the last for now. That thread's, too. */
    private boolean bellDue;
    /** The word of the driver's tags where it looks first. That thread's, too. */
    private int tagWord;
    /** Where it stands when the driver has refused, and when it finds no tag. */
    private final StarvedContexts.Place refused = new StarvedContexts.Place(this::goesOn);
    private final StarvedContexts.Place withoutTag = new StarvedContexts.Place(this::goesOn);
    /** Where requests wait before they come here, in whose order; null without an elevator. Changed only while the queue is frozen. */
    private volatile @Nullable Scheduler scheduler;
    /** Serves the list where the driver may block; null elsewhere. */
    private final @Nullable DispatchAgent agent;

    DispatchContext(QueueSettings queue, int index, QueueType type, TagShare share) {
        this.queue = queue;
        this.index = index;
        this.type = type;
        this.share = share;
        this.tags = share.tags;
        this.agent = queue.set.isBlocking()
                ? new DispatchAgent(queue.set.runtime(), "blkmq-" + queue.name() + "-hctx-" + index, this::serveOnAgent,
                        this::runAfterDelay)
                : null;
        this.list = new DispatchList(queue, agent != null);
        this.calls = new DriverCalls(this, queue);
    }

    @Override
    public int index() {
        return index;
    }

    @Override
    public QueueType type() {
        return type;
    }

    /** While the queue is frozen. */
    void setType(QueueType value) {
        type = value;
    }

    @Override
    public boolean isPolled() {
        return type == QueueType.POLL || queue.set.isPolled();
    }

    @Override
    public QueueSettings queue() {
        return queue;
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
    public TagRequest request(int tag) {
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
        return Objects.requireNonNull(flushQueue);
    }

    /** A request of a flush sequence has ended, or the flush that such requests wait for. */
    void sequenceStepEnded(TagRequest rq, Trampoline batch) {
        if (rq.flushesForOthers) {
            flushQueue().flushEnded(rq, batch);
        } else {
            flushQueue().dataEnded(rq, batch);
        }
    }

    /** While the queue is frozen and nothing is in flight. */
    void useScheduler(@Nullable Scheduler value) {
        if (value != null && hand == null && agent == null) {
            hand = new ScheduledBatch(tags);
        }
        // Volatile: publishes the hand to whoever serves the list next.
        scheduler = value;
    }

    @Nullable
    Scheduler scheduler() {
        return scheduler;
    }

    /** Whether there may be something to dispatch, on the list or with the elevator. */
    boolean hasWork() {
        Scheduler elevator = scheduler;
        return list.hasWaiting() || (elevator != null && elevator.hasWork(index));
    }

    /** Whose tags an I/O has: the scheduler's, unless there is none or it is one of a flush sequence. */
    TagShare source(Bio bio, boolean sequenced) {
        Scheduler elevator = scheduler;
        return elevator == null || sequenced ? share : elevator.share(index, bio.operation(), bio.flags());
    }

    // ---- tags of the driver's for requests that the elevator gives out

    /** Takes a tag of the driver's without waiting. If there is none, completions that free one run this context. */
    @Nullable
    TagRequest takeTag() {
        TagRequest rq = share.tryGetAny();
        if (rq == null && (tags.isShared() || queue.set.isHostWide())) {
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

    /**
     * Takes several tags of the driver's, those of one word in one step, without waiting. If there is none, completions that free one run
     * this context.
     *
     * @return how many
     */
    int takeTags(ScheduledBatch hand, int most) {
        int words = tags.isRoundRobin() || most == 1 ? 0 : tags.words();
        for (int i = 0; i < words && hand.tagCount() < most; i++) {
            int word = tagWord < words ? tagWord : 0;
            long mask = share.takeSome(word, most - hand.tagCount());
            if (mask == 0 || hand.tagCount() + Long.bitCount(mask) < most) {
                // Nothing is left there now.
                tagWord = word + 1;
            }
            for (long left = mask; left != 0; left &= left - 1) {
                TagRequest rq = tags.request(word, Long.lowestOneBit(left));
                rq.ownBy(queue);
                hand.addTag(rq);
            }
        }
        if (hand.tagCount() > 0) {
            missedTag = false;
        } else {
            TagRequest rq = takeTag();
            if (rq != null) {
                hand.addTag(rq);
            }
        }
        return hand.tagCount();
    }

    /** Gives tags of the driver's back. */
    void putTags(int word, long mask, boolean reserved, Trampoline batch) {
        queue.putTags(tags, word, mask, reserved);
        if (hasWork()) {
            batch.runLater(this);
        }
    }

    /** Gives the tags of a hand back that carry nothing, like {@link #putTagBack}. */
    void putTagsBack(ScheduledBatch hand) {
        long mask = 0;
        int word = 0;
        for (TagRequest rq = hand.takeUnused(); rq != null; rq = hand.takeUnused()) {
            if (rq.word != word) {
                putTagsBack(word, mask);
                word = rq.word;
                mask = 0;
            }
            mask |= rq.mask;
        }
        putTagsBack(word, mask);
    }

    private void putTagsBack(int word, long mask) {
        if (mask != 0) {
            queue.putTags(tags, word, mask, false);
        }
    }

    /** Gives a tag back that nothing was found for. It does not run this context: that has just looked. */
    void putTagBack(TagRequest rq) {
        queue.putTags(tags, rq.word, rq.mask, false);
    }

    // ---- merging with what waits without an elevator

    /** Whether the driver could be given more than it has: nothing holds the context, and there is a tag. */
    boolean couldTake() {
        return (list.isDead() || !list.isHeld()) && share.mayTake() && tags.hasFree();
    }

    @Override
    public void stop() {
        list.setStopped(true);
    }

    @Override
    public void start() {
        list.setStopped(false);
        run();
    }

    @Override
    public boolean isStopped() {
        return list.isStopped();
    }

    /** The requests that wait here. */
    DispatchList list() {
        return list;
    }

    /**
     * Whether the calling thread may give the driver requests of this context: of a polled one only who submits to it or polls it. All
     * that goes to the driver asks this, but what a submitter issues straight.
     */
    private boolean mayServe(Trampoline batch) {
        return !isPolled() || (batch.serves(this) && calls.claim());
    }

    /**
     * The calling thread has come to submit something that will wait here: until it leaves the block layer it may serve the context.
     * Before it is put there, so that nobody else takes the context with it.
     */
    void beginServing(Trampoline batch) {
        if (isPolled()) {
            batch.serve(this);
            boolean _ = calls.claim();
        }
    }

    /**
     * Issues one request from the calling thread, or puts it behind those that wait.
     *
     * @param submitting whether the thread has come to submit it
     */
    void issue(TagRequest rq, boolean submitting, Trampoline batch) {
        if (!list.isOpen() || agent != null || !(submitting || mayServe(batch))) {
            if (submitting) {
                beginServing(batch);
            }
            list.defer(rq);
            runSoon(batch);
        } else if (calls.issue(rq, true, batch) == DriverCalls.Issue.REFUSED) {
            list.defer(rq);
            afterRefusal(batch);
        }
    }

    /** Lets the elevator have a request, and the context be run. */
    void schedule(Scheduler elevator, TagRequest rq, boolean submitting, Trampoline batch) {
        if (submitting) {
            beginServing(batch);
        }
        elevator.insert(rq, batch);
        runSoon(batch);
    }

    /** The same with all requests of a plug. */
    void schedule(Scheduler elevator, IssueBatch requests, long sentNanos, boolean submitting, Trampoline batch) {
        if (submitting) {
            beginServing(batch);
        }
        elevator.insert(index, requests, sentNanos, batch);
        runSoon(batch);
    }

    /** Has it run, by the calling thread before it leaves the block layer, unless it is the agent's or of those who poll it. */
    void runSoon(Trampoline batch) {
        if (agent != null && !list.isDead()) {
            agent.wake();
        } else {
            batch.runLater(this);
        }
    }

    /** Whether its agent, if it has one, is at work, or will be when it comes to run. */
    boolean isAgentCalled() {
        return agent != null && agent.isCalled();
    }

    /** Issues a batch from the calling thread: whole if the driver takes it so, else one by one. */
    void issue(Batch requests, long sentNanos, boolean submitting, Trampoline batch) {
        int size = requests.size();
        if (!list.isOpen() || agent != null || !(submitting || mayServe(batch))) {
            if (submitting) {
                beginServing(batch);
            }
            list.deferFrom(requests, 0, sentNanos);
            runSoon(batch);
            return;
        }
        boolean bellDue = false;
        for (int i = size > 1 ? calls.issueWhole(requests, sentNanos, batch) : 0; i < size; i++) {
            if (!list.isOpen()) {
                // Stopped by the driver meanwhile, or something has come to stand before it.
                list.deferFrom(requests, i, sentNanos);
                runSoon(batch);
                break;
            }
            boolean last = i == size - 1;
            TagRequest rq = requests.request(i);
            rq.sent(sentNanos);
            DriverCalls.Issue issue = calls.issue(rq, last, batch);
            if (issue == DriverCalls.Issue.REFUSED) {
                list.deferFrom(requests, i, sentNanos);
                afterRefusal(batch);
                break;
            }
            bellDue = issue == DriverCalls.Issue.TAKEN ? !last : bellDue;
        }
        if (bellDue) {
            calls.ringBell(batch);
        }
    }

    /** The device is gone: nothing goes to the driver any more, but what is in somebody's hand. */
    void die(Trampoline batch) {
        list.die();
        endWaiting(batch);
    }

    private void endWaiting(Trampoline batch) {
        for (;;) {
            TagRequest rq = list.takeForEnd();
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

    /**
     * The driver has refused what stands on the list by now: the next completion calls the context, and a timer does if none comes; a polled
     * one goes on with each poll.
     *
     * <p>What the driver missed may have come free before the context was noted, with the last request that it had: then no completion
     * comes. So who has noted the context looks whether the driver has anything, and otherwise has it asked again at once. A context that
     * was noted before the driver was asked needs no such look: a driver that refuses with nothing in flight is asked again by the timer.
     */
    private void afterRefusal(Trampoline batch) {
        if (list.isDead()) {
            // Since before it came to the list: nobody looks there again, who polls no more than others.
            batch.runLater(this);
            return;
        }
        if (agent == null && isPolled()) {
            return;
        }
        // In this order: a completion ends its request, frees the tag, and then looks who was refused.
        if (queue.shared.refused.add(refused) && !queue.shared.isAnyBegun()) {
            runSoon(batch);
        } else {
            runAfterDelay();
        }
    }

    /**
     * Has a timer run the context, unless one is going to. Throws nothing: what waits here is on the list, and its
     * submitter goes on.
     */
    private void runAfterDelay() {
        if (!rerunTimers.compareAndSet(0, 1)) {
            return;
        }
        try {
            var _ = queue.set.runtime().schedule(RESOURCE_DELAY_NANOS, runAfterRefusal);
        } catch (OutOfMemoryError e) {
            if (!isOwed(RESOURCE_DELAY_NANOS, runAfterRefusal, e)) {
                rerunTimers.set(0);
            }
        } catch (Throwable t) {
            rerunTimers.set(0);
            CallbackFailures.report("the timer that runs hardware context " + index + " of " + queue.name(), t);
        }
    }

    private void runAfterRefusal() {
        rerunTimers.set(0);
        run();
    }

    private boolean isOwed(long delayNanos, Runnable run, OutOfMemoryError thrown) {
        return OwedTimers.add(queue, delayNanos, run, this, thrown);
    }

    @Override
    public void runAsync() {
        try {
            queue.set.runtime().execute(this::run);
        } catch (OutOfMemoryError e) {
            if (!isOwed(0, this::run, e)) {
                throw e;
            }
        }
    }

    @Override
    public void runLater(long delayNanos) {
        try {
            var _ = queue.set.runtime().schedule(delayNanos, this::run);
        } catch (OutOfMemoryError e) {
            if (!isOwed(delayNanos, this::run, e)) {
                throw e;
            }
        }
    }

    @Override
    public void run() {
        if (list.isDead()) {
            Trampoline batch = Trampoline.enter();
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
        Trampoline batch = Trampoline.enter();
        try {
            if (!mayServe(batch)) {
                // Whoever polls it next finds what is left here, and may be asleep.
                queue.shared.parking.wakePollers();
                return;
            }
            if (batch.isIssuing()) {
                batch.runLater(this);
            } else if (running.compareAndSet(IDLE, RUNNING) || running.getAndSet(AGAIN) == IDLE) {
                serveList(batch);
            }
        } finally {
            batch.leave();
        }
    }

    /** The calling thread alone. */
    private void serveList(Trampoline batch) {
        boolean idle = false;
        try {
            do {
                running.set(RUNNING);
                dispatchWaiting(batch);
                idle = running.compareAndSet(RUNNING, IDLE);
            } while (!idle);
        } finally {
            if (!idle) {
                // An error. Another thread may have been told that this one goes round again.
                running.set(IDLE);
                runAfterDelay();
            }
        }
    }

    /** Whether requests of this context's are under way: with the elevator, on the list or with the driver; with host-wide tags, of any. */
    boolean mayHaveRequests() {
        Scheduler elevator = scheduler;
        // In this order: see QueueParts.isBusy.
        return (elevator != null && elevator.isBusy(index)) || tags.holdsAnyOf(queue);
    }

    private boolean goesOn() {
        // One that is polled is run by those who poll it.
        boolean runs = mayDispatch() && !isPolled();
        if (runs) {
            Trampoline batch = Trampoline.enter();
            try {
                batch.runLater(this);
            } finally {
                batch.leave();
            }
        }
        return runs;
    }

    boolean mayDispatch() {
        return !list.isHeld() && hasWork();
    }

    /**
     * A tag that has become free, and was to be for this context, is for another: this one is held by now, or has nothing any more, or
     * its driver refuses what has a tag already.
     */
    void passOn() {
        if (!tags.withoutTag.isEmpty()) {
            // What is called runs when the line has been seen to.
            Trampoline batch = Trampoline.enter();
            try {
                tags.withoutTag.run(1);
            } finally {
                batch.leave();
            }
        }
    }

    private void serveOnAgent() {
        if (mayDispatch()) {
            dispatchOnAgent();
        } else {
            passOn();
        }
    }

    /** Serves the list like {@link #run}, on the agent. */
    private void dispatchOnAgent() {
        boolean driverRefused;
        try {
            driverRefused = issueOnAgent();
        } finally {
            list.agentLeaves();
        }
        Trampoline batch = Trampoline.enter();
        try {
            dispatchEnds(driverRefused, batch);
        } finally {
            batch.leave();
        }
    }

    /** Gives the driver what waits. Returns whether it has refused. */
    private boolean issueOnAgent() {
        boolean bellDue = false;
        boolean driverRefused = false;
        for (TagRequest rq = takeNextOnAgent(); rq != null; rq = driverRefused ? null : takeNextOnAgent()) {
            boolean last = isLast();
            DriverCalls.Issue issue = calls.issue(rq, last, null);
            driverRefused = issue == DriverCalls.Issue.REFUSED;
            list.putFromHand(driverRefused ? rq : null);
            bellDue = issue == DriverCalls.Issue.TAKEN ? !last : bellDue;
        }
        if (bellDue) {
            calls.commit();
        }
        return driverRefused;
    }

    private void dispatchEnds(boolean driverRefused, Trampoline batch) {
        if (list.isDead()) {
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
        IoRuntime runtime = queue.set.runtime();
        long start = runtime.nanoTime();
        for (int looks = 0; agent != null && list.isAgentBusy(); looks++) {
            if (runtime.nanoTime() - start >= timeoutNanos) {
                return false;
            }
            Trampoline.pause(runtime, looks);
        }
        return true;
    }

    private void dispatchWaiting(Trampoline batch) {
        bellDue = false;
        boolean driverRefused = false;
        boolean more = true;
        while (more && !driverRefused) {
            if (list.hasWaiting()) {
                TagRequest rq = takeListed();
                more = rq != null;
                driverRefused = rq != null && !issueFromHand(rq, batch);
            } else {
                Scheduler elevator = scheduler;
                ScheduledBatch given = hand;
                more = elevator != null && given != null && elevator.hasWork(index) && list.beginHand();
                if (more) {
                    more = Objects.requireNonNull(elevator).next(this, Objects.requireNonNull(given), handMost, batch);
                    driverRefused = !issueFromHand(given, batch);
                }
            }
        }
        if (bellDue) {
            calls.ringBell(batch);
        }
        dispatchEnds(driverRefused, batch);
    }

    /** Gives the driver the request in hand. Returns false if it refuses. */
    private boolean issueFromHand(TagRequest rq, Trampoline batch) {
        boolean last = isLast();
        DriverCalls.Issue issue = calls.issue(rq, last, batch);
        boolean refused = issue == DriverCalls.Issue.REFUSED;
        list.putFromHand(refused ? rq : null);
        bellDue = issue == DriverCalls.Issue.TAKEN ? !last : bellDue;
        return !refused;
    }

    /**
     * Gives the driver what the elevator has given out, those of one software context whole if the driver takes it so. What it refuses
     * goes to the list, and what is left when the context comes to be held. Returns false if the driver refuses.
     */
    private boolean issueFromHand(ScheduledBatch given, Trampoline batch) {
        int count = given.count();
        for (int i = 0; i < count;) {
            int end = given.showFrom(i);
            if (list.isHeld()) {
                // Stopped by the driver meanwhile, for one.
                list.putFromHand(given, i);
                return true;
            }
            i += end - i > 1 ? calls.issueWhole(given, queue.nowIfCounted(batch), batch) : 0;
            for (; i < end; i++) {
                if (list.isHeld()) {
                    list.putFromHand(given, i);
                    return true;
                }
                boolean last = i == count - 1 && isLast();
                DriverCalls.Issue issue = calls.issue(given.carrier(i), last, batch);
                if (issue == DriverCalls.Issue.REFUSED) {
                    list.putFromHand(given, i);
                    handMost = 1;
                    return false;
                }
                bellDue = issue == DriverCalls.Issue.TAKEN ? !last : bellDue;
            }
        }
        list.putFromHand(null);
        if (count > 0) {
            handMost = Math.min(2 * handMost, ScheduledBatch.REQUESTS_MAX);
        }
        return true;
    }

    /** Whether nothing follows the request in hand, as far as can be seen. If nothing does all the same, the bell is rung. */
    private boolean isLast() {
        Scheduler elevator = scheduler;
        return list.isLast() && (elevator == null || !elevator.hasWork(index));
    }

    /** What goes next: from the list, and when that is empty from the elevator, with a tag of the driver's. */
    private @Nullable TagRequest takeNext(Trampoline batch) {
        TagRequest rq = takeListed();
        // What stands there and has no tag yet goes first.
        return rq != null || list.hasWaiting() ? rq : takeScheduled(batch);
    }

    private @Nullable TagRequest takeListed() {
        TagRequest rq = list.takeInHand();
        if (rq == null || !rq.isOfElevator()) {
            return rq;
        }
        // Given out to another context, which had no tag for it.
        TagRequest carrier = takeTag();
        if (carrier != null) {
            carrier.carryOut(rq);
            return carrier;
        }
        list.putFromHand(rq);
        // Those behind it that have their tags must not wait for one: it may be theirs that is missing.
        return list.takeTaggedInHand();
    }

    private @Nullable TagRequest takeNextOnAgent() {
        Trampoline batch = Trampoline.enter();
        try {
            return takeNext(batch);
        } finally {
            batch.leave();
        }
    }

    private @Nullable TagRequest takeScheduled(Trampoline batch) {
        Scheduler elevator = scheduler;
        if (elevator == null || !elevator.hasWork(index) || !list.beginHand()) {
            return null;
        }
        TagRequest rq = elevator.next(this, batch);
        if (rq == null) {
            list.putFromHand(null);
        }
        return rq;
    }

    @Override
    public String toString() {
        return queue.name() + " hctx " + index + " (" + type + "): " + tags.heldCount() + " of " + tags.depth()
                + " tags held, " + list.length() + " waiting" + (list.isHeld() ? ", held" : "");
    }

}
