package io.blkmq.core.jfr;

import io.blkmq.core.Status;
import io.blkmq.core.driver.Request;
import jdk.jfr.Category;
import jdk.jfr.Description;
import jdk.jfr.Enabled;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;
import jdk.jfr.Timespan;

/** A request, from its way to the elevator or the driver to its end. */
@Name("io.blkmq.Request")
@Label("Request")
@Category("blkmq")
@Description("One request, from when it left its plug to its end. Merged bios are one request")
@Enabled(false)
@StackTrace(false)
public final class RequestEvent extends DeviceEvent {
    /** Says whose it is, and is not recorded: see {@link #isOf}. */
    private final transient long sentNanos;

    @Label("Tag")
    int tag;

    @Label("Hardware Context")
    int hardwareContext;

    @Label("Wait")
    @Description("The part of the duration before the driver was given it for the last time")
    @Timespan(Timespan.NANOSECONDS)
    long wait;

    @Label("Status")
    String status = "";

    RequestEvent(long sentNanos) {
        this.sentNanos = sentNanos;
    }

    /**
     * Whether it was begun with a request that was sent at that time. One that was left behind when a recording ended was not.
     *
     * @param nanos when the request was sent
     * @return true if so
     */
    public boolean isOf(long nanos) {
        return sentNanos == nanos;
    }

    /**
     * Ends it. It is written if it took as long as the recording asks.
     *
     * @param rq with its status, and not yet told
     * @param waitNanos how long it waited before the driver had it
     */
    public void ended(Request rq, long waitNanos) {
        end();
        if (shouldCommit()) {
            show(rq);
            tag = rq.tag();
            hardwareContext = rq.hardwareContext().index();
            wait = waitNanos;
            Status result = rq.status();
            status = result.name();
            commit();
        }
    }
}
