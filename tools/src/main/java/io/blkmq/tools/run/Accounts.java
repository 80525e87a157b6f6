package io.blkmq.tools.run;

import io.blkmq.core.Operation;
import io.blkmq.core.Status;
import io.blkmq.tools.job.Direction;
import io.blkmq.tools.job.JobSpec;
import io.blkmq.tools.job.Key;
import org.jspecify.annotations.Nullable;

/** What a job has done so far, as its operations end. For the job's thread; to be read when that has ended. */
final class Accounts {
    final DirectionStatistics reads;
    final DirectionStatistics writes;
    final DirectionStatistics trims;
    private final DirectionStatistics[] directions;
    final LatencyStatistics flushes = new LatencyStatistics(false);
    final DepthCounts depths = new DepthCounts();
    final Failures failures = new Failures();

    private final boolean timed;
    private final boolean readErrorsEnd;
    private final boolean writeErrorsEnd;
    private final boolean verifyErrorsEnd;
    private final long[] latencyMaxNanos = new long[Direction.values().length];
    private final boolean hasLatencyMax;
    private @Nullable Verifier verifier;
    private @Nullable JobLogs logs;
    private @Nullable DepthSearch search;
    private boolean mustEnd;
    private boolean leavesFlushesOut;

    Accounts(JobSpec spec) {
        this.timed = !spec.isClockReduced();
        this.reads = statistics(spec);
        this.writes = statistics(spec);
        this.trims = statistics(spec);
        this.directions = new DirectionStatistics[]{reads, writes, trims};
        String goesOn = spec.word(Key.CONTINUE_ON_ERROR);
        boolean all = goesOn.equals("all");
        boolean io = all || goesOn.equals("io");
        this.readErrorsEnd = !(io || goesOn.equals("read"));
        this.writeErrorsEnd = !(io || goesOn.equals("write"));
        this.verifyErrorsEnd = spec.flag(Key.VERIFY_FATAL) || !(all || goesOn.equals("verify"));
        boolean bounded = false;
        for (Direction direction : Direction.values()) {
            long nanos = spec.amount(Key.MAX_LATENCY, direction);
            latencyMaxNanos[direction.code()] = nanos == 0 ? Long.MAX_VALUE : nanos;
            bounded |= nanos != 0;
        }
        this.hasLatencyMax = bounded;
    }

    DirectionStatistics[] directions() {
        return directions;
    }

    /** Statistics with the latencies and percentiles that a job wants. */
    static DirectionStatistics statistics(JobSpec spec) {
        return new DirectionStatistics(latencies(spec, Key.DISABLE_SLAT, spec.flag(Key.SLAT_PERCENTILES)),
                latencies(spec, Key.DISABLE_CLAT, true),
                latencies(spec, Key.DISABLE_LAT, spec.flag(Key.LAT_PERCENTILES)));
    }

    private static LatencyStatistics latencies(JobSpec spec, Key disabled, boolean percentiles) {
        return spec.flag(disabled) ? LatencyStatistics.unwanted() : new LatencyStatistics(percentiles);
    }

    /** Lets somebody look at the data of each operation. */
    void verifyBy(Verifier value) {
        this.verifier = value;
    }

    /** Writes down each operation. */
    void logTo(JobLogs value) {
        this.logs = value;
    }

    /** Lets somebody look at each latency. */
    void searchBy(DepthSearch value) {
        this.search = value;
    }

    /** Whether something has gone wrong that ends the job. */
    boolean mustEnd() {
        return mustEnd || (verifyErrorsEnd && failures.verifyErrors() > 0);
    }

    /** The job fails, whatever its operations did. */
    void fail(Status status, String what) {
        failures.jobFailed(status, what);
        mustEnd = true;
    }

    /** Forgets everything but failures: what comes now counts. */
    void reset() {
        reads.reset();
        writes.reset();
        trims.reset();
        flushes.reset();
        depths.reset();
    }

    /** The flushes from now on are not the job's. */
    void leaveFlushesOut() {
        leavesFlushesOut = true;
    }

    /** An operation has ended. */
    void settle(IoSlot slot) {
        Status status = slot.bio.status();
        Operation operation = slot.operation();
        if (status != Status.OK) {
            mustEnd |= operation == Operation.READ ? readErrorsEnd : writeErrorsEnd;
            failures.operationFailed(status, slot.describe());
        } else if (operation == Operation.READ) {
            count(slot, reads, Direction.READ);
        } else if (operation == Operation.WRITE) {
            count(slot, writes, Direction.WRITE);
        } else if (operation == Operation.DISCARD) {
            count(slot, trims, Direction.TRIM);
        }
        if (operation == Operation.FLUSH) {
            if (status == Status.OK && !leavesFlushesOut) {
                flushes.record(slot.endNanos - slot.startNanos);
            }
        } else if (verifier != null) {
            verifier.ended(slot, status == Status.OK);
        }
    }

    private void count(IoSlot slot, DirectionStatistics statistics, Direction direction) {
        statistics.operations++;
        statistics.bytes += slot.lengthBytes();
        if (timed) {
            statistics.recordTimes(slot.startNanos, slot.issueNanos, slot.endNanos);
            if (logs != null) {
                logs.ended(slot, direction);
            }
            if (search != null) {
                search.ended(slot.endNanos - slot.startNanos);
            }
            if (hasLatencyMax && slot.endNanos - slot.startNanos > latencyMaxNanos[direction.code()]) {
                fail(Status.TIMEOUT,
                        slot.describe().replace(" failed", "") + " took " + (slot.endNanos - slot.startNanos) / 1000
                                + " us, and max_latency is " + latencyMaxNanos[direction.code()] / 1000 + " us");
            }
        }
    }

    /** An operation was submitted, which took so long. */
    void submitted(IoSlot slot, long nanos) {
        DirectionStatistics statistics = slot.operation() == Operation.READ
                ? reads
                : slot.operation() == Operation.WRITE ? writes : trims;
        statistics.recordSubmission(nanos);
    }
}
