package io.blkmq.aio;

import java.lang.foreign.MemorySegment;
import java.util.Objects;

/**
 * One read of a batch.
 *
 * @param offset where in the file it begins, in bytes
 * @param memory what it fills: any memory, also of the heap
 * @since 0.1.0
 */
public record FileRead(long offset, MemorySegment memory) {

    /** Refuses a negative offset, and memory that cannot be written. */
    public FileRead {
        Objects.requireNonNull(memory, "memory");
        AsyncFile.requireTarget(offset, memory);
    }
}
