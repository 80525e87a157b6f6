package io.blkmq.stress;

import static org.openjdk.jcstress.annotations.Expect.ACCEPTABLE;
import static org.openjdk.jcstress.annotations.Expect.FORBIDDEN;

import io.blkmq.aio.life.EngineEnd;
import io.blkmq.aio.life.ReaperWatch;
import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Arbiter;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.I_Result;

/** A reaper that retires against submitters that leave operations behind. */
public final class ReaperWatchRaces {
    private ReaperWatchRaces() {}

    /** What is in flight, counted without any order but what the protocol makes, as an engine counts. */
    abstract static class Ring {
        private final EngineEnd end = new EngineEnd();
        private final ReaperWatch watch = new ReaperWatch();
        private int one;
        private int two;
        private boolean parks;
        private boolean unparked;

        /** Submits an operation that nobody tells. */
        final void submit(boolean first) {
            if (first) {
                one = 1;
            } else {
                two = 1;
            }
            boolean _ = end.visit();
            watch.leaves();
            if (end.leave() == 0 && watch.lastHasGone(this::isInFlight)) {
                unparked = true;
            }
        }

        /** Submits an operation that ends in its doorbell. */
        final void submitAndTell() {
            boolean _ = end.visit();
            if (end.leave() == 0 && watch.lastHasGone(this::isInFlight)) {
                unparked = true;
            }
        }

        final void retire() {
            parks = watch.retire(end::isVisited, this::isInFlight);
        }

        private boolean isInFlight() {
            return one + two != 0;
        }

        /** 1 if the reaper sleeps beside an operation. */
        final int after() {
            return parks && (watch.isRetired() ? isInFlight() : !unparked) ? 1 : 0;
        }
    }

    /** An operation that is left in the kernel has a reaper. */
    @JCStressTest
    @Outcome(id = "0", expect = ACCEPTABLE, desc = "the reaper watches, was called, or nothing is in flight")
    @Outcome(expect = FORBIDDEN, desc = "the reaper sleeps, and nobody looks for the operation")
    @State
    public static class WhatIsLeftBehindHasAReaper extends Ring {
        /** Leaves one behind. */
        @Actor
        public void submitter() {
            submit(true);
        }

        /** Retires. */
        @Actor
        public void reaper() {
            retire();
        }

        /** Looks. */
        @Arbiter
        public void after(I_Result r) {
            r.r1 = after();
        }
    }

    /** Of two in their doorbells at once, with a reaper that has retired, the last to go calls it for what either has left. */
    @JCStressTest
    @Outcome(id = "0", expect = ACCEPTABLE, desc = "the reaper was called")
    @Outcome(expect = FORBIDDEN, desc = "the reaper sleeps, and nobody looks for the operation")
    @State
    public static class TheLastToGoCallsForAll extends Ring {
        /** A reaper that has just retired. */
        public TheLastToGoCallsForAll() {
            retire();
        }

        /** Leaves one behind. */
        @Actor
        public void submitter() {
            submit(true);
        }

        /** Leaves nothing behind. */
        @Actor
        public void other() {
            submitAndTell();
        }

        /** Looks. */
        @Arbiter
        public void after(I_Result r) {
            r.r1 = after();
        }
    }
}
