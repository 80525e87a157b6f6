package io.blkmq.aio;

/**
 * Told by the completing thread around each batch of completions, so that an owner can read a clock once per batch or
 * ring a doorbell once for all that was submitted by the completions of one batch. Calls of different threads may
 * overlap; each thread's are paired.
 */
public interface ReapListener {

    /** A listener that does nothing. */
    ReapListener NONE = new ReapListener() {
    };

    /** The calling thread is about to call one or more completions. */
    default void reapBegins() {}

    /** The calling thread has called them. */
    default void reapEnds() {}
}
