package io.blkmq.tools.run;

import io.blkmq.core.Operation;
import io.blkmq.core.Status;
import io.blkmq.tools.job.AccessPattern;
import io.blkmq.tools.job.Direction;
import io.blkmq.tools.job.JobSpec;
import io.blkmq.tools.job.Key;

/** Says when the next operation of a direction may begin, so that a job keeps to its rates; and whether it is too slow. For one thread. */
final class Pacer {
    private static final double NANOS_PER_SECOND = 1e9;

    private final Lane[] lanes = new Lane[Direction.values().length];
    private final boolean poisson;
    private final long cycleNanos;
    private final XorShift random;
    private final AccessPattern pattern;
    private boolean hasMinimum;
    private long cycleEndNanos;

    /** A direction. */
    private static final class Lane {
        private final double bytesPerSecond;
        private final double operationsPerSecond;
        private final double bytesMin;
        private final double operationsMin;
        private double dueNanos;
        private long bytesBefore;
        private long operationsBefore;

        Lane(JobSpec spec, Direction direction) {
            bytesPerSecond = spec.amount(Key.RATE, direction);
            operationsPerSecond = spec.amount(Key.RATE_IOPS, direction);
            bytesMin = spec.amount(Key.RATE_MIN, direction);
            operationsMin = spec.amount(Key.RATE_IOPS_MIN, direction);
        }

        void beginMinimum(long bytes, long operations) {
            bytesBefore = bytes;
            operationsBefore = operations;
        }

        boolean isRated() {
            return bytesPerSecond > 0 || operationsPerSecond > 0;
        }

        /** How long an operation takes at the rate. */
        double costNanos(int bytes) {
            double cost = bytesPerSecond > 0 ? bytes * NANOS_PER_SECOND / bytesPerSecond : 0;
            return operationsPerSecond > 0 ? Math.max(cost, NANOS_PER_SECOND / operationsPerSecond) : cost;
        }
    }

    Pacer(JobSpec spec, long seed) {
        this.pattern = spec.accessPattern();
        for (Direction direction : Direction.values()) {
            Lane lane = new Lane(spec, direction);
            lanes[direction.code()] = lane;
            hasMinimum |= pattern.has(direction) && (lane.bytesMin > 0 || lane.operationsMin > 0);
        }
        this.poisson = spec.word(Key.RATE_PROCESS).equals("poisson");
        this.cycleNanos = Math.max(1, spec.amount(Key.RATE_CYCLE));
        this.random = new XorShift(seed ^ 5);
    }

    /** Whether a job has rates. */
    boolean isNeeded() {
        for (Lane lane : lanes) {
            if (lane.isRated()) {
                return true;
            }
        }
        return hasMinimum;
    }

    void begin(long nowNanos) {
        for (Lane lane : lanes) {
            lane.dueNanos = nowNanos;
        }
        beginMinimum(nowNanos);
    }

    /** Operations are due so much later. */
    void postpone(long nanos) {
        for (Lane lane : lanes) {
            lane.dueNanos += nanos;
        }
    }

    /** What counts begins now, with nothing done. */
    void beginMinimum(long nowNanos) {
        for (Lane lane : lanes) {
            lane.beginMinimum(0, 0);
        }
        cycleEndNanos = nowNanos + cycleNanos;
    }

    private Lane lane(Operation operation) {
        return switch (operation) {
            case READ -> lanes[Direction.READ.code()];
            case WRITE -> lanes[Direction.WRITE.code()];
            default -> lanes[Direction.TRIM.code()];
        };
    }

    /** How long an operation has to wait; 0 or less if it may begin. */
    long waitNanos(Operation operation, long nowNanos) {
        Lane lane = lane(operation);
        return lane.isRated() ? (long) lane.dueNanos - nowNanos : 0;
    }

    /**
     * Whose turn it is in a mixed job: that of the direction that was drawn, if it may begin; else the one that may begin sooner. So no
     * direction waits for another one's rate.
     */
    Operation turn(Operation drawn, long nowNanos) {
        long wait = waitNanos(drawn, nowNanos);
        if (wait <= 0) {
            return drawn;
        }
        Operation other = drawn == Operation.READ ? Operation.WRITE : Operation.READ;
        return waitNanos(other, nowNanos) < wait ? other : drawn;
    }

    /** An operation begins. */
    void began(Operation operation, int bytes) {
        Lane lane = lane(operation);
        double cost = lane.costNanos(bytes);
        if (poisson) {
            cost *= -Math.log(1 - (random.next() >>> 11) * 0x1.0p-53);
        }
        lane.dueNanos += cost;
    }

    /** Looks whether a job is fast enough, in the directions that it has. */
    void check(Accounts accounts, long nowNanos) {
        if (!hasMinimum || nowNanos - cycleEndNanos < 0) {
            return;
        }
        double seconds = (nowNanos - cycleEndNanos + cycleNanos) / NANOS_PER_SECOND;
        for (Direction direction : Direction.values()) {
            if (pattern.has(direction)) {
                check(accounts, lanes[direction.code()], accounts.directions()[direction.code()], seconds);
            }
        }
        cycleEndNanos = nowNanos + cycleNanos;
    }

    private static void check(Accounts accounts, Lane lane, DirectionStatistics done, double seconds) {
        double bytes = (done.bytes - lane.bytesBefore) / seconds;
        double operations = (done.operations - lane.operationsBefore) / seconds;
        lane.beginMinimum(done.bytes, done.operations);
        if (bytes < lane.bytesMin) {
            accounts.fail(Status.TIMEOUT, String.format("rate_min: %.0f bytes a second are needed, and there were %.0f",
                    lane.bytesMin, bytes));
        } else if (operations < lane.operationsMin) {
            accounts.fail(Status.TIMEOUT,
                    String.format("rate_iops_min: %.0f operations a second are needed, and there were %.0f",
                            lane.operationsMin, operations));
        }
    }
}
