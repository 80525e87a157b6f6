package io.blkmq.core.mq;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.core.Bio;
import io.blkmq.core.Disk;
import io.blkmq.core.Operation;
import io.blkmq.core.QueueLimits;
import io.blkmq.core.Simulation;
import io.blkmq.core.Status;
import io.blkmq.core.driver.BlockDriver;
import io.blkmq.core.driver.HardwareContext;
import io.blkmq.core.driver.Request;
import io.blkmq.core.driver.TagSet;
import io.blkmq.runtime.IoBuffer;
import io.blkmq.sim.DeterministicRuntime;
import io.blkmq.testing.NoRescues;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

/** Many threads at once, in virtual time: how many flushes of the device they cost together. */
@NoRescues
class FlushCoalescingTest {
    private static final int THREADS = 64;
    private static final int FLUSHES_EACH = 100;
    private static final int FUA_WRITES_EACH = 20;
    /** At least so many are acknowledged by each flush of the device. */
    private static final int SHARED_BY_MIN = 8;

    /** A device without FUA whose writes and flushes take their time, as a disk's do. */
    private static final class SlowDevice implements BlockDriver {
        private static final long WRITE_NANOS = TimeUnit.MICROSECONDS.toNanos(20);
        private static final long FLUSH_NANOS = TimeUnit.MICROSECONDS.toNanos(200);

        private final DeterministicRuntime runtime;
        int flushes;

        SlowDevice(DeterministicRuntime runtime) {
            this.runtime = runtime;
        }

        @Override
        public Status queueRq(HardwareContext hctx, Request rq, boolean last) {
            boolean flush = rq.operation() == Operation.FLUSH;
            flushes += flush ? 1 : 0;
            runtime.schedule(flush ? FLUSH_NANOS : WRITE_NANOS, () -> rq.complete(Status.OK));
            return Status.OK;
        }
    }

    private interface Work {
        void run(Disk disk, int thread) throws IOException;
    }

    private static int flushesFor(Work work) {
        int[] flushes = new int[1];
        Simulation.run(FlushCoalescingTest.class, runtime -> {
            SlowDevice device = new SlowDevice(runtime);
            try (TagSet set = TagSet.builder(device).runtime(runtime).build();
                    Disk disk = Disk.of(
                            set.newQueue("slow", QueueLimits.builder().writeCache(true, false).build(), 2048, null),
                            null)) {
                List<Thread> threads = new ArrayList<>();
                for (int i = 0; i < THREADS; i++) {
                    int number = i;
                    threads.add(runtime.spawn("flusher " + i, () -> work.run(disk, number)));
                }
                threads.forEach(runtime::join);
            }
            flushes[0] = device.flushes;
        });
        return flushes[0];
    }

    @Test
    @DisplayName("block/004 very many flushes: 64 threads that flush cost at most one flush for eight acknowledged")
    void sixtyFourThreadsThatFlushCostAtMostOneFlushForEightAcknowledged() {
        int flushes = flushesFor((disk, _) -> {
            for (int i = 0; i < FLUSHES_EACH; i++) {
                disk.flush();
            }
        });
        int acknowledged = THREADS * FLUSHES_EACH;
        System.out.printf("FlushCoalescingTest: %d flushes acknowledged by %d of the device, %.1f each%n", acknowledged,
                flushes, (double) acknowledged / flushes);
        assertThat(flushes).isPositive().isLessThanOrEqualTo(acknowledged / SHARED_BY_MIN);
    }

    @Test
    void sixtyFourConcurrentFuaWritesShareTheFlushesOfADeviceWithoutFua() {
        try (IoBuffer buffer = IoBuffer.allocate(512)) {
            int flushes = flushesFor((disk, thread) -> {
                for (int i = 0; i < FUA_WRITES_EACH; i++) {
                    disk.write(thread * 512L, buffer.memory(), Bio.FUA);
                }
            });
            int acknowledged = THREADS * FUA_WRITES_EACH;
            System.out.printf(
                    "FlushCoalescingTest: %d FUA writes acknowledged by %d flushes of the device, %.1f each%n",
                    acknowledged, flushes, (double) acknowledged / flushes);
            assertThat(flushes).isPositive().isLessThanOrEqualTo(acknowledged / SHARED_BY_MIN);
        }
    }
}
