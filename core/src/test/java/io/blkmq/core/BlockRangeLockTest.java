package io.blkmq.core;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.testing.RandomSeed;
import java.util.Objects;
import java.util.Random;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicIntegerArray;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(value = 300, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class BlockRangeLockTest {
    private final BlockRangeLock lock = new BlockRangeLock(IoRuntime.system(), null);

    private BlockRangeLock.Hold lock(long first, long end) {
        return Objects.requireNonNull(lock.lock(first, end, () -> true));
    }

    private Eventually.Worker<BlockRangeLock.Hold> waiter(long first, long end) {
        Eventually.Worker<BlockRangeLock.Hold> waiter = Eventually.call(() -> lock(first, end));
        Eventually.waits(waiter.thread());
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
    void oneThatGivesUpLetsThoseBehindItGoOn() {
        BlockRangeLock.Hold held = lock(0, 2);
        AtomicBoolean goOn = new AtomicBoolean(true);
        Eventually.Worker<Boolean> wide = Eventually.call(() -> lock.lock(0, 10, goOn::get) == null);
        Eventually.waits(wide.thread());
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
}
