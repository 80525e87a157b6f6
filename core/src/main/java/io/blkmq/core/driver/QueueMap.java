package io.blkmq.core.driver;

import java.util.Arrays;
import java.util.Objects;

/**
 * Which hardware context serves each software context for one type of I/O. The kernel's counterpart is
 * {@code struct blk_mq_queue_map}.
 */
public final class QueueMap {
    private final QueueType type;
    private final int first;
    private final int queues;
    private final int[] hardware;

    QueueMap(QueueType type, int contexts, int first, int queues) {
        this.type = type;
        this.first = first;
        this.queues = queues;
        this.hardware = new int[contexts];
        Arrays.setAll(hardware, i -> first + i % queues);
    }

    /**
     * For what I/O it is.
     *
     * @return the type
     */
    public QueueType type() {
        return type;
    }

    /**
     * How many software contexts there are to map.
     *
     * @return at least 1
     */
    public int contexts() {
        return hardware.length;
    }

    /**
     * Index of the first hardware context of this type.
     *
     * @return from 0
     */
    public int firstQueue() {
        return first;
    }

    /**
     * How many hardware contexts of this type there are; they follow each other.
     *
     * @return at least 1
     */
    public int hardwareQueues() {
        return queues;
    }

    /**
     * Maps a software context.
     *
     * @param context index of the software context
     * @param hardwareQueue index of the hardware context among all: {@link #firstQueue()} to
     *        {@code firstQueue() + hardwareQueues() - 1}
     * @throws IndexOutOfBoundsException if there is no such one of this type
     */
    public void map(int context, int hardwareQueue) {
        Objects.checkIndex(hardwareQueue - first, queues);
        hardware[Objects.checkIndex(context, hardware.length)] = hardwareQueue;
    }

    int hardwareQueue(int context) {
        return hardware[context];
    }
}
