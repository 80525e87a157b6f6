package io.blkmq.core.jfr;

import io.blkmq.core.driver.Request;
import jdk.jfr.Category;
import jdk.jfr.Description;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;
import jdk.jfr.Throttle;

/** A request that has to be given to the driver again. */
@Name("io.blkmq.Requeue")
@Label("Requeue")
@Category("blkmq")
@Description("A request that its driver refused or gave back, and will be given again")
@StackTrace(false)
@Throttle("300/s")
public final class RequeueEvent extends DeviceEvent {
    @Label("Tag")
    int tag;

    @Label("Cause")
    @Description("'given back', or the status with which the driver refused it")
    String cause = "";

    /** It happens now. */
    void happened(Request rq, String why) {
        show(rq);
        tag = rq.tag();
        cause = why;
        commit();
    }
}
