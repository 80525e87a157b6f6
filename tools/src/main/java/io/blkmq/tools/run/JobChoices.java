package io.blkmq.tools.run;

import io.blkmq.core.Operation;
import io.blkmq.tools.job.AccessPattern;
import io.blkmq.tools.job.BlockSizes;
import io.blkmq.tools.job.ByDirection;
import io.blkmq.tools.job.Direction;
import io.blkmq.tools.job.JobSpec;
import io.blkmq.tools.job.Key;
import org.jspecify.annotations.Nullable;

/** What the operations of a job are: as its pattern, its sizes and its files say. For one thread. */
final class JobChoices extends Choices {
    private static final int PERCENT = 100;

    private final ByDirection<BlockSizes> sizes;
    private final ByDirection<Integer> units;
    /** Length of all operations; 0 if it varies. */
    private final int fixedBytes;
    private final int readPercent;
    private final int flushEvery;
    private final boolean mixed;
    private final boolean trimThenWrite;
    /** Whether the end of a pass is the end of all. */
    private final boolean onePass;
    private final @Nullable Verifier verifier;
    private final XorShift random;
    private final PartOrder order;
    private final boolean severalParts;
    private final OffsetSource[] readOffsets;
    private final OffsetSource[] writeOffsets;
    private final OffsetSource[] trimOffsets;

    private long bytesLeft;
    private long operationsLeft;
    private int writesSinceFlush;
    /** Chosen, but something is in flight on the same block. */
    private boolean held;
    /** A block was discarded, and is to be written next. */
    private boolean trimmed;
    /** A pass is over, and the operation that was chosen begins another: what is chosen is up to the seed, and not to when others end. */
    private boolean passIsOver;
    private int wantedInNextPass;

    private @Nullable Pacer pacer;

    private JobChoices(Workload workload, @Nullable Verifier verifier, OffsetSource[] reads, OffsetSource[] writes,
            OffsetSource[] trims) {
        JobSpec spec = workload.spec();
        this.sizes = workload.sizes();
        this.units = workload.units();
        this.fixedBytes = fixedBytes(workload);
        this.readPercent = spec.readPercent();
        this.flushEvery = spec.flushEvery();
        this.mixed = workload.planned().isMixed();
        this.trimThenWrite = workload.planned().isTrimThenWrite();
        this.onePass = !workload.planned().isRandom() && spec.patternModifier() != 0 && spec.ioSize().isEmpty()
                && !spec.isTimeBased();
        this.verifier = verifier;
        this.random = new XorShift(workload.seed());
        this.order = new PartOrder(spec.fileService(), workload.parts().size(), new XorShift(workload.seed() ^ 4));
        this.severalParts = workload.parts().size() > 1;
        this.readOffsets = reads;
        this.writeOffsets = writes;
        this.trimOffsets = trims;
        this.bytesLeft = spec.isTimeBased() ? Long.MAX_VALUE : workload.bytes();
        long number = spec.amount(Key.NUMBER_IOS);
        long loops = spec.count(Key.LOOPS);
        this.operationsLeft = number == 0 || number > Long.MAX_VALUE / loops ? Long.MAX_VALUE : number * loops;
        AccessPattern pattern = workload.planned();
        this.operation = pattern.trims() ? Operation.DISCARD : pattern.reads() ? Operation.READ : Operation.WRITE;
        this.offsets = sources()[0];
    }

    private static int fixedBytes(Workload workload) {
        int bytes = 0;
        for (Direction direction : Direction.values()) {
            if (workload.planned().has(direction)) {
                BlockSizes sizes = workload.sizes().of(direction);
                if (!sizes.isFixed() || (bytes != 0 && bytes != sizes.min())) {
                    return 0;
                }
                bytes = sizes.min();
            }
        }
        return bytes;
    }

    /** The operations of a job. Where reads and writes are alike, a map of offsets is one for both: each block is used once. */
    static JobChoices of(Workload workload, @Nullable Verifier verifier) {
        OffsetSource[] reads = OffsetSources.of(workload, Direction.READ);
        OffsetSource[] writes = OffsetSources.areShared(workload) ? reads : OffsetSources.of(workload, Direction.WRITE);
        return new JobChoices(workload, verifier, reads, writes, OffsetSources.of(workload, Direction.TRIM));
    }

    /** Has rates say whose turn it is. Not of a job that is verified: its directions are those of its seed, for who reads it back later. */
    void paceBy(Pacer rates) {
        if (verifier == null) {
            pacer = rates;
        }
    }

    @Override
    boolean isOver() {
        return bytesLeft <= 0;
    }

    @Override
    long bytesLeft() {
        return bytesLeft;
    }

    @Override
    boolean isFlushDue() {
        return flushEvery > 0 && writesSinceFlush >= flushEvery;
    }

    @Override
    void flushed() {
        writesSinceFlush = 0;
    }

    @Override
    boolean needsQuiet() {
        return verifier != null || trimThenWrite;
    }

    @Override
    boolean next(boolean quiet) {
        if (isOver() || isFlushDue() || !(held || choose(quiet))) {
            return false;
        }
        held = verifier != null && verifier.isBusy(part, offsets.offsetBytes, offsets.lengthBytes);
        if (held) {
            return false;
        }
        account();
        return true;
    }

    private void account() {
        if (!trimThenWrite || operation == Operation.WRITE) {
            bytesLeft -= offsets.lengthBytes;
        }
        if (--operationsLeft == 0) {
            bytesLeft = 0;
        }
        if (flushEvery > 0 && operation == Operation.WRITE) {
            writesSinceFlush++;
        }
    }

    private boolean choose(boolean quiet) {
        if (passIsOver) {
            return quiet && beginPass();
        }
        if (trimThenWrite) {
            if (trimmed) {
                // The block that was discarded is written when that has ended.
                trimmed = !quiet;
                operation = quiet ? Operation.WRITE : operation;
                return quiet;
            }
            operation = Operation.DISCARD;
        } else if (mixed) {
            operation = random.below(PERCENT) < readPercent ? Operation.READ : Operation.WRITE;
            Pacer rates = pacer;
            if (rates != null) {
                operation = rates.turn(operation, System.nanoTime());
            }
        }
        if (severalParts) {
            part = order.next();
        }
        offsets = sources()[part];
        int wanted = fixedBytes != 0 ? fixedBytes : length();
        if (wanted > bytesLeft) {
            wanted = (int) (bytesLeft / offsets.unitBytes) * offsets.unitBytes;
            if (wanted == 0) {
                bytesLeft = 0;
                return false;
            }
        }
        trimmed = trimThenWrite;
        return offsets.next(wanted) || again(wanted, quiet);
    }

    /** The part has no more places in this pass: another part has, or all begin again. */
    private boolean again(int wanted, boolean quiet) {
        order.finished(part);
        while (!order.areAllFinished()) {
            part = order.next();
            offsets = sources()[part];
            if (offsets.next(wanted)) {
                return true;
            }
            order.finished(part);
        }
        trimmed = false;
        if (onePass) {
            bytesLeft = 0;
            return false;
        }
        wantedInNextPass = wanted;
        passIsOver = true;
        return (!needsQuiet() || quiet) && beginPass();
    }

    private boolean beginPass() {
        passIsOver = false;
        order.restart();
        for (OffsetSource source : sources()) {
            source.restart();
        }
        part = severalParts ? order.next() : 0;
        offsets = sources()[part];
        trimmed = trimThenWrite;
        return offsets.next(wantedInNextPass);
    }

    private OffsetSource[] sources() {
        return switch (operation) {
            case READ -> readOffsets;
            case WRITE -> writeOffsets;
            default -> trimOffsets;
        };
    }

    private int length() {
        Direction direction = switch (operation) {
            case READ -> Direction.READ;
            case WRITE -> Direction.WRITE;
            default -> Direction.TRIM;
        };
        BlockSizes range = sizes.of(direction);
        if (!range.weights().isEmpty()) {
            double left = random.below(1 << 20) * (double) PERCENT / (1 << 20);
            for (BlockSizes.Weight weight : range.weights()) {
                left -= weight.percent();
                if (left < 0) {
                    return weight.bytes();
                }
            }
            return range.weights().getLast().bytes();
        }
        int unit = units.of(direction);
        return range.isFixed()
                ? range.min()
                : range.min() + (int) random.below((range.max() - range.min()) / unit + 1L) * unit;
    }
}
