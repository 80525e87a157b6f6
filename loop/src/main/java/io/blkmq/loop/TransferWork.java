package io.blkmq.loop;

import io.blkmq.core.Operation;
import io.blkmq.core.driver.Request;
import io.blkmq.core.driver.SegmentVisitor;
import io.blkmq.loop.transfer.Transfer;
import io.blkmq.runtime.IoBuffer;
import java.lang.foreign.MemorySegment;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * What a transfer function does to one request. A write is transformed into a buffer of this object's, since its memory is the user's
 * to read meanwhile; a read comes to the user's memory and is transformed there, which nobody may look at before it has ended.
 *
 * <p>A small buffer is kept for the next write, so that small writes allocate nothing; a large one goes back to the pool.
 *
 * <p>Belongs to whoever has the request, like its {@link LoopCommand}.
 */
final class TransferWork implements SegmentVisitor {
    /** The largest buffer that is kept. */
    private static final int KEPT_BYTES = 16 << 10;
    private static final int SECTOR_BYTES = Transfer.SECTOR_BYTES;

    /** The current use's. */
    private @Nullable LoopTransfer transfer;
    private @Nullable IoBuffer kept;
    private @Nullable IoBuffer large;

    /** What the visitor fills from the next segment; null when it transforms the segment in its place. */
    private @Nullable MemorySegment target;
    /** The sector of the next segment. */
    private long sector;
    /** How far the visitor has come, and how far it goes. */
    private long visited;
    private long end;

    /**
     * Begins a use, and transforms what a write is to write.
     *
     * @return whether that is done; false if too much memory is in use for it now
     */
    boolean begin(LoopTransfer function, Request rq) {
        // One that failed on its way down may have left its buffer.
        endWrite();
        if (transfer != function) {
            transfer = function;
        }
        if (rq.operation() != Operation.WRITE) {
            return true;
        }
        IoBuffer buffer = takeBuffer(function, rq.bytes());
        if (buffer == null) {
            return false;
        }
        target = buffer.memory();
        boolean done = false;
        try {
            visit(rq, rq.bytes());
            done = true;
        } finally {
            if (!done) {
                // It may hold what has been copied and not transformed, and others wait for the memory.
                MemorySegment _ = buffer.memory().fill((byte) 0);
                endWrite();
            }
        }
        function.countBounce();
        return true;
    }

    private @Nullable IoBuffer takeBuffer(LoopTransfer function, long bytes) {
        if (bytes <= KEPT_BYTES) {
            if (kept == null) {
                kept = IoBuffer.allocate(KEPT_BYTES);
            }
            return kept;
        }
        if (!function.reserve(bytes)) {
            return null;
        }
        try {
            large = IoBuffer.allocate(bytes);
        } catch (Throwable t) {
            function.release(bytes);
            throw t;
        }
        return large;
    }

    /** What a prepared write has to write is at the beginning of this. */
    MemorySegment written() {
        return Objects.requireNonNull(large != null ? large : kept).memory();
    }

    /** A write that was prepared has ended, or never begun. */
    void endWrite() {
        target = null;
        IoBuffer buffer = large;
        if (buffer != null) {
            large = null;
            long bytes = buffer.bytes();
            buffer.close();
            transfer().release(bytes);
        }
    }

    /** Transforms what a read has brought, whole sectors only. */
    void finishRead(Request rq, long bytes) {
        target = null;
        visit(rq, bytes - bytes % SECTOR_BYTES);
    }

    private LoopTransfer transfer() {
        return Objects.requireNonNull(transfer);
    }

    private void visit(Request rq, long bytes) {
        sector = rq.sector();
        visited = 0;
        end = bytes;
        rq.forEachSegment(this);
    }

    @Override
    public void segment(MemorySegment memory, long offset, int bytes) {
        long length = Math.min(bytes, end - visited);
        if (length <= 0) {
            return;
        }
        MemorySegment to = target;
        if (to != null) {
            transfer().function().toFile(sector, memory, offset, to, visited, length);
        } else {
            transfer().function().fromFile(sector, memory, offset, memory, offset, length);
        }
        sector += length / SECTOR_BYTES;
        visited += length;
    }

    /** The request is no more. */
    void close() {
        endWrite();
        IoBuffer buffer = kept;
        if (buffer != null) {
            kept = null;
            buffer.close();
        }
    }
}
