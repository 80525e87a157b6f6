package io.blkmq.loop;

import io.blkmq.aio.Errno;
import io.blkmq.core.Disk;
import io.blkmq.core.DiskStatistics;
import io.blkmq.core.Partition;
import io.blkmq.core.QueueLimits;
import io.blkmq.core.driver.CompletionAffinity;
import io.blkmq.core.driver.ElevatorAttribute;
import io.blkmq.core.driver.Elevators;
import io.blkmq.core.driver.RequestQueue;
import java.io.IOException;
import java.math.BigInteger;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import java.util.function.BiFunction;
import java.util.function.Function;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * The attributes of a device, under the names that they have below {@code /sys/block/loopN}: {@code size}, {@code loop/offset},
 * {@code queue/logical_block_size} and so on. Values are text as there, without the new line. Thread-safe.
 *
 * <p>Attributes below {@code loop/} exist only while the device has a file, and can only be read. Attributes below
 * {@code queue/iosched/} are the tunables of the present elevator. Some attributes below {@code queue/} can be written, as in the
 * kernel. A written value holds whatever file the device gets later, with two exceptions: {@code queue/rotational} is set anew with each
 * file, and the tunables go away with their elevator.
 *
 * @since 0.1.0
 */
public final class LoopAttributes {
    private static final int SECTOR = QueueLimits.SECTOR_BYTES;
    private static final int KIB = 1 << 10;
    /** A request carries a page at least. */
    private static final int REQUEST_KIB_MIN = 4;
    /** What is less is taken for this, by {@code queue/nr_requests}. */
    private static final int REQUESTS_MIN = 4;
    /** By the kernel's number. */
    private static final List<CompletionAffinity> AFFINITIES = List.of(CompletionAffinity.ANY, CompletionAffinity.GROUP,
            CompletionAffinity.EXACT);
    private static final String TUNABLES = "queue/iosched/";
    /** No number of more digits means anything. */
    private static final Pattern NUMBER = Pattern.compile("[+-]?[0-9]{1,64}");
    private static final long UNSIGNED_MAX = (1L << Integer.SIZE) - 1;

    private interface Reader {
        /** The value; null if there is none now. */
        @Nullable
        String read(LoopDevice device);
    }

    private interface Writer {
        void write(LoopDevice device, String value) throws IOException;
    }

    private record Attribute(Reader reader, @Nullable Writer writer) {}

    /** Those that every device has, or may have. */
    private static final Map<String, Attribute> FIXED = new LinkedHashMap<>();

    static {
        readOnly("size", device -> Long.toString(device.disk().queue().capacitySectors()));
        readOnly("ro", device -> flag(device.disk().limits().isReadOnly()));
        readOnly("stat", device -> columns(device.disk().statistics().statLine()));
        readOnly("inflight", device -> {
            DiskStatistics now = device.disk().statistics();
            return columns(now.readsInFlight() + " " + now.writesInFlight());
        });
        readOnly("diskseq", device -> Long.toString(device.medium().sequence()));
        readOnly("partscan", device -> flag(device.isPartScan()));
        readOnly("ext_range", _ -> Integer.toString(Partition.INDEX_MAX + 1));
        readOnly("alignment_offset",
                device -> device.disk().limits().isMisaligned()
                        ? "-1"
                        : Integer.toString(device.disk().limits().alignmentOffsetBytes()));
        readOnly("discard_alignment", device -> Integer.toString(device.disk().limits().discardAlignmentBytes()));
        never("removable", "0");
        never("hidden", "0");
        loop("backing_file", (device, _) -> {
            Backing backing = device.medium().backing();
            return backing == null ? null : backing.name();
        });
        loop("offset", (_, status) -> Long.toString(status.offsetBytes()));
        loop("sizelimit", (_, status) -> Long.toString(status.sizeLimitBytes()));
        loop("autoclear", (_, status) -> flag(status.flags().contains(LoopFlag.AUTOCLEAR)));
        loop("partscan", (_, status) -> flag(status.flags().contains(LoopFlag.PARTSCAN)));
        loop("dio", (_, status) -> flag(status.flags().contains(LoopFlag.DIRECT_IO)));
        limit("logical_block_size", QueueLimits::logicalBlockBytes);
        limit("hw_sector_size", QueueLimits::logicalBlockBytes);
        limit("physical_block_size", QueueLimits::physicalBlockBytes);
        limit("minimum_io_size", QueueLimits::ioMinBytes);
        limit("optimal_io_size", QueueLimits::ioOptBytes);
        limit("chunk_sectors", limits -> limits.chunkBytes() / SECTOR);
        readOnly("queue/max_hw_sectors_kb",
                device -> Integer.toString(device.medium().possibleLimits().requestBytesMax() / KIB));
        limit("max_sectors_kb", limits -> limits.requestBytesMax() / KIB, LoopAttributes::setMaxSectors);
        limit("max_segments", QueueLimits::segmentsMax);
        limit("max_segment_size", QueueLimits::segmentBytesMax);
        limit("virt_boundary_mask", limits -> Math.max(0, limits.virtualBoundaryBytes() - 1));
        limit("dma_alignment", limits -> limits.dmaAlignmentBytes() - 1);
        limit("discard_granularity", QueueLimits::discardGranularityBytes);
        readOnly("queue/discard_max_hw_bytes",
                device -> Long.toString(device.medium().possibleLimits().discardBytesMax()));
        limit("discard_max_bytes", QueueLimits::discardBytesMax, LoopAttributes::setDiscardMax);
        limit("max_discard_segments", QueueLimits::discardRangesMax);
        limit("write_zeroes_max_bytes", QueueLimits::writeZeroesBytesMax);
        limit("fua", limits -> limits.hasFua() ? 1 : 0);
        limit("rotational", limits -> limits.isRotational() ? 1 : 0, (device, value) -> {
            boolean rotational = unsigned(value) != 0;
            device.changeLimits(limits -> limits.withRotational(rotational));
        });
        both("queue/write_cache", device -> device.disk().limits().hasWriteCache() ? "write back" : "write through",
                LoopAttributes::setWriteCache);
        queue("scheduler", LoopAttributes::schedulers, (queue, value) -> queue.setElevator(value.strip()));
        queue("nr_requests", queue -> Integer.toString(queue.nrRequests()),
                (queue, value) -> queue.setNrRequests(Math.clamp(unsigned(value), REQUESTS_MIN, Integer.MAX_VALUE)));
        queue("nomerges", queue -> Integer.toString(queue.nomerges()), (queue, value) -> {
            long wanted = unsigned(value);
            queue.setNomerges(wanted == 2 ? 2 : wanted == 0 ? 0 : 1);
        });
        queue("iostats", queue -> flag(queue.iostats()), (queue, value) -> queue.setIostats(unsigned(value) != 0));
        queue("rq_affinity", queue -> Integer.toString(AFFINITIES.indexOf(queue.completionAffinity())),
                (queue, value) -> {
                    long wanted = unsigned(value);
                    // Others are taken, and change nothing.
                    if (wanted < AFFINITIES.size()) {
                        queue.setCompletionAffinity(AFFINITIES.get((int) wanted));
                    }
                });
        queue("io_timeout", queue -> Long.toString(TimeUnit.NANOSECONDS.toMillis(queue.timeoutNanos())),
                (queue, value) -> queue.setTimeoutNanos(TimeUnit.MILLISECONDS.toNanos(unsigned(value))));
        both("queue/io_poll", device -> flag(device.parameters().isPolled()), LoopAttributes::setPoll);
        never("queue/zoned", "none");
        for (String name : List.of("nr_zones", "zone_append_max_bytes", "zone_write_granularity",
                "max_integrity_segments", "atomic_write_boundary_bytes", "atomic_write_max_bytes",
                "atomic_write_unit_max_bytes", "atomic_write_unit_min_bytes", "max_write_streams",
                "write_stream_granularity", "dax")) {
            never("queue/" + name, "0");
        }
    }

    private final LoopDevice device;

    LoopAttributes(LoopDevice device) {
        this.device = device;
    }

    // ---- what there is

    private static void readOnly(String name, Reader reader) {
        FIXED.put(name, new Attribute(reader, null));
    }

    private static void both(String name, Reader reader, Writer writer) {
        FIXED.put(name, new Attribute(reader, writer));
    }

    /** What no device here has, and says so: who asks is not to guess. */
    private static void never(String name, String value) {
        readOnly(name, _ -> value);
    }

    private static void loop(String name, BiFunction<LoopDevice, LoopStatus, @Nullable String> reader) {
        readOnly("loop/" + name, device -> {
            try {
                return reader.apply(device, device.status());
            } catch (LoopException e) {
                return null;
            }
        });
    }

    private static void limit(String name, Function<QueueLimits, Number> reader) {
        readOnly("queue/" + name, device -> reader.apply(device.disk().limits()).toString());
    }

    private static void limit(String name, Function<QueueLimits, Number> reader, Writer writer) {
        both("queue/" + name, device -> reader.apply(device.disk().limits()).toString(), writer);
    }

    private interface QueueWriter {
        void write(RequestQueue queue, String value) throws LoopException;
    }

    /** One that is the queue's own affair. */
    private static void queue(String name, Function<RequestQueue, String> reader, QueueWriter writer) {
        both("queue/" + name, device -> reader.apply(device.disk().queue()), (device, value) -> {
            device.requireNoCompletion("change of " + name);
            try {
                writer.write(device.disk().queue(), value);
            } catch (IllegalArgumentException e) {
                throw new LoopException(Errno.EINVAL, device.name() + ": " + e.getMessage(), e);
            } catch (IllegalStateException e) {
                if (!device.disk().isClosed()) {
                    throw e;
                }
                throw new LoopException(Errno.ENODEV, device.name() + " has been removed", e);
            }
        });
    }

    /** All that there may be now: the fixed ones, those of the elevator, and those of the hardware contexts. */
    private static Map<String, Attribute> all(LoopDevice device) {
        Map<String, Attribute> all = new LinkedHashMap<>(FIXED);
        RequestQueue queue = device.disk().queue();
        queue.elevatorAttributes().forEach((name, tunable) -> all.put(TUNABLES + name,
                new Attribute(_ -> tunable.get(), (_, value) -> tune(tunable, value))));
        for (int i = 0; i < queue.hardwareContexts(); i++) {
            all.put("mq/" + i + "/nr_tags", new Attribute(_ -> Integer.toString(queue.tagSet().depth()), null));
            all.put("mq/" + i + "/nr_reserved_tags",
                    new Attribute(_ -> Integer.toString(queue.tagSet().reservedTags()), null));
        }
        return all;
    }

    private static @Nullable Attribute named(LoopDevice device, String name) {
        Attribute attribute = FIXED.get(name);
        return attribute != null ? attribute : all(device).get(name);
    }

    private static String flag(boolean set) {
        return set ? "1" : "0";
    }

    /** Numbers as wide as in sysfs, where people read them below each other. */
    private static String columns(String numbers) {
        return Stream.of(numbers.split(" ")).map("%8s"::formatted).collect(Collectors.joining(" "));
    }

    /** All that there are, the one at work in brackets. */
    private static String schedulers(RequestQueue queue) {
        String atWork = queue.elevator();
        return Elevators.names().stream().map(name -> name.equals(atWork) ? "[" + name + "]" : name)
                .collect(Collectors.joining(" "));
    }

    // ---- what can be written

    /** A value without the new line that {@code echo} would have put after it. */
    private static String line(String value) {
        return value.endsWith("\n") ? value.substring(0, value.length() - 1) : value;
    }

    private static BigInteger number(String value) throws LoopException {
        String line = line(value);
        if (!NUMBER.matcher(line).matches()) {
            throw new LoopException(Errno.EINVAL, "value '" + line + "': a whole number is needed");
        }
        return new BigInteger(line);
    }

    /** Each number is of 32 bits, as in the kernel, whatever its limit. */
    private static long unsigned(String value) throws LoopException {
        BigInteger number = number(value);
        if (number.signum() < 0 || number.bitLength() > Integer.SIZE) {
            throw new LoopException(Errno.EINVAL, "value " + number + ": 0 to " + UNSIGNED_MAX + " are possible");
        }
        return number.longValue();
    }

    /** In whole blocks; 0 for what is possible, as is more than that. */
    private static void setMaxSectors(LoopDevice device, String value) throws LoopException {
        long kib = unsigned(value);
        if (kib != 0 && kib < REQUEST_KIB_MIN) {
            throw new LoopException(Errno.EINVAL, "max_sectors_kb " + kib + ": 0, for what is possible, or at least "
                    + REQUEST_KIB_MIN + " are needed");
        }
        device.changeLimits(limits -> limits.withRequestBytesMax(kib == 0 ? Long.MAX_VALUE : kib * KIB));
    }

    /** At most what is possible; 0 turns discard off. */
    private static void setDiscardMax(LoopDevice device, String value) throws LoopException {
        long bytes = unsigned(value);
        QueueLimits possible = device.medium().possibleLimits();
        if (bytes % possible.discardGranularityBytes() != 0) {
            throw new LoopException(Errno.EINVAL, "discard_max_bytes " + bytes
                    + ": not a multiple of discard_granularity " + possible.discardGranularityBytes());
        }
        if (bytes != 0 && possible.discardBytesMax() == 0) {
            throw new LoopException(Errno.EINVAL,
                    "discard_max_bytes " + bytes + ": " + device.name() + " has no discard");
        }
        device.changeLimits(limits -> limits.withDiscardBytesMax(bytes));
    }

    private static void setWriteCache(LoopDevice device, String value) throws LoopException {
        boolean cached = switch (line(value)) {
            case "write back" -> true;
            case "write through", "none" -> false;
            default -> throw new LoopException(Errno.EINVAL,
                    "write_cache '" + value + "': write back, write through or none are possible");
        };
        device.changeLimits(limits -> limits.withCached(cached));
    }

    /** A device is polled from the beginning, or never; so a write changes nothing, or is refused. */
    private static void setPoll(LoopDevice device, String value) throws LoopException {
        if (!device.parameters().isPolled()) {
            throw new LoopException(Errno.EINVAL,
                    "io_poll " + line(value) + ": " + device.name() + " was made with parameters that are not polled");
        }
        var _ = unsigned(value);
    }

    /** The nearest that is possible; what no number of its kind can be is refused. */
    private static void tune(ElevatorAttribute tunable, String value) throws LoopException {
        BigInteger number = number(value);
        boolean wide = tunable.max() > Integer.MAX_VALUE;
        boolean signed = !wide || tunable.min() < 0;
        if (!signed && number.signum() < 0) {
            throw new LoopException(Errno.EINVAL, tunable.name() + " " + number + ": at least 0 is needed");
        }
        if (number.bitLength() > (wide ? Long.SIZE : Integer.SIZE) - (signed ? 1 : 0)) {
            throw new LoopException(Errno.ERANGE,
                    tunable.name() + " " + number + ": " + tunable.min() + " to " + tunable.max() + " are possible");
        }
        BigInteger nearest = number.max(BigInteger.valueOf(tunable.min())).min(BigInteger.valueOf(tunable.max()));
        tunable.set(nearest.toString());
    }

    // ---- for users

    /**
     * The attributes that there are now.
     *
     * @return their names; names below {@code loop/} only while the device has a file
     */
    public List<String> names() {
        return all(device).entrySet().stream().filter(entry -> entry.getValue().reader.read(device) != null)
                .map(Map.Entry::getKey).toList();
    }

    /** All names, of those too that are there only while the device has a file. */
    List<String> allNames() {
        return List.copyOf(all(device).keySet());
    }

    /**
     * Whether an attribute can be written.
     *
     * @param name the attribute
     * @return false also if no attribute has that name
     */
    public boolean isWritable(String name) {
        Attribute attribute = named(device, name);
        return attribute != null && attribute.writer != null;
    }

    /**
     * The value of an attribute.
     *
     * @param name the attribute
     * @return its value now
     * @throws LoopException with ENOENT if no attribute has that name now
     */
    public String get(String name) throws LoopException {
        Attribute attribute = find(name);
        String value = attribute.reader.read(device);
        if (value == null) {
            throw missing(name);
        }
        return value;
    }

    /**
     * Changes an attribute.
     *
     * @param name the attribute
     * @param value its new value
     * @throws LoopException with ENOENT if no attribute has that name, EACCES if it can only be read, EINVAL or ERANGE if the
     *         value is not possible, with the possible values; ENODEV if the device has been removed
     * @throws IOException if the change fails otherwise
     * @throws IllegalStateException if called by a completion
     */
    public void set(String name, String value) throws IOException {
        Attribute attribute = find(name);
        if (attribute.writer == null) {
            throw new LoopException(Errno.EACCES, device.name() + ": " + name + " can only be read");
        }
        Objects.requireNonNull(value, "value");
        attribute.writer.write(device, value);
    }

    private Attribute find(String name) throws LoopException {
        Attribute attribute = named(device, name);
        if (attribute == null) {
            throw missing(name);
        }
        return attribute;
    }

    private LoopException missing(String name) {
        return new LoopException(Errno.ENOENT, device.name() + " has no attribute " + name + "; it has " + names());
    }

    @Override
    public String toString() {
        Disk disk = device.disk();
        return "attributes of " + disk.name() + " " + names();
    }
}
