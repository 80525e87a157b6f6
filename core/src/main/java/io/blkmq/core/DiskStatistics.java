package io.blkmq.core;

import io.blkmq.core.driver.QueueStatistics;
import io.blkmq.core.driver.RequestQueue;
import java.util.concurrent.TimeUnit;

/**
 * What a disk has done, as read at one time: counts since it was made, or, by {@link #since}, of the time between two readings. The
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
 * <p>Requests are counted, not bios: what was merged is one, and what was cut is several. A request counts when it has ended, failed
 * or not. A time is that of the batch in which a thing was done, read once for all of the batch: a request is made when the first one of
 * its plug is.
 *
 * <p>Exact while the disk is idle, and each figure never goes back. What a blocking call, a future or a callback has been told is
 * counted. What a bio of the caller's own has been told on another thread may be counted a moment later, when that thread has
 * completed all that it has found; {@link Disk#freeze} waits for it. While I/O runs, what ends just then may be in one figure and not
 * yet in another: so the counts of a group, its sectors, its times and its histogram need not be of the very same requests.
 *
 * @since 0.1.0
 */
public final class DiskStatistics extends QueueStatistics {
    private static final double NANOS_PER_SECOND = TimeUnit.SECONDS.toNanos(1);
    private static final double SECTOR_BYTES = QueueLimits.SECTOR_BYTES;

    DiskStatistics(RequestQueue queue) {
        super(queue);
    }

    private DiskStatistics(DiskStatistics later, DiskStatistics earlier) {
        super(later, earlier);
    }

    /**
     * What has been done between an earlier reading and this one. What is in flight is that of this one.
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
     * How many requests there were a second. Between two readings.
     *
     * @param group of which kind
     * @return 0 if no time has passed
     */
    public double iosPerSecond(IoGroup group) {
        return perSecond((double) ios(group));
    }

    /**
     * How many bytes there were a second. Between two readings.
     *
     * @param group of which kind
     * @return 0 if no time has passed
     */
    public double bytesPerSecond(IoGroup group) {
        return perSecond(sectors(group) * SECTOR_BYTES);
    }

    private double perSecond(double count) {
        return atNanos() <= 0 ? 0 : count * NANOS_PER_SECOND / atNanos();
    }

    /**
     * In which part of the time something was in flight. Between two readings.
     *
     * @return 0 to 1; 0 if no time has passed
     */
    public double utilization() {
        return atNanos() <= 0 ? 0 : Math.min((double) busyNanos() / atNanos(), 1);
    }

    /**
     * How long all requests took together: divided by the time between two readings it is how many there were at once, on the
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
    @Override
    public String toString() {
        return four(IoGroup.READ) + ' ' + four(IoGroup.WRITE) + ' ' + (readsInFlight() + writesInFlight()) + ' '
                + millis(busyNanos()) + ' ' + millis(timeInQueueNanos()) + ' ' + four(IoGroup.DISCARD) + ' '
                + ios(IoGroup.FLUSH) + ' ' + millis(nanos(IoGroup.FLUSH));
    }

    private String four(IoGroup group) {
        return ios(group) + " " + merges(group) + ' ' + sectors(group) + ' ' + millis(nanos(group));
    }

    private static long millis(long nanos) {
        return TimeUnit.NANOSECONDS.toMillis(nanos);
    }
}
