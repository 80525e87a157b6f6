package io.blkmq.core;

import java.io.IOException;
import java.io.Serial;

/**
 * Something cannot be changed because somebody uses it (EBUSY).
 *
 * @since 0.1.0
 */
public final class DiskBusyException extends IOException {
    @Serial
    private static final long serialVersionUID = 1L;

    /**
     * Makes the exception.
     *
     * @param message with the device's name
     */
    public DiskBusyException(String message) {
        super(message);
    }
}
