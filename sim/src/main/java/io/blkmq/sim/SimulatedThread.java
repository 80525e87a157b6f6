package io.blkmq.sim;

import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/**
 * One thread of a simulation. All fields but the volatile one belong to whoever has the baton ({@link DeterministicRuntime}).
 *
 * <p>It is carried by a virtual thread: passing the baton between two of those costs a tenth of what it costs between platform
 * threads, and making one a fiftieth.
 */
final class SimulatedThread {
    static final long NEVER = Long.MAX_VALUE;
    /** So many entries after its last pause a thread still counts as one that polls: a look may take a lock or read the clock. */
    private static final int ENTRIES_OF_A_LOOK = 4;

    /** What it does. */
    enum State {
        RUNNABLE, PARKED, SLEEPING, LOCKING, JOINING, IDLE, ENDED
    }

    /** What it is for. */
    enum Kind {
        /** The simulation waits for its end. */
        SPAWNED,
        /** It is ended with the simulation. */
        AGENT
    }

    final int index;
    final Kind kind;
    final Thread thread;
    State state = State.RUNNABLE;
    boolean begun;
    boolean permit;
    /** When it can run again although nobody wakes it. */
    long deadline = NEVER;
    /** What it waits for. */
    @Nullable
    Object blocker;
    int priority;
    /** How many entries ago it polled for something in vain. */
    private int sincePoll = Integer.MAX_VALUE;
    private @Nullable Object polledFor;
    /** How many entries have thrown since the simulation is over. */
    int unwinds;
    /** An interrupt that came while another thread had the baton: parking for the baton would spin with it. */
    private volatile boolean interruptKept;

    SimulatedThread(int index, Kind kind, String name, int priority,
            java.util.function.Consumer<SimulatedThread> life) {
        this.index = index;
        this.kind = kind;
        this.priority = priority;
        this.thread = Thread.ofVirtual().name(name).unstarted(() -> life.accept(this));
    }

    void waits(State how, @Nullable Object forWhat, long until) {
        state = how;
        blocker = forWhat;
        deadline = until;
        sincePoll = Integer.MAX_VALUE;
    }

    boolean canRun(long now) {
        return state == State.RUNNABLE || deadline <= now || (state == State.PARKED && (permit || isInterrupted()));
    }

    void goesOn() {
        state = State.RUNNABLE;
        deadline = NEVER;
        blocker = null;
    }

    boolean polls() {
        return sincePoll <= ENTRIES_OF_A_LOOK && state == State.RUNNABLE;
    }

    /** Whether it is in the middle of a look, or goes on with something else after one. */
    boolean looks() {
        return sincePoll != 0 && polls();
    }

    void polled(@Nullable Object what) {
        sincePoll = 0;
        polledFor = what;
    }

    void entered() {
        if (sincePoll <= ENTRIES_OF_A_LOOK) {
            sincePoll++;
        }
    }

    boolean isInterrupted() {
        // In this order: the thread notes the interrupt before it takes it off.
        return thread.isInterrupted() || interruptKept;
    }

    /** Lets the thread run: it has the baton. */
    void wake() {
        if (begun) {
            LockSupport.unpark(thread);
        } else {
            begun = true;
            thread.start();
        }
    }

    /** On its own thread: waits until it has been given the baton. */
    void await(DeterministicRuntime runtime) {
        while (runtime.running() != this) {
            LockSupport.park(runtime);
            if (thread.isInterrupted()) {
                interruptKept = true;
                var _ = Thread.interrupted();
            }
        }
        if (interruptKept) {
            interruptKept = false;
            thread.interrupt();
        }
    }

    String describe(long now) {
        StringBuilder text = new StringBuilder("  ").append(index).append(" \"").append(thread.getName()).append("\" ");
        text.append(switch (state) {
            case RUNNABLE -> polls() ? "polls" : "can run";
            case PARKED -> "is parked";
            case SLEEPING -> "sleeps";
            case LOCKING -> "waits for a lock";
            case JOINING -> "waits for a thread to end";
            case IDLE -> "has no work";
            case ENDED -> "has ended";
        });
        if (deadline != NEVER) {
            text.append(", for ").append(Math.max(0, deadline - now)).append(" ns more");
        }
        Object what = polls() ? polledFor : blocker;
        if (what != null) {
            text.append(": ").append(nameOf(what));
        }
        return text.toString();
    }

    /** Without what differs from run to run. */
    private static String nameOf(Object object) {
        String text = String.valueOf(object);
        return text.endsWith("@" + Integer.toHexString(System.identityHashCode(object)))
                ? "a " + object.getClass().getSimpleName()
                : text;
    }
}
