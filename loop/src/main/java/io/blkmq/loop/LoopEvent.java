package io.blkmq.loop;

/**
 * An event of a device. The kernel tells user space of its devices by uevents.
 *
 * @param kind the kind of event
 * @param device to which
 * @param sizeBytes the device's size after it
 * @since 0.1.0
 */
public record LoopEvent(Kind kind, LoopDevice device, long sizeBytes) {
    /** The kinds of events. */
    public enum Kind {
        /** The device is there. */
        ADD,
        /** It has got a file. */
        ATTACH,
        /** Its size is another. */
        RESIZE,
        /** It has another file of the same size. */
        CHANGE,
        /** It has no file any more. */
        DETACH,
        /** The device is gone. */
        REMOVE
    }
}
