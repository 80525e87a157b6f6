package io.blkmq.core.blktests;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.core.Disk;
import io.blkmq.core.DiskStatistics;
import io.blkmq.core.IoGroup;
import io.blkmq.core.Simulation;
import io.blkmq.core.nullblk.NullBlk;
import io.blkmq.core.nullblk.NullBlk.Completion;
import io.blkmq.runtime.IoBuffer;
import io.blkmq.sim.DeterministicRuntime;
import io.blkmq.testing.NoRescues;
import java.io.IOException;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/** What the statistics say of I/O whose times are known. */
@Timeout(value = 300, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
@NoRescues
class StatisticsTest {
    /** What the steps of the simulation take beside the device's time. */
    private static final long STEPS_NANOS_PER_IO = 200_000;

    @RegisterExtension
    final Simulation simulation = new Simulation(StatisticsTest.class);

    private Disk disk(long completionNanos) throws IOException {
        return NullBlk.builder().completion(Completion.TIMER).completionNanos(completionNanos).discard(true)
                .memoryBacked(true).runtime(simulation.runtime()).build();
    }

    private static List<Long> seconds(Disk disk) {
        DiskStatistics now = disk.statistics();
        return Stream.of(IoGroup.READ, IoGroup.WRITE, IoGroup.DISCARD)
                .map(group -> TimeUnit.NANOSECONDS.toSeconds(now.nanos(group))).toList();
    }

    @Test
    @DisplayName("block/018 each operation's time counts with its own group")
    void timesOfGroups() throws IOException {
        DeterministicRuntime runtime = simulation.runtime();
        try (Disk disk = disk(TimeUnit.SECONDS.toNanos(1)); IoBuffer buffer = disk.allocate(4096)) {
            assertThat(seconds(disk)).containsExactly(0L, 0L, 0L);
            disk.read(0, buffer.memory());
            assertThat(seconds(disk)).containsExactly(1L, 0L, 0L);
            disk.write(0, buffer.memory());
            assertThat(seconds(disk)).containsExactly(1L, 1L, 0L);
            disk.discard(0, 4096);
            assertThat(seconds(disk)).containsExactly(1L, 1L, 1L);
            Thread reader = runtime.spawn("reader", () -> disk.read(0, buffer.memory()));
            Thread writer = runtime.spawn("writer", () -> disk.write(8192, buffer.memory()));
            runtime.join(reader);
            runtime.join(writer);
            assertThat(seconds(disk)).containsExactly(2L, 2L, 1L);
            DiskStatistics now = disk.statistics();
            assertThat(now.timeInQueueNanos()).isBetween(TimeUnit.SECONDS.toNanos(5),
                    TimeUnit.SECONDS.toNanos(5) + 5 * STEPS_NANOS_PER_IO);
            // The last two were in flight at the same time.
            assertThat(now.busyNanos()).isBetween(TimeUnit.SECONDS.toNanos(4),
                    TimeUnit.SECONDS.toNanos(4) + 5 * STEPS_NANOS_PER_IO);
            assertThat(now.readsInFlight() + now.writesInFlight()).isZero();
        }
    }

    @Test
    @DisplayName("block/024 operations that are faster than a clock tick count with their whole time")
    void fasterThanATick() throws IOException {
        long each = 5_000;
        int ios = 1_000;
        try (Disk disk = disk(each); IoBuffer buffer = disk.allocate(4096)) {
            DiskStatistics before = disk.statistics();
            for (int i = 0; i < ios; i++) {
                disk.read(i % 16 * 4096L, buffer.memory());
                disk.write(i % 16 * 4096L, buffer.memory());
            }
            DiskStatistics during = disk.statistics().since(before);
            for (IoGroup group : List.of(IoGroup.READ, IoGroup.WRITE)) {
                assertThat(during.ios(group)).isEqualTo(ios);
                assertThat(during.sectors(group)).isEqualTo(ios * 8L);
                assertThat(during.nanos(group)).isGreaterThanOrEqualTo(ios * each);
                assertThat(during.latencies(group).total()).isEqualTo(ios);
            }
            // One after the other, by one thread: all the time of the operations and nothing else was busy.
            assertThat(during.busyNanos()).isEqualTo(during.timeInQueueNanos()).isLessThan(during.atNanos());
        }
    }
}
