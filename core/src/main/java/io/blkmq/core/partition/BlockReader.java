package io.blkmq.core.partition;

import io.blkmq.core.BlockIOException;
import io.blkmq.core.Operation;
import io.blkmq.core.QueueLimits;
import io.blkmq.core.Status;
import io.blkmq.runtime.IoBuffer;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * Reads a disk by logical blocks. Size and block size are those of its making: should the disk become smaller meanwhile, a read fails
 * as one of a defective disk does.
 */
public final class BlockReader implements AutoCloseable {
    /** As much as is read at a time. */
    private static final int PIECE_BYTES = QueueLimits.LOGICAL_BLOCK_BYTES_MAX;

    /** Whose blocks they are: how a disk is read. */
    @FunctionalInterface
    public interface Source {
        /**
         * Reads, and waits.
         *
         * @param offset in bytes
         * @param memory is filled
         * @throws BlockIOException if it fails
         */
        void read(long offset, MemorySegment memory) throws BlockIOException;
    }

    private final Source disk;
    private final String name;
    private final int blockBytes;
    private final long blocks;
    private final IoBuffer buffer = IoBuffer.allocate(PIECE_BYTES);

    /**
     * Makes one.
     *
     * @param disk what is read
     * @param name its name
     * @param blockBytes its logical blocks
     * @param sizeBytes its size
     */
    public BlockReader(Source disk, String name, int blockBytes, long sizeBytes) {
        this.disk = disk;
        this.name = name;
        this.blockBytes = blockBytes;
        this.blocks = sizeBytes / blockBytes;
    }

    int blockBytes() {
        return blockBytes;
    }

    /** How many there are. */
    long blocks() {
        return blocks;
    }

    /** How many blocks are read at a time. */
    int pieceBlocks() {
        return PIECE_BYTES / blockBytes;
    }

    /** One block, for the caller to keep. */
    ByteBuffer read(long block) throws BlockIOException, DamagedException {
        return read(block, 1);
    }

    /**
     * Some blocks.
     *
     * @param count at most {@link #pieceBlocks()}
     * @return a copy, in the byte order of the tables
     * @throws DamagedException if they are not on the disk
     */
    ByteBuffer read(long block, int count) throws BlockIOException, DamagedException {
        if (block < 0 || block > blocks - count) {
            throw new DamagedException("block " + block + " is not on the disk of " + blocks + " blocks");
        }
        MemorySegment piece = buffer.memory().asSlice(0, (long) count * blockBytes);
        try {
            disk.read(block * blockBytes, piece);
        } catch (IndexOutOfBoundsException | IllegalArgumentException e) {
            throw new BlockIOException(name, Operation.READ, block * (blockBytes / QueueLimits.SECTOR_BYTES),
                    piece.byteSize(), Status.INVAL, e);
        }
        ByteBuffer copy = ByteBuffer.allocate(count * blockBytes).order(ByteOrder.LITTLE_ENDIAN);
        MemorySegment.ofBuffer(copy).copyFrom(piece);
        return copy;
    }

    /**
     * Throws what says nothing of a block: that the calling thread was interrupted before anything was read, or that the disk has gone.
     *
     * @param failure of a read
     * @throws BlockIOException that failure, unless the device could not read the block
     */
    static void requireOfBlock(BlockIOException failure) throws BlockIOException {
        if (failure.status() == Status.INTR || failure.status() == Status.NODEV) {
            throw failure;
        }
    }

    @Override
    public void close() {
        buffer.close();
    }
}
