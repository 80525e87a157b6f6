package io.blkmq.aio;

/**
 * The kinds of operation of a {@link Kiocb}.
 *
 * @since 0.1.0
 */
public enum AioOperation {
    /** Read into the segments. */
    READ(1 << 0),
    /** Write from the segments. */
    WRITE(1 << 1),
    /** Make data and metadata durable: {@code fsync}. */
    FSYNC(1 << 2),
    /** Make data durable, and the metadata that is needed to find it: {@code fdatasync}. */
    FDATASYNC(1 << 3),
    /** Free the blocks of a range, which then reads as zeroes; the file's size stays. */
    PUNCH_HOLE(1 << 4),
    /** Make a range read as zeroes with its blocks still allocated. */
    ZERO_RANGE(1 << 5),
    /** Allocate the blocks of a range, so that writing to it cannot fail for want of space; data stays. */
    ALLOCATE(1 << 6);

    /** Stands for the operation in a set of operations that is one word. */
    final int bit;

    AioOperation(int bit) {
        this.bit = bit;
    }

    boolean isTransfer() {
        return this == READ || this == WRITE;
    }

    boolean isSync() {
        return this == FSYNC || this == FDATASYNC;
    }

    /** Whether the file must have been opened for writing. A file may be synced by whoever has it open. */
    boolean needsWriteAccess() {
        return this == WRITE || isAllocation();
    }

    /** Whether it is one of the forms of {@code fallocate}. */
    boolean isAllocation() {
        return this == PUNCH_HOLE || this == ZERO_RANGE || this == ALLOCATE;
    }
}
