package io.blkmq.core.jfr;

import io.blkmq.core.Bio;
import jdk.jfr.Category;
import jdk.jfr.Description;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;
import jdk.jfr.Throttle;

/** A copy that was made because of where the caller's memory lies. */
@Name("io.blkmq.Bounce")
@Label("Bounce")
@Category("blkmq")
@Description("An I/O whose memory cannot go to the device and is copied. The stack trace shows whose")
@StackTrace
@Throttle("100/s")
public final class BounceEvent extends DeviceEvent {
    @Label("Cause")
    @Description("'alignment', 'memory' that is not blkmq's and that nobody vouches for, or 'shape' of its pieces")
    String cause = "";

    /** It happens now. */
    void happened(String of, Bio bio, String why) {
        show(of, bio);
        cause = why;
        commit();
    }
}
