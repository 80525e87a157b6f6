package io.blkmq.core.mq;

import io.blkmq.core.QueueLimits;
import io.blkmq.core.driver.ElevatorAttribute;
import io.blkmq.core.driver.Request;
import io.blkmq.core.driver.SoftwareContext;
import io.blkmq.core.driver.TagSet;
import io.blkmq.runtime.IoRuntime;
import java.util.Map;
import java.util.concurrent.Executor;
import java.util.concurrent.atomic.LongAdder;
import java.util.function.Consumer;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * The pieces of a queue, each with its own state and its own lock, and the calls of the door that a piece answers. The way of a bio, which uses
 * all of them, is {@link DeviceQueue}.
 */
public abstract sealed class QueueParts extends QueueSettings permits DeviceQueue {
    /** Bios that wait at the gate, without a thread. */
    final Backlog atGate;
    final QueueLife life;
    final QueueContexts contexts;
    final ElevatorSwitch elevators;
    final BounceBuffers bounces;
    final QueuePolling polling;
    final RequeueList requeued;
    final Timeouts timeouts;
    private final BusyTime busyTime;
    /** When the counters began, by the clock of the runtime. */
    final long countsSinceNanos;
    private final LongAdder strayCompletions = new LongAdder();

    QueueParts(TagSet set, PoolParts shared, String name, QueueLimits limits, long capacitySectors,
            @Nullable Object queueData) {
        super(set, shared, name, limits, capacitySectors, queueData);
        IoRuntime runtime = set.runtime();
        this.countsSinceNanos = runtime.nanoTime();
        this.busyTime = new BusyTime(new Counted(), countsSinceNanos);
        this.atGate = new Backlog(runtime);
        this.contexts = new QueueContexts(this, busyTime, (made, publish) -> life().begin(made, publish));
        this.elevators = new ElevatorSwitch(this, contexts);
        this.life = new QueueLife(this, contexts, elevators);
        this.bounces = new BounceBuffers(name, runtime, gate);
        this.polling = new QueuePolling(this, contexts);
        this.requeued = new RequeueList(runtime);
        this.timeouts = new Timeouts(this, new InFlight(), runtime, set.timeoutNanos());
    }

    private QueueLife life() {
        return life;
    }

    /** The counters of all contexts. */
    private final class Counted implements BusyTime.Contexts {
        @Override
        public int count() {
            return contexts.software().length;
        }

        @Override
        public BusySpan span(int index) {
            return contexts.software(index).counters;
        }
    }

    /** What is looked after for time-outs. */
    private final class InFlight implements Timeouts.Watched {
        @Override
        public void eachActive(Consumer<TagRequest> visitor) {
            contexts.eachActive(visitor);
        }

        @Override
        public void endLost(int tick, int ticksMax) {
            elevators.endLost(tick, ticksMax);
        }

        @Override
        public boolean isBusy() {
            return QueueParts.this.isBusy();
        }

        @Override
        public boolean hasActiveShares() {
            return contexts.hasActiveShares();
        }

        @Override
        public void sharesBecomeIdle() {
            contexts.sharesBecomeIdle();
        }
    }

    // ---- contexts

    /** The contexts of this queue. */
    QueueContexts contextsOf() {
        return contexts;
    }

    @Override
    public int contexts() {
        return contexts.softwareCount();
    }

    @Override
    public EntryContext context(int index) {
        return contexts.software(index);
    }

    @Override
    public EntryContext contextOfCurrentThread() {
        return contexts.ofCurrentThread();
    }

    @Override
    public int hardwareContexts() {
        return contexts.hardware().length;
    }

    @Override
    public DispatchContext hardwareContext(int index) {
        return contexts.hardware(index);
    }

    @Override
    public void setCompletionExecutor(int context, @Nullable Executor executor) {
        contexts.relay(context).useExecutor(executor);
    }

    @Override
    public int heldTags() {
        return contexts.heldTags();
    }

    /** Undoes everything. Nothing is in flight, and nobody changes the tag set. */
    void undo() {
        elevators.close();
        contexts.undo();
    }

    // ---- polling

    QueuePolling polling() {
        return polling;
    }

    @Override
    public boolean isPolled() {
        return contexts.isPolled();
    }

    @Override
    public int poll(SoftwareContext ctx) {
        return polling.poll(ctx);
    }

    @Override
    public int poll(Request rq) {
        return polling.poll(rq);
    }

    @Override
    public int pollInFlight() {
        return shared.parking.poll();
    }

    /**
     * One step of a wait for I/O that the calling thread has submitted, or another for it: see {@link QueuePolling#awaitEnd}.
     *
     * @param blocker for people
     * @param ctx the context that the I/O was submitted through
     * @param flags of its bio
     * @param looks how many steps there were before
     * @param nanos how long to park at the most; {@link Long#MAX_VALUE} for ever
     */
    public void awaitEnd(Object blocker, EntryContext ctx, int flags, int looks, long nanos) {
        polling.awaitEnd(blocker, ctx, flags, looks, nanos);
    }

    /** Whether I/O that was submitted through a context is polled, and by the calling thread. */
    public boolean mayPollFor(EntryContext ctx) {
        return polling.mayPollFor(ctx);
    }

    // ---- requeue

    @Override
    public void kickRequeueList() {
        requeued.kick();
    }

    @Override
    public void delayKickRequeueList(long delayNanos) {
        try {
            var _ = set.runtime().schedule(delayNanos, this::kickRequeueList);
        } catch (OutOfMemoryError e) {
            if (!OwedTimers.add(this, delayNanos, this::kickRequeueList, name(), e)) {
                kickRequeueList();
            }
        }
    }

    // ---- freeze, quiesce, close

    @Override
    public void quiesce() {
        life.quiesce();
    }

    @Override
    public void unquiesce() {
        life.unquiesce();
    }

    @Override
    public void freeze() {
        life.freeze();
    }

    @Override
    public void freezeStart() {
        life.freezeStart();
    }

    @Override
    public boolean freezeWait(long timeoutNanos) {
        return life.freezeWait(timeoutNanos);
    }

    @Override
    public void close() {
        life.close();
    }

    @Override
    public boolean close(long timeoutNanos) {
        return life.close(timeoutNanos);
    }

    @Override
    public void markDead() {
        life.markDead();
    }

    @Override
    public void requireNoCompletion(String what) {
        life.requireNoCompletion(what);
    }

    // ---- elevator

    ElevatorSwitch elevators() {
        return elevators;
    }

    @Override
    public String elevator() {
        return elevators.name();
    }

    @Override
    public void setElevator(String elevator) {
        elevators.set(elevator);
    }

    @Override
    public Map<String, ElevatorAttribute> elevatorAttributes() {
        return elevators.attributes();
    }

    @Override
    public int nrRequests() {
        return elevators.nrRequests();
    }

    @Override
    public void setNrRequests(int value) {
        elevators.setNrRequests(value);
    }

    // ---- tags

    @Override
    final void tagsAdded() {
        if (elevators.now() != null) {
            contexts.runAll();
        }
    }

    @Override
    final boolean isBusy() {
        Scheduler elevator = elevators.now();
        // In this order: a request takes its scheduler's tag before the driver's, and gives the driver's back last.
        return (elevator != null && elevator.isBusy()) || contexts.hasDriverTags();
    }

    // ---- time-outs

    @Override
    final Timeouts timeouts() {
        return timeouts;
    }

    @Override
    public long timeoutNanos() {
        return timeouts.timeoutNanos();
    }

    @Override
    public void setTimeoutNanos(long nanos) {
        if (nanos <= 0) {
            throw new IllegalArgumentException(name + ": timeout of " + nanos + " ns: must be positive");
        }
        timeouts.setTimeoutNanos(nanos);
    }

    // ---- figures

    BusyTime busyTime() {
        return busyTime;
    }

    @Override
    public long bounces() {
        return bounces.count();
    }

    @Override
    public long strayCompletions() {
        return strayCompletions.sum();
    }

    @Override
    final void countStrayCompletion(TagRequest rq) {
        strayCompletions.increment();
        CallbackFailures.report(name + ": completion of a request that is not in flight: " + rq);
    }

    /** How many bios wait without a thread: for a tag, at the gate, or for a bounce buffer. For people, and slow. */
    public int backlog() {
        Scheduler elevator = elevators.now();
        return atGate.size() + bounces.waitingBios() + (elevator == null ? 0 : elevator.waitingBios())
                + contexts.waitingBios();
    }

    @Override
    public void busyIter(Predicate<? super Request> visitor) {
        boolean[] goOn = {true};
        contexts.eachActive(rq -> goOn[0] = goOn[0] && rq.visit(this, visitor));
    }
}
