package io.blkmq.core.mq;

import io.blkmq.core.Operation;
import io.blkmq.core.Status;
import io.blkmq.core.driver.Request;
import io.blkmq.core.driver.TagSet;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Requests without bios, of a driver's or a test's own: commands that hold a tag from their allocation until they are freed, and may be
 * executed several times in between. They take their tags in the same lines, and go through the same gate, as bios.
 */
final class OwnRequests {
    private final DeviceQueue queue;
    private final TagSet set;
    private final QueueGate gate;

    OwnRequests(DeviceQueue queue) {
        this.queue = queue;
        this.set = queue.set;
        this.gate = queue.gate;
    }

    TagRequest allocate(Operation operation, boolean reserved) throws InterruptedException {
        QueueLife.refuseInCompletion("allocateRequest");
        for (;;) {
            TagRequest rq = takeOwn(operation, reserved, true);
            if (rq != null) {
                return rq;
            }
            if (Thread.interrupted()) {
                throw new InterruptedException(queue.name() + ": interrupted while waiting for a request");
            }
        }
    }

    @Nullable
    TagRequest tryAllocate(Operation operation, boolean reserved) {
        return takeOwn(operation, reserved, false);
    }

    /** A request, or null if there is none now; then the wait for what was missing is over. */
    private @Nullable TagRequest takeOwn(Operation operation, boolean reserved, boolean mayWait) {
        if (reserved && set.reservedTags() == 0) {
            throw new IllegalArgumentException(
                    queue.name() + ": a reserved tag is asked for, but the tag set has none");
        }
        int opened = gate.state();
        if (gate.isDying()) {
            throw new IllegalStateException(queue.name() + " is closed");
        }
        EntryContext ctx = queue.contextOfCurrentThread();
        DispatchContext hctx = ctx.hardwareContext(operation, 0);
        TagRequest rq = null;
        if (QueueGate.isOpen(opened)) {
            rq = reserved ? hctx.share.tryGetReserved() : hctx.share.tryGet(ctx);
            if (rq == null && mayWait) {
                queue.flushBeforeWait(null);
                rq = queue.awaitTag(ctx, hctx, hctx.share, reserved, true);
            }
        } else if (mayWait) {
            queue.flushBeforeWait(null);
            gate.awaitOpen(true);
        }
        if (rq == null || !queue.enter(rq, ctx, hctx, opened)) {
            return null;
        }
        rq.initPassThrough(operation);
        return rq;
    }

    void execute(Request request, Consumer<? super Request> ended) {
        TagRequest rq = (TagRequest) request;
        rq.beginPassThrough(ended);
        Trampoline current = Trampoline.current();
        if (current != null) {
            rq.hardwareContext().list().defer(rq);
            current.runLater(rq.hardwareContext());
        } else {
            queue.issue(rq);
        }
    }

    Status execute(Request request) {
        TagRequest rq = (TagRequest) request;
        queue.requireNoCompletion("execute");
        Thread waiter = Thread.currentThread();
        AtomicBoolean ended = new AtomicBoolean();
        execute(rq, _ -> {
            ended.set(true);
            set.runtime().unpark(waiter);
        });
        boolean interrupted = false;
        for (int looks = 0; !ended.get(); looks++) {
            queue.polling().awaitEnd(queue, rq.hardwareContext(), rq.softwareContext(), looks, Long.MAX_VALUE);
            interrupted |= Thread.interrupted();
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
        return rq.status();
    }

    void free(Request request) {
        TagRequest rq = (TagRequest) request;
        rq.endPassThrough();
        queue.giveBack(rq, rq.hardwareContext());
    }
}
