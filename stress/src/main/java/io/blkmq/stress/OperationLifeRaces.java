package io.blkmq.stress;

import static org.openjdk.jcstress.annotations.Expect.ACCEPTABLE;
import static org.openjdk.jcstress.annotations.Expect.FORBIDDEN;

import io.blkmq.rbd.life.OperationLife;
import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Arbiter;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.II_Result;
import org.jspecify.annotations.Nullable;

/** An operation that Ceph has: its end against being given up, and against the thread that has just begun it. */
public final class OperationLifeRaces {
    private OperationLifeRaces() {}

    /** Whoever tells the caller, the end or the one who gives up, is alone; and what was given up comes home. */
    @JCStressTest
    @Outcome(id = {"1, 0", "0, 1"}, expect = ACCEPTABLE, desc = "told once: when it ended, or when it was given up")
    @Outcome(expect = FORBIDDEN, desc = "told twice, or not at all")
    @State
    public static class AnOperationIsToldOnce {
        private final OperationLife life = new OperationLife();

        /** With Ceph from the beginning. */
        public AnOperationIsToldOnce() {
            life.begun(life.begin());
        }

        /** Finds its completion. */
        @Actor
        public void ends(II_Result r) {
            r.r1 = life.end() ? 1 : 0;
        }

        /** Waits no longer. */
        @Actor
        public void givesUp(II_Result r) {
            r.r2 = life.giveUp(() -> this) == null ? 0 : 1;
        }
    }

    /** An operation may end before the thread that begins it says so; that thread then says nothing of the next use of the same place. */
    @JCStressTest
    @Outcome(id = "1, 0", expect = ACCEPTABLE, desc = "the next use is still beginning: nobody can give it up")
    @Outcome(expect = FORBIDDEN, desc = "a use was given up while librbd was still being given its memory")
    @State
    public static class TheNextUseIsNotMarkedAsBegun {
        private final OperationLife life = new OperationLife();
        private final int first = life.begin();
        private boolean ended;

        /** Has given it to librbd. */
        @Actor
        public void begins() {
            life.begun(first);
        }

        /** Finds its completion, and the place is used again. */
        @Actor
        public void endsAndAnotherBegins() {
            boolean over = life.end();
            try {
                int _ = life.begin();
                ended = over;
            } catch (AssertionError e) {
                // The place is not free: that is seen as an end that did not happen.
                ended = false;
            }
        }

        /** Tries to give the next use up, which has not been begun. */
        @Arbiter
        public void after(II_Result r) {
            r.r1 = ended ? 1 : 0;
            r.r2 = life.giveUp(() -> this) == null ? 0 : 1;
        }
    }

    /** With several engines on an image, another thread may find the end of an operation that is being given up, and the place may be used again. */
    @JCStressTest
    @Outcome(id = "1, 0", expect = ACCEPTABLE, desc = "both have ended, or the next was still beginning")
    @Outcome(id = "1, 2", expect = ACCEPTABLE, desc = "the first has ended, the next was given up")
    @Outcome(id = "0, 1", expect = ACCEPTABLE, desc = "the first was given up")
    @Outcome(expect = FORBIDDEN, desc = "given up, and nobody or another use's caller was told")
    @State
    public static class WhoIsToldIsOfTheUseThatIsGivenUp {
        private final OperationLife life = new OperationLife();
        private @Nullable Integer told = 1;

        /** With Ceph from the beginning. */
        public WhoIsToldIsOfTheUseThatIsGivenUp() {
            life.begun(life.begin());
        }

        /** Finds its completion, and the place is used again, unless the first use was given up. */
        @Actor
        public void endsAndAnotherBegins(II_Result r) {
            r.r1 = life.end() ? 1 : 0;
            if (r.r1 == 0) {
                life.recovered();
            }
            told = null;
            if (r.r1 == 1) {
                told = 2;
                life.begun(life.begin());
            }
        }

        /** Waits no longer. */
        @Actor
        public void givesUp(II_Result r) {
            Integer whose = life.giveUp(() -> told);
            r.r2 = whose == null ? 0 : whose;
        }
    }
}
