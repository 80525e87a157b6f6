package io.blkmq.runtime;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import io.blkmq.testing.Eventually;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(value = 300, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class BufferPoolTest {
    private static final long UNIT = 4096;
    private static final long LIMIT = 16 << 20;

    private final BufferPool pool = new BufferPool(LIMIT);

    private List<BufferPool.Block> fill(long bytes) {
        List<BufferPool.Block> all = new ArrayList<>();
        assertThatExceptionOfType(OutOfMemoryError.class).isThrownBy(() -> {
            for (;;) {
                all.add(pool.take(bytes));
            }
        });
        return all;
    }

    @ParameterizedTest
    @ValueSource(longs = {4 << 10, 64 << 10, 1 << 20, 2 << 20})
    void aPoolThatWasFullOfOneSizeHasEveryOtherAgainWhenAllIsClosed(long bytes) {
        for (long other = UNIT; other <= 2 << 20; other *= 2) {
            List<BufferPool.Block> all = fill(bytes);
            assertThat(all).hasSize((int) (LIMIT / bytes));
            assertThat(pool.usage()).isEqualTo(new IoBufferUsage(LIMIT, LIMIT, 0, 0));
            Collections.shuffle(all, new Random(other));
            all.forEach(pool::give);
            List<BufferPool.Block> others = fill(other);
            assertThat(others).as("of %d bytes, after %d", other, bytes).hasSize((int) (LIMIT / other));
            others.forEach(pool::give);
        }
        assertThat(pool.usage().usedBytes()).isZero();
        assertThat(pool.usage().freeBytes()).isEqualTo(LIMIT);
    }

    @ParameterizedTest
    @ValueSource(longs = {4 << 10, 1 << 20})
    void theLargestBlockOfAnIdlePoolIsAnEighthOfItAtLeast(long bytes) {
        BufferPool larger = new BufferPool(64 << 20);
        List<BufferPool.Block> all = new ArrayList<>();
        while (larger.usage().usedBytes() < 64 << 20) {
            all.add(larger.take(bytes));
        }
        all.forEach(larger::give);
        assertThat(larger.usage()).isEqualTo(new IoBufferUsage(64 << 20, 0, 64 << 20, 8 << 20));
        larger.give(larger.take(8 << 20));
        assertThat(larger.usage().freeBytes()).isEqualTo(64 << 20);
    }

    @Test
    void aLimitThatIsNoWholeSlabIsUsedUp() {
        BufferPool odd = new BufferPool(3 * UNIT + 100);
        List<BufferPool.Block> all = List.of(odd.take(1), odd.take(UNIT), odd.take(UNIT));
        assertThatExceptionOfType(OutOfMemoryError.class).isThrownBy(() -> odd.take(1)).withMessage(
                "I/O memory: 12288 bytes are in the pool, and 12288 of them in use; 4096 in one piece are not free, and as many"
                        + " more would exceed the limit of 12388 (-Dblkmq.memory.maxBytes)");
        all.forEach(odd::give);
        odd.give(odd.take(UNIT));
        assertThat(odd.usage()).isEqualTo(new IoBufferUsage(12388, 0, 12288, UNIT));
    }

    /** A pool as it should be: which units are in use, and no more. */
    private static final class Model {
        private final List<MemorySegment> slabs = new ArrayList<>();
        private final List<BitSet> used = new ArrayList<>();

        void add(MemorySegment slab) {
            slabs.add(slab);
            used.add(new BitSet());
        }

        /** Marks a block's units, of which none may be marked, and returns whether it lies where its size divides. */
        void take(MemorySegment block) {
            for (int i = 0; i < slabs.size(); i++) {
                long offset = block.address() - slabs.get(i).address();
                if (offset >= 0 && offset + block.byteSize() <= slabs.get(i).byteSize()) {
                    assertThat(offset % block.byteSize()).isZero();
                    int first = (int) (offset / UNIT);
                    int end = first + (int) (block.byteSize() / UNIT);
                    assertThat(used.get(i).get(first, end).isEmpty()).as("nobody has a part of it").isTrue();
                    used.get(i).set(first, end);
                    return;
                }
            }
            throw new AssertionError("a block in no slab");
        }

        void give(MemorySegment block) {
            for (int i = 0; i < slabs.size(); i++) {
                long offset = block.address() - slabs.get(i).address();
                if (offset >= 0 && offset < slabs.get(i).byteSize()) {
                    used.get(i).clear((int) (offset / UNIT), (int) ((offset + block.byteSize()) / UNIT));
                }
            }
        }

        /** The largest block that lies where its size divides and of which nothing is in use. */
        long largestFree() {
            long largest = 0;
            for (int i = 0; i < slabs.size(); i++) {
                int units = (int) (slabs.get(i).byteSize() / UNIT);
                for (int size = units; size * UNIT > largest; size /= 2) {
                    for (int first = 0; first < units; first += size) {
                        if (used.get(i).get(first, first + size).isEmpty()) {
                            largest = size * UNIT;
                            break;
                        }
                    }
                }
            }
            return largest;
        }

        long usedBytes() {
            return used.stream().mapToLong(BitSet::cardinality).sum() * UNIT;
        }

        long slabBytes() {
            return slabs.stream().mapToLong(MemorySegment::byteSize).sum();
        }
    }

    private record Held(BufferPool.Block block, MemorySegment memory) {}

    /** Takes and gives at random. A block is refused only where the model has none of its size and the limit leaves no room. */
    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4, 5, 6})
    void blocksNeverOverlapAndNoneIsRefusedThatIsFree(long seed) throws Exception {
        Random random = new Random(seed);
        Model model = new Model();
        List<Held> held = new ArrayList<>();
        int refused = 0;
        try (AutoCloseable observation = pool.observe(model::add)) {
            assertThat(observation).isNotNull();
            for (int step = 0; step < 3_000; step++) {
                // Phases in which the pool fills, and in which it empties.
                if (held.isEmpty() || random.nextInt(10) < (step / 300 % 2 == 0 ? 9 : 2)) {
                    long bytes = UNIT << random.nextInt(1 + random.nextInt(10));
                    try {
                        BufferPool.Block block = pool.take(bytes - random.nextInt((int) Math.min(bytes, UNIT)));
                        MemorySegment memory = block.memory(bytes);
                        model.take(memory);
                        held.add(new Held(block, memory));
                    } catch (OutOfMemoryError e) {
                        refused++;
                        assertThat(bytes).as("seed %d, step %d", seed, step).isGreaterThan(model.largestFree());
                        assertThat(model.slabBytes() + bytes).isGreaterThan(LIMIT);
                    }
                } else {
                    Held gone = held.remove(random.nextInt(held.size()));
                    model.give(gone.memory);
                    pool.give(gone.block);
                }
                if (step % 10 == 0) {
                    assertThat(pool.usage()).as("seed %d, step %d", seed, step).isEqualTo(new IoBufferUsage(LIMIT,
                            model.usedBytes(), model.slabBytes() - model.usedBytes(), model.largestFree()));
                }
            }
        }
        assertThat(refused).as("times that the pool was full").isPositive();
    }

    @Test
    void threadsThatTakeAndGiveNeverHaveTheSameMemory() {
        AtomicLong taken = new AtomicLong();
        Eventually.together(4, true, number -> {
            Random random = new Random(number);
            List<Held> mine = new ArrayList<>();
            for (int i = 0; i < 5_000; i++) {
                if (mine.size() < 8 && random.nextBoolean()) {
                    long bytes = UNIT << random.nextInt(8);
                    BufferPool.Block block = pool.take(bytes);
                    MemorySegment memory = block.memory(bytes);
                    memory.set(ValueLayout.JAVA_LONG, 0, number);
                    memory.set(ValueLayout.JAVA_LONG, bytes - 8, number);
                    mine.add(new Held(block, memory));
                    taken.incrementAndGet();
                } else if (!mine.isEmpty()) {
                    Held gone = mine.remove(random.nextInt(mine.size()));
                    assertThat(gone.memory.get(ValueLayout.JAVA_LONG, 0)).isEqualTo(number);
                    assertThat(gone.memory.get(ValueLayout.JAVA_LONG, gone.memory.byteSize() - 8)).isEqualTo(number);
                    pool.give(gone.block);
                }
            }
            mine.forEach(gone -> pool.give(gone.block));
        });
        assertThat(taken.get()).isPositive();
        assertThat(pool.usage().usedBytes()).isZero();
    }
}
