package io.blkmq.core.driver;

import io.blkmq.core.Status;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.util.ArrayDeque;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Lock;

/**
 * The flush machine of one hardware context. A request with flush semantics goes through up to three steps,
 *
 * <pre>
 *   PREFLUSH ──▶ DATA ──▶ POSTFLUSH ──▶ told
 * </pre>
 *
 * and waits for a flush of the device in the first and the last. Those who wait stand on one of two lists: {@code pending} for
 * the next flush, {@code running} for the one that is under way. A flush begins by making the pending list the running one, so
 * whoever comes later waits for a flush that begins after it came. It is done by the context's own flush request, a clone of the
 * first waiter, which lends it its tag.
 *
 * <pre>
 *   C1: one flush at a time.
 *   C2: none begins while a request of a sequence is in its DATA step: those who shared a PREFLUSH share the POSTFLUSH.
 *   C3: unless the oldest waiter has waited for 5 s.
 * </pre>
 *
 * <p>So many callers that flush together cost few flushes, and each is told only after a flush that began after its request
 * came. C2 and C3 need no timer: what makes C2 hold is in flight, and its end looks again.
 *
 * <p>A failed flush fails the requests of its list and no others; a failed DATA step ends its request without a POSTFLUSH.
 *
 * <p>All state is guarded by the lock. The driver and the callers are never called under it.
 */
final class FlushQueue {
    private static final long PENDING_NANOS_MAX = TimeUnit.SECONDS.toNanos(5);

    private final HardwareContext hctx;
    private final Request flushRq;
    /** Of the flush request's PDU. */
    private final Arena arena = Arena.ofShared();
    private final Lock lock;
    private ArrayDeque<Request> pending = new ArrayDeque<>();
    private ArrayDeque<Request> running = new ArrayDeque<>();
    private long pendingSinceNanos;
    private int dataInFlight;
    private boolean flushing;

    FlushQueue(HardwareContext hctx) throws IOException {
        TagSet set = hctx.queue().tagSet();
        this.hctx = hctx;
        this.lock = hctx.queue().tagSet().runtime().newLock();
        try {
            this.flushRq = set.newFlushRequest(hctx, arena);
        } catch (Throwable t) {
            arena.close();
            throw t;
        }
        flushRq.flushQueue = this;
    }

    /** Frees the flush request. Nothing is in flight any more. */
    void close() {
        hctx.queue().tagSet().exitRequest(flushRq, hctx.index());
        arena.close();
    }

    /** A request enters its sequence. */
    void submit(Request rq, int steps, CompletionBatch batch) {
        rq.flush = FlushSequence.of(steps);
        advance(rq, rq.flush, batch);
    }

    /** Brings a request to its next step. */
    private void advance(Request rq, FlushSequence sequence, CompletionBatch batch) {
        boolean issueData = false;
        boolean finished = false;
        lock.lock();
        try {
            switch (sequence.next()) {
                case FlushSequence.PREFLUSH, FlushSequence.POSTFLUSH -> {
                    if (pending.isEmpty()) {
                        pendingSinceNanos = now();
                    }
                    pending.addLast(rq);
                }
                case FlushSequence.DATA -> {
                    dataInFlight++;
                    issueData = true;
                }
                default -> finished = true;
            }
        } finally {
            lock.unlock();
        }
        if (issueData) {
            hctx.issue(rq, batch);
        } else if (finished) {
            rq.flush = null;
            rq.finishBios();
            batch.put(rq);
        } else {
            beginFlush(batch);
        }
    }

    /** Begins a flush if somebody waits for one and C1 to C3 allow it. */
    private void beginFlush(CompletionBatch batch) {
        lock.lock();
        try {
            if (flushing || pending.isEmpty()) {
                return;
            }
            if (dataInFlight > 0 && now() - pendingSinceNanos < PENDING_NANOS_MAX) {
                return;
            }
            flushing = true;
            ArrayDeque<Request> waiters = pending;
            pending = running;
            running = waiters;
        } finally {
            lock.unlock();
        }
        // The first waiter cannot go away: it waits for us.
        Request first = running.getFirst();
        flushRq.cloneForFlush(first);
        hctx.tags.lend(first.tag(), flushRq);
        repair(first);
        hctx.issue(flushRq, batch);
    }

    private void repair(Request source) {
        RequestQueue queue = hctx.queue();
        try {
            queue.tagSet().driver().initFlushRq(queue.tagSet(), queue, flushRq, source);
        } catch (Throwable t) {
            CallbackFailures.report("initFlushRq of " + queue.name(), t);
        }
    }

    /** The flush request has ended: so has the step of everybody on the running list. */
    void flushEnded(Request rq, CompletionBatch batch) {
        assert rq == flushRq;
        Status status = rq.status();
        rq.rewind();
        hctx.tags.lend(rq.tag(), hctx.tags.requests[rq.tag()]);
        ArrayDeque<Request> told;
        lock.lock();
        try {
            told = running;
            running = new ArrayDeque<>();
            flushing = false;
        } finally {
            lock.unlock();
        }
        for (Request waiter : told) {
            stepEnded(waiter, status, batch);
        }
        beginFlush(batch);
    }

    /** A request's DATA step has ended. */
    void dataEnded(Request rq, CompletionBatch batch) {
        Status status = rq.status();
        rq.rewind();
        lock.lock();
        try {
            dataInFlight--;
        } finally {
            lock.unlock();
        }
        stepEnded(rq, status, batch);
        beginFlush(batch);
    }

    private void stepEnded(Request rq, Status status, CompletionBatch batch) {
        FlushSequence sequence = java.util.Objects.requireNonNull(rq.flush);
        if (status == Status.OK) {
            sequence.finished(sequence.next());
        } else {
            sequence.abandon();
        }
        rq.noteStatus(status);
        advance(rq, sequence, batch);
    }

    private long now() {
        return hctx.queue().tagSet().runtime().nanoTime();
    }

    @Override
    public String toString() {
        lock.lock();
        try {
            return "pending " + pending.size() + ", running " + running.size() + ", data in flight " + dataInFlight
                    + (flushing ? ", flushing" : "");
        } finally {
            lock.unlock();
        }
    }
}
