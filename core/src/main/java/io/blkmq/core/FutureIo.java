package io.blkmq.core;

/** An operation of the future form. */
final class FutureIo extends WaitingFuture<Void> implements IoCompletion {
    private final DiskSectors disk;
    private final Operation operation;
    private final long offset;
    private final long bytes;

    FutureIo(DiskSectors disk, Operation operation, long offset, long bytes) {
        super(disk.deviceQueue());
        this.disk = disk;
        this.operation = operation;
        this.offset = offset;
        this.bytes = bytes;
    }

    @Override
    @SuppressWarnings("NullAway") // the only value of Void
    public void ended(Status status) {
        if (status == Status.OK) {
            complete(null);
        } else {
            completeExceptionally(new BlockIOException(disk.name(), operation, offset / QueueLimits.SECTOR_BYTES, bytes,
                    status, null));
        }
    }
}
