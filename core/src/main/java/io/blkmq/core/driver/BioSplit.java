package io.blkmq.core.driver;

import io.blkmq.core.Bio;
import io.blkmq.core.BioCompletion;
import io.blkmq.core.BioVec;
import io.blkmq.core.Operation;
import io.blkmq.core.QueueLimits;
import io.blkmq.core.Status;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;

/**
 * Cuts a bio that is larger than its queue's limits into parts that are not, without copying, and ends it once, with the first
 * error, when all parts have ended. Parts are cut when they are submitted, one after the other, so that a huge bio holds no more
 * memory than a small one.
 */
final class BioSplit implements BioCompletion {
    private final Bio whole;
    private final QueueLimits limits;
    private final AtomicReference<Status> status = new AtomicReference<>(Status.OK);
    /** Parts in flight, and one more while there are parts to cut. */
    private final AtomicInteger open = new AtomicInteger(1);

    /** Where the next part begins: the cutting thread's. */
    private long doneBytes;
    private int vec;
    private int vecDoneBytes;

    BioSplit(Bio whole, QueueLimits limits) {
        this.whole = whole;
        this.limits = limits;
    }

    /** Whether a bio has to be cut. */
    static boolean isNeeded(Bio bio, QueueLimits limits) {
        if (bio.bytes() > bytesMax(bio.operation(), limits)) {
            return true;
        }
        if (!bio.operation().hasData()) {
            return false;
        }
        if (bio.vecCount() > limits.segmentsMax()) {
            return true;
        }
        int segmentBytesMax = limits.segmentBytesMax();
        for (int i = 0; i < bio.vecCount(); i++) {
            if (bio.vec(i).bytes() > segmentBytesMax) {
                return true;
            }
        }
        return false;
    }

    private static long bytesMax(Operation operation, QueueLimits limits) {
        return switch (operation) {
            case READ, WRITE -> limits.requestBytesMax();
            case DISCARD -> limits.discardBytesMax();
            case WRITE_ZEROES -> limits.writeZeroesBytesMax();
            case FLUSH -> Long.MAX_VALUE;
        };
    }

    boolean hasNext() {
        return doneBytes < whole.bytes();
    }

    /** Cuts the next part. The cutting thread. */
    Bio next() {
        assert hasNext();
        open.incrementAndGet();
        long sector = whole.sector() + doneBytes / QueueLimits.SECTOR_BYTES;
        long left = whole.bytes() - doneBytes;
        long bytes = Math.min(left, bytesMax(whole.operation(), limits));
        Bio part;
        if (whole.operation().hasData()) {
            part = cutData(sector, (int) bytes);
        } else {
            part = new Bio(0).reset(whole.operation(), sector).length(bytes);
        }
        doneBytes += part.bytes();
        return part.flags(whole.flags()).onEnd(this);
    }

    private Bio cutData(long sector, int bytesMax) {
        int startVec = vec;
        int startVecDoneBytes = vecDoneBytes;
        Bio part = fill(sector, bytesMax, limits.segmentsMax());
        int odd = (int) (part.bytes() % limits.logicalBlockBytes());
        if (odd == 0) {
            return part;
        }
        // The segments ran out within a block: leave that block to the next part. If it is the first one, take it with as many
        // segments as it needs: the part is going to be bounced.
        vec = startVec;
        vecDoneBytes = startVecDoneBytes;
        long wholeBlocks = part.bytes() - odd;
        return wholeBlocks > 0
                ? fill(sector, wholeBlocks, limits.segmentsMax())
                : fill(sector, limits.logicalBlockBytes(), Integer.MAX_VALUE);
    }

    private Bio fill(long sector, long bytesMax, int segmentsMax) {
        Bio part = new Bio(Math.min(segmentsMax, pieces(bytesMax))).reset(whole.operation(), sector);
        for (int segments = 0; part.bytes() < bytesMax && vec < whole.vecCount()
                && segments < segmentsMax; segments++) {
            BioVec from = whole.vec(vec);
            long room = Math.min(bytesMax - part.bytes(), limits.segmentBytesMax());
            int bytes = (int) Math.min(room, from.bytes() - vecDoneBytes);
            part.add(from.memory(), from.offset() + vecDoneBytes, bytes);
            vecDoneBytes += bytes;
            if (vecDoneBytes == from.bytes()) {
                vec++;
                vecDoneBytes = 0;
            }
        }
        return part;
    }

    private int pieces(long bytesMax) {
        int count = 0;
        long bytes = 0;
        for (int i = vec; i < whole.vecCount() && bytes < bytesMax; i++) {
            int piece = whole.vec(i).bytes() - (i == vec ? vecDoneBytes : 0);
            count += (piece + limits.segmentBytesMax() - 1) / limits.segmentBytesMax();
            bytes += piece;
        }
        return count;
    }

    /** Whether a part has ended with an error: then the others need not be cut. */
    boolean hasFailed() {
        return status.get() != Status.OK;
    }

    /** All parts have been cut. */
    void allCut() {
        close();
    }

    @Override
    public void ended(Bio part) {
        if (part.status() != Status.OK) {
            status.compareAndSet(Status.OK, part.status());
        }
        close();
    }

    private void close() {
        if (open.decrementAndGet() == 0) {
            BioState.finish(whole, status.get());
        }
    }
}
