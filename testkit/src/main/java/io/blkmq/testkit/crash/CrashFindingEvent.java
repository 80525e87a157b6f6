package io.blkmq.testkit.crash;

import io.blkmq.testkit.CrashReport;
import jdk.jfr.Category;
import jdk.jfr.Description;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;

/** A crash that breaks a promise. */
@Name("io.blkmq.CrashFinding")
@Label("Crash Finding")
@Category("blkmq")
@Description("The smallest state found that a crash may leave and the program's check does not accept")
@StackTrace(false)
final class CrashFindingEvent extends Event {
    @Label("Subject")
    String subject;

    @Label("Crash After")
    @Description("The last event before the crash")
    String crash;

    @Label("Acknowledged")
    @Description("What the program had promised by then")
    String acknowledged;

    @Label("Lost Effects")
    int lost;

    @Label("Failure")
    @Description("What the check threw")
    String failure;

    @Label("Replay")
    @Description("-Dblkmq.crash= with this has the test visit the state alone")
    String replay;

    @Label("Seed")
    long seed;

    CrashFindingEvent(String subject, CrashReport.Failure found, long seed) {
        this.subject = subject;
        this.crash = found.crash();
        this.acknowledged = found.acknowledged();
        this.lost = found.lost().size();
        this.failure = found.cause().toString();
        this.replay = found.code();
        this.seed = seed;
    }
}
