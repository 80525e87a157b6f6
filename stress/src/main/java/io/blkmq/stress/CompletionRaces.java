package io.blkmq.stress;

import io.blkmq.core.Status;
import io.blkmq.core.driver.CompletionBatch;
import io.blkmq.core.driver.Request;
import io.blkmq.core.mq.TagRequest;
import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Arbiter;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.III_Result;
import org.openjdk.jcstress.infra.results.II_Result;

import static org.openjdk.jcstress.annotations.Expect.ACCEPTABLE;
import static org.openjdk.jcstress.annotations.Expect.FORBIDDEN;

/** The life of a request: completion, time-out and requeue against each other. */
public final class CompletionRaces {
    private CompletionRaces() {}

    /** Two completions of one request. */
    @JCStressTest
    @Outcome(id = "1, 1", expect = ACCEPTABLE, desc = "it ended once, the other was counted")
    @Outcome(expect = FORBIDDEN, desc = "it ended twice, or not at all")
    @State
    public static class ARequestEndsOnce {
        private final RaceQueue device = new RaceQueue();
        private final Request rq = device.allocate();

        /** It is in flight. */
        public ARequestEndsOnce() {
            device.execute(rq);
        }

        /** Completes it. */
        @Actor
        public void device() {
            rq.complete(Status.OK);
        }

        /** Completes it, too. */
        @Actor
        public void other() {
            rq.complete(Status.IOERR);
        }

        /** Notes how often it ended, and how many completions came late. */
        @Arbiter
        public void after(II_Result r) {
            r.r1 = device.ended.get();
            r.r2 = (int) device.queue.strayCompletions();
        }
    }

    /** A completion within a batch, which ends the request in one step, and another one. */
    @JCStressTest
    @Outcome(id = "1, 1", expect = ACCEPTABLE, desc = "it ended once, the other was counted")
    @Outcome(expect = FORBIDDEN, desc = "it ended twice, or not at all")
    @State
    public static class ARequestOfABatchEndsOnce {
        private final RaceQueue device = new RaceQueue();
        private final Request rq = device.allocate();

        /** It is in flight. */
        public ARequestOfABatchEndsOnce() {
            device.execute(rq);
        }

        /** Completes it. */
        @Actor
        public void device() {
            try (CompletionBatch batch = CompletionBatch.open()) {
                batch.complete(rq, Status.OK);
            }
        }

        /** Completes it, too. */
        @Actor
        public void other() {
            rq.complete(Status.IOERR);
        }

        /** Notes how often it ended, and how many completions came late. */
        @Arbiter
        public void after(II_Result r) {
            r.r1 = device.ended.get();
            r.r2 = (int) device.queue.strayCompletions();
        }
    }

    /** The device completes a request within a batch while its time runs out, and its driver ends it then, too. */
    @JCStressTest
    @Outcome(id = "1, 0, 0", expect = ACCEPTABLE, desc = "completed in time")
    @Outcome(id = "1, 1, 1", expect = ACCEPTABLE, desc = "timed out; one of both ended it, the other was counted")
    @Outcome(expect = FORBIDDEN, desc = "it ended twice, or not at all, or by nobody")
    @State
    public static class ABatchAndATimeoutHaveOneWinner {
        private final RaceQueue device = new RaceQueue();
        private final Request rq = device.allocate();

        /** It is in flight, and its time is over with the next tick. */
        public ABatchAndATimeoutHaveOneWinner() {
            device.execute(rq);
            device.runtime.runTimers();
        }

        /** Completes it. */
        @Actor
        public void device() {
            try (CompletionBatch batch = CompletionBatch.open()) {
                batch.complete(rq, Status.OK);
            }
        }

        /** A tick ends. */
        @Actor
        public void timer() {
            device.runtime.runTimers();
        }

        /** Notes how often it ended, how often the driver was asked, and how many completions came late. */
        @Arbiter
        public void after(III_Result r) {
            r.r1 = device.ended.get();
            r.r2 = device.asked.get();
            r.r3 = (int) device.queue.strayCompletions();
        }
    }

    /** The device completes a request while its time runs out, and its driver ends it then, too. */
    @JCStressTest
    @Outcome(id = "1, 0, 0", expect = ACCEPTABLE, desc = "completed in time")
    @Outcome(id = "1, 1, 1", expect = ACCEPTABLE, desc = "timed out; one of both ended it, the other was counted")
    @Outcome(expect = FORBIDDEN, desc = "it ended twice, or not at all, or by nobody")
    @State
    public static class ACompletionAndATimeoutHaveOneWinner {
        private final RaceQueue device = new RaceQueue();
        private final Request rq = device.allocate();
        private final long generation;

        /** It is in flight, and its time is over with the next tick. */
        public ACompletionAndATimeoutHaveOneWinner() {
            device.execute(rq);
            generation = rq.generation();
            device.runtime.runTimers();
        }

        /** Completes it. */
        @Actor
        public void device() {
            rq.complete(generation, Status.OK);
        }

        /** A tick ends. */
        @Actor
        public void timer() {
            device.runtime.runTimers();
        }

        /** Notes how often it ended, how often the driver was asked, and how many completions came late. */
        @Arbiter
        public void after(III_Result r) {
            r.r1 = device.ended.get();
            r.r2 = device.asked.get();
            r.r3 = (int) device.queue.strayCompletions();
        }
    }

    /** A late completion of the tag's former use, while the tag is used again. */
    @JCStressTest
    @Outcome(id = "1, 1", expect = ACCEPTABLE, desc = "the next use is still in flight")
    @Outcome(expect = FORBIDDEN, desc = "the late completion ended the next use")
    @State
    public static class ALateCompletionDoesNotEndTheNextUse {
        private final RaceQueue device = new RaceQueue();
        private final Request rq = device.allocate();
        private final long generation;

        /** It has ended, but holds its tag. */
        public ALateCompletionDoesNotEndTheNextUse() {
            device.execute(rq);
            generation = rq.generation();
            rq.complete(Status.OK);
        }

        /** Completes what has ended. */
        @Actor
        public void late() {
            rq.complete(generation, Status.IOERR);
        }

        /** Frees the tag, gets it again, and sends the request of the next use. */
        @Actor
        public void next() {
            device.queue.free(rq);
            device.execute(device.allocate());
        }

        /** Notes how many executions have ended, and how many completions came late. */
        @Arbiter
        public void after(II_Result r) {
            r.r1 = device.ended.get();
            r.r2 = (int) device.queue.strayCompletions();
        }
    }

    /** The driver gives a request back while its time runs out: it is given to the driver again, or was ended by the time-out. */
    @JCStressTest
    @Outcome(id = "0, 2, 0", expect = ACCEPTABLE, desc = "requeued before its time was over, and given to the driver again")
    @Outcome(id = "1, 1, 1", expect = ACCEPTABLE, desc = "ended by the time-out; giving it back came late")
    @Outcome(id = "0, 2, 1", expect = ACCEPTABLE, desc = "given back while the driver was asked; ending it came late")
    @Outcome(expect = FORBIDDEN, desc = "lost, or both ended and given to the driver again")
    @State
    public static class ARequeueAndATimeoutHaveOneWinner {
        private final RaceQueue device = new RaceQueue();
        private final Request rq = device.allocate();

        /** It is in flight, and its time is over with the next tick. */
        public ARequeueAndATimeoutHaveOneWinner() {
            device.execute(rq);
            device.runtime.runTimers();
        }

        /** Gives it back. */
        @Actor
        public void driver() {
            rq.requeue(true);
        }

        /** A tick ends. */
        @Actor
        public void timer() {
            device.runtime.runTimers();
        }

        /** Notes how often it ended, how often the driver was given it, and how many calls came late. */
        @Arbiter
        public void after(III_Result r) {
            r.r1 = device.ended.get();
            r.r2 = device.queued.get();
            r.r3 = (int) device.queue.strayCompletions();
        }
    }

    /** A driver that is wrong: one of its threads completes a request, another gives it back. */
    @JCStressTest
    @Outcome(id = "1, 0, 1", expect = ACCEPTABLE, desc = "it ended; giving it back came late")
    @Outcome(id = {"0, 0, 1",
            "1, 0, 0"}, expect = ACCEPTABLE, desc = "given back; completing came late, or for its next flight")
    @Outcome(expect = FORBIDDEN, desc = "it ended and is in flight, or ended twice")
    @State
    public static class ACompletionAndARequeueHaveOneWinner {
        private final RaceQueue device = new RaceQueue();
        private final Request rq = device.allocate();

        /** It is in flight. */
        public ACompletionAndARequeueHaveOneWinner() {
            device.execute(rq);
        }

        /** Completes it. */
        @Actor
        public void device() {
            rq.complete(Status.OK);
        }

        /** Gives it back. */
        @Actor
        public void driver() {
            rq.requeue(true);
        }

        /** Notes how often it ended, whether it is in flight all the same, and how many calls came late. */
        @Arbiter
        public void after(III_Result r) {
            r.r1 = device.ended.get();
            r.r2 = device.ended.get() != 0 && ((TagRequest) rq).state() != TagRequest.IDLE ? 1 : 0;
            r.r3 = (int) device.queue.strayCompletions();
        }
    }
}
