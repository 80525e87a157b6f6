package io.blkmq.core;

import java.util.StringJoiner;
import org.jspecify.annotations.Nullable;

/**
 * Finds the limits of a layered device: those that it has by the devices so far, the top, and one more device below it, the bottom. The
 * kernel's counterpart is {@code blk_stack_limits}.
 *
 * <p>A limit on a size becomes the smaller of the two, and an alignment the larger. What has to suit both devices at once takes arithmetic:
 *
 * <ul>
 * <li>Hints for the best I/O, and places where physical blocks begin, meet at a common multiple.
 * <li>Chunks are cut at a common divisor.
 * <li>Where physical blocks begin depends on where on the bottom the device begins.
 * </ul>
 *
 * <p>Where no number suits both, the limit falls back to the one that costs least, and {@link QueueLimits#misalignment()} says why. Such a
 * device works; some of its I/O is slower than it looks.
 *
 * <p>Blocks come first, since memory and ranges are in whole blocks. For one thread, and for one call of {@link #limits}.
 */
final class LimitStacking {
    private final QueueLimits top;
    private final QueueLimits bottom;
    private final long offsetBytes;
    private final QueueLimits.Builder both = QueueLimits.builder();
    private final StringJoiner faults = new StringJoiner("; ");
    /** The logical block of both. */
    private final int block;

    /**
     * Stacks one device on another.
     *
     * @param offsetBytes where on the bottom the device begins, in whole sectors
     */
    LimitStacking(QueueLimits top, QueueLimits bottom, long offsetBytes) {
        this.top = top;
        this.bottom = bottom;
        this.offsetBytes = offsetBytes;
        this.block = Math.max(top.logicalBlockBytes(), bottom.logicalBlockBytes());
    }

    /**
     * The limits.
     *
     * @throws IllegalArgumentException if the two cannot be met together
     */
    QueueLimits limits() {
        add(top.misalignment());
        add(bottom.misalignment());
        stackBlocks();
        stackMemory();
        stackRanges();
        boolean cache = top.hasWriteCache() || bottom.hasWriteCache();
        boolean fua = cache && (top.hasFua() || !top.hasWriteCache()) && (bottom.hasFua() || !bottom.hasWriteCache());
        return both.writeCache(cache, fua).rotational(top.isRotational() || bottom.isRotational())
                .readOnly(top.isReadOnly() || bottom.isReadOnly())
                .anyMemory(top.takesAnyMemory() && bottom.takesAnyMemory())
                .misalignment(faults.length() == 0 ? null : faults.toString()).build();
    }

    private void add(@Nullable String fault) {
        if (fault != null) {
            faults.add(fault);
        }
    }

    private void stackBlocks() {
        int physical = Math.max(top.physicalBlockBytes(), bottom.physicalBlockBytes());
        int topUnit = Math.max(top.physicalBlockBytes(), top.ioMinBytes());
        int topOffset = top.alignmentOffsetBytes();
        int bottomUnit = Math.max(bottom.physicalBlockBytes(), bottom.ioMinBytes());
        int bottomOffset = (int) Math.floorMod(bottom.alignmentOffsetBytes() - offsetBytes, (long) bottomUnit);
        if (topOffset != bottomOffset) {
            long here = (long) topUnit + topOffset;
            long there = (long) bottomUnit + bottomOffset;
            if (Math.max(here, there) % Math.min(here, there) != 0) {
                faults.add("blocks of " + bottomUnit + " bytes of the device below, which begin at " + bottomOffset
                        + " from offset " + offsetBytes + ", do not fit to blocks of " + topUnit + " that begin at "
                        + topOffset);
            }
        }
        int min = Math.max(top.ioMinBytes(), bottom.ioMinBytes());
        if (min % physical != 0) {
            faults.add("ioMinBytes " + min + " is not a multiple of physicalBlockBytes " + physical);
            min = physical;
        }
        long opt = lcm(top.ioOptBytes(), bottom.ioOptBytes());
        if (opt % physical != 0 || opt > QueueLimits.IO_HINT_BYTES_MAX) {
            faults.add(
                    "ioOptBytes " + top.ioOptBytes() + " and " + bottom.ioOptBytes() + " have no common multiple up to "
                            + QueueLimits.IO_HINT_BYTES_MAX + " in physicalBlockBytes " + physical);
            opt = 0;
        }
        long offset = lcm(topOffset, bottomOffset) % Math.max(physical, min);
        if (offset % block != 0) {
            faults.add(
                    "physical blocks begin at " + offset + ", which is not a multiple of logicalBlockBytes " + block);
            offset = 0;
        }
        both.logicalBlockBytes(block).physicalBlockBytes(physical).ioMinBytes(min).ioOptBytes((int) opt)
                .alignmentOffsetBytes((int) offset).chunkBytes(chunk(physical));
    }

    private long chunk(int physical) {
        long chunk = gcd(top.chunkBytes(), bottom.chunkBytes());
        if (chunk % physical != 0) {
            faults.add("chunkBytes " + top.chunkBytes() + " and " + bottom.chunkBytes()
                    + " have no common divisor in physicalBlockBytes " + physical);
            return 0;
        }
        if (bottom.chunkBytes() != 0 && offsetBytes % chunk != 0) {
            faults.add("offset " + offsetBytes + " is not a multiple of chunkBytes " + chunk);
        }
        return chunk;
    }

    private void stackMemory() {
        long boundary = minOfThoseSet(top.segmentBoundaryBytes(), bottom.segmentBoundaryBytes());
        // A multiple of the larger one is a multiple of the smaller.
        int virtualBoundary = Math.max(top.virtualBoundaryBytes(), bottom.virtualBoundaryBytes());
        long request = Math.min(top.requestBytesMax(), bottom.requestBytesMax());
        if (boundary != 0 || virtualBoundary != 0) {
            request = Math.min(request, QueueLimits.REQUEST_BYTES_MAX / 2);
        }
        long segment = Math.min(top.segmentBytesMax(), bottom.segmentBytesMax());
        both.segmentsMax(Math.min(top.segmentsMax(), bottom.segmentsMax())).segmentBoundaryBytes(boundary)
                .virtualBoundaryBytes(virtualBoundary)
                .dmaAlignmentBytes(Math.max(top.dmaAlignmentBytes(), bottom.dmaAlignmentBytes()))
                .requestBytesMax(request - request % block).segmentBytesMax(segment - segment % block);
        if (virtualBoundary > both.segmentBytesRoom()) {
            // Two segments could not both reach the boundary and keep within their length: one has no neighbour.
            both.segmentsMax(1).virtualBoundaryBytes(0);
        }
    }

    private void stackRanges() {
        int granularity = Math.max(Math.max(top.discardGranularityBytes(), bottom.discardGranularityBytes()), block);
        long bottomAlignment = Math.floorMod(bottom.discardAlignmentBytes() - offsetBytes,
                (long) bottom.discardGranularityBytes());
        long alignment = lcm(top.discardAlignmentBytes(), bottomAlignment) % granularity;
        long discard = Math.min(top.discardBytesMax(), bottom.discardBytesMax());
        long zeroes = Math.min(top.writeZeroesBytesMax(), bottom.writeZeroesBytesMax());
        // A device that could never free a unit has no discard.
        both.discardGranularityBytes(granularity).discardAlignmentBytes((int) (alignment - alignment % block))
                .discardBytesMax(discard - discard % granularity)
                .discardRangesMax(Math.min(top.discardRangesMax(), bottom.discardRangesMax()))
                .writeZeroesBytesMax(zeroes - zeroes % block);
    }

    private static long minOfThoseSet(long a, long b) {
        return a == 0 || b == 0 ? Math.max(a, b) : Math.min(a, b);
    }

    private static long gcd(long a, long b) {
        return b == 0 ? a : gcd(b, a % b);
    }

    /** Of one number that is 0 and another: the other. */
    private static long lcm(long a, long b) {
        return a == 0 || b == 0 ? Math.max(a, b) : a / gcd(a, b) * b;
    }
}
