package io.blkmq.aio;

/**
 * Is called by the completing thread before and after each batch of completions, so that an owner can read a clock once for a
 * batch, or ring a doorbell once for everything that the completions of a batch have submitted. Calls of different threads may
 * overlap; each thread's are paired.
 *
 * @since 0.1.0
 */
public interface ReapListener {

    /** A listener that does nothing. */
    ReapListener NONE = new ReapListener() {
    };

    /** The calling thread is about to call one or more completions. */
    default void reapBegins() {}

    /** The calling thread has called the completions of the batch. */
    default void reapEnds() {}
}
