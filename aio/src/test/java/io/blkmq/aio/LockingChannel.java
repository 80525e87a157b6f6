package io.blkmq.aio;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.util.ArrayDeque;
import java.util.Queue;
import org.jspecify.annotations.Nullable;

/** A channel that refuses locks, or has something done when one has been taken. */
final class LockingChannel extends ChannelUnderFile {
    /** What the next requests for a lock end with. */
    final Queue<IOException> refusals = new ArrayDeque<>();
    Runnable taken = () -> {};

    private LockingChannel(FileChannel real) {
        super(real);
    }

    /** Puts one under a file. */
    static LockingChannel under(ChannelFile file) {
        LockingChannel[] made = new LockingChannel[1];
        file.wrapChannel(real -> made[0] = new LockingChannel(real));
        return made[0];
    }

    @Override
    public @Nullable FileLock tryLock(long position, long size, boolean shared) throws IOException {
        IOException refusal = refusals.poll();
        if (refusal != null) {
            throw refusal;
        }
        FileLock lock = real.tryLock(position, size, shared);
        taken.run();
        return lock;
    }
}
