package io.blkmq.core.jfr;

import io.blkmq.core.Bio;
import io.blkmq.core.Operation;
import io.blkmq.core.driver.Request;
import jdk.jfr.DataAmount;
import jdk.jfr.Description;
import jdk.jfr.Event;
import jdk.jfr.Label;

/** What all events have that concern one I/O of a device. A new one is its maker's until it is committed. */
public abstract class DeviceEvent extends Event {
    /** Instead of a sector: the operation is the whole device's. */
    static final long NO_SECTOR = -1;

    @Label("Device")
    String device = "";

    @Label("Operation")
    String operation = "";

    @Label("Sector")
    @Description("Of 512 bytes, on the device; -1 if the operation is the whole device's")
    long sector = NO_SECTOR;

    @Label("Length")
    @DataAmount
    long bytes;

    /** Says which request it is about. */
    final void show(Request rq) {
        device = rq.queue().name();
        show(rq.operation(), rq.sector(), rq.bytes());
    }

    /** Says which bio it is about. */
    final void show(String of, Bio bio) {
        device = of;
        show(bio.operation(), bio.deviceSector(), bio.bytes());
    }

    private void show(Operation what, long where, long length) {
        operation = what.name();
        sector = what.hasRange() ? where : NO_SECTOR;
        bytes = length;
    }
}
