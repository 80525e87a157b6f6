package io.blkmq.stress;

import io.blkmq.core.driver.Request;
import io.blkmq.core.driver.RequestQueue;
import io.blkmq.core.mq.DeviceQueue;
import io.blkmq.core.mq.TagRequest;
import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Arbiter;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.II_Result;
import org.openjdk.jcstress.infra.results.I_Result;

import static org.openjdk.jcstress.annotations.Expect.ACCEPTABLE;
import static org.openjdk.jcstress.annotations.Expect.FORBIDDEN;

/** The gate of a queue against those who take tags. */
public final class FreezeRaces {
    private FreezeRaces() {}

    /** A submitter gets a request, or the queue is found frozen, and not both. */
    @JCStressTest
    @Outcome(id = {"1, 0", "0, 1", "0, 0"}, expect = ACCEPTABLE, desc = "a request, or a frozen queue, or neither yet")
    @Outcome(expect = FORBIDDEN, desc = "a request in a frozen queue")
    @State
    public static class NoRequestPassesAClosedGate {
        private final RaceQueue device = new RaceQueue();

        /** The queue has used the tag before. */
        public NoRequestPassesAClosedGate() {
            device.queue.free(device.allocate());
        }

        /** Notes whether it got a request. */
        @Actor
        public void submitter(II_Result r) {
            r.r1 = device.tryAllocate() ? 1 : 0;
        }

        /** Notes whether the queue is frozen. */
        @Actor
        public void freezer(II_Result r) {
            device.queue.freezeStart();
            r.r2 = device.queue.freezeWait(0) ? 1 : 0;
        }
    }

    /** The same for a tag that another queue has used before: the tag's owner changes in between. */
    @JCStressTest
    @Outcome(id = {"1, 0", "0, 1", "0, 0"}, expect = ACCEPTABLE, desc = "a request, or a frozen queue, or neither yet")
    @Outcome(expect = FORBIDDEN, desc = "a request in a frozen queue")
    @State
    public static class NoRequestPassesAClosedGateWithATagOfAnotherQueue {
        private final RaceQueue device = new RaceQueue();

        /** The other queue has used the tag. */
        public NoRequestPassesAClosedGateWithATagOfAnotherQueue() {
            RequestQueue other = device.neighbour();
            other.free(RaceQueue.allocate(other));
        }

        /** Notes whether it got a request. */
        @Actor
        public void submitter(II_Result r) {
            r.r1 = device.tryAllocate() ? 1 : 0;
        }

        /** Notes whether the queue is frozen. */
        @Actor
        public void freezer(II_Result r) {
            device.queue.freezeStart();
            r.r2 = device.queue.freezeWait(0) ? 1 : 0;
        }
    }

    /** The step on which the case above stands, alone: say whose the tag is, then look at the gate; close it, then look whose it is. */
    @JCStressTest
    @Outcome(id = {"1, 0", "0, 1",
            "1, 1"}, expect = ACCEPTABLE, desc = "the new owner saw the gate closed, or was seen")
    @Outcome(expect = FORBIDDEN, desc = "nobody saw the other: a request in a frozen queue")
    @State
    public static class ANewOwnerAndAFreezerSeeEachOther {
        private final RaceQueue device = new RaceQueue();
        private final TagRequest rq = (TagRequest) device.allocate();
        private final DeviceQueue other = (DeviceQueue) device.neighbour();
        private volatile int closed;

        /** Notes whether it sees the gate closed. */
        @Actor
        public void owner(II_Result r) {
            rq.ownBy(other);
            r.r1 = closed;
        }

        /** Notes whether it sees whose the tag is. */
        @Actor
        public void freezer(II_Result r) {
            closed = 1;
            r.r2 = other.equals(rq.ownerVolatile()) ? 1 : 0;
        }
    }

    /** Who waits until a queue is frozen is woken by the last request that goes. */
    @JCStressTest
    @Outcome(id = "1", expect = ACCEPTABLE, desc = "the queue is frozen")
    @Outcome(expect = FORBIDDEN, desc = "the freezer sleeps for ever")
    @State
    public static class AFreezerIsWokenByTheLastRequest {
        private final RaceQueue device = new RaceQueue();
        private final Request held = device.allocate();

        /** Gives the tag back. */
        @Actor
        public void holder() {
            device.runtime.begins(0);
            device.queue.free(held);
            device.runtime.ends(0);
        }

        /** Notes whether the freeze came to an end. */
        @Actor
        public void freezer(I_Result r) {
            device.runtime.begins(1);
            r.r1 = device.freeze() ? 1 : 0;
            device.runtime.ends(1);
        }
    }

    /** The queue is frozen and thawed while a thread waits for its tag: neither sleeps for ever. */
    @JCStressTest
    @Outcome(id = "1, 1", expect = ACCEPTABLE, desc = "the queue was frozen, and the submitter got its request")
    @Outcome(expect = FORBIDDEN, desc = "one sleeps for ever")
    @State
    public static class AFreezeAndAWaiterBothComeToAnEnd {
        private final RaceQueue device = new RaceQueue();

        /** Notes whether the freeze came to an end. */
        @Actor
        public void freezer(II_Result r) {
            device.runtime.begins(0);
            r.r1 = device.freeze() ? 1 : 0;
            device.queue.unfreeze();
            device.runtime.ends(0);
        }

        /** Notes whether it got its request. */
        @Actor
        public void submitter(II_Result r) {
            device.runtime.begins(1);
            Request rq = device.awaitAllocate();
            r.r2 = rq != null ? 1 : 0;
            if (rq != null) {
                device.queue.free(rq);
            }
            device.runtime.ends(1);
        }
    }

    /** The timer stops when no tag is held, and runs when one is: who takes a tag starts it if it has just stopped. */
    @JCStressTest
    @Outcome(id = "1, 1", expect = ACCEPTABLE, desc = "a request, and a timer that runs")
    @Outcome(expect = FORBIDDEN, desc = "a request that never times out")
    @State
    public static class TheTimerRunsWhileATagIsHeld {
        private final RaceQueue device = new RaceQueue();

        /** The timer runs, but no tag is held. */
        public TheTimerRunsWhileATagIsHeld() {
            device.queue.free(device.allocate());
        }

        /** A tick ends. */
        @Actor
        public void timer() {
            device.runtime.runTimers();
        }

        /** Notes whether it got a request. */
        @Actor
        public void submitter(II_Result r) {
            r.r1 = device.tryAllocate() ? 1 : 0;
        }

        /** Notes how many timers run. */
        @Arbiter
        public void after(II_Result r) {
            r.r2 = device.runtime.timers();
        }
    }
}
