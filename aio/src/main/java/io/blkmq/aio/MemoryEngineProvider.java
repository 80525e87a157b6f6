package io.blkmq.aio;

import java.util.Optional;

/**
 * Provides {@code memory}: files whose content stays in memory, for tests and for measuring. See
 * {@link AioEngineConfig.Builder#memoryLatency} and {@link AioEngineConfig.Builder#memoryQuotaBytes}.
 */
public final class MemoryEngineProvider implements AioEngineProvider {

    /** For {@link java.util.ServiceLoader}. */
    public MemoryEngineProvider() {}

    @Override
    public String name() {
        return MemoryEngine.NAME;
    }

    @Override
    public Optional<String> unavailable() {
        return Optional.empty();
    }

    @Override
    public AioEngine open(AioEngineConfig config) {
        return new MemoryEngine(config);
    }
}
