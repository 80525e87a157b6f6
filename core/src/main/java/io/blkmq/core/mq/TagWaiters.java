package io.blkmq.core.mq;

import io.blkmq.core.driver.CompletionBatch;
import io.blkmq.runtime.IoRuntime;
import java.util.ArrayDeque;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.Lock;
import org.jspecify.annotations.Nullable;

/**
 * The line of those who wait for tags, in the order in which they came: threads that are parked, and bios whose thread may not wait.
 * Whoever stands before another is served before it, of whichever kind the two are. The kernel's counterpart is the wait queues of
 * {@code struct sbitmap_queue}, which know threads alone.
 *
 * <p>The line is guarded by its lock. The count is what givers look at, see {@link Tags}; it changes together with the line.
 */
final class TagWaiters {
    private final IoRuntime runtime;
    private final Lock lock;
    /** Guarded by the lock. */
    private final ArrayDeque<TagWaiter> line = new ArrayDeque<>();
    /** Written under the lock. */
    private volatile int count;
    /** The waiters of all lines of all users of the same tags. */
    private final AtomicInteger total;

    TagWaiters(IoRuntime runtime, AtomicInteger total) {
        this.runtime = runtime;
        this.lock = runtime.newLock();
        this.total = total;
    }

    boolean isEmpty() {
        return count == 0;
    }

    int count() {
        return count;
    }

    /** How many of them are bios. For people, and slow. */
    int bios() {
        lock.lock();
        try {
            return (int) line.stream().filter(waiter -> !waiter.leavesByItself()).count();
        } finally {
            lock.unlock();
        }
    }

    /** The calling thread joins the line. After that it looks for a tag once more. */
    ParkedThread join() {
        ParkedThread waiter = new ParkedThread(Thread.currentThread(), runtime);
        join(waiter);
        return waiter;
    }

    /** A waiter joins the line; a bio is the line's from here on. After that its thread looks for a tag once more. */
    void join(TagWaiter waiter) {
        lock.lock();
        try {
            line.addLast(waiter);
            total.getAndIncrement();
            count = line.size();
        } finally {
            lock.unlock();
        }
    }

    /** A waiter gives up. Returns false if it has been taken off the line already: then a tag is on its way, or it goes on without. */
    boolean leave(TagWaiter waiter) {
        lock.lock();
        try {
            return line.remove(waiter) && isCountedOut(1);
        } finally {
            lock.unlock();
        }
    }

    /** Lets every waiter look whether it goes on waiting: bios leave the line for it. */
    void wakeAll() {
        // Its end is outside of the lock: there the bios go on.
        try (CompletionBatch _ = CompletionBatch.open()) {
            lock.lock();
            try {
                int before = line.size();
                line.forEach(TagWaiter::wake);
                line.removeIf(waiter -> !waiter.leavesByItself());
                isCountedOut(before - line.size());
            } finally {
                lock.unlock();
            }
        }
    }

    /** Takes the first waiter off the line, for one who has a tag for it; null if there is none. */
    @Nullable
    TagWaiter next() {
        lock.lock();
        try {
            TagWaiter waiter = line.pollFirst();
            if (waiter != null) {
                isCountedOut(1);
            }
            return waiter;
        } finally {
            lock.unlock();
        }
    }

    /** Under the lock. Returns true. */
    private boolean isCountedOut(int gone) {
        total.getAndAdd(-gone);
        count = line.size();
        return true;
    }

    /** A thread that waits for a tag. */
    static final class ParkedThread extends TagWaiter {
        private final Thread thread;
        private final IoRuntime runtime;
        /** Written by who serves, after it took the waiter off its line. */
        private volatile @Nullable TagRequest served;

        private ParkedThread(Thread thread, IoRuntime runtime) {
            this.thread = thread;
            this.runtime = runtime;
        }

        @Override
        void serve(TagRequest rq) {
            served = rq;
            runtime.unpark(thread);
        }

        @Override
        void wake() {
            runtime.unpark(thread);
        }

        @Override
        boolean leavesByItself() {
            return true;
        }

        @Nullable
        TagRequest served() {
            return served;
        }
    }
}
