package io.blkmq.aio;

/** What a {@link Kiocb} asks for. */
public enum AioOperation {
    /** Read into the segments. */
    READ,
    /** Write from the segments. */
    WRITE,
    /** Make data and metadata durable: {@code fsync}. */
    FSYNC,
    /** Make data durable, and the metadata that is needed to find it: {@code fdatasync}. */
    FDATASYNC,
    /** Free the blocks of a range, which then reads as zeroes; the file's size stays. */
    PUNCH_HOLE,
    /** Make a range read as zeroes with its blocks still allocated. */
    ZERO_RANGE,
    /** Allocate the blocks of a range, so that writing to it cannot fail for want of space; data stays. */
    ALLOCATE;

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
