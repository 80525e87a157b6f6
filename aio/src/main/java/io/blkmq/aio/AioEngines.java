package io.blkmq.aio;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import java.util.Optional;
import java.util.ServiceConfigurationError;
import java.util.ServiceLoader;
import java.util.stream.Collectors;

/**
 * The engines of this process: found once, by {@link ServiceLoader}, on the module path and on the class path.
 *
 * @since 0.1.0
 */
public final class AioEngines {

    /** Fastest first. An engine of a third party is chosen only by its name. */
    private static final List<String> PREFERENCE = List.of("io_uring", "libaio", "channel");

    private static final System.Logger LOGGER = System.getLogger("io.blkmq.aio");

    /** As many providers that cannot be made are passed over. */
    private static final int FAILURES_MAX = 1000;

    private AioEngines() {}

    /** {@return all providers, also those of engines that do not work on this machine} */
    public static List<AioEngineProvider> providers() {
        return Found.PROVIDERS;
    }

    /**
     * Finds a provider.
     *
     * @param name the name of its engine
     * @return the provider
     * @throws IllegalArgumentException if there is none, naming those there are
     */
    public static AioEngineProvider find(String name) {
        for (AioEngineProvider provider : Found.PROVIDERS) {
            if (provider.name().equals(name)) {
                return provider;
            }
        }
        throw new IllegalArgumentException("no AIO engine \"" + name + "\"; there are "
                + Found.PROVIDERS.stream().map(AioEngineProvider::name).collect(Collectors.joining(", ")));
    }

    /**
     * Opens an engine by name.
     *
     * @param name the name of the engine
     * @param config how it is to be opened
     * @return the engine, for the caller to close
     * @throws IllegalArgumentException if there is no engine of that name
     * @throws AioUnavailableException if it does not work here, saying why
     * @throws IOException if the system refuses the resources
     */
    public static AioEngine open(String name, AioEngineConfig config) throws IOException {
        return find(name).open(config);
    }

    /**
     * Opens the first of several engines that works here, which is how a caller allows falling back. Each engine that
     * does not work here is logged with the reason. A lack of descriptors or memory is no reason to fall back: it is
     * thrown.
     *
     * @param config how the engine is to be opened
     * @param names the names of engines, in the order in which they are tried
     * @return the engine, for the caller to close
     * @throws IllegalArgumentException if there is no engine of one of the names, or there are no names
     * @throws AioUnavailableException if none works here, naming each with the reason
     * @throws IOException if the system refuses the resources
     */
    public static AioEngine openFirst(AioEngineConfig config, String... names) throws IOException {
        if (names.length == 0) {
            throw new IllegalArgumentException("no engine is named");
        }
        List<String> reasons = new ArrayList<>();
        for (AioEngineProvider provider : Arrays.stream(names).map(AioEngines::find).toList()) {
            try {
                return provider.open(config);
            } catch (AioUnavailableException e) {
                LOGGER.log(System.Logger.Level.INFO, e::getMessage);
                EngineEvents.passedOver(provider.name(), e.reason());
                reasons.add(provider.name() + ": " + e.reason());
            }
        }
        throw new AioUnavailableException(String.join(", ", names), String.join("; ", reasons));
    }

    /**
     * The provider of the one engine that can open what a name stands for, where that is no file of the file system.
     *
     * @param path the name, as {@code rbd:pool/image}
     * @return empty for a file: every engine for files can open it
     */
    public static Optional<AioEngineProvider> namedBy(Path path) {
        return Found.PROVIDERS.stream().filter(provider -> provider.isNamedBy(path)).findFirst();
    }

    /**
     * Makes an engine of a driver: for a provider in another module.
     *
     * @param driver what carries operations out; the engine closes it
     * @param config how the engine is opened
     * @return the engine, for the caller to close
     * @throws IllegalArgumentException if the engine has a reaper, and the thread factory makes virtual threads
     */
    public static AioEngine drive(EngineDriver driver, AioEngineConfig config) {
        return DrivenEngine.open(driver, config);
    }

    /** {@return the name of the fastest engine that works on this machine; {@code channel} works everywhere} */
    public static String best() {
        for (String name : PREFERENCE) {
            for (AioEngineProvider provider : Found.PROVIDERS) {
                if (provider.name().equals(name)) {
                    Optional<String> reason = provider.unavailable();
                    if (reason.isEmpty()) {
                        return name;
                    }
                    EngineEvents.passedOver(name, reason.get());
                }
            }
        }
        throw new IllegalStateException("no AIO engine works here, not even channel");
    }

    /** Looked up at first use, so that the class can be loaded where services cannot. */
    private static final class Found {
        static final List<AioEngineProvider> PROVIDERS = found(
                ServiceLoader.load(AioEngineProvider.class, AioEngines.class.getClassLoader()).stream().iterator());
    }

    /** Those of the providers that can be made. One that fails costs nobody the others. */
    static List<AioEngineProvider> found(Iterator<ServiceLoader.Provider<AioEngineProvider>> there) {
        List<AioEngineProvider> found = new ArrayList<>();
        for (int failures = 0; failures < FAILURES_MAX;) {
            try {
                if (!there.hasNext()) {
                    break;
                }
                found.add(there.next().get());
            } catch (ServiceConfigurationError e) {
                failures++;
                LOGGER.log(System.Logger.Level.WARNING, "a provider of AIO engines cannot be used", e);
            }
        }
        return List.copyOf(found);
    }
}
