package io.blkmq.aio;

import java.io.IOException;
import java.io.UncheckedIOException;
import org.jspecify.annotations.Nullable;

/**
 * An eventfd that can be read while an engine without a ring has completions to call; there is none before somebody asks for its descriptor. Who
 * takes completions drains it first: it is raised no longer than until the next look, and it is raised at the latest soon after there are any.
 */
final class ReadyEvent {

    /** Null before it is asked for. Written under the monitor. */
    private volatile @Nullable WakeEvent event;
    /** Guarded by the monitor. */
    private boolean closed;

    /** The descriptor. What is in flight may have ended: then it can be read at first. Any thread. */
    synchronized int descriptor(OpenedEngine engine) {
        if (engine.config.hasReaper()) {
            throw new IllegalStateException("AIO engine " + engine.name()
                    + " has threads that call completions, which takes what a wait for its descriptor would be for");
        }
        if (closed || !engine.isOpen()) {
            throw new IllegalStateException("AIO engine " + engine.name() + " is closed");
        }
        String obstacle = NativeAccess.refusal();
        if (obstacle != null) {
            throw new UnsupportedOperationException(
                    "AIO engine " + engine.name() + " has no descriptor that can be waited for: " + obstacle);
        }
        WakeEvent known = event;
        if (known == null) {
            try {
                known = WakeEvent.openNonBlocking();
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
            event = known;
            if (engine.inFlight() != 0) {
                known.raise();
            }
        }
        return known.fd();
    }

    /** Its descriptor; -1 if nobody has asked for one. */
    int fd() {
        WakeEvent known = event;
        return known == null ? -1 : known.fd();
    }

    /** There is a completion to call. */
    void raise() {
        WakeEvent known = event;
        if (known != null) {
            known.raise();
        }
    }

    /** All that are there are about to be called: before they are looked for. */
    void drain() {
        WakeEvent known = event;
        if (known != null) {
            known.drain();
        }
    }

    /** Nobody raises it any more. */
    synchronized void close() {
        closed = true;
        WakeEvent known = event;
        if (known != null) {
            known.close();
        }
    }
}
