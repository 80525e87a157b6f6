package io.blkmq.aio;

import java.util.List;

/** Waiting for threads to end. */
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
}
