package io.blkmq.core.mq;

import io.blkmq.core.Bio;
import io.blkmq.core.Operation;
import io.blkmq.core.QueueLimits;

/**
 * When a bio may join a request that waits, and a request the one before it.
 *
 * <ul>
 * <li>They meet: one begins where the other ends.
 * <li>Same operation: reads with reads, writes with writes, and discards with discards where the device takes several ranges.
 * <li>Same priority, same lifetime, same way down, and both or none are waited for ({@link Bio#SYNC}).
 * <li>Neither has NOMERGE, nor PREFLUSH or FUA if they mean something: on a device without a write cache they do not.
 * <li>The driver has not had the request yet, nor done a part of it.
 * <li>What comes of it is within the limits.
 * </ul>
 *
 * <p>The caller holds whatever guards the request: it is the caller's own, or stands in a list or an elevator whose lock the caller
 * has.
 */
final class Merging {
    /** Flags that keep a bio to itself, and a request, which has none of them that means nothing. */
    private static final int ALONE = Bio.NOMERGE | Bio.PREFLUSH | Bio.FUA;
    /** Flags that both must have, or none. */
    private static final int ALIKE = Bio.SYNC | Bio.POLLED;

    private Merging() {}

    /** Whether a bio may have company at all. */
    static boolean mayMerge(Bio bio, QueueLimits limits) {
        int alone = limits.hasWriteCache() ? ALONE : ALONE & ~(Bio.PREFLUSH | Bio.FUA);
        return (bio.flags() & alone) == 0 && isMergeable(bio.operation());
    }

    private static boolean isMergeable(Operation operation) {
        return switch (operation) {
            case READ, WRITE, DISCARD -> true;
            case WRITE_ZEROES, FLUSH -> false;
        };
    }

    /** Whether a request may have company at all. */
    static boolean mayMerge(TagRequest rq) {
        return rq.isWhole() && (rq.allFlags() & ALONE) == 0 && isMergeable(rq.operation());
    }

    /** Whether a bio begins where a request ends. The cheapest of all questions, and the answer is no for most. */
    static boolean follows(TagRequest rq, Bio bio) {
        return rq.sector() + rq.bytes() / QueueLimits.SECTOR_BYTES == bio.deviceSector();
    }

    private static boolean precedes(TagRequest rq, Bio bio) {
        return bio.deviceSector() + bio.bytes() / QueueLimits.SECTOR_BYTES == rq.sector();
    }

    /** Lets a bio join a request at its end, if it may. */
    static boolean append(TagRequest rq, Bio bio, QueueLimits limits) {
        if (!follows(rq, bio) || !areAlike(rq, bio)) {
            return false;
        }
        int pieces = rq.piecesNow() + BioState.pieces(bio);
        if (!fits(rq.operation(), rq.sector(), rq.bytes() + bio.bytes(), pieces, limits)
                || leavesGap(rq.lastBio(), bio, limits)) {
            return false;
        }
        rq.append(bio, pieces);
        return true;
    }

    /** Lets a bio join a request at its beginning, if it may. */
    static boolean prepend(TagRequest rq, Bio bio, QueueLimits limits) {
        if (!precedes(rq, bio) || !areAlike(rq, bio)) {
            return false;
        }
        int pieces = rq.piecesNow() + BioState.pieces(bio);
        if (!fits(rq.operation(), bio.deviceSector(), rq.bytes() + bio.bytes(), pieces, limits)
                || leavesGap(bio, rq.firstBio(), limits)) {
            return false;
        }
        rq.prepend(bio, pieces);
        return true;
    }

    /** Lets a request take over the one that begins where it ends, if it may. */
    static boolean join(TagRequest first, TagRequest second, QueueLimits limits) {
        if (first.sector() + first.bytes() / QueueLimits.SECTOR_BYTES != second.sector() || !mayMerge(first)
                || !mayMerge(second) || first.operation() != second.operation()
                || !first.priority().equals(second.priority()) || first.lifetime() != second.lifetime()
                || !first.goesLike(second) || ((first.allFlags() ^ second.allFlags()) & ALIKE) != 0) {
            return false;
        }
        int pieces = first.piecesNow() + second.piecesNow();
        if (!fits(first.operation(), first.sector(), first.bytes() + second.bytes(), pieces, limits)
                || leavesGap(first.lastBio(), second.firstBio(), limits)) {
            return false;
        }
        first.absorb(second, pieces);
        return true;
    }

    private static boolean areAlike(TagRequest rq, Bio bio) {
        return mayMerge(rq) && rq.operation() == bio.operation() && ((rq.allFlags() ^ bio.flags()) & ALIKE) == 0
                && rq.priority().equals(bio.priority()) && rq.lifetime() == bio.lifetime();
    }

    private static boolean fits(Operation operation, long sector, long bytes, int pieces, QueueLimits limits) {
        int piecesMax = operation.hasData() ? limits.segmentsMax() : limits.discardRangesMax();
        return pieces <= piecesMax && bytes <= BioSplit.bytesMax(operation, limits)
                && bytes <= BioSplit.chunkRoom(operation, sector, limits);
    }

    /** Whether the memory of two bios would not meet at the virtual boundary. */
    private static boolean leavesGap(Bio first, Bio second, QueueLimits limits) {
        int boundary = limits.virtualBoundaryBytes();
        return boundary != 0 && first.operation().hasData()
                && ((BioState.endAddress(first) | BioState.startAddress(second)) & (boundary - 1)) != 0;
    }
}
