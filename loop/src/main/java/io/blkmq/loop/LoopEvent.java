package io.blkmq.loop;

/**
 * What has happened to a device: what user space learns of the kernel's by uevents.
 *
 * @param kind what
 * @param device to which
 * @param sizeBytes the device's size after it
 * @since 0.1.0
 */
public record LoopEvent(Kind kind, LoopDevice device, long sizeBytes) {
    /** What can happen. */
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
