package io.blkmq.core.mq;

import io.blkmq.core.Bio;
import io.blkmq.core.BioCompletion;
import io.blkmq.core.BioVec;
import io.blkmq.core.Operation;
import io.blkmq.core.QueueLimits;
import io.blkmq.core.Status;
import io.blkmq.core.driver.CompletionBatch;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;

/**
 * Cuts a bio that is larger than its queue's limits into parts that are not, without copying, and ends it once, with the first
 * error, when all parts have ended. Parts are cut when they are submitted, one after the other, so that a huge bio holds no more
 * memory than a small one: a part that cannot go on is taken back, and the whole waits on the backlog in its place, to be cut on
 * from there.
 *
 * <p>Where a part ends, if the whole does not end there:
 * <ul>
 * <li>reads and writes: at a physical block of the device, or at least at a logical one; earlier where the segments run out or
 * where two pieces of memory leave a gap at the virtual boundary. Never behind the end of a chunk.
 * <li>writes of zeroes: at the limit or at the end of a chunk.
 * <li>discards: at a multiple of the granularity. A discard within the limit is not cut, aligned or not.
 * </ul>
 *
 * <p>All that concerns cutting is the cutting thread's; when the whole waits, the backlog's lock hands it over.
 */
final class BioSplit implements BioCompletion {
    private final Bio whole;
    /** Where the whole has come in. */
    private final EntryContext ctx;
    private final AtomicReference<Status> status = new AtomicReference<>(Status.OK);
    /** Parts in flight, and one more while there are parts to cut. */
    private final AtomicInteger open = new AtomicInteger(1);

    /** What the next part is cut by. */
    private QueueLimits limits;
    /** Where the next part begins. */
    private long doneBytes;
    private int vec;
    private int vecDoneBytes;
    /** Where the last part began, to take it back. */
    private long lastDoneBytes;
    private int lastVec;
    private int lastVecDoneBytes;

    BioSplit(Bio whole, QueueLimits limits, EntryContext ctx) {
        this.whole = whole;
        this.limits = limits;
        this.ctx = ctx;
    }

    // ---- whether

    /** Whether a bio has to be cut. */
    static boolean isNeeded(Bio bio, QueueLimits limits) {
        long bytes = bio.bytes();
        if (bytes > bytesMax(bio.operation(), limits)) {
            return true;
        }
        if (limits.chunkBytes() != 0 && bytes > chunkRoom(bio.operation(), bio.deviceSector(), limits)) {
            return true;
        }
        // A single block cannot be cut further, whatever its memory looks like.
        return bio.operation().hasData() && bytes > limits.logicalBlockBytes()
                && !(isShort(bio, limits) && (!limits.hasMemoryBoundaries() || keepsBoundaries(bio, limits)));
    }

    private static boolean isShort(Bio bio, QueueLimits limits) {
        BioState memory = bio;
        return bio.vecCount() <= limits.segmentsMax() && memory.longestPieceBytes() <= limits.segmentBytesMax();
    }

    /** Whether every piece of memory that the device would see as it is keeps the boundaries. */
    private static boolean keepsBoundaries(Bio bio, QueueLimits limits) {
        for (int i = 0; i < bio.vecCount(); i++) {
            BioVec piece = bio.vec(i);
            if (goesAsItIs(piece, bio) && (piece.bytes() > segmentRoom(addressOf(piece, 0), limits)
                    || (i > 0 && leavesGap(bio, i, 0, limits)))) {
                return false;
            }
        }
        return true;
    }

    /** Whether a bio's memory would break a limit if it went to the device as it is. Only a single block can come to that. */
    static boolean isIllShaped(Bio bio, QueueLimits limits) {
        return bio.vecCount() > limits.segmentsMax() || (limits.hasMemoryBoundaries() && !keepsBoundaries(bio, limits));
    }

    /** Memory of another kind is bounced, and its addresses do not matter. */
    private static boolean goesAsItIs(BioVec piece, Bio bio) {
        return piece.isPooled() || ((bio.flags() & Bio.CALLER_MEMORY) != 0 && piece.memory().isNative());
    }

    private static long addressOf(BioVec piece, long offset) {
        return piece.memory().address() + piece.offset() + offset;
    }

    /** How long a segment that begins at an address can be. */
    private static long segmentRoom(long address, QueueLimits limits) {
        long room = limits.segmentBytesMax();
        long boundary = limits.segmentBoundaryBytes();
        if (boundary != 0) {
            room = Math.min(room, boundary - (address & (boundary - 1)));
        }
        return room;
    }

    /** Whether the piece that begins within a vec does not meet the piece before it at the virtual boundary. */
    private static boolean leavesGap(Bio bio, int vec, int vecDoneBytes, QueueLimits limits) {
        int boundary = limits.virtualBoundaryBytes();
        if (boundary == 0) {
            return false;
        }
        BioVec piece = bio.vec(vec);
        long met = addressOf(piece, vecDoneBytes);
        if (vecDoneBytes == 0) {
            BioVec before = bio.vec(vec - 1);
            if (!goesAsItIs(before, bio)) {
                return false;
            }
            met |= addressOf(before, before.bytes());
        }
        return (met & (boundary - 1)) != 0;
    }

    static long bytesMax(Operation operation, QueueLimits limits) {
        return switch (operation) {
            case READ, WRITE -> limits.requestBytesMax();
            case DISCARD -> limits.discardBytesMax();
            case WRITE_ZEROES -> limits.writeZeroesBytesMax();
            case FLUSH -> Long.MAX_VALUE;
        };
    }

    /** How far it is to the end of the chunk. */
    static long chunkRoom(Operation operation, long deviceSector, QueueLimits limits) {
        long chunk = limits.chunkBytes();
        return chunk == 0 || operation == Operation.DISCARD || !operation.hasRange()
                ? Long.MAX_VALUE
                : chunk - deviceSector * QueueLimits.SECTOR_BYTES % chunk;
    }

    // ---- cutting

    Bio whole() {
        return whole;
    }

    boolean hasNext() {
        return doneBytes < whole.bytes();
    }

    QueueLimits limits() {
        return limits;
    }

    /** Goes on by other limits. Returns false if what is left is not in whole blocks of them. */
    boolean useLimits(QueueLimits now) {
        limits = now;
        return (whole.deviceSector() * QueueLimits.SECTOR_BYTES + doneBytes | whole.bytes() - doneBytes)
                % now.logicalBlockBytes() == 0;
    }

    /** Cuts the next part; it is the device's already. */
    Bio next() {
        assert hasNext();
        open.incrementAndGet();
        lastDoneBytes = doneBytes;
        lastVec = vec;
        lastVecDoneBytes = vecDoneBytes;
        long sector = whole.sector() + doneBytes / QueueLimits.SECTOR_BYTES;
        long bytes = partBytes(onDevice(sector), whole.bytes() - doneBytes);
        Bio part = whole.operation().hasData()
                ? cutData(sector, bytes)
                : new Bio(0).reset(whole.operation(), sector).length(bytes);
        doneBytes += part.bytes();
        BioState state = part.flags(whole.flags()).priority(whole.priority()).lifetime(whole.lifetime()).onEnd(this);
        state.claimFor(this);
        return part;
    }

    private long onDevice(long sector) {
        BioState state = whole;
        return state.onDevice(sector);
    }

    /** The last part has not gone on: it is cut again later. */
    void takeBack() {
        doneBytes = lastDoneBytes;
        vec = lastVec;
        vecDoneBytes = lastVecDoneBytes;
        int left = open.decrementAndGet();
        assert left > 0;
    }

    /** How long the next part is, as far as that does not depend on its memory. */
    private long partBytes(long deviceSector, long left) {
        Operation operation = whole.operation();
        long most = Math.min(bytesMax(operation, limits), chunkRoom(operation, deviceSector, limits));
        if (left <= most) {
            return left;
        }
        long start = deviceSector * QueueLimits.SECTOR_BYTES;
        return switch (operation) {
            case DISCARD -> endAt(start, most, limits.discardGranularityBytes(), limits.discardAlignmentBytes());
            case READ, WRITE -> endAt(start, most, limits.physicalBlockBytes(), limits.alignmentOffsetBytes());
            case WRITE_ZEROES, FLUSH -> most;
        };
    }

    /** The longest part that ends at the beginning of a unit, or the longest one if it would not reach any. */
    private static long endAt(long start, long most, int unit, int firstUnit) {
        long over = Math.floorMod(start + most - firstUnit, (long) unit);
        return over < most ? most - over : most;
    }

    private Bio cutData(long sector, long bytesMax) {
        Bio part = fill(sector, bytesMax, limits.segmentsMax(), true);
        int odd = (int) (part.bytes() % limits.logicalBlockBytes());
        if (odd == 0) {
            return part;
        }
        // The segments ran out within a block: leave that block to the next part. If it is the first one, take it with as many
        // segments as it needs: the part is going to be bounced.
        vec = lastVec;
        vecDoneBytes = lastVecDoneBytes;
        long wholeBlocks = part.bytes() - odd;
        return wholeBlocks > 0
                ? fill(sector, wholeBlocks, limits.segmentsMax(), true)
                : fill(sector, limits.logicalBlockBytes(), Integer.MAX_VALUE, false);
    }

    private Bio fill(long sector, long bytesMax, int segmentsMax, boolean keepGaps) {
        int startVec = vec;
        int startVecDoneBytes = vecDoneBytes;
        int segments = 0;
        for (long bytes = 0; bytes < bytesMax && segments < segmentsMax
                && !(keepGaps && segments > 0 && isGapBefore()); segments++) {
            bytes += step(bytesMax - bytes);
        }
        vec = startVec;
        vecDoneBytes = startVecDoneBytes;
        Bio part = new Bio(segments).reset(whole.operation(), sector);
        for (int i = 0; i < segments; i++) {
            BioVec from = whole.vec(vec);
            int offset = vecDoneBytes;
            part.add(from.memory(), from.offset() + offset, step(bytesMax - part.bytes()));
        }
        return part;
    }

    private boolean isGapBefore() {
        return goesAsItIs(whole.vec(vec), whole) && leavesGap(whole, vec, vecDoneBytes, limits);
    }

    /** Goes over one segment, and returns its length. */
    private int step(long room) {
        BioVec from = whole.vec(vec);
        int bytes = (int) Math.min(Math.min(room, segmentBytes(from)), from.bytes() - vecDoneBytes);
        vecDoneBytes += bytes;
        if (vecDoneBytes == from.bytes()) {
            vec++;
            vecDoneBytes = 0;
        }
        return bytes;
    }

    private long segmentBytes(BioVec from) {
        if (!limits.hasMemoryBoundaries() || !goesAsItIs(from, whole)) {
            return limits.segmentBytesMax();
        }
        long address = addressOf(from, vecDoneBytes);
        long bytes = segmentRoom(address, limits);
        int boundary = limits.virtualBoundaryBytes();
        // Within a vec the cut is at the virtual boundary too.
        return boundary == 0 || bytes >= from.bytes() - vecDoneBytes
                ? bytes
                : bytes - (address + bytes & (boundary - 1));
    }

    // ---- the end

    /** Whether a part has ended with an error: then the others need not be cut. */
    boolean hasFailed() {
        return status.get() != Status.OK;
    }

    /** All parts have been cut. */
    void allCut() {
        close();
    }

    /** What has not been cut never will be. */
    void abandon(Status end) {
        status.compareAndSet(Status.OK, end);
        doneBytes = whole.bytes();
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
            try (CompletionBatch _ = CompletionBatch.open()) {
                BioState.finish(whole, status.get(), ctx);
            }
        }
    }
}
