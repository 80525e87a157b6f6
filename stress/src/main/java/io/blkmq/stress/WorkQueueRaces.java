package io.blkmq.stress;

import static org.openjdk.jcstress.annotations.Expect.ACCEPTABLE;
import static org.openjdk.jcstress.annotations.Expect.FORBIDDEN;

import io.blkmq.loop.work.Work;
import io.blkmq.loop.work.WorkQueue;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;
import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Arbiter;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.II_Result;
import org.openjdk.jcstress.infra.results.I_Result;

/** Handing over to a worker against its going to sleep. */
public final class WorkQueueRaces {
    private WorkQueueRaces() {}

    /** A work queue whose only worker is an actor. */
    private static final class Race extends RaceRuntime {
        final AtomicInteger done = new AtomicInteger();
        final WorkQueue queue = new WorkQueue(this, "race", 1, Race::forget);
        private @Nullable Runnable worker;

        private final class Job extends Work {
            @Override
            public void run() {
                done.getAndIncrement();
            }
        }

        Race() {
            // Starts the worker, which has something to do when it comes.
            queue.add(new Job());
        }

        private static void forget(Work first) {
            first.next = null;
        }

        @Override
        public Thread startAgent(String name, Runnable work) {
            worker = work;
            // Never started: the worker names the actor's thread before it sleeps.
            return Thread.ofVirtual().unstarted(work);
        }

        @Override
        public void join(Thread thread) {
            // The arbiter looks what has become of it.
        }

        void add() {
            queue.add(new Job());
            queue.wake();
        }

        /** Returns whether the worker has ended; false if it would sleep for ever. */
        boolean work() {
            try {
                Objects.requireNonNull(worker).run();
                return true;
            } catch (AsleepForEver e) {
                return false;
            }
        }
    }

    /** Whatever a worker is about to do when something is added, it does that, too. */
    @JCStressTest
    @Outcome(id = "3", expect = ACCEPTABLE, desc = "all was done")
    @Outcome(expect = FORBIDDEN, desc = "the worker sleeps beside what there is to do")
    @State
    public static class AWorkerDoesWhatIsAddedWhenItGoesToSleep {
        private final Race race = new Race();

        /** Adds two, one after the other. */
        @Actor
        public void submitter() {
            race.begins(0);
            race.add();
            race.add();
            race.ends(0);
        }

        /** Works, until nobody would wake it. */
        @Actor
        public void worker() {
            race.begins(1);
            boolean _ = race.work();
            race.ends(1);
        }

        /** Notes how many were done. */
        @Arbiter
        public void after(I_Result r) {
            r.r1 = race.done.get();
        }
    }

    /** A worker that is to end does what is there before. */
    @JCStressTest
    @Outcome(id = "2, 1", expect = ACCEPTABLE, desc = "all was done, and the worker has ended")
    @Outcome(expect = FORBIDDEN, desc = "the worker sleeps for ever, or has left something undone")
    @State
    public static class AWorkerEndsAfterWhatIsThere {
        private final Race race = new Race();

        /** Adds one, and stops the queue. */
        @Actor
        public void submitter() {
            race.begins(0);
            race.add();
            race.queue.stop();
            race.ends(0);
        }

        /** Works to the end. */
        @Actor
        public void worker(II_Result r) {
            race.begins(1);
            r.r2 = race.work() ? 1 : 0;
            race.ends(1);
        }

        /** Notes how many were done. */
        @Arbiter
        public void after(II_Result r) {
            r.r1 = race.done.get();
        }
    }
}
