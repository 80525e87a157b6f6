package io.blkmq.aio;

import java.io.IOException;

/**
 * What a ring waits for that somebody else does: an event, on which the ring has an operation that waits until it is raised. So the end of
 * the errand is found, counted and told as that of any operation, by whoever completes for the engine.
 *
 * <pre>
 *   who does it: end      the ring's side: leave      the later of the two closes the event
 * </pre>
 *
 * <p>Who ends it publishes what it has written before to who leaves it after that, and the other way round, by the monitor.
 */
final class Errand {

    private final WakeEvent event;
    /** Whether it has been done. Guarded by the monitor. */
    private boolean ended;
    /** Whether nobody waits for it any more. Guarded by the monitor. */
    private boolean left;

    private Errand(WakeEvent event) {
        this.event = event;
    }

    static Errand open() throws IOException {
        return new Errand(WakeEvent.open());
    }

    /** The event's descriptor, for the ring's operation, which has to end before {@link #leave}. */
    int fd() {
        return event.fd();
    }

    /** It has been done. Returns whether somebody is going to hear of that; otherwise the caller sees to what comes next. Called once. */
    boolean end() {
        synchronized (this) {
            if (!left) {
                ended = true;
                event.raise();
                return true;
            }
        }
        event.close();
        return false;
    }

    /** The ring's operation has ended. Returns whether the errand has; otherwise who does it sees to what comes next. Called once. */
    boolean leave() {
        synchronized (this) {
            left = true;
            if (!ended) {
                return false;
            }
        }
        event.close();
        return true;
    }

    synchronized boolean isLeft() {
        return left;
    }
}
