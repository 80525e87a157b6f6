package io.blkmq.bench;

import io.blkmq.core.QueueLimits;
import io.blkmq.core.Status;
import io.blkmq.core.driver.TagSet;
import io.blkmq.core.mq.DeviceQueue;
import io.blkmq.core.mq.EntryContext;
import io.blkmq.core.mq.TagRequest;
import io.blkmq.core.mq.TagShare;
import io.blkmq.core.mq.Tags;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Threads;
import org.openjdk.jmh.annotations.Warmup;
import org.openjdk.jmh.infra.ThreadParams;

/**
 * Taking a tag and giving it back. In the package of the tags, which are nobody else's business. Run with {@code -t} 1, 2 and 4, and
 * with {@code -prof gc} to see what it allocates.
 */
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 3, time = 1)
@Fork(value = 1, jvmArgs = {"-XX:+UseSerialGC", "--sun-misc-unsafe-memory-access=allow"})
public class TagBenchmark {
    private static final int DEPTH = 128;
    private static final int BATCH = 8;

    /** Tags that the threads share. */
    @State(Scope.Benchmark)
    public static class Shared {
        /** How many tags are left: all of them, or 8 for all threads together. */
        @Param({"empty", "nearly full"})
        public String occupancy = "empty";

        private @Nullable TagSet set;
        private @Nullable DeviceQueue queue;
        private final List<TagRequest> held = new ArrayList<>();

        /**
         * Makes the tags.
         *
         * @throws IOException never
         */
        @Setup
        public void make() throws IOException {
            TagSet tags = TagSet.builder((_, _, _) -> Status.IOERR).depth(DEPTH).build();
            set = tags;
            queue = (DeviceQueue) tags.newQueue("tags", QueueLimits.builder().build(), 8, null);
            if (!occupancy.equals("empty")) {
                TagShare share = queue().context(0).hardwareContext().share;
                for (int i = 0; i < DEPTH - 8; i++) {
                    held.add(Objects.requireNonNull(share.tryGet(queue().context(0))));
                }
            }
        }

        /** Gives them back. */
        @TearDown(Level.Trial)
        public void close() {
            TagShare share = queue().context(0).hardwareContext().share;
            held.forEach(rq -> share.tags.put(rq.word, rq.mask, rq.reserved));
            queue().close();
            Objects.requireNonNull(set).close();
        }

        DeviceQueue queue() {
            return Objects.requireNonNull(queue);
        }
    }

    /** A thread. */
    @State(Scope.Thread)
    public static class Taker {
        private @Nullable EntryContext ctx;

        /**
         * Finds its way in.
         *
         * @param shared the tags
         * @param thread which it is
         */
        @Setup
        public void make(Shared shared, ThreadParams thread) {
            ctx = shared.queue().context(thread.getThreadIndex() & (shared.queue().contexts() - 1));
        }
    }

    /**
     * One tag.
     *
     * @param taker the thread
     * @return how many were taken
     */
    @Benchmark
    @Threads(1)
    public int one(Taker taker) {
        EntryContext ctx = Objects.requireNonNull(taker.ctx);
        TagShare share = ctx.hardwareContext().share;
        TagRequest rq = share.tryGet(ctx);
        if (rq == null) {
            return 0;
        }
        share.tags.put(rq.word, rq.mask, rq.reserved);
        return 1;
    }

    /**
     * Up to eight tags of one word in one step. The time is that of the step.
     *
     * @param taker the thread
     * @return which were taken
     */
    @Benchmark
    @Threads(1)
    public long batchOfEight(Taker taker) {
        EntryContext ctx = Objects.requireNonNull(taker.ctx);
        TagShare share = ctx.hardwareContext().share;
        int words = share.tags.words();
        for (int i = 0; i < words; i++) {
            int word = (ctx.hintWord + i) % words;
            long mask = share.takeSome(word, BATCH);
            if (mask != 0) {
                ctx.hintWord = word;
                share.tags.put(word, mask, false);
                return mask;
            }
        }
        return 0;
    }
}
