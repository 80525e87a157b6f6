package io.blkmq.core.mq;

import io.blkmq.core.Status;
import io.blkmq.core.jfr.DiskEvents;
import io.blkmq.core.jfr.FlushEvent;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Lock;
import org.jspecify.annotations.Nullable;

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
 * <p>All state is guarded by the lock, and so is the step of a request ({@link TagRequest#flush}). The driver and the callers are
 * never called under it. The first waiter's request cannot go away while its tag is lent: it waits for the flush.
 *
 * <p>The flush request goes down like any other. Refused or given back by the driver it stands on the dispatch or requeue list, and
 * begins anew, which covers more and not less; timed out it is the driver's to end, found under the lent tag; on a dead queue it
 * ends with NODEV, and its list with it, and so does each list after it. A freeze waits for the waiters' tags and so for the end of
 * every sequence; the gate is not looked at between two steps. So the machine is idle when its context is undone.
 *
 * <p>The class is open so that the tests can break it in each way that matters, and show that this is found.
 */
class FlushQueue {
    private static final long PENDING_NANOS_MAX = TimeUnit.SECONDS.toNanos(5);

    /** The way of a request to the driver, through the hardware context. */
    @FunctionalInterface
    interface Way {
        void issue(TagRequest rq, Trampoline batch);
    }

    private final QueueSettings queue;
    private final Tags tags;
    private final int hctxIndex;
    private final Way way;
    private final TagRequest flushRq;
    /** Of the flush request's PDU. */
    private final Arena arena = Arena.ofShared();
    private final Lock lock;
    private RequestChain pending = new RequestChain();
    private RequestChain running = new RequestChain();
    private long pendingSinceNanos;
    private int dataInFlight;
    private boolean flushing;
    /** What the flight recorder will be told of the flush under way, and whom that is for. They go with the flush request. */
    private @Nullable FlushEvent recorded;
    private int served;

    FlushQueue(QueueSettings queue, Tags tags, int hctxIndex, Way way) throws IOException {
        this.queue = queue;
        this.tags = tags;
        this.hctxIndex = hctxIndex;
        this.way = way;
        this.lock = queue.set.runtime().newLock();
        try {
            this.flushRq = queue.shared.slab.newFlushRequest(tags, hctxIndex, arena);
        } catch (Throwable t) {
            arena.close();
            throw t;
        }
        flushRq.flushesForOthers = true;
    }

    /** Frees the flush request. Nothing is in flight any more. */
    final void close() {
        queue.shared.slab.exitRequest(flushRq, hctxIndex);
        arena.close();
    }

    /** A request enters its sequence. */
    void submit(TagRequest rq, int steps, Trampoline batch) {
        advance(rq, steps, batch);
    }

    /** Brings a request to its next step. */
    private void advance(TagRequest rq, int sequence, Trampoline batch) {
        int step = FlushSequence.next(sequence);
        lock.lock();
        try {
            rq.flush = step == 0 ? FlushSequence.NONE : sequence;
            switch (step) {
                case FlushSequence.PREFLUSH, FlushSequence.POSTFLUSH -> {
                    if (pending.isEmpty()) {
                        pendingSinceNanos = now();
                    }
                    pending.addLast(rq);
                }
                case FlushSequence.DATA -> dataInFlight++;
                default -> {
                    // All are done.
                }
            }
        } finally {
            lock.unlock();
        }
        if (step == FlushSequence.DATA) {
            way.issue(rq, batch);
        } else if (step == 0) {
            tell(rq, batch);
        } else {
            beginFlush(batch);
        }
    }

    /** A request has gone through its sequence. */
    final void tell(TagRequest rq, Trampoline batch) {
        batch.count(rq);
        rq.finishBios();
        batch.put(rq);
    }

    /** Begins a flush if somebody waits for one and C1 to C3 allow it. */
    private void beginFlush(Trampoline batch) {
        TagRequest first;
        lock.lock();
        try {
            first = pending.first();
            if (flushing || first == null || isPutOff()) {
                return;
            }
            flushing = true;
            RequestChain waiters = pending;
            pending = running;
            running = waiters;
            recorded = DiskEvents.flushBegins();
            served = recorded == null ? 0 : waiters.size();
        } finally {
            lock.unlock();
        }
        flushRq.cloneForFlush(first);
        flushRq.sent(queue.nowIfCounted(batch));
        tags.lend(first.tag(), flushRq);
        repair(first);
        way.issue(flushRq, batch);
    }

    /** Whether those who wait have to go on waiting, although no flush is under way: C2 and C3. Under the lock. */
    boolean isPutOff() {
        return dataInFlight > 0 && now() - pendingSinceNanos < PENDING_NANOS_MAX;
    }

    private void repair(TagRequest source) {
        try {
            queue.set.driver().initFlushRq(queue.set, queue, flushRq, source);
        } catch (Throwable t) {
            CallbackFailures.report("initFlushRq of " + source, t);
        }
    }

    /** The flush request has ended: so has the step of everybody on the running list. */
    final void flushEnded(TagRequest rq, Trampoline batch) {
        assert rq == flushRq;
        Status status = rq.status();
        batch.countFlush(rq);
        FlushEvent ended = recorded;
        if (ended != null) {
            recorded = null;
            ended.ended(rq, served);
        }
        rq.rewind();
        TagRequest lender = tags.requests[rq.tag()];
        tags.lend(rq.tag(), lender);
        lender.takeTagBack(rq);
        TagRequest waiter;
        lock.lock();
        try {
            waiter = takeTold();
            flushing = false;
        } finally {
            lock.unlock();
        }
        while (waiter != null) {
            TagRequest following = waiter.next;
            waiter.next = null;
            stepEnded(waiter, status, batch);
            waiter = following;
        }
        beginFlush(batch);
    }

    /** Takes those who waited for the flush that has just ended. Under the lock. */
    @Nullable
    TagRequest takeTold() {
        return running.takeAll();
    }

    /** Takes those who wait for the next flush. Under the lock. */
    final @Nullable TagRequest takePending() {
        return pending.takeAll();
    }

    /** A request's DATA step has ended. */
    final void dataEnded(TagRequest rq, Trampoline batch) {
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

    /** A request has its next step behind it. Nobody else looks at it between two steps. */
    void stepEnded(TagRequest rq, Status status, Trampoline batch) {
        assert rq.flush != FlushSequence.NONE : rq;
        rq.noteStatus(status);
        advance(rq, status == Status.OK ? FlushSequence.finished(rq.flush) : FlushSequence.abandoned(rq.flush), batch);
    }

    private long now() {
        return queue.set.runtime().nanoTime();
    }

    @Override
    public final String toString() {
        lock.lock();
        try {
            return "pending " + pending.size() + ", running " + running.size() + ", data in flight " + dataInFlight
                    + (flushing ? ", flushing" : "");
        } finally {
            lock.unlock();
        }
    }
}
