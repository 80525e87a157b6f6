package io.blkmq.aio;

import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * The threads of the process for calls that may block where the engine has no other way: platform threads, because such a call keeps the
 * carrier of a virtual one. They are started as they are needed, and end when they have been idle for a while. Any thread may call it.
 */
final class CallThreads {

    /** As many calls may be blocked at a time; further ones wait for their turn. */
    static final int THREADS_MAX = 16;
    private static final long IDLE_SECONDS = 5;

    private static final AtomicInteger STARTED = new AtomicInteger();
    private static final ThreadPoolExecutor POOL = new ThreadPoolExecutor(THREADS_MAX, THREADS_MAX, IDLE_SECONDS,
            TimeUnit.SECONDS, new LinkedBlockingQueue<>(),
            body -> Thread.ofPlatform().daemon().name("blkmq-aio-call-" + STARTED.getAndIncrement()).unstarted(body));

    static {
        POOL.allowCoreThreadTimeOut(true);
    }

    private CallThreads() {}

    /** Has a thread run it; false if the system has no thread left, and nobody runs it. */
    static boolean execute(Runnable call) {
        try {
            POOL.execute(call);
            return true;
        } catch (OutOfMemoryError e) {
            return false;
        }
    }
}
