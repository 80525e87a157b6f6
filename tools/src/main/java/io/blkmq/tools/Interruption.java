package io.blkmq.tools;

import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.IntConsumer;
import java.util.function.ToIntFunction;

/**
 * What Ctrl-C and SIGTERM do while something runs: they ask for the end, and the process waits until all is done and told. A status
 * other than 0 is then the status of the process; else it is 128 and the number of the signal, as the JVM has it.
 */
final class Interruption {
    private final Runnable stop;
    private final long patienceSeconds;
    private final IntConsumer halt;
    private final CountDownLatch finished = new CountDownLatch(1);
    private volatile int status;

    /**
     * One.
     *
     * @param stop asks for the end
     * @param patienceSeconds how long the process waits for it
     * @param halt ends the process with a status
     */
    Interruption(Runnable stop, long patienceSeconds, IntConsumer halt) {
        this.stop = stop;
        this.patienceSeconds = patienceSeconds;
        this.halt = halt;
    }

    /**
     * Does something that may be interrupted.
     *
     * @param stop asks for the end
     * @param patienceSeconds how long an interrupted process waits for it
     * @param told tells why the work failed, and returns the status for that
     * @param work returns the status of the command
     * @return the status of the command
     */
    static int during(Runnable stop, long patienceSeconds, ToIntFunction<Exception> told, Callable<Integer> work) {
        Interruption interruption = new Interruption(stop, patienceSeconds, Runtime.getRuntime()::halt);
        Thread hook = Thread.ofPlatform().name("blkmq-interruption").unstarted(interruption::interrupted);
        Runtime.getRuntime().addShutdownHook(hook);
        int ended = Blkmq.IO_ERRORS;
        try {
            ended = work.call();
        } catch (Exception failure) {
            ended = told.applyAsInt(failure);
        } finally {
            interruption.ended(ended);
            try {
                Runtime.getRuntime().removeShutdownHook(hook);
            } catch (IllegalStateException e) {
                // The process is ending already, and the hook has just been told that it may.
                assert interruption.finished.getCount() == 0;
            }
        }
        return ended;
    }

    /** The process has been asked to end, and ends when this returns. */
    void interrupted() {
        stop.run();
        try {
            if (!finished.await(patienceSeconds, TimeUnit.SECONDS)) {
                System.err.println(
                        "blkmq: what was begun did not end within " + patienceSeconds + " seconds, and is left there");
                halt.accept(Blkmq.IO_ERRORS);
            } else if (status != Blkmq.OK) {
                // The JVM knows no other way to leave with a status of ours once it is ending.
                halt.accept(status);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /** All is done and told: lets the process end. */
    void ended(int with) {
        status = with;
        finished.countDown();
    }
}
