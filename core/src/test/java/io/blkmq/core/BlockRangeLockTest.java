package io.blkmq.core;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.core.driver.CompletionBatch;
import io.blkmq.runtime.IoRuntime;
import io.blkmq.testing.Eventually;
import io.blkmq.testing.NoRescues;
import io.blkmq.testing.RandomSeed;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicIntegerArray;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(value = 300, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
@NoRescues
class BlockRangeLockTest {
    private static final int MANY = 100_000;

    private final BlockRangeLock lock = new BlockRangeLock(IoRuntime.system(), null);

    private BlockRangeLock.Hold lock(long first, long end) {
        return Objects.requireNonNull(lock.lock(first, end, () -> true));
    }

    private Eventually.Worker<BlockRangeLock.Hold> waiter(long first, long end) {
        Eventually.Worker<BlockRangeLock.Hold> waiter = Eventually.call(() -> lock(first, end));
        Eventually.waitsIn(waiter.thread(), BlockRangeLock.class);
        return waiter;
    }

    @Test
    void rangesThatDoNotMeetDoNotWait() {
        try (BlockRangeLock.Hold a = lock(0, 4);
                BlockRangeLock.Hold b = lock(4, 5);
                BlockRangeLock.Hold c = lock(9, 10)) {
            assertThat(a).isNotSameAs(b).isNotSameAs(c);
        }
    }

    @Test
    void aRangeWaitsForOneThatOverlapsIt() {
        BlockRangeLock.Hold held = lock(2, 6);
        Eventually.Worker<BlockRangeLock.Hold> waiter = waiter(5, 9);
        held.close();
        waiter.join().close();
        lock(0, 100).close();
    }

    @Test
    void nobodyOvertakesAWaiterThatItWouldKeepWaiting() {
        BlockRangeLock.Hold held = lock(0, 2);
        Eventually.Worker<BlockRangeLock.Hold> wide = waiter(0, 10);
        Eventually.Worker<BlockRangeLock.Hold> narrow = waiter(8, 9);
        held.close();
        BlockRangeLock.Hold next = wide.join();
        assertThat(narrow.isDone()).isFalse();
        next.close();
        narrow.join().close();
    }

    @Test
    void whatTheRuntimeHasNoThreadForIsToldHere() {
        ScantRuntime runtime = new ScantRuntime(new ManualRuntime());
        BlockRangeLock scant = new BlockRangeLock(runtime, null);
        List<String> told = new ArrayList<>();
        BlockRangeLock.Hold held = scant.request(0, 3, () -> told.add("held"));
        List<BlockRangeLock.Hold> last = new ArrayList<>();
        BlockRangeLock.Hold first = scant.request(0, 1, () -> {
            throw new IllegalStateException("on purpose");
        });
        last.add(scant.request(1, 2, () -> {
            // On the stack of who gives up, but not within another that is told there.
            last.getFirst().close();
            told.add("second");
        }));
        last.add(scant.request(2, 3, () -> told.add("third")));
        last.add(scant.request(1, 2, () -> told.add("behind the second")));
        runtime.refuse(ScantRuntime.Call.EXECUTE, 4);
        held.close();
        assertThat(told).containsExactly("second", "behind the second", "third");
        first.close();
        last.forEach(BlockRangeLock.Hold::close);
    }

    @Test
    void oneThatGivesUpLetsThoseBehindItGoOn() {
        BlockRangeLock.Hold held = lock(0, 2);
        AtomicBoolean goOn = new AtomicBoolean(true);
        Eventually.Worker<Boolean> wide = Eventually.call(() -> lock.lock(0, 10, goOn::get) == null);
        Eventually.waitsIn(wide.thread(), BlockRangeLock.class);
        Eventually.Worker<BlockRangeLock.Hold> narrow = waiter(8, 9);
        goOn.set(false);
        IoRuntime.system().unpark(wide.thread());
        assertThat(wide.join()).as("gave up").isTrue();
        narrow.join().close();
        held.close();
    }

    @Test
    void closingAHoldAgainDoesNothing() {
        BlockRangeLock.Hold held = lock(0, 2);
        held.close();
        try (BlockRangeLock.Hold other = lock(0, 2)) {
            held.close();
            assertThat(waiter(1, 2).isDone()).isFalse();
            assertThat(other).isNotNull();
        }
    }

    @Test
    void noTwoThreadsAreInTheSameBlock() {
        long seed = RandomSeed.of(BlockRangeLockTest.class);
        AtomicIntegerArray inside = new AtomicIntegerArray(20);
        Eventually.together(4, false, number -> {
            Random random = new Random(seed + number);
            for (int i = 0; i < 5_000; i++) {
                int first = random.nextInt(20);
                int end = first + 1 + random.nextInt(Math.min(4, 20 - first));
                try (BlockRangeLock.Hold hold = lock(first, end)) {
                    assertThat(hold).isNotNull();
                    for (int block = first; block < end; block++) {
                        assertThat(inside.incrementAndGet(block)).as("seed %d", seed).isOne();
                    }
                    for (int block = first; block < end; block++) {
                        inside.decrementAndGet(block);
                    }
                }
            }
        });
    }

    /** What the lock has to answer, as simple as can be: a hold is granted once no earlier one overlaps it. */
    private static final class Model {
        private final int first;
        private final int end;
        private boolean granted;

        private Model(int first, int end) {
            this.first = first;
            this.end = end;
        }

        /** Grants what is free, in the order in which it was asked for, and returns it. */
        static List<Model> grant(List<Model> asked) {
            List<Model> now = new ArrayList<>();
            for (int i = 0; i < asked.size(); i++) {
                Model hold = asked.get(i);
                if (!hold.granted && asked.subList(0, i).stream().noneMatch(hold::overlaps)) {
                    hold.granted = true;
                    now.add(hold);
                }
            }
            return now;
        }

        private boolean overlaps(Model other) {
            return first < other.end && other.first < end;
        }
    }

    /** Who is granted at once, by a release, or by another's giving up, and in which order: as in the model, step by step. */
    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4, 5, 6, 7, 8})
    void holdsAreGrantedAsTheModelSays(long seed) {
        Random random = new Random(seed);
        ManualRuntime runtime = new ManualRuntime();
        BlockRangeLock asked = new BlockRangeLock(runtime, null);
        List<Model> model = new ArrayList<>();
        List<BlockRangeLock.Hold> holds = new ArrayList<>();
        List<Model> told = new ArrayList<>();
        int blocks = 1 + random.nextInt(60);
        int lengthMax = 1 + random.nextInt(blocks);
        int pendingMax = 2 + random.nextInt(60);
        int gaveUp = 0;
        for (int step = 0; step < 5_000; step++) {
            List<Model> expected;
            told.clear();
            if (model.size() < pendingMax && random.nextInt(3) > 0) {
                int first = random.nextInt(blocks);
                Model hold = new Model(first, Math.min(blocks, first + 1 + random.nextInt(lengthMax)));
                model.add(hold);
                boolean atOnce = Model.grant(model).contains(hold);
                expected = List.of();
                BlockRangeLock.Hold made = asked.request(hold.first, hold.end, () -> told.add(hold));
                assertThat(made.wasFree()).as("seed %d, step %d", seed, step).isEqualTo(atOnce);
                holds.add(made);
            } else if (!model.isEmpty()) {
                int index = random.nextInt(model.size());
                if (!model.remove(index).granted) {
                    gaveUp++;
                }
                expected = Model.grant(model);
                holds.remove(index).close();
            } else {
                continue;
            }
            runtime.advance(0);
            assertThat(told).as("seed %d, step %d", seed, step).isEqualTo(expected);
        }
        assertThat(gaveUp).isPositive();
        holds.forEach(BlockRangeLock.Hold::close);
        assertThat(asked.request(0, blocks, () -> {}).wasFree()).as("nothing is left").isTrue();
    }

    /** Of so many, anything that walks all of them for each of them does not come to an end. */
    @ParameterizedTest
    @EnumSource(Order.class)
    void aLineOfManyOperationsPassesInTurn(Order order) {
        ManualRuntime runtime = new ManualRuntime();
        BlockRangeLock asked = new BlockRangeLock(runtime, null);
        List<BlockRangeLock.Hold> holds = new ArrayList<>();
        List<Integer> told = new ArrayList<>();
        for (int i = 0; i < MANY; i++) {
            int number = i;
            // As the writes of an appender: each shares a block with the one before and the one after.
            holds.add(asked.request(i / 4, i / 4 + 2, () -> told.add(number)));
        }
        for (int i = 0; i < MANY; i++) {
            holds.get(order == Order.FIRST_TO_LAST ? i : MANY - 1 - i).close();
            runtime.advance(0);
        }
        List<Integer> all = IntStream.range(1, MANY).boxed().toList();
        assertThat(told).isEqualTo(order == Order.FIRST_TO_LAST ? all : List.of());
    }

    /** The order in which a line is given up. */
    enum Order {
        FIRST_TO_LAST, LAST_TO_FIRST
    }

    /** On a polled disk the completing thread tells, and each that is told gives its blocks up at once. */
    @Test
    void aLongLineThatPassesOnOneThreadIsNoDeepStack() {
        BlockRangeLock polled = new BlockRangeLock(IoRuntime.system(), () -> 0);
        List<BlockRangeLock.Hold> holds = new ArrayList<>();
        List<Integer> told = new ArrayList<>();
        for (int i = 0; i < MANY; i++) {
            int number = i;
            holds.add(polled.request(0, 1, () -> {
                told.add(number);
                holds.get(number).close();
            }));
        }
        try (CompletionBatch batch = CompletionBatch.open()) {
            assertThat(batch).isNotNull();
            holds.getFirst().close();
            assertThat(told).isEqualTo(IntStream.range(1, MANY).boxed().toList());
        }
    }
}
