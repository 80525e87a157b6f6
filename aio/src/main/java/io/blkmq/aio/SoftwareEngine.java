package io.blkmq.aio;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * What the engines without a ring of the kernel have in common: accepting, counting, telling, closing. A subclass
 * carries operations out and calls {@link #finished}.
 *
 * <pre>
 *   submit -> InFlight.enter -> start (subclass) -> finished -> [done list -> owner or agent] -> told -> InFlight.leave
 * </pre>
 *
 * <p>In REAPER mode the thread that has carried an operation out tells it. In the other modes it leaves it in the done list, which is
 * {@linkplain DoneList intrusive}.
 */
abstract class SoftwareEngine extends OpenedEngine {

    private final InFlight inFlight;

    /** Whether operations are told by the owner or the agent, out of the done list. */
    final boolean listed;
    /** Held by the agent while it tells, or by who closes. */
    private final CompleterLock telling = new CompleterLock();
    /** Whether all that is in flight is to end early. */
    private volatile boolean cancelsAll;
    /** Who is calling completions out of the done list. A thread finds itself here only if it has written that, so it needs no order. */
    private @Nullable Thread teller;
    /** In AGENT mode, whether the engine has given everything back. Guarded by telling. */
    private boolean retired;

    private final ReadyEvent ready = new ReadyEvent();
    private final DoneList done = new DoneList(ready, end, this::mayEndMore);

    SoftwareEngine(String name, Set<AioOperation> operations, AioEngineConfig config) {
        super(name, operations, Set.of(), false, config);
        listed = !config.hasReaper();
        inFlight = new InFlight(config.inFlightMax());
    }

    /** Takes an accepted operation; {@link #finished} is to be called for it, from here or from anywhere. */
    abstract void start(Kiocb kiocb);

    /** Whether the calling thread is in a completion of this engine, as far as it is not polling. */
    abstract boolean isCompleting();

    @Override
    Class<? extends AioFile> family() {
        return ChannelFile.class;
    }

    /** Ends what is due by now. Called by the owner, or the agent. */
    void endDue() {
        // Nothing waits for a time.
    }

    /** Nanoseconds until something is due, 0 or less if it is. */
    long untilDue() {
        return Long.MAX_VALUE;
    }

    /** Ends the threads there are; nothing is in flight. Called once. */
    abstract void stop();

    @Override
    public AioFile open(Path path, AioFile.Access access, boolean direct, AioFile.Option... options)
            throws IOException {
        return ChannelFile.open(Opening.of(path, access, direct, options));
    }

    @Override
    public AioFile adopt(int descriptor, Path name) throws IOException {
        return ChannelFile.adopt(descriptor, name);
    }

    @Override
    final int accept(Kiocb kiocb) {
        int full = inFlight.enter();
        if (full == 0) {
            start(kiocb);
        }
        return full;
    }

    @Override
    final int acceptCall(FileCall<?> call) {
        int full = inFlight.enter();
        if (full == 0) {
            call.kiocb.claimCall();
            if (!call.isDeferred(() -> {
                startCall(call);
                commit0();
            })) {
                startCall(call);
            }
        }
        return full;
    }

    /** Takes an accepted call: after it has been {@linkplain FileCall#run carried out} {@link #finished} is to be called for its kiocb. */
    abstract void startCall(FileCall<?> call);

    @Override
    public final boolean isOpen() {
        return !inFlight.isClosed();
    }

    @Override
    final long inFlight() {
        return inFlight.count();
    }

    /** An operation has ended: tells it, or leaves it to the owner or the agent. */
    final void finished(Kiocb kiocb, long result) {
        if (!listed) {
            inFlight.leavePlace();
            delivery.tell(kiocb, result);
            inFlight.leave();
            return;
        }
        kiocb.result = result;
        done.add(kiocb);
    }

    /** Whether who waits for one to be done may go on waiting. */
    private boolean mayEndMore() {
        return inFlight.count() != 0 && !wakeup.isWanted();
    }

    private boolean isTelling() {
        return Thread.currentThread().equals(teller);
    }

    /** What is due has changed. Any thread. */
    final void dueHasChanged() {
        done.dueHasChanged();
    }

    @Override
    final boolean isInCompletion() {
        return isCompleting() || telling.isHeldByCurrentThread() || isTelling();
    }

    @Override
    final void wakeOwner() {
        done.wake();
    }

    final void requireOwner() {
        if (polled) {
            boolean _ = owner.check(name());
        }
    }

    @Override
    public final int poll() {
        if (!polled || !owner.check(name()) || isTelling()) {
            return 0;
        }
        if (!end.isInUse()) {
            drainIdle(ready);
            return 0;
        }
        try {
            endDue();
            return tellAll(done.take(0));
        } finally {
            letGoIfIdle();
        }
    }

    @Override
    final int workAsAgent() {
        // Not inside of a completion, nor while somebody closes.
        if (!telling.tryLock()) {
            return 0;
        }
        try {
            if (retired) {
                return 0;
            }
            endDue();
            return tellAll(done.take(0));
        } finally {
            telling.unlock();
        }
    }

    @Override
    public final int await(long timeoutNanos) {
        if (!mayAwait()) {
            return 0;
        }
        if (isTelling()) {
            throw new IllegalStateException("await inside a completion of AIO engine " + name());
        }
        if (!end.isInUse()) {
            return awaitWakeup(timeoutNanos);
        }
        try {
            commit0();
            return tellAll(awaitDone(timeoutNanos));
        } finally {
            letGoIfIdle();
        }
    }

    /** {@link DoneList#take}, waiting no longer than until something is due, then ending that. */
    private @Nullable Kiocb awaitDone(long timeoutNanos) {
        // May wrap around, and is compared by difference.
        long deadline = config.nanoTime() + timeoutNanos;
        long left = timeoutNanos;
        while (true) {
            boolean woken = wakeup.take();
            endDue();
            Kiocb all = done.take(woken ? 0 : Math.min(left, untilDue()));
            if (timeoutNanos != Long.MAX_VALUE) {
                left = deadline - config.nanoTime();
            }
            if (all != null || woken || left <= 0 || inFlight.count() == 0) {
                return all;
            }
        }
    }

    private int tellAll(@Nullable Kiocb first) {
        if (first == null) {
            return 0;
        }
        int told = 0;
        teller = Thread.currentThread();
        delivery.begin(config.reapListener());
        try {
            for (Kiocb kiocb = first; kiocb != null; told++) {
                Kiocb following = kiocb.next;
                kiocb.next = null;
                inFlight.leavePlace();
                delivery.tell(kiocb, kiocb.result);
                inFlight.leave();
                kiocb = following;
            }
        } finally {
            delivery.end(config.reapListener());
            teller = null;
        }
        return told;
    }

    @Override
    public final boolean registerMemory(MemorySegment slab) {
        if (!slab.isNative()) {
            throw new IllegalArgumentException("heap memory cannot be registered: " + slab);
        }
        return false;
    }

    @Override
    public final boolean unregisterMemory(MemorySegment slab) {
        return false;
    }

    @Override
    public final int descriptor() {
        return ready.descriptor(this);
    }

    @Override
    final boolean isKeptByOwner() {
        return inFlight.places() != 0;
    }

    @Override
    final void acceptNoMore() {
        inFlight.close();
        tellOwnerOfEnd();
        commit0();
    }

    @Override
    final boolean tellWithin(long timeoutNanos) {
        // May wrap around, and is compared by difference.
        long deadline = config.nanoTime() + timeoutNanos;
        long left = timeoutNanos;
        telling.lock();
        try {
            while (inFlight.count() != 0 && left > 0) {
                int _ = tellAll(awaitDone(Math.min(left, TimeUnit.SECONDS.toNanos(1))));
                left = timeoutNanos == Long.MAX_VALUE ? left : deadline - config.nanoTime();
            }
            return inFlight.count() == 0;
        } finally {
            telling.unlock();
        }
    }

    @Override
    final void bringHome() {
        if (listed) {
            boolean _ = tellWithin(Long.MAX_VALUE);
        }
        inFlight.awaitNone();
    }

    @Override
    final void giveBack() {
        stop();
        end.shut();
        // An agent that is still run comes before this, or finds it.
        telling.lock();
        try {
            retired = true;
            ready.close();
        } finally {
            telling.unlock();
        }
    }

    @Override
    final void cancelAll() {
        cancelsAll = true;
        cancelWanted();
    }

    /** Whether an operation is to end early. */
    final boolean isToEnd(Kiocb kiocb) {
        return cancelsAll || kiocb.isCancelWanted();
    }

    @Override
    void cancelWanted() {
        // Nothing waits.
    }

    /** {@link #commit} without asking who calls. */
    abstract void commit0();

    @Override
    public final void commit() {
        requireOwner();
        commit0();
    }

    /** Calls into the kernel so far. */
    abstract long systemCalls();

    @Override
    public final AioStatistics statistics() {
        long submitted = inFlight.submitted();
        return new AioStatistics(submitted, submitted - inFlight.count(), systemCalls(), 0, 0, 0, 0, 0, 0,
                delivery.thrown());
    }

    @Override
    public final String toString() {
        return name() + "[" + config + "]";
    }
}
