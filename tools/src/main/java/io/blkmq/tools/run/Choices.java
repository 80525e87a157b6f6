package io.blkmq.tools.run;

import io.blkmq.core.Operation;
import io.blkmq.tools.job.AccessPattern;
import io.blkmq.tools.job.BlockSizes;
import io.blkmq.tools.job.JobSpec;
import org.jspecify.annotations.Nullable;

/**
 * What a job does next: read or write, where, how long; and when it has done all of it. The answer to {@link #next} is in fields,
 * so that nothing is allocated. For one thread.
 */
final class Choices {
    private final BlockSizes sizes;
    /** Length of all operations; 0 if it varies. */
    private final int fixedBytes;
    private final int unitBytes;
    private final int readPercent;
    private final int flushEvery;
    private final boolean repeats;
    private final @Nullable Verifier verifier;
    private final XorShift random;
    private final OffsetSource readOffsets;
    private final OffsetSource writeOffsets;

    private long bytesLeft;
    private int writesSinceFlush;
    /** Chosen, but something is in flight on the same block. */
    private boolean held;

    /** The answer: read or write. */
    Operation operation;
    /** The answer: where. */
    OffsetSource offsets;

    private Choices(Workload workload, @Nullable Verifier verifier, boolean readBack, OffsetSource readOffsets,
            OffsetSource writeOffsets, long bytesLeft) {
        JobSpec spec = workload.spec();
        this.sizes = workload.sizes();
        this.fixedBytes = fixedBytes(sizes, readBack);
        this.unitBytes = workload.unitBytes();
        this.readPercent = readBack ? 100 : spec.readPercent();
        this.flushEvery = spec.flushEvery();
        this.repeats = spec.isTimeBased() && !readBack;
        this.verifier = verifier;
        this.random = new XorShift(workload.seed());
        this.readOffsets = readOffsets;
        this.writeOffsets = writeOffsets;
        this.bytesLeft = bytesLeft;
        this.operation = readPercent == 0 ? Operation.WRITE : Operation.READ;
        this.offsets = readPercent == 0 ? writeOffsets : readOffsets;
    }

    private static int fixedBytes(BlockSizes sizes, boolean readBack) {
        boolean fixed = sizes.readMin() == sizes.readMax() && sizes.readMax() == sizes.writeMin()
                && sizes.writeMin() == sizes.writeMax();
        return readBack ? sizes.writeMax() : fixed ? sizes.readMin() : 0;
    }

    /** The job itself. */
    static Choices of(Workload workload, @Nullable Verifier verifier) {
        AccessPattern pattern = workload.pattern();
        OffsetSource reads = offsets(workload);
        OffsetSource writes = pattern.isRandom() ? reads : offsets(workload);
        return new Choices(workload, verifier, false, reads, writes,
                workload.spec().isTimeBased() ? Long.MAX_VALUE : workload.bytes());
    }

    /** Reading back what the job has written. */
    static Choices readBack(Workload workload, Verifier verifier) {
        OffsetSource written = verifier.written(workload.units());
        return new Choices(workload, verifier, true, written, written, Long.MAX_VALUE);
    }

    private static OffsetSource offsets(Workload w) {
        if (!w.pattern().isRandom()) {
            return new SequentialOffsets(w.offsetBytes(), w.unitBytes(), w.units());
        }
        XorShift places = new XorShift(w.seed() ^ 1);
        return w.spec().mayRepeatOffsets()
                ? new RandomOffsets(w.offsetBytes(), w.unitBytes(), w.units(), places)
                : new MappedOffsets(w.offsetBytes(), w.unitBytes(), w.units(), places);
    }

    /** Whether everything has been chosen. */
    boolean isOver() {
        return bytesLeft <= 0;
    }

    /** Whether as many writes were chosen as stand between two flushes: nothing is chosen until {@link #flushed}. */
    boolean isFlushDue() {
        return flushEvery > 0 && writesSinceFlush >= flushEvery;
    }

    void flushed() {
        writesSinceFlush = 0;
    }

    /**
     * Chooses.
     *
     * @param mayRestart whether the job may go over its part of the device again: where blocks are verified, only with nothing
     *        in flight, since of two passes over a block one has to end before the other begins
     * @return false if there is nothing now: all is over, a flush is due, or something in flight has to end first
     */
    boolean next(boolean mayRestart) {
        if (isOver() || isFlushDue() || !(held || choose(mayRestart))) {
            return false;
        }
        held = verifier != null && verifier.isBusy(offsets.offsetBytes, offsets.lengthBytes);
        if (held) {
            return false;
        }
        bytesLeft -= offsets.lengthBytes;
        if (flushEvery > 0 && operation == Operation.WRITE) {
            writesSinceFlush++;
        }
        return true;
    }

    private boolean choose(boolean mayRestart) {
        if (readPercent != 0 && readPercent != 100) {
            chooseDirection();
        }
        int wanted = (int) Math.min(fixedBytes != 0 ? fixedBytes : length(), bytesLeft);
        if (offsets.next(wanted)) {
            return true;
        }
        if (!repeats) {
            bytesLeft = 0;
            return false;
        }
        if (!mayRestart) {
            return false;
        }
        offsets.restart();
        return offsets.next(wanted);
    }

    private void chooseDirection() {
        boolean read = random.below(100) < readPercent;
        operation = read ? Operation.READ : Operation.WRITE;
        offsets = read ? readOffsets : writeOffsets;
    }

    private int length() {
        boolean read = operation == Operation.READ;
        int min = read ? sizes.readMin() : sizes.writeMin();
        int max = read ? sizes.readMax() : sizes.writeMax();
        return min == max ? min : min + (int) random.below((max - min) / unitBytes + 1L) * unitBytes;
    }
}
