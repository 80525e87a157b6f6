package io.blkmq.stress;

import static org.openjdk.jcstress.annotations.Expect.ACCEPTABLE;
import static org.openjdk.jcstress.annotations.Expect.FORBIDDEN;

import io.blkmq.core.Operation;
import io.blkmq.core.driver.Request;
import io.blkmq.core.driver.RequestQueue;
import io.blkmq.core.mq.SleepingLock;
import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Arbiter;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.III_Result;
import org.openjdk.jcstress.infra.results.II_Result;

/** Waiting for a tag against giving it back. */
public final class WaiterRaces {
    private WaiterRaces() {}

    /** Who waits for the only tag gets it when it is given back. */
    @JCStressTest
    @Outcome(id = "1, 1", expect = ACCEPTABLE, desc = "the waiter has the tag")
    @Outcome(expect = FORBIDDEN, desc = "the waiter sleeps for ever")
    @State
    public static class AWaiterGetsTheTagThatIsGivenBack {
        private final RaceQueue device = new RaceQueue();
        private final Request held = device.allocate();

        /** Gives the tag back. */
        @Actor
        public void holder() {
            device.runtime.begins(0);
            device.queue.free(held);
            device.runtime.ends(0);
        }

        /** Notes whether it got the tag. */
        @Actor
        public void waiter(II_Result r) {
            device.runtime.begins(1);
            r.r1 = device.awaitAllocate() != null ? 1 : 0;
            device.runtime.ends(1);
        }

        /** Notes how many tags are held. */
        @Arbiter
        public void after(II_Result r) {
            r.r2 = device.queue.heldTags();
        }
    }

    /** Who waits for the only tag gets it when another queue gives it back. */
    @JCStressTest
    @Outcome(id = "1, 1", expect = ACCEPTABLE, desc = "the waiter has the tag")
    @Outcome(expect = FORBIDDEN, desc = "the waiter sleeps for ever")
    @State
    public static class AWaiterGetsTheTagThatAnotherQueueGivesBack {
        private final RaceQueue device = new RaceQueue();
        private final RequestQueue other = device.neighbour();
        private final Request held = RaceQueue.allocate(other);

        /** Gives the tag back. */
        @Actor
        public void holder() {
            device.runtime.begins(0);
            other.free(held);
            device.runtime.ends(0);
        }

        /** Notes whether it got the tag. */
        @Actor
        public void waiter(II_Result r) {
            device.runtime.begins(1);
            r.r1 = device.awaitAllocate() != null ? 1 : 0;
            device.runtime.ends(1);
        }

        /** Notes how many tags are held. */
        @Arbiter
        public void after(II_Result r) {
            r.r2 = device.queue.heldTags();
        }
    }

    /** Who waits for a tag gets the one that is added when the tags are resized. */
    @JCStressTest
    @Outcome(id = "1, 2", expect = ACCEPTABLE, desc = "the waiter has the new tag")
    @Outcome(expect = FORBIDDEN, desc = "the waiter sleeps for ever")
    @State
    public static class AWaiterGetsTheTagThatIsAdded {
        private final RaceQueue device = new RaceQueue(2);

        /** One tag of two, and it is held. */
        public AWaiterGetsTheTagThatIsAdded() {
            device.set.resize(1);
            device.allocate();
        }

        /** Adds the other. */
        @Actor
        public void resizer() {
            device.runtime.begins(0);
            device.set.resize(2);
            device.runtime.ends(0);
        }

        /** Notes whether it got the tag. */
        @Actor
        public void waiter(II_Result r) {
            device.runtime.begins(1);
            r.r1 = device.awaitAllocate() != null ? 1 : 0;
            device.runtime.ends(1);
        }

        /** Notes how many tags are held. */
        @Arbiter
        public void after(II_Result r) {
            r.r2 = device.queue.heldTags();
        }
    }

    /** A waiter is interrupted while the tag is given back: it has the tag, or the tag is free. */
    @JCStressTest
    @Outcome(id = {"1, 1", "0, 0"}, expect = ACCEPTABLE, desc = "it has the tag, or the tag is free")
    @Outcome(expect = FORBIDDEN, desc = "it sleeps for ever, or the tag or the interrupt is lost")
    @State
    public static class AnInterruptedWaiterLosesNoTag {
        private final RaceQueue device = new RaceQueue();
        private final Request held = device.allocate();

        /** Gives the tag back. */
        @Actor
        public void holder() {
            device.runtime.begins(0);
            device.queue.free(held);
            device.runtime.ends(0);
        }

        /** Notes whether it got the tag. */
        @Actor
        public void waiter(II_Result r) {
            device.runtime.begins(1);
            Thread.currentThread().interrupt();
            try {
                device.queue.allocateRequest(Operation.READ, false);
                // It is kept for the caller.
                r.r1 = Thread.interrupted() ? 1 : -1;
            } catch (InterruptedException e) {
                r.r1 = Thread.currentThread().isInterrupted() ? -1 : 0;
            } catch (RaceRuntime.AsleepForEver e) {
                r.r1 = -1;
            }
            device.runtime.ends(1);
        }

        /** Notes how many tags are held. */
        @Arbiter
        public void after(II_Result r) {
            r.r2 = device.queue.heldTags();
        }
    }

    /** Two threads that each wait for the only tag, use it and give it back, both come to an end, and the tag is free. */
    @JCStressTest
    @Outcome(id = "1, 1, 0", expect = ACCEPTABLE, desc = "both had the tag, and it is free")
    @Outcome(expect = FORBIDDEN, desc = "one sleeps for ever, or the tag is lost")
    @State
    public static class TheTagGoesRound {
        private final RaceQueue device = new RaceQueue();

        /** Notes whether it had the tag. */
        @Actor
        public void first(III_Result r) {
            r.r1 = useTwice(0);
        }

        /** Notes whether it had the tag. */
        @Actor
        public void second(III_Result r) {
            r.r2 = useTwice(1);
        }

        private int useTwice(int number) {
            device.runtime.begins(number);
            int had = 1;
            for (int i = 0; i < 2; i++) {
                Request rq = device.awaitAllocate();
                if (rq == null) {
                    had = 0;
                } else {
                    device.queue.free(rq);
                }
            }
            device.runtime.ends(number);
            return had;
        }

        /** Notes how many tags are held. */
        @Arbiter
        public void after(III_Result r) {
            r.r3 = device.queue.heldTags();
        }
    }

    /** Who waits at a frozen queue goes on when it is thawed. */
    @JCStressTest
    @Outcome(id = "1, 1", expect = ACCEPTABLE, desc = "the waiter has the tag")
    @Outcome(expect = FORBIDDEN, desc = "the waiter sleeps for ever")
    @State
    public static class AWaiterPassesTheGateThatIsOpened {
        private final RaceQueue device = new RaceQueue();

        /** The queue is frozen. */
        public AWaiterPassesTheGateThatIsOpened() {
            device.queue.freeze();
        }

        /** Thaws the queue. */
        @Actor
        public void freezer() {
            device.runtime.begins(0);
            device.queue.unfreeze();
            device.runtime.ends(0);
        }

        /** Notes whether it got a tag. */
        @Actor
        public void waiter(II_Result r) {
            device.runtime.begins(1);
            r.r1 = device.awaitAllocate() != null ? 1 : 0;
            device.runtime.ends(1);
        }

        /** Notes how many tags are held. */
        @Arbiter
        public void after(II_Result r) {
            r.r2 = device.queue.heldTags();
        }
    }

    /** Two threads change a tag set, one after the other. */
    @JCStressTest
    @Outcome(id = "1, 1, 2", expect = ACCEPTABLE, desc = "both had the lock, never at once")
    @Outcome(expect = FORBIDDEN, desc = "one sleeps for ever, or both had it at once")
    @State
    public static class ASleepingLockGoesRound {
        private final RaceRuntime runtime = new RaceRuntime();
        private final SleepingLock lock = new SleepingLock(runtime);
        private int guarded;

        /** Notes whether it had the lock. */
        @Actor
        public void first(III_Result r) {
            r.r1 = use(0);
        }

        /** Notes whether it had the lock. */
        @Actor
        public void second(III_Result r) {
            r.r2 = use(1);
        }

        private int use(int number) {
            runtime.begins(number);
            int had = 0;
            try {
                lock.lock("use");
                guarded++;
                lock.unlock();
                had = 1;
            } catch (RaceRuntime.AsleepForEver e) {
                // Said by the answer.
            }
            runtime.ends(number);
            return had;
        }

        /** Notes how often it was had. */
        @Arbiter
        public void after(III_Result r) {
            r.r3 = guarded;
        }
    }
}
