package io.blkmq.core.jfr;

import io.blkmq.core.driver.Request;
import jdk.jfr.Category;
import jdk.jfr.Description;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;
import jdk.jfr.Timespan;

/** A driver that was asked about a request. */
@Name("io.blkmq.Timeout")
@Label("Time-out")
@Category("blkmq")
@Description("A request that the driver has had for longer than its time-out")
@StackTrace(false)
public final class TimeoutEvent extends DeviceEvent {
    @Label("Tag")
    int tag;

    @Label("Hardware Context")
    int hardwareContext;

    @Label("Age")
    @Description("For how long the driver has had it, in whole ticks of the queue's timer")
    @Timespan(Timespan.NANOSECONDS)
    long age;

    @Label("Answer")
    @Description("The driver's: DONE, or RESET_TIMER if it is to be asked again")
    String answer = "";

    /** It happens now. */
    void happened(Request rq, long ageNanos, String told) {
        show(rq);
        tag = rq.tag();
        hardwareContext = rq.hardwareContext().index();
        age = ageNanos;
        answer = told;
        commit();
    }
}
