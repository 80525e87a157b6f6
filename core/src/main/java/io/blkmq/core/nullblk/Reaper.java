package io.blkmq.core.nullblk;

import io.blkmq.core.driver.CompletionBatch;
import io.blkmq.core.driver.HardwareContext;
import io.blkmq.core.driver.Parking;
import io.blkmq.runtime.IoRuntime;

/** A thread that completes what is queued on one hardware context, and sleeps when there is nothing. */
final class Reaper implements Runnable {
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
        while (!stopped) {
            if (reap() == 0) {
                asleep = true;
                if (lists.isEmptyForReaper() && !stopped) {
                    Parking.park(runtime, this);
                }
                asleep = false;
            }
        }
    }

    private int reap() {
        try (CompletionBatch _ = CompletionBatch.open()) {
            return lists.reap(hctx);
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
