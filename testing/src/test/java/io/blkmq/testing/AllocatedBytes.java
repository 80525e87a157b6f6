package io.blkmq.testing;

import java.lang.reflect.Method;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;

/** How much a thread has allocated. By reflection, because the modules under test do not read those of the management beans. */
public final class AllocatedBytes {
    private static final Object BEAN;
    private static final Method OF_THREAD;
    /** So long the runtime compiler may take: a processor that others have is none of its own. */
    private static final long PATIENCE_NANOS = TimeUnit.SECONDS.toNanos(60);

    static {
        try {
            BEAN = Class.forName("java.lang.management.ManagementFactory").getMethod("getThreadMXBean").invoke(null);
            OF_THREAD = Class.forName("com.sun.management.ThreadMXBean").getMethod("getThreadAllocatedBytes",
                    long.class);
        } catch (ReflectiveOperationException e) {
            throw new ExceptionInInitializerError(e);
        }
    }

    private AllocatedBytes() {}

    /** Of a platform thread that lives, since it began. The call itself allocates some 100 bytes. */
    public static long of(Thread thread) {
        try {
            return (long) OF_THREAD.invoke(BEAN, thread.threadId());
        } catch (ReflectiveOperationException e) {
            throw new LinkageError("the bytes that a thread has allocated", e);
        }
    }

    /** Of the calling thread. */
    public static long ofThisThread() {
        return of(Thread.currentThread());
    }

    /** Work that is done again and again. */
    @FunctionalInterface
    public interface Round {
        /**
         * Does it once.
         *
         * @throws Exception if it fails
         */
        void run() throws Exception;
    }

    /**
     * What a round allocates when it is warm, on the calling thread. The first rounds are interpreted and compiled; there are rounds until one
     * allocates little enough, or for a minute.
     *
     * @param enoughBytes how little
     * @param round the work
     * @return the bytes of the best round
     * @throws Exception if the work fails
     */
    public static long whenWarm(long enoughBytes, Round round) throws Exception {
        return whenWarm(enoughBytes, AllocatedBytes::ofThisThread, round);
    }

    /**
     * The same, of several threads.
     *
     * @param enoughBytes how little
     * @param allocated what they have allocated so far
     * @param round the work
     * @return the bytes of the best round
     * @throws Exception if the work fails
     */
    public static long whenWarm(long enoughBytes, LongSupplier allocated, Round round) throws Exception {
        long least = Long.MAX_VALUE;
        long begin = System.nanoTime();
        do {
            long before = allocated.getAsLong();
            round.run();
            least = Math.min(least, allocated.getAsLong() - before);
        } while (least > enoughBytes && System.nanoTime() - begin < PATIENCE_NANOS);
        return least;
    }
}
