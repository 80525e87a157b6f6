package io.blkmq.stress;

import static org.openjdk.jcstress.annotations.Expect.ACCEPTABLE;
import static org.openjdk.jcstress.annotations.Expect.FORBIDDEN;

import io.blkmq.aio.life.Wakeup;
import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Arbiter;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.I_Result;

/** The owner of a polled engine against those who leave it tasks and wake it. */
public final class WakeupRaces {
    private WakeupRaces() {}

    /** Tasks without any order but what the wake-up makes, as an application leaves them. */
    abstract static class Loop {
        private final Wakeup wakeup = new Wakeup();
        private int first;
        private int second;
        private int seen;

        final void leaveFirst() {
            first = 1;
            wakeup.want();
        }

        final void leaveSecond() {
            second = 2;
            wakeup.want();
        }

        /** A round of the loop: takes a wake-up, if there is one, and looks for tasks. */
        final void look() {
            if (wakeup.take()) {
                seen |= first | second;
            }
        }

        /** A wait for one operation, which takes what comes meanwhile. */
        final void run() {
            wakeup.beginRun();
            boolean _ = wakeup.take();
            boolean _ = wakeup.take();
            wakeup.endRun();
        }

        /** The tasks that the owner has not seen though it goes to sleep. */
        final int forgotten() {
            return wakeup.isWanted() ? 0 : 3 & ~seen;
        }
    }

    /** Whose wake-up is taken, together with another's or not, has its task seen; otherwise the owner does not sleep. */
    @JCStressTest
    @Outcome(id = "0", expect = ACCEPTABLE, desc = "each task was seen, or the owner is to look again")
    @Outcome(expect = FORBIDDEN, desc = "the owner sleeps beside a task")
    @State
    public static class EachTaskIsSeen extends Loop {
        /** Leaves two tasks, one after the other. */
        @Actor
        public void waker() {
            leaveFirst();
            leaveSecond();
        }

        /** Looks three times: it may be woken twice. */
        @Actor
        public void owner() {
            look();
            look();
            look();
        }

        /** Looks what is left. */
        @Arbiter
        public void after(I_Result r) {
            r.r1 = forgotten();
        }
    }

    /** What a wait for one operation takes is there for the owner's own wait. */
    @JCStressTest
    @Outcome(id = "0", expect = ACCEPTABLE, desc = "each task was seen, or the owner is to look again")
    @Outcome(expect = FORBIDDEN, desc = "the owner sleeps beside a task")
    @State
    public static class NoWakeupIsLostInARun extends Loop {
        /** Leaves two tasks, one after the other. */
        @Actor
        public void waker() {
            leaveFirst();
            leaveSecond();
        }

        /** Waits for an operation, and then looks for tasks. */
        @Actor
        public void owner() {
            run();
            look();
        }

        /** Looks what is left. */
        @Arbiter
        public void after(I_Result r) {
            r.r1 = forgotten();
        }
    }
}
