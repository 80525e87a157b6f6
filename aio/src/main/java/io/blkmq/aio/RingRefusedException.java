package io.blkmq.aio;

import java.io.Serial;

/** The kernel refuses to be entered for a ring, and not because of something that passes. Within the module. */
final class RingRefusedException extends RuntimeException {

    @Serial
    private static final long serialVersionUID = 1L;

    /**
     * @param call the system call
     * @param errno negative
     */
    RingRefusedException(String call, int errno) {
        // No stack: it is thrown again and again, always for the same reason.
        super(call + " failed: " + Errno.name(errno), null, false, false);
    }
}
