package io.blkmq.core.mq;

import io.blkmq.core.driver.RequestBatch;

/** Requests that a driver is offered whole ({@link DriverCalls#issueWhole}). Belongs to one thread at a time. */
public abstract non-sealed class IssueBatch extends RequestBatch {
    /** As many requests as one has. */
    static final int REQUESTS_MAX = 32;

    /** For this package alone. */
    IssueBatch() {}

    @Override
    public abstract TagRequest request(int index);

    /**
     * The driver gets them all.
     *
     * @param tick the tick of {@link Timeouts}
     * @param nowNanos the time, where it is counted
     */
    abstract void start(int tick, long nowNanos);

    /** The generation that a request was started with. */
    abstract long use(int index);
}
