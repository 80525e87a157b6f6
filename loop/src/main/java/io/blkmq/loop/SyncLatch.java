package io.blkmq.loop;

import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.IntSupplier;

/**
 * The syncs of one open file, which remember the first that failed: the pages that could not be written may have been dropped, so
 * that a later sync that succeeds would prove nothing. Thread-safe.
 *
 * <p>One sync at a time. The system tells an error to one of two that run at once, and to the other that all is well; and it may tell
 * that one first. So the next begins when it is known how the one before has ended. Devices with several hardware queues have as many
 * flush machines, which do not know of each other.
 */
final class SyncLatch {
    private static final System.Logger LOG = System.getLogger(SyncLatch.class.getName());

    private static final int EIO = 5;
    private static final int EINVAL = 22;

    private final IntSupplier sync;
    /** Not of the runtime: its holder waits for the disk, on a worker. */
    private final ReentrantLock oneAtATime = new ReentrantLock();
    /** The negative errno of the first that failed, 0 if none did. */
    private final AtomicInteger failure = new AtomicInteger();
    private final AtomicLong count = new AtomicLong();

    /**
     * A latch that is open.
     *
     * @param sync makes durable what was written: 0, or a negative errno
     */
    SyncLatch(IntSupplier sync) {
        this.sync = sync;
    }

    /**
     * Syncs, unless one has failed before. A file that cannot sync (EINVAL) has nothing to lose.
     *
     * @return 0, or the negative errno of the first that failed
     */
    int sync() {
        oneAtATime.lock();
        try {
            if (failure.get() == 0) {
                int result = tried();
                if (result != 0 && result != -EINVAL) {
                    boolean _ = failure.compareAndSet(0, result);
                }
                count.incrementAndGet();
            }
            return failure.get();
        } finally {
            oneAtATime.unlock();
        }
    }

    /** One that throws has failed, too: what it has made durable is not known. */
    private int tried() {
        try {
            return sync.getAsInt();
        } catch (Throwable t) {
            LOG.log(System.Logger.Level.ERROR, "a sync threw", t);
            return -EIO;
        }
    }

    /**
     * A sync has failed that did not go through here: that of a durable write, or so it may be. Any thread, and never waits.
     *
     * @param result the negative errno
     * @return whether it is the first that failed
     */
    boolean failedBeside(int result) {
        return failure.compareAndSet(0, result);
    }

    /** Whether one has failed, and was not forgotten. */
    boolean hasFailed() {
        return failure.get() != 0;
    }

    /** Forgets a failure. Waits for a sync that is under way, whose failure it forgets too. */
    void clear() {
        oneAtATime.lock();
        try {
            failure.set(0);
        } finally {
            oneAtATime.unlock();
        }
    }

    /** Lets every sync fail from now on, as one that has failed does. For tests: a disk that fails is hard to come by. */
    void fail(int errno) {
        oneAtATime.lock();
        try {
            failure.set(-errno);
        } finally {
            oneAtATime.unlock();
        }
    }

    /** How many times the file was synced. */
    long count() {
        return count.get();
    }
}
