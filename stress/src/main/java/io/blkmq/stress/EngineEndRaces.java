package io.blkmq.stress;

import static org.openjdk.jcstress.annotations.Expect.ACCEPTABLE;
import static org.openjdk.jcstress.annotations.Expect.FORBIDDEN;

import io.blkmq.aio.life.EngineEnd;
import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Arbiter;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.II_Result;
import org.openjdk.jcstress.infra.results.I_Result;

/** The end of an engine against its use, and against another end. */
public final class EngineEndRaces {
    private EngineEndRaces() {}

    /** What an engine gives back at its end, and has to be there while it is used. Not guarded: the protocol does that. */
    private static final class Ring {
        private int uses;
        private boolean gone;

        /** Uses it; 1 if it is gone. */
        int use() {
            uses++;
            return gone ? 1 : 0;
        }

        void giveBack() {
            gone = true;
            uses++;
        }
    }

    /** The owner of a polled engine never finds gone what it uses, and who ends the engine finds it as the owner left it. */
    @JCStressTest
    @Outcome(id = {"0, 0", "0, 1"}, expect = ACCEPTABLE, desc = "one after the other, or the owner was refused")
    @Outcome(expect = FORBIDDEN, desc = "it was used and ended at once")
    @State
    public static class NobodyEndsWhatIsInUse {
        private final EngineEnd end = new EngineEnd();
        private final Ring ring = new Ring();
        private int done;
        private int found;

        /** Uses it twice, as for two operations one after the other. */
        @Actor
        public void owner() {
            for (int i = 0; i < 2; i++) {
                if (end.use()) {
                    found |= ring.use();
                    done++;
                    end.letGo();
                }
            }
        }

        /** Ends it, if nobody uses it; tries twice. */
        @Actor
        public void closer(II_Result r) {
            for (int i = 0; i < 2 && r.r2 == 0; i++) {
                if (end.tryBegin(false)) {
                    ring.giveBack();
                    r.r2 = 1;
                }
            }
        }

        /** Notes whether any step was lost or came too late. */
        @Arbiter
        public void after(II_Result r) {
            r.r1 = found != 0 || ring.uses != done + r.r2 ? 1 : 0;
        }
    }

    /** Of those who close one ends the engine, and the other returns when that has been done. */
    @JCStressTest
    @Outcome(id = "1, 1", expect = ACCEPTABLE, desc = "one ended it, and both found it ended")
    @Outcome(expect = FORBIDDEN, desc = "it ended twice, or one returned before the end")
    @State
    public static class AnEngineEndsOnce {
        private final EngineEnd end = new EngineEnd();
        private final Ring ring = new Ring();
        private int foundByOne;
        private int foundByTwo;

        private int close() {
            if (end.tryBegin(false)) {
                ring.giveBack();
                end.done();
            } else {
                end.awaitDone();
            }
            return ring.gone ? 1 : 0;
        }

        /** Closes it. */
        @Actor
        public void one() {
            foundByOne = close();
        }

        /** Closes it, too. */
        @Actor
        public void two() {
            foundByTwo = close();
        }

        /** Notes how often it ended, and whether both saw it. */
        @Arbiter
        public void after(II_Result r) {
            r.r1 = ring.uses;
            r.r2 = foundByOne & foundByTwo;
        }
    }

    /** A thread that enters the kernel never finds the descriptor given back. */
    @JCStressTest
    @Outcome(id = "0", expect = ACCEPTABLE, desc = "it was there, or the visitor was refused")
    @Outcome(expect = FORBIDDEN, desc = "the descriptor was given back under a visitor")
    @State
    public static class NobodyVisitsWhatHasEnded {
        private final EngineEnd end = new EngineEnd();
        private volatile boolean gone;
        private int found;

        /** Enters the kernel. */
        @Actor
        public void visitor() {
            if (end.visit()) {
                found |= gone ? 1 : 0;
                found |= gone ? 1 : 0;
                end.leave();
            }
        }

        /** Gives the descriptor back. */
        @Actor
        public void closer() {
            end.shut();
            gone = true;
        }

        /** Notes what the visitor found. */
        @Arbiter
        public void after(I_Result r) {
            r.r1 = found;
        }
    }
}
