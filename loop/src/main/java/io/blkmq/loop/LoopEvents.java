package io.blkmq.loop;

import io.blkmq.runtime.Registration;
import io.blkmq.runtime.log.FailureLog;
import java.util.List;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * The events on their way to the listeners. They are noted under the lock of the device, which makes their order, and told after
 * it has been let go, so that a listener may use the device. One thread tells at a time; who notes an event meanwhile leaves it to
 * that one.
 */
final class LoopEvents {
    private static final System.Logger LOG = System.getLogger(LoopEvents.class.getName());

    private final List<LoopListener> listeners = new CopyOnWriteArrayList<>();
    private final ConcurrentLinkedQueue<LoopEvent> noted = new ConcurrentLinkedQueue<>();
    /** How many calls of {@link #tell} have come since the telling thread began; 0 if there is none. */
    private final AtomicInteger calls = new AtomicInteger();

    Registration add(LoopListener listener) {
        // Another object each time, so that one that was added twice is removed once.
        LoopListener added = event -> listener.happened(event);
        listeners.add(added);
        return () -> listeners.remove(added);
    }

    void note(LoopEvent.Kind kind, LoopDevice device) {
        noted.add(new LoopEvent(kind, device, device.disk().sizeBytes()));
    }

    /** Tells what has been noted. Without a lock. */
    void tell() {
        if (noted.isEmpty() || calls.getAndIncrement() != 0) {
            return;
        }
        int seen = 1;
        do {
            for (LoopEvent event = noted.poll(); event != null; event = noted.poll()) {
                tell(event);
            }
            seen = calls.addAndGet(-seen);
        } while (seen != 0);
    }

    private void tell(LoopEvent event) {
        for (LoopListener listener : listeners) {
            try {
                listener.happened(event);
            } catch (Throwable t) {
                FailureLog.log(LOG, System.Logger.Level.ERROR, () -> "a listener failed at " + event, t);
            }
        }
    }
}
