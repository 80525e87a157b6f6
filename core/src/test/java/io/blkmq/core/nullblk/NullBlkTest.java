package io.blkmq.core.nullblk;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import io.blkmq.core.Bio;
import io.blkmq.core.Disk;
import io.blkmq.core.HeldTags;
import io.blkmq.core.Operation;
import io.blkmq.core.Plug;
import io.blkmq.core.nullblk.NullBlk.Completion;
import io.blkmq.runtime.IoBuffer;
import io.blkmq.testing.Eventually;
import io.blkmq.testing.NoRescues;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

@Timeout(value = 300, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
@NoRescues
class NullBlkTest {
    @Test
    void anImpossibleParameterIsRefusedByNameAndValue() {
        assertThatIllegalArgumentException().isThrownBy(() -> NullBlk.builder().capacityBytes(0).build())
                .withMessageContaining("capacityBytes 0");
        assertThatIllegalArgumentException().isThrownBy(() -> NullBlk.builder().capacityBytes(-512).build())
                .withMessageContaining("capacityBytes -512");
        assertThatIllegalArgumentException().isThrownBy(() -> NullBlk.builder().capacityBytes(1000).build())
                .withMessageContaining("capacityBytes 1000").withMessageContaining("512");
        assertThatIllegalArgumentException().isThrownBy(() -> NullBlk.builder().blockBytes(0).build())
                .withMessageContaining("logicalBlockBytes 0");
        assertThatIllegalArgumentException().isThrownBy(() -> NullBlk.builder().depth(0).build())
                .withMessageContaining("depth 0");
        assertThatIllegalArgumentException().isThrownBy(() -> NullBlk.builder().hardwareQueues(0).build())
                .withMessageContaining("hardwareQueues 0");
    }

    @Test
    void withoutMemoryAReadLeavesTheCallersMemoryAsItIs() throws IOException {
        try (Disk disk = NullBlk.builder().completion(Completion.INLINE).build()) {
            byte[] bytes = {1, 2, 3, 4};
            byte[] block = java.util.Arrays.copyOf(bytes, 512);
            disk.read(0, MemorySegment.ofArray(block));
            assertThat(block).startsWith(1, 2, 3, 4);
        }
    }

    @Test
    void withMemoryWhatWasNeverWrittenReadsAsZeroes() throws IOException {
        try (Disk disk = NullBlk.builder().memoryBacked(true).capacityBytes(1L << 40).build()) {
            MemorySegment memory = MemorySegment.ofArray(new byte[512]).fill((byte) 1);
            disk.read((1L << 40) - 512, memory);
            assertThat(memory.mismatch(MemorySegment.ofArray(new byte[512]))).isEqualTo(-1);
        }
    }

    @Test
    void aPolledDeviceCompletesNothingBeforeThePoll() throws IOException {
        try (Disk disk = NullBlk.builder().build(); IoBuffer buffer = disk.allocate(512)) {
            Bio bio = new Bio().reset(Operation.READ, 0).add(buffer.memory());
            disk.submit(bio);
            assertThat(bio.isInFlight()).isTrue();
            assertThat(disk.poll()).isOne();
            assertThat(bio.isInFlight()).isFalse();
            assertThat(disk.poll()).isZero();
        }
    }

    @Test
    void pollingADeviceThatIsNotPolledFindsNothing() throws IOException {
        try (Disk disk = NullBlk.builder().completion(Completion.REAPER).build()) {
            assertThat(disk.poll()).isZero();
        }
    }

    @Test
    void aBatchIsCompletedInTheOrderOfItsSubmission() throws IOException {
        try (Disk disk = NullBlk.builder().build(); IoBuffer buffer = disk.allocate(512)) {
            StringBuilder order = new StringBuilder();
            try (Plug plug = disk.plug()) {
                for (int i = 0; i < 5; i++) {
                    plug.submit(new Bio().reset(Operation.READ, i).add(buffer.memory())
                            .onEnd(bio -> order.append(bio.sector())));
                }
            }
            disk.poll();
            assertThat(order).hasToString("01234");
        }
    }

    @ParameterizedTest
    @EnumSource
    void noRequestIsLostBetweenManyThreads(Completion completion) throws IOException {
        AtomicInteger ended = new AtomicInteger();
        try (Disk disk = NullBlk.builder().completion(completion).depth(16).hardwareQueues(2).build();
                IoBuffer buffer = disk.allocate(512)) {
            Eventually.together(4, false, number -> {
                Plug plug = disk.plug();
                for (int i = 0; i < 5_000; i++) {
                    Bio bio = new Bio().reset(Operation.READ, number).add(buffer.memory())
                            .onEnd(_ -> ended.incrementAndGet());
                    if (i % 3 == 0) {
                        disk.submit(bio);
                    } else {
                        plug.submit(bio);
                    }
                    if (i % 5 == 0) {
                        plug.flush();
                        disk.poll();
                    }
                }
                plug.flush();
            });
            Eventually.until("all have ended", () -> {
                for (int i = 0; i < disk.contexts(); i++) {
                    disk.poll(i);
                }
                return ended.get() == 20_000;
            });
            HeldTags.awaitNone(disk);
            assertThat(disk.queue().strayCompletions()).isZero();
        }
    }

    @Test
    void closingEndsTheReapers() throws IOException {
        Disk disk = NullBlk.builder().name("reaped").completion(Completion.REAPER).hardwareQueues(3).build();
        assertThat(reapers()).isEqualTo(3);
        disk.close();
        assertThat(reapers()).isZero();
    }

    private static long reapers() {
        return Thread.getAllStackTraces().keySet().stream()
                .filter(thread -> thread.getName().startsWith("blkmq-reaped-reaper-")).count();
    }
}
