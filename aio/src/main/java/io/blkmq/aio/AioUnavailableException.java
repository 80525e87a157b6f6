package io.blkmq.aio;

import java.io.IOException;
import java.io.Serial;

/**
 * An engine cannot be used on this machine; the message names the engine and why: kernel, permission, architecture or
 * system.
 */
public final class AioUnavailableException extends IOException {

    @Serial
    private static final long serialVersionUID = 1L;

    private final String engine;
    private final String reason;

    /**
     * @param engine the engine's name
     * @param reason why it cannot be used here
     */
    public AioUnavailableException(String engine, String reason) {
        super("AIO engine " + engine + " is not available here: " + reason);
        this.engine = engine;
        this.reason = reason;
    }

    /** The name of the engine that cannot be used. */
    public String engine() {
        return engine;
    }

    /** Why, without the name. */
    public String reason() {
        return reason;
    }
}
