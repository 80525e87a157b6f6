package io.blkmq.tools.run;

import io.blkmq.core.QueueLimits;
import io.blkmq.runtime.IoBuffer;
import io.blkmq.tools.device.Device;
import io.blkmq.tools.job.AccessPattern;
import io.blkmq.tools.job.BlockSizes;
import io.blkmq.tools.job.JobSpec;
import io.blkmq.tools.job.Key;
import io.blkmq.tools.job.UsageException;
import java.math.BigInteger;
import java.util.Optional;

/**
 * What one thread does on its device, all of it known: the job as far as the device lets it. Immutable.
 *
 * @param job whose it is
 * @param device where
 * @param pattern what it does
 * @param sizes how long its operations are
 * @param unitBytes what all lengths and offsets are a multiple of
 * @param offsetBytes where its part of the device begins
 * @param units how long that is
 * @param seed what its random numbers begin with
 * @param batchMax the most operations submitted together
 * @param completeMax the most completions taken together
 */
record Workload(JobClone job, Device device, AccessPattern pattern, BlockSizes sizes, int unitBytes, long offsetBytes,
        long units, long seed, int batchMax, int completeMax) {
    /** A plug goes down by itself with that many. */
    private static final int BATCH_MAX = 32;
    private static final long MEMORY_BYTES_MAX = 1L << 30;

    /**
     * Fits a job to its device.
     *
     * @throws UsageException naming what does not fit
     */
    static Workload of(JobClone job, Device device) throws UsageException {
        JobSpec spec = job.spec();
        int unit = unit(spec, device);
        long deviceBytes = device.disk().sizeBytes();
        long offset = offset(spec, device, deviceBytes);
        long wanted = spec.size().map(size -> size.of(deviceBytes)).orElse(deviceBytes - offset);
        long units = Math.min(wanted, deviceBytes - offset) / unit;
        if (units == 0) {
            throw refused(spec, Key.SIZE, "device " + device.name() + " has " + deviceBytes + " bytes: no block of "
                    + unit + " bytes fits between offset " + offset + " and the end of the job's " + wanted);
        }
        checkAccess(spec, device, units);
        checkMemory(spec);
        return new Workload(job, device, spec.accessPattern(), spec.blockSizes(), unit, offset, units,
                XorShift.mix(spec.seed() + job.number()), batchMax(spec), completeMax(spec));
    }

    private static UsageException refused(JobSpec spec, Key key, String message) {
        return new UsageException(spec.location(key), "job " + spec.name() + ": " + message);
    }

    private static int unit(JobSpec spec, Device device) throws UsageException {
        BlockSizes sizes = spec.blockSizes();
        AccessPattern pattern = spec.accessPattern();
        int unit = !pattern.writes()
                ? sizes.readMin()
                : !pattern.reads()
                        ? sizes.writeMin()
                        : BigInteger.valueOf(sizes.readMin()).gcd(BigInteger.valueOf(sizes.writeMin())).intValue();
        int block = device.disk().limits().logicalBlockBytes();
        if (unit % block != 0) {
            Key key = spec.options().containsKey(Key.BSRANGE.keyName()) ? Key.BSRANGE : Key.BS;
            throw refused(spec, key, "operations of " + unit + " bytes: not a multiple of the block size of " + block
                    + " bytes of device " + device.name());
        }
        return unit;
    }

    private static long offset(JobSpec spec, Device device, long deviceBytes) throws UsageException {
        int block = device.disk().limits().logicalBlockBytes();
        long offset = spec.offset().of(deviceBytes);
        if (spec.offset().percent()) {
            return offset / block * block;
        }
        if (offset % block != 0) {
            throw refused(spec, Key.OFFSET, "offset " + offset + ": not a multiple of the block size of " + block
                    + " bytes of device " + device.name());
        }
        if (offset >= deviceBytes) {
            throw refused(spec, Key.OFFSET, "offset " + offset + " is past the end of device " + device.name() + " of "
                    + deviceBytes + " bytes");
        }
        return offset;
    }

    private static void checkAccess(JobSpec spec, Device device, long units) throws UsageException {
        if (spec.accessPattern().writes() && device.disk().limits().isReadOnly()) {
            throw refused(spec, Key.RW, "writes, but device " + device.name() + " is read-only");
        }
        if (spec.isVerified() && !device.keepsData()) {
            throw refused(spec, Key.VERIFY,
                    "device " + device.name() + " keeps no data that could be verified (" + device.mode() + ")");
        }
        if (spec.isVerified() && units > Verifier.UNITS_MAX) {
            throw refused(spec, Key.VERIFY,
                    units + " blocks to verify: " + Verifier.UNITS_MAX + " are possible, so make size smaller");
        }
        if (spec.accessPattern().isRandom() && !spec.mayRepeatOffsets() && units > UsedUnits.UNITS_MAX) {
            throw refused(spec, Key.SIZE, units + " blocks: the map of random offsets has room for "
                    + UsedUnits.UNITS_MAX + ", so make size smaller or set norandommap");
        }
    }

    private static void checkMemory(JobSpec spec) throws UsageException {
        long memory = (long) spec.depth() * strideBytes(spec.blockSizes());
        if (memory > MEMORY_BYTES_MAX) {
            throw refused(spec, Key.IODEPTH, spec.depth() + " operations of up to " + spec.blockSizes().max()
                    + " bytes need " + memory + " bytes of memory: " + MEMORY_BYTES_MAX + " are possible");
        }
    }

    private static int batchMax(JobSpec spec) {
        int said = spec.batchSubmit().orElse(BATCH_MAX);
        return Math.min(said == 0 ? spec.depth() : said, BATCH_MAX);
    }

    private static int completeMax(JobSpec spec) {
        int said = spec.batchCompleteMax().orElse(0);
        return said == 0 ? Integer.MAX_VALUE : Math.max(said, spec.batchCompleteMin());
    }

    /** Whole pages, unless several operations fit into one. */
    private static int strideBytes(BlockSizes sizes) {
        int alignment = sizes.max() > IoBuffer.ALIGNMENT_BYTES / 2
                ? IoBuffer.ALIGNMENT_BYTES
                : QueueLimits.SECTOR_BYTES;
        return Math.ceilDiv(sizes.max(), alignment) * alignment;
    }

    JobSpec spec() {
        return job.spec();
    }

    /** How far the operations in flight are apart in memory. */
    int strideBytes() {
        return strideBytes(sizes);
    }

    /** How many bytes the job moves in a pass. */
    long bytes() {
        return units * unitBytes;
    }

    /** A device that is smaller than the job is used as far as it goes, as fio does with block devices. */
    Optional<String> cutNote() {
        long deviceBytes = device.disk().sizeBytes();
        return spec().size().map(size -> size.of(deviceBytes)).filter(size -> size > deviceBytes - offsetBytes)
                .map(size -> "job " + spec().name() + ": size " + size + " reaches past the end of device "
                        + device.name() + " of " + deviceBytes + " bytes, so " + bytes() + " bytes are used");
    }

    /** Whether two jobs touch the same bytes. */
    boolean overlaps(Workload other) {
        return device == other.device && offsetBytes < other.offsetBytes + other.bytes()
                && other.offsetBytes < offsetBytes + bytes();
    }
}
