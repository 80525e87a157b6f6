package io.blkmq.aio;

import java.io.IOException;
import java.util.Optional;

/** Provides {@code io_uring}: Linux 5.6 or later, x86-64 or aarch64, where it is not forbidden. */
public final class UringEngineProvider implements AioEngineProvider {

    /** For {@link java.util.ServiceLoader}. */
    public UringEngineProvider() {}

    @Override
    public String name() {
        return UringEngine.NAME;
    }

    @Override
    public boolean isShareable() {
        return true;
    }

    @Override
    public Optional<String> unavailable() {
        String refusal = NativeAccess.refusal();
        return Optional.ofNullable(refusal != null ? refusal : Uring.refusal());
    }

    @Override
    public AioEngine open(AioEngineConfig config) throws IOException {
        String refusal = NativeAccess.refusal();
        if (refusal != null) {
            throw new AioUnavailableException(name(), refusal);
        }
        return UringEngine.open(config);
    }
}
