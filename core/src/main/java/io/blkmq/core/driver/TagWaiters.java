package io.blkmq.core.driver;

import io.blkmq.core.IoRuntime;
import java.util.ArrayDeque;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.Lock;
import org.jspecify.annotations.Nullable;

/**
 * Threads that wait for tags, in eight lines with a lock each, so that those who come and those who serve them seldom meet. They join
 * the lines in turn; who serves takes a batch from one line before it goes on to the next. So nobody is overtaken by more than
 * the batches of the other lines. The kernel's counterpart is the wait queues of {@code struct sbitmap_queue}.
 *
 * <p>The count is what givers look at, see {@link Tags}. It changes together with the lines, under their locks.
 */
final class TagWaiters {
    static final int LINES = 8;
    private static final int BATCH_MAX = 8;

    private final Line[] lines = new Line[LINES];
    /** How many are served from one line in a row: an eighth of the depth, at least 1 and at most 8. */
    private final int batch;
    private final AtomicInteger count = new AtomicInteger();
    /** The waiters of all lines of all users of the same tags. */
    private final AtomicInteger total;
    private final AtomicInteger arrivals = new AtomicInteger();
    /** How many have been served; tells the line that is next. Written without order: a stale value picks another line. */
    private int served;

    TagWaiters(IoRuntime runtime, int depth, AtomicInteger total) {
        this.batch = Math.clamp(depth / LINES, 1, BATCH_MAX);
        this.total = total;
        for (int i = 0; i < LINES; i++) {
            lines[i] = new Line(runtime.newLock());
        }
    }

    boolean isEmpty() {
        return count.get() == 0;
    }

    int count() {
        return count.get();
    }

    /** The calling thread joins a line. After that it looks for a tag once more. */
    Waiter join() {
        Line line = lines[arrivals.getAndIncrement() & (LINES - 1)];
        Waiter waiter = new Waiter(Thread.currentThread(), line);
        line.lock.lock();
        try {
            line.waiters.addLast(waiter);
            count.getAndIncrement();
            total.getAndIncrement();
        } finally {
            line.lock.unlock();
        }
        return waiter;
    }

    /** A waiter gives up. Returns false if it has been taken off its line already: then a tag is on its way. */
    boolean leave(Waiter waiter) {
        waiter.line.lock.lock();
        try {
            return waiter.line.waiters.remove(waiter) && counted(waiter) != null;
        } finally {
            waiter.line.lock.unlock();
        }
    }

    /** Lets every waiter return from its park, and look whether it goes on waiting. */
    void wakeAll(IoRuntime runtime) {
        for (Line line : lines) {
            line.lock.lock();
            try {
                line.waiters.forEach(waiter -> runtime.unpark(waiter.thread));
            } finally {
                line.lock.unlock();
            }
        }
    }

    /** Takes the next waiter off its line, for one who has a tag for it; null if there is none. */
    @Nullable
    Waiter next() {
        int first = served / batch;
        for (int i = 0; i < LINES; i++) {
            Waiter waiter = nextOf(lines[first + i & (LINES - 1)]);
            if (waiter != null) {
                // From an empty line the turn passes to the one that was not.
                served = i == 0 ? served + 1 : (first + i) * batch + 1;
                return waiter;
            }
        }
        return null;
    }

    private @Nullable Waiter nextOf(Line line) {
        line.lock.lock();
        try {
            Waiter waiter = line.waiters.pollFirst();
            return waiter == null ? null : counted(waiter);
        } finally {
            line.lock.unlock();
        }
    }

    private Waiter counted(Waiter gone) {
        count.getAndDecrement();
        total.getAndDecrement();
        return gone;
    }

    private static final class Line {
        final Lock lock;
        /** Guarded by the lock. */
        final ArrayDeque<Waiter> waiters = new ArrayDeque<>();

        Line(Lock lock) {
            this.lock = lock;
        }
    }

    /** A thread that waits for a tag. */
    static final class Waiter {
        private final Thread thread;
        private final Line line;
        /** Written by who serves, after it took the waiter off its line. */
        private volatile @Nullable Request served;

        private Waiter(Thread thread, Line line) {
            this.thread = thread;
            this.line = line;
        }

        void serve(Request rq, IoRuntime runtime) {
            served = rq;
            runtime.unpark(thread);
        }

        @Nullable
        Request served() {
            return served;
        }
    }
}
