package io.blkmq.core.mq;

import io.blkmq.core.Status;
import io.blkmq.core.driver.Parking;
import io.blkmq.core.driver.Request;
import io.blkmq.core.driver.RequestQueue;
import io.blkmq.runtime.IoRuntime;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.Objects;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * The life of a request: one atomic word of its generation and its state, and what goes with the steps from state to state.
 *
 * <pre>
 *   IDLE ──start──▶ IN_FLIGHT ──complete──▶ COMPLETE ──end──▶ ENDED ──bios told──▶ IDLE
 *     ▲                 │ unstart, requeue
 *     └─────────────────┘
 * </pre>
 *
 * <p>The step to COMPLETE is one atomic transition and has one winner; whoever comes second is counted and does nothing. Each
 * {@link #start} begins a new generation, so that a completion that comes late for one try can never end the next one, of this use of the
 * tag or of another.
 *
 * <p>While the driver is asked about a request whose time is over, or a visitor sees it, the request is TIMING: it can neither end nor be used
 * again. A completion or requeue in that time is noted (TIMING_COMPLETED, TIMING_REQUEUED) and carried out when the driver has answered.
 *
 * <p>The holder of the tag writes the word plainly while the request is not in flight; every step out of IN_FLIGHT and of TIMING is a
 * compare-and-set. A class above {@link TagRequest} and not beside it, since the word shares a cache line with what each I/O touches anyhow.
 */
public abstract sealed class RequestLife extends Request permits TagRequest {
    /** Nobody's but the holder's of its tag. */
    public static final int IDLE = 0;
    static final int IN_FLIGHT = 1;
    static final int COMPLETE = 2;
    /** Between {@link #end} and the moment its bios are told. */
    static final int ENDED = 3;

    /** The driver's {@code timeout} is being asked. */
    static final int TIMING = 4;
    /** It has been completed meanwhile. */
    static final int TIMING_COMPLETED = 5;
    /** It has been given back meanwhile. */
    static final int TIMING_REQUEUED = 6;

    /** One of the two is being noted. */
    static final int TIMING_NOTING = 7;

    /** The time-out, in ticks, of a request that its driver is not asked about any more. */
    static final int NEVER = Integer.MAX_VALUE;

    private static final String[] STATE_NAMES = {"idle", "in flight", "complete", "ended", "timed out",
            "timed out and complete", "timed out and given back", "timed out and on its way"};
    private static final int STATE_BITS = 3;
    private static final long STATE_MASK = (1L << STATE_BITS) - 1;

    private static final VarHandle LIFE;

    static {
        try {
            LIFE = MethodHandles.lookup().findVarHandle(RequestLife.class, "life", long.class);
        } catch (ReflectiveOperationException e) {
            throw new ExceptionInInitializerError(e);
        }
    }

    /** The generation, and in the lowest bits the state. */
    private long life;
    private Status status = Status.OK;
    /** The tick of {@link Timeouts} in which it was started. */
    private int startTick;
    /** Its own time-out in ticks, 0 for the queue's. */
    private int timeoutTicks;
    /** How it was completed while TIMING. Published by the step to TIMING_COMPLETED. */
    private Status timedStatus = Status.OK;
    /** Whether the requeue list is kicked for what was given back while TIMING. Published like {@link #timedStatus}. */
    private boolean timedKick;
    /** The thread that keeps the request TIMING. Written by it alone, and meaningful to it alone. */
    private @Nullable Thread keeper;

    RequestLife() {}

    // ---- told to the request

    /** It is complete: the driver's half of that is due, on this thread. */
    abstract void completed();

    /** The driver has given it back, and it is idle: it goes to the requeue list. */
    abstract void givenBack(boolean kick);

    /** The driver has not taken it, and it is idle. */
    abstract void offered();

    /** A completion or requeue has come that belongs to no try of now. */
    abstract void stray();

    /** Whether a queue used the tag last. A volatile read. */
    abstract boolean isOwnedBy(RequestQueue queue);

    abstract IoRuntime runtime();

    // ---- steps

    /** It goes on with the generation of another: a flush request with that of the tag that it borrows, and back. */
    final void goOnFrom(RequestLife other) {
        assert state() == IDLE : this;
        life = other.generation() << STATE_BITS | IDLE;
    }

    /** A use begins without a time-out of its own. */
    final void resetTimeout() {
        timeoutTicks = 0;
    }

    /** Its own time-out, for this use. */
    final void useTimeout(int ticks) {
        timeoutTicks = ticks;
    }

    final String stateName() {
        return STATE_NAMES[Objects.checkIndex(state(), STATE_NAMES.length)];
    }

    @Override
    public final long generation() {
        return life >>> STATE_BITS;
    }

    @Override
    public final void complete(Status result) {
        complete(generation(), result);
    }

    @Override
    public final void complete(long forGeneration, Status result) {
        long inFlight = forGeneration << STATE_BITS | IN_FLIGHT;
        if (LIFE.compareAndSet(this, inFlight, inFlight - IN_FLIGHT + COMPLETE)) {
            setStatus(result);
            completed();
        } else {
            completeNotInFlight(forGeneration, result);
        }
    }

    /** From in flight to its end, in one step: nobody has to see it between complete and ended. */
    final boolean leaveFlightEnded(Status result) {
        long now = life;
        if ((now & STATE_MASK) != IN_FLIGHT || !LIFE.compareAndSet(this, now, now - IN_FLIGHT + ENDED)) {
            return false;
        }
        setStatus(result);
        return true;
    }

    private void completeNotInFlight(long forGeneration, Status result) {
        long use = forGeneration << STATE_BITS;
        for (;;) {
            long now = (long) LIFE.getVolatile(this);
            if (now == (use | TIMING)) {
                if (LIFE.compareAndSet(this, now, use | TIMING_NOTING)) {
                    timedStatus = result;
                    LIFE.setVolatile(this, use | TIMING_COMPLETED);
                    return;
                }
            } else if (now != (use | IN_FLIGHT)) {
                stray();
                return;
            } else if (LIFE.compareAndSet(this, now, use | COMPLETE)) {
                setStatus(result);
                completed();
                return;
            }
        }
    }

    @Override
    public final void requeue(boolean kick) {
        requeue(generation(), kick);
    }

    @Override
    public final void requeue(long forGeneration, boolean kick) {
        long use = forGeneration << STATE_BITS;
        for (;;) {
            long now = (long) LIFE.getVolatile(this);
            if (now == (use | TIMING)) {
                if (LIFE.compareAndSet(this, now, use | TIMING_NOTING)) {
                    timedKick = kick;
                    LIFE.setVolatile(this, use | TIMING_REQUEUED);
                    return;
                }
            } else if (now != (use | IN_FLIGHT)) {
                stray();
                return;
            } else if (LIFE.compareAndSet(this, now, use | IDLE)) {
                givenBack(kick);
                return;
            }
        }
    }

    /** What is complete is its completing thread's: all who could take it out of flight have lost. */
    final void requireComplete(String what) {
        if (state() != COMPLETE) {
            throw new IllegalStateException(this + " is " + what + ", but not between complete and its end");
        }
    }

    public final int state() {
        return (int) ((long) LIFE.getAcquire(this) & STATE_MASK);
    }

    /** A reference is written where it changes: see {@link TagRequest#route}. */
    final void setStatus(Status value) {
        if (status != value) {
            status = value;
        }
    }

    /** Plain: for the holder of the tag, outside of flight. */
    final void setState(int state) {
        life = (life & ~STATE_MASK) | state;
    }

    /** Takes it out of flight, after the driver has been asked about it if it is just being asked. */
    private boolean leaveFlight(long ofGeneration, int state) {
        long use = ofGeneration << STATE_BITS;
        for (;;) {
            long now = (long) LIFE.getVolatile(this);
            if (now == (use | TIMING)) {
                runtime().spinWait();
            } else if (now != (use | IN_FLIGHT)) {
                return false;
            } else if (LIFE.compareAndSet(this, now, use | state)) {
                return true;
            }
        }
    }

    /** Keeps the request as it is while the driver is asked. False if it is not in flight, or kept by another. */
    final boolean beginTiming() {
        long now = (long) LIFE.getVolatile(this);
        long use = now & ~STATE_MASK;
        if (now == (use | IN_FLIGHT) && LIFE.compareAndSet(this, now, use | TIMING)) {
            keeper = Thread.currentThread();
            return true;
        }
        return false;
    }

    /**
     * Shows the request to a visitor while it can neither end nor be used again, if it is in flight for a queue. Waits for another
     * thread that keeps it; the visitor of a visitor, or of a driver that is asked about a time-out, sees what its own thread keeps.
     *
     * @param of the queue; the tag may go to another at any moment before the request is kept
     * @return false if the visitor wants to see no more
     */
    final boolean visit(RequestQueue of, Predicate<? super Request> visitor) {
        while (isOwnedBy(of)) {
            long now = (long) LIFE.getVolatile(this);
            long state = now & STATE_MASK;
            if (state >= TIMING && Thread.currentThread().equals(keeper)) {
                return state != TIMING || visitor.test(this);
            } else if (state >= TIMING) {
                Parking.spinWait(runtime());
            } else if (state != IN_FLIGHT) {
                return true;
            } else if (beginTiming()) {
                try {
                    // Once more: the tag may have gone to another queue before it was kept.
                    return !isOwnedBy(of) || visitor.test(this);
                } finally {
                    endTiming();
                }
            }
        }
        return true;
    }

    /** The driver has ended it, or will: it is not asked again. While TIMING. */
    final void neverTimesOut() {
        timeoutTicks = NEVER;
    }

    /** While TIMING. */
    final void restartTimer(int tick) {
        startTick = tick;
    }

    /** Lets it go again, and carries out what was put off. */
    final void endTiming() {
        keeper = null;
        long now = (long) LIFE.getVolatile(this);
        long use = now & ~STATE_MASK;
        if (now == (use | TIMING) && LIFE.compareAndSet(this, now, use | IN_FLIGHT)) {
            return;
        }
        while (state() == TIMING_NOTING) {
            runtime().spinWait();
        }
        if (state() == TIMING_COMPLETED) {
            setState(COMPLETE);
            status = timedStatus;
            completed();
        } else {
            timeoutTicks = 0;
            setState(IDLE);
            givenBack(timedKick);
        }
    }

    /**
     * The driver did not take it.
     *
     * @param use its generation since it was started: the tag may be another's by now
     * @return false if the driver has completed it all the same
     */
    final boolean unstart(long use) {
        if (leaveFlight(use, IDLE)) {
            offered();
            return true;
        }
        return false;
    }

    /** The block layer ends it in the driver's place, if it is the same try. Returns false if the driver has completed it. */
    final boolean fail(long use, Status result) {
        if (!leaveFlight(use, COMPLETE)) {
            return false;
        }
        setStatus(result);
        return true;
    }

    /** What the bios will be told. */
    final void noteStatus(Status result) {
        setStatus(result);
    }

    /** Between two steps of a flush sequence, or for the next flush. */
    final void rewind() {
        setState(IDLE);
    }

    /** For the elevator's clock: when it began to wait, in ticks. */
    final void noteWaitingSince(int tick) {
        startTick = tick;
    }

    @Override
    public final void requeueCompleted(boolean kick) {
        requireComplete("given back");
        setState(IDLE);
        givenBack(kick);
    }

    @Override
    public final Status status() {
        return status;
    }

    final int startTick() {
        return startTick;
    }

    final int timeoutTicks() {
        return timeoutTicks;
    }

    /**
     * The driver gets it with others that start in the same tick. A try that begins here has a generation of its own: the completion of
     * one before it, of this use of the tag or of another, finds that it is over.
     *
     * @return the generation of this try
     */
    final long start(int tick) {
        assert state() == IDLE : this;
        if (timeoutTicks == NEVER) {
            // Its driver was asked about the use or try before.
            timeoutTicks = 0;
        }
        startTick = tick;
        long generation = generation() + 1;
        // Release: pairs with the timer's look at the state, which then sees the tick.
        LIFE.setRelease(this, generation << STATE_BITS | IN_FLIGHT);
        return generation;
    }
}
