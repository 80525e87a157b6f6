package io.blkmq.core.mq;

/** The state of a queue in words. Safe at any time; what moves meanwhile is shown as it was found. */
final class QueueView {
    private QueueView() {}

    static String dump(QueueParts queue) {
        Timeouts timeouts = queue.timeouts();
        StringBuilder text = new StringBuilder(256);
        text.append(queue.name()).append(": ").append(queue.capacitySectors()).append(" sectors, ")
                .append(queue.isDying() ? "dying" : queue.isFrozen() ? "frozen" : "open")
                .append(queue.isPolled() ? ", polled" : "").append(", backlog ").append(queue.backlog())
                .append(", requeue list ").append(queue.requeued.size()).append(", stray completions ")
                .append(queue.strayCompletions()).append(", elevator ").append(queue.elevator()).append('\n');
        Scheduler now = queue.elevators().now();
        if (now != null) {
            text.append("  ").append(now.describe()).append('\n');
        }
        for (DispatchContext hctx : queue.contextsOf().hardware()) {
            text.append("  ").append(hctx).append(", flush: ").append(hctx.flushQueue()).append('\n');
            hctx.tags.eachActiveOf(queue, rq -> {
                // Host-wide tags are those of all contexts.
                if (rq.goesThrough(hctx)) {
                    text.append("    ").append(rq).append(", age ")
                            .append((timeouts.tick() - rq.startTick()) * timeouts.tickNanos() / 1_000_000)
                            .append(" ms\n");
                }
            });
        }
        return text.toString();
    }
}
