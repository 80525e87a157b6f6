package io.blkmq.aio;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
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
 * <p>An operation in the ring holds a slot ({@link Slots}). One that finds none is deferred ({@link DeferredList}).
 *
 * <p>Who does what. The <em>placer</em> takes slots and places operations: the owner in POLLED mode, who holds
 * {@link #lock} in REAPER mode, or the reaper where it alone enters the ring ({@link RingEntry#REAPER}): submitters
 * then leave operations in {@link #handOver}. The <em>completer</em> reaps, tells, and gives slots back: the owner,
 * or in REAPER mode who holds {@link #reaping}, which is the reaper, or a submitter whose operations ended in its
 * doorbell.
 *
 * <p>Memory and files of an operation stay reachable by way of its kiocb in {@link #slots} or {@link #deferred}, these by the
 * engine, and that by {@link #OPEN} until it is closed, should the application forget it with operations in flight.
 */
abstract class NativeEngine implements AioEngine {

    /**
     * How often an operation that the kernel gave back unstarted (EAGAIN and the like) is submitted again before it
     * fails. With the pauses after EAGAIN that takes more than four seconds.
     */
    static final int RETRIES_MAX = 100;

    /**
     * The longest that a reaper sleeps: should the kernel have refused a doorbell for want of memory, it is rung
     * again then.
     */
    static final long REAPER_SLEEP_NANOS = 1_000_000_000L;

    static final System.Logger LOGGER = System.getLogger("io.blkmq.aio");

    private static final Set<NativeEngine> OPEN = ConcurrentHashMap.newKeySet();

    private static final int SPINS_MAX = 64;

    final AioEngineConfig config;
    final PolledOwner owner = new PolledOwner();
    final boolean polled;
    /** Whether one thread places and enters: the owner, or the reaper. */
    final boolean single;
    /**
     * Serializes placing where many threads enter, and is not taken where one does. Held for the time it takes to
     * write an entry.
     */
    final ReentrantLock lock = new ReentrantLock();
    /** In REAPER mode held by who completes. */
    private final CompleterLock reaping = new CompleterLock();

    private final CompletionDelivery delivery;
    /** The owner's. */
    private final PromptDoorbell doorbell;

    /** What is in the kernel. */
    private final Slots slots;
    /** What waits to be placed. */
    private final DeferredList deferred = new DeferredList();

    /** Where the reaper alone enters the ring; null otherwise. */
    private final @Nullable HandOver handOver;
    private final EngineEnd end = new EngineEnd();
    /** Whether the owner of a polled ring has made itself known to it. The owner's. */
    private boolean known;

    /** Operations to be placed again, newest first: those of the batch being reaped. The completer's. */
    private @Nullable Kiocb again;
    /** Operations to be placed again when the device has room. The completer's. */
    private final HeldBack heldBack = new HeldBack();
    /** Whether completions are being called. The completer's. */
    private boolean completing;

    private final Setbacks setbacks = new Setbacks();
    /** Whether the ring has been given up, and nothing but the end is left to do. Written by the completer. */
    private volatile boolean givenUp;

    /** Whether nothing is accepted any more. Written by who holds the lock, or in POLLED mode by who ends the engine. */
    volatile boolean closed;
    /** Null in POLLED mode. */
    private final @Nullable Thread reaper;
    /** How long the reaper may sleep. The reaper's. */
    private long sleepNanos = REAPER_SLEEP_NANOS;

    /** Not counted where operations are handed over. */
    private final SingleWriterCounter submitted = new SingleWriterCounter();
    /** Those about to be told, or told: their places are free, also for what the completion submits. */
    private final SingleWriterCounter ended = new SingleWriterCounter();
    private final SingleWriterCounter told = new SingleWriterCounter();
    private final SingleWriterCounter continued = new SingleWriterCounter();
    private final SingleWriterCounter resubmitted = new SingleWriterCounter();
    private final SingleWriterCounter deferrals = new SingleWriterCounter();
    final SingleWriterCounter overflows = new SingleWriterCounter();
    final SingleWriterCounter fixedBuffers = new SingleWriterCounter();
    final SingleWriterCounter fixedFiles = new SingleWriterCounter();
    final AtomicLong systemCalls = new AtomicLong();

    NativeEngine(AioEngineConfig config, int slotCount) {
        this.config = config;
        polled = config.isPolled();
        single = isEnteredByOne(config);
        delivery = new CompletionDelivery(name());
        doorbell = new PromptDoorbell(config.promptDoorbell() && !config.submissionPolling());
        slots = new Slots(slotCount);
        handOver = single && !polled ? new HandOver(config.inFlightMax(), ended) : null;
        reaper = polled ? null : config.newThread(name(), 0, this::reapUntilClosed);
    }

    /** The engines that have not been closed. */
    static Set<NativeEngine> stillOpen() {
        return Set.copyOf(OPEN);
    }

    /** Whether this engine has a ring that one thread enters. */
    boolean isEnteredByOne(AioEngineConfig wanted) {
        return wanted.isPolled();
    }

    /** To be called when the subclass is ready. */
    final void start() {
        if (reaper != null && reaper.isVirtual()) {
            throw new IllegalArgumentException("the reaper of AIO engine " + name()
                    + " needs a platform thread, and the "
                    + "thread factory makes virtual ones: it waits in the kernel, and would keep a carrier thread from all "
                    + "other virtual threads");
        }
        if (reaper != null) {
            reaper.start();
        }
        OPEN.add(this);
    }

    // What a ring does.

    /** Writes an operation into the ring, for a later {@link #ring()}; false if there is no room. The placer. */
    abstract boolean place(int slot, Kiocb kiocb);

    /**
     * Hands everything placed to the kernel. The placer, or anybody in REAPER mode, without the lock.
     *
     * @throws RingRefusedException if the kernel refuses; whoever completes rings again
     */
    abstract void ring();

    /**
     * Number of ended operations that {@link #reap} would find now, after having made the kernel post what it has
     * ready. The completer.
     */
    abstract int ready();

    /** Whether {@link #ready} would find any without troubling the kernel. The completer. */
    abstract boolean isReady();

    /** Takes so many ended operations from the ring and calls {@link #ended} for each. The completer. */
    abstract void reap(int count);

    /** Whether everything placed has been handed over. The owner. */
    abstract boolean isAllHandedOver();

    /**
     * Hands over everything placed, and waits until something has ended, at most so long. Returns whether it is certain that there was
     * something to wait for. The owner.
     */
    abstract boolean ringAndWait(long timeoutNanos);

    /** Waits until something has ended, or {@link #wake}, at most so long. The reaper. */
    abstract void sleep(long timeoutNanos);

    /** Wakes the reaper. */
    abstract void wake();

    /** The owner has just become known, and is calling. */
    abstract void ownerKnown();

    /** What else waits for the owner. Called by it with every batch. */
    abstract void ownerDuties();

    /** Whether anything waits for the owner. */
    abstract boolean hasOwnerDuties();

    /** Ends what only the dead owner, or dead reaper, could have brought to an end. */
    abstract void abandon();

    /**
     * The ring has failed for good: tells every operation, with the result that is known or with EIO, when the kernel has none of them
     * any more. May be called again after it has thrown. The completer; nobody else enters the ring any more.
     */
    abstract void takeBack();

    /** Gives everything back; nothing is in flight. Called once. */
    abstract void destroy();

    // Submitting.

    @Override
    public final CompletionMode completionMode() {
        return config.completionMode();
    }

    @Override
    public final AioFile open(Path path, AioFile.Access access, boolean direct) throws IOException {
        NativeFile file = NativeFile.open(path, access, direct);
        opened(file);
        return file;
    }

    /** Looks at a file that has just been opened. */
    void opened(NativeFile file) {
        // Nothing to say about it.
    }

    @Override
    public final int submit(Kiocb kiocb) {
        if (!polled) {
            return submitClaimed(kiocb);
        }
        boolean _ = owner.claim(name());
        if (end.isInUse()) {
            return submitClaimed(kiocb);
        }
        if (!end.use()) {
            return -Errno.EINVAL;
        }
        try {
            if (!known) {
                ownerKnown();
                known = true;
            }
            return submitClaimed(kiocb);
        } finally {
            letGoIfIdle();
        }
    }

    /** The owner, with the engine in use, or anybody in REAPER mode. */
    private int submitClaimed(Kiocb kiocb) {
        if (!supports(kiocb.operation())) {
            return -Errno.EOPNOTSUPP;
        }
        AioOperation syncAfter = kiocb.syncAfter();
        if (syncAfter != null && !supports(syncAfter)) {
            return -Errno.EOPNOTSUPP;
        }
        int refused = kiocb.claim(NativeFile.class);
        if (refused != 0) {
            return refused;
        }
        int full = handOver == null ? accept(kiocb) : handOver(handOver, kiocb);
        if (full != 0) {
            kiocb.unclaim();
        } else if (polled && doorbell.isDue() && kiocb.file().isDirect()) {
            // Not where the kernel might do the I/O inside the doorbell: submit does not wait.
            ringOrStall();
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
        return false;
    }

    /** The owner is about to leave the engine, which it has in use. */
    private void letGoIfIdle() {
        if (inFlight() == 0) {
            end.letGo();
        }
    }

    abstract boolean supports(AioOperation operation);

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
    private boolean placeHandedOver(HandOver from) {
        Kiocb taken = from.take(closed);
        Kiocb oldest = HandOver.oldestFirst(taken);
        int count = 0;
        while (oldest != null) {
            Kiocb kiocb = oldest;
            oldest = kiocb.next;
            deferred.addLast(kiocb);
            count++;
        }
        // Now: what was to be registered before these operations is registered before them.
        ownerDuties();
        if (taken != null) {
            boolean _ = placeAllDeferred();
            // They are behind those that waited before.
            for (int waiting = Math.min(count, deferred.size()); waiting > 0; waiting--) {
                deferrals.increment();
            }
        }
        return taken != null;
    }

    private int accept(Kiocb kiocb) {
        lock();
        try {
            if (closed) {
                return refusal();
            }
            if (submitted.get() - ended.get() >= config.inFlightMax()) {
                return -Errno.EAGAIN;
            }
            submitted.increment();
            placeOrDefer(kiocb);
            return 0;
        } finally {
            unlock();
        }
    }

    /** The placer. */
    private void placeOrDefer(Kiocb kiocb) {
        if (deferred.first() != null || !tryPlace(kiocb)) {
            deferrals.increment();
            deferred.addLastFenced(kiocb);
            boolean _ = placeAllDeferred();
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
    private boolean tryPlace(Kiocb kiocb) {
        int slot = slots.take(kiocb);
        if (slot == Slots.NONE) {
            return false;
        }
        boolean placed = false;
        try {
            placed = place(slot, kiocb);
        } finally {
            if (placed) {
                slots.keep();
            } else {
                slots.leave(slot);
            }
        }
        return placed;
    }

    /** Places deferred operations while there are slots and room; returns whether any was placed. The placer. */
    private boolean placeAllDeferred() {
        boolean any = false;
        while (true) {
            Kiocb first = deferred.first();
            // Before it is placed: from then on the completer may have it, and its next is the list of the batch.
            Kiocb second = first == null ? null : first.next;
            if (first == null || !tryPlace(first)) {
                return any;
            }
            any = true;
            deferred.removeFirst(second);
        }
    }

    @Override
    public final void commit() {
        if (polled) {
            if (owner.check(name()) && hasInFlight()) {
                ringOrStall();
            }
            return;
        }
        if (!end.visit()) {
            return;
        }
        try {
            if (handOver != null) {
                wakeReaper(handOver);
            } else {
                ringOrStall();
                // From this thread the look may be out of date either way; completeHere looks again.
                if (canCompleteAnywhere() && isReady()) {
                    completeHere();
                }
            }
        } finally {
            end.leave();
        }
    }

    /** Wakes a reaper that sleeps, once. */
    private void wakeReaper(HandOver through) {
        if (through.claimWake()) {
            wake();
        }
    }

    /** Has a reaper that alone enters the ring look at what another thread has left for it. */
    final void callReaper() {
        if (handOver != null && end.visit()) {
            try {
                wakeReaper(handOver);
            } finally {
                end.leave();
            }
        }
    }

    /** Whether a thread other than the reaper may take completions while the reaper waits for some. */
    boolean canCompleteAnywhere() {
        return false;
    }

    /**
     * In REAPER mode, on a submitter's thread: tells what has ended in its doorbell, unless somebody is at it already,
     * or this is a completion. The reaper, which the kernel has woken, waits for it and looks again.
     */
    private void completeHere() {
        if (reaping.isHeldByCurrentThread() || !reaping.tryLock()) {
            return;
        }
        boolean held;
        try {
            int _ = tellReady();
            held = !heldBack.isEmpty();
        } catch (RingRefusedException e) {
            // The reaper finds that by itself.
            held = false;
        } finally {
            reaping.unlock();
        }
        if (held) {
            // It does not know how long it may sleep.
            wake();
        }
    }

    // Completing.

    @Override
    public final int poll() {
        if (!polled || !owner.check(name()) || completing || !hasInFlight()) {
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

    /** The next look at a ring that has failed, if it is time for one. The owner. */
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
    private int setBack(Throwable failure) {
        long now = config.nanoTime();
        boolean last = setbacks.add(now);
        if (last) {
            LOGGER.log(System.Logger.Level.ERROR, () -> "the ring of " + this + " has failed " + Setbacks.IN_A_ROW_MAX
                    + " times in a row, and is given up: what is in flight ends with EIO", failure);
            return takeAllBack();
        }
        if (setbacks.isToBeLogged(now)) {
            LOGGER.log(System.Logger.Level.ERROR, () -> this + " goes on after a failure of its ring", failure);
        }
        return 0;
    }

    /** Lets nobody in any more, and tells everything. Returns how many were told. The completer. */
    private int takeAllBack() {
        // Not lock(), which does nothing where one thread enters.
        lock.lock();
        try {
            givenUp = true;
            closed = true;
        } finally {
            lock.unlock();
        }
        end.shut();
        long before = told.get();
        completing = true;
        delivery.begin(config.reapListener());
        try {
            if (handOver != null) {
                boolean _ = deferHandedOver(handOver);
            }
            takeBack();
        } finally {
            delivery.end(config.reapListener());
            completing = false;
        }
        return (int) (told.get() - before);
    }

    @Override
    public final int await(long timeoutNanos) {
        if (!polled || !owner.check(name())) {
            return 0;
        }
        if (completing) {
            throw new IllegalStateException("await inside a completion of AIO engine " + name());
        }
        if (!hasInFlight()) {
            return 0;
        }
        try {
            return tellAtLeastOne(timeoutNanos);
        } finally {
            letGoIfIdle();
        }
    }

    private int tellAtLeastOne(long timeoutNanos) {
        // May wrap around, and is compared by difference.
        long deadline = config.nanoTime() + timeoutNanos;
        long left = timeoutNanos;
        while (true) {
            int count;
            try {
                count = setbacks.any() ? waitAfterSetback(left) : waitAndTell(left);
            } catch (RingRefusedException e) {
                count = setBack(e);
            }
            if (count > 0 || inFlight() == 0) {
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
        if (left > 0 && inFlight() != 0 && !isReady()) {
            if (heldBack.isEmpty()) {
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
        long nanos = Math.min(left, heldBack.nanosLeft(config.nanoTime()));
        if (inFlight() == heldBack.count()) {
            // Nothing is in the kernel that could end a wait there.
            LockSupport.parkNanos(this, nanos);
        } else if (nanos > 0) {
            boolean _ = ringAndWait(nanos);
        }
    }

    /** As {@link #tellAfterSetback}, having waited until it is time, or so long. */
    private int waitAfterSetback(long left) {
        long pause = givenUp ? 0 : setbacks.pauseNanos(config.nanoTime());
        if (pause > 0) {
            LockSupport.parkNanos(this, Math.min(pause, left));
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
    private int tellReady() {
        int count = ready();
        long before = told.get();
        if (count > 0) {
            if (polled) {
                doorbell.found(count, inFlight());
            }
            completing = true;
            delivery.begin(config.reapListener());
            try {
                reap(count);
            } finally {
                delivery.end(config.reapListener());
                completing = false;
            }
        } else if (polled && inFlight() != 0) {
            doorbell.foundNothing(isAllHandedOver());
        }
        placeDeferred();
        return (int) (told.get() - before);
    }

    /** An operation has ended in the kernel: it is told, or goes round again. The completer. */
    final void ended(int slot, long result) {
        Kiocb kiocb = placed(slot);
        slots.giveBack(slot);
        if (result >= 0 && !heldBack.isEmpty()) {
            heldBack.roomAgain();
        }
        if (isPassing(result) && kiocb.retries < RETRIES_MAX) {
            tryAgain(kiocb, result == -Errno.EAGAIN);
        } else if (kiocb.syncing) {
            tell(kiocb, result < 0 ? result : kiocb.bytes());
        } else if (kiocb.operation().isTransfer()) {
            transferEnded(kiocb, result);
        } else {
            tell(kiocb, result);
        }
    }

    /** The sync that was linked to the last part of a write has ended, so the write has succeeded. The completer. */
    final void linkedSyncEnded(int slot, long result) {
        placed(slot).syncing = true;
        ended(slot, result);
    }

    private void transferEnded(Kiocb kiocb, long result) {
        long done = kiocb.transferred();
        if (result > 0) {
            done += result;
            if (done >= kiocb.bytes()) {
                transferDone(kiocb);
            } else if (((NativeFile) kiocb.file()).isAligned(kiocb.offset() + done)) {
                kiocb.advance(result);
                kiocb.retries = 0;
                continued.increment();
                placeAgain(kiocb);
            } else {
                tell(kiocb, noProgress(kiocb, done));
            }
        } else if (result == 0 && kiocb.bytes() == 0) {
            transferDone(kiocb);
        } else {
            tell(kiocb, result == 0 ? noProgress(kiocb, done) : result);
        }
    }

    /** All bytes have been moved: that is all, or a sync is still to come. */
    private void transferDone(Kiocb kiocb) {
        if (kiocb.syncAfter() == null) {
            tell(kiocb, kiocb.bytes());
        } else {
            kiocb.syncing = true;
            kiocb.retries = 0;
            placeAgain(kiocb);
        }
    }

    /** A read that cannot go on has met the end of the file; a write that cannot go on has failed. */
    private static long noProgress(Kiocb kiocb, long done) {
        return kiocb.operation() == AioOperation.READ ? done : -Errno.EIO;
    }

    /**
     * Whether the kernel did nothing and another try may succeed. We never cancel: ECANCELED means that the thread
     * which submitted it has ended before the kernel got to it.
     */
    private static boolean isPassing(long result) {
        return result == -Errno.EAGAIN || result == -Errno.EINTR || result == -Errno.ECANCELED;
    }

    private void tryAgain(Kiocb kiocb, boolean forWantOfRoom) {
        resubmitted.increment();
        if (forWantOfRoom) {
            heldBack.add(kiocb, kiocb.retries, config.nanoTime());
        } else {
            placeAgain(kiocb);
        }
        kiocb.retries++;
    }

    private void placeAgain(Kiocb kiocb) {
        kiocb.next = again;
        again = kiocb;
    }

    private void tell(Kiocb kiocb, long result) {
        ended.increment();
        delivery.tell(kiocb, result);
        told.increment();
    }

    /** Places what goes round again, then what has waited for a slot, and rings for it. The completer. */
    private void placeDeferred() {
        if (!polled) {
            DeferredList.fenceBeforeLook();
        }
        if (!heldBack.isEmpty() && heldBack.nanosLeft(config.nanoTime()) <= 0) {
            for (Kiocb kiocb = heldBack.take(); kiocb != null; kiocb = heldBack.take()) {
                placeAgain(kiocb);
            }
        }
        if (again == null && !deferred.mayHaveAny()) {
            return;
        }
        boolean any;
        lock();
        try {
            while (again != null) {
                Kiocb kiocb = again;
                again = kiocb.next;
                deferred.addFirst(kiocb);
            }
            any = placeAllDeferred();
        } finally {
            unlock();
        }
        if (any) {
            ringOrStall();
        }
    }

    private void reapUntilClosed() {
        boolean begun = handOver == null;
        while (true) {
            try {
                if (!begun) {
                    boolean _ = owner.claim(name());
                    ownerKnown();
                    begun = true;
                }
                if (givenUp) {
                    takeBackAsReaper();
                    return;
                }
                if (reapOnce() == 0 && closed && isIdle()) {
                    return;
                }
                if (handOver != null) {
                    ringOrSleep(handOver);
                } else if (!isReady()) {
                    sleep(sleepNanos);
                }
                setbacks.none();
            } catch (RuntimeException | Error e) {
                // Whatever it is, operations are in the kernel, and somebody has to bring them home.
                setBackAsReaper(e);
            }
        }
    }

    /** Goes on after a pause, or gives the ring up. */
    private void setBackAsReaper(Throwable failure) {
        try {
            reaping.lock();
            try {
                int _ = setBack(failure);
            } finally {
                reaping.unlock();
            }
        } catch (RuntimeException | Error e) {
            failure.addSuppressed(e);
        }
        LockSupport.parkNanos(this, setbacks.pauseNanos(config.nanoTime()));
    }

    private void takeBackAsReaper() {
        reaping.lock();
        try {
            int _ = takeAllBack();
        } finally {
            reaping.unlock();
        }
    }

    private int reapOnce() {
        reaping.lock();
        try {
            int count = tellReady();
            if (handOver != null && placeHandedOver(handOver)) {
                count++;
            }
            sleepNanos = heldBack.isEmpty()
                    ? REAPER_SLEEP_NANOS
                    : Math.clamp(heldBack.nanosLeft(config.nanoTime()), 0, REAPER_SLEEP_NANOS);
            return count;
        } finally {
            reaping.unlock();
        }
    }

    /** Where the reaper alone enters: hands over what has been placed, and waits if there is nothing else to do. */
    private void ringOrSleep(HandOver from) {
        from.fallAsleep();
        boolean busy = isReady() || from.hasNews(closed) || hasOwnerDuties() || (closed && isIdle());
        if (busy) {
            from.awake();
            ring();
        } else {
            boolean _ = ringAndWait(sleepNanos);
            from.awake();
        }
    }

    private boolean isIdle() {
        // Under the lock, where closed was set: no operation can be accepted any more, so the count is final. Where
        // operations are handed over, the mark in the list says the same.
        lock();
        try {
            return inFlight() == 0 && (handOver == null || handOver.isEnded());
        } finally {
            unlock();
        }
    }

    final long inFlight() {
        return submittedSoFar() - told.get();
    }

    private long submittedSoFar() {
        return handOver == null ? submitted.get() : handOver.accepted();
    }

    // Memory, figures, the end.

    @Override
    public boolean registerMemory(MemorySegment slab) {
        requireNative(slab);
        return false;
    }

    @Override
    public boolean unregisterMemory(MemorySegment slab) {
        return false;
    }

    static void requireNative(MemorySegment slab) {
        if (!slab.isNative()) {
            throw new IllegalArgumentException("heap memory cannot be registered: " + slab);
        }
    }

    @Override
    public final AioStatistics statistics() {
        // Told first: an operation is never seen told and not submitted.
        long toldNow = told.get();
        return new AioStatistics(submittedSoFar(), toldNow, systemCalls.get(), continued.get(), resubmitted.get(),
                deferrals.get(), overflows.get(), fixedBuffers.get(), fixedFiles.get(), delivery.thrown());
    }

    @Override
    public final void close() {
        if (reaper == null) {
            closePolled();
        } else {
            closeReaped(reaper);
        }
    }

    private void closeReaped(Thread reaper) {
        if (Thread.currentThread() == reaper || reaping.isHeldByCurrentThread()) {
            throw new IllegalStateException("close inside a completion of AIO engine " + name());
        }
        if (!end.tryBegin(false)) {
            end.awaitDone();
            return;
        }
        try {
            // Not lock(), which does nothing where one thread enters.
            lock.lock();
            try {
                closed = true;
            } finally {
                lock.unlock();
            }
            if (handOver != null) {
                wakeReaper(handOver);
            } else if (end.visit()) {
                // Not if the ring has been given up.
                try {
                    ringOrStall();
                    wake();
                } finally {
                    end.leave();
                }
            }
            Threads.joinAll(List.of(reaper));
            bringHome();
            end();
        } finally {
            end.done();
        }
    }

    /**
     * The reaper has ended. It does so when nothing is in flight; should it have died before, whoever closes does what
     * it left: memory is given back only when the kernel has done with it.
     */
    private void bringHome() {
        reaping.lock();
        try {
            if (!givenUp && handOver != null && (deferHandedOver(handOver) || inFlight() != 0)) {
                abandon();
            }
            while (inFlight() != 0) {
                int _ = tellAtLeastOne(REAPER_SLEEP_NANOS);
            }
        } finally {
            reaping.unlock();
        }
    }

    /** Defers what was handed over to a reaper that has died; whether there was any. */
    private boolean deferHandedOver(HandOver from) {
        Kiocb kiocb = from.take(true);
        boolean any = kiocb != null;
        while (kiocb != null) {
            Kiocb older = kiocb.next;
            deferred.addFirst(kiocb);
            kiocb = older;
        }
        return any;
    }

    private void closePolled() {
        Thread caller = Thread.currentThread();
        if (completing && owner.get() == caller) {
            throw new IllegalStateException("close inside a completion of AIO engine " + name());
        }
        // Those about to be told are no reason to refuse: their owner leaves the engine when it has told them.
        if (!end.beginPolled(owner, name(), () -> submitted.get() != ended.get())) {
            return;
        }
        try {
            closed = true;
            if (!givenUp && owner.get() != caller && owner.get() != null) {
                abandon();
            }
            while (inFlight() != 0) {
                int _ = tellAtLeastOne(Long.MAX_VALUE);
            }
            end();
        } finally {
            end.done();
        }
    }

    private void end() {
        assert inFlight() == 0 : "closed with operations in flight";
        end.shut();
        destroy();
        OPEN.remove(this);
    }

    /** Tells the operations that wait to be placed that they are not going to be. */
    final void cancelDeferred(int errno) {
        for (Kiocb kiocb = heldBack.take(); kiocb != null; kiocb = heldBack.take()) {
            tell(kiocb, -errno);
        }
        while (again != null) {
            Kiocb kiocb = again;
            again = kiocb.next;
            tell(kiocb, -errno);
        }
        for (Kiocb kiocb = deferred.takeFirst(); kiocb != null; kiocb = deferred.takeFirst()) {
            tell(kiocb, -errno);
        }
    }

    /** The operation of a slot that has been placed and has not ended. */
    final Kiocb placed(int slot) {
        return slots.get(slot);
    }

    /** Tells an operation that was placed, and never taken by the kernel. */
    final void cancelPlaced(int slot, int errno) {
        Kiocb kiocb = placed(slot);
        slots.giveBack(slot);
        tell(kiocb, -errno);
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
        for (int slot = 0; slot < slots.count(); slot++) {
            if (slots.isTaken(slot)) {
                return true;
            }
        }
        return false;
    }
}
