package io.blkmq.stress;

import static org.openjdk.jcstress.annotations.Expect.ACCEPTABLE;
import static org.openjdk.jcstress.annotations.Expect.FORBIDDEN;

import io.blkmq.core.Bio;
import io.blkmq.core.Operation;
import io.blkmq.runtime.IoBuffer;
import java.util.concurrent.atomic.AtomicInteger;
import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Arbiter;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.II_Result;
import org.openjdk.jcstress.infra.results.I_Result;

/** Requests on their way through an elevator against those who freeze, free tags, dispatch and merge. */
public final class ElevatorRaces {
    private static final IoBuffer MEMORY = IoBuffer.allocate(512);

    private ElevatorRaces() {}

    /** A queue with an elevator and one tag of the driver's. */
    private static RaceQueue scheduled() {
        RaceQueue device = new RaceQueue();
        device.queue.setElevator("mq-deadline");
        return device;
    }

    private static Bio read(long sector, AtomicInteger ended) {
        return new Bio().reset(Operation.READ, sector).add(MEMORY.memory()).flags(Bio.NOWAIT)
                .onEnd(_ -> ended.incrementAndGet());
    }

    /** A bio gets through to the driver, or the queue is found frozen, and not both. */
    @JCStressTest
    @Outcome(id = {"1, 0", "0, 1", "0, 0"}, expect = ACCEPTABLE, desc = "a request, or a frozen queue, or neither yet")
    @Outcome(expect = FORBIDDEN, desc = "a request in a frozen queue")
    @State
    public static class NoRequestPassesAClosedGateByTheElevator {
        private final RaceQueue device = scheduled();
        private final AtomicInteger ended = new AtomicInteger();

        /** Notes whether its bio got through. */
        @Actor
        public void submitter(II_Result r) {
            device.queue.submit(read(0, ended));
            r.r1 = device.queued.get();
        }

        /** Notes whether the queue is frozen. */
        @Actor
        public void freezer(II_Result r) {
            device.queue.freezeStart();
            r.r2 = device.queue.freezeWait(0) ? 1 : 0;
        }
    }

    /** A request that ends gives both of its tags back before a freeze has come to an end. */
    @JCStressTest
    @Outcome(id = {"0", "1"}, expect = ACCEPTABLE, desc = "not frozen yet, or frozen with all tags free")
    @Outcome(expect = FORBIDDEN, desc = "frozen, and a tag is held")
    @State
    public static class AFrozenQueueHoldsNoTag {
        private final RaceQueue device = scheduled();

        /** The driver has a request, and the gate is closed. */
        public AFrozenQueueHoldsNoTag() {
            device.queue.submit(read(0, new AtomicInteger()));
            device.queue.freezeStart();
        }

        /** Ends the request. */
        @Actor
        public void completer() {
            device.completeAll();
        }

        /** Notes whether the queue is frozen, and whether a tag is held all the same. */
        @Actor
        public void freezer(I_Result r) {
            r.r1 = !device.queue.freezeWait(0) ? 0 : device.queue.heldTags() == 0 ? 1 : 2;
        }
    }

    /** The elevator gets a request while the tag that it needs is given back: one of the two threads sees the other. */
    @JCStressTest
    @Outcome(id = "2", expect = ACCEPTABLE, desc = "the driver got it")
    @Outcome(expect = FORBIDDEN, desc = "it waits for a tag that is free")
    @State
    public static class ARequestThatWaitsForATagOfTheDriversGetsIt {
        private final RaceQueue device = scheduled();
        private final AtomicInteger ended = new AtomicInteger();

        /** The tag is held. */
        public ARequestThatWaitsForATagOfTheDriversGetsIt() {
            device.queue.submit(read(0, ended));
        }

        /** Gives the tag back. */
        @Actor
        public void completer() {
            device.completeAll();
        }

        /** Needs the tag. */
        @Actor
        public void submitter() {
            device.queue.submit(read(8, ended));
        }

        /** Notes what the driver was given. */
        @Arbiter
        public void after(I_Result r) {
            r.r1 = device.queued.get();
        }
    }

    /** The same where another queue, without elevator, gives the tag back. */
    @JCStressTest
    @Outcome(id = "2", expect = ACCEPTABLE, desc = "the driver got it")
    @Outcome(expect = FORBIDDEN, desc = "it waits for a tag that is free")
    @State
    public static class ARequestThatWaitsForATagOfAnotherQueueGetsIt {
        private final RaceQueue device = scheduled();
        private final AtomicInteger ended = new AtomicInteger();

        /** The other queue holds the tag. */
        public ARequestThatWaitsForATagOfAnotherQueueGetsIt() {
            device.neighbour().submit(read(0, ended));
        }

        /** Gives the tag back. */
        @Actor
        public void completer() {
            device.completeAll();
        }

        /** Needs the tag. */
        @Actor
        public void submitter() {
            device.queue.submit(read(8, ended));
        }

        /** Notes what the driver was given. */
        @Arbiter
        public void after(I_Result r) {
            r.r1 = device.queued.get();
        }
    }

    /** A bio meets a request that is being given out: it joins it before that, or goes by itself, and ends once. */
    @JCStressTest
    @Outcome(id = {"1, 2", "2, 2"}, expect = ACCEPTABLE, desc = "one request or two, and both bios ended")
    @Outcome(expect = FORBIDDEN, desc = "a bio was lost, or ended twice")
    @State
    public static class ABioThatJoinsARequestGoesWithIt {
        private final RaceQueue device = new RaceQueue(4);
        private final AtomicInteger ended = new AtomicInteger();

        /** A request waits in the elevator of a stopped context. */
        public ABioThatJoinsARequestGoesWithIt() {
            device.queue.setElevator("mq-deadline");
            device.queue.hardwareContext(0).stop();
            device.queue.submit(read(0, ended));
        }

        /** Its neighbour comes. */
        @Actor
        public void submitter() {
            device.queue.submit(read(1, ended));
        }

        /** The context goes on. */
        @Actor
        public void dispatcher() {
            device.queue.hardwareContext(0).start();
        }

        /** Ends all, and notes how many requests and ends there were. */
        @Arbiter
        public void after(II_Result r) {
            r.r1 = device.queued.get();
            device.completeAll();
            r.r2 = ended.get();
        }
    }

    /** The same on the dispatch list, without elevator. */
    @JCStressTest
    @Outcome(id = {"1, 2", "2, 2"}, expect = ACCEPTABLE, desc = "one request or two, and both bios ended")
    @Outcome(expect = FORBIDDEN, desc = "a bio was lost, or ended twice")
    @State
    public static class ABioThatJoinsARequestOnTheListGoesWithIt {
        private final RaceQueue device = new RaceQueue(4);
        private final AtomicInteger ended = new AtomicInteger();

        /** A request waits behind a stopped context. */
        public ABioThatJoinsARequestOnTheListGoesWithIt() {
            device.queue.hardwareContext(0).stop();
            device.queue.submit(read(0, ended), device.queue.context(0));
        }

        /** Its neighbour comes. */
        @Actor
        public void submitter() {
            device.queue.submit(read(1, ended), device.queue.context(0));
        }

        /** The context goes on. */
        @Actor
        public void dispatcher() {
            device.queue.hardwareContext(0).start();
        }

        /** Ends all, and notes how many requests and ends there were. */
        @Arbiter
        public void after(II_Result r) {
            r.r1 = device.queued.get();
            device.completeAll();
            r.r2 = ended.get();
        }
    }
}
