package io.blkmq.core.jfr;

import io.blkmq.core.Bio;
import jdk.jfr.Category;
import jdk.jfr.Description;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;
import jdk.jfr.Threshold;

/** An I/O that could not begin. */
@Name("io.blkmq.SubmitWait")
@Label("Submit Wait")
@Category("blkmq")
@Description("An I/O that waited before it became a request")
@StackTrace
@Threshold("10 ms")
public final class SubmitWaitEvent extends DeviceEvent {
    @Label("Cause")
    @Description("'queue full': no tag was free; 'frozen'; 'bounce buffers full'")
    String cause = "";

    @Label("Thread Waits")
    @Description("Whether the submitting thread waited; otherwise the I/O stood in line without it")
    boolean threadWaits;

    @Label("Entered")
    @Description("Whether it went on; false if it ended without having become a request")
    boolean entered;

    SubmitWaitEvent(String why, boolean thread) {
        cause = why;
        threadWaits = thread;
    }

    /**
     * Ends it.
     *
     * @param of the device
     * @param bio what waited
     * @param goesOn whether it goes on
     */
    public void ended(String of, Bio bio, boolean goesOn) {
        end();
        if (shouldCommit()) {
            show(of, bio);
            entered = goesOn;
            commit();
        }
    }
}
