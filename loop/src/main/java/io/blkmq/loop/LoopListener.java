package io.blkmq.loop;

/**
 * Is told what happens to devices.
 *
 * @since 0.1.0
 */
@FunctionalInterface
public interface LoopListener {
    /**
     * Something has happened. Called in the order of what happened, one at a time, after it, by a thread that changes a device; so
     * it should be quick. It may use the device. What it throws is logged.
     *
     * @param event what
     */
    void happened(LoopEvent event);
}
