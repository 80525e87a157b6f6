package io.blkmq.loop;

import io.blkmq.runtime.log.FailureLog;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.IntSupplier;

/**
 * The syncs of one open file, which remember the first that failed: the pages that could not be written may have been dropped, so
 * that a later sync that succeeds would prove nothing. Thread-safe.
 *
 * <pre>
 *   OPEN --- a sync, or what may have been one, fails --&gt; SHUT: each sync fails --- clear --&gt; OPEN, with the next number
 * </pre>
 *
 * <p>One sync at a time. The system tells an error to one of two that run at once, and to the other that all is well; and it may tell
 * that one first. So the next begins when it is known how the one before has ended. Devices with several hardware queues have as many
 * flush machines, which do not know of each other.
 *
 * <p>A worker syncs by itself, and waits for others before that ({@link #sync}). An engine is given a sync only if no other is under way
 * ({@link #tryBegin}, then {@link #end}), so a submitter never waits here.
 *
 * <p>A failure is remembered under the number that the latch had when the sync began: {@link #clear} forgets also that of a sync that is
 * under way, without waiting for it.
 */
final class SyncLatch {
    private static final System.Logger LOG = System.getLogger(SyncLatch.class.getName());

    private static final int EIO = 5;
    private static final int EINVAL = 22;

    /** For the log. */
    private final String file;
    private final IntSupplier sync;
    /**
     * Held for the time of a sync; one that an engine does is ended by another thread than it was begun by. Not of the runtime: who waits is a
     * worker, and the holder waits for the disk.
     */
    private final Semaphore oneAtATime = new Semaphore(1);
    /** In the upper half the number, in the lower the errno of the first that failed, 0 if none did. */
    private final AtomicLong state = new AtomicLong();
    /** The state when the sync that is under way began. Its holder's. */
    private long begun;
    private final AtomicLong count = new AtomicLong();

    /**
     * A latch that is open.
     *
     * @param file for the log
     * @param sync makes durable what was written: 0, or a negative errno
     */
    SyncLatch(String file, IntSupplier sync) {
        this.file = file;
        this.sync = sync;
    }

    /**
     * Syncs, unless one has failed before. A file that cannot sync (EINVAL) has nothing to lose.
     *
     * @return 0, or the negative errno of the first that failed
     */
    int sync() {
        oneAtATime.acquireUninterruptibly();
        begun = state.get();
        if (errno(begun) != 0) {
            oneAtATime.release();
            return -errno(begun);
        }
        return end(tried());
    }

    /** One that throws has failed, too: what it has made durable is not known. */
    private int tried() {
        try {
            return sync.getAsInt();
        } catch (Throwable t) {
            FailureLog.log(LOG, System.Logger.Level.ERROR, () -> "a sync of " + file + " threw", t);
            return -EIO;
        }
    }

    /**
     * Begins a sync that somebody else does, unless one is under way, or waited for, or has failed. Never waits.
     *
     * @return whether the caller has to see to it that the file is synced, and that {@link #end} or {@link #unbegin} is called
     */
    boolean tryBegin() {
        // Not past a worker that waits: it would find one sync after the other under way.
        if (hasFailed() || oneAtATime.hasQueuedThreads() || !oneAtATime.tryAcquire()) {
            return false;
        }
        begun = state.get();
        if (errno(begun) != 0) {
            oneAtATime.release();
            return false;
        }
        return true;
    }

    /**
     * A sync has ended that {@link #tryBegin} began. Any thread.
     *
     * @param result 0, or a negative errno
     * @return 0, or the negative errno of this or of one that has failed meanwhile
     */
    int end(int result) {
        int failure = result == -EINVAL ? 0 : result;
        if (failure != 0) {
            boolean _ = shut(begun, failure);
        }
        count.incrementAndGet();
        // Before the next may begin, and fail.
        int now = -errno(state.get());
        oneAtATime.release();
        return failure != 0 ? failure : now;
    }

    /** A sync that {@link #tryBegin} began has not been done. */
    void unbegin() {
        oneAtATime.release();
    }

    /**
     * A sync has failed that did not go through here: that of a durable write, or so it may be. Any thread, and never waits.
     *
     * @param result the negative errno
     * @return whether it is the first that failed
     */
    boolean failedBeside(int result) {
        return shut(state.get(), result);
    }

    /** Remembers a failure under the number of a state, unless there is one already, or a later number. */
    private boolean shut(long open, int failure) {
        long before = open & ~0xffff_ffffL;
        return state.compareAndSet(before, before | -failure);
    }

    private static int errno(long state) {
        return (int) state;
    }

    /** Whether one has failed, and was not forgotten. */
    boolean hasFailed() {
        return errno(state.get()) != 0;
    }

    /** Forgets a failure, and that of a sync that is under way. */
    void clear() {
        state.updateAndGet(now -> (now & ~0xffff_ffffL) + (1L << Integer.SIZE));
    }

    /** Lets every sync fail from now on, as one that has failed does. For tests: a disk that fails is hard to come by. */
    void fail(int errno) {
        boolean _ = failedBeside(-errno);
    }

    /** Whether a worker waits. For tests. */
    boolean isAwaited() {
        return oneAtATime.hasQueuedThreads();
    }

    /** How many times the file was synced. */
    long count() {
        return count.get();
    }
}
