package io.blkmq.core.nullblk;

import io.blkmq.core.driver.SegmentVisitor;
import java.lang.foreign.MemorySegment;

/**
 * Puts the blocks of a write together, whose memory may come in smaller or larger pieces: a driver shows it the segments of a request
 * ({@link io.blkmq.core.driver.Request#forEachSegment}), and it gives out one block after the other. The write may begin and end within
 * a block. For one request, on one thread.
 *
 * @since 0.1.0
 */
public final class BlockGather implements SegmentVisitor {
    /** Takes what is written to a block. */
    @FunctionalInterface
    public interface Sink {
        /**
         * All that the write has for one block.
         *
         * @param offset where on the device it begins, in bytes
         * @param bytes its content, from the beginning of the array; the array is used again for the next block
         * @param length how many bytes: a whole block, or less at the beginning and at the end of the write
         */
        void block(long offset, byte[] bytes, int length);
    }

    private final byte[] bytes;
    private final MemorySegment block;
    private final Sink sink;
    private final long end;
    private long offset;
    private int length;

    /**
     * For a write.
     *
     * @param offset where on the device it begins, in bytes
     * @param count how many bytes it has
     * @param blockBytes the size of a block; blocks begin at multiples of it
     * @param sink is given the blocks
     */
    public BlockGather(long offset, long count, int blockBytes, Sink sink) {
        this.offset = offset;
        this.end = offset + count;
        this.bytes = new byte[blockBytes];
        this.block = MemorySegment.ofArray(bytes);
        this.sink = sink;
    }

    @Override
    public void segment(MemorySegment memory, long from, int count) {
        for (int done = 0; done < count;) {
            int room = (int) (bytes.length - offset % bytes.length);
            int step = Math.min(room, count - done);
            MemorySegment.copy(memory, from + done, block, length, step);
            done += step;
            offset += step;
            length += step;
            if (step == room || offset == end) {
                sink.block(offset - length, bytes, length);
                length = 0;
            }
        }
    }
}
