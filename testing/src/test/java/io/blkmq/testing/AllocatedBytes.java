package io.blkmq.testing;

import java.lang.reflect.Method;

/** How much a thread has allocated. By reflection, because the modules under test do not read those of the management beans. */
public final class AllocatedBytes {
    private static final Object BEAN;
    private static final Method OF_THREAD;

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
}
