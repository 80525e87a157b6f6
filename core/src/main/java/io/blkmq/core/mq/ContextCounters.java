package io.blkmq.core.mq;

import io.blkmq.core.IoGroup;
import io.blkmq.core.LatencyHistogram;
import io.blkmq.core.Operation;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;

/**
 * What has come in through one software context, counted. Each context has its own, so that threads of different contexts do not write
 * the same cache line.
 *
 * <p>Submitters add what they send, a batch at a time; completing threads what has ended, also a batch at a time ({@link Tally}).
 * Several threads may do so at once, so every addition is atomic; a reader adds up what it finds.
 *
 * <p>Since when the context is busy is {@link BusySpan}'s, the class above it.
 */
final class ContextCounters extends BusySpan {
    static final int READS = 0;
    static final int WRITES = 1;
    static final int DISCARDS = 2;
    static final int FLUSHES = 3;
    static final int GROUPS = 4;
    /** What is counted of each group, as places in {@link #counts}. How many operations there are, the latencies say. */
    static final int MERGES = 0;
    static final int SECTORS = 1;
    static final int NANOS = 2;
    /** Without having been given to the driver yet. */
    static final int WAIT_NANOS = 3;
    static final int FIGURES = 4;

    private static final VarHandle COUNT = MethodHandles.arrayElementVarHandle(long[].class);
    private static final VarHandle LATENCIES = MethodHandles.arrayElementVarHandle(long[][].class);
    /** Two cache lines before and behind the counts. */
    private static final int PADDING = 16;

    private final BusyTime busyTime;
    private final long[] counts = new long[PADDING + GROUPS * FIGURES + PADDING];
    /** By group; made when first needed. */
    private final long[][] latencies = new long[GROUPS][];

    ContextCounters(int index, BusyTime busyTime, long nowNanos) {
        // Not the time: what lies between the last busy time of others and now was none of this context's.
        super(index, nowNanos, busyTime.covered());
        this.busyTime = busyTime;
    }

    static int groupOf(Operation operation) {
        return switch (operation) {
            case READ -> READS;
            case WRITE, WRITE_ZEROES, FLUSH -> WRITES;
            case DISCARD -> DISCARDS;
        };
    }

    static int groupOf(IoGroup group) {
        return switch (group) {
            case READ -> READS;
            case WRITE -> WRITES;
            case DISCARD -> DISCARDS;
            case FLUSH -> FLUSHES;
        };
    }

    // ---- what is in flight

    @Override
    void begins() {
        busyTime.begins(this);
    }

    @Override
    void ends(long sinceNanos, long nowNanos) {
        busyTime.ends(this, sinceNanos, nowNanos);
    }

    // ---- what has been

    /** Adds to a figure of a group: at the group's number times {@link #FIGURES}, plus the figure's. */
    void add(int at, long value) {
        COUNT.getAndAdd(counts, PADDING + at, value);
    }

    /** So many operations of a group took so long. */
    void addLatency(int group, long nanos, long operations) {
        long[] buckets = (long[]) LATENCIES.getAcquire(latencies, group);
        if (buckets == null) {
            buckets = newBuckets(group);
        }
        COUNT.getAndAdd(buckets, LatencyHistogram.bucketOf(nanos), operations);
    }

    /** Release: pairs with whoever finds them. */
    private long[] newBuckets(int group) {
        long[] made = new long[LatencyHistogram.BUCKETS];
        long[] found = (long[]) LATENCIES.compareAndExchange(latencies, group, (long[]) null, made);
        return found == null ? made : found;
    }

    /** Adds the figures of all groups to others. */
    void addTo(long[] sums) {
        for (int at = 0; at < sums.length; at++) {
            sums[at] += (long) COUNT.getVolatile(counts, PADDING + at);
        }
    }

    /** Adds the latencies of a group to others. */
    void addLatenciesTo(int group, long[] sums) {
        long[] buckets = (long[]) LATENCIES.getAcquire(latencies, group);
        if (buckets != null) {
            for (int bucket = 0; bucket < buckets.length; bucket++) {
                sums[bucket] += (long) COUNT.getVolatile(buckets, bucket);
            }
        }
    }
}
