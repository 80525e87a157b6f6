package io.blkmq.core.driver;

import java.util.Arrays;

/** Which hardware context serves each software context. The kernel's counterpart is {@code struct blk_mq_queue_map}. */
public final class QueueMap {
    private final int[] hardware;
    private final int hardwareQueues;

    QueueMap(int contexts, int hardwareQueues) {
        this.hardware = new int[contexts];
        this.hardwareQueues = hardwareQueues;
        Arrays.setAll(hardware, i -> i % hardwareQueues);
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
     * How many hardware contexts there are.
     *
     * @return at least 1
     */
    public int hardwareQueues() {
        return hardwareQueues;
    }

    /**
     * Maps a software context.
     *
     * @param context index of the software context
     * @param hardwareQueue index of the hardware context
     * @throws IndexOutOfBoundsException if there is no such one
     */
    public void map(int context, int hardwareQueue) {
        hardware[java.util.Objects.checkIndex(context, hardware.length)] = java.util.Objects.checkIndex(hardwareQueue,
                hardwareQueues);
    }

    int hardwareQueue(int context) {
        return hardware[context];
    }
}
