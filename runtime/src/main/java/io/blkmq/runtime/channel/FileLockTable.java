package io.blkmq.runtime.channel;

import java.io.IOException;
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
 * The file locks on one disk or file. As with the JDK's they belong to the whole process: a second lock on a range is refused, whichever
 * channel and thread asks, and whether shared or not. Thread-safe; the list is guarded by the lock.
 *
 * <p>A range is reserved here before the system is asked for it, so two threads never ask for the same; and it is the system's again before
 * it is free here.
 */
public final class FileLockTable {
    private final ReentrantLock lock = new ReentrantLock();
    private final List<RangeLock> held = new ArrayList<>();

    /** A table without locks. */
    public FileLockTable() {}

    /**
     * Reserves a range in this process. Of a lock that is returned the system knows nothing until {@link RangeLock#askSystem}.
     *
     * @param channel for which
     * @param position first byte
     * @param size bytes; 0 for all bytes from the position on
     * @param shared whether for reading only
     * @param system keeps other processes out
     * @return the lock
     * @throws OverlappingFileLockException if a part of the range is locked, or reserved
     * @throws IllegalArgumentException if position or size is negative, or their sum too large
     */
    public RangeLock reserve(FileChannel channel, long position, long size, boolean shared, SystemLocks system) {
        return hold(new RangeLock(channel, position, bytes(position, size), shared, system));
    }

    /**
     * The same for the other kind of channel.
     *
     * @param channel for which
     * @param position first byte
     * @param size bytes; 0 for all bytes from the position on
     * @param shared whether for reading only
     * @param system keeps other processes out
     * @return the lock
     * @throws OverlappingFileLockException if a part of the range is locked, or reserved
     * @throws IllegalArgumentException if position or size is negative, or their sum too large
     */
    public RangeLock reserve(AsynchronousFileChannel channel, long position, long size, boolean shared,
            SystemLocks system) {
        return hold(new RangeLock(channel, position, bytes(position, size), shared, system));
    }

    private static long bytes(long position, long size) {
        return size == 0 ? Long.MAX_VALUE - Math.max(0, position) : size;
    }

    private RangeLock hold(RangeLock asked) {
        lock.lock();
        try {
            for (RangeLock other : held) {
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

    /**
     * Releases all locks of a channel that is being closed.
     *
     * @param channel the channel
     * @throws IOException if the system refuses to give one up; all are free in this process
     */
    public void releaseAll(Channel channel) throws IOException {
        IOException failure = null;
        lock.lock();
        try {
            for (RangeLock each : List.copyOf(held)) {
                if (each.acquiredBy().equals(channel)) {
                    try {
                        drop(each);
                    } catch (IOException e) {
                        failure = e;
                    }
                }
            }
        } finally {
            lock.unlock();
        }
        if (failure != null) {
            throw failure;
        }
    }

    /** Gives a lock up, to the system first. The caller holds the lock. */
    private void drop(RangeLock released) throws IOException {
        if (!released.valid) {
            return;
        }
        released.valid = false;
        try {
            if (released.known) {
                released.system.unlock(released.position(), released.size());
            }
        } finally {
            held.remove(released);
        }
    }

    /** A lock on a range of bytes, of the table that made it. */
    public final class RangeLock extends FileLock {
        private final SystemLocks system;
        /** Written under the lock of the table. */
        private volatile boolean valid = true;
        /** Whether the system has it. Guarded by the lock of the table. */
        private boolean known;

        private RangeLock(FileChannel channel, long position, long size, boolean shared, SystemLocks system) {
            super(channel, position, size, shared);
            this.system = system;
        }

        private RangeLock(AsynchronousFileChannel channel, long position, long size, boolean shared,
                SystemLocks system) {
            super(channel, position, size, shared);
            this.system = system;
        }

        /**
         * Asks the system for the range, which is reserved. Does not wait.
         *
         * @return whether the system has locked it; false if another process has a part of it
         * @throws ClosedChannelException if the channel has been closed, and the lock with it
         * @throws IOException if the system refuses
         */
        public boolean askSystem() throws IOException {
            lock.lock();
            try {
                if (!valid) {
                    throw new ClosedChannelException();
                }
                known = system.tryLock(position(), size(), isShared());
                return known;
            } finally {
                lock.unlock();
            }
        }

        /**
         * Gives the range up, also if the channel is closed.
         *
         * @throws IOException if the system refuses
         */
        public void drop() throws IOException {
            lock.lock();
            try {
                FileLockTable.this.drop(this);
            } finally {
                lock.unlock();
            }
        }

        @Override
        public boolean isValid() {
            return valid;
        }

        @Override
        public void release() throws IOException {
            if (!acquiredBy().isOpen()) {
                throw new ClosedChannelException();
            }
            drop();
        }
    }
}
