package io.blkmq.core.driver;

import io.blkmq.core.mq.TypeMap;

/**
 * Which hardware context serves each software context for one type of I/O. The kernel's counterpart is
 * {@code struct blk_mq_queue_map}.
 *
 * @since 0.1.0
 */
public abstract sealed class QueueMap permits TypeMap {
    /** For the block layer alone. */
    protected QueueMap() {}

    /**
     * For what I/O it is.
     *
     * @return the type
     */
    public abstract QueueType type();

    /**
     * How many software contexts there are to map.
     *
     * @return at least 1
     */
    public abstract int contexts();

    /**
     * Index of the first hardware context of this type.
     *
     * @return from 0
     */
    public abstract int firstQueue();

    /**
     * How many hardware contexts of this type there are; they follow each other.
     *
     * @return at least 1
     */
    public abstract int hardwareQueues();

    /**
     * Maps a software context.
     *
     * @param context index of the software context
     * @param hardwareQueue index of the hardware context among all: {@link #firstQueue()} to
     *        {@code firstQueue() + hardwareQueues() - 1}
     * @throws IndexOutOfBoundsException if there is no such one of this type
     */
    public abstract void map(int context, int hardwareQueue);
}
