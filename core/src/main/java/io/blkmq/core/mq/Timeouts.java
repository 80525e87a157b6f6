package io.blkmq.core.mq;

import io.blkmq.core.driver.RequestQueue;
import io.blkmq.core.driver.TimeoutAction;
import io.blkmq.core.jfr.DiskEvents;
import io.blkmq.runtime.IoRuntime;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Finds the requests of a queue that have been in flight for too long, and asks the driver about them.
 *
 * <p>Time goes in ticks, a sixteenth of the queue's time-out each but a second at the most and a millisecond at the least: a
 * request notes the tick in which it was started and no clock is read for it. So it times out between its time-out and one tick
 * later.
 *
 * <p>The timer runs only while something may be in flight. Starting and stopping it is a Dekker protocol with the tags: who takes
 * a tag does so and then looks whether the timer is {@link #armed}; the timer that finds no tag held says that it is not armed
 * and then looks at the tags once more. A timer that the runtime has no thread for is owed ({@link OwedTimers}), and set by who waits, or takes
 * a tag. Both are volatile accesses, so one sees the other. A queue that shares its tags and has had
 * none for a time-out gives up its share in them before the timer stops: as long as a share is active the timer runs.
 */
final class Timeouts {
    private static final long TICK_NANOS_MIN = TimeUnit.MILLISECONDS.toNanos(1);
    private static final long TICK_NANOS_MAX = TimeUnit.SECONDS.toNanos(1);

    private static final int IDLE = 0;
    private static final int ARMED = 1;
    /** There was no thread for it. Whoever comes meanwhile does not try it at once: a failed start of a thread is slow. */
    private static final int OWED = 2;

    /** What is looked after, of a queue. */
    interface Watched {
        /** Shows every request that may be in flight. */
        void eachActive(Consumer<TagRequest> visitor);

        /** Ends what the elevator has lost. */
        void endLost(int tick, int ticksMax);

        /** Whether anything may be in flight. */
        boolean isBusy();

        /** Whether it has an active share of tags that others use, too. */
        boolean hasActiveShares();

        /** It has had no tag for a time-out: its shares become idle, unless somebody waits for one. */
        void sharesBecomeIdle();
    }

    private final RequestQueue queue;
    private final Watched watched;
    private final IoRuntime runtime;
    private final long tickNanos;
    private volatile int timeoutTicks;
    /** Made once: where there is no memory for a timer, there is none for this. */
    private final Runnable tickEnds = this::tickEnds;
    /** {@link #IDLE}, {@link #ARMED} or {@link #OWED}. */
    private final AtomicInteger armed = new AtomicInteger(IDLE);
    /** Written by the timer alone. */
    private volatile int tick;
    /** For how many ticks nothing has been in flight. The timer's. */
    private int idleTicks;

    Timeouts(RequestQueue queue, Watched watched, IoRuntime runtime, long timeoutNanos) {
        this.queue = queue;
        this.watched = watched;
        this.runtime = runtime;
        this.tickNanos = Math.clamp(timeoutNanos / 16, TICK_NANOS_MIN, TICK_NANOS_MAX);
        this.timeoutTicks = ticks(timeoutNanos);
    }

    void setTimeoutNanos(long nanos) {
        timeoutTicks = ticks(nanos);
    }

    /** What holds: what was set, in whole ticks. */
    long timeoutNanos() {
        return timeoutTicks * tickNanos;
    }

    /** How many ticks a time is, rounded up. */
    int ticks(long nanos) {
        return (int) Math.min(RequestLife.NEVER - 1, (nanos - 1) / tickNanos + 1);
    }

    int tick() {
        return tick;
    }

    long tickNanos() {
        return tickNanos;
    }

    /** The queue counts among the users of shared tags, whether it gets one or not. */
    void shareBecameActive() {
        tagTaken();
    }

    /** A tag has been taken. */
    void tagTaken() {
        if (armed.get() != ARMED) {
            arm();
        }
    }

    private void arm() {
        if (armed.get() == OWED) {
            OwedTimers.tryAgain(runtime);
        } else if (armed.compareAndSet(IDLE, ARMED)) {
            scheduleTick();
        }
    }

    /** Throws nothing: whoever takes a tag goes on. */
    private void scheduleTick() {
        try {
            var _ = runtime.schedule(tickNanos, tickEnds);
        } catch (OutOfMemoryError e) {
            // In this order: once it is owed, another thread may set it, and it says that it is armed.
            armed.set(OWED);
            if (!OwedTimers.add(queue, tickNanos, tickEnds, queue.name(), e)) {
                armed.set(IDLE);
            }
        } catch (Throwable t) {
            armed.set(IDLE);
            CallbackFailures.report("the timer for the time-outs of " + queue.name(), t);
        }
    }

    @SuppressWarnings("NonAtomicVolatileUpdate") // the timer is the only writer, and never runs twice at once
    private void tickEnds() {
        tick++;
        if (armed.get() == OWED) {
            armed.set(ARMED);
        }
        try {
            OwedTimers.tryAgain(runtime);
            watched.eachActive(this::look);
            watched.endLost(tick, timeoutTicks);
        } catch (Throwable t) {
            // The timer goes on.
            CallbackFailures.report("a look for time-outs of " + queue.name(), t);
        }
        idleTicks = watched.isBusy() ? 0 : idleTicks + 1;
        if (idleTicks == 0 || (watched.hasActiveShares() && idleTicks <= timeoutTicks)) {
            scheduleTick();
            return;
        }
        watched.sharesBecomeIdle();
        idleTicks = 0;
        armed.set(IDLE);
        // A share for which threads wait stays active.
        if (watched.isBusy() || watched.hasActiveShares()) {
            arm();
        }
    }

    /** Asks the driver about a request, if its time is over. The request may be ended and used again at any moment. */
    private void look(TagRequest rq) {
        if (!isOver(rq) || !rq.beginTiming()) {
            return;
        }
        if (!rq.isOwnedBy(queue) || !isOver(rq)) {
            // The tag was used again between the look and the hold, perhaps by another queue, whose ticks are others.
            rq.endTiming();
            return;
        }
        try {
            TimeoutAction action = ask(rq);
            DiskEvents.timedOut(rq, (tick - rq.startTick()) * tickNanos, action);
            if (action == TimeoutAction.DONE) {
                rq.neverTimesOut();
            } else {
                rq.restartTimer(tick);
            }
        } finally {
            rq.endTiming();
        }
    }

    private TimeoutAction ask(TagRequest rq) {
        try {
            @Nullable
            TimeoutAction action = queue.tagSet().driver().timeout(rq);
            if (action != null) {
                return action;
            }
            CallbackFailures.report("timeout of " + rq + " returned null");
        } catch (Throwable t) {
            CallbackFailures.report("timeout of " + rq, t);
        }
        return TimeoutAction.RESET_TIMER;
    }

    /** One tick more than its time: it was started somewhere within its first tick. */
    private boolean isOver(TagRequest rq) {
        int own = rq.timeoutTicks();
        return tick - rq.startTick() > (own != 0 ? own : timeoutTicks);
    }
}
