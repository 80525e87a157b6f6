package io.blkmq.aio;

import java.io.IOException;
import java.util.Optional;

/**
 * Makes engines of one kind. Found by {@link java.util.ServiceLoader}; see {@link AioEngines}. Any thread may call it.
 */
public interface AioEngineProvider {

    /** The engine's name: {@code io_uring}, {@code libaio}, {@code channel}, {@code memory}, {@code null}. */
    String name();

    /**
     * Empty if the engine works here, otherwise why it does not: kernel, permission, architecture, system. That descriptors or
     * memory are lacking now is no such reason.
     */
    Optional<String> unavailable();

    /**
     * Opens an engine.
     *
     * @throws AioUnavailableException if it does not work here
     * @throws IOException if the system refuses the resources (descriptors, memory), naming them
     */
    AioEngine open(AioEngineConfig config) throws IOException;
}
