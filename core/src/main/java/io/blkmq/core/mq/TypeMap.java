package io.blkmq.core.mq;

import io.blkmq.core.driver.QueueMap;
import io.blkmq.core.driver.QueueType;
import java.util.Arrays;
import java.util.Objects;

/** The map of one type of I/O: the contexts of the type in turn, until the driver maps them otherwise. */
public final class TypeMap extends QueueMap {
    private final QueueType type;
    private final int first;
    private final int queues;
    private final int[] hardware;

    TypeMap(QueueType type, int contexts, int first, int queues) {
        this.type = type;
        this.first = first;
        this.queues = queues;
        this.hardware = new int[contexts];
        Arrays.setAll(hardware, i -> first + i % queues);
    }

    @Override
    public QueueType type() {
        return type;
    }

    @Override
    public int contexts() {
        return hardware.length;
    }

    @Override
    public int firstQueue() {
        return first;
    }

    @Override
    public int hardwareQueues() {
        return queues;
    }

    @Override
    public void map(int context, int hardwareQueue) {
        Objects.checkIndex(hardwareQueue - first, queues);
        hardware[Objects.checkIndex(context, hardware.length)] = hardwareQueue;
    }

    /** Index of the hardware context that serves a software context. */
    int hardwareQueue(int context) {
        return hardware[context];
    }
}
