package io.blkmq.core.driver;

import io.blkmq.runtime.IoRuntime;

/**
 * What an {@link Elevator} sees of its queue. Thread-safe.
 *
 * @since 0.1.0
 */
public interface ElevatorQueue {
    /**
     * The queue's name.
     *
     * @return for messages
     */
    String name();

    /**
     * Where locks come from.
     *
     * @return the queue's runtime
     */
    IoRuntime runtime();

    /**
     * How many hardware contexts there are. It does not change in an elevator's life.
     *
     * @return at least 1
     */
    int hardwareContexts();

    /**
     * How many requests a hardware context can have with this elevator.
     *
     * @return {@code nrRequests}
     */
    int depth();

    /**
     * Has a hardware context run soon, because it may have something to dispatch again. Not under an elevator's lock.
     *
     * @param hctx its index
     */
    void run(int hctx);
}
