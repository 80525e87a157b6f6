package io.blkmq.core.jfr;

import io.blkmq.core.driver.Request;
import jdk.jfr.Category;
import jdk.jfr.Description;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;
import jdk.jfr.Threshold;

/** A flush of a device. */
@Name("io.blkmq.Flush")
@Label("Flush")
@Category("blkmq")
@Description("A flush of the device's cache, from its way to the driver to its end")
@StackTrace(false)
@Threshold("10 ms")
public final class FlushEvent extends Event {
    @Label("Device")
    String device = "";

    @Label("Hardware Context")
    int hardwareContext;

    @Label("Served")
    @Description("How many requests waited for this one flush")
    int served;

    @Label("Status")
    String status = "";

    /**
     * Ends it.
     *
     * @param rq the flush request, with its status
     * @param waiters how many requests it was for
     */
    public void ended(Request rq, int waiters) {
        end();
        if (shouldCommit()) {
            device = rq.queue().name();
            hardwareContext = rq.hardwareContext().index();
            served = waiters;
            status = rq.status().name();
            commit();
        }
    }
}
