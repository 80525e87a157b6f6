package io.blkmq.loop;

import io.blkmq.aio.Errno;
import java.io.IOException;
import java.io.Serial;

/**
 * A loop device, or the control of loop devices, refuses something. Its message names the device, the value and the limit;
 * {@link #errno} is the answer that the kernel's {@code ioctl} would give.
 *
 * @since 0.1.0
 */
public final class LoopException extends IOException {
    @Serial
    private static final long serialVersionUID = 1L;

    /** Of the kernel, positive. */
    private final int errno;

    LoopException(int errno, String message) {
        super(message + " (" + Errno.name(errno) + ")");
        this.errno = errno;
    }

    LoopException(int errno, String message, Throwable cause) {
        super(message + " (" + Errno.name(errno) + ")", cause);
        this.errno = errno;
    }

    /**
     * The error number.
     *
     * @return one of {@link Errno}: EBUSY, ENXIO, EINVAL, ...
     */
    public int errno() {
        return errno;
    }
}
