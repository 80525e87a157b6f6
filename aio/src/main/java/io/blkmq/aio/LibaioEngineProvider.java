package io.blkmq.aio;

import java.io.IOException;
import java.util.Optional;

/**
 * Provides {@code libaio}: the kernel's native AIO by system calls, on Linux, x86-64 or aarch64. The library itself
 * is not used.
 */
public final class LibaioEngineProvider implements AioEngineProvider {

    /** Asked once if the answer is good: the kernel takes its time, tens of milliseconds, to destroy a context. */
    private volatile boolean worked;

    /** For {@link java.util.ServiceLoader}. */
    public LibaioEngineProvider() {}

    @Override
    public String name() {
        return LibaioEngine.NAME;
    }

    @Override
    public boolean isShareable() {
        return true;
    }

    @Override
    public Optional<String> unavailable() {
        String refusal = NativeAccess.refusal();
        if (refusal != null) {
            return Optional.of(refusal);
        }
        if (worked) {
            return Optional.empty();
        }
        try {
            AioContext.open(1).close();
            worked = true;
            return Optional.empty();
        } catch (AioUnavailableException e) {
            return Optional.of(e.reason());
        } catch (IOException e) {
            // Not now; but here it works.
            return Optional.empty();
        }
    }

    @Override
    public AioEngine open(AioEngineConfig config) throws IOException {
        String refusal = NativeAccess.refusal();
        if (refusal != null) {
            throw new AioUnavailableException(name(), refusal);
        }
        return LibaioEngine.open(config);
    }
}
