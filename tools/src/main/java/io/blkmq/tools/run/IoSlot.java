package io.blkmq.tools.run;

import io.blkmq.core.Bio;
import io.blkmq.core.BioCompletion;
import io.blkmq.core.Operation;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * One of a job's operations in flight: its bio, its part of the job's memory, its times. Made once, used again and again. What the
 * bio knows, the place and the length, is not kept here again: a job's loop is fast where it touches little memory.
 */
final class IoSlot implements BioCompletion {
    private static final int SECTOR_SHIFT = 9;

    final Bio bio;
    final int bufferOffset;
    private final Window window;
    private final MemorySegment memory;

    /** In which part of the job's devices. */
    int part;
    long startNanos;
    long issueNanos;
    /** When the job's thread found that it ended. */
    long endNanos;
    /** What its block was sealed with, where data is verified. */
    int sequence;
    /** Flags of each write. */
    int writeFlags;
    /** Link of {@link CompletionStack}. */
    @Nullable
    IoSlot older;

    /** A slot with memory for reads and writes. */
    IoSlot(Window window, MemorySegment memory, int bufferOffset) {
        this.window = window;
        this.memory = memory;
        this.bufferOffset = bufferOffset;
        this.bio = new Bio(1).onEnd(this);
    }

    void aim(Operation operation, long offsetBytes, int lengthBytes) {
        long sector = offsetBytes >>> SECTOR_SHIFT;
        if (operation == Operation.DISCARD) {
            bio.reset(operation, sector).length(lengthBytes);
        } else if (lengthBytes == bio.bytes() && bio.vecCount() == 1) {
            bio.retarget(operation, sector);
        } else {
            bio.reset(operation, sector).add(memory, bufferOffset, lengthBytes);
        }
        if (writeFlags != 0) {
            bio.flags(operation == Operation.WRITE ? writeFlags : 0);
        }
    }

    void aimFlush() {
        bio.reset(Operation.FLUSH, 0);
    }

    Operation operation() {
        return bio.operation();
    }

    long offsetBytes() {
        return bio.sector() << SECTOR_SHIFT;
    }

    int lengthBytes() {
        return (int) bio.bytes();
    }

    String describe() {
        return operation()
                + (operation() == Operation.FLUSH ? "" : " of " + lengthBytes() + " bytes at offset " + offsetBytes())
                + " failed";
    }

    /** On whatever thread found the completion. */
    @Override
    public void ended(Bio ended) {
        window.ended(this);
    }
}
