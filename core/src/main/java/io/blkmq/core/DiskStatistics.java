package io.blkmq.core;

import io.blkmq.core.mq.QueueStatistics;
import io.blkmq.core.mq.DeviceQueue;
import java.util.Locale;
import java.util.concurrent.TimeUnit;

/**
 * Counters of a disk at one time: since it was made or, by {@link #since}, between two readings. The
 * kernel's counterpart is {@code /sys/block/DISK/stat}. Immutable.
 *
 * <pre>{@code
 * DiskStatistics before = disk.statistics();
 * ...
 * DiskStatistics during = disk.statistics().since(before);
 * System.out.printf("%.0f reads/s, mean %.0f ns, 99 %% within %d ns, %.0f %% busy%n", during.iosPerSecond(IoGroup.READ),
 *         during.meanNanos(IoGroup.READ), during.latencies(IoGroup.READ).percentileNanos(99), during.utilization() * 100);
 * }</pre>
 *
 * <p>Requests are counted and not bios: merged bios count once, and a bio that was cut counts once for each part. A request counts when
 * it has ended, failed or not. The clock is read once for a batch: all requests of a plug begin at the same time.
 *
 * <p>The figures are exact while the disk is idle, and none ever goes back. An operation is counted before its blocking call returns, or
 * its future or callback is told. A bio of the caller's own that ends on another thread may be counted a moment later, when that thread
 * has completed all that it has found; {@link Disk#freeze} waits for it. While I/O runs, a request that ends may be in one figure and not
 * yet in another: the counts of a group, its sectors, its times and its histogram may be of slightly different requests.
 *
 * @since 0.1.0
 */
@SuppressWarnings("exports") // the engine counts in the superclass
public final class DiskStatistics extends QueueStatistics {
    private static final double NANOS_PER_SECOND = TimeUnit.SECONDS.toNanos(1);

    DiskStatistics(DeviceQueue queue) {
        super(queue);
    }

    private DiskStatistics(DiskStatistics later, DiskStatistics earlier) {
        super(later, earlier);
    }

    /**
     * The difference between an earlier reading and this one. The number in flight is that of this one.
     *
     * @param earlier of the same disk
     * @return the differences
     * @throws IllegalArgumentException if it is not an earlier one of the same disk
     */
    public DiskStatistics since(DiskStatistics earlier) {
        return new DiskStatistics(this, earlier);
    }

    /**
     * How long a request took on the average.
     *
     * @param group of which kind
     * @return nanoseconds, 0 without requests
     */
    public double meanNanos(IoGroup group) {
        long ios = ios(group);
        return ios == 0 ? 0 : (double) nanos(group) / ios;
    }

    /**
     * How many requests there were a second, in the time that the figures are of ({@code periodNanos}).
     *
     * @param group of which kind
     * @return 0 if no time has passed
     */
    public double iosPerSecond(IoGroup group) {
        return perSecond((double) ios(group));
    }

    /**
     * How much data was moved, or freed.
     *
     * @param group of which kind
     * @return bytes; flushes have none
     */
    public long bytes(IoGroup group) {
        return sectors(group) * QueueLimits.SECTOR_BYTES;
    }

    /**
     * How many bytes there were a second, in the time that the figures are of ({@code periodNanos}).
     *
     * @param group of which kind
     * @return 0 if no time has passed
     */
    public double bytesPerSecond(IoGroup group) {
        return perSecond((double) bytes(group));
    }

    private double perSecond(double count) {
        return periodNanos() <= 0 ? 0 : count * NANOS_PER_SECOND / periodNanos();
    }

    /**
     * The part of the time that the figures are of ({@code periodNanos}) in which a request was in flight.
     *
     * @return 0 to 1; 0 if no time has passed
     */
    public double utilization() {
        return periodNanos() <= 0 ? 0 : Math.min((double) busyNanos() / periodNanos(), 1);
    }

    /**
     * How long all requests took together: divided by {@code periodNanos} it is how many there were at once, on the
     * average.
     *
     * @return nanoseconds
     */
    public long timeInQueueNanos() {
        long sum = 0;
        for (IoGroup group : IoGroup.values()) {
            sum += nanos(group);
        }
        return sum;
    }

    /**
     * The line of {@code /sys/block/DISK/stat}: reads, merges, sectors, milliseconds; the same of writes; in flight, busy milliseconds,
     * milliseconds in queue; reads' four for discards; flushes and their milliseconds.
     *
     * @return 17 numbers with spaces between them
     */
    public String statLine() {
        return four(IoGroup.READ) + ' ' + four(IoGroup.WRITE) + ' ' + (readsInFlight() + writesInFlight()) + ' '
                + millis(busyNanos()) + ' ' + millis(timeInQueueNanos()) + ' ' + four(IoGroup.DISCARD) + ' '
                + ios(IoGroup.FLUSH) + ' ' + millis(nanos(IoGroup.FLUSH));
    }

    /** The figures that are not 0, with their names. */
    @Override
    public String toString() {
        StringBuilder text = new StringBuilder(160);
        for (IoGroup group : IoGroup.values()) {
            if (ios(group) != 0 || merges(group) != 0) {
                text.append(group.name().toLowerCase(Locale.ROOT)).append(": ").append(ios(group))
                        .append(" requests, ");
                if (merges(group) != 0) {
                    text.append(merges(group)).append(" merged, ");
                }
                if (sectors(group) != 0) {
                    text.append(sectors(group)).append(" sectors, ");
                }
                text.append("mean ").append(micros(meanNanos(group))).append(", 99 % within ")
                        .append(micros((double) latencies(group).percentileNanos(99))).append("; ");
            }
        }
        return text.append("in flight: ").append(readsInFlight()).append(" reads, ").append(writesInFlight())
                .append(" others; busy ").append(millis(busyNanos())).append(" ms").toString();
    }

    private static String micros(double nanos) {
        return String.format(Locale.ROOT, "%.1f µs", nanos / 1_000);
    }

    private String four(IoGroup group) {
        return ios(group) + " " + merges(group) + ' ' + sectors(group) + ' ' + millis(nanos(group));
    }

    private static long millis(long nanos) {
        return TimeUnit.NANOSECONDS.toMillis(nanos);
    }
}
