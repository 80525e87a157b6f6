package io.blkmq.tools.job;

/**
 * How long a job's operations are: a range for reads and one for writes, in bytes, bounds included.
 *
 * @param readMin the shortest read
 * @param readMax the longest read
 * @param writeMin the shortest write
 * @param writeMax the longest write
 */
public record BlockSizes(int readMin, int readMax, int writeMin, int writeMax) {
    /** What a job does that says nothing else. */
    public static final int DEFAULT_BYTES = 4096;
    /** The longest operation there is. */
    public static final int BYTES_MAX = 64 << 20;

    /**
     * The longest operation of the job.
     *
     * @return bytes
     */
    public int max() {
        return Math.max(readMax, writeMax);
    }

    /** From {@code 4k} or {@code 4k,8k}: reads, writes; what is left out between commas is the default. */
    static BlockSizes parse(String text) {
        String[] parts = directions(text);
        int read = parts[0].isBlank() ? DEFAULT_BYTES : size(parts[0]);
        int write = parts.length == 1 ? read : parts[1].isBlank() ? DEFAULT_BYTES : size(parts[1]);
        return new BlockSizes(read, read, write, write);
    }

    /** From {@code 4k-64k} or {@code 4k-64k,8k-8k}. */
    static BlockSizes parseRange(String text) {
        String[] parts = directions(text);
        int[] read = range(parts[0]);
        int[] write = parts.length == 1 ? read : range(parts[1]);
        return new BlockSizes(read[0], read[1], write[0], write[1]);
    }

    private static String[] directions(String text) {
        String[] parts = text.split(",", -1);
        if (parts.length > 2) {
            throw new IllegalArgumentException("sizes for reads and for writes are possible, and not " + parts.length
                    + " of them: there are no trims");
        }
        return parts;
    }

    private static int[] range(String text) {
        String[] bounds = text.strip().split("-", -1);
        if (bounds.length != 2) {
            throw new IllegalArgumentException("a range like 4k-64k is needed");
        }
        int min = size(bounds[0]);
        int max = size(bounds[1]);
        if (min > max) {
            throw new IllegalArgumentException("the range begins with " + min + " and ends with " + max);
        }
        return new int[]{min, max};
    }

    private static int size(String text) {
        return (int) Quantity.between(Quantity.bytes(text), 1, BYTES_MAX);
    }
}
