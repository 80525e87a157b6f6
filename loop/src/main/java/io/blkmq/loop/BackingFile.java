package io.blkmq.loop;

import io.blkmq.aio.AioFile;
import java.io.IOException;
import java.nio.file.Path;

/** The file behind a device: opened, locked, and placed. Immutable but for one thing: a sync that failed is never forgotten. */
final class BackingFile implements AutoCloseable {
    private static final int SECTOR_BYTES = 512;

    private final AioFile file;
    private final long offsetBytes;
    private final SyncLatch syncs;

    private BackingFile(AioFile file, long offsetBytes) {
        this.file = file;
        this.offsetBytes = offsetBytes;
        this.syncs = new SyncLatch(() -> file.sync(false));
    }

    /**
     * Locks an opened file: a device that writes excludes every other, one that reads only those that write.
     *
     * @throws IOException if it is locked by another, naming it; the file is closed then
     */
    static BackingFile lock(AioFile file, long offsetBytes) throws IOException {
        try {
            if (!file.tryLock(file.isWritable())) {
                throw new IOException(file.path() + " is in use: another device or process has locked it"
                        + (file.isWritable() ? "" : " for writing"));
            }
        } catch (Throwable t) {
            file.close();
            throw t;
        }
        return new BackingFile(file, offsetBytes);
    }

    AioFile file() {
        return file;
    }

    Path path() {
        return file.path();
    }

    boolean isDirect() {
        return file.isDirect();
    }

    /** The size of the device over this file: whole blocks only, 0 if the offset is past the end. */
    long capacitySectors(long sizeLimitBytes, int blockBytes) throws IOException {
        long bytes = Math.max(0, file.size() - offsetBytes);
        if (sizeLimitBytes > 0) {
            bytes = Math.min(bytes, sizeLimitBytes);
        }
        return bytes / blockBytes * (blockBytes / SECTOR_BYTES);
    }

    /** Where in the file a sector of the device is. */
    long position(long sector) {
        return offsetBytes + sector * SECTOR_BYTES;
    }

    SyncLatch syncs() {
        return syncs;
    }

    @Override
    public void close() {
        file.close();
    }
}
