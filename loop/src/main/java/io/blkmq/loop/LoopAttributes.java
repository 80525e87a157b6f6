package io.blkmq.loop;

import io.blkmq.aio.Errno;
import io.blkmq.core.Disk;
import io.blkmq.core.QueueLimits;
import io.blkmq.core.driver.CompletionAffinity;
import io.blkmq.core.driver.TagSet;
import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.BiFunction;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * The attributes of a device, under the names that they have below {@code /sys/block/loopN}: {@code size}, {@code loop/offset},
 * {@code queue/logical_block_size} and so on. Values are text as there, without the new line. Thread-safe.
 *
 * <p>Those below {@code loop/} are there only while the device has a file, and can only be read. Of those below {@code queue/} some can
 * be written, as in the kernel; what is written to a limit holds until the device gets its next file or block size.
 */
public final class LoopAttributes {
    private static final int SECTOR = QueueLimits.SECTOR_BYTES;
    private static final int KIB = 1 << 10;
    /** The least that {@code queue/nr_requests} can be set to, if the device has as many. */
    private static final int REQUESTS_MIN = 4;
    /** By the kernel's number. */
    private static final List<CompletionAffinity> AFFINITIES = List.of(CompletionAffinity.ANY, CompletionAffinity.GROUP,
            CompletionAffinity.EXACT);

    private interface Reader {
        /** The value; null if there is none now. */
        @Nullable
        String read(LoopDevice device);
    }

    private interface Writer {
        void write(LoopDevice device, String value) throws IOException;
    }

    private record Attribute(Reader reader, @Nullable Writer writer) {}

    private static final Map<String, Attribute> ALL = new LinkedHashMap<>();

    static {
        readOnly("size", device -> Long.toString(device.disk().queue().capacitySectors()));
        readOnly("ro", device -> flag(device.disk().limits().isReadOnly()));
        loop("backing_file", (device, _) -> {
            Backing backing = device.backing();
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
        limit("max_hw_sectors_kb", _ -> Backing.REQUEST_BYTES_MAX / KIB);
        limit("max_sectors_kb", limits -> limits.requestBytesMax() / KIB, LoopAttributes::setMaxSectors);
        limit("max_segments", QueueLimits::segmentsMax);
        limit("max_segment_size", QueueLimits::segmentBytesMax);
        limit("virt_boundary_mask", limits -> Math.max(0, limits.virtualBoundaryBytes() - 1));
        limit("dma_alignment", limits -> limits.dmaAlignmentBytes() - 1);
        limit("discard_granularity", QueueLimits::discardGranularityBytes);
        limit("discard_max_bytes", QueueLimits::discardBytesMax, LoopAttributes::setDiscardMax);
        limit("max_discard_segments", QueueLimits::discardRangesMax);
        limit("write_zeroes_max_bytes", QueueLimits::writeZeroesBytesMax);
        limit("fua", limits -> limits.hasFua() ? 1 : 0);
        limit("rotational", limits -> limits.isRotational() ? 1 : 0, (device, value) -> {
            boolean rotational = parse(value, 0, 1) == 1;
            device.changeLimits(limits -> limits.rotational(rotational));
        });
        both("queue/write_cache", device -> device.disk().limits().hasWriteCache() ? "write back" : "write through",
                LoopAttributes::setWriteCache);
        both("queue/nr_requests", device -> Integer.toString(device.disk().queue().tagSet().resizedDepth()),
                LoopAttributes::setRequests);
        both("queue/rq_affinity",
                device -> Integer.toString(AFFINITIES.indexOf(device.disk().queue().completionAffinity())),
                (device, value) -> device.disk().queue()
                        .setCompletionAffinity(AFFINITIES.get((int) parse(value, 0, AFFINITIES.size() - 1))));
        readOnly("queue/io_poll", device -> flag(device.parameters().isPolled()));
    }

    private final LoopDevice device;

    LoopAttributes(LoopDevice device) {
        this.device = device;
    }

    // ---- what there is

    private static void readOnly(String name, Reader reader) {
        ALL.put(name, new Attribute(reader, null));
    }

    private static void both(String name, Reader reader, Writer writer) {
        ALL.put(name, new Attribute(reader, writer));
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

    private static String flag(boolean set) {
        return set ? "1" : "0";
    }

    // ---- what can be written

    private static long parse(String value, long min, long max) throws LoopException {
        try {
            long number = Long.parseLong(value.strip());
            if (number >= min && number <= max) {
                return number;
            }
        } catch (NumberFormatException e) {
            throw new LoopException(Errno.EINVAL, "value " + value + ": a number is needed", e);
        }
        throw new LoopException(Errno.EINVAL, "value " + value + ": " + min + " to " + max + " are possible");
    }

    private static void setMaxSectors(LoopDevice device, String value) throws LoopException {
        int blockKib = Math.ceilDiv(device.disk().limits().logicalBlockBytes(), KIB);
        long kib = parse(value, Math.max(4, blockKib), Backing.REQUEST_BYTES_MAX / KIB);
        device.changeLimits(limits -> limits.requestBytesMax(kib * KIB));
    }

    /** Rounded down to what can be freed at all; 0 turns discard off. */
    private static void setDiscardMax(LoopDevice device, String value) throws LoopException {
        QueueLimits limits = device.disk().limits();
        long bytes = parse(value, 0, Long.MAX_VALUE);
        int granularity = Math.max(limits.logicalBlockBytes(), limits.discardGranularityBytes());
        if (bytes % granularity != 0) {
            throw new LoopException(Errno.EINVAL,
                    "discard_max_bytes " + bytes + ": not a multiple of discard_granularity " + granularity);
        }
        Backing backing = device.backing();
        long most = backing == null || !backing.isWritable() ? 0 : Backing.DISCARD_BYTES_MAX;
        device.changeLimits(changed -> changed.discardBytesMax(Math.min(bytes, most)));
    }

    private static void setWriteCache(LoopDevice device, String value) throws LoopException {
        boolean cache = switch (value.strip()) {
            case "write back" -> true;
            case "write through", "none" -> false;
            default -> throw new LoopException(Errno.EINVAL,
                    "write_cache " + value + ": write back, write through or none are possible");
        };
        device.changeLimits(limits -> limits.writeCache(cache, false));
    }

    private static void setRequests(LoopDevice device, String value) throws LoopException {
        TagSet tags = device.disk().queue().tagSet();
        long wanted = parse(value, 1, tags.depth());
        device.requireNoCompletion("nr_requests");
        tags.resize((int) Math.min(tags.depth(), Math.max(wanted, REQUESTS_MIN)));
    }

    // ---- for users

    /**
     * The attributes that there are now.
     *
     * @return their names; those below {@code loop/} only while the device has a file
     */
    public List<String> names() {
        return ALL.entrySet().stream().filter(entry -> entry.getValue().reader.read(device) != null)
                .map(Map.Entry::getKey).toList();
    }

    /** All names, of those too that are not there now. */
    static List<String> allNames() {
        return List.copyOf(ALL.keySet());
    }

    /**
     * Whether an attribute can be written.
     *
     * @param name the attribute
     * @return false also if there is none of that name
     */
    public boolean isWritable(String name) {
        return isWritableAttribute(name);
    }

    static boolean isWritableAttribute(String name) {
        Attribute attribute = ALL.get(name);
        return attribute != null && attribute.writer != null;
    }

    /**
     * The value of an attribute.
     *
     * @param name the attribute
     * @return its value now
     * @throws LoopException with ENOENT if there is none of that name, or not now
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
     * @throws LoopException with ENOENT if there is none of that name, EACCES if it can only be read, EINVAL if the value is not
     *         possible, naming what is
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
        Attribute attribute = ALL.get(name);
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
