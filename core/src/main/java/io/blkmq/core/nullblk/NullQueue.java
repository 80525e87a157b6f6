package io.blkmq.core.nullblk;

import io.blkmq.core.driver.HardwareContext;
import io.blkmq.core.driver.Request;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLongArray;
import org.jspecify.annotations.Nullable;

/** What the device has for one hardware context: its queued completions, its reaper if it has one, and what got lost in it. */
final class NullQueue extends CompletionLists {
    final NullDevice device;
    private final HardwareContext hctx;
    /** By tag, the generation of the request that is never going to be completed; 0 if it is. */
    private final AtomicLongArray lost;
    /** Whether a timer is going to run the hardware context. */
    private final AtomicBoolean rerunSet = new AtomicBoolean();
    /** Set before the first request comes. */
    private @Nullable Reaper reaper;

    NullQueue(HardwareContext hctx, NullDevice device) {
        super(hctx.queue().contexts(), hctx.queue().tagSet().depth());
        this.hctx = hctx;
        this.device = device;
        this.lost = new AtomicLongArray(hctx.queue().tagSet().depth());
    }

    void startReaper() {
        reaper = new Reaper(hctx, this);
    }

    void stop() {
        if (reaper != null) {
            reaper.stop();
        }
    }

    void wakeReaper() {
        Objects.requireNonNull(reaper).wake();
    }

    void lose(Request rq) {
        lost.set(rq.tag(), rq.generation());
    }

    /** Whether a request was lost; then it is found again. */
    boolean findLost(Request rq) {
        return lost.compareAndSet(rq.tag(), rq.generation(), 0);
    }

    void rerunIn(long nanos) {
        if (rerunSet.compareAndSet(false, true)) {
            boolean set = false;
            try {
                var _ = hctx.queue().tagSet().runtime().schedule(nanos, () -> {
                    rerunSet.set(false);
                    hctx.run();
                });
                set = true;
            } finally {
                if (!set) {
                    rerunSet.set(false);
                }
            }
        }
    }
}
