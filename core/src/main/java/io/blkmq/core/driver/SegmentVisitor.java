package io.blkmq.core.driver;

import java.lang.foreign.MemorySegment;

/**
 * Sees the pieces of memory of a request, one after the other. The kernel's counterpart is {@code rq_for_each_segment}.
 *
 * @since 0.1.0
 */
@FunctionalInterface
public interface SegmentVisitor {
    /**
     * One piece.
     *
     * @param memory the memory; native and aligned unless the queue takes any memory
     * @param offset where in it the piece begins, in bytes
     * @param bytes the piece's length
     */
    void segment(MemorySegment memory, long offset, int bytes);
}
