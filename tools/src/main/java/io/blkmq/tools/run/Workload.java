package io.blkmq.tools.run;

import io.blkmq.core.QueueLimits;
import io.blkmq.runtime.IoBuffer;
import io.blkmq.tools.device.Backing;
import io.blkmq.tools.device.Device;
import io.blkmq.tools.job.AccessPattern;
import io.blkmq.tools.job.BlockSizes;
import io.blkmq.tools.job.ByDirection;
import io.blkmq.tools.job.Direction;
import io.blkmq.tools.job.Distribution;
import io.blkmq.tools.job.Extent;
import io.blkmq.tools.job.JobSpec;
import io.blkmq.tools.job.Key;
import io.blkmq.tools.job.SizeRange;
import io.blkmq.tools.job.SteadyGoal;
import io.blkmq.tools.job.UsageException;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * What one thread does on its devices, all of it known: the job as far as the devices let it. Immutable.
 *
 * @param job whose it is
 * @param parts where: the parts of devices that it uses, at least one
 * @param pattern what it does; {@link #planned} is what it would do if it did not only verify
 * @param sizes how long its operations are
 * @param units what lengths and offsets are a multiple of, in bytes
 * @param verifyUnitBytes how long the blocks are that carry a header; 0 if nothing is verified
 * @param bytes how many it moves
 * @param seed what its random numbers begin with
 * @param depth how many operations are in flight
 * @param batchMax the most operations submitted together
 * @param completeMax the most completions taken together
 * @param notes what is otherwise than the job says
 */
record Workload(JobClone job, List<Part> parts, AccessPattern pattern, ByDirection<BlockSizes> sizes,
        ByDirection<Integer> units, int verifyUnitBytes, long bytes, long seed, int depth, int batchMax,
        int completeMax, List<String> notes) {
    /** A plug goes down by itself with that many. */
    private static final int BATCH_MAX = 32;
    private static final long MEMORY_BYTES_MAX = 1L << 30;

    /**
     * A part of a device that a job uses.
     *
     * @param device the device
     * @param user which of the device's users the job is, from 0
     * @param offsetBytes where the part begins
     * @param bytes how long it is
     */
    record Part(Device device, int user, long offsetBytes, long bytes) {
        boolean overlaps(Part other) {
            return device == other.device && offsetBytes < other.offsetBytes + other.bytes
                    && other.offsetBytes < offsetBytes + bytes;
        }
    }

    /**
     * Fits a job to its devices.
     *
     * @throws UsageException naming what does not fit
     */
    static Workload of(JobClone job, Function<String, Device> devices) throws UsageException {
        JobSpec spec = job.spec();
        AccessPattern pattern = spec.plannedPattern();
        checkVerifyOnly(spec, pattern);
        ByDirection<BlockSizes> sizes = new ByDirection<>(spec.plannedSizes(Direction.READ),
                spec.plannedSizes(Direction.WRITE), spec.plannedSizes(Direction.TRIM));
        ByDirection<Integer> units = new ByDirection<>(unit(sizes.read()), unit(sizes.write()), unit(sizes.trim()));
        List<Part> parts = new ArrayList<>();
        List<String> notes = new ArrayList<>();
        int unit = commonUnit(pattern, units);
        for (JobClone.DeviceUse use : job.devices()) {
            Device device = devices.apply(use.name());
            checkUnits(spec, pattern, units, device);
            checkAccess(spec, spec.accessPattern(), device);
            parts.addAll(parts(job, device, use, unit, largestUnit(pattern, units), notes));
        }
        checkMemory(spec);
        checkSteadiness(spec);
        checkClock(spec);
        int verifyUnit = verifyUnit(spec, pattern, units, parts);
        checkMap(spec, pattern, units, parts);
        checkGaps(spec, pattern, verifyUnit, parts);
        if (batchSaid(spec) > BATCH_MAX) {
            notes.add("job " + spec.name() + ": a plug holds " + BATCH_MAX + " operations, so " + BATCH_MAX
                    + " are submitted together and not " + batchSaid(spec));
        }
        return new Workload(job, List.copyOf(parts), spec.accessPattern(), sizes, units, verifyUnit, bytes(spec, parts),
                XorShift.mix(seed(spec) + job.number()), depth(spec, backing(job, devices)), batchMax(spec),
                completeMax(spec), List.copyOf(notes));
    }

    private static @Nullable Backing backing(JobClone job, Function<String, Device> devices) {
        return devices.apply(job.devices().getFirst().name()).backing();
    }

    /** How many operations a job has in flight on a device: one, where the engine below the device is a blocking call. */
    static int depth(JobSpec spec, @Nullable Backing backing) {
        boolean hasEngine = backing == null || backing.kind() == Backing.Kind.FILE;
        return hasEngine && spec.engine().isSynchronous() && spec.workers().isEmpty() ? 1 : spec.depth();
    }

    private static long seed(JobSpec spec) {
        boolean repeats = spec.has(Key.RANDSEED) || (spec.flag(Key.RANDREPEAT) && spec.flag(Key.ALLRANDREPEAT));
        return repeats ? spec.seed() : spec.seed() ^ System.nanoTime();
    }

    private static UsageException refused(JobSpec spec, Key key, String message) {
        return new UsageException(spec.location(key), "job " + spec.name() + ": " + message);
    }

    private static int unit(BlockSizes sizes) {
        return sizes.weights().isEmpty()
                ? sizes.min()
                : sizes.weights().stream().map(weight -> BigInteger.valueOf(weight.bytes())).reduce(BigInteger::gcd)
                        .orElseThrow().intValue();
    }

    /** What everything that a job does is a multiple of. */
    private static int commonUnit(AccessPattern pattern, ByDirection<Integer> units) {
        int unit = 0;
        for (Direction direction : Direction.values()) {
            if (pattern.has(direction)) {
                unit = BigInteger.valueOf(unit).gcd(BigInteger.valueOf(units.of(direction))).intValue();
            }
        }
        return unit;
    }

    private static int largestUnit(AccessPattern pattern, ByDirection<Integer> units) {
        int unit = 0;
        for (Direction direction : Direction.values()) {
            unit = pattern.has(direction) ? Math.max(unit, units.of(direction)) : unit;
        }
        return unit;
    }

    private static void checkUnits(JobSpec spec, AccessPattern pattern, ByDirection<Integer> units, Device device)
            throws UsageException {
        int block = device.disk().limits().logicalBlockBytes();
        Key key = spec.has(Key.BSSPLIT) ? Key.BSSPLIT : spec.has(Key.BSRANGE) ? Key.BSRANGE : Key.BS;
        for (Direction direction : Direction.values()) {
            if (pattern.has(direction) && units.of(direction) % block != 0) {
                throw refused(spec, key, "operations of " + units.of(direction)
                        + " bytes: not a multiple of the block size of " + block + " bytes of device " + device.name());
            }
        }
        long interval = spec.amount(Key.VERIFY_INTERVAL);
        if (spec.isVerified() && interval != 0) {
            int of = pattern.writes() ? units.write() : units.read();
            if (of % interval != 0) {
                throw refused(spec, Key.VERIFY_INTERVAL,
                        "verify_interval " + interval + " does not divide the block size of " + of);
            }
        }
    }

    private static void checkVerifyOnly(JobSpec spec, AccessPattern planned) throws UsageException {
        if (!spec.flag(Key.VERIFY_ONLY)) {
            return;
        }
        if (!spec.isVerified()) {
            throw refused(spec, Key.VERIFY_ONLY, "verify_only needs verify");
        }
        if (planned.trims() && !planned.writes()) {
            throw refused(spec, Key.VERIFY_ONLY, "rw=" + planned.keyValue() + " writes nothing that could be verified");
        }
    }

    /** An operation begins where a block of the device does, and where a block that is verified does. */
    private static void checkGaps(JobSpec spec, AccessPattern pattern, int verifyUnit, List<Part> parts)
            throws UsageException {
        int blocks = parts.stream().mapToInt(part -> part.device.disk().limits().logicalBlockBytes()).max().orElse(1);
        int least = Math.max(blocks, verifyUnit);
        String of = least + " bytes of a block" + (verifyUnit > blocks ? " that is verified" : " of the device");
        long gap = Math.abs(spec.patternModifier());
        if (!pattern.isRandom() && gap % least != 0) {
            throw refused(spec, Key.RW, "rw=" + pattern.keyValue() + ":N leaves out " + gap
                    + " bytes, which is not a multiple of the " + of);
        }
        for (Direction direction : Direction.values()) {
            long align = spec.amount(Key.BLOCKALIGN, direction);
            if (pattern.isRandom() && pattern.has(direction) && align % least != 0) {
                throw refused(spec, Key.BLOCKALIGN,
                        "blockalign of " + align + " bytes, which is not a multiple of the " + of);
            }
        }
    }

    private static void checkAccess(JobSpec spec, AccessPattern pattern, Device device) throws UsageException {
        if ((pattern.writes() || pattern.trims()) && device.disk().limits().isReadOnly()) {
            throw refused(spec, Key.RW, "writes, but device " + device.name() + " is read-only");
        }
        if (pattern.trims() && device.disk().limits().discardBytesMax() == 0) {
            throw refused(spec, Key.RW, "device " + device.name() + " (" + device.mode() + ") cannot discard");
        }
        if (spec.isVerified() && !device.keepsData()) {
            throw refused(spec, Key.VERIFY,
                    "device " + device.name() + " keeps no data that could be verified (" + device.mode() + ")");
        }
    }

    // ---- parts

    private static List<Part> parts(JobClone job, Device device, JobClone.DeviceUse use, int unit, int largest,
            List<String> notes) throws UsageException {
        JobSpec spec = job.spec();
        long deviceBytes = device.disk().sizeBytes();
        long offset = offset(job, device, deviceBytes, unit);
        int files = spec.files();
        long[] each = fileBytes(spec, files);
        long sum = sum(spec, each);
        long wanted = sum != 0
                ? sum
                : spec.size().map(size -> share(size, spec, job.devices().size()).of(deviceBytes))
                        .orElse(deviceBytes - offset);
        long there = Math.min(wanted, deviceBytes - offset);
        if (there < largest) {
            throw refused(spec, Key.SIZE, "device " + device.name() + " has " + deviceBytes + " bytes: no block of "
                    + largest + " bytes fits between offset " + offset + " and the end of the job's " + wanted);
        }
        if (wanted > there) {
            notes.add("job " + spec.name() + ": size " + wanted + " reaches past the end of device " + device.name()
                    + " of " + deviceBytes + " bytes, so " + there + " bytes are used");
        }
        List<Part> parts = new ArrayList<>();
        long at = offset;
        for (int i = 0; i < files; i++) {
            long bytes = (sum != 0 ? Math.min(each[i], offset + there - at) : there / files) / unit * unit;
            if (bytes < largest) {
                throw refused(spec, Key.NRFILES, "no block of " + largest + " bytes fits into a file of " + bytes
                        + " bytes, of " + files + " in " + there);
            }
            parts.add(new Part(device, use.index(), at, bytes));
            at += bytes;
        }
        return parts;
    }

    private static long sum(JobSpec spec, long... sizes) throws UsageException {
        try {
            long sum = 0;
            for (long bytes : sizes) {
                sum = Math.addExact(sum, bytes);
            }
            return sum;
        } catch (ArithmeticException e) {
            throw refused(spec, Key.FILESIZE, "the sizes of " + sizes.length + " files exceed 63 bits");
        }
    }

    /** A size is of all devices of a job together. */
    private static Extent share(Extent size, JobSpec spec, int devices) {
        return size.percent() || devices == 1 || spec.has(Key.FILESIZE)
                ? size
                : new Extent(size.value() / devices, false);
    }

    /** How long each file is, if the job says so. */
    private static long[] fileBytes(JobSpec spec, int files) {
        Object said = spec.optional(Key.FILESIZE).orElse(null);
        long[] bytes = new long[files];
        if (said != null) {
            SizeRange range = (SizeRange) said;
            XorShift random = new XorShift(spec.seed() ^ 3);
            for (int i = 0; i < files; i++) {
                bytes[i] = range.minBytes() + (range.maxBytes() == range.minBytes()
                        ? 0
                        : random.below((range.maxBytes() - range.minBytes()) / QueueLimits.SECTOR_BYTES + 1)
                                * QueueLimits.SECTOR_BYTES);
            }
        }
        return bytes;
    }

    private static long offset(JobClone job, Device device, long deviceBytes, int unit) throws UsageException {
        JobSpec spec = job.spec();
        int block = device.disk().limits().logicalBlockBytes();
        long said = spec.amount(Key.OFFSET_ALIGN);
        long align = said == 0 ? unit : said;
        long first = placed(spec.offset(), deviceBytes, align);
        long step = placed(spec.offsetIncrement(), deviceBytes, align);
        long offset = step != 0 && job.index() > (Long.MAX_VALUE - first) / step
                ? Long.MAX_VALUE / block * block
                : first + step * job.index();
        if (offset % block != 0) {
            throw refused(spec, Key.OFFSET, "offset " + offset + ": not a multiple of the block size of " + block
                    + " bytes of device " + device.name());
        }
        if (offset >= deviceBytes || offset < 0) {
            throw refused(spec, Key.OFFSET, "offset " + offset + " is past the end of device " + device.name() + " of "
                    + deviceBytes + " bytes");
        }
        return offset;
    }

    private static long placed(Extent extent, long deviceBytes, long align) {
        long at = extent.of(deviceBytes);
        return extent.percent() ? Math.ceilDiv(at, align) * align : at;
    }

    private static long bytes(JobSpec spec, List<Part> parts) {
        long all = parts.stream().mapToLong(Part::bytes).sum();
        long once = spec.ioSize().map(size -> size.of(all)).orElseGet(() -> sizeOfFiles(spec, all));
        long loops = spec.count(Key.LOOPS);
        return once > Long.MAX_VALUE / loops ? Long.MAX_VALUE : once * loops;
    }

    /** How much is done of files whose sizes the job gives: by {@code size} perhaps less than all. */
    private static long sizeOfFiles(JobSpec spec, long all) {
        return spec.has(Key.FILESIZE) ? spec.size().map(size -> Math.min(all, size.of(all))).orElse(all) : all;
    }

    // ---- bounds

    private static int verifyUnit(JobSpec spec, AccessPattern pattern, ByDirection<Integer> units, List<Part> parts)
            throws UsageException {
        if (!spec.isVerified()) {
            return 0;
        }
        int interval = (int) spec.amount(Key.VERIFY_INTERVAL);
        int unit = interval != 0 ? interval : pattern.writes() ? units.write() : units.read();
        if (pattern.isMixed() && units.read() % unit != 0) {
            throw refused(spec, Key.VERIFY, "reads of " + units.read() + " bytes and blocks to verify of " + unit
                    + ": verify_interval has to divide both");
        }
        int least = Seal.headerBytes(spec.verification());
        if (unit < least) {
            throw refused(spec, Key.VERIFY, "blocks of " + unit + " bytes: " + spec.verification().keyValue()
                    + " needs " + least + " bytes for its header");
        }
        long blocks = parts.stream().mapToLong(part -> part.bytes / unit).sum();
        if (blocks > Verifier.UNITS_MAX) {
            throw refused(spec, Key.VERIFY,
                    blocks + " blocks to verify: " + Verifier.UNITS_MAX + " are possible, so make size smaller");
        }
        return unit;
    }

    private static void checkMap(JobSpec spec, AccessPattern pattern, ByDirection<Integer> units, List<Part> parts)
            throws UsageException {
        if (!pattern.isRandom() || spec.mayRepeatOffsets() || spec.flag(Key.SOFTRANDOMMAP)) {
            return;
        }
        for (Direction direction : Direction.values()) {
            long blocks = parts.stream().mapToLong(part -> part.bytes / units.of(direction)).max().orElse(0);
            if (pattern.has(direction) && blocks > UsedUnits.UNITS_MAX) {
                throw refused(spec, Key.SIZE, blocks + " blocks: the map of random offsets has room for "
                        + UsedUnits.UNITS_MAX + ", so make size smaller or set norandommap");
            }
        }
    }

    private static void checkSteadiness(JobSpec spec) throws UsageException {
        if (!spec.has(Key.SS)) {
            return;
        }
        long interval = spec.amount(Key.SS_INTERVAL);
        if (interval == 0) {
            throw refused(spec, Key.SS_INTERVAL, "ss_interval is 0: a measurement takes some time");
        }
        if (spec.amount(Key.SS_DUR) < interval) {
            throw refused(spec, Key.SS_DUR, "ss needs ss_dur, of at least one ss_interval");
        }
        if (spec.amount(Key.SS_DUR) / interval > SteadyState.MEASUREMENTS_MAX) {
            throw refused(spec, Key.SS_DUR, "ss_dur has " + spec.amount(Key.SS_DUR) / interval
                    + " measurements of ss_interval: " + SteadyState.MEASUREMENTS_MAX + " are possible");
        }
        if (((SteadyGoal) spec.optional(Key.SS).orElseThrow()).measure() == SteadyGoal.Measure.LAT) {
            for (Key key : List.of(Key.GTOD_REDUCE, Key.DISABLE_LAT)) {
                if (spec.flag(key)) {
                    throw refused(spec, Key.SS, "ss=lat needs latencies, and " + key.keyName() + " keeps none");
                }
            }
        }
    }

    private static void checkClock(JobSpec spec) throws UsageException {
        if (!spec.isClockReduced()) {
            return;
        }
        for (Key key : List.of(Key.MAX_LATENCY, Key.LATENCY_TARGET, Key.WRITE_BW_LOG, Key.WRITE_LAT_LOG,
                Key.WRITE_IOPS_LOG)) {
            boolean none = !spec.has(key) || (key == Key.LATENCY_TARGET && spec.amount(key) == 0)
                    || (key == Key.MAX_LATENCY
                            && Arrays.stream(Direction.values()).allMatch(each -> spec.amount(key, each) == 0));
            if (!none) {
                throw refused(spec, key,
                        key.keyName() + " needs the time of each operation, and gtod_reduce takes none");
            }
        }
    }

    private static void checkMemory(JobSpec spec) throws UsageException {
        long memory = (long) spec.depth() * strideBytes(spec);
        if (memory > MEMORY_BYTES_MAX) {
            throw refused(spec, Key.IODEPTH, spec.depth() + " operations of up to " + spec.blockBytesMax()
                    + " bytes need " + memory + " bytes of memory: " + MEMORY_BYTES_MAX + " are possible");
        }
    }

    private static int batchMax(JobSpec spec) {
        return Math.min(batchSaid(spec), BATCH_MAX);
    }

    private static int batchSaid(JobSpec spec) {
        int said = spec.count(Key.IODEPTH_BATCH_SUBMIT);
        return said == 0 ? spec.depth() : Math.min(said, spec.depth());
    }

    private static int completeMax(JobSpec spec) {
        int least = Math.max(1, spec.count(Key.IODEPTH_BATCH_COMPLETE_MIN));
        return Math.max(least, spec.optionalCount(Key.IODEPTH_BATCH_COMPLETE_MAX).orElse(least));
    }

    /** Whole pages, unless several operations fit into one. */
    private static int strideBytes(JobSpec spec) {
        int max = Math.max(spec.blockBytesMax(), QueueLimits.SECTOR_BYTES);
        int alignment = max > IoBuffer.ALIGNMENT_BYTES / 2 ? IoBuffer.ALIGNMENT_BYTES : QueueLimits.SECTOR_BYTES;
        return Math.ceilDiv(max, alignment) * alignment;
    }

    JobSpec spec() {
        return job.spec();
    }

    /** What its choices are of: what it does, or would do if it did not only verify. */
    AccessPattern planned() {
        return spec().plannedPattern();
    }

    /** How far the operations in flight are apart in memory. */
    int strideBytes() {
        return strideBytes(spec());
    }

    /** Whether random offsets are each used once. */
    boolean hasMap() {
        return pattern.isRandom() && !spec().mayRepeatOffsets()
                && spec().distribution().kind() == Distribution.Kind.RANDOM
                && parts.stream().allMatch(part -> part.bytes / commonUnit(planned(), units) <= UsedUnits.UNITS_MAX);
    }

    /** Whether one of two jobs waits for the end of the other. */
    boolean isOrdered(Workload other) {
        return job.after().contains(other.job.number()) || other.job.after().contains(job.number());
    }

    /** Whether two jobs touch the same bytes. */
    boolean overlaps(Workload other) {
        return parts.stream().anyMatch(mine -> other.parts.stream().anyMatch(mine::overlaps));
    }

    @Override
    public String toString() {
        return Objects.toString(job);
    }
}
