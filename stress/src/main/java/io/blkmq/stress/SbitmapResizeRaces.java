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

/** Resizing against taking and giving back. Bits are shown as masks: 1 is bit 0, 2 is bit 1. */
public final class SbitmapResizeRaces {
    private SbitmapResizeRaces() {}

    /** A bitmap of two bits shrinks to one under a taker of both: once it has shrunk, bit 1 is held already or not at all. */
    @JCStressTest
    @Outcome(id = {"2, 3", "0, 1"}, expect = ACCEPTABLE, desc = "taken before it shrank, or not")
    @Outcome(expect = FORBIDDEN, desc = "a bit beyond the depth was handed out, or a free one was taken for held")
    @State
    public static class NoBitBeyondTheDepthIsTaken {
        private final Sbitmap bitmap = new Sbitmap(2);

        /** Notes what is held beyond the depth when it has shrunk. */
        @Actor
        public void resizer(II_Result r) {
            bitmap.resize(1);
            r.r1 = (int) bitmap.held(0) & 2;
        }

        /** Notes what it got. */
        @Actor
        public void taker(II_Result r) {
            r.r2 = (int) bitmap.take(0, 2);
        }
    }

    /** The same, but the taker has to fold. */
    @JCStressTest
    @Outcome(id = {"2, 3", "0, 1"}, expect = ACCEPTABLE, desc = "taken before it shrank, or not")
    @Outcome(expect = FORBIDDEN, desc = "a bit beyond the depth was handed out, or a free one was taken for held")
    @State
    public static class NoBitBeyondTheDepthIsFolded {
        private final Sbitmap bitmap = new Sbitmap(2);

        /** Both bits were given back and not folded. */
        public NoBitBeyondTheDepthIsFolded() {
            bitmap.give(0, bitmap.take(0, 2));
        }

        /** Notes what is held beyond the depth when it has shrunk. */
        @Actor
        public void resizer(II_Result r) {
            bitmap.resize(1);
            r.r1 = (int) bitmap.held(0) & 2;
        }

        /** Notes what it got. */
        @Actor
        public void taker(II_Result r) {
            r.r2 = (int) bitmap.take(0, 2);
        }
    }

    /** A bit is given back while the bitmap shrinks below it and grows again: it rests meanwhile, and is there in the end. */
    @JCStressTest
    @Outcome(id = "3, 0", expect = ACCEPTABLE, desc = "both bits are free in the end")
    @Outcome(expect = FORBIDDEN, desc = "a bit was lost, or is held by nobody")
    @State
    public static class ABitGivenBackBeyondTheDepthIsThereWhenItGrows {
        private final Sbitmap bitmap = new Sbitmap(2);

        /** Bit 1 is held. */
        public ABitGivenBackBeyondTheDepthIsThereWhenItGrows() {
            bitmap.take(0, 2);
            bitmap.give(0, 1);
        }

        /** Shrinks and grows. */
        @Actor
        public void resizer() {
            bitmap.resize(1);
            bitmap.resize(2);
        }

        /** Gives bit 1 back, and takes and gives bit 0 so that there is something to fold. */
        @Actor
        public void holder() {
            bitmap.give(0, 2);
            bitmap.give(0, bitmap.take(0, 2));
        }

        /** Notes what is to be had, and what was held before. */
        @Arbiter
        public void after(II_Result r) {
            r.r2 = bitmap.heldCount();
            r.r1 = (int) bitmap.take(0, 2);
        }
    }

    /** A full bitmap grows under a taker: one of both, the taker or the next one, gets the new bit. */
    @JCStressTest
    @Outcome(id = {"0, 2", "2, 0"}, expect = ACCEPTABLE, desc = "the new bit was handed out once")
    @Outcome(expect = FORBIDDEN, desc = "the new bit was lost, or handed out twice")
    @State
    public static class ANewBitIsHandedOutOnce {
        private final Sbitmap bitmap = new Sbitmap(2);
        private int got;

        /** One bit of two, and it is held. */
        public ANewBitIsHandedOutOnce() {
            bitmap.resize(1);
            bitmap.take(0, 2);
        }

        /** Grows. */
        @Actor
        public void resizer() {
            bitmap.resize(2);
        }

        /** Asks. */
        @Actor
        public void taker() {
            got = (int) bitmap.take(0, 2);
        }

        /** Notes what the taker got, and what was left. */
        @Arbiter
        public void after(II_Result r) {
            r.r1 = got;
            r.r2 = (int) bitmap.take(0, 2);
        }
    }

    /** Who makes the bitmap grow and then looks who waits, and a waiter, see each other. */
    @JCStressTest
    @Outcome(id = {"1, 0", "0, 2", "1, 2"}, expect = ACCEPTABLE, desc = "the waiter was seen, or it found the new bit")
    @Outcome(expect = FORBIDDEN, desc = "nobody saw the other: the waiter would sleep beside a free bit")
    @State
    public static class AResizerAndAWaiterSeeEachOther {
        private final Sbitmap bitmap = new Sbitmap(2);
        private volatile int waiting;

        /** One bit of two, and it is held. */
        public AResizerAndAWaiterSeeEachOther() {
            bitmap.resize(1);
            bitmap.take(0, 2);
        }

        /** Notes whether it sees the waiter. */
        @Actor
        public void resizer(II_Result r) {
            bitmap.resize(2);
            r.r1 = waiting;
        }

        /** Notes whether it finds the new bit. */
        @Actor
        public void waiter(II_Result r) {
            waiting = 1;
            r.r2 = (int) bitmap.take(0, 1);
        }
    }

    /** While the free bits are cut off, nobody takes them for held. */
    @JCStressTest
    @Outcome(id = "0, 0, 1", expect = ACCEPTABLE, desc = "none was ever held")
    @Outcome(expect = FORBIDDEN, desc = "a free bit was taken for held")
    @State
    public static class BitsThatAreCutOffAreNotTakenForHeld {
        private final Sbitmap bitmap = new Sbitmap(2);

        /** Shrinks. */
        @Actor
        public void resizer() {
            bitmap.resize(0);
            bitmap.resize(2);
            bitmap.resize(1);
        }

        /** Notes how many bits are held. */
        @Actor
        public void looker(III_Result r) {
            r.r1 = bitmap.heldCount();
            r.r2 = bitmap.heldCount();
        }

        /** Notes what is to be had. */
        @Arbiter
        public void after(III_Result r) {
            r.r3 = (int) bitmap.take(0, 2);
        }
    }
}
