package io.blkmq.loop.kernel;

import java.lang.foreign.MemorySegment;

/**
 * A loop device at the level of its node and its ioctls: the kernel's, or ours behind the rules of a node. Each call returns what the
 * system call would, or a negative errno.
 */
interface LoopNode extends AutoCloseable {
    int READ_ONLY = 1;
    int AUTOCLEAR = 4;
    int PARTSCAN = 8;
    int DIRECT_IO = 16;

    /** LOOP_CONFIGURE with one of the files. */
    long configure(int file, boolean openReadOnly, int blockBytes, long offset, long limit, int flags);

    /** LOOP_CLR_FD, and when that succeeds, closing and opening the node. */
    long detach();

    /** LOOP_SET_STATUS64. */
    long setStatus(long offset, long limit, int flags);

    /** LOOP_GET_STATUS64: "offset limit flags", or the negative errno. */
    String status();

    /** LOOP_SET_CAPACITY. */
    long setCapacity();

    /** LOOP_SET_DIRECT_IO. */
    long setDirect(boolean direct);

    /** LOOP_SET_BLOCK_SIZE. */
    long setBlock(long bytes);

    /** LOOP_CHANGE_FD with one of the files, opened read-only. */
    long change(int file);

    /** BLKGETSIZE64. */
    long size();

    /** BLKSSZGET. */
    int block();

    /** pread, past the page cache of the node or through it. */
    long read(boolean direct, long offset, MemorySegment memory);

    /** pwrite; through the page cache of the node it is written back, and dropped there, before this returns. */
    long write(boolean direct, long offset, MemorySegment memory);

    /** BLKDISCARD. */
    long discard(long offset, long bytes);

    /** BLKZEROOUT: blocks stay allocated. */
    long zero(long offset, long bytes);

    /** fallocate(PUNCH_HOLE, KEEP_SIZE): zeroes without blocks, or not at all. */
    long punch(long offset, long bytes);

    /** fsync. */
    long flush();

    @Override
    void close();
}
