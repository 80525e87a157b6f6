package io.blkmq.aio;

import org.jspecify.annotations.Nullable;

/**
 * Ends operations of a ring early, for which {@link AioEngine#cancel} was called. Who cancels marks the operation, then this, and calls the
 * completer; the completer looks through all that are in flight. So whatever an operation is just doing, on its way between the hand-over,
 * the deferred and the ring, the completer finds it: it holds the placer's lock, and takes over first what has been handed over.
 *
 * <pre>
 *   who cancels                       completer
 *     marks the kiocb                   takes the mark off here
 *     marks this (volatile)             looks for marked kiocbs
 * </pre>
 *
 * <p>A mark here that is set while the completer looks is there for its next round. One that is set before the operation has been placed, on
 * another thread than the submitter's, is set again by the submitter, which looks at its kiocb when it has accepted it.
 *
 * <p>What waits to be placed, or placed again, is told ECANCELED. Of what the kernel has, the kernel is asked to give it back; what it cannot
 * end goes its way.
 */
final class Cancels {

    private final NativeEngine engine;
    private final Slots slots;
    private final DeferredList deferred;
    private final Outcomes outcomes;
    private volatile boolean wanted;
    /** Whether all are to end early that are in flight. Nothing is accepted any more. */
    private volatile boolean all;

    Cancels(NativeEngine engine, Slots slots, DeferredList deferred, Outcomes outcomes) {
        this.engine = engine;
        this.slots = slots;
        this.deferred = deferred;
        this.outcomes = outcomes;
    }

    /** Some operation has been marked. Any thread; the completer is to be called after that. */
    void want() {
        wanted = true;
    }

    /** All are to end early. Any thread; as {@link #want}. */
    void wantAll() {
        all = true;
        wanted = true;
    }

    /** Whether the completer has to look. Any thread. */
    boolean areWanted() {
        return wanted;
    }

    /** Ends what can be ended at once, and has the kernel asked for the rest. The completer, with nothing handed over that is not deferred. */
    void carryOut() {
        // Before the look: a mark that comes later is another look.
        wanted = false;
        boolean asked;
        Kiocb ended;
        engine.lock();
        try {
            if (all) {
                markAll();
            }
            ended = deferred.takeCancelled();
            asked = askKernel();
        } finally {
            engine.unlock();
        }
        outcomes.beginBatch();
        try {
            outcomes.tellCancelled();
            while (ended != null) {
                Kiocb kiocb = ended;
                ended = kiocb.next;
                kiocb.next = null;
                outcomes.tell(kiocb, outcomes.cancelledResult(kiocb));
            }
        } finally {
            outcomes.endBatch();
        }
        if (asked) {
            engine.ringOrStall();
        }
    }

    private void markAll() {
        for (int slot = 0; slot < slots.count(); slot++) {
            Kiocb kiocb = slots.peek(slot);
            if (kiocb != null) {
                kiocb.wantCancel();
            }
        }
        deferred.cancelAll();
        outcomes.cancelAllAgain();
    }

    /** With the lock held. Returns whether there is anything to hand over. */
    private boolean askKernel() {
        boolean asked = false;
        for (int slot = 0; slot < slots.count(); slot++) {
            Kiocb kiocb = slots.peek(slot);
            if (kiocb != null && kiocb.isCancelWanted() && !kiocb.cancelAsked) {
                if (engine.placeCancel(slot)) {
                    kiocb.cancelAsked = true;
                    asked = true;
                } else {
                    // No room: the next round asks.
                    wanted = true;
                }
            }
        }
        return asked;
    }
}
