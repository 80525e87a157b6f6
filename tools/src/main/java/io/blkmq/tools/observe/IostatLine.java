package io.blkmq.tools.observe;

import io.blkmq.core.IoGroup;
import io.blkmq.core.counters.DeviceCounters;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;

/**
 * What a device did in a time, in the columns of {@code iostat -x}.
 *
 * @param pid of its process
 * @param isAlive whether the process lives
 * @param counters what has been added in the time
 */
public record IostatLine(long pid, boolean isAlive, DeviceCounters counters) {
    private static final double NANOS_PER_SECOND = 1e9;
    private static final double NANOS_PER_MILLI = 1e6;
    private static final double SECTORS_PER_KIB = 2;

    /**
     * The headings.
     *
     * @return one line
     */
    public static String heading() {
        return String.format(Locale.ROOT, "%8s %-16s", "PID", "Device") + headings("r") + headings("w") + headings("d")
                + String.format(Locale.ROOT, " %8s %7s %7s %6s", "f/s", "f_await", "aqu-sz", "%util");
    }

    private static String headings(String kind) {
        return String.format(Locale.ROOT, " %9s %10s %8s %6s %7s %8s", kind + "/s", kind + "kB/s", kind + "rqm/s",
                "%" + kind + "rqm", kind + "_await", kind + "areq-sz");
    }

    /**
     * The figures.
     *
     * @return one line
     */
    public String text() {
        return String.format(Locale.ROOT, "%8d %-16s", pid, counters.identity().name()) + text(IoGroup.READ)
                + text(IoGroup.WRITE) + text(IoGroup.DISCARD)
                + String.format(Locale.ROOT, " %8.2f %7.2f %7.2f %6.2f%s", perSecond(counters.ios(IoGroup.FLUSH)),
                        await(IoGroup.FLUSH), queueLength(), utilization(), isAlive ? "" : "  dead");
    }

    private String text(IoGroup group) {
        return String.format(Locale.ROOT, " %9.2f %10.2f %8.2f %6.2f %7.2f %8.2f", perSecond(counters.ios(group)),
                kibPerSecond(group), perSecond(counters.merges(group)), merged(group), await(group), kibEach(group));
    }

    /**
     * The figures by the names of the columns, for JSON.
     *
     * @return in the order of the columns
     */
    public Map<String, Object> fields() {
        Map<String, Object> fields = new LinkedHashMap<>();
        fields.put("pid", pid);
        fields.put("alive", isAlive);
        fields.put("device", counters.identity().name());
        fields.put("seconds", counters.periodNanos() / NANOS_PER_SECOND);
        put(fields, "r", IoGroup.READ);
        put(fields, "w", IoGroup.WRITE);
        put(fields, "d", IoGroup.DISCARD);
        fields.put("f/s", perSecond(counters.ios(IoGroup.FLUSH)));
        fields.put("f_await", await(IoGroup.FLUSH));
        fields.put("aqu-sz", queueLength());
        fields.put("%util", utilization());
        fields.put("reads_in_flight", counters.readsInFlight());
        fields.put("writes_in_flight", counters.writesInFlight());
        return fields;
    }

    private void put(Map<String, Object> fields, String kind, IoGroup group) {
        fields.put(kind + "/s", perSecond(counters.ios(group)));
        fields.put(kind + "kB/s", kibPerSecond(group));
        fields.put(kind + "rqm/s", perSecond(counters.merges(group)));
        fields.put("%" + kind + "rqm", merged(group));
        fields.put(kind + "_await", await(group));
        fields.put(kind + "areq-sz", kibEach(group));
    }

    private double perSecond(double count) {
        return counters.periodNanos() <= 0 ? 0 : count * NANOS_PER_SECOND / counters.periodNanos();
    }

    private double perSecond(long count) {
        return perSecond((double) count);
    }

    private double kibPerSecond(IoGroup group) {
        return perSecond(counters.sectors(group) / SECTORS_PER_KIB);
    }

    private double merged(IoGroup group) {
        return part(100.0 * counters.merges(group), (double) counters.merges(group) + counters.ios(group));
    }

    private double await(IoGroup group) {
        return part(counters.nanos(group) / NANOS_PER_MILLI, (double) counters.ios(group));
    }

    private double kibEach(IoGroup group) {
        return part(counters.sectors(group) / SECTORS_PER_KIB, (double) counters.ios(group));
    }

    private static double part(double of, double by) {
        return by == 0 ? 0 : of / by;
    }

    private double queueLength() {
        double nanos = 0;
        for (IoGroup group : IoGroup.values()) {
            nanos += counters.nanos(group);
        }
        return counters.periodNanos() <= 0 ? 0 : nanos / counters.periodNanos();
    }

    private double utilization() {
        return counters.periodNanos() <= 0 ? 0 : Math.min(100, 100.0 * counters.busyNanos() / counters.periodNanos());
    }
}
