package io.blkmq.core.mq;

import io.blkmq.core.Bio;
import io.blkmq.core.Operation;
import io.blkmq.core.driver.QueueType;
import io.blkmq.core.driver.SoftwareContext;

/**
 * Where a thread's I/O comes in. A thread is mapped to one of a queue's contexts by its id, or names one itself; threads of one
 * context share a place to begin the search for a tag, and hardware contexts. It outlives any thread and keeps nothing of one. The
 * kernel's counterpart is {@code struct blk_mq_ctx}.
 */
public final class EntryContext extends SoftwareContext {
    private final int index;
    private final QueueSettings queue;

    /**
     * By type. Changed only while the queue is frozen. A submitter reads the gate, then this, takes a tag, and reads the gate
     * again: if that has not been closed in between, this has not changed.
     */
    private volatile DispatchContext forDefault;
    private volatile DispatchContext forRead;
    private volatile DispatchContext forPoll;

    /**
     * The word of a tag bitmap, the driver's or a scheduler's, that had a free tag last. Written and read by the threads of this
     * context without order: a stale value, or one for another bitmap, costs a longer search. Read by {@link Tags#hint}.
     */
    public int hintWord;
    /** What has come in here. */
    final ContextCounters counters;

    EntryContext(int index, QueueSettings queue, ContextCounters counters, DispatchContext forDefault,
            DispatchContext forRead, DispatchContext forPoll) {
        this.index = index;
        this.queue = queue;
        this.counters = counters;
        this.forDefault = forDefault;
        this.forRead = forRead;
        this.forPoll = forPoll;
    }

    /** While the queue is frozen. */
    void map(DispatchContext defaultTo, DispatchContext readTo, DispatchContext pollTo) {
        forDefault = defaultTo;
        forRead = readTo;
        forPoll = pollTo;
    }

    @Override
    public int index() {
        return index;
    }

    @Override
    public QueueSettings queue() {
        return queue;
    }

    @Override
    public DispatchContext hardwareContext() {
        return forDefault;
    }

    @Override
    public DispatchContext hardwareContext(QueueType type) {
        return switch (type) {
            case DEFAULT -> forDefault;
            case READ -> forRead;
            case POLL -> forPoll;
        };
    }

    DispatchContext hardwareContext(Operation operation, int flags) {
        if ((flags & Bio.POLLED) != 0) {
            return forPoll;
        }
        return operation == Operation.READ ? forRead : forDefault;
    }
}
