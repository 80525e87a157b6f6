package io.blkmq.aio;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Optional;

/**
 * Makes engines of one kind. Found by {@link java.util.ServiceLoader}; see {@link AioEngines}. Any thread may call it.
 *
 * @since 0.1.0
 */
public interface AioEngineProvider {

    /** {@return the name of the engine, by which it is opened} */
    String name();

    /**
     * Whether the engine works on this machine. A momentary lack of descriptors or memory does not count.
     *
     * @return empty if it works; otherwise the reason: kernel, permission, architecture or system
     */
    Optional<String> unavailable();

    /**
     * Whether one engine serves files of many users as well as an engine for each would: no file waits for another's I/O, and each has its
     * share of what there is. Users that know nothing of each other then share a few.
     *
     * @return false unless the provider says so
     */
    default boolean isShareable() {
        return false;
    }

    /**
     * Whether a name is of this engine's storage, and no file of the file system: then no other engine can open it, and who has a choice takes this
     * one. Looks at the name alone.
     *
     * @param path the name
     * @return false unless the provider says so
     */
    default boolean isNamedBy(Path path) {
        return false;
    }

    /**
     * Opens an engine.
     *
     * @param config how the engine is to be opened
     * @return the engine, for the caller to close
     * @throws AioUnavailableException if it does not work here
     * @throws IOException if the system refuses the resources (descriptors, memory), naming them
     */
    AioEngine open(AioEngineConfig config) throws IOException;
}
