package io.blkmq.stress;

import static org.openjdk.jcstress.annotations.Expect.ACCEPTABLE;
import static org.openjdk.jcstress.annotations.Expect.FORBIDDEN;

import io.blkmq.rbd.life.Visits;
import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.II_Result;

/** What threads use against the one who closes it. */
public final class VisitsRaces {
    private VisitsRaces() {}

    /** A visitor finds it open, or does not enter; and who closes sees what visitors have done. */
    @JCStressTest
    @Outcome(id = "0, 0", expect = ACCEPTABLE, desc = "it was closed before anybody entered")
    @Outcome(id = "1, 1", expect = ACCEPTABLE, desc = "it was closed after the visit")
    @Outcome(expect = FORBIDDEN, desc = "it was closed under a visitor")
    @State
    public static class NothingIsClosedUnderAVisitor {
        private final Visits visits = new Visits();
        private boolean closed;
        private int done;

        /** Uses it: 1 if it was open, 2 if it was closed meanwhile. */
        @Actor
        public void visits(II_Result r) {
            if (visits.enter()) {
                done++;
                r.r1 = closed ? 2 : 1;
                visits.leave();
            }
        }

        /** Closes it, and tells how many have used it before. */
        @Actor
        public void closes(II_Result r) {
            visits.close();
            closed = true;
            r.r2 = done;
        }
    }
}
