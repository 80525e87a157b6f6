package io.blkmq.core.mq;

import io.blkmq.core.Operation;
import io.blkmq.core.QueueLimits;
import io.blkmq.core.Status;
import io.blkmq.core.driver.ElevatorAttribute;
import io.blkmq.core.driver.Request;
import io.blkmq.core.driver.SoftwareContext;
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
    final QueueGate gate;
    /** Bios that wait at the gate, without a thread. */
    final Backlog atGate;
    final QueueLife life;
    final QueueContexts contexts;
    final ElevatorSwitch elevators;
    final BounceBuffers bounces;
    final QueuePolling polling;
    final RequeueList requeued;
    final Timeouts timeouts;
    private final OwnRequests own;
    private final BusyTime busyTime;
    private final LongAdder strayCompletions = new LongAdder();

    QueueParts(RequestPool set, String name, QueueLimits limits, long capacitySectors, @Nullable Object queueData) {
        super(set, name, limits, capacitySectors, queueData);
        DeviceQueue queue = (DeviceQueue) this;
        this.busyTime = new BusyTime(new Counted(), set.runtime().nanoTime());
        this.gate = new QueueGate(set.runtime(), set.parking());
        this.atGate = new Backlog(set);
        this.life = new QueueLife(queue, set, gate);
        this.contexts = new QueueContexts(queue, set, life);
        this.elevators = new ElevatorSwitch(queue, set);
        this.bounces = new BounceBuffers(queue, set, gate);
        this.polling = new QueuePolling(queue, set);
        this.requeued = new RequeueList(queue, set.runtime());
        this.timeouts = new Timeouts(queue, set.runtime(), set.timeoutNanos());
        this.own = new OwnRequests(queue, set, gate);
    }

    /** The counters of all contexts. */
    private final class Counted implements BusyTime.Contexts {
        @Override
        public int count() {
            return contexts.software().length;
        }

        @Override
        public ContextCounters counters(int index) {
            return contexts.software(index).counters;
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
        context(context).relay.useExecutor(executor);
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
    public void pollInFlight() {
        int _ = set.parking().poll();
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

    // ---- requeue

    @Override
    public void kickRequeueList() {
        requeued.kick();
    }

    @Override
    public void delayKickRequeueList(long delayNanos) {
        set.runtime().schedule(delayNanos, this::kickRequeueList);
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
    public boolean isFrozen() {
        return gate.isFrozen();
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
    public boolean isDying() {
        return gate.isDying();
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

    // ---- time-outs

    Timeouts timeouts() {
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

    void countStrayCompletion(TagRequest rq) {
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
        DeviceQueue queue = (DeviceQueue) this;
        contexts.eachActive(rq -> goOn[0] = goOn[0] && rq.visit(queue, visitor));
    }

    @Override
    public String dump() {
        return QueueView.dump((DeviceQueue) this);
    }
}
