package io.blkmq.testkit.crash;

import java.util.ArrayList;
import java.util.List;

/** What an {@link Explorer} has visited, and what it found. Written by it alone, until it has ended. */
public final class Exploration {
    private long made;
    private long checked;
    private long failed;
    private int points;
    private int completePoints;
    private boolean stopped;
    private final long beginNanos = System.nanoTime();
    private long nanos;
    private final List<CrashState> failures = new ArrayList<>();
    private final int failuresKept;
    private final boolean endsAtFirst;

    Exploration(boolean endsAtFirst) {
        this.endsAtFirst = endsAtFirst;
        this.failuresKept = 100;
    }

    void points(int count) {
        points = count;
    }

    void madeOne() {
        made++;
    }

    /** Whether to go on. */
    boolean checked(boolean held, CrashState state) {
        checked++;
        if (!held) {
            failed++;
            if (failures.size() < failuresKept) {
                failures.add(state);
            }
            stopped = stopped || endsAtFirst;
        }
        return !stopped;
    }

    void stop() {
        stopped = true;
    }

    void end(int completePointsCount) {
        completePoints = completePointsCount;
        nanos = System.nanoTime() - beginNanos;
    }

    /** How many states were made, equal ones included. */
    public long made() {
        return made;
    }

    /** How many different states were checked. */
    public long checked() {
        return checked;
    }

    /** How many of those did not hold. */
    public long failed() {
        return failed;
    }

    /** How many turning points of the history were visited. */
    public int points() {
        return points;
    }

    /** At how many of these each state was visited. */
    public int completePoints() {
        return completePoints;
    }

    /** Whether it ended before it was through: at a failure, or by its time. */
    public boolean isStopped() {
        return stopped;
    }

    /** How long it took. */
    public long nanos() {
        return nanos;
    }

    /** The first states that did not hold, in the order in which they were found. */
    public List<CrashState> failures() {
        return List.copyOf(failures);
    }
}
