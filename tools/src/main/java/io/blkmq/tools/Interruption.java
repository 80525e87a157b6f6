package io.blkmq.tools;

import io.blkmq.tools.run.RunControl;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/**
 * What Ctrl-C and SIGTERM do while something runs: they ask for the end, and the process waits until the report is printed,
 * devices are detached and temporary files are gone.
 */
final class Interruption implements AutoCloseable {
    private static final long PATIENCE_SECONDS = 60;

    private final CountDownLatch finished = new CountDownLatch(1);
    private final Thread hook;

    private Interruption(RunControl control) {
        this.hook = Thread.ofPlatform().name("blkmq-interruption").unstarted(() -> {
            control.stop();
            awaitFinished();
        });
    }

    static Interruption watch(RunControl control) {
        Interruption interruption = new Interruption(control);
        Runtime.getRuntime().addShutdownHook(interruption.hook);
        return interruption;
    }

    private void awaitFinished() {
        try {
            if (!finished.await(PATIENCE_SECONDS, TimeUnit.SECONDS)) {
                System.err.println("blkmq: operations in flight did not end within " + PATIENCE_SECONDS + " seconds");
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /** Everything is done: lets the process end. */
    @Override
    public void close() {
        finished.countDown();
        try {
            Runtime.getRuntime().removeShutdownHook(hook);
        } catch (IllegalStateException e) {
            // The process is ending already, and the hook has just been told that it may.
            assert finished.getCount() == 0;
        }
    }
}
