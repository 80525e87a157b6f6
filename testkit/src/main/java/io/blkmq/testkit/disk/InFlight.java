package io.blkmq.testkit.disk;

import io.blkmq.core.Bio;
import io.blkmq.core.Operation;
import io.blkmq.core.QueueLimits;
import io.blkmq.core.Status;
import io.blkmq.core.driver.Request;
import java.util.List;

/** A request that the device has, from its receipt to its end. Guarded by the device's lock, but for what never changes. */
final class InFlight {
    final long number;
    final Request rq;
    /** Of this try: a completion that comes late ends no other. */
    private final long generation;
    final Operation operation;
    final long offset;
    final long bytes;
    final int flags;
    final Verdict verdict;
    final long receivedNanos;
    /** What it will do, if it writes. */
    List<VolatilePiece> pieces = List.of();
    /** Of a flush: what it covers. */
    long mark;
    private Status status = Status.OK;
    private boolean ended;
    private long endedAfter;

    InFlight(long number, Request rq, Verdict verdict, long receivedNanos) {
        this.number = number;
        this.rq = rq;
        this.generation = rq.generation();
        this.operation = rq.operation();
        this.offset = offsetOf(rq);
        this.bytes = rq.bytes();
        this.flags = rq.flags();
        this.verdict = verdict;
        this.receivedNanos = receivedNanos;
    }

    static long offsetOf(Request rq) {
        return rq.operation().hasRange() ? rq.sector() * QueueLimits.SECTOR_BYTES : 0;
    }

    boolean isFua() {
        return (flags & Bio.FUA) != 0;
    }

    /** Whether it is a try of the block layer's request that is in flight there. */
    boolean isOf(long ofGeneration) {
        return generation == ofGeneration;
    }

    /** It ends, after so many requests of the device. */
    void ends(Status how, long after) {
        status = how;
        endedAfter = after;
        ended = true;
        // It may be kept for people, who do not look at its data.
        pieces = List.of();
    }

    /** Tells the block layer how it ended. Not under the lock. */
    void complete() {
        rq.complete(generation, status);
    }

    SeenRequest seen() {
        return new SeenRequest(number, operation, offset, bytes, flags, receivedNanos, ended ? status : null,
                endedAfter);
    }
}
