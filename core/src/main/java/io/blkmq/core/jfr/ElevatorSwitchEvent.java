package io.blkmq.core.jfr;

import jdk.jfr.Category;
import jdk.jfr.Description;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;

/** Another elevator at work. */
@Name("io.blkmq.ElevatorSwitch")
@Label("Elevator Switch")
@Category("blkmq")
@Description("Another elevator has taken over; the queue was frozen for the duration")
public final class ElevatorSwitchEvent extends Event {
    @Label("Device")
    String device = "";

    @Label("From")
    String from = "";

    @Label("To")
    String to = "";

    /**
     * Ends it.
     *
     * @param of the device
     * @param before the elevator before, 'none' without one
     * @param after the elevator now
     */
    public void ended(String of, String before, String after) {
        device = of;
        from = before;
        to = after;
        commit();
    }
}
