package io.blkmq.aio;

import io.blkmq.aio.life.FileTail;
import io.blkmq.runtime.channel.FileLockTable;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.StampedLock;

/**
 * What all opens of a file in this process share, whatever engine and name they have been opened with: who may write, and the file
 * locks. Found by the file's identity; forgotten with the last open, when no write of it is under way. Any thread may call it.
 *
 * <p><b>The lock.</b> Shared by writes of whole blocks. Held alone by who writes a part of one, appends, or changes the size. Of no thread:
 * what is taken by who begins an operation is given back by who hears of its end.
 *
 * <p><b>The tail.</b> A direct write that ends in the middle of the last block makes the file too long for a moment ({@link FileTail}). Who
 * has read meanwhile does so again with the lock shared; who asks for the size gets the one before, and waits for nobody. Only the holder of the lock
 * alone writes it.
 */
final class SharedFile {

    private static final ConcurrentHashMap<Object, SharedFile> OPEN = new ConcurrentHashMap<>();

    private final Object identity;
    /** Opens, and ends of opens that have not been heard of yet. Guarded by the entry of the map. */
    private int users;

    private final StampedLock lock = new StampedLock();
    /** How many wait to hold the lock alone: who only tries to share it lets them pass. */
    private final AtomicInteger waitingAlone = new AtomicInteger();
    private final FileTail tail = new FileTail();
    private final FileLockTable locks = new FileLockTable();

    private SharedFile(Object identity) {
        this.identity = identity;
    }

    /** Counts one who has it open. */
    static SharedFile enter(AioFile file) {
        return OPEN.compute(file.identity(), (identity, there) -> {
            SharedFile shared = there != null ? there : new SharedFile(identity);
            shared.users++;
            return shared;
        });
    }

    /** One has closed it: gone when its writes have ended. Never waits. */
    void leave() {
        long stamp = lock.tryWriteLock();
        if (stamp != 0) {
            lock.unlockWrite(stamp);
            forget();
        } else {
            Thread.startVirtualThread(() -> {
                lock.unlockWrite(lock.writeLock());
                forget();
            });
        }
    }

    private void forget() {
        OPEN.computeIfPresent(identity, (_, shared) -> --shared.users == 0 ? null : shared);
    }

    /** How many files are known; for tests. */
    static int known() {
        return OPEN.size();
    }

    /** The locks of this process on the file. */
    FileLockTable locks() {
        return locks;
    }

    /** Waits to share the lock; the stamp. */
    long share() {
        return lock.readLock();
    }

    /** The same without waiting: 0 if somebody has it alone, or waits for that. */
    long tryShare() {
        return waitingAlone.get() != 0 ? 0 : lock.tryReadLock();
    }

    void unshare(long stamp) {
        lock.unlockRead(stamp);
    }

    /** Waits to hold the lock alone; the stamp. */
    long lockAlone() {
        int _ = waitingAlone.incrementAndGet();
        try {
            return lock.writeLock();
        } finally {
            int _ = waitingAlone.decrementAndGet();
        }
    }

    void unlockAlone(long stamp) {
        lock.unlockWrite(stamp);
    }

    /** Whether the file is too long; written with the lock held alone. */
    FileTail tail() {
        return tail;
    }
}
