package io.blkmq.core.mq;

import io.blkmq.core.Operation;
import io.blkmq.core.QueueLimits;
import io.blkmq.core.tag.CacheLines;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * What a thread has completed of one software context's and has not yet added to that context's counters. It counts in plain fields, and
 * adds once for a batch: before the batch gives tags back, so that whoever finds no tag held finds everything counted.
 *
 * <p>Requests of one operation that were sent, issued and completed in the same batches have taken equally long: they are a run, and
 * the histogram is touched once for it.
 */
final class Tally extends CacheLines {
    /** Figures of each group, as in {@link ContextCounters}. */
    private final long[] sums = new long[ContextCounters.GROUPS * ContextCounters.FIGURES];

    /** Whose counters; null if there is nothing to add. */
    private @Nullable EntryContext ctx;
    /** Whether its queue counts. It does not change while a request of it is in flight. */
    private boolean counts;
    /** How many requests have ended, without the run, counted as operations or not; and when. */
    private int ended;
    private long nowNanos;

    /** What the requests of the run have in common. */
    private @Nullable Operation runOperation;
    private long runSentNanos;
    private long runIssuedNanos;
    private long runEndNanos;
    private int runLength;
    private long runBytes;

    /** A request has ended; its bios are told next. */
    void add(TagRequest rq, Trampoline batch) {
        if ((rq.softwareContext() != ctx || rq.sentNanos() != runSentNanos || rq.issuedNanos() != runIssuedNanos
                || rq.operation() != runOperation) && !beginRun(rq, batch)) {
            return;
        }
        runLength++;
        runBytes += rq.bytes();
    }

    private boolean beginRun(TagRequest rq, Trampoline batch) {
        if (!open(rq, batch)) {
            return false;
        }
        endRun();
        runOperation = rq.operation();
        runSentNanos = rq.sentNanos();
        runIssuedNanos = rq.issuedNanos();
        runEndNanos = nowNanos;
        return true;
    }

    /** A flush of the device has ended. It does not count as in flight beside the requests that wait for it. */
    void addFlush(TagRequest rq, Trampoline batch) {
        if (open(rq, batch)) {
            count(ContextCounters.FLUSHES, 1, 0, rq.sentNanos(), rq.issuedNanos(), nowNanos);
        }
    }

    /** A request is gone, which another has absorbed. */
    void addAbsorbed(TagRequest rq, Trampoline batch) {
        if (open(rq, batch)) {
            ended++;
        }
    }

    /** Goes over to a request's context. Returns whether its queue counts. */
    private boolean open(TagRequest rq, Trampoline batch) {
        EntryContext of = rq.softwareContext();
        QueueSettings queue = of.queue();
        if (of != ctx) {
            close();
            ctx = of;
            counts = queue.iostats();
        }
        if (counts) {
            nowNanos = batch.nowNanos(queue.set.runtime());
        }
        return counts;
    }

    /** The next request was not completed at the same time, or in another way. */
    void endRun() {
        Operation operation = runOperation;
        if (operation != null) {
            count(ContextCounters.groupOf(operation), runLength, runBytes, runSentNanos, runIssuedNanos, runEndNanos);
            ended += runLength;
            runOperation = null;
            runLength = 0;
            runBytes = 0;
        }
    }

    private void count(int group, int operations, long bytes, long sentNanos, long issuedNanos, long endNanos) {
        // A batch that was completing already when the request was sent has an older time.
        long nanos = Math.max(endNanos - sentNanos, 0);
        long wait = issuedNanos == TagRequest.NOT_ISSUED ? nanos : Math.clamp(issuedNanos - sentNanos, 0, nanos);
        int at = group * ContextCounters.FIGURES;
        sums[at + ContextCounters.SECTORS] += bytes / QueueLimits.SECTOR_BYTES;
        sums[at + ContextCounters.NANOS] += nanos * operations;
        sums[at + ContextCounters.WAIT_NANOS] += wait * operations;
        Objects.requireNonNull(ctx).counters.addLatency(group, nanos, operations);
    }

    /** Adds everything to the context's counters. */
    void close() {
        EntryContext of = ctx;
        if (of != null) {
            if (counts) {
                endRun();
                addAll(of.counters);
            }
            ctx = null;
        }
    }

    private void addAll(ContextCounters counters) {
        for (int at = 0; at < sums.length; at++) {
            long sum = sums[at];
            if (sum != 0) {
                counters.add(at, sum);
                sums[at] = 0;
            }
        }
        if (ended > 0) {
            counters.ended(ended, nowNanos);
            ended = 0;
        }
    }
}
