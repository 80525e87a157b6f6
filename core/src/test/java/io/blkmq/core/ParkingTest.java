package io.blkmq.core;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.core.driver.CompletionBatch;
import io.blkmq.core.driver.Parking;
import io.blkmq.core.nullblk.NullBlk;
import io.blkmq.runtime.IoBuffer;
import io.blkmq.runtime.IoRuntime;
import io.blkmq.testing.Eventually;
import io.blkmq.testing.NoRescues;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Whatever a thread waits for in blkmq, its plugs go down first: here they hold all tags, and what is waited for needs one. */
@Timeout(value = 300, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
@NoRescues
class ParkingTest {
    private static final int DEPTH = 4;

    /** What waits. */
    private interface Wait {
        void on(Disk disk, Disk other) throws Exception;
    }

    /** A future whose bio stands on the backlog: there is no tag for it, and who submits it does not wait. */
    private static CompletableFuture<Void> onTheBacklog(Disk disk) {
        try (CompletionBatch batch = CompletionBatch.open(); IoBuffer buffer = disk.allocate(4096)) {
            assertThat(batch).isNotNull();
            return disk.async().read(0, buffer.memory());
        }
    }

    private static Future<Integer> read(Disk disk) {
        return disk.openAsynchronousChannel().read(ByteBuffer.allocate(4096), 0);
    }

    /** Ways to wait. */
    @SuppressWarnings("ImmutableEnumChecker") // functions without a state
    enum Way {
        FUTURE_OF_A_CHANNEL((disk, _) -> assertThat(read(disk).get()).isEqualTo(4096)), //
        FUTURE_OF_A_CHANNEL_FOR_A_TIME((disk, _) -> assertThat(read(disk).get(1, TimeUnit.HOURS)).isEqualTo(4096)), //
        FUTURE((disk, _) -> assertThat(onTheBacklog(disk).get()).isNull()), //
        FUTURE_FOR_A_TIME((disk, _) -> assertThat(onTheBacklog(disk).get(1, TimeUnit.HOURS)).isNull()), //
        FUTURE_JOINED((disk, _) -> assertThat(onTheBacklog(disk).join()).isNull()), //
        STAGE_AFTER_A_FUTURE((disk, _) -> assertThat(onTheBacklog(disk).thenApply(_ -> 7).join()).isEqualTo(7)), //
        TRANSFER((disk, other) -> other.startTransfer(0, 65_536, disk, 0, TransferOptions.DEFAULT).await()), //
        FUTURE_OF_A_TRANSFER((disk,
                other) -> assertThat(other.startTransfer(0, 65_536, disk, 0, TransferOptions.DEFAULT).ended().get())
                        .isNull()), //
        BLOCKS_OF_A_CHANNEL((disk, _) -> {
            // Another thread's write has the block, and no tag to read it.
            Future<Integer> before = Eventually
                    .call(() -> disk.openAsynchronousChannel().write(ByteBuffer.allocate(10), 0)).join();
            try (FileChannel channel = disk.openChannel()) {
                assertThat(channel.write(ByteBuffer.allocate(10), 10)).isEqualTo(10);
            }
            assertThat(before.get()).isEqualTo(10);
        }), //
        BLOCKING_READ((disk, _) -> {
            try (IoBuffer buffer = disk.allocate(4096)) {
                disk.read(0, buffer.memory());
            }
        }), //
        FREEZE((disk, _) -> {
            disk.freeze();
            disk.unfreeze();
        });

        private final Wait wait;

        Way(Wait wait) {
            this.wait = wait;
        }
    }

    private static Disk disk(String name) throws IOException {
        return NullBlk.builder().name(name).completion(NullBlk.Completion.REAPER).memoryBacked(true).depth(DEPTH)
                .capacityBytes(1 << 20).build();
    }

    @ParameterizedTest
    @EnumSource(Way.class)
    void plugsGoDownBeforeTheirThreadWaits(Way way) throws Exception {
        AtomicInteger ended = new AtomicInteger();
        try (Disk disk = disk("mem0"); Disk other = disk("mem1"); IoBuffer buffer = disk.allocate(DEPTH * 4096)) {
            Plug plug = disk.plug();
            for (int i = 0; i < DEPTH; i++) {
                plug.submit(new Bio().reset(Operation.READ, i * 64L).add(buffer.memory(), i * 4096L, 4096)
                        .onEnd(_ -> ended.incrementAndGet()));
            }
            assertThat(ended).hasValue(0);
            way.wait.on(disk, other);
            Eventually.until("what the plug held has ended", () -> ended.get() == DEPTH);
        }
    }

    /** What sends plugs down may wait itself, and that uses up the wake-up of who is waited for. */
    @Test
    void aParkThatHasSentSomethingDownReturnsAtOnce() throws IOException {
        try (Disk disk = disk("mem0"); IoBuffer buffer = disk.allocate(4096)) {
            disk.plug().submit(new Bio().reset(Operation.READ, 0).add(buffer.memory()));
            // Nobody will unpark this thread.
            Parking.park(IoRuntime.system(), this);
            HeldTags.awaitNone(disk);
            assertThat(Parking.flush()).isFalse();
        }
    }

    /**
     * Nobody forgets it. These have a reason of their own: a moment in which another thread, or another process, is between two instructions
     * of a protocol; and the thread of the socket, which does no I/O.
     */
    @Test
    void nothingWaitsButThroughParking() {
        assertThat(WaitCalls.outsideOfParking(Disk.class)).containsExactlyInAnyOrder("io.blkmq.core.WaitingFuture",
                "io.blkmq.core.counters.CountersReader", "io.blkmq.core.counters.DumpSocket",
                "io.blkmq.core.driver.Parking", "io.blkmq.core.mq.RequestLife", "io.blkmq.core.tag.Sbitmap");
    }
}
