package io.blkmq.loop;

/**
 * Is told of events of devices.
 *
 * @since 0.1.0
 */
@FunctionalInterface
public interface LoopListener {
    /**
     * Called after an event, in the order of events, one at a time, by a thread that changes a device; so it should be quick. It
     * may use the device. An exception that it throws is logged.
     *
     * @param event the event
     */
    void happened(LoopEvent event);
}
