package io.blkmq.aio;

import java.lang.System.Logger.Level;
import java.util.concurrent.atomic.LongAdder;
import java.util.concurrent.locks.LockSupport;

/**
 * Calls completions: gives the operation back first, and survives whatever the completion throws. Any thread may call
 * it.
 */
final class CompletionDelivery {

    private static final System.Logger LOGGER = System.getLogger("io.blkmq.aio");

    private final String engine;
    /** Off the hot path: counts only what should not happen. */
    private final LongAdder thrown = new LongAdder();

    CompletionDelivery(String engine) {
        this.engine = engine;
    }

    /** Frees the kiocb, then tells its owner. Where a thread waits for the operation, it is freed last, and that thread goes on. */
    void tell(Kiocb kiocb, long result) {
        AioCompletion completion = kiocb.completion();
        long userData = kiocb.userData();
        Thread waiter = kiocb.waiter;
        if (waiter == null) {
            kiocb.free();
            complete(completion, userData, result);
            return;
        }
        complete(completion, userData, result);
        // Before it is freed, which releases both to the waiter.
        kiocb.result = result;
        kiocb.free();
        if (!waiter.equals(Thread.currentThread())) {
            LockSupport.unpark(waiter);
        }
    }

    private void complete(AioCompletion completion, long userData, long result) {
        try {
            completion.complete(userData, result);
        } catch (Throwable t) {
            threw("a completion of AIO engine " + engine + " threw; user data " + userData + ", result " + result, t);
        }
    }

    void begin(ReapListener listener) {
        try {
            listener.reapBegins();
        } catch (Throwable t) {
            listenerThrew(t);
        }
    }

    void end(ReapListener listener) {
        try {
            listener.reapEnds();
        } catch (Throwable t) {
            listenerThrew(t);
        }
    }

    private void listenerThrew(Throwable t) {
        threw("a reap listener of AIO engine " + engine + " threw", t);
    }

    private void threw(String what, Throwable t) {
        thrown.increment();
        log(what, t);
    }

    /** Logs what went wrong, also where the log itself fails: the operation is still to be counted, and others are to be told. */
    static void log(String what, Throwable t) {
        try {
            LOGGER.log(Level.ERROR, what, t);
        } catch (Throwable more) {
            // The memory that the failure was about, or a log handler of the application's.
            t.addSuppressed(more);
        }
    }

    long thrown() {
        return thrown.sum();
    }
}
