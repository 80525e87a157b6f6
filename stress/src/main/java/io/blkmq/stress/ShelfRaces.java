package io.blkmq.stress;

import static org.openjdk.jcstress.annotations.Expect.ACCEPTABLE;
import static org.openjdk.jcstress.annotations.Expect.FORBIDDEN;

import io.blkmq.loop.shelf.Shelf;
import java.util.HashSet;
import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Arbiter;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.III_Result;
import org.openjdk.jcstress.infra.results.II_Result;

/** Threads at a shelf of tools, whose ids point to one place. */
public final class ShelfRaces {
    private static final long ONE = 3;
    private static final long OTHER = 3 + Shelf.PLACES;

    private ShelfRaces() {}

    /** One tool, and two who reach for it. */
    @JCStressTest
    @Outcome(id = {"1, 0", "0, 1"}, expect = ACCEPTABLE, desc = "one has it")
    @Outcome(expect = FORBIDDEN, desc = "both have it, or none")
    @State
    public static class AToolIsOneThreads {
        private final Shelf<String> shelf = new Shelf<>();

        /** The tool lies where both look first. */
        public AToolIsOneThreads() {
            boolean _ = shelf.give(ONE, "tool");
        }

        /** Takes. */
        @Actor
        public void one(II_Result result) {
            result.r1 = shelf.take(ONE) == null ? 0 : 1;
        }

        /** Takes. */
        @Actor
        public void other(II_Result result) {
            result.r2 = shelf.take(OTHER) == null ? 0 : 1;
        }
    }

    /** Two tools, which come to one place. */
    @JCStressTest
    @Outcome(id = "1, 1, 2", expect = ACCEPTABLE, desc = "both lie there")
    @Outcome(expect = FORBIDDEN, desc = "one has displaced the other")
    @State
    public static class NothingIsDisplaced {
        private final Shelf<String> shelf = new Shelf<>();

        /** Gives. */
        @Actor
        public void one(III_Result result) {
            result.r1 = shelf.give(ONE, "one") ? 1 : 0;
        }

        /** Gives. */
        @Actor
        public void other(III_Result result) {
            result.r2 = shelf.give(OTHER, "other") ? 1 : 0;
        }

        /** Looks what lies there. */
        @Arbiter
        public void after(III_Result result) {
            result.r3 = new HashSet<>(shelf.close()).size();
        }
    }

    /** A tool that is given when the shelf is closed: who closes does away with it, or who gives. */
    @JCStressTest
    @Outcome(id = {"1, 1, 0", "0, 0, 0"}, expect = ACCEPTABLE, desc = "one of the two does away with it")
    @Outcome(expect = FORBIDDEN, desc = "it stays, or both do away with it")
    @State
    public static class NothingIsLeftBehind {
        private final Shelf<String> shelf = new Shelf<>();

        /** Gives. */
        @Actor
        public void giver(III_Result result) {
            result.r1 = shelf.give(ONE, "tool") ? 1 : 0;
        }

        /** Closes. */
        @Actor
        public void closer(III_Result result) {
            result.r2 = shelf.close().size();
        }

        /** Looks what still lies there. */
        @Arbiter
        public void after(III_Result result) {
            result.r3 = shelf.close().size();
        }
    }
}
