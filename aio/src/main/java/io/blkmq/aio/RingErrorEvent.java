package io.blkmq.aio;

import jdk.jfr.Category;
import jdk.jfr.Description;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;

/** A failure of the ring itself, not of an operation on it. */
@Name("io.blkmq.RingError")
@Label("Ring Error")
@Category("blkmq")
@Description("The ring of an AIO engine has failed; operations of all its files wait until it works again")
@StackTrace(false)
final class RingErrorEvent extends Event {
    @Label("Engine")
    String engine = "";

    @Label("Error")
    String error = "";

    @Label("Failures In A Row")
    int inARow;

    @Label("Given Up")
    @Description("Whether the ring is given up: what is in flight ends with EIO")
    boolean givenUp;

    RingErrorEvent(String engine, String error, int inARow, boolean givenUp) {
        this.engine = engine;
        this.error = error;
        this.inARow = inARow;
        this.givenUp = givenUp;
    }
}
