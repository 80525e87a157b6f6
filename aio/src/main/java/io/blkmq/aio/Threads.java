package io.blkmq.aio;

import java.util.List;
import java.util.concurrent.locks.LockSupport;

/** Waiting: for threads to end, and for time to pass. */
final class Threads {

    private Threads() {}

    /** Waits until all have ended. An interrupt does not end the wait; it is there again afterwards. */
    static void joinAll(List<Thread> threads) {
        boolean interrupted = false;
        for (Thread thread : threads) {
            while (true) {
                try {
                    thread.join();
                    break;
                } catch (InterruptedException e) {
                    interrupted = true;
                }
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    /** Rests so long, and no shorter for a wake-up or an interrupt, which is there again afterwards. Not at all for 0 or less. */
    static void pause(Object blocker, long nanos) {
        boolean interrupted = false;
        long until = System.nanoTime() + nanos;
        for (long left = nanos; left > 0; left = until - System.nanoTime()) {
            LockSupport.parkNanos(blocker, left);
            interrupted |= Thread.interrupted();
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }
}
