package io.blkmq.loop;

import io.blkmq.aio.AioEngine;
import io.blkmq.aio.AioFile;
import io.blkmq.aio.Errno;
import io.blkmq.core.QueueLimits;
import java.io.IOException;
import java.nio.file.Path;

/**
 * A file behind a device. It is open once through the page cache: that open has the lock, and is the one that is synced, since it
 * has been there from the first write on and so is told of each that failed. For direct I/O the same file is open a second time.
 */
final class BackingFile implements Backing {
    private final AioFile base;
    /** What is read and written: the base, or a direct open of the same file. */
    private final AioFile io;
    private final boolean aio;
    private final long offsetBytes;
    /** A sync that failed is never forgotten, whichever way the I/O goes. */
    private final SyncLatch syncs;
    /** One of the device's, or of its kind. */
    private final AioEngine engine;
    private final boolean syncsByEngine;
    private final boolean zeroesByEngine;

    private BackingFile(AioFile base, AioFile io, boolean aio, long offsetBytes, SyncLatch syncs, AioEngine engine) {
        this.engine = engine;
        this.syncsByEngine = engine.syncsAlone();
        this.zeroesByEngine = engine.zeroesAlone();
        this.base = base;
        this.io = io;
        this.aio = aio;
        this.offsetBytes = offsetBytes;
        this.syncs = syncs;
    }

    /**
     * Opens and locks a file, buffered, for the work queue: a device that writes excludes every other, one that reads only those
     * that write.
     *
     * @throws LoopException with EBUSY if another has locked it
     * @throws IOException if it cannot be opened
     */
    static BackingFile open(AioEngine engine, Path path, AioFile.Access access, long offsetBytes) throws IOException {
        AioFile file = engine.open(path, access, false);
        try {
            if (!file.tryLock(file.isWritable())) {
                throw new LoopException(Errno.EBUSY, file.path() + " is in use: another device or process has locked it"
                        + (file.isWritable() ? "" : " for writing"));
            }
        } catch (Throwable t) {
            file.close();
            throw t;
        }
        return new BackingFile(file, file, false, offsetBytes, new SyncLatch(path.toString(), () -> file.sync(false)),
                engine);
    }

    // ---- the same file, otherwise

    /** The same at another offset. */
    BackingFile at(long offset) {
        return new BackingFile(base, io, aio, offset, syncs, engine);
    }

    /** The same, with transfers by the engine (USE_AIO) or the work queue. */
    BackingFile by(boolean ofEngine) {
        return new BackingFile(base, io, ofEngine, offsetBytes, syncs, engine);
    }

    /** The same, through the page cache and the work queue. */
    BackingFile buffered() {
        return new BackingFile(base, base, false, offsetBytes, syncs, engine);
    }

    /**
     * The same, past the page cache and by the engine.
     *
     * @param blockBytes the device's logical block; 0 if it goes by the file
     * @throws LoopException with EINVAL if the file, the offset or the block do not allow it
     */
    BackingFile direct(int blockBytes) throws IOException {
        AioFile opened;
        try {
            opened = base.reopen(true);
        } catch (AioFile.DirectUnsupportedException e) {
            throw new LoopException(Errno.EINVAL, base.path() + " cannot do direct I/O", e);
        }
        BackingFile direct = new BackingFile(base, opened, true, offsetBytes, syncs, engine);
        if (!direct.fits(offsetBytes, blockBytes == 0 ? direct.blockBytesMin() : blockBytes)) {
            opened.close();
            throw new LoopException(Errno.EINVAL,
                    base.path() + " needs direct I/O in multiples of " + opened.offsetAlignment()
                            + " bytes, but the device begins at offset " + offsetBytes
                            + (blockBytes == 0 ? "" : " and has blocks of " + blockBytes + " bytes"));
        }
        return direct;
    }

    /** Whether a device at an offset, with such blocks, asks nothing of the file that it cannot do. */
    boolean fits(long offset, int blockBytes) {
        return offset % io.offsetAlignment() == 0 && blockBytes % io.offsetAlignment() == 0;
    }

    // ---- what it is

    /** What is read and written. */
    AioFile io() {
        return io;
    }

    /** What holes are made in. */
    AioFile base() {
        return base;
    }

    Path path() {
        return base.path();
    }

    /** Whether transfers go to the engine, and not to the work queue. */
    boolean isAio() {
        return aio;
    }

    /** Whether the engine that does the transfers syncs as well, with no thread of ours that waits for it. */
    boolean canSyncByEngine() {
        return aio && syncsByEngine;
    }

    /** Whether the engine that does the transfers frees and zeroes ranges as well. */
    boolean canZeroByEngine() {
        return aio && zeroesByEngine;
    }

    SyncLatch syncs() {
        return syncs;
    }

    /** Where in the file a sector of the device is. */
    long position(long sector) {
        return offsetBytes + sector * QueueLimits.SECTOR_BYTES;
    }

    @Override
    public String name() {
        return base.path().toString();
    }

    @Override
    public boolean isWritable() {
        return base.isWritable();
    }

    @Override
    public boolean isDirect() {
        return io.isDirect();
    }

    @Override
    public long offsetBytes() {
        return offsetBytes;
    }

    @Override
    public long sizeBytes() throws IOException {
        return base.size();
    }

    @Override
    public int blockBytesMin() {
        return Math.max(QueueLimits.SECTOR_BYTES, io.offsetAlignment());
    }

    @Override
    public QueueLimits limits(int blockBytes) {
        boolean writable = isWritable();
        return QueueLimits.builder().logicalBlockBytes(blockBytes).requestBytesMax(REQUEST_BYTES_MAX)
                .segmentsMax(SEGMENTS_MAX).segmentBytesMax(Math.max(SEGMENT_BYTES_MAX, blockBytes))
                .dmaAlignmentBytes(io.memoryAlignment()).discardBytesMax(writable ? DISCARD_BYTES_MAX : 0)
                .discardGranularityBytes(Math.max(blockBytes, base.blockBytes())).ioOptBytes(optimalBytes(blockBytes))
                .writeZeroesBytesMax(writable ? DISCARD_BYTES_MAX : 0)
                .writeCache(writable, writable && aio && engine.writesThrough(io)).readOnly(!writable).build();
    }

    /** What the storage does best, in whole blocks. */
    private int optimalBytes(int blockBytes) {
        return io.optimalBytes() / blockBytes * blockBytes;
    }

    /** Lets go what another that has taken its place does not use. */
    void closeFor(BackingFile next) {
        if (!io.equals(base) && !io.equals(next.io)) {
            io.close();
        }
    }

    @Override
    public void close() {
        if (!io.equals(base)) {
            io.close();
        }
        base.close();
    }
}
