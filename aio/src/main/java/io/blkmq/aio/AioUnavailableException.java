package io.blkmq.aio;

import java.io.IOException;
import java.io.Serial;

/**
 * An engine cannot be used on this machine; the message names the engine and why: kernel, permission, architecture or
 * system.
 *
 * @since 0.1.0
 */
public final class AioUnavailableException extends IOException {

    @Serial
    private static final long serialVersionUID = 1L;

    /** The name of the engine. */
    private final String engine;
    /** The reason, without the name. */
    private final String reason;

    /**
     * Makes the exception and its message.
     *
     * @param engine the engine's name
     * @param reason why it cannot be used here
     */
    public AioUnavailableException(String engine, String reason) {
        super("AIO engine " + engine + " is not available here: " + reason);
        this.engine = engine;
        this.reason = reason;
    }

    /** {@return the name of the engine that cannot be used} */
    public String engine() {
        return engine;
    }

    /** {@return the reason, without the name of the engine} */
    public String reason() {
        return reason;
    }
}
