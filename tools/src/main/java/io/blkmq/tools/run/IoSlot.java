package io.blkmq.tools.run;

import io.blkmq.core.Bio;
import io.blkmq.core.BioCompletion;
import io.blkmq.core.Operation;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/** One of a job's operations in flight: its bio, its part of the job's memory, its times. Made once, used again and again. */
final class IoSlot implements BioCompletion {
    private static final int SECTOR_SHIFT = 9;

    final Bio bio;
    final int bufferOffset;
    private final Window window;
    private final MemorySegment memory;

    Operation operation = Operation.READ;
    long offsetBytes;
    int lengthBytes;
    long startNanos;
    long issueNanos;
    /** When it ended. Where that was on another thread, written before the slot is pushed and read after it was taken. */
    long endNanos;
    /** What its block was sealed with, where data is verified. */
    int sequence;
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

    void aim(Operation what, long whereBytes, int bytes) {
        long sector = whereBytes >>> SECTOR_SHIFT;
        offsetBytes = whereBytes;
        if (operation != what) {
            operation = what;
        }
        if (bytes == lengthBytes) {
            bio.retarget(what, sector);
        } else {
            lengthBytes = bytes;
            bio.reset(what, sector).add(memory, bufferOffset, bytes);
        }
    }

    void aimFlush() {
        operation = Operation.FLUSH;
        bio.reset(Operation.FLUSH, 0);
    }

    String describe() {
        return operation
                + (operation == Operation.FLUSH ? "" : " of " + lengthBytes + " bytes at offset " + offsetBytes)
                + " failed";
    }

    /** On whatever thread found the completion. */
    @Override
    public void ended(Bio ended) {
        window.ended(this);
    }
}
