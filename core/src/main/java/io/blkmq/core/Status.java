package io.blkmq.core;

/**
 * How an operation ended, or what a driver answered to {@code queueRq}. The kernel's counterpart is {@code blk_status_t}; each
 * status carries the errno that a caller of the kernel would see.
 *
 * @since 0.1.0
 */
public enum Status {
    /** Success. */
    OK(0, "success"),
    /** The device cannot do this operation. */
    NOTSUPP(95, "operation not supported"),
    /** The operation took too long. */
    TIMEOUT(110, "timed out"),
    /** No space behind the device. */
    NOSPC(28, "no space left"),
    /** The way to the device failed. */
    TRANSPORT(67, "transport failed"),
    /** The device itself failed. */
    TARGET(121, "target failed"),
    /** The medium cannot be read or written there. */
    MEDIUM(61, "medium error"),
    /** The data's protection information is wrong. */
    PROTECTION(84, "protection error"),
    /** Not now: try again after a delay, or when a completion frees something. Only an answer of {@code queueRq}. */
    RESOURCE(12, "out of resources"),
    /** Not now: the driver has something in flight that will run the queue again. Only an answer of {@code queueRq}. */
    DEV_RESOURCE(16, "out of device resources"),
    /** Would have to wait, and the caller asked not to. */
    AGAIN(11, "would block"),
    /** Interrupted while it waited, before anything of it was submitted. */
    INTR(4, "interrupted"),
    /** The device is gone or going. */
    NODEV(19, "no such device"),
    /** The request makes no sense to the device. */
    INVAL(22, "invalid request"),
    /** Any other error. */
    IOERR(5, "I/O error");

    private static final Status[] ALL = values();

    private final int errno;
    private final String text;

    Status(int errno, String text) {
        this.errno = errno;
        this.text = text;
    }

    /**
     * The error number of Linux that goes with this status.
     *
     * @return a positive errno, or 0 for {@link #OK}
     */
    public int errno() {
        return errno;
    }

    /**
     * A short text for messages.
     *
     * @return for example {@code I/O error}
     */
    public String text() {
        return text;
    }

    /**
     * The status of an errno; {@link #IOERR} for an errno without a status of its own.
     *
     * @param errno a positive errno of Linux, or 0
     * @return its status
     */
    public static Status ofErrno(int errno) {
        for (Status status : ALL) {
            if (status.errno == errno) {
                return status;
            }
        }
        return IOERR;
    }
}
