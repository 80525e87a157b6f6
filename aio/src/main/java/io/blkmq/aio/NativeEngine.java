package io.blkmq.aio;

import java.util.Objects;
import java.util.Set;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/**
 * The life of an operation in a ring of the kernel, whatever ring that is. A subclass places operations in its ring,
 * rings the doorbell, and hands back what the kernel has ended.
 *
 * <pre>
 *   submit --- no slot, or others wait ---> DEFERRED <--- short, EAGAIN, EINTR, ECANCELED ---+
 *      |                                       |                                             |
 *      +------------ a slot is free -----------+--> PLACED -- doorbell --> kernel -- reap --> ENDED --> told
 * </pre>
 *
 * <p>An operation in the ring holds a slot ({@link Slots}). One that finds none, or whose file has its share of them, is deferred
 * ({@link DeferredList}).
 *
 * <p>Who does what. The <em>placer</em> takes slots and places operations: the owner in POLLED mode, who holds
 * {@link #lock} in REAPER mode, or the reaper where it alone enters the ring ({@link RingEntry#REAPER}): submitters
 * then leave operations in {@link #handOver}. The <em>completer</em> reaps, tells, and gives slots back: the owner,
 * or in the other modes who holds {@link #reaping}, which is the reaper, a submitter whose operations ended in its
 * doorbell, the agent, or who closes. In AGENT mode placing is as in REAPER mode.
 *
 * <p>Memory and files of an operation stay reachable by way of its kiocb in {@link #slots} or {@link #deferred}, these by the
 * engine, and that by {@link OpenRings} until it is closed, should the application forget it with operations in flight.
 */
abstract class NativeEngine extends RingCalls {

    /**
     * How often an operation that the kernel gave back unstarted (EAGAIN and the like) is submitted again before it
     * fails. With the pauses after EAGAIN that takes more than four seconds.
     */
    static final int RETRIES_MAX = 100;

    private static final int SPINS_MAX = 64;
    /** How often in a row a submitter tells what has ended: each round may find what completions have submitted in the one before. */
    private static final int ROUNDS_MAX = 16;

    /** Whether one thread places and enters: the owner, or the reaper. */
    final boolean single;
    /**
     * Serializes placing where many threads enter, and is not taken where one does. Held for the time it takes to
     * write an entry.
     */
    final ReentrantLock lock = new ReentrantLock();
    /** Held by who completes, but for the owner in POLLED mode. */
    final CompleterLock reaping = new CompleterLock();

    /** The owner's. */
    private final PromptDoorbell doorbell;
    /** What is in the kernel. */
    private final Slots slots;
    /** What waits to be placed. */
    private final DeferredList deferred = new DeferredList();
    /** What calls, which have no file, have in the ring. */
    private final FileLane calls;
    /** Whether there has been a call. */
    private volatile boolean called;
    final Cancels cancels;

    /** Where the reaper alone enters the ring; null otherwise. */
    private final @Nullable HandOver handOver;
    /** Whether the owner of a polled ring has made itself known to it. The owner's. */
    private boolean known;

    /** What has come back from the kernel. The completer's. */
    final Outcomes outcomes;

    final Setbacks setbacks = new Setbacks();
    /** Whether the ring has been given up, and nothing but the end is left to do. Written by the completer. */
    private volatile boolean givenUp;

    /** Whether nothing is accepted any more. Written by who holds the lock, or in POLLED mode by who ends the engine. */
    volatile boolean closed;
    /** Null in other modes than REAPER. */
    private final @Nullable RingReaper reaper;
    /** Whether a completion has submitted operations. Guarded by reaping. */
    private boolean submittedInside;
    /** In AGENT mode, whether there is no ring any more. Guarded by reaping. */
    private boolean retired;

    final RingCounters counters = new RingCounters();

    /**
     * An engine whose subclass opens a ring.
     *
     * @param single whether one thread enters it
     */
    NativeEngine(String name, Set<AioOperation> operations, AioEngineConfig config, boolean single, int slotCount) {
        super(name, operations, config);
        this.single = single;
        doorbell = new PromptDoorbell(config.promptDoorbell() && !config.submissionPolling());
        slots = new Slots(slotCount);
        calls = new FileLane(slots);
        outcomes = new Outcomes(config, delivery);
        cancels = new Cancels(this, slots, deferred, outcomes);
        handOver = single && config.hasReaper() ? new HandOver(config.inFlightMax(), outcomes.ended) : null;
        reaper = config.hasReaper() ? new RingReaper(this, handOver) : null;
    }

    /** To be called when the subclass is ready. */
    final void start() {
        if (reaper != null) {
            reaper.start();
        }
        OpenRings.add(this);
    }

    // Submitting.

    @Override
    final void inUse() {
        if (!known) {
            ownerKnown();
            known = true;
        }
    }

    @Override
    final int accept(Kiocb kiocb) {
        kiocb.lane = ((NativeFile) kiocb.file()).lane(slots);
        int full = handOver == null ? placeOrRefuse(kiocb) : handOver(handOver, kiocb);
        if (full == 0 && polled && doorbell.isDue() && kiocb.file().isDirect()) {
            // Not where the kernel might do the I/O inside the doorbell: submit does not wait.
            ringOrStall();
        }
        return full;
    }

    /** Calls hold fewer slots than are free when they take one, so of several they never hold all. */
    @Override
    final boolean hasSlotToSpare() {
        return slots.count() > 1;
    }

    @Override
    final int acceptCall(FileCall<?> call) {
        call.kiocb.claimCall();
        call.kiocb.lane = calls;
        if (!called) {
            // From now on files leave room for calls, and calls for files. Two threads that find this at once only make it stricter.
            called = true;
            slots.fileCame();
        }
        int full = handOver == null ? placeOrRefuse(call.kiocb) : handOver(handOver, call.kiocb);
        if (full != 0) {
            call.kiocb.unclaim();
        }
        return full;
    }

    /** {@link #ring} for who has nobody to tell of a refusal: whoever completes rings again, and counts. */
    final void ringOrStall() {
        try {
            ring();
        } catch (RingRefusedException e) {
            // The ring has noted it.
        }
    }

    /** Whether the ring has failed for good. Any thread. */
    final boolean isGivenUp() {
        return givenUp;
    }

    /** The errno for what comes when nothing is accepted any more. */
    private int refusal() {
        return givenUp ? -Errno.EIO : -Errno.EINVAL;
    }

    /** Whether the owner, which calls, has anything in flight; if not, what else waits for it has been done. */
    private boolean hasInFlight() {
        if (end.isInUse()) {
            ownerDuties();
            return true;
        }
        if (hasOwnerDuties() && end.use()) {
            try {
                ownerDuties();
            } finally {
                end.letGo();
            }
        }
        pollIdle();
        return false;
    }

    private int handOver(HandOver to, Kiocb kiocb) {
        if (!to.accept()) {
            return closed ? refusal() : -Errno.EAGAIN;
        }
        if (!to.leave(kiocb)) {
            callReaper();
            return refusal();
        }
        return 0;
    }

    /**
     * Places what has been handed over, in its order; whether there was any. Whatever fails on the way, operations stay
     * in the deferred list until they are placed: the next round goes on with them. The reaper.
     */
    final boolean placeHandedOver(HandOver from) {
        Kiocb taken = from.take(closed);
        Kiocb oldest = HandOver.oldestFirst(taken);
        int count = 0;
        while (oldest != null) {
            Kiocb kiocb = oldest;
            oldest = kiocb.next;
            deferred.addLast(lane(kiocb), kiocb);
            count++;
        }
        // Now: what was to be registered before these operations is registered before them.
        ownerDuties();
        if (taken != null) {
            boolean _ = placeAllDeferred();
            // They are behind those that waited before.
            for (int waiting = Math.min(count, deferred.size()); waiting > 0; waiting--) {
                counters.deferrals.increment();
            }
        }
        return taken != null;
    }

    private int placeOrRefuse(Kiocb kiocb) {
        lock();
        try {
            if (closed) {
                return refusal();
            }
            if (counters.submitted.get() - outcomes.ended.get() >= config.inFlightMax()) {
                return -Errno.EAGAIN;
            }
            counters.submitted.increment();
            placeOrDefer(kiocb);
            return 0;
        } finally {
            unlock();
        }
    }

    /** The placer. */
    private void placeOrDefer(Kiocb kiocb) {
        FileLane lane = lane(kiocb);
        if (DeferredList.isWaiting(lane) || !DeferredList.mayTake(lane, slots.free()) || !tryPlace(lane, kiocb)) {
            counters.deferrals.increment();
            deferred.addLastFenced(lane, kiocb);
            boolean _ = placeAllDeferred();
            callRetired();
        }
    }

    /** Spins a little before it parks: the lock is held for less time than parking takes. */
    final void lock() {
        if (single) {
            return;
        }
        for (int i = 0; i < SPINS_MAX; i++) {
            if (lock.tryLock()) {
                return;
            }
            Thread.onSpinWait();
        }
        lock.lock();
    }

    final void unlock() {
        if (!single) {
            lock.unlock();
        }
    }

    /** Takes a slot and places an operation; false if there is no slot or no room. The placer. */
    private boolean tryPlace(FileLane lane, Kiocb kiocb) {
        int slot = slots.take(kiocb);
        if (slot == Slots.NONE) {
            return false;
        }
        boolean placed = false;
        // Before the ring has it: its end may be told before place returns.
        lane.took();
        try {
            placed = place(slot, kiocb);
        } finally {
            if (placed) {
                slots.keep();
            } else {
                lane.left();
                slots.leave(slot);
            }
        }
        return placed;
    }

    /** What the file of an accepted operation has in the ring. */
    private static FileLane lane(Kiocb kiocb) {
        return Objects.requireNonNull(kiocb.lane);
    }

    /** Places deferred operations while there are slots and room; returns whether any was placed. The placer. */
    private boolean placeAllDeferred() {
        boolean any = false;
        while (true) {
            FileLane lane = deferred.next(slots.free());
            Kiocb first = lane == null ? null : lane.first();
            if (lane == null || first == null) {
                return any;
            }
            // Before it is placed: from then on the completer may have it, and its next is the list of the batch.
            Kiocb second = first.next;
            if (!tryPlace(lane, first)) {
                return any;
            }
            any = true;
            deferred.removeFirst(lane, second);
        }
    }

    @Override
    public final void commit() {
        commit(null);
    }

    @Override
    public final void commit(@Nullable Kiocb last) {
        if (polled) {
            if (owner.check(name()) && hasInFlight()) {
                ringOrStall();
            }
            return;
        }
        if (!end.visit()) {
            return;
        }
        RingReaper thread = handOver == null && canCompleteAnywhere() ? reaper : null;
        try {
            if (handOver != null) {
                wakeReaper(handOver);
            } else {
                ringOrStall();
                if (thread != null) {
                    tellOrLeave(thread, last);
                }
            }
        } finally {
            leaveDoorbell();
        }
    }

    /** Ends a visit. The last to go sees to what was left behind. */
    private void leaveDoorbell() {
        if (end.leave() == 0 && reaper != null) {
            reaper.lastHasGone();
        }
    }

    /**
     * What this thread has handed over and what has ended with it is told here; what has not ended is left to others that are in a doorbell,
     * and to the reaper.
     *
     * @param last the one operation that this thread has submitted since it rang before; null if there may be others
     */
    private void tellOrLeave(RingReaper thread, @Nullable Kiocb last) {
        if (reaping.isHeldByCurrentThread()) {
            // A completion has submitted: who tells completions looks again.
            submittedInside = true;
            return;
        }
        boolean others = last == null;
        // From this thread the look may be out of date either way; completeHere looks again.
        if (isReady()) {
            others |= completeHere(last);
        }
        if (others ? inFlight() != 0 : last != null && last.isInFlight()) {
            thread.leaves();
        }
    }

    /** Wakes a reaper that sleeps, once. */
    private void wakeReaper(HandOver through) {
        if (through.claimWake()) {
            wake();
        }
    }

    /** Has the reaper look, where there is one: the owner and the agent look by themselves. Any thread. */
    final void callCompleter() {
        if (reaper != null) {
            wakeReaper();
        }
    }

    /** Something has been handed over outside of a commit: a reaper that has retired is called. Any thread. */
    final void callRetired() {
        if (reaper != null) {
            boolean _ = reaper.call();
        }
    }

    /** Has a reaper that alone enters the ring look at what another thread has left for it. */
    final void callReaper() {
        if (handOver != null) {
            haveReaperLook();
        }
    }

    /**
     * In REAPER mode, on a submitter's thread, but not in a completion: tells what has ended in its doorbell. While somebody else is at it
     * this waits a little, because that is shorter than a way over the reaper. Returns whether operations of others, or of completions,
     * may have been left behind that nobody but the reaper looks for.
     */
    private boolean completeHere(@Nullable Kiocb last) {
        for (int spins = 0; !reaping.tryLock(); spins++) {
            if (spins == SPINS_MAX || (last != null && !last.isInFlight())) {
                // Whoever has it, has looked before or looks again: the reaper is to see to it.
                return spins == SPINS_MAX;
            }
            Thread.onSpinWait();
        }
        boolean behind = false;
        boolean held = false;
        try {
            for (int rounds = 0; rounds < ROUNDS_MAX; rounds++) {
                submittedInside = false;
                int _ = tellReady();
                behind |= submittedInside;
                if (!isReady()) {
                    break;
                }
            }
            held = outcomes.heldBack() > 0;
        } catch (RingRefusedException e) {
            // The reaper finds that by itself.
            behind = true;
        } finally {
            reaping.unlock();
        }
        if (held) {
            // It does not know how long it may sleep.
            wakeReaper();
        }
        return behind;
    }

    /** Wakes a reaper that sleeps in the kernel, or has retired. Any thread but the reaper. */
    final void wakeReaper() {
        if (reaper == null || !reaper.call()) {
            wake();
        }
    }

    // Completing.

    @Override
    public final int poll() {
        if (!polled || !owner.check(name()) || outcomes.isTelling() || !hasInFlight()) {
            return 0;
        }
        try {
            return setbacks.any() ? tellAfterSetback() : tellReady();
        } catch (RingRefusedException e) {
            return setBack(e);
        } finally {
            letGoIfIdle();
        }
    }

    @Override
    final boolean isInCompletion() {
        return polled ? outcomes.isTelling() : (reaper != null && reaper.isCaller()) || reaping.isHeldByCurrentThread();
    }

    @Override
    final int workAsAgent() {
        // Not inside of a completion, nor while somebody closes.
        if (!reaping.tryLock()) {
            return 0;
        }
        try {
            if (retired) {
                return 0;
            }
            return setbacks.any() ? tellAfterSetback() : tellReady();
        } catch (RuntimeException | Error e) {
            // Whatever it is, operations are in the kernel, and somebody has to bring them home.
            return setBack(e);
        } finally {
            reaping.unlock();
        }
    }

    /** The next look at a ring that has failed, if it is time for one. The owner, or the agent. */
    private int tellAfterSetback() {
        if (givenUp) {
            return takeAllBack();
        }
        if (setbacks.pauseNanos(config.nanoTime()) > 0) {
            return 0;
        }
        int count = tellReady();
        setbacks.none();
        return count;
    }

    /** The ring has failed once more. Returns how many were told, should it have been once too often. The completer. */
    final int setBack(Throwable failure) {
        long now = config.nanoTime();
        boolean last = setbacks.add(now);
        EngineEvents.ringFailed(this, failure, setbacks.inARow(), last);
        if (last) {
            CompletionDelivery.log("the ring of " + this + " has failed " + Setbacks.IN_A_ROW_MAX
                    + " times in a row, and is given up: what is in flight ends with EIO", failure);
            return takeAllBack();
        }
        if (setbacks.isToBeLogged(now)) {
            CompletionDelivery.log(this + " goes on after a failure of its ring", failure);
        }
        return 0;
    }

    /** Lets nobody in any more, and tells everything. Returns how many were told. The completer. */
    final int takeAllBack() {
        // Not lock(), which does nothing where one thread enters.
        lock.lock();
        try {
            givenUp = true;
            closed = true;
        } finally {
            lock.unlock();
        }
        end.shut();
        long before = outcomes.told.get();
        outcomes.beginBatch();
        try {
            if (handOver != null) {
                boolean _ = deferHandedOver(handOver);
            }
            takeBack();
        } finally {
            outcomes.endBatch();
        }
        return (int) (outcomes.told.get() - before);
    }

    @Override
    public final int await(long timeoutNanos) {
        if (!mayAwait()) {
            return 0;
        }
        if (outcomes.isTelling()) {
            throw new IllegalStateException("await inside a completion of AIO engine " + name());
        }
        if (!hasInFlight()) {
            return awaitWakeup(timeoutNanos);
        }
        try {
            return tellAtLeastOne(timeoutNanos);
        } finally {
            endPauses();
            letGoIfIdle();
        }
    }

    private int tellAtLeastOne(long timeoutNanos) {
        // May wrap around, and is compared by difference.
        long deadline = config.nanoTime() + timeoutNanos;
        long left = timeoutNanos;
        while (true) {
            boolean woken = wakeup.take();
            int count;
            try {
                long wait = woken ? 0 : left;
                count = setbacks.any() ? waitAfterSetback(wait) : waitAndTell(wait);
            } catch (RingRefusedException e) {
                count = setBack(e);
            }
            if (count > 0 || woken || inFlight() == 0) {
                return count;
            }
            if (timeoutNanos != Long.MAX_VALUE) {
                left = deadline - config.nanoTime();
            }
            if (left <= 0) {
                return 0;
            }
        }
    }

    /** Rings, waits at most so long, unless there is something to be told, and tells it. */
    private int waitAndTell(long left) {
        if (left > 0 && inFlight() != 0 && !isReady() && !cancels.areWanted()) {
            if (outcomes.heldBack() == 0) {
                // Rings and waits with one system call.
                doorbell.foundNothing(ringAndWait(left));
            } else {
                waitForRoom(left);
            }
        } else {
            ring();
        }
        return tellReady();
    }

    /** Some operations are held back, and the wait ends when they are to be tried again. */
    private void waitForRoom(long left) {
        long nanos = Math.min(left, outcomes.heldBackNanos());
        if (inFlight() == outcomes.heldBack()) {
            // Nothing is in the kernel that could end a wait there.
            pause(nanos);
        } else if (nanos > 0) {
            boolean _ = ringAndWait(nanos);
        }
    }

    /** As {@link #tellAfterSetback}, having waited until it is time, or so long. */
    private int waitAfterSetback(long left) {
        long pause = givenUp ? 0 : setbacks.pauseNanos(config.nanoTime());
        if (pause > 0) {
            pause(Math.min(pause, left));
            return 0;
        }
        if (givenUp) {
            return takeAllBack();
        }
        int count = waitAndTell(left);
        setbacks.none();
        return count;
    }

    /**
     * Reaps what is there, tells it, and places what has waited for the slots. Returns how many were told. The
     * completer.
     */
    final int tellReady() {
        int count = ready();
        long before = outcomes.told.get();
        if (count > 0) {
            if (polled) {
                doorbell.found(count, inFlight());
            }
            outcomes.beginBatch();
            try {
                reap(count);
            } finally {
                outcomes.endBatch();
            }
        } else if (polled && inFlight() != 0) {
            doorbell.foundNothing(isAllHandedOver());
        }
        placeDeferred();
        return (int) (outcomes.told.get() - before);
    }

    /** An operation has ended in the kernel: it is told, or goes round again. The completer. */
    final void ended(int slot, long result) {
        Kiocb kiocb = placed(slot);
        lane(kiocb).gaveBack();
        slots.giveBack(slot);
        outcomes.ended(kiocb, result);
    }

    /** The sync that was linked to the last part of a write has ended, so the write has succeeded. The completer. */
    final void linkedSyncEnded(int slot, long result) {
        placed(slot).syncing = true;
        ended(slot, result);
    }

    /** Places what goes round again, then what has waited for a slot, and rings for it. The completer. */
    private void placeDeferred() {
        if (!polled) {
            DeferredList.fenceBeforeLook();
        }
        if (cancels.areWanted()) {
            if (handOver != null) {
                boolean _ = placeHandedOver(handOver);
            }
            cancels.carryOut();
        }
        if (!outcomes.hasAgain() && !deferred.mayHaveAny()) {
            return;
        }
        boolean any;
        lock();
        try {
            for (Kiocb kiocb = outcomes.takeAgain(); kiocb != null; kiocb = outcomes.takeAgain()) {
                deferred.addFirst(lane(kiocb), kiocb);
            }
            any = placeAllDeferred();
        } finally {
            unlock();
        }
        if (any) {
            ringOrStall();
        }
    }

    /** Whether nothing is in flight, nor can be any more. The reaper, when the engine is closed. */
    final boolean isIdle() {
        // Under the lock, where closed was set: no operation can be accepted any more, so the count is final. Where
        // operations are handed over, the mark in the list says the same.
        lock();
        try {
            return inFlight() == 0 && (handOver == null || handOver.isEnded());
        } finally {
            unlock();
        }
    }

    @Override
    public final boolean isOpen() {
        return !closed;
    }

    @Override
    final long inFlight() {
        return submittedSoFar() - outcomes.told.get();
    }

    private long submittedSoFar() {
        return handOver == null ? counters.submitted.get() : handOver.accepted();
    }

    // Figures, the end.

    @Override
    public final AioStatistics statistics() {
        // Told first: an operation is never seen told and not submitted.
        long toldNow = outcomes.told.get();
        return counters.read(submittedSoFar(), toldNow, outcomes, delivery.thrown());
    }

    @Override
    final void acceptNoMore() {
        // Not lock(), which does nothing where one thread enters.
        lock.lock();
        try {
            closed = true;
        } finally {
            lock.unlock();
        }
        tellOwnerOfEnd();
    }

    @Override
    final void bringHome() {
        if (polled) {
            Thread known = owner.get();
            if (!givenUp && known != null && known != Thread.currentThread()) {
                abandon();
            }
            boolean _ = tellWithin(Long.MAX_VALUE);
            return;
        }
        if (reaper != null) {
            haveReaperLook();
            reaper.join();
        }
        takeOver();
    }

    @Override
    final boolean tellWithin(long timeoutNanos) {
        // May wrap around, and is compared by difference.
        long deadline = config.nanoTime() + timeoutNanos;
        try {
            for (long left = timeoutNanos; inFlight() != 0 && left > 0;) {
                int _ = tellAtLeastOne(left);
                left = timeoutNanos == Long.MAX_VALUE ? left : deadline - config.nanoTime();
            }
        } finally {
            endPauses();
        }
        return inFlight() == 0;
    }

    @Override
    final boolean isKeptByOwner() {
        return counters.submitted.get() != outcomes.ended.get();
    }

    @Override
    final void cancelWanted() {
        cancels.want();
        if (!polled) {
            haveReaperLook();
        }
    }

    @Override
    final void cancelAll() {
        cancels.wantAll();
        cancelWanted();
    }

    /** Wakes who completes, unless the ring has been given up: then a reaper ends by itself. Any thread. */
    private void haveReaperLook() {
        if (end.visit()) {
            try {
                if (handOver != null) {
                    wakeReaper(handOver);
                } else {
                    ringOrStall();
                    wakeReaper();
                }
            } finally {
                leaveDoorbell();
            }
        }
    }

    /**
     * Whoever closes brings home what is in flight: memory is given back only when the kernel has done with it. A reaper has ended,
     * which it does when nothing is, unless it has died before. An agent may still be run, and finds the ring taken.
     */
    private void takeOver() {
        reaping.lock();
        try {
            if (!givenUp && handOver != null && (deferHandedOver(handOver) || inFlight() != 0)) {
                abandon();
            }
            while (inFlight() != 0) {
                int _ = tellAtLeastOne(RingReaper.SLEEP_NANOS);
            }
            retired = true;
        } finally {
            endPauses();
            reaping.unlock();
        }
    }

    /** Defers what was handed over to a reaper that has died; whether there was any. */
    private boolean deferHandedOver(HandOver from) {
        Kiocb kiocb = from.take(true);
        boolean any = kiocb != null;
        while (kiocb != null) {
            Kiocb older = kiocb.next;
            deferred.addFirst(lane(kiocb), kiocb);
            kiocb = older;
        }
        return any;
    }

    @Override
    final void giveBack() {
        assert inFlight() == 0 : "closed with operations in flight";
        end.shut();
        destroy();
        slots.retire();
        OpenRings.remove(this);
    }

    /** Tells the operations that wait to be placed that they are not going to be. */
    final void cancelDeferred(int errno) {
        outcomes.cancelAgain(errno);
        for (Kiocb kiocb = deferred.takeFirst(); kiocb != null; kiocb = deferred.takeFirst()) {
            outcomes.tell(kiocb, -errno);
        }
    }

    /** The operation of a slot that has been placed and has not ended. */
    final Kiocb placed(int slot) {
        return slots.get(slot);
    }

    /** Tells an operation that was placed, and never taken by the kernel. */
    final void cancelPlaced(int slot, int errno) {
        Kiocb kiocb = placed(slot);
        lane(kiocb).gaveBack();
        slots.giveBack(slot);
        outcomes.tell(kiocb, -errno);
    }

    /** Tells every operation that was placed and has not ended; the kernel has none of them any more. */
    final void cancelAllPlaced(int errno) {
        for (int slot = 0; slot < slots.count(); slot++) {
            if (slots.isTaken(slot)) {
                cancelPlaced(slot, errno);
            }
        }
    }

    /** Whether any operation has been placed and has not ended. */
    final boolean isAnyPlaced() {
        return slots.isAnyTaken();
    }
}
