package io.blkmq.runtime;

/**
 * What goes on until it is closed: an observation, a listener, a name in a registry. Closing it again does nothing. Any thread may close
 * it.
 *
 * @since 0.1.0
 */
@FunctionalInterface
public interface Registration extends AutoCloseable {

    /** Ends it. */
    @Override
    void close();
}
