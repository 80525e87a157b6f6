package io.blkmq.core;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.core.driver.BlockDriver;
import io.blkmq.core.mq.RecordingDriver;
import io.blkmq.core.driver.TagSet;
import io.blkmq.core.nullblk.NullBlk;
import io.blkmq.runtime.IoBuffer;
import io.blkmq.testing.AllocatedBytes;
import io.blkmq.testing.NoRescues;
import java.io.IOException;
import org.junit.jupiter.api.Test;

/** Steady I/O makes no garbage. */
@NoRescues
class AllocationTest {
    private static final int IO_COUNT = 100_000;
    private static final int QUEUE_DEPTH = 64;
    /** What the measurement itself may take, and the runtime compiler's last corrections. */
    private static final long TOLERATED_BYTES = 500;

    private boolean stopped;

    @Test
    void biosThatAreUsedAgainAllocateNothing() throws Exception {
        try (Disk disk = NullBlk.builder().build(); IoBuffer buffer = disk.allocate(4096)) {
            Bio[] bios = bios(buffer);
            assertAllocatesNothing(() -> {
                for (int i = 0; i < IO_COUNT; i += QUEUE_DEPTH) {
                    for (Bio bio : bios) {
                        disk.submit(bio);
                    }
                    disk.poll();
                }
            });
        }
    }

    @Test
    void biosThatAreUsedAgainThroughAPlugAllocateNothing() throws Exception {
        try (Disk disk = NullBlk.builder().build(); IoBuffer buffer = disk.allocate(4096); Plug plug = disk.plug()) {
            Bio[] bios = bios(buffer);
            assertAllocatesNothing(() -> {
                for (int i = 0; i < IO_COUNT; i += QUEUE_DEPTH) {
                    plug.expecting(QUEUE_DEPTH);
                    for (Bio bio : bios) {
                        plug.submit(bio);
                    }
                    plug.flush();
                    disk.poll();
                }
            });
        }
    }

    @Test
    void biosThatSubmitThemselvesAgainAllocateNothing() throws Exception {
        try (Disk disk = NullBlk.builder().build(); IoBuffer buffer = disk.allocate(4096)) {
            Bio[] bios = bios(buffer);
            for (Bio bio : bios) {
                disk.submit(bio.onEnd(ended -> {
                    if (!stopped) {
                        disk.submit(ended);
                    }
                }));
            }
            assertAllocatesNothing(() -> {
                for (int i = 0; i < IO_COUNT; i += QUEUE_DEPTH) {
                    disk.poll();
                }
            });
            stopped = true;
            assertThat(disk.poll()).isEqualTo(QUEUE_DEPTH);
            assertThat(disk.queue().heldTags()).isZero();
        }
    }

    @Test
    void flushesAndWritesWithFlushSemanticsAllocateNothing() throws Exception {
        BlockDriver driver = (_, rq, _) -> {
            rq.complete(Status.OK);
            return Status.OK;
        };
        QueueLimits limits = QueueLimits.builder().writeCache(true, false).build();
        try (TagSet set = TagSet.builder(driver).build();
                Disk disk = Disk.of(set.newQueue("cached", limits, 2048, null), null);
                IoBuffer buffer = disk.allocate(4096)) {
            Bio flush = new Bio(0).reset(Operation.FLUSH, 0);
            Bio write = new Bio().reset(Operation.WRITE, 0).add(buffer.memory());
            assertAllocatesNothing(() -> {
                for (int i = 0; i < IO_COUNT; i += 4) {
                    disk.submit(flush);
                    disk.submit(write.flags(Bio.FUA));
                    disk.submit(write.flags(Bio.PREFLUSH));
                    disk.submit(write.flags(Bio.PREFLUSH | Bio.FUA));
                }
            });
            assertThat(write.status()).isEqualTo(Status.OK);
        }
    }

    @Test
    void pollingATransferThatHasNothingToDoAllocatesNothing() throws Exception {
        RecordingDriver driver = new RecordingDriver();
        try (Disk source = NullBlk.builder().capacityBytes(1 << 20).build(); Disk target = driver.disk()) {
            DiskTransfer transfer = source.startTransfer(0, 65_536, target, 0, TransferOptions.DEFAULT);
            assertAllocatesNothing(() -> {
                for (int i = 0; i < IO_COUNT; i++) {
                    transfer.poll();
                }
            });
            assertThat(transfer.isDone()).isFalse();
            driver.completeAll();
            transfer.await();
        }
    }

    private static Bio[] bios(IoBuffer buffer) {
        Bio[] bios = new Bio[QUEUE_DEPTH];
        for (int i = 0; i < bios.length; i++) {
            bios[i] = new Bio().reset(Operation.READ, i * 16L).add(buffer.memory());
        }
        return bios;
    }

    private static void assertAllocatesNothing(AllocatedBytes.Round work) throws Exception {
        assertThat(AllocatedBytes.whenWarm(TOLERATED_BYTES, work)).as("bytes allocated by %d I/Os", IO_COUNT)
                .isLessThanOrEqualTo(TOLERATED_BYTES);
    }
}
