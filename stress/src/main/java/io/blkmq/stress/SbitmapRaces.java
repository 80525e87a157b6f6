package io.blkmq.stress;

import static org.openjdk.jcstress.annotations.Expect.ACCEPTABLE;
import static org.openjdk.jcstress.annotations.Expect.FORBIDDEN;

import io.blkmq.core.tag.Sbitmap;
import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Arbiter;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.III_Result;
import org.openjdk.jcstress.infra.results.II_Result;
import org.openjdk.jcstress.infra.results.I_Result;

/** Taking bits, giving them back, and the fold between. Bits are shown as masks: 1 is bit 0, 2 is bit 1. */
public final class SbitmapRaces {
    private SbitmapRaces() {}

    /** One bit, two takers. */
    @JCStressTest
    @Outcome(id = {"1, 0", "0, 1"}, expect = ACCEPTABLE, desc = "one got it")
    @Outcome(expect = FORBIDDEN, desc = "both got it, or none")
    @State
    public static class ABitIsTakenOnce {
        private final Sbitmap bitmap = new Sbitmap(1);

        /** Notes what it got. */
        @Actor
        public void first(II_Result r) {
            r.r1 = (int) bitmap.take(0, 1);
        }

        /** Notes what it got. */
        @Actor
        public void second(II_Result r) {
            r.r2 = (int) bitmap.take(0, 1);
        }
    }

    /** Two bits and two threads that hold one at the most: who asks gets one, also while the other folds. */
    @JCStressTest
    @Outcome(id = {"1, 2", "2, 1"}, expect = ACCEPTABLE, desc = "each got a bit")
    @Outcome(expect = FORBIDDEN, desc = "a free bit was not found, or found twice")
    @State
    public static class AFreeBitIsFound {
        private final Sbitmap bitmap = new Sbitmap(2);

        /** Both bits are held. */
        public AFreeBitIsFound() {
            bitmap.take(0, 2);
        }

        /** Notes what it got. */
        @Actor
        public void first(II_Result r) {
            bitmap.give(0, 1);
            r.r1 = (int) bitmap.take(0, 1);
        }

        /** Notes what it got. */
        @Actor
        public void second(II_Result r) {
            bitmap.give(0, 2);
            r.r2 = (int) bitmap.take(0, 1);
        }
    }

    /** Two threads give back at once: nothing is lost. */
    @JCStressTest
    @Outcome(id = "3", expect = ACCEPTABLE, desc = "both bits are free")
    @Outcome(expect = FORBIDDEN, desc = "a bit was lost")
    @State
    public static class WhatIsGivenBackIsFree {
        private final Sbitmap bitmap = new Sbitmap(2);

        /** Both bits are held. */
        public WhatIsGivenBackIsFree() {
            bitmap.take(0, 2);
        }

        /** Gives one back. */
        @Actor
        public void first() {
            bitmap.give(0, 1);
        }

        /** Gives the other back. */
        @Actor
        public void second() {
            bitmap.give(0, 2);
        }

        /** Notes what is to be had. */
        @Arbiter
        public void after(I_Result r) {
            r.r1 = (int) bitmap.take(0, 2);
        }
    }

    /** A taker that has to fold, while another gives back: what is given back is either folded or stays for the next. */
    @JCStressTest
    @Outcome(id = {"1, 2", "3, 0"}, expect = ACCEPTABLE, desc = "each bit once")
    @Outcome(expect = FORBIDDEN, desc = "a bit was lost, or handed out twice")
    @State
    public static class AFoldLosesNothing {
        private final Sbitmap bitmap = new Sbitmap(2);
        private int got;

        /** Bit 0 was given back and not folded, bit 1 is held. */
        public AFoldLosesNothing() {
            bitmap.take(0, 2);
            bitmap.give(0, 1);
        }

        /** Takes what there is. */
        @Actor
        public void taker() {
            got = (int) bitmap.take(0, 2);
        }

        /** Gives bit 1 back. */
        @Actor
        public void giver() {
            bitmap.give(0, 2);
        }

        /** Notes what the taker got, and what was left. */
        @Arbiter
        public void after(II_Result r) {
            r.r1 = got;
            r.r2 = (int) bitmap.take(0, 2);
        }
    }

    /** Who looks while another folds does not believe that free bits are held. */
    @JCStressTest
    @Outcome(id = {"1, 0", "1, 1"}, expect = ACCEPTABLE, desc = "none is held, or the one that the taker got")
    @Outcome(expect = FORBIDDEN, desc = "a free bit was taken for held")
    @State
    public static class FoldedBitsAreNotTakenForHeld {
        private final Sbitmap bitmap = new Sbitmap(2);

        /** Both bits were given back and not folded. */
        public FoldedBitsAreNotTakenForHeld() {
            bitmap.give(0, bitmap.take(0, 2));
        }

        /** Notes what it got. */
        @Actor
        public void taker(II_Result r) {
            r.r1 = (int) bitmap.take(0, 1);
        }

        /** Notes how many bits are held. */
        @Actor
        public void looker(II_Result r) {
            r.r2 = bitmap.heldCount();
        }
    }

    /** What the holder of a bit wrote is seen by who holds it next. */
    @JCStressTest
    @Outcome(id = {"-1",
            "1"}, expect = ACCEPTABLE, desc = "no bit, or a bit and what was written before it was given back")
    @Outcome(expect = FORBIDDEN, desc = "a bit without what was written before it was given back")
    @State
    public static class ABitCarriesWhatItsHolderWrote {
        private final Sbitmap bitmap = new Sbitmap(1);
        private int written;

        /** The bit is held. */
        public ABitCarriesWhatItsHolderWrote() {
            bitmap.take(0, 1);
        }

        /** Writes and gives back. */
        @Actor
        public void holder() {
            written = 1;
            bitmap.give(0, 1);
        }

        /** Notes what it sees, if it gets the bit. */
        @Actor
        public void next(I_Result r) {
            r.r1 = bitmap.take(0, 1) != 0 ? written : -1;
        }
    }

    /** The pattern under every wait: give, then look who waits; say that you wait, then look once more. One sees the other. */
    @JCStressTest
    @Outcome(id = {"1, 0", "0, 1", "1, 1"}, expect = ACCEPTABLE, desc = "the waiter was seen, or it found the bit")
    @Outcome(expect = FORBIDDEN, desc = "nobody saw the other: the waiter would sleep beside a free bit")
    @State
    public static class AGiverAndAWaiterSeeEachOther {
        private final Sbitmap bitmap = new Sbitmap(1);
        private volatile int waiting;

        /** The bit is held. */
        public AGiverAndAWaiterSeeEachOther() {
            bitmap.take(0, 1);
        }

        /** Notes whether it sees the waiter. */
        @Actor
        public void giver(II_Result r) {
            bitmap.give(0, 1);
            r.r1 = waiting;
        }

        /** Notes whether it finds the bit. */
        @Actor
        public void waiter(II_Result r) {
            waiting = 1;
            r.r2 = (int) bitmap.take(0, 1);
        }
    }

    /** The pattern under every freeze: take, then look at the gate; close the gate, then look what is held. One sees the other. */
    @JCStressTest
    @Outcome(id = {"1, 0", "0, 1",
            "1, 1"}, expect = ACCEPTABLE, desc = "the taker saw the gate closed, or the bit was seen")
    @Outcome(expect = FORBIDDEN, desc = "nobody saw the other: a request in a frozen queue")
    @State
    public static class ATakerAndAFreezerSeeEachOther {
        private final Sbitmap bitmap = new Sbitmap(1);
        private volatile int closed;

        /** Notes whether it sees the gate closed. */
        @Actor
        public void taker(II_Result r) {
            bitmap.take(0, 1);
            r.r1 = closed;
        }

        /** Notes how many bits it sees held. */
        @Actor
        public void freezer(II_Result r) {
            closed = 1;
            r.r2 = bitmap.heldCount();
        }
    }

    /** Two takers of a round-robin bitmap: neighbours, and the third comes after both. */
    @JCStressTest
    @Outcome(id = {"0, 1, 2", "1, 0, 2"}, expect = ACCEPTABLE, desc = "in turn")
    @Outcome(expect = FORBIDDEN, desc = "out of turn")
    @State
    public static class BitsGoOutInTurn {
        private final Sbitmap bitmap = new Sbitmap(4, true);

        /** Notes its bit. */
        @Actor
        public void first(III_Result r) {
            r.r1 = bitmap.takeInTurn();
        }

        /** Notes its bit. */
        @Actor
        public void second(III_Result r) {
            r.r2 = bitmap.takeInTurn();
        }

        /** Notes the bit after both. */
        @Arbiter
        public void third(III_Result r) {
            r.r3 = bitmap.takeInTurn();
        }
    }

    /** A bit just given back is not next, and the cursor never goes back. */
    @JCStressTest
    @Outcome(id = {"0, 1, 2", "1, 0, 2"}, expect = ACCEPTABLE, desc = "behind both")
    @Outcome(expect = FORBIDDEN, desc = "a bit had its turn before the others had theirs")
    @State
    public static class ABitJustGivenBackIsNotNext {
        private final Sbitmap bitmap = new Sbitmap(4, true);

        /** Notes its bit, given back. */
        @Actor
        public void first(III_Result r) {
            r.r1 = takeAndGive();
        }

        /** Notes its bit, given back. */
        @Actor
        public void second(III_Result r) {
            r.r2 = takeAndGive();
        }

        /** Notes the bit after both. */
        @Arbiter
        public void third(III_Result r) {
            r.r3 = bitmap.takeInTurn();
        }

        private int takeAndGive() {
            int bit = bitmap.takeInTurn();
            bitmap.give(bitmap.wordOf(bit), bitmap.maskOf(bit));
            return bit;
        }
    }
}
