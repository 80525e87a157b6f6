package io.blkmq.aio;

import io.blkmq.runtime.channel.SystemLocks;
import java.io.IOException;

/**
 * The system's locks on a file, for channels.
 *
 * @param file the file
 */
record RangeLocks(AioFile file) implements SystemLocks {

    @Override
    public boolean tryLock(long position, long bytes, boolean shared) throws IOException {
        return file.tryLockRange(position, bytes, shared);
    }

    @Override
    public void unlock(long position, long bytes) throws IOException {
        file.unlockRange(position, bytes);
    }
}
