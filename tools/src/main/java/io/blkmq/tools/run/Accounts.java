package io.blkmq.tools.run;

import io.blkmq.core.Operation;
import io.blkmq.core.Status;
import org.jspecify.annotations.Nullable;

/** What a job has done so far, as its operations end. For the job's thread; to be read when that has ended. */
final class Accounts {
    final DirectionStatistics reads = new DirectionStatistics();
    final DirectionStatistics writes = new DirectionStatistics();
    final LatencyStatistics flushes = new LatencyStatistics(false);
    final Failures failures = new Failures();

    private final boolean timed;
    private @Nullable Verifier verifier;
    private boolean operationFailed;

    Accounts(boolean timed) {
        this.timed = timed;
    }

    /** Lets somebody look at the data of each operation. */
    void verifyBy(Verifier value) {
        this.verifier = value;
    }

    /** Whether an operation has failed. A block that fails verification is another matter. */
    boolean hasFailedOperation() {
        return operationFailed;
    }

    /** An operation has ended. */
    void settle(IoSlot slot) {
        Status status = slot.bio.status();
        if (status != Status.OK) {
            operationFailed = true;
            failures.operationFailed(status, slot.describe());
        } else if (slot.operation() == Operation.READ) {
            count(slot, reads);
        } else if (slot.operation() == Operation.WRITE) {
            count(slot, writes);
        } else {
            flushes.record(slot.endNanos - slot.startNanos);
            return;
        }
        if (verifier != null) {
            verifier.ended(slot, status == Status.OK);
        }
    }

    private void count(IoSlot slot, DirectionStatistics statistics) {
        statistics.operations++;
        statistics.bytes += slot.lengthBytes();
        if (timed) {
            statistics.recordTimes(slot.startNanos, slot.issueNanos, slot.endNanos);
        }
    }

    /** An operation was submitted, which took so long. */
    void submitted(IoSlot slot, long nanos) {
        (slot.operation() == Operation.READ ? reads : writes).recordSubmission(nanos);
    }
}
