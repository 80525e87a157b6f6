package io.blkmq.core.mq;

import io.blkmq.core.Operation;
import io.blkmq.core.driver.BlockDriver;
import io.blkmq.core.driver.Parking;
import io.blkmq.core.driver.QueueType;
import io.blkmq.core.driver.Request;
import io.blkmq.core.driver.SoftwareContext;

/**
 * How completions of a polled queue are found, by the thread that owns its polled contexts and by no other; and how a thread waits for I/O that
 * may be polled. The driver says whose a polled context is ({@link BlockDriver#mayPoll}, {@link BlockDriver#claim}).
 */
final class QueuePolling {
    /** Who waits for I/O of one polled context looks so often at that one, and then once at the others. */
    private static final int LOOKS_AT_ONE = 64;

    private final QueueSettings queue;
    private final QueueContexts contexts;
    private final BlockDriver driver;

    QueuePolling(QueueSettings queue, QueueContexts contexts) {
        this.queue = queue;
        this.contexts = contexts;
        this.driver = queue.set.driver();
    }

    int poll(SoftwareContext ctx) {
        EntryContext from = (EntryContext) ctx;
        DispatchContext polled = from.hardwareContext(QueueType.POLL);
        if (!polled.isPolled()) {
            return 0;
        }
        int found = poll(polled, from);
        DispatchContext reads = from.hardwareContext(QueueType.READ);
        return reads != polled && reads.isPolled() ? found + poll(reads, from) : found;
    }

    int poll(Request rq) {
        TagRequest own = (TagRequest) rq;
        DispatchContext hctx = own.hardwareContext();
        return hctx.isPolled() ? poll(hctx, own.softwareContext()) : 0;
    }

    int poll(DispatchContext hctx, EntryContext ctx) {
        Trampoline batch = Trampoline.enter();
        try {
            if (batch.isNested()) {
                return 0;
            }
            batch.serve(hctx);
            int found = driver.poll(hctx, ctx);
            if (hctx.mayDispatch()) {
                // Left here by a thread that is not the one to issue it.
                batch.runLater(hctx);
            }
            return found;
        } catch (Throwable t) {
            CallbackFailures.report("poll of " + queue.name(), t);
            return 0;
        } finally {
            batch.leave();
        }
    }

    /** Whether the calling thread may poll a polled context. */
    boolean mayPoll(DispatchContext hctx) {
        try {
            return driver.mayPoll(hctx);
        } catch (Throwable t) {
            CallbackFailures.report("mayPoll of " + queue.name(), t);
            return false;
        }
    }

    /** Whether I/O that was submitted through a context is polled, and by the calling thread. */
    boolean mayPollFor(EntryContext ctx) {
        DispatchContext hctx = ctx.hardwareContext(Operation.READ, 0);
        return hctx.isPolled() && mayPoll(hctx);
    }

    /**
     * One step of a wait for I/O that the calling thread has submitted, or another for it: polls if the I/O is polled and the thread may,
     * and otherwise parks, until it is unparked or for no reason. Who waits looks again after each step whether it has ended.
     *
     * @param blocker for people
     * @param ctx the context that the I/O was submitted through
     * @param flags of its bio
     * @param looks how many steps there were before
     * @param nanos how long to park at the most; {@link Long#MAX_VALUE} for ever
     */
    void awaitEnd(Object blocker, EntryContext ctx, int flags, int looks, long nanos) {
        awaitEnd(blocker, ctx.hardwareContext(Operation.READ, flags), ctx, looks, nanos);
    }

    void awaitEnd(Object blocker, DispatchContext hctx, EntryContext ctx, int looks, long nanos) {
        PollingPark parking = queue.shared.parking;
        if (hctx.isPolled() && mayPoll(hctx)) {
            int found = poll(hctx, ctx);
            if (found == 0 && looks % LOOKS_AT_ONE == LOOKS_AT_ONE - 1) {
                // Now and then at all that there is: it may wait for what went through another context.
                found = parking.poll();
            }
            Parking.idle(queue.set.runtime(), found);
        } else {
            parking.parkNanos(blocker, nanos);
        }
    }

    /**
     * Polls once all contexts that have something in flight and that the calling thread may poll.
     *
     * @param before how many completions were found in other queues, {@link PollingPark#NOTHING} if there was nothing to poll for
     * @return the same with this queue
     */
    int pollInFlight(int before) {
        int found = before;
        for (DispatchContext hctx : contexts.hardware()) {
            if (hctx.isPolled() && hctx.mayHaveRequests() && mayPoll(hctx)) {
                found = Math.max(found, 0) + poll(hctx, contexts.ofCurrentThread());
            }
        }
        return found;
    }
}
