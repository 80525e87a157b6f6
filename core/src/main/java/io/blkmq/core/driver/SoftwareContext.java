package io.blkmq.core.driver;

import io.blkmq.core.mq.EntryContext;
import io.blkmq.core.tag.CacheLines;

/**
 * The place where a thread's I/O enters a queue. The thread's id chooses one of the queue's contexts, or the thread names one itself; threads
 * of one context share hardware contexts, and the place at which the search for a tag begins. A context outlives its threads and keeps
 * nothing of them. The kernel's counterpart is {@code struct blk_mq_ctx}. Thread-safe.
 *
 * @since 0.1.0
 */
@SuppressWarnings("exports") // padding between cache lines
public abstract sealed class SoftwareContext extends CacheLines permits EntryContext {
    /** For the one implementation in the engine room. */
    protected SoftwareContext() {}

    /**
     * Its number.
     *
     * @return from 0
     */
    public abstract int index();

    /**
     * Its queue.
     *
     * @return always the same
     */
    public abstract RequestQueue queue();

    /**
     * The hardware context that serves it, for whatever has none of its own.
     *
     * @return changes only with {@link TagSet#updateHardwareQueues}
     */
    public abstract HardwareContext hardwareContext();

    /**
     * The hardware context that serves it for one type of I/O: that of {@link QueueType#DEFAULT} where the type has none.
     *
     * @param type what for
     * @return changes only with {@link TagSet#updateHardwareQueues}
     */
    public abstract HardwareContext hardwareContext(QueueType type);
}
