package io.blkmq.testkit.provider;

import java.io.IOException;
import java.nio.channels.AsynchronousFileChannel;
import java.nio.channels.Channel;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * The locks on files of a file system. As all who can lock are in one JVM, and within a JVM locks must not overlap, whether they are
 * shared or not, a lock is never waited for. Thread-safe.
 */
final class FileLocks {
    private final Map<Long, List<Lock>> locks = new HashMap<>();

    /** A lock; released with its channel at the latest. */
    private static final class Lock extends FileLock {
        private final FileLocks table;
        private final long inode;
        private volatile boolean released;

        Lock(FileLocks table, long inode, FileChannel channel, long position, long size, boolean shared) {
            super(channel, position, size, shared);
            this.table = table;
            this.inode = inode;
        }

        Lock(FileLocks table, long inode, AsynchronousFileChannel channel, long position, long size, boolean shared) {
            super(channel, position, size, shared);
            this.table = table;
            this.inode = inode;
        }

        @Override
        public boolean isValid() {
            return !released && acquiredBy().isOpen();
        }

        @Override
        public void release() throws IOException {
            if (!acquiredBy().isOpen()) {
                throw new ClosedChannelException();
            }
            released = true;
            table.remove(this);
        }
    }

    FileLock lock(OpenFile file, FileChannel channel, long position, long size, boolean shared)
            throws ClosedChannelException {
        return add(new Lock(this, file.inode(), channel, position, extent(position, size), shared));
    }

    FileLock lock(OpenFile file, AsynchronousFileChannel channel, long position, long size, boolean shared)
            throws ClosedChannelException {
        return add(new Lock(this, file.inode(), channel, position, extent(position, size), shared));
    }

    /** A size of 0 means all that can ever be there. */
    private static long extent(long position, long size) {
        return size == 0 ? Long.MAX_VALUE - Math.max(0, position) : size;
    }

    private synchronized FileLock add(Lock lock) throws ClosedChannelException {
        List<Lock> present = locks.computeIfAbsent(lock.inode, _ -> new ArrayList<>());
        if (present.stream().anyMatch(other -> other.overlaps(lock.position(), lock.size()))) {
            throw new OverlappingFileLockException();
        }
        present.add(lock);
        if (!lock.acquiredBy().isOpen()) {
            // Closed meanwhile: whoever closed it may have released its locks before this one was there.
            remove(lock);
            throw new ClosedChannelException();
        }
        return lock;
    }

    private synchronized void remove(Lock lock) {
        List<Lock> present = locks.get(lock.inode);
        if (present != null) {
            present.remove(lock);
            if (present.isEmpty()) {
                locks.remove(lock.inode);
            }
        }
    }

    /** Releases what a channel has locked. */
    synchronized void releaseAll(OpenFile file, Channel channel) {
        List<Lock> present = locks.get(file.inode());
        if (present != null) {
            present.removeIf(lock -> {
                boolean isOfChannel = lock.acquiredBy().equals(channel);
                lock.released |= isOfChannel;
                return isOfChannel;
            });
            if (present.isEmpty()) {
                locks.remove(file.inode());
            }
        }
    }
}
