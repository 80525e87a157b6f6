package io.blkmq.aio;

import jdk.jfr.Category;
import jdk.jfr.Description;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;

/** An engine that does not work here, so that another is tried. */
@Name("io.blkmq.EngineFallback")
@Label("Engine Fall-back")
@Category("blkmq")
@Description("An AIO engine that does not work on this machine and was passed over. The stack trace shows for whom")
final class EngineFallbackEvent extends Event {
    @Label("Engine")
    @Description("The one that was passed over")
    String engine = "";

    @Label("Reason")
    String reason = "";

    EngineFallbackEvent(String engine, String reason) {
        this.engine = engine;
        this.reason = reason;
    }
}
