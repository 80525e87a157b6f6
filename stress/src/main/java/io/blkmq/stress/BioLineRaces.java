package io.blkmq.stress;

import static org.openjdk.jcstress.annotations.Expect.ACCEPTABLE;
import static org.openjdk.jcstress.annotations.Expect.FORBIDDEN;

import io.blkmq.core.Bio;
import io.blkmq.core.Operation;
import io.blkmq.core.Status;
import io.blkmq.core.driver.CompletionBatch;
import io.blkmq.core.driver.Request;
import io.blkmq.runtime.IoBuffer;
import java.util.concurrent.atomic.AtomicInteger;
import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Arbiter;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.III_Result;
import org.openjdk.jcstress.infra.results.II_Result;

/** A bio whose thread may not wait, in line for a tag or at the gate, against all that lets it go on. */
public final class BioLineRaces {
    private static final IoBuffer MEMORY = IoBuffer.allocate(512);

    private BioLineRaces() {}

    /** A device, and a bio that a completion submits to it. */
    private static final class Waiting {
        final RaceQueue device;
        /** How often the bio has ended with NODEV, or was refused because the queue is closed. */
        final AtomicInteger refused = new AtomicInteger();

        Waiting(int depth) {
            device = new RaceQueue(depth);
        }

        void submit() {
            Bio bio = new Bio().reset(Operation.READ, 0).add(MEMORY.memory())
                    .onEnd(ended -> refused.addAndGet(ended.status() == Status.NODEV ? 1 : 0));
            try (CompletionBatch batch = CompletionBatch.open()) {
                assert batch != null;
                device.queue.submit(bio);
            } catch (IllegalStateException e) {
                refused.incrementAndGet();
            }
        }
    }

    /** A bio gets the only tag when it is given back. */
    @JCStressTest
    @Outcome(id = "1, 0", expect = ACCEPTABLE, desc = "the driver has the bio")
    @Outcome(expect = FORBIDDEN, desc = "the bio waits beside a free tag")
    @State
    public static class ABioGetsTheTagThatIsGivenBack {
        private final Waiting waiting = new Waiting(1);
        private final Request held = waiting.device.allocate();

        /** Gives the tag back. */
        @Actor
        public void holder() {
            waiting.device.queue.free(held);
        }

        /** Submits the bio. */
        @Actor
        public void submitter() {
            waiting.submit();
        }

        /** Notes whether the driver has it, and whether it waits. */
        @Arbiter
        public void after(II_Result r) {
            r.r1 = waiting.device.queued.get();
            r.r2 = waiting.device.backlog();
        }
    }

    /** A bio gets the tag that is added when the tags are resized. */
    @JCStressTest
    @Outcome(id = "1, 0", expect = ACCEPTABLE, desc = "the driver has the bio")
    @Outcome(expect = FORBIDDEN, desc = "the bio waits beside a free tag")
    @State
    public static class ABioGetsTheTagThatIsAdded {
        private final Waiting waiting = new Waiting(2);

        /** One tag of two, and it is held. */
        public ABioGetsTheTagThatIsAdded() {
            waiting.device.set.resize(1);
            waiting.device.allocate();
        }

        /** Adds the other. */
        @Actor
        public void resizer() {
            waiting.device.set.resize(2);
        }

        /** Submits the bio. */
        @Actor
        public void submitter() {
            waiting.submit();
        }

        /** Notes whether the driver has it, and whether it waits. */
        @Arbiter
        public void after(II_Result r) {
            r.r1 = waiting.device.queued.get();
            r.r2 = waiting.device.backlog();
        }
    }

    /** A bio that comes to a frozen queue goes on when it is thawed. */
    @JCStressTest
    @Outcome(id = "1, 0", expect = ACCEPTABLE, desc = "the driver has the bio")
    @Outcome(expect = FORBIDDEN, desc = "the bio waits at an open gate")
    @State
    public static class ABioPassesTheGateThatIsOpened {
        private final Waiting waiting = new Waiting(1);

        /** The queue is frozen. */
        public ABioPassesTheGateThatIsOpened() {
            waiting.device.queue.freezeStart();
        }

        /** Thaws the queue. */
        @Actor
        public void freezer() {
            waiting.device.queue.unfreeze();
        }

        /** Submits the bio. */
        @Actor
        public void submitter() {
            waiting.submit();
        }

        /** Notes whether the driver has it, and whether it waits. */
        @Arbiter
        public void after(II_Result r) {
            r.r1 = waiting.device.queued.get();
            r.r2 = waiting.device.backlog();
        }
    }

    /** The tag of a bio in line comes while the gate is closed: the driver has the bio, or the tag is free and the bio waits. */
    @JCStressTest
    @Outcome(id = {"1, 1, 0",
            "0, 0, 1"}, expect = ACCEPTABLE, desc = "it has passed with its tag, or waits without one")
    @Outcome(expect = FORBIDDEN, desc = "it waits with a tag, and the freeze for it, or is lost")
    @State
    public static class ABioInLineDoesNotHoldAFreezeUp {
        private final Waiting waiting = new Waiting(1);
        private final Request held = waiting.device.allocate();

        /** The bio stands in line. */
        public ABioInLineDoesNotHoldAFreezeUp() {
            waiting.submit();
        }

        /** Gives the tag back. */
        @Actor
        public void holder() {
            waiting.device.queue.free(held);
        }

        /** Closes the gate. */
        @Actor
        public void freezer() {
            waiting.device.queue.freezeStart();
        }

        /** Notes whether the driver has it, how many tags are held, and whether it waits. */
        @Arbiter
        public void after(III_Result r) {
            r.r1 = waiting.device.queued.get();
            r.r2 = waiting.device.queue.heldTags();
            r.r3 = waiting.device.backlog();
        }
    }

    /** A bio that finds no tag ends when its queue dies. */
    @JCStressTest
    @Outcome(id = "1, 0", expect = ACCEPTABLE, desc = "it is told, once")
    @Outcome(expect = FORBIDDEN, desc = "it waits for ever, or is told twice")
    @State
    public static class ABioInLineEndsWithItsQueue {
        private final Waiting waiting = new Waiting(1);

        /** The only tag is held for good. */
        public ABioInLineEndsWithItsQueue() {
            waiting.device.allocate();
        }

        /** The device goes. */
        @Actor
        public void device() {
            waiting.device.queue.markDead();
        }

        /** Submits the bio. */
        @Actor
        public void submitter() {
            waiting.submit();
        }

        /** Notes whether it was told, and whether it waits. */
        @Arbiter
        public void after(II_Result r) {
            r.r1 = waiting.refused.get();
            r.r2 = waiting.device.backlog();
        }
    }
}
