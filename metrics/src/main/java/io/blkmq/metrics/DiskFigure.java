package io.blkmq.metrics;

import io.blkmq.core.Disk;
import io.blkmq.core.DiskStatistics;
import io.blkmq.core.IoGroup;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.ToDoubleFunction;
import org.jspecify.annotations.Nullable;

/**
 * A figure of a disk, and its name. Those that begin with {@code system.disk} are of the semantic conventions of OpenTelemetry for a system;
 * the others have no counterpart there.
 *
 * @param name its name, of which several have one that differ in the tag
 * @param what for people
 * @param unit of the Unified Code for Units of Measure
 * @param kind whether it only grows
 * @param tag the name of the tag that tells the figures of a name apart; null for none
 * @param tagValue the value of the tag; null for none
 * @param of the figure of a reading
 */
record DiskFigure(String name, String what, String unit, Kind kind, @Nullable String tag, @Nullable String tagValue,
        ToDoubleFunction<Reading> of) {

    static final String DEVICE = "system.device";

    private static final String DIRECTION = "disk.io.direction";
    private static final String OPERATION = "blkmq.disk.operation";
    private static final double NANOS_PER_SECOND = 1e9;

    /** Kinds of figures. */
    enum Kind {
        /** A whole number that only grows. */
        COUNT,
        /** A time that only grows. */
        TIME,
        /** A whole number. */
        LEVEL
    }

    /** A disk, and what it has counted at some time. */
    record Reading(Disk disk, DiskStatistics statistics) {
        Reading(Disk disk) {
            this(disk, disk.statistics());
        }
    }

    /** All of them, those of a name together. */
    static List<DiskFigure> all() {
        List<DiskFigure> all = new ArrayList<>();
        IoGroup[] transfers = {IoGroup.READ, IoGroup.WRITE};
        IoGroup[] others = {IoGroup.DISCARD, IoGroup.FLUSH};
        each(all, transfers, "system.disk.io", "bytes moved", "By", Kind.COUNT,
                (statistics, group) -> statistics.bytes(group));
        each(all, transfers, "system.disk.operations", "requests that have ended", "{operation}", Kind.COUNT,
                (statistics, group) -> statistics.ios(group));
        each(all, transfers, "system.disk.operation_time", "time of requests, all together", "s", Kind.TIME,
                (statistics, group) -> statistics.nanos(group) / NANOS_PER_SECOND);
        each(all, transfers, "system.disk.merged", "bios and requests that have joined a request", "{operation}",
                Kind.COUNT, (statistics, group) -> statistics.merges(group));
        all.add(new DiskFigure("system.disk.io_time", "time in which there was a request", "s", Kind.TIME, null, null,
                reading -> reading.statistics().busyNanos() / NANOS_PER_SECOND));
        all.add(new DiskFigure("system.disk.limit", "size of the disk", "By", Kind.LEVEL, null, null,
                reading -> reading.disk().sizeBytes()));
        each(all, transfers, "blkmq.disk.wait_time",
                "the part of system.disk.operation_time in which requests were not with the driver", "s", Kind.TIME,
                (statistics, group) -> statistics.waitNanos(group) / NANOS_PER_SECOND);
        each(all, transfers, "blkmq.disk.in_flight", "requests with the driver", "{operation}", Kind.LEVEL, (statistics,
                group) -> group == IoGroup.READ ? statistics.readsInFlight() : statistics.writesInFlight());
        each(all, others, "blkmq.disk.operations", "discards and flushes of the device that have ended", "{operation}",
                Kind.COUNT, (statistics, group) -> statistics.ios(group));
        each(all, others, "blkmq.disk.operation_time", "time of discards and flushes of the device, all together", "s",
                Kind.TIME, (statistics, group) -> statistics.nanos(group) / NANOS_PER_SECOND);
        all.add(new DiskFigure("blkmq.disk.discarded", "bytes freed", "By", Kind.COUNT, null, null,
                reading -> reading.statistics().bytes(IoGroup.DISCARD)));
        return List.copyOf(all);
    }

    /** A figure of one group of operations. */
    private interface OfGroup {
        double in(DiskStatistics statistics, IoGroup group);
    }

    private static void each(List<DiskFigure> all, IoGroup[] groups, String name, String what, String unit, Kind kind,
            OfGroup of) {
        String tag = groups[0] == IoGroup.READ ? DIRECTION : OPERATION;
        for (IoGroup group : groups) {
            all.add(new DiskFigure(name, what, unit, kind, tag, group.name().toLowerCase(Locale.ROOT),
                    reading -> of.in(reading.statistics(), group)));
        }
    }
}
