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
    public Optional<String> unavailable() {
        return Platform.nativeUnavailable().or(() -> Optional.ofNullable(Uring.refusal()));
    }

    @Override
    public AioEngine open(AioEngineConfig config) throws IOException {
        Optional<String> reason = Platform.nativeUnavailable();
        if (reason.isPresent()) {
            throw new AioUnavailableException(name(), reason.get());
        }
        return UringEngine.open(config);
    }
}
