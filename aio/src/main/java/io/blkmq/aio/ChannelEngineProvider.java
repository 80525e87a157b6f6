package io.blkmq.aio;

import java.util.Optional;

/** Provides {@code channel}: a pool of threads over {@link java.nio.channels.FileChannel}, on every system. */
public final class ChannelEngineProvider implements AioEngineProvider {

    /** For {@link java.util.ServiceLoader}. */
    public ChannelEngineProvider() {}

    @Override
    public String name() {
        return ChannelEngine.NAME;
    }

    @Override
    public Optional<String> unavailable() {
        return Optional.empty();
    }

    @Override
    public AioEngine open(AioEngineConfig config) {
        return new ChannelEngine(config);
    }
}
