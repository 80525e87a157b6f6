package io.blkmq.runtime;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.blkmq.testing.Eventually;
import java.util.ResourceBundle;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ThreadFactory;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(value = 300, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class TimedWorkersTest {
    private final TimedWorkers workers = new TimedWorkers();

    private static void await(CountDownLatch latch) {
        try {
            latch.await();
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    @Test
    void whatBlocksKeepsNothingElseFromItsTime() {
        CountDownLatch released = new CountDownLatch(1);
        for (int blocked = 1; blocked < TimedWorkers.THREADS_MAX; blocked++) {
            CountDownLatch blocks = new CountDownLatch(1);
            workers.add(0, () -> {
                blocks.countDown();
                await(released);
            });
            await(blocks);
            CountDownLatch others = new CountDownLatch(2);
            workers.add(0, others::countDown);
            workers.add(1_000, others::countDown);
            await(others);
        }
        released.countDown();
    }

    @Test
    void whatIsSetBeforeSomethingBlocksIsDoneInItsTimeToo() {
        CountDownLatch released = new CountDownLatch(1);
        CountDownLatch late = new CountDownLatch(10);
        CountDownLatch begun = new CountDownLatch(1);
        for (int i = 0; i < 10; i++) {
            workers.add(TimeUnit.MILLISECONDS.toNanos(i), late::countDown);
        }
        workers.add(0, () -> {
            begun.countDown();
            await(released);
        });
        await(begun);
        await(late);
        released.countDown();
    }

    @Test
    void thereAreNoMoreThreadsThanTheBoundAndWhatFindsNoneComesLater() {
        CountDownLatch released = new CountDownLatch(1);
        AtomicInteger inside = new AtomicInteger();
        AtomicInteger most = new AtomicInteger();
        CountDownLatch all = new CountDownLatch(3 * TimedWorkers.THREADS_MAX);
        for (int i = 0; i < 3 * TimedWorkers.THREADS_MAX; i++) {
            workers.add(0, () -> {
                most.accumulateAndGet(inside.incrementAndGet(), Math::max);
                await(released);
                inside.decrementAndGet();
                all.countDown();
            });
        }
        Eventually.until("all threads block", () -> inside.get() == TimedWorkers.THREADS_MAX);
        released.countDown();
        await(all);
        assertThat(most).hasValue(TimedWorkers.THREADS_MAX);
    }

    @Test
    void oneThreadBeginsWhatIsDueInTheOrderInWhichItCame() {
        ConcurrentLinkedQueue<Integer> order = new ConcurrentLinkedQueue<>();
        CountDownLatch allThere = new CountDownLatch(1);
        CountDownLatch begun = new CountDownLatch(TimedWorkers.THREADS_MAX - 1);
        // All threads but one are kept, so that the order of what begins is that of what ends.
        for (int i = 1; i < TimedWorkers.THREADS_MAX; i++) {
            workers.add(0, () -> {
                begun.countDown();
                await(allThere);
            });
        }
        await(begun);
        CountDownLatch kept = new CountDownLatch(1);
        CountDownLatch last = new CountDownLatch(1);
        workers.add(0, () -> {
            last.countDown();
            await(kept);
        });
        await(last);
        CountDownLatch done = new CountDownLatch(6);
        for (int i = 0; i < 6; i++) {
            int number = i;
            workers.add(0, () -> {
                order.add(number);
                done.countDown();
            });
        }
        kept.countDown();
        await(done);
        allThere.countDown();
        assertThat(order).containsExactlyElementsOf(IntStream.range(0, 6).boxed().toList());
    }

    @Test
    void whatIsCalledOffInTimeIsNotDone() {
        AtomicInteger done = new AtomicInteger();
        IoRuntime.Timer far = workers.add(Long.MAX_VALUE, done::incrementAndGet);
        assertThat(far.cancel()).isTrue();
        assertThat(far.cancel()).isFalse();
        CountDownLatch now = new CountDownLatch(1);
        IoRuntime.Timer near = workers.add(0, now::countDown);
        await(now);
        assertThat(near.cancel()).isFalse();
        assertThat(done).hasValue(0);
    }

    @Test
    void anErrorOrAnInterruptEndsNoThread() {
        for (int i = 0; i < 100; i++) {
            CountDownLatch failed = new CountDownLatch(1);
            workers.add(0, () -> {
                failed.countDown();
                Thread.currentThread().interrupt();
                throw new IllegalStateException("on purpose");
            });
            await(failed);
            CountDownLatch next = new CountDownLatch(1);
            workers.add(1_000, next::countDown);
            await(next);
        }
    }

    /** What stands for the log of an application whose disk is full. */
    private static final class FullLog implements System.Logger {
        @Override
        public String getName() {
            return "full";
        }

        @Override
        public boolean isLoggable(Level level) {
            return true;
        }

        @Override
        public void log(Level level, @Nullable ResourceBundle bundle, @Nullable String message,
                @Nullable Throwable thrown) {
            throw new IllegalStateException("the disk below the log is full", thrown);
        }

        @Override
        public void log(Level level, @Nullable ResourceBundle bundle, @Nullable String format,
                Object @Nullable... parameters) {
            throw new IllegalStateException("the disk below the log is full");
        }
    }

    @Test
    void aLogThatFailsEndsNoThread() {
        TimedWorkers some = new TimedWorkers(Thread.ofPlatform().daemon().factory(), new FullLog());
        for (int i = 0; i < 2 * TimedWorkers.THREADS_MAX; i++) {
            CountDownLatch failed = new CountDownLatch(1);
            some.add(0, () -> {
                failed.countDown();
                throw new IllegalStateException("on purpose");
            });
            await(failed);
        }
        CountDownLatch next = new CountDownLatch(1);
        some.add(1_000, next::countDown);
        await(next);
    }

    /** Workers whose threads cannot be started as long as it says so. */
    private static TimedWorkers workersOf(AtomicBoolean none) {
        ThreadFactory threads = Thread.ofPlatform().daemon().factory();
        return new TimedWorkers(work -> {
            if (none.get()) {
                throw new OutOfMemoryError("no thread, on purpose");
            }
            return threads.newThread(work);
        }, System.getLogger(TimedWorkersTest.class.getName()));
    }

    @Test
    void whatNoThreadCanBeStartedForIsNotDoneLaterAndKeepsNothingElseFromItsTime() {
        AtomicBoolean none = new AtomicBoolean(true);
        TimedWorkers some = workersOf(none);
        AtomicInteger refused = new AtomicInteger();
        for (long delay : new long[]{0, 1_000}) {
            assertThatThrownBy(() -> some.add(delay, refused::incrementAndGet)).isInstanceOf(OutOfMemoryError.class);
        }
        none.set(false);
        CountDownLatch done = new CountDownLatch(2);
        some.add(1_000, done::countDown);
        some.add(TimeUnit.MILLISECONDS.toNanos(1), done::countDown);
        await(done);
        assertThat(refused).hasValue(0);
    }

    @Test
    void aWorkerThatCannotCallAnotherGoesOn() {
        AtomicBoolean none = new AtomicBoolean();
        TimedWorkers some = workersOf(none);
        CountDownLatch begun = new CountDownLatch(1);
        CountDownLatch released = new CountDownLatch(1);
        some.add(0, () -> {
            begun.countDown();
            await(released);
        });
        await(begun);
        // The one that stands by has not started as yet, or has: with it or without it all is done.
        none.set(true);
        CountDownLatch done = new CountDownLatch(100);
        for (int i = 0; i < 100; i++) {
            some.add(i, done::countDown);
        }
        released.countDown();
        await(done);
        CountDownLatch later = new CountDownLatch(1);
        some.add(1_000, later::countDown);
        await(later);
    }

    /** A thread that an error of its own ends when it is about to give up its lead. */
    private static final class Mortal extends Thread {
        private final AtomicBoolean dies;

        Mortal(Runnable work, AtomicBoolean dies) {
            super(work);
            this.dies = dies;
            setDaemon(true);
            setUncaughtExceptionHandler((_, _) -> {});
        }

        @Override
        public boolean equals(Object other) {
            if (dies.get()) {
                throw new OutOfMemoryError("on purpose");
            }
            return this == other;
        }

        @Override
        public int hashCode() {
            return System.identityHashCode(this);
        }
    }

    @Test
    void whatTheLastThreadHasLeftIsDoneOnceSomethingIsAdded() {
        AtomicBoolean dies = new AtomicBoolean(true);
        ConcurrentLinkedQueue<Thread> made = new ConcurrentLinkedQueue<>();
        TimedWorkers some = new TimedWorkers(work -> {
            Thread thread = new Mortal(work, dies);
            made.add(thread);
            return thread;
        }, System.getLogger(TimedWorkersTest.class.getName()));
        CountDownLatch done = new CountDownLatch(2);
        some.add(TimeUnit.MILLISECONDS.toNanos(50), done::countDown);
        Eventually.until("the thread has died", () -> made.stream().noneMatch(Thread::isAlive));
        dies.set(false);
        some.add(TimeUnit.MILLISECONDS.toNanos(100), done::countDown);
        await(done);
    }
}
