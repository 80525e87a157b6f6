package io.blkmq.core.mq;

import io.blkmq.core.driver.Parking;
import io.blkmq.runtime.IoRuntime;
import io.blkmq.testing.NoRescues;
import io.blkmq.testing.NumberProperty;
import io.blkmq.testing.Stacks;
import java.lang.foreign.MemorySegment;
import java.util.Objects;
import java.util.concurrent.locks.Lock;
import java.util.concurrent.locks.LockSupport;
import java.util.concurrent.locks.ReentrantLock;
import org.jetbrains.lincheck.datastructures.ModelCheckingOptions;
import org.jetbrains.lincheck.datastructures.Operation;
import org.jetbrains.lincheck.datastructures.StressOptions;
import org.junit.jupiter.api.Test;

/**
 * Threads that wait for tags. Every operation gives back what it gets, so that there is always an end: if a wake-up is lost, the
 * threads wait for each other for ever, which Lincheck reports.
 */
@NoRescues
class TagsLincheckTest {
    private static final int THREADS = 2;
    /** How many times as long as in every build. */
    private static final int SCALE = NumberProperty.of("lincheck.scale", 1);
    /** When Lincheck takes a run for a hang. Its own limit is shorter than a busy machine may stop a thread for. */
    private static final long HANG_MILLIS = 300_000;
    private static final long STACKS_SECONDS = 240;
    /** Open, and without anything that waits: the tags below are not its own. */
    private static final DeviceQueue QUEUE = Inside
            .of(new RecordingDriver().runtime(new Parking()).depth(1).disk().queue());
    /** Only a place to begin the search, which with one tag is always the same. */
    private static final EntryContext CONTEXT = QUEUE.context(0);

    /** What tags need of a runtime, in a package that Lincheck may look into. */
    private static final class Parking implements IoRuntime {
        @Override
        public void park(Object blocker) {
            LockSupport.park(blocker);
        }

        @Override
        public void unpark(Thread thread) {
            LockSupport.unpark(thread);
        }

        @Override
        public Lock newLock() {
            return new ReentrantLock();
        }

        @Override
        public long nanoTime() {
            return 0;
        }

        @Override
        public void execute(Runnable work) {
            throw new UnsupportedOperationException("tags start no work");
        }

        @Override
        public Timer schedule(long delayNanos, Runnable work) {
            throw new UnsupportedOperationException("tags start no timer");
        }

        @Override
        public void tell(Runnable call) {
            throw new UnsupportedOperationException("tags tell nobody");
        }

        @Override
        public Thread startAgent(String name, Runnable work) {
            throw new UnsupportedOperationException("tags start no thread");
        }

        @Override
        public void parkNanos(Object blocker, long nanos) {
            throw new UnsupportedOperationException("tags wait without a limit");
        }

        @Override
        public void unparkAll(Iterable<Thread> threads) {
            threads.forEach(this::unpark);
        }

        @Override
        public void join(Thread thread) {
            throw new UnsupportedOperationException("tags start no thread");
        }

        @Override
        public int threadIndex() {
            return (int) Thread.currentThread().threadId();
        }

        @Override
        public int processors() {
            return THREADS;
        }

        @Override
        public void spinWait() {
            Thread.onSpinWait();
        }
    }

    /** One tag, and who gets it has it alone. */
    public static class OneTag {
        private final Tags tags = new Tags(1, 0, false, new Parking());
        private final TagShare share;
        private int holders;

        /** The tag is free. */
        public OneTag() {
            tags.place(0, new TagRequest(tags, 0, MemorySegment.NULL, null));
            share = TagShare.of(tags, QUEUE);
        }

        /** Waits for the tag and gives it back. Returns how many have it meanwhile. */
        @Operation
        public int waitAndPut() {
            TagRequest rq = Objects.requireNonNull(share.await(CONTEXT, false, false));
            int now = ++holders;
            holders--;
            share.tags.put(rq.word, rq.mask, rq.reserved);
            return now;
        }

        /** Takes the tag and gives it back, if it is free. */
        @Operation
        public void tryAndPut() {
            TagRequest rq = tags.takeAny();
            if (rq != null) {
                share.tags.put(rq.word, rq.mask, rq.reserved);
            }
        }

        /** Takes the tag away, and adds it again. */
        @Operation(nonParallelGroup = "resize")
        public void resize() {
            tags.resize(0);
            tags.resize(1);
            tags.serveWaiters();
        }
    }

    @Test
    void nobodyWhoWaitsSleepsForEverUnderTheModelChecker() {
        try (Stacks _ = Stacks.printedAfter(STACKS_SECONDS)) {
            new ModelCheckingOptions().invocationTimeout$lincheck(HANG_MILLIS).iterations(SCALE)
                    .invocationsPerIteration(300).threads(THREADS).actorsPerThread(2).actorsBefore(0).actorsAfter(0)
                    .check(OneTag.class);
        }
    }

    @Test
    void nobodyWhoWaitsSleepsForEverUnderStress() {
        try (Stacks _ = Stacks.printedAfter(STACKS_SECONDS)) {
            new StressOptions().invocationTimeout$lincheck(HANG_MILLIS).iterations(2 * SCALE)
                    .invocationsPerIteration(1_000).threads(THREADS).actorsPerThread(3).actorsBefore(0).actorsAfter(0)
                    .check(OneTag.class);
        }
    }
}
