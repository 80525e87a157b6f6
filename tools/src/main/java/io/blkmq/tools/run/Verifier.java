package io.blkmq.tools.run;

import io.blkmq.core.Operation;
import io.blkmq.tools.job.FillPattern;
import io.blkmq.tools.job.Key;
import java.lang.foreign.MemorySegment;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Keeps account of what a job has written where, seals what it writes and checks what it reads, block by block: each carries a
 * {@link Seal} of its own.
 *
 * <p>A job that writes knows for each block which write was the last, and so finds lost and misplaced writes too; a job that only
 * reads checks that each block is whole and in its place. Two operations on one block at the same time would have no defined
 * outcome, so a block is busy while something is in flight there. For one thread.
 */
final class Verifier {
    static final long UNITS_MAX = 1L << 26;
    /** In {@link Part#sequences}: never written. */
    private static final int NEVER = 0;

    private final Seal seal;
    private final Failures failures;
    private final int unitBytes;
    private final long seed;
    private final Part[] parts;
    private int sequence = NEVER;

    /** What is known of a part of a device. */
    private static final class Part {
        private final long baseBytes;
        private final long units;
        /** By block, the last write; null if the job only reads. */
        private final int @Nullable [] sequences;
        private final UsedUnits busy;
        /** The free ones are those that were written, and not read back since. Null if nothing is read back. */
        private final @Nullable UsedUnits unread;

        Part(long baseBytes, long units, boolean written, boolean readBack) {
            this.baseBytes = baseBytes;
            this.units = units;
            this.sequences = written ? new int[(int) units] : null;
            this.busy = new UsedUnits(units);
            this.unread = readBack ? new UsedUnits(units) : null;
            if (unread != null) {
                unread.useAll();
            }
        }

        /** A block has a write that is to be read back; or has none any more. */
        void written(int unit, boolean is) {
            if (unread != null) {
                if (is) {
                    unread.free(unit);
                } else {
                    unread.use(unit);
                }
            }
        }
    }

    Verifier(MemorySegment memory, Workload workload, Failures failures) {
        this.failures = failures;
        this.unitBytes = workload.verifyUnitBytes();
        this.seed = workload.seed();
        this.seal = new Seal(memory, workload.spec().verification(),
                (FillPattern) workload.spec().optional(Key.VERIFY_PATTERN).orElse(null), workload.job().number() + 1);
        boolean written = workload.pattern().writes();
        boolean readBack = workload.spec().isReadBack() || workload.spec().verifiesOnly();
        this.parts = workload.parts().stream()
                .map(part -> new Part(part.offsetBytes(), part.bytes() / unitBytes, written, readBack))
                .toArray(Part[]::new);
    }

    private int unit(Part part, long offsetBytes) {
        return (int) ((offsetBytes - part.baseBytes) / unitBytes);
    }

    /** Whether something is in flight there. */
    boolean isBusy(int partIndex, long offsetBytes, int lengthBytes) {
        Part part = parts[partIndex];
        int first = unit(part, offsetBytes);
        for (int i = 0; i < lengthBytes / unitBytes; i++) {
            if (!part.busy.isFree(first + i)) {
                return true;
            }
        }
        return false;
    }

    /** The seed in the header of a write's blocks. */
    private long seedOf(int write) {
        return XorShift.mix(seed + write);
    }

    /** Before an operation is submitted. */
    void begins(IoSlot slot) {
        Part part = parts[slot.part];
        int first = unit(part, slot.offsetBytes());
        boolean write = slot.operation() == Operation.WRITE;
        if (write) {
            slot.sequence = ++sequence;
        }
        for (int i = 0; i < slot.lengthBytes() / unitBytes; i++) {
            part.busy.use(first + i);
            if (write) {
                seal.seal(slot.bufferOffset + i * unitBytes, unitBytes, slot.offsetBytes() + (long) i * unitBytes,
                        seedOf(slot.sequence), slot.sequence);
            }
        }
    }

    /** After an operation has ended, well or not. */
    void ended(IoSlot slot, boolean well) {
        Part part = parts[slot.part];
        int first = unit(part, slot.offsetBytes());
        int[] written = part.sequences;
        for (int i = 0; i < slot.lengthBytes() / unitBytes; i++) {
            part.busy.free(first + i);
            if (!well) {
                continue;
            }
            switch (slot.operation()) {
                case READ -> check(slot, i, written == null ? NEVER : written[first + i], written != null);
                case WRITE -> wrote(part, first + i, slot.sequence);
                default -> wrote(part, first + i, NEVER);
            }
        }
    }

    private static void wrote(Part part, int unit, int sequence) {
        if (part.sequences != null) {
            part.sequences[unit] = sequence;
        }
        part.written(unit, sequence != NEVER);
    }

    /** An operation that is not done: what it would write is what is read. */
    void planned(Operation operation, int partIndex, OffsetSource place) {
        Part part = parts[partIndex];
        int first = unit(part, place.offsetBytes);
        for (int i = 0; i < place.lengthBytes / unitBytes && operation != Operation.READ; i++) {
            part.written(first + i, operation == Operation.WRITE);
        }
    }

    private void check(IoSlot slot, int index, int expectedSequence, boolean knows) {
        if (expectedSequence == NEVER && knows) {
            return;
        }
        int at = slot.bufferOffset + index * unitBytes;
        long offset = slot.offsetBytes() + (long) index * unitBytes;
        String fault = seal.fault(at, unitBytes, offset);
        if (fault == null && expectedSequence != NEVER) {
            fault = seal.staleness(at, seedOf(expectedSequence));
        }
        if (fault != null) {
            failures.verificationFailed(
                    "verify: bad block at offset " + offset + ", length " + unitBytes + ": " + fault);
        }
    }

    /** How many writes there were. */
    int writes() {
        return sequence;
    }

    /** Whether there are blocks to read back. */
    boolean hasUnread() {
        return Stream.of(parts).anyMatch(part -> part.unread != null && part.unread.nextFree(0) >= 0);
    }

    /** The blocks to read back, in order. What they give out counts as read back. */
    OffsetSource[] unread() {
        OffsetSource[] places = new OffsetSource[parts.length];
        for (int i = 0; i < places.length; i++) {
            Part part = parts[i];
            if (part.unread == null) {
                throw new IllegalStateException("this job reads nothing back");
            }
            places[i] = new UnreadOffsets(part.baseBytes, unitBytes, part.units, part.unread);
        }
        return places;
    }

    /** All blocks that are to be read back, neighbours together. */
    private static final class UnreadOffsets extends OffsetSource {
        private final UsedUnits unread;

        UnreadOffsets(long baseBytes, int unitBytes, long units, UsedUnits unread) {
            super(baseBytes, unitBytes, units);
            this.unread = unread;
        }

        @Override
        boolean next(int wantedBytes) {
            long first = unread.nextFree(0);
            if (first < 0) {
                return false;
            }
            long wantedEnd = Math.min(units, first + wantedBytes / unitBytes);
            long end = first;
            while (end < wantedEnd && unread.isFree(end)) {
                unread.use(end++);
            }
            offsetBytes = baseBytes + first * unitBytes;
            lengthBytes = (int) (end - first) * unitBytes;
            return true;
        }

        @Override
        void restart() {
            throw new IllegalStateException("there is one pass");
        }
    }
}
