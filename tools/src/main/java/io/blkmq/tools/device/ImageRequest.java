package io.blkmq.tools.device;

import java.nio.file.Path;

/**
 * A temporary image that a device needs.
 *
 * @param directory where it lies
 * @param bytes how large it is
 * @param layoutBytesMax the largest image that is written before it is read; a larger one stays a hole
 */
public record ImageRequest(Path directory, long bytes, long layoutBytesMax) {
    /** The largest image that is laid out where the user says nothing. */
    public static final long LAYOUT_BYTES_DEFAULT = 8L << 30;
    /** No image. */
    public static final ImageRequest NONE = new ImageRequest(Path.of(System.getProperty("java.io.tmpdir", "/tmp")), 0,
            LAYOUT_BYTES_DEFAULT);

    /**
     * The same with another size.
     *
     * @param value bytes
     * @return another request
     */
    public ImageRequest withBytes(long value) {
        return new ImageRequest(directory, value, layoutBytesMax);
    }

    /** Whether an image that is read is to be written before. */
    boolean isLaidOut() {
        return bytes <= layoutBytesMax;
    }
}
