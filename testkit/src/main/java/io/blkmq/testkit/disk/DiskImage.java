package io.blkmq.testkit.disk;

import io.blkmq.core.QueueLimits;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.Objects;

/**
 * The content of a disk at one moment. Images share what they have in common: an image of a disk costs what was written since the one
 * before, and taking one costs nothing. Blocks that were never written take no room and read as zeroes. Immutable, and so thread-safe.
 *
 * @see SimulatedDisk#snapshot()
 * @since 0.1.0
 */
public final class DiskImage {
    /** The largest image that {@link #load} takes: the content is kept on the heap. */
    public static final long BYTES_MAX = 1L << 50;

    private static final int PIECE_BYTES = 1 << 20;
    private static final byte[] ZEROES = new byte[BlockTree.BLOCK_BYTES];

    private final BlockTree tree;

    DiskImage(BlockTree tree) {
        this.tree = tree;
    }

    /**
     * An image of zeroes.
     *
     * @param sizeBytes its size, a positive multiple of 512 up to {@link #BYTES_MAX}
     * @return the image
     * @throws IllegalArgumentException if the size is another
     */
    public static DiskImage zeroes(long sizeBytes) {
        return new DiskImage(BlockTree.zeroes(requireSize(sizeBytes)));
    }

    /**
     * An image of given content.
     *
     * @param content all of it, copied; its length is a positive multiple of 512
     * @return the image
     * @throws IllegalArgumentException if the length is another
     */
    public static DiskImage of(byte[] content) {
        return zeroes(content.length).with(0, content);
    }

    static long requireSize(long sizeBytes) {
        if (sizeBytes <= 0 || sizeBytes % QueueLimits.SECTOR_BYTES != 0 || sizeBytes > BYTES_MAX) {
            throw new IllegalArgumentException("a disk of " + sizeBytes + " bytes: a positive multiple of "
                    + QueueLimits.SECTOR_BYTES + " up to " + BYTES_MAX + " is possible");
        }
        return sizeBytes;
    }

    /**
     * An image that differs from this one in one place.
     *
     * @param offset where, in bytes
     * @param content what stands there; any length
     * @return the other image; this one stays as it is
     * @throws IndexOutOfBoundsException if it is not within the image
     */
    public DiskImage with(long offset, byte[] content) {
        requireWithin(offset, content.length);
        BlockTree changed = tree.copy();
        changed.write(offset, content, 0, content.length);
        return new DiskImage(changed);
    }

    /**
     * Its size.
     *
     * @return bytes
     */
    public long sizeBytes() {
        return tree.sizeBytes();
    }

    /**
     * A part of its content.
     *
     * @param offset where it begins, in bytes
     * @param length how many bytes
     * @return a new array
     * @throws IndexOutOfBoundsException if it is not within the image
     */
    public byte[] read(long offset, int length) {
        requireWithin(offset, length);
        byte[] bytes = new byte[length];
        tree.read(offset, MemorySegment.ofArray(bytes), 0, length);
        return bytes;
    }

    /**
     * Copies a part of its content.
     *
     * @param offset where it begins, in bytes
     * @param memory is filled
     * @throws IndexOutOfBoundsException if it is not within the image
     */
    public void read(long offset, MemorySegment memory) {
        requireWithin(offset, memory.byteSize());
        tree.read(offset, memory, 0, memory.byteSize());
    }

    private void requireWithin(long offset, long length) {
        if (offset < 0 || length < 0 || offset > sizeBytes() - length) {
            throw new IndexOutOfBoundsException(
                    length + " bytes at offset " + offset + ": the image has " + sizeBytes() + " bytes");
        }
    }

    /**
     * What tells its content from that of others. It is worked out once, from what was written since an image before it was asked.
     *
     * @return equal for equal content of equal size
     */
    public ImageFingerprint fingerprint() {
        return tree.fingerprint();
    }

    BlockTree tree() {
        return tree;
    }

    // ---- files

    /**
     * Writes it to a file: its content as it is, as a loop device or {@code dd} want it. Blocks of zeroes are left out, so that the file
     * is sparse where the file system can do that.
     *
     * @param file is made, or replaced
     * @throws IOException if it cannot be written
     */
    public void save(Path file) throws IOException {
        try (FileChannel to = FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE,
                StandardOpenOption.TRUNCATE_EXISTING, StandardOpenOption.SPARSE)) {
            tree.forEachBlock((offset, bytes) -> writeBlock(to, offset, bytes));
            if (to.size() < sizeBytes()) {
                int _ = to.write(ByteBuffer.allocate(1), sizeBytes() - 1);
            }
        }
    }

    private void writeBlock(FileChannel to, long offset, byte[] bytes) throws IOException {
        if (!isZero(bytes, 0, bytes.length)) {
            ByteBuffer left = ByteBuffer.wrap(bytes, 0, (int) Math.min(bytes.length, sizeBytes() - offset));
            while (left.hasRemaining()) {
                int _ = to.write(left, offset + left.position());
            }
        }
    }

    /**
     * Reads a file of {@link #save}, or any other that is an image.
     *
     * @param file its size is a positive multiple of 512
     * @return its content
     * @throws IOException if it cannot be read
     * @throws IllegalArgumentException if it has another size
     */
    public static DiskImage load(Path file) throws IOException {
        try (FileChannel from = FileChannel.open(file, StandardOpenOption.READ)) {
            long size = from.size();
            BlockTree tree;
            try {
                tree = BlockTree.zeroes(requireSize(size));
            } catch (IllegalArgumentException e) {
                throw new IllegalArgumentException(file + ": " + e.getMessage(), e);
            }
            ByteBuffer piece = ByteBuffer.allocate(PIECE_BYTES);
            for (long offset = 0; offset < size;) {
                int read = from.read(piece.clear(), offset);
                if (read < 0) {
                    throw new IOException(file + " has become shorter while it was read: " + offset + " of " + size
                            + " bytes are there");
                }
                writeWhatIsThere(tree, offset, piece.array(), read);
                offset += read;
            }
            return new DiskImage(tree);
        }
    }

    private static void writeWhatIsThere(BlockTree tree, long offset, byte[] bytes, int length) {
        for (int at = 0; at < length;) {
            int step = (int) Math.min(length - at, BlockTree.BLOCK_BYTES - (offset + at) % BlockTree.BLOCK_BYTES);
            if (!isZero(bytes, at, step)) {
                tree.write(offset + at, bytes, at, step);
            }
            at += step;
        }
    }

    private static boolean isZero(byte[] bytes, int from, int length) {
        return Arrays.equals(bytes, from, from + length, ZEROES, 0, length);
    }

    /**
     * Whether another is an image of the same content, by the {@link #fingerprint}.
     *
     * @param other anything
     */
    @Override
    public boolean equals(Object other) {
        return other instanceof DiskImage image && image.sizeBytes() == sizeBytes()
                && image.fingerprint().equals(fingerprint());
    }

    @Override
    public int hashCode() {
        return Objects.hash(sizeBytes(), fingerprint());
    }

    @Override
    public String toString() {
        return "image of " + sizeBytes() + " bytes, " + fingerprint();
    }
}
