package io.blkmq.core;

import java.io.IOException;
import java.io.Serial;
import org.jspecify.annotations.Nullable;

/**
 * An operation that was submitted and ended with an error. Its message names the device, the place, the length and the status.
 *
 * @since 0.1.0
 */
public final class BlockIOException extends IOException {
    @Serial
    private static final long serialVersionUID = 1L;

    /** How the operation ended. */
    private final Status status;
    /** The device's name. */
    private final String device;
    /** First sector of 512 bytes. */
    private final long sector;
    /** Length. */
    private final long bytes;

    /**
     * Describes a failed operation.
     *
     * @param device name of the device
     * @param operation the operation
     * @param sector first sector of 512 bytes
     * @param bytes length
     * @param status how it ended
     * @param cause the cause, if known
     */
    public BlockIOException(String device, Operation operation, long sector, long bytes, Status status,
            @Nullable Throwable cause) {
        super(operation + " of " + bytes + " bytes at sector " + sector + " of " + device + " failed: " + status.text()
                + " (" + status + ", errno " + status.errno() + ")", cause);
        this.device = device;
        this.sector = sector;
        this.bytes = bytes;
        this.status = status;
    }

    /**
     * How the operation ended.
     *
     * @return never {@link Status#OK}
     */
    public Status status() {
        return status;
    }

    /**
     * The name of the device.
     *
     * @return as given when the disk was made
     */
    public String device() {
        return device;
    }

    /**
     * Where the operation began.
     *
     * @return sector of 512 bytes
     */
    public long sector() {
        return sector;
    }

    /**
     * The operation's length.
     *
     * @return bytes
     */
    public long bytes() {
        return bytes;
    }
}
