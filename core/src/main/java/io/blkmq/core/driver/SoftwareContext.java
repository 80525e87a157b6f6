package io.blkmq.core.driver;

import io.blkmq.core.Bio;
import io.blkmq.core.Operation;

/**
 * Where a thread's I/O comes in. A thread is mapped to one of a queue's contexts by its id, or names one itself; threads of one
 * context share a place to begin the search for a tag, and hardware contexts. It outlives any thread and keeps nothing of one. The
 * kernel's counterpart is {@code struct blk_mq_ctx}.
 */
public final class SoftwareContext extends CacheLines {
    private final int index;
    private final RequestQueue queue;

    /**
     * By type. Changed only while the queue is frozen. A submitter reads the gate, then this, takes a tag, and reads the gate
     * again: if that has not been closed in between, this has not changed.
     */
    private volatile HardwareContext forDefault;
    private volatile HardwareContext forRead;
    private volatile HardwareContext forPoll;

    /**
     * The word of a tag bitmap, the driver's or a scheduler's, that had a free tag last. Written and read by the threads of this
     * context without order: a stale value, or one for another bitmap, costs a longer search. Read by {@link Tags#hint}.
     */
    int hintWord;
    /** Brings completions here. */
    final CompletionRelay relay;
    /** What has come in here. */
    final ContextCounters counters;

    SoftwareContext(int index, RequestQueue queue, HardwareContext forDefault, HardwareContext forRead,
            HardwareContext forPoll) {
        this.index = index;
        this.queue = queue;
        this.relay = new CompletionRelay(queue, index);
        this.counters = new ContextCounters(index, queue.busyTime(), queue.tagSet().runtime().nanoTime());
        this.forDefault = forDefault;
        this.forRead = forRead;
        this.forPoll = forPoll;
    }

    /** While the queue is frozen. */
    void map(HardwareContext defaultTo, HardwareContext readTo, HardwareContext pollTo) {
        forDefault = defaultTo;
        forRead = readTo;
        forPoll = pollTo;
    }

    /**
     * Its number.
     *
     * @return from 0
     */
    public int index() {
        return index;
    }

    /**
     * Its queue.
     *
     * @return always the same
     */
    public RequestQueue queue() {
        return queue;
    }

    /**
     * The hardware context that serves it, for whatever has none of its own.
     *
     * @return changes only with {@link TagSet#updateHardwareQueues}
     */
    public HardwareContext hardwareContext() {
        return forDefault;
    }

    /**
     * The hardware context that serves it for one type of I/O: that of {@link QueueType#DEFAULT} where the type has none.
     *
     * @param type what for
     * @return changes only with {@link TagSet#updateHardwareQueues}
     */
    public HardwareContext hardwareContext(QueueType type) {
        return switch (type) {
            case DEFAULT -> forDefault;
            case READ -> forRead;
            case POLL -> forPoll;
        };
    }

    HardwareContext hardwareContext(Operation operation, int flags) {
        if ((flags & Bio.POLLED) != 0) {
            return forPoll;
        }
        return operation == Operation.READ ? forRead : forDefault;
    }
}
