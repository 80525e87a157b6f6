package io.blkmq.core.mq;

import io.blkmq.core.IoGroup;
import io.blkmq.core.LatencyHistogram;
import java.util.Arrays;

/**
 * The counters of a queue, read: what a {@link io.blkmq.core.DiskStatistics} consists of. Immutable.
 *
 * <p>Each figure is read once and never goes back. They are not read at one moment: what ends meanwhile may be in some and not yet in
 * others.
 */
public abstract class QueueStatistics {
    private final long[] counts;
    private final LatencyHistogram[] latencies;
    private final long atNanos;
    private final long periodNanos;
    private final long busyNanos;
    private final int readsInFlight;
    private final int writesInFlight;

    /**
     * Reads the counters of a queue.
     *
     * @param queue any
     */
    protected QueueStatistics(DeviceQueue queue) {
        // Who is being told of an end finds it counted.
        Trampoline.countOwn();
        BusyTime busy = queue.busyTime();
        long now = queue.tagSet().runtime().nanoTime();
        this.busyNanos = busy.nanos(now);
        // After that: what has ended since the clock was read is in the busy time.
        this.atNanos = busy.coveredAfter(now);
        this.periodNanos = atNanos - queue.countsSinceNanos;
        this.counts = new long[ContextCounters.GROUPS * ContextCounters.FIGURES];
        long[][] buckets = new long[ContextCounters.GROUPS][LatencyHistogram.BUCKETS];
        for (EntryContext ctx : queue.contextsOf().software()) {
            for (int group = 0; group < ContextCounters.GROUPS; group++) {
                ctx.counters.addLatenciesTo(group, buckets[group]);
            }
            ctx.counters.addTo(counts);
        }
        this.latencies = new LatencyHistogram[ContextCounters.GROUPS];
        Arrays.setAll(latencies, group -> new LatencyHistogram(buckets[group]));
        int[] inFlight = new int[2];
        queue.contextsOf().eachActive(rq -> {
            if (rq.countsAsInFlight()) {
                inFlight[rq.operation().isWrite() ? 1 : 0]++;
            }
        });
        this.readsInFlight = inFlight[0];
        this.writesInFlight = inFlight[1];
    }

    /**
     * What has been added between two readings of a queue's counters. What is in flight is that of the later one.
     *
     * @param later a reading
     * @param earlier one of the same queue, before
     * @throws IllegalArgumentException if it was not before
     */
    protected QueueStatistics(QueueStatistics later, QueueStatistics earlier) {
        this.counts = new long[later.counts.length];
        Arrays.setAll(counts, i -> later.counts[i] - earlier.counts[i]);
        this.latencies = new LatencyHistogram[ContextCounters.GROUPS];
        this.atNanos = later.atNanos - earlier.atNanos;
        this.periodNanos = atNanos;
        // The earlier one may have been read just before a time was added that had ended by then.
        this.busyNanos = Math.min(later.busyNanos - earlier.busyNanos, Math.max(atNanos, 0));
        this.readsInFlight = later.readsInFlight;
        this.writesInFlight = later.writesInFlight;
        if (atNanos < 0 || busyNanos < 0 || Arrays.stream(counts).anyMatch(count -> count < 0)) {
            throw new IllegalArgumentException(
                    "since statistics that are not earlier ones of the same disk: " + earlier + " and later " + later);
        }
        Arrays.setAll(latencies, group -> later.latencies[group].since(earlier.latencies[group]));
    }

    private long count(IoGroup group, int figure) {
        return counts[ContextCounters.groupOf(group) * ContextCounters.FIGURES + figure];
    }

    /**
     * How many requests have ended, with an error or without. A request that others have joined is one.
     *
     * @param group of which kind
     * @return requests
     */
    public final long ios(IoGroup group) {
        return latencies(group).total();
    }

    /**
     * How many bios and requests have joined a request.
     *
     * @param group of which kind
     * @return merges; flushes have none
     */
    public final long merges(IoGroup group) {
        return count(group, ContextCounters.MERGES);
    }

    /**
     * How long the requests were that have ended, with an error or without.
     *
     * @param group of which kind
     * @return sectors of 512 bytes; flushes have none
     */
    public final long sectors(IoGroup group) {
        return count(group, ContextCounters.SECTORS);
    }

    /**
     * How long the requests took that have ended, all together: from when they left their plug, for the elevator or the driver, to their
     * end.
     *
     * @param group of which kind
     * @return nanoseconds
     */
    public final long nanos(IoGroup group) {
        return count(group, ContextCounters.NANOS);
    }

    /**
     * Which part of {@link #nanos} they waited before the driver was given them for the last time: with an elevator, on a list, or for
     * a flush. The rest of the time they were with the driver. A request to flush waits all the time: it is the flush of the device that
     * the driver is given.
     *
     * @param group of which kind
     * @return nanoseconds
     */
    public final long waitNanos(IoGroup group) {
        return count(group, ContextCounters.WAIT_NANOS);
    }

    /**
     * How many requests took how long.
     *
     * @param group of which kind
     * @return their {@link #nanos}, one by one
     */
    public final LatencyHistogram latencies(IoGroup group) {
        return latencies[ContextCounters.groupOf(group)];
    }

    /**
     * How many reads the driver had.
     *
     * @return requests
     */
    public final int readsInFlight() {
        return readsInFlight;
    }

    /**
     * How many requests that are no reads the driver had. Flushes of the device are not among them: they are in flight for the
     * requests that wait for them.
     *
     * @return requests
     */
    public final int writesInFlight() {
        return writesInFlight;
    }

    /**
     * For how long something was in flight, from its way to the elevator or the driver to its end (the kernel's {@code io_ticks}). Exact
     * with one software context in use; between the I/O of several, pauses shorter than 5 microseconds count as busy.
     *
     * @return nanoseconds
     */
    public final long busyNanos() {
        return busyNanos;
    }

    /**
     * When the figures were read, by the clock of the runtime; between two readings, how long that is.
     *
     * @return nanoseconds
     */
    public final long atNanos() {
        return atNanos;
    }

    /**
     * Which time the figures are of: since the disk was made, or between two readings.
     *
     * @return nanoseconds
     */
    public final long periodNanos() {
        return periodNanos;
    }
}
