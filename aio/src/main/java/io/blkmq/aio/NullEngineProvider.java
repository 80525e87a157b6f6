package io.blkmq.aio;

import java.util.Optional;

/** Provides {@code null}: every operation succeeds at once and moves nothing; for measuring what is above it. */
public final class NullEngineProvider implements AioEngineProvider {

    /** For {@link java.util.ServiceLoader}. */
    public NullEngineProvider() {}

    @Override
    public String name() {
        return NullEngine.NAME;
    }

    @Override
    public Optional<String> unavailable() {
        return Optional.empty();
    }

    @Override
    public AioEngine open(AioEngineConfig config) {
        return new NullEngine(config);
    }
}
