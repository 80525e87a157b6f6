package io.blkmq.aio;

/**
 * What a file says of writes that a power cut leaves whole or not at all ({@link AioFlag#ATOMIC}): the kernel's
 * {@code stx_atomic_write_unit_min} and its kin of {@code statx}.
 *
 * @param minBytes the shortest, a power of two; 0 if the file has none
 * @param maxBytes the longest, a power of two; 0 if the file has none
 * @param segmentsMax the most segments of one
 * @since 0.1.0
 */
public record AtomicWrites(int minBytes, int maxBytes, int segmentsMax) {

    /** Of a file that has none: it is open for buffered I/O, or kernel, file system or device have no such writes. */
    public static final AtomicWrites NONE = new AtomicWrites(0, 0, 0);

    /** {@return whether there are any} */
    public boolean areSupported() {
        return maxBytes > 0;
    }

    /**
     * Whether one may be so long, and be there.
     *
     * @param offset where in the file, in bytes
     * @param bytes the length
     * @return true if the length is a power of two from {@link #minBytes} to {@link #maxBytes}, and the offset a multiple of it
     */
    public boolean fits(long offset, long bytes) {
        return bytes >= minBytes && bytes <= maxBytes && Long.bitCount(bytes) == 1 && (offset & (bytes - 1)) == 0;
    }
}
