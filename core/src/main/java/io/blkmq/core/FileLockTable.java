package io.blkmq.core;

import java.nio.channels.AsynchronousFileChannel;
import java.nio.channels.Channel;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.locks.ReentrantLock;

/**
 * The file locks on one disk. As with files they belong to the whole process: a second lock on a range is refused, whichever
 * channel and thread asks, and whether shared or not. Since the disk exists in this process only, nobody ever has to wait for one.
 * Thread-safe; the list is guarded by the lock.
 */
final class FileLockTable {
    private final ReentrantLock lock = new ReentrantLock();
    private final List<DiskFileLock> held = new ArrayList<>();

    /**
     * Locks a range.
     *
     * @param channel for which
     * @param position first byte
     * @param size bytes; 0 for all bytes from the position on
     * @param shared whether for reading only
     * @return the lock
     * @throws OverlappingFileLockException if a part of the range is locked
     */
    FileLock lock(FileChannel channel, long position, long size, boolean shared) {
        return hold(new DiskFileLock(channel, position, bytes(position, size), shared));
    }

    /** The same for the other kind of channel. */
    FileLock lock(AsynchronousFileChannel channel, long position, long size, boolean shared) {
        return hold(new DiskFileLock(channel, position, bytes(position, size), shared));
    }

    private static long bytes(long position, long size) {
        return size == 0 ? Long.MAX_VALUE - Math.max(0, position) : size;
    }

    private FileLock hold(DiskFileLock asked) {
        lock.lock();
        try {
            for (DiskFileLock other : held) {
                if (other.overlaps(asked.position(), asked.size())) {
                    throw new OverlappingFileLockException();
                }
            }
            held.add(asked);
        } finally {
            lock.unlock();
        }
        return asked;
    }

    private void release(DiskFileLock released) {
        lock.lock();
        try {
            released.valid = false;
            held.remove(released);
        } finally {
            lock.unlock();
        }
    }

    /** Releases all locks of a channel that is being closed. */
    void releaseAll(Channel channel) {
        lock.lock();
        try {
            for (DiskFileLock each : held) {
                if (each.acquiredBy().equals(channel)) {
                    each.valid = false;
                }
            }
            held.removeIf(each -> !each.valid);
        } finally {
            lock.unlock();
        }
    }

    private final class DiskFileLock extends FileLock {
        /** Written under the lock of the table. */
        private volatile boolean valid = true;

        DiskFileLock(FileChannel channel, long position, long size, boolean shared) {
            super(channel, position, size, shared);
        }

        DiskFileLock(AsynchronousFileChannel channel, long position, long size, boolean shared) {
            super(channel, position, size, shared);
        }

        @Override
        public boolean isValid() {
            return valid;
        }

        @Override
        public void release() throws ClosedChannelException {
            if (!acquiredBy().isOpen()) {
                throw new ClosedChannelException();
            }
            FileLockTable.this.release(this);
        }
    }
}
