package io.blkmq.testkit.disk;

import java.util.ArrayList;
import java.util.List;

/**
 * The record of a simulated disk from one moment on: what was durable then, and all that has happened since. What was in the cache, or
 * in flight, at its beginning stands at its beginning. Written under the device's lock; to be read when recording has ended.
 *
 * @see SimulatedDisk#record()
 */
final class DiskLog {
    private final DiskImage base;
    private final List<DiskEvent> events = new ArrayList<>();

    DiskLog(DiskImage base) {
        this.base = base;
    }

    void add(DiskEvent event) {
        events.add(event);
    }

    /** What was durable at its beginning. */
    DiskImage base() {
        return base;
    }

    List<DiskEvent> events() {
        return events;
    }
}
