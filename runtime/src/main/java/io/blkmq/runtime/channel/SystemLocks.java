package io.blkmq.runtime.channel;

import java.io.IOException;

/** The locks by which the system keeps other processes out. */
public interface SystemLocks {
    /** For what exists in this process alone: nobody else has to be kept out. */
    SystemLocks NONE = new SystemLocks() {
        @Override
        public boolean tryLock(long position, long bytes, boolean shared) {
            return true;
        }

        @Override
        public void unlock(long position, long bytes) {
            // Nothing to do.
        }
    };

    /**
     * Locks a range, if nobody else has a part of it. Does not wait.
     *
     * @param position its first byte
     * @param bytes how many; what ends at {@link Long#MAX_VALUE} has no end
     * @param shared whether for reading only
     * @return whether it is locked
     * @throws IOException if the system refuses
     */
    boolean tryLock(long position, long bytes, boolean shared) throws IOException;

    /**
     * Gives a range up. Nothing to do for a file that is closed.
     *
     * @param position its first byte
     * @param bytes how many
     * @throws IOException if the system refuses
     */
    void unlock(long position, long bytes) throws IOException;
}
