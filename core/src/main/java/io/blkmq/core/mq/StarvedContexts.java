package io.blkmq.core.mq;

import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * Hardware contexts that have something to dispatch and miss something for it that others have, in the order in which they missed
 * it. Whoever gives such a thing back lets one of them run. Thread-safe.
 *
 * <p>No wake-up is lost: who misses something says so here and then looks for it once more; who gives it back does so and then looks
 * here. One that was called and does not need it passes the call on ({@link DispatchContext#passOn}): what became free would be for
 * nobody otherwise. One that uses it has something in flight, and at the end of that the next one is called.
 */
final class StarvedContexts {
    private final Queue<Place> line = new ConcurrentLinkedQueue<>();
    /** How many stand in the line: counted before they do. */
    private final AtomicInteger count = new AtomicInteger();

    /** A context that stands here. */
    interface Starved {
        /** What it missed may be there: has it run, if it has something to dispatch and is not polled. Returns whether it has. */
        boolean goesOn();
    }

    /** The place of a context in a line: it stands there once at most. */
    static final class Place {
        private final Starved context;
        private final AtomicBoolean taken = new AtomicBoolean();

        Place(Starved context) {
            this.context = context;
        }
    }

    /** Returns false if it stood there already. */
    boolean add(Place place) {
        if (!place.taken.compareAndSet(false, true)) {
            return false;
        }
        count.getAndIncrement();
        line.add(place);
        return true;
    }

    boolean isEmpty() {
        return count.get() == 0;
    }

    /** So many things may have become free: lets as many contexts run. */
    void run(int many) {
        for (int left = many; left > 0;) {
            Place place = line.poll();
            if (place == null) {
                return;
            }
            count.getAndDecrement();
            // Before it runs: what it misses then is noted again.
            place.taken.set(false);
            if (place.context.goesOn()) {
                left--;
            }
        }
    }
}
