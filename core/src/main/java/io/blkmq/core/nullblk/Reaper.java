package io.blkmq.core.nullblk;

import io.blkmq.core.driver.CompletionBatch;
import io.blkmq.core.driver.HardwareContext;
import io.blkmq.core.driver.Parking;
import io.blkmq.runtime.IoRuntime;

/** A thread that completes what is queued on one hardware context, and sleeps when there is nothing. */
final class Reaper implements Runnable {
    private static final System.Logger LOG = System.getLogger(Reaper.class.getName());

    private final HardwareContext hctx;
    private final CompletionLists lists;
    private final IoRuntime runtime;
    private final Thread thread;
    /** Raised before the last look at the list, and looked at after a push: one of the two sees the other. */
    private volatile boolean asleep;
    private volatile boolean stopped;

    @SuppressWarnings("this-escape") // the thread uses what is set before it is started
    Reaper(HardwareContext hctx, CompletionLists lists) {
        this.hctx = hctx;
        this.lists = lists;
        this.runtime = hctx.queue().tagSet().runtime();
        this.thread = runtime.startAgent("blkmq-" + hctx.queue().name() + "-reaper-" + hctx.index(), this);
    }

    @Override
    public void run() {
        // What stands behind an error is on the list again: it is taken before the end.
        while (!stopped || !lists.isEmptyForReaper()) {
            if (!reapedAny()) {
                asleep = true;
                if (lists.isEmptyForReaper() && !stopped) {
                    Parking.park(runtime, this);
                }
                asleep = false;
            }
        }
    }

    private boolean reapedAny() {
        try (CompletionBatch _ = CompletionBatch.open()) {
            return lists.reap(hctx) > 0;
        } catch (Throwable t) {
            log(t);
            return true;
        }
    }

    /** A log that throws ends the thread no more than what it is told of. */
    private void log(Throwable thrown) {
        try {
            LOG.log(System.Logger.Level.ERROR, "completions of " + hctx + " failed", thrown);
        } catch (Throwable _) {
            // There is nobody left to tell.
        }
    }

    void wake() {
        if (asleep) {
            runtime.unpark(thread);
        }
    }

    void stop() {
        stopped = true;
        runtime.unpark(thread);
        Parking.join(runtime, thread);
    }
}
