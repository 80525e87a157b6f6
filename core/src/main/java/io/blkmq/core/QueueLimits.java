package io.blkmq.core;

import io.blkmq.runtime.IoBuffer;
import java.util.StringJoiner;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What a device can take, validated when built. Everything that reaches a driver is within its queue's limits. The kernel's
 * counterpart is {@code struct queue_limits}; lengths are in bytes and not in sectors. Immutable.
 *
 * <p>A layered device begins with {@link #unlimited()} and takes the stricter of that and of each device below it by
 * {@link #stack}.
 *
 * @since 0.1.0
 */
public final class QueueLimits {
    /** The unit of addresses: a sector of 512 bytes, whatever the block size. */
    public static final int SECTOR_BYTES = 512;
    /** The largest logical block size. */
    public static final int LOGICAL_BLOCK_BYTES_MAX = 65536;
    /** The largest number of bytes that one request can carry. */
    public static final long REQUEST_BYTES_MAX = 1L << 30;
    /** The smallest boundary of segments: a page. */
    public static final int SEGMENT_BOUNDARY_BYTES_MIN = 4096;
    /** The largest virtual boundary. */
    public static final int VIRTUAL_BOUNDARY_BYTES_MAX = 65536;
    /** The largest optimal I/O size, and the largest smallest one. */
    public static final int IO_HINT_BYTES_MAX = 1 << 30;

    /** The longest discard or write of zeroes of a device that has no limit. */
    private static final long RANGE_BYTES_MAX = Long.MAX_VALUE - LOGICAL_BLOCK_BYTES_MAX + 1;
    private static final int SEGMENTS_MAX = 65535;

    private final int logicalBlockBytes;
    private final int physicalBlockBytes;
    private final int requestBytesMax;
    private final int segmentsMax;
    private final int segmentBytesMax;
    private final long segmentBoundaryBytes;
    private final int virtualBoundaryBytes;
    private final long chunkBytes;
    private final int dmaAlignmentBytes;
    private final long discardBytesMax;
    private final int discardGranularityBytes;
    private final int discardAlignmentBytes;
    private final int discardRangesMax;
    private final long writeZeroesBytesMax;
    private final int ioMinBytes;
    private final int ioOptBytes;
    private final int alignmentOffsetBytes;
    private final @Nullable String misalignment;
    private final boolean writeCache;
    private final boolean fua;
    private final boolean rotational;
    private final boolean readOnly;
    private final boolean anyMemory;

    private QueueLimits(Builder b) {
        this.logicalBlockBytes = b.logicalBlockBytes;
        this.physicalBlockBytes = b.physicalBlock();
        this.requestBytesMax = (int) b.requestBytesMax;
        this.segmentsMax = b.segmentsMax;
        this.segmentBytesMax = b.segmentBytes();
        this.segmentBoundaryBytes = b.segmentBoundaryBytes;
        this.virtualBoundaryBytes = b.virtualBoundaryBytes;
        this.chunkBytes = b.chunkBytes;
        this.dmaAlignmentBytes = b.dmaAlignmentBytes;
        this.discardBytesMax = b.discardBytesMax;
        this.discardGranularityBytes = b.discardGranularity();
        this.discardAlignmentBytes = b.discardAlignmentBytes;
        this.discardRangesMax = b.discardRangesMax;
        this.writeZeroesBytesMax = b.writeZeroesBytesMax;
        this.ioMinBytes = b.ioMin();
        this.ioOptBytes = b.ioOptBytes;
        this.alignmentOffsetBytes = b.alignmentOffsetBytes;
        this.misalignment = b.misalignment;
        this.writeCache = b.writeCache;
        this.fua = b.fua;
        this.rotational = b.rotational;
        this.readOnly = b.readOnly;
        this.anyMemory = b.anyMemory;
    }

    /**
     * Begins with the defaults: blocks of 512 bytes, requests of 1280 KiB in 128 segments of 64 KiB, no discard, no write cache.
     *
     * @return a new builder
     */
    public static Builder builder() {
        return new Builder();
    }

    /**
     * The limits of a device that has none of its own, since others below it do the work: what {@link #stack} begins with. Each
     * limit is as loose as can be, blocks are of 512 bytes, and there is no write cache.
     *
     * @return the loosest limits
     */
    public static QueueLimits unlimited() {
        return builder().requestBytesMax(REQUEST_BYTES_MAX).segmentsMax(SEGMENTS_MAX).segmentBytesMax(REQUEST_BYTES_MAX)
                .discardBytesMax(RANGE_BYTES_MAX).discardRangesMax(SEGMENTS_MAX).writeZeroesBytesMax(RANGE_BYTES_MAX)
                .anyMemory(true).build();
    }

    /**
     * Begins with these limits.
     *
     * @return a new builder
     */
    public Builder toBuilder() {
        Builder b = new Builder();
        b.logicalBlockBytes = logicalBlockBytes;
        b.physicalBlockBytes = physicalBlockBytes == logicalBlockBytes ? 0 : physicalBlockBytes;
        b.requestBytesMax = requestBytesMax;
        b.segmentsMax = segmentsMax;
        b.segmentBytesMax = segmentBytesMax;
        b.segmentBoundaryBytes = segmentBoundaryBytes;
        b.virtualBoundaryBytes = virtualBoundaryBytes;
        b.chunkBytes = chunkBytes;
        b.dmaAlignmentBytes = dmaAlignmentBytes;
        b.discardBytesMax = discardBytesMax;
        b.discardGranularityBytes = discardGranularityBytes;
        b.discardAlignmentBytes = discardAlignmentBytes;
        b.discardRangesMax = discardRangesMax;
        b.writeZeroesBytesMax = writeZeroesBytesMax;
        b.ioMinBytes = ioMinBytes == physicalBlockBytes ? 0 : ioMinBytes;
        b.ioOptBytes = ioOptBytes;
        b.alignmentOffsetBytes = alignmentOffsetBytes;
        b.misalignment = misalignment;
        b.writeCache = writeCache;
        b.fua = fua;
        b.rotational = rotational;
        b.readOnly = readOnly;
        b.anyMemory = anyMemory;
        return b;
    }

    /**
     * The unit of I/O: offsets and lengths are multiples of it.
     *
     * @return bytes, a power of two from 512 to 65536
     */
    public int logicalBlockBytes() {
        return logicalBlockBytes;
    }

    /**
     * What the device writes in one go.
     *
     * @return bytes, at least {@link #logicalBlockBytes()}
     */
    public int physicalBlockBytes() {
        return physicalBlockBytes;
    }

    /**
     * The most data of one request (max_sectors).
     *
     * @return bytes
     */
    public int requestBytesMax() {
        return requestBytesMax;
    }

    /**
     * The most pieces of memory of one request.
     *
     * @return at least 1
     */
    public int segmentsMax() {
        return segmentsMax;
    }

    /**
     * The largest piece of memory. No more than {@link #requestBytesMax()}; where pieces must not cross a boundary no more than that
     * either, and a power of two.
     *
     * @return bytes
     */
    public int segmentBytesMax() {
        return segmentBytesMax;
    }

    /**
     * What the address range of a piece of memory does not cross a multiple of (seg_boundary_mask).
     *
     * @return bytes, a power of two, 0 for none
     */
    public long segmentBoundaryBytes() {
        return segmentBoundaryBytes;
    }

    /**
     * Where a request has several pieces of memory, each but the last ends at an address that is a multiple of this, and each but
     * the first begins at one (virt_boundary_mask).
     *
     * @return bytes, a power of two, 0 for none
     */
    public int virtualBoundaryBytes() {
        return virtualBoundaryBytes;
    }

    /**
     * Whether addresses of memory decide how a bio is cut.
     *
     * @return true if there is a boundary of either kind
     */
    public boolean hasMemoryBoundaries() {
        return segmentBoundaryBytes != 0 || virtualBoundaryBytes != 0;
    }

    /**
     * What a read, a write or a write of zeroes does not cross a multiple of on the device (chunk_sectors). A discard may, as in
     * the kernel.
     *
     * @return bytes, 0 for none
     */
    public long chunkBytes() {
        return chunkBytes;
    }

    /**
     * What addresses and lengths of memory are multiples of.
     *
     * @return bytes, a power of two
     */
    public int dmaAlignmentBytes() {
        return dmaAlignmentBytes;
    }

    /**
     * The longest discard of one request.
     *
     * @return bytes, 0 where the device has no discard
     */
    public long discardBytesMax() {
        return discardBytesMax;
    }

    /**
     * The unit that a discard frees. A discard that has to be cut is cut at its multiples; what stands out at either end goes to
     * the device all the same.
     *
     * @return bytes
     */
    public int discardGranularityBytes() {
        return discardGranularityBytes;
    }

    /**
     * Where the first unit that a discard frees begins.
     *
     * @return bytes from the beginning of the device, below {@link #discardGranularityBytes()}
     */
    public int discardAlignmentBytes() {
        return discardAlignmentBytes;
    }

    /**
     * The most ranges that one request can discard (max_discard_segments).
     *
     * @return at least 1
     */
    public int discardRangesMax() {
        return discardRangesMax;
    }

    /**
     * The longest write of zeroes of one request.
     *
     * @return bytes, 0 where the device has none of its own
     */
    public long writeZeroesBytesMax() {
        return writeZeroesBytesMax;
    }

    /**
     * A hint: the smallest I/O that the device does without a penalty.
     *
     * @return bytes, at least {@link #physicalBlockBytes()}
     */
    public int ioMinBytes() {
        return ioMinBytes;
    }

    /**
     * A hint: the I/O size that the device does best.
     *
     * @return bytes, 0 if it has not said
     */
    public int ioOptBytes() {
        return ioOptBytes;
    }

    /**
     * Where the first physical block begins: not 0 for a device that begins in the middle of a block of the one below it.
     *
     * @return bytes from the beginning of the device
     */
    public int alignmentOffsetBytes() {
        return alignmentOffsetBytes;
    }

    /**
     * Whether {@link #stack} found devices whose blocks do not fit together, so that some I/O that looks aligned is not.
     *
     * @return true if so
     */
    public boolean isMisaligned() {
        return misalignment != null;
    }

    /**
     * What does not fit together.
     *
     * @return for people; null if nothing is misaligned
     */
    public @Nullable String misalignment() {
        return misalignment;
    }

    /**
     * Whether acknowledged writes may be lost until a flush.
     *
     * @return true if flushes mean something
     */
    public boolean hasWriteCache() {
        return writeCache;
    }

    /**
     * Whether the device can write through its cache.
     *
     * @return true if FUA of a write of data goes down to the driver
     */
    public boolean hasFua() {
        return fua;
    }

    /**
     * Whether it is slow to go from one place to another.
     *
     * @return true for a disk that turns
     */
    public boolean isRotational() {
        return rotational;
    }

    /**
     * Whether writes are refused.
     *
     * @return true for a device that only reads
     */
    public boolean isReadOnly() {
        return readOnly;
    }

    /**
     * Whether the driver touches data only through the segments' own checked access, so that heap memory and memory of any arena
     * can go down to it as it is.
     *
     * @return true if nothing needs to be bounced
     */
    public boolean takesAnyMemory() {
        return anyMemory;
    }

    /**
     * The limits of a device that keeps its data on this one's devices so far and on one more: of each limit the stricter. The
     * kernel's counterpart is {@code blk_stack_limits}. It differs in two places, where the kernel leaves it to the layered driver to
     * look again: an operation is had only if both have it, and FUA only if each device with a write cache has it.
     *
     * @param bottom the limits of the device below
     * @param offsetBytes where on the device below this one begins, or its part there; a multiple of 512
     * @return new limits; {@link #misalignment()} says whether the blocks of the two do not fit together
     * @throws IllegalArgumentException if the offset is negative or not in whole sectors, or if the two cannot be met together
     */
    public QueueLimits stack(QueueLimits bottom, long offsetBytes) {
        if (offsetBytes < 0 || offsetBytes % SECTOR_BYTES != 0) {
            throw new IllegalArgumentException(
                    "offsetBytes " + offsetBytes + ": must be 0 or a positive multiple of " + SECTOR_BYTES);
        }
        return new LimitStacking(this, bottom, offsetBytes).limits();
    }

    /** {@return all of them, in the order of the fields} */
    List<@Nullable Object> values() {
        return Arrays.asList(logicalBlockBytes, physicalBlockBytes, requestBytesMax, segmentsMax, segmentBytesMax,
                segmentBoundaryBytes, virtualBoundaryBytes, chunkBytes, dmaAlignmentBytes, discardBytesMax,
                discardGranularityBytes, discardAlignmentBytes, discardRangesMax, writeZeroesBytesMax, ioMinBytes,
                ioOptBytes, alignmentOffsetBytes, misalignment, writeCache, fua, rotational, readOnly, anyMemory);
    }

    /**
     * Whether each of these limits is that of others. Two objects are equal only if they are one: a device whose limits are set anew looks
     * at the requests that wait once more.
     *
     * @param other others
     * @return true if a device is asked for the same with either
     */
    public boolean areThoseOf(QueueLimits other) {
        return values().equals(other.values());
    }

    @Override
    public String toString() {
        StringJoiner text = new StringJoiner(", ");
        text.add("blocks of " + amount(logicalBlockBytes)
                + (physicalBlockBytes == logicalBlockBytes
                        ? ""
                        : " (physical " + amount(physicalBlockBytes)
                                + (alignmentOffsetBytes == 0 ? "" : " from byte " + alignmentOffsetBytes) + ")"));
        text.add("requests up to " + amount(requestBytesMax) + " in " + segmentsMax + " segments up to "
                + amount(segmentBytesMax));
        addUnlessZero(text, "segment boundary ", segmentBoundaryBytes);
        addUnlessZero(text, "virtual boundary ", virtualBoundaryBytes);
        addUnlessZero(text, "chunks of ", chunkBytes);
        text.add(anyMemory ? "any memory" : "memory aligned to " + amount(dmaAlignmentBytes));
        text.add(discardBytesMax == 0
                ? "no discard"
                : "discards up to " + amount(discardBytesMax) + " in units of " + amount(discardGranularityBytes)
                        + (discardAlignmentBytes == 0 ? "" : " from byte " + discardAlignmentBytes)
                        + (discardRangesMax == 1 ? "" : ", " + discardRangesMax + " ranges"));
        text.add(writeZeroesBytesMax == 0 ? "no write zeroes" : "write zeroes up to " + amount(writeZeroesBytesMax));
        if (ioMinBytes != physicalBlockBytes || ioOptBytes != 0) {
            text.add("I/O of at least " + amount(ioMinBytes) + (ioOptBytes == 0 ? "" : ", best " + amount(ioOptBytes)));
        }
        text.add(writeCache ? "write cache" + (fua ? " with FUA" : "") : "no write cache");
        if (rotational) {
            text.add("rotational");
        }
        if (readOnly) {
            text.add("read-only");
        }
        if (misalignment != null) {
            text.add("misaligned: " + misalignment);
        }
        return text.toString();
    }

    private static void addUnlessZero(StringJoiner text, String what, long bytes) {
        if (bytes != 0) {
            text.add(what + amount(bytes));
        }
    }

    private static String amount(long bytes) {
        if (bytes >= RANGE_BYTES_MAX - LOGICAL_BLOCK_BYTES_MAX) {
            return "any length";
        }
        int steps = Math.min(Long.numberOfTrailingZeros(bytes) / 10, 4);
        return (bytes >> (steps * 10)) + " " + new String[]{"B", "KiB", "MiB", "GiB", "TiB"}[steps];
    }

    /** Builds limits. For one thread. */
    public static final class Builder {
        private int logicalBlockBytes = SECTOR_BYTES;
        private int physicalBlockBytes;
        private long requestBytesMax = 1280 << 10;
        private int segmentsMax = 128;
        private long segmentBytesMax = 64 << 10;
        private long segmentBoundaryBytes;
        private int virtualBoundaryBytes;
        private long chunkBytes;
        private int dmaAlignmentBytes = 1;
        private long discardBytesMax;
        private int discardGranularityBytes;
        private int discardAlignmentBytes;
        private int discardRangesMax = 1;
        private long writeZeroesBytesMax;
        private int ioMinBytes;
        private int ioOptBytes;
        private int alignmentOffsetBytes;
        private @Nullable String misalignment;
        private boolean writeCache;
        private boolean fua;
        private boolean rotational;
        private boolean readOnly;
        private boolean anyMemory;

        private Builder() {}

        /**
         * Sets {@link QueueLimits#logicalBlockBytes()}.
         *
         * @param value bytes
         * @return this
         */
        public Builder logicalBlockBytes(int value) {
            this.logicalBlockBytes = value;
            return this;
        }

        /**
         * Sets {@link QueueLimits#physicalBlockBytes()}.
         *
         * @param value bytes; 0 for the logical block size
         * @return this
         */
        public Builder physicalBlockBytes(int value) {
            this.physicalBlockBytes = value;
            return this;
        }

        /**
         * Sets {@link QueueLimits#requestBytesMax()}.
         *
         * @param value bytes
         * @return this
         */
        public Builder requestBytesMax(long value) {
            this.requestBytesMax = value;
            return this;
        }

        /**
         * Sets {@link QueueLimits#segmentsMax()}.
         *
         * @param value pieces
         * @return this
         */
        public Builder segmentsMax(int value) {
            this.segmentsMax = value;
            return this;
        }

        /**
         * Sets {@link QueueLimits#segmentBytesMax()}.
         *
         * @param value bytes
         * @return this
         */
        public Builder segmentBytesMax(long value) {
            this.segmentBytesMax = value;
            return this;
        }

        /**
         * Sets {@link QueueLimits#segmentBoundaryBytes()}.
         *
         * @param value bytes, 0 for none
         * @return this
         */
        public Builder segmentBoundaryBytes(long value) {
            this.segmentBoundaryBytes = value;
            return this;
        }

        /**
         * Sets {@link QueueLimits#virtualBoundaryBytes()}.
         *
         * @param value bytes, 0 for none
         * @return this
         */
        public Builder virtualBoundaryBytes(int value) {
            this.virtualBoundaryBytes = value;
            return this;
        }

        /**
         * Sets {@link QueueLimits#chunkBytes()}.
         *
         * @param value bytes, 0 for none
         * @return this
         */
        public Builder chunkBytes(long value) {
            this.chunkBytes = value;
            return this;
        }

        /**
         * Sets {@link QueueLimits#dmaAlignmentBytes()}.
         *
         * @param value bytes
         * @return this
         */
        public Builder dmaAlignmentBytes(int value) {
            this.dmaAlignmentBytes = value;
            return this;
        }

        /**
         * Sets {@link QueueLimits#discardBytesMax()}.
         *
         * @param value bytes, 0 for no discard
         * @return this
         */
        public Builder discardBytesMax(long value) {
            this.discardBytesMax = value;
            return this;
        }

        /**
         * Sets {@link QueueLimits#discardGranularityBytes()}.
         *
         * @param value bytes; 0 for the logical block size
         * @return this
         */
        public Builder discardGranularityBytes(int value) {
            this.discardGranularityBytes = value;
            return this;
        }

        /**
         * Sets {@link QueueLimits#discardAlignmentBytes()}.
         *
         * @param value bytes
         * @return this
         */
        public Builder discardAlignmentBytes(int value) {
            this.discardAlignmentBytes = value;
            return this;
        }

        /**
         * Sets {@link QueueLimits#discardRangesMax()}.
         *
         * @param value ranges
         * @return this
         */
        public Builder discardRangesMax(int value) {
            this.discardRangesMax = value;
            return this;
        }

        /**
         * Sets {@link QueueLimits#writeZeroesBytesMax()}.
         *
         * @param value bytes, 0 where zeroes have to be written as data
         * @return this
         */
        public Builder writeZeroesBytesMax(long value) {
            this.writeZeroesBytesMax = value;
            return this;
        }

        /**
         * Sets {@link QueueLimits#ioMinBytes()}.
         *
         * @param value bytes; 0 for the physical block size
         * @return this
         */
        public Builder ioMinBytes(int value) {
            this.ioMinBytes = value;
            return this;
        }

        /**
         * Sets {@link QueueLimits#ioOptBytes()}.
         *
         * @param value bytes; 0 for none
         * @return this
         */
        public Builder ioOptBytes(int value) {
            this.ioOptBytes = value;
            return this;
        }

        /**
         * Sets {@link QueueLimits#alignmentOffsetBytes()}.
         *
         * @param value bytes
         * @return this
         */
        public Builder alignmentOffsetBytes(int value) {
            this.alignmentOffsetBytes = value;
            return this;
        }

        /**
         * Sets {@link QueueLimits#hasWriteCache()} and {@link QueueLimits#hasFua()}.
         *
         * @param cache whether there is a volatile write cache
         * @param throughCache whether single writes can go through it
         * @return this
         */
        public Builder writeCache(boolean cache, boolean throughCache) {
            this.writeCache = cache;
            this.fua = throughCache;
            return this;
        }

        /**
         * Sets {@link QueueLimits#isRotational()}.
         *
         * @param value whether it is slow to go from one place to another
         * @return this
         */
        public Builder rotational(boolean value) {
            this.rotational = value;
            return this;
        }

        /**
         * Sets {@link QueueLimits#isReadOnly()}.
         *
         * @param value whether writes are refused
         * @return this
         */
        public Builder readOnly(boolean value) {
            this.readOnly = value;
            return this;
        }

        /**
         * Sets {@link QueueLimits#takesAnyMemory()}.
         *
         * @param value whether nothing needs to be bounced
         * @return this
         */
        public Builder anyMemory(boolean value) {
            this.anyMemory = value;
            return this;
        }

        Builder misalignment(@Nullable String value) {
            this.misalignment = value;
            return this;
        }

        private int physicalBlock() {
            return Math.max(physicalBlockBytes, logicalBlockBytes);
        }

        private int ioMin() {
            return Math.max(ioMinBytes, physicalBlock());
        }

        private int discardGranularity() {
            return Math.max(discardGranularityBytes, logicalBlockBytes);
        }

        /** The longest piece of memory that all limits leave room for. */
        long segmentBytesRoom() {
            long room = Math.min(segmentBytesMax, requestBytesMax);
            return segmentBoundaryBytes == 0 ? room : Math.min(room, segmentBoundaryBytes);
        }

        /**
         * The length at which pieces of memory are cut. With a boundary a divisor of it, so that what begins at a multiple never
         * crosses one; with a virtual boundary a multiple of that.
         */
        private int segmentBytes() {
            long room = segmentBytesRoom();
            if (segmentBoundaryBytes != 0) {
                return (int) Long.highestOneBit(room);
            }
            return (int) (virtualBoundaryBytes == 0
                    ? room
                    : room - room % Math.max(virtualBoundaryBytes, logicalBlockBytes));
        }

        /**
         * Checks and builds.
         *
         * @return the limits
         * @throws IllegalArgumentException naming the limit that is wrong, its value and what is possible
         */
        public QueueLimits build() {
            checkBlocks();
            checkSegments();
            checkRanges();
            if (fua && !writeCache) {
                throw new IllegalArgumentException("fua without writeCache: there is nothing to write through");
            }
            return new QueueLimits(this);
        }

        private void checkBlocks() {
            require(isPowerOfTwo(logicalBlockBytes) && logicalBlockBytes >= SECTOR_BYTES
                    && logicalBlockBytes <= LOGICAL_BLOCK_BYTES_MAX, "logicalBlockBytes", logicalBlockBytes,
                    "a power of two from 512 to 65536");
            require(physicalBlockBytes == 0
                    || (isPowerOfTwo(physicalBlockBytes) && physicalBlockBytes >= logicalBlockBytes),
                    "physicalBlockBytes", physicalBlockBytes,
                    "0 or a power of two, at least logicalBlockBytes " + logicalBlockBytes);
            int physical = physicalBlock();
            require(ioMinBytes >= 0 && ioMinBytes <= IO_HINT_BYTES_MAX && ioMinBytes % physical == 0, "ioMinBytes",
                    ioMinBytes, "0 or a multiple of physicalBlockBytes " + physical + " up to " + IO_HINT_BYTES_MAX);
            require(ioOptBytes >= 0 && ioOptBytes <= IO_HINT_BYTES_MAX && ioOptBytes % physical == 0, "ioOptBytes",
                    ioOptBytes, "0 or a multiple of physicalBlockBytes " + physical + " up to " + IO_HINT_BYTES_MAX);
            require(alignmentOffsetBytes >= 0 && alignmentOffsetBytes < ioMin()
                    && alignmentOffsetBytes % logicalBlockBytes == 0, "alignmentOffsetBytes", alignmentOffsetBytes,
                    "a multiple of logicalBlockBytes " + logicalBlockBytes
                            + " below the larger of physicalBlockBytes and ioMinBytes, " + ioMin());
            require(chunkBytes >= 0 && chunkBytes % logicalBlockBytes == 0, "chunkBytes", chunkBytes,
                    "0 or a multiple of logicalBlockBytes " + logicalBlockBytes);
        }

        private void checkSegments() {
            require(requestBytesMax >= logicalBlockBytes && requestBytesMax <= REQUEST_BYTES_MAX
                    && requestBytesMax % logicalBlockBytes == 0, "requestBytesMax", requestBytesMax,
                    "a multiple of logicalBlockBytes " + logicalBlockBytes + " up to " + REQUEST_BYTES_MAX);
            require(segmentsMax >= 1 && segmentsMax <= SEGMENTS_MAX, "segmentsMax", segmentsMax, "1 to 65535");
            require(segmentBytesMax >= logicalBlockBytes && segmentBytesMax <= REQUEST_BYTES_MAX
                    && segmentBytesMax % logicalBlockBytes == 0, "segmentBytesMax", segmentBytesMax,
                    "a multiple of logicalBlockBytes " + logicalBlockBytes + " up to " + REQUEST_BYTES_MAX);
            require(isPowerOfTwo(dmaAlignmentBytes) && dmaAlignmentBytes <= IoBuffer.ALIGNMENT_BYTES,
                    "dmaAlignmentBytes", dmaAlignmentBytes, "a power of two up to " + IoBuffer.ALIGNMENT_BYTES);
            int boundaryMin = Math.max(SEGMENT_BOUNDARY_BYTES_MIN, logicalBlockBytes);
            require(segmentBoundaryBytes == 0
                    || (isPowerOfTwo(segmentBoundaryBytes) && segmentBoundaryBytes >= boundaryMin),
                    "segmentBoundaryBytes", segmentBoundaryBytes,
                    "0 or a power of two, at least " + boundaryMin + ", the larger of a page and logicalBlockBytes");
            require(virtualBoundaryBytes == 0 || (isPowerOfTwo(virtualBoundaryBytes)
                    && virtualBoundaryBytes >= SECTOR_BYTES && virtualBoundaryBytes <= VIRTUAL_BOUNDARY_BYTES_MAX),
                    "virtualBoundaryBytes", virtualBoundaryBytes,
                    "0 or a power of two from 512 to " + VIRTUAL_BOUNDARY_BYTES_MAX);
            require(virtualBoundaryBytes <= segmentBytesRoom(), "virtualBoundaryBytes", virtualBoundaryBytes,
                    "at most the least of segmentBytesMax, requestBytesMax and segmentBoundaryBytes, "
                            + segmentBytesRoom() + ": no two segments could meet at one");
            if (segmentBoundaryBytes != 0 || virtualBoundaryBytes != 0) {
                require(requestBytesMax <= REQUEST_BYTES_MAX / 2, "requestBytesMax", requestBytesMax,
                        "at most " + REQUEST_BYTES_MAX / 2 + " with a segmentBoundaryBytes or virtualBoundaryBytes");
                if (anyMemory) {
                    throw new IllegalArgumentException("anyMemory with segmentBoundaryBytes " + segmentBoundaryBytes
                            + " or virtualBoundaryBytes " + virtualBoundaryBytes
                            + ": memory on the heap has no address that could keep a boundary");
                }
            }
        }

        private void checkRanges() {
            require(discardBytesMax >= 0 && discardBytesMax % logicalBlockBytes == 0, "discardBytesMax",
                    discardBytesMax, "0 or a multiple of logicalBlockBytes " + logicalBlockBytes);
            require(discardGranularityBytes == 0 || isPowerOfTwo(discardGranularityBytes), "discardGranularityBytes",
                    discardGranularityBytes, "0 or a power of two");
            int granularity = discardGranularity();
            require(discardBytesMax == 0 || discardBytesMax >= granularity, "discardBytesMax", discardBytesMax,
                    "0 or at least discardGranularityBytes " + granularity + ": no unit could be freed");
            require(discardAlignmentBytes >= 0 && discardAlignmentBytes < granularity
                    && discardAlignmentBytes % logicalBlockBytes == 0, "discardAlignmentBytes", discardAlignmentBytes,
                    "a multiple of logicalBlockBytes " + logicalBlockBytes + " below discardGranularityBytes "
                            + granularity);
            require(discardRangesMax >= 1 && discardRangesMax <= SEGMENTS_MAX, "discardRangesMax", discardRangesMax,
                    "1 to 65535");
            require(writeZeroesBytesMax >= 0 && writeZeroesBytesMax % logicalBlockBytes == 0, "writeZeroesBytesMax",
                    writeZeroesBytesMax, "0 or a multiple of logicalBlockBytes " + logicalBlockBytes);
        }

        private static boolean isPowerOfTwo(long value) {
            return value > 0 && (value & (value - 1)) == 0;
        }

        private static void require(boolean holds, String name, long value, String possible) {
            if (!holds) {
                throw new IllegalArgumentException(name + " " + value + ": must be " + possible);
            }
        }
    }
}
