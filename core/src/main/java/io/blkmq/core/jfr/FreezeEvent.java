package io.blkmq.core.jfr;

import jdk.jfr.Category;
import jdk.jfr.Description;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;

/** A wait for a frozen queue to become empty. */
@Name("io.blkmq.Freeze")
@Label("Freeze")
@Category("blkmq")
@Description("A wait until a frozen queue had no request any more")
public final class FreezeEvent extends Event {
    @Label("Device")
    String device = "";

    @Label("Held Tags")
    @Description("How many requests there were when the wait began")
    int heldTags;

    @Label("Drained")
    @Description("Whether the queue became empty; false if the time was over first")
    boolean drained;

    @Label("Closing")
    @Description("Whether the queue is about to end")
    boolean closing;

    /**
     * Ends it.
     *
     * @param of the device
     * @param tags how many requests there were when the wait began
     * @param empty whether there is none now
     * @param dying whether the queue is about to end
     */
    public void ended(String of, int tags, boolean empty, boolean dying) {
        device = of;
        heldTags = tags;
        drained = empty;
        closing = dying;
        commit();
    }
}
