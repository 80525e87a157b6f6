package io.blkmq.testing;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.BooleanSupplier;

/** Waits in tests for what other threads do. The limit is there to end a test that hangs; no test depends on how long it takes. */
public final class Eventually {
    private static final long LIMIT_SECONDS = 120;

    private Eventually() {}

    /**
     * Waits until a condition holds.
     *
     * @param what for the message
     * @param condition looked at again and again
     */
    public static void until(String what, BooleanSupplier condition) {
        long begin = System.nanoTime();
        while (!condition.getAsBoolean()) {
            if (System.nanoTime() - begin > TimeUnit.SECONDS.toNanos(LIMIT_SECONDS)) {
                throw new AssertionError("never happened: " + what);
            }
            letOthersRun();
        }
    }

    /** Gives the processor away, so that threads meet in more ways than one. Nothing depends on what runs next. */
    @SuppressWarnings("ThreadPriorityCheck") // a hint is all that it is meant to be
    public static void letOthersRun() {
        Thread.yield();
    }

    /**
     * Waits until a thread waits for something, whatever that is: also for a lock or a class that is being loaded. Where it matters for
     * what it waits, {@link #waitsIn} says so.
     *
     * @param thread which
     */
    public static void waits(Thread thread) {
        until(thread.getName() + " waits", () -> isWaiting(thread));
    }

    /**
     * Waits until a thread waits within a call of a class. Of the places of the class where it might wait, it is at one.
     *
     * @param thread a platform thread
     * @param where the class, or one in which it is nested, of a method that has been called and has not returned
     */
    public static void waitsIn(Thread thread, Class<?> where) {
        until(thread.getName() + " waits in " + where.getName(), () -> isWaiting(thread) && isParkedIn(thread, where));
    }

    private static boolean isWaiting(Thread thread) {
        return thread.getState() == Thread.State.WAITING || thread.getState() == Thread.State.TIMED_WAITING;
    }

    /** The trace is of one moment, and it alone tells a thread that is there and parked from one that was parked elsewhere just before. */
    private static boolean isParkedIn(Thread thread, Class<?> where) {
        StackTraceElement[] trace = thread.getStackTrace();
        return trace.length > 0 && trace[0].isNativeMethod()
                && Arrays.stream(trace).map(StackTraceElement::getClassName)
                        .anyMatch(name -> name.equals(where.getName()) || name.startsWith(where.getName() + "$"));
    }

    /**
     * Work on a thread of its own.
     *
     * @param <T> of its result
     */
    public static final class Worker<T> {
        private final FutureTask<T> task;
        private final Thread thread;

        private Worker(Callable<T> work, Thread.Builder builder) {
            this.task = new FutureTask<>(work);
            this.thread = builder.start(task);
        }

        /**
         * Its thread.
         *
         * @return started
         */
        public Thread thread() {
            return thread;
        }

        /**
         * Whether it has ended.
         *
         * @return true if it has
         */
        public boolean isDone() {
            return task.isDone();
        }

        /**
         * Waits for its end.
         *
         * @return its result
         */
        public T join() {
            try {
                return task.get(LIMIT_SECONDS, TimeUnit.SECONDS);
            } catch (ExecutionException e) {
                throw new AssertionError("the other thread failed: " + e.getCause(), e.getCause());
            } catch (TimeoutException e) {
                AssertionError hung = new AssertionError("the other thread hangs");
                hung.setStackTrace(thread.getStackTrace());
                throw hung;
            } catch (InterruptedException e) {
                throw new AssertionError(e);
            }
        }

        /**
         * Waits for its failure.
         *
         * @return what it threw
         */
        public Throwable failure() {
            try {
                T result = task.get(LIMIT_SECONDS, TimeUnit.SECONDS);
                throw new AssertionError("expected a failure, but got " + result);
            } catch (ExecutionException e) {
                return Objects.requireNonNull(e.getCause());
            } catch (TimeoutException | InterruptedException e) {
                throw new AssertionError("the other thread hangs", e);
            }
        }
    }

    /** Work without a result. */
    @FunctionalInterface
    public interface Work {
        /**
         * Does it.
         *
         * @throws Exception if it fails
         */
        void run() throws Exception;
    }

    /**
     * Starts work on a platform thread.
     *
     * @param work what to do
     * @return to wait for it
     */
    public static Worker<Boolean> start(Work work) {
        return call(() -> {
            work.run();
            return true;
        });
    }

    /**
     * Starts work on a platform thread.
     *
     * @param <T> of its result
     * @param work what to do
     * @return to wait for it
     */
    public static <T> Worker<T> call(Callable<T> work) {
        return new Worker<>(work, Thread.ofPlatform().daemon().name("worker"));
    }

    /**
     * Does the same on several threads at once, and waits for all.
     *
     * @param threads how many
     * @param virtual whether they are virtual
     * @param work gets the number of its thread
     */
    public static void together(int threads, boolean virtual, Numbered work) {
        List<Worker<Boolean>> workers = new ArrayList<>();
        for (int i = 0; i < threads; i++) {
            int number = i;
            Callable<Boolean> call = () -> {
                work.run(number);
                return true;
            };
            workers.add(new Worker<>(call,
                    virtual ? Thread.ofVirtual().name("worker") : Thread.ofPlatform().daemon().name("worker")));
        }
        workers.forEach(Worker::join);
    }

    /** Work of one of several threads. */
    @FunctionalInterface
    public interface Numbered {
        /**
         * Does it.
         *
         * @param number from 0
         * @throws Exception if it fails
         */
        void run(int number) throws Exception;
    }
}
