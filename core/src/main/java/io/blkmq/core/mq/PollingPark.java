package io.blkmq.core.mq;

import io.blkmq.core.driver.BlockDriver;
import io.blkmq.core.driver.Parking;
import io.blkmq.runtime.IoRuntime;
import java.util.Objects;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import org.jspecify.annotations.Nullable;

/**
 * How a thread waits inside of blkmq for another thread: it parks, and while polled I/O is in flight that it may poll for, it polls.
 * That I/O may be its own, and nobody else looks for its end ({@link BlockDriver#mayPoll}); and it may be this I/O that the other thread
 * waits for: a freeze does, and with it the gate stays closed, and the lock under which tag sets change stays held. Where polled
 * requests have the same tags as others, what is in flight may also hold the tag that is missing.
 *
 * <p>It looks at the polled contexts of all queues of the tag set. What others leave to a poller ({@link DispatchContext#run}) may be for
 * a thread that has found nothing and parked: so who leaves something has those who are parked look again. One says that it parks and
 * then looks once more, the other leaves something and then looks who is parked: no wake-up is lost.
 *
 * <p>A thread that waits for I/O which is polled itself does not come here ({@link DeviceQueue#awaitEnd}).
 */
final class PollingPark {
    /** How long a thread sleeps between two looks, where not everything is polled: perhaps it waits for something else. */
    private static final long LOOK_NANOS = 50_000;
    /** There is nothing to poll for. */
    static final int NOTHING = -1;

    /** The I/O that may be polled for. */
    interface Polled {
        /** Whether completions of some hardware contexts are found by polling. */
        boolean hasPolledContexts();

        /** Whether those of all are. */
        boolean isAllPolled();

        /** Polls once for what is in flight. Returns how many completions were found, or {@link #NOTHING} if there is nothing to poll for. */
        int pollInFlight();
    }

    private final IoRuntime runtime;
    private final @Nullable Polled set;
    /** Who is about to park, or has. */
    private final Queue<Thread> parked = new ConcurrentLinkedQueue<>();

    /**
     * For the threads that wait for something of a tag set's.
     *
     * @param set null for what has nothing to do with I/O: then they park
     */
    PollingPark(IoRuntime runtime, @Nullable Polled set) {
        this.runtime = runtime;
        this.set = set;
    }

    /** Parks, or polls once. Like a park it may return for no reason, and the caller looks again. */
    void park(Object blocker) {
        parkNanos(blocker, Long.MAX_VALUE);
    }

    /** The same, for so long at the most; {@link Long#MAX_VALUE} for ever. */
    void parkNanos(Object blocker, long nanos) {
        if (set == null || !set.hasPolledContexts()) {
            sleep(blocker, nanos);
        } else if (!polls(blocker, nanos)) {
            Thread thread = Thread.currentThread();
            parked.add(thread);
            try {
                if (!polls(blocker, nanos)) {
                    sleep(blocker, nanos);
                }
            } finally {
                parked.remove(thread);
            }
        }
    }

    private void sleep(Object blocker, long nanos) {
        if (nanos == Long.MAX_VALUE) {
            Parking.park(runtime, blocker);
        } else {
            Parking.parkNanos(runtime, blocker, nanos);
        }
    }

    /** Something has been left to whoever polls. */
    void wakePollers() {
        parked.forEach(runtime::unpark);
    }

    /**
     * Returns whether there was something to poll for. If not, nothing was done that could have used up a wake-up: the caller may park
     * without another look at what it waits for.
     */
    private boolean polls(Object blocker, long nanos) {
        Polled polled = Objects.requireNonNull(set);
        int found = polled.pollInFlight();
        if (found > 0 || (found == 0 && polled.isAllPolled())) {
            Parking.idle(runtime, found);
        } else if (found == 0) {
            Parking.parkNanos(runtime, blocker, Math.min(nanos, LOOK_NANOS));
        }
        return found != NOTHING;
    }

    /** Looks once for completions of whatever is in flight, for a thread that polls anyway. Returns how many were found. */
    int poll() {
        return set == null ? 0 : Math.max(set.pollInFlight(), 0);
    }
}
