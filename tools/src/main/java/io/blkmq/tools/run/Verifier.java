package io.blkmq.tools.run;

import io.blkmq.core.Operation;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * Keeps account of what a job has written where, seals what it writes and checks what it reads. The unit is the shortest
 * operation of the job: each carries a seal of its own.
 *
 * <p>A job that writes knows for each unit which write was the last, and so finds lost and misplaced writes too; a job that only
 * reads checks that each block is whole and in its place. Two operations on one unit at the same time would have no defined
 * outcome, so a unit is busy while something is in flight there. For one thread.
 */
final class Verifier {
    static final long UNITS_MAX = 1L << 26;
    /** In {@link #sequences}: never written. */
    private static final int NEVER = 0;

    private final BlockSeal seal;
    private final Failures failures;
    private final long baseBytes;
    private final int unitBytes;
    private final long seed;
    /** By unit, the last write; null if the job only reads. */
    private final int @Nullable [] sequences;
    private final UsedUnits busy;
    private int sequence = NEVER;

    Verifier(MemorySegment memory, Workload workload, Failures failures) {
        this.seal = new BlockSeal(memory);
        this.failures = failures;
        this.baseBytes = workload.offsetBytes();
        this.unitBytes = workload.unitBytes();
        this.seed = workload.seed();
        this.sequences = workload.pattern().writes() ? new int[(int) workload.units()] : null;
        this.busy = new UsedUnits(workload.units());
    }

    private int unit(long offsetBytes) {
        return (int) ((offsetBytes - baseBytes) / unitBytes);
    }

    /** Whether something is in flight there. */
    boolean isBusy(long offsetBytes, int lengthBytes) {
        int first = unit(offsetBytes);
        for (int i = 0; i < lengthBytes / unitBytes; i++) {
            if (!busy.isFree(first + i)) {
                return true;
            }
        }
        return false;
    }

    /** Before an operation is submitted. */
    void begins(IoSlot slot) {
        int first = unit(slot.offsetBytes());
        boolean write = slot.operation() == Operation.WRITE;
        if (write) {
            slot.sequence = ++sequence;
        }
        for (int i = 0; i < slot.lengthBytes() / unitBytes; i++) {
            busy.use(first + i);
            if (write) {
                seal.seal(slot.bufferOffset + i * unitBytes, unitBytes, slot.offsetBytes() + (long) i * unitBytes, seed,
                        slot.sequence);
            }
        }
    }

    /** After an operation has ended, well or not. */
    void ended(IoSlot slot, boolean well) {
        int first = unit(slot.offsetBytes());
        int[] written = sequences;
        for (int i = 0; i < slot.lengthBytes() / unitBytes; i++) {
            busy.free(first + i);
            if (!well) {
                continue;
            }
            if (slot.operation() == Operation.READ) {
                check(slot, i, written == null ? NEVER : written[first + i]);
            } else if (written != null) {
                written[first + i] = slot.sequence;
            }
        }
    }

    private void check(IoSlot slot, int index, int expectedSequence) {
        if (expectedSequence == NEVER && sequences != null) {
            return;
        }
        int at = slot.bufferOffset + index * unitBytes;
        long offset = slot.offsetBytes() + (long) index * unitBytes;
        String fault = seal.fault(at, unitBytes, offset);
        if (fault == null && expectedSequence != NEVER) {
            fault = seal.staleness(at, seed, expectedSequence);
        }
        if (fault != null) {
            failures.verificationFailed(
                    "verify: bad block at offset " + offset + ", length " + unitBytes + ": " + fault);
        }
    }

    /** Where the job has written, in order: what is read back. */
    OffsetSource written(long units) {
        int[] written = sequences;
        if (written == null) {
            throw new IllegalStateException("a job that only reads has written nothing");
        }
        return new WrittenOffsets(baseBytes, unitBytes, units, written);
    }

    /** All units that were written, neighbours together. */
    private static final class WrittenOffsets extends OffsetSource {
        private final int[] written;
        private int unit;

        WrittenOffsets(long baseBytes, int unitBytes, long units, int[] written) {
            super(baseBytes, unitBytes, units);
            this.written = written;
        }

        @Override
        boolean next(int wantedBytes) {
            while (unit < units && written[unit] == NEVER) {
                unit++;
            }
            if (unit == units) {
                return false;
            }
            int first = unit;
            long end = Math.min(units, first + (long) wantedBytes / unitBytes);
            while (unit < end && written[unit] != NEVER) {
                unit++;
            }
            offsetBytes = baseBytes + (long) first * unitBytes;
            lengthBytes = (unit - first) * unitBytes;
            return true;
        }

        @Override
        void restart() {
            unit = 0;
        }
    }
}
