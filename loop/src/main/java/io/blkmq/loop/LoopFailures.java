package io.blkmq.loop;

import io.blkmq.core.driver.Request;
import io.blkmq.runtime.log.FailureLog;

/** What a device logs when its I/O fails: the device, the operation and why. */
final class LoopFailures {
    /** The device's, for whoever looks for its lines. */
    private static final System.Logger LOG = System.getLogger(LoopDevice.class.getName());

    private LoopFailures() {}

    static void request(LoopDevice device, Request rq, Throwable thrown) {
        FailureLog.log(LOG, System.Logger.Level.ERROR, () -> device.name() + ": " + rq + " failed", thrown);
    }

    static void durableWrite(LoopDevice device, BackingFile file, int errno) {
        FailureLog.log(LOG, System.Logger.Level.ERROR, () -> device.name() + ": a durable write to " + file.path()
                + " failed with errno " + errno + ", perhaps in its sync; flushes fail from now on", null);
    }

    static void sync(LoopDevice device, BackingFile file, int errno) {
        FailureLog.log(LOG, System.Logger.Level.ERROR, () -> device.name() + ": sync of " + file.path()
                + " failed with errno " + errno + "; flushes fail from now on", null);
    }
}
