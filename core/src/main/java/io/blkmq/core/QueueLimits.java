package io.blkmq.core;

/**
 * What a device can take, validated when built. Everything that reaches a driver is within its queue's limits. The kernel's
 * counterpart is {@code struct queue_limits}; lengths are in bytes and not in sectors. Immutable.
 */
public final class QueueLimits {
    /** The unit of addresses: a sector of 512 bytes, whatever the block size. */
    public static final int SECTOR_BYTES = 512;
    /** The largest logical block size. */
    public static final int LOGICAL_BLOCK_BYTES_MAX = 65536;
    /** The largest number of bytes that one request can carry. */
    public static final long REQUEST_BYTES_MAX = 1L << 30;

    private final int logicalBlockBytes;
    private final int physicalBlockBytes;
    private final int requestBytesMax;
    private final int segmentsMax;
    private final int segmentBytesMax;
    private final int dmaAlignmentBytes;
    private final long discardBytesMax;
    private final int discardGranularityBytes;
    private final long writeZeroesBytesMax;
    private final boolean writeCache;
    private final boolean fua;
    private final boolean readOnly;
    private final boolean anyMemory;

    private QueueLimits(Builder b) {
        this.logicalBlockBytes = b.logicalBlockBytes;
        this.physicalBlockBytes = Math.max(b.physicalBlockBytes, b.logicalBlockBytes);
        this.requestBytesMax = (int) b.requestBytesMax;
        this.segmentsMax = b.segmentsMax;
        this.segmentBytesMax = (int) Math.min(b.segmentBytesMax, b.requestBytesMax);
        this.dmaAlignmentBytes = b.dmaAlignmentBytes;
        this.discardBytesMax = b.discardBytesMax;
        this.discardGranularityBytes = Math.max(b.discardGranularityBytes, b.logicalBlockBytes);
        this.writeZeroesBytesMax = b.writeZeroesBytesMax;
        this.writeCache = b.writeCache;
        this.fua = b.fua;
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
        b.dmaAlignmentBytes = dmaAlignmentBytes;
        b.discardBytesMax = discardBytesMax;
        b.discardGranularityBytes = discardGranularityBytes;
        b.writeZeroesBytesMax = writeZeroesBytesMax;
        b.writeCache = writeCache;
        b.fua = fua;
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
     * The largest piece of memory.
     *
     * @return bytes
     */
    public int segmentBytesMax() {
        return segmentBytesMax;
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
     * The unit that a discard frees.
     *
     * @return bytes
     */
    public int discardGranularityBytes() {
        return discardGranularityBytes;
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
     * @return true if FUA goes down to the driver
     */
    public boolean hasFua() {
        return fua;
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

    /** Builds limits. For one thread. */
    public static final class Builder {
        private int logicalBlockBytes = SECTOR_BYTES;
        private int physicalBlockBytes;
        private long requestBytesMax = 1280 << 10;
        private int segmentsMax = 128;
        private long segmentBytesMax = 64 << 10;
        private int dmaAlignmentBytes = 1;
        private long discardBytesMax;
        private int discardGranularityBytes;
        private long writeZeroesBytesMax;
        private boolean writeCache;
        private boolean fua;
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

        /**
         * Checks and builds.
         *
         * @return the limits
         * @throws IllegalArgumentException naming the limit that is wrong, its value and what is possible
         */
        public QueueLimits build() {
            require(isPowerOfTwo(logicalBlockBytes) && logicalBlockBytes >= SECTOR_BYTES
                    && logicalBlockBytes <= LOGICAL_BLOCK_BYTES_MAX, "logicalBlockBytes", logicalBlockBytes,
                    "a power of two from 512 to 65536");
            require(physicalBlockBytes == 0
                    || (isPowerOfTwo(physicalBlockBytes) && physicalBlockBytes >= logicalBlockBytes),
                    "physicalBlockBytes", physicalBlockBytes,
                    "0 or a power of two, at least logicalBlockBytes " + logicalBlockBytes);
            require(requestBytesMax >= logicalBlockBytes && requestBytesMax <= REQUEST_BYTES_MAX
                    && requestBytesMax % logicalBlockBytes == 0, "requestBytesMax", requestBytesMax,
                    "a multiple of logicalBlockBytes " + logicalBlockBytes + " up to " + REQUEST_BYTES_MAX);
            require(segmentsMax >= 1 && segmentsMax <= 65535, "segmentsMax", segmentsMax, "1 to 65535");
            require(segmentBytesMax >= logicalBlockBytes && segmentBytesMax <= REQUEST_BYTES_MAX
                    && segmentBytesMax % logicalBlockBytes == 0, "segmentBytesMax", segmentBytesMax,
                    "a multiple of logicalBlockBytes " + logicalBlockBytes + " up to " + REQUEST_BYTES_MAX);
            require(isPowerOfTwo(dmaAlignmentBytes) && dmaAlignmentBytes <= IoBuffer.ALIGNMENT_BYTES,
                    "dmaAlignmentBytes", dmaAlignmentBytes, "a power of two up to " + IoBuffer.ALIGNMENT_BYTES);
            require(discardBytesMax >= 0 && discardBytesMax % logicalBlockBytes == 0, "discardBytesMax",
                    discardBytesMax, "0 or a multiple of logicalBlockBytes " + logicalBlockBytes);
            require(discardGranularityBytes == 0 || isPowerOfTwo(discardGranularityBytes), "discardGranularityBytes",
                    discardGranularityBytes, "0 or a power of two");
            require(writeZeroesBytesMax >= 0 && writeZeroesBytesMax % logicalBlockBytes == 0, "writeZeroesBytesMax",
                    writeZeroesBytesMax, "0 or a multiple of logicalBlockBytes " + logicalBlockBytes);
            if (fua && !writeCache) {
                throw new IllegalArgumentException("fua without writeCache: there is nothing to write through");
            }
            return new QueueLimits(this);
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
