package io.blkmq.core.driver;

import io.blkmq.core.Plug;
import io.blkmq.core.mq.IssueBatch;
import io.blkmq.core.tag.CacheLines;

/**
 * Requests of one software context that go down together: a {@link Plug} collects them, or an elevator gives them out one after the
 * other, and {@link BlockDriver#queueRqs} is given them.
 * Belongs to one thread at a time; a driver reads it only within {@code queueRqs}.
 *
 * @since 0.1.0
 */
@SuppressWarnings("exports") // padding between cache lines
public abstract sealed class RequestBatch extends CacheLines permits IssueBatch {
    /** For the implementations in the engine room. */
    protected RequestBatch() {}

    /**
     * How many requests there are.
     *
     * @return at most 32
     */
    public abstract int size();

    /**
     * One of the requests.
     *
     * @param index from 0 to {@link #size()} - 1, in the order of submission, or of the elevator
     * @return the request
     */
    public abstract Request request(int index);

    /**
     * The tag of one of the requests, without a look at the request.
     *
     * @param index from 0 to {@link #size()} - 1, in the order of submission
     * @return {@link Request#tag()}
     */
    public abstract int tag(int index);
}
