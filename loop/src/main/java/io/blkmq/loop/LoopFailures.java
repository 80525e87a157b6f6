package io.blkmq.loop;

import io.blkmq.core.driver.Request;

/** What a device logs when its I/O fails: the device, the operation and why. */
final class LoopFailures {
    /** The device's, for whoever looks for its lines. */
    private static final System.Logger LOG = System.getLogger(LoopDevice.class.getName());

    private LoopFailures() {}

    static void request(LoopDevice device, Request rq, Throwable thrown) {
        LOG.log(System.Logger.Level.ERROR, device.name() + ": " + rq + " failed", thrown);
    }

    static void durableWrite(LoopDevice device, BackingFile file, int errno) {
        LOG.log(System.Logger.Level.ERROR,
                "{0}: a durable write to {1} failed with errno {2}, perhaps in its sync; flushes fail from now on",
                device.name(), file.path(), errno);
    }

    static void sync(LoopDevice device, BackingFile file, int errno) {
        LOG.log(System.Logger.Level.ERROR, "{0}: sync of {1} failed with errno {2}; flushes fail from now on",
                device.name(), file.path(), errno);
    }
}
