package io.blkmq.core.mq;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import io.blkmq.core.Bio;
import io.blkmq.core.BlockIOException;
import io.blkmq.core.CutFile;
import io.blkmq.core.Disk;
import io.blkmq.core.Operation;
import io.blkmq.core.Status;
import io.blkmq.runtime.IoBuffer;
import io.blkmq.testing.Eventually;
import io.blkmq.testing.NoRescues;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Memory that may not go to the device is copied; memory that may go is not. */
@Timeout(value = 300, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
@NoRescues
class BounceTest {
    private static final int MIB = 1 << 20;

    private final RecordingDriver driver = new RecordingDriver()
            .limits(limits -> limits.dmaAlignmentBytes(512).requestBytesMax(8L << 20).segmentsMax(128));
    private final Told told = new Told();
    private final Disk disk = driver.disk();

    @AfterEach
    void nothingIsLeft() {
        assertThat(driver.violations()).isEmpty();
        assertThat(disk.queue().heldTags()).isZero();
        disk.close();
    }

    private void roundTrip(MemorySegment source, MemorySegment target, int flags) {
        byte[] pattern = new byte[(int) source.byteSize()];
        new Random(pattern.length).nextBytes(pattern);
        source.copyFrom(MemorySegment.ofArray(pattern));
        disk.submit(new Bio().reset(Operation.WRITE, 16).add(source).flags(flags).onEnd(told));
        driver.completeAll();
        disk.submit(new Bio().reset(Operation.READ, 16).add(target).flags(flags).onEnd(told));
        driver.completeAll();
        assertThat(told.ends()).containsExactly("WRITE 16 OK", "READ 16 OK");
        assertThat(Arrays.copyOfRange(driver.data(), 16 * 512, 16 * 512 + pattern.length)).isEqualTo(pattern);
        assertThat(target.mismatch(MemorySegment.ofArray(pattern))).isEqualTo(-1);
    }

    @Test
    void memoryOfAFileThatWasCutFailsItsBioAndCostsNothing(@TempDir Path folder) throws IOException {
        // In all more than bounce buffers may take at a time.
        RecordingDriver atOnce = new RecordingDriver().completesAtOnce();
        long before = IoBuffer.usage().usedBytes();
        try (Disk fast = atOnce.disk(); Arena arena = Arena.ofShared()) {
            MemorySegment cut = CutFile.map(folder, MIB, arena);
            for (int i = 0; i < 20; i++) {
                assertThatExceptionOfType(BlockIOException.class).isThrownBy(() -> fast.write(0, cut))
                        .extracting(BlockIOException::status).isEqualTo(Status.IOERR);
                assertThatExceptionOfType(BlockIOException.class).isThrownBy(() -> fast.read(0, cut))
                        .extracting(BlockIOException::status).isEqualTo(Status.IOERR);
                assertThat(fast.queue().heldTags()).isZero();
            }
            assertThat(IoBuffer.usage().usedBytes()).isEqualTo(before);
        }
    }

    @Test
    void pooledMemoryIsNotBounced() {
        try (IoBuffer a = disk.allocate(4096); IoBuffer b = disk.allocate(8192)) {
            roundTrip(a.memory(), b.memory().asSlice(4096, 4096), 0);
            assertThat(disk.queue().bounces()).isZero();
        }
    }

    @Test
    void memoryThatTheCallerVouchesForIsNotBouncedIfItIsAligned() {
        try (Arena arena = Arena.ofShared()) {
            roundTrip(arena.allocate(4096, 512), arena.allocate(4096, 512), Bio.CALLER_MEMORY);
            assertThat(disk.queue().bounces()).isZero();
            roundTrip(arena.allocate(8192, 512).asSlice(8, 4096), arena.allocate(4096, 512), Bio.CALLER_MEMORY);
            assertThat(disk.queue().bounces()).isOne();
        }
    }

    @Test
    void heapMemoryIsBouncedWhateverTheCallerVouchesFor() {
        roundTrip(MemorySegment.ofArray(new byte[1024]), MemorySegment.ofArray(new byte[1024]), 0);
        assertThat(disk.queue().bounces()).isEqualTo(2);
        roundTrip(MemorySegment.ofArray(new byte[1024]), MemorySegment.ofArray(new byte[1024]), Bio.CALLER_MEMORY);
        assertThat(disk.queue().bounces()).isEqualTo(4);
    }

    @Test
    void directBuffersAndForeignMemoryAreBounced() {
        try (Arena arena = Arena.ofShared()) {
            roundTrip(MemorySegment.ofBuffer(ByteBuffer.allocateDirect(2048)), arena.allocate(2048, 4096), 0);
            assertThat(disk.queue().bounces()).isEqualTo(2);
        }
    }

    @Test
    void misalignedPooledMemoryIsBounced() {
        try (IoBuffer a = disk.allocate(8192); IoBuffer b = disk.allocate(8192)) {
            roundTrip(a.memory().asSlice(1, 4096), b.memory().asSlice(511, 4096), 0);
            assertThat(disk.queue().bounces()).isEqualTo(2);
        }
    }

    @Test
    @SuppressWarnings("MustBeClosedChecker") // closed in the middle
    void memoryThatWasClosedBeforeTheSubmissionEndsWithAnErrorAndLosesNothing() {
        Arena arena = Arena.ofShared();
        Bio write = new Bio().reset(Operation.WRITE, 0).add(arena.allocate(512)).onEnd(told);
        arena.close();
        for (int i = 0; i < 3; i++) {
            disk.submit(write);
            assertThat(told.ends()).containsExactly("WRITE 0 IOERR");
            assertThat(write.isInFlight()).isFalse();
        }
        assertThat(driver.log()).isEmpty();
        disk.submit(told.write(0));
        driver.completeAll();
    }

    @Test
    @SuppressWarnings("MustBeClosedChecker") // closed in the middle
    void memoryThatIsClosedDuringAReadEndsItWithAnErrorAndLosesNothing() {
        Arena arena = Arena.ofShared();
        disk.submit(new Bio().reset(Operation.READ, 0).add(arena.allocate(512)).onEnd(told));
        arena.close();
        driver.complete(Status.OK);
        assertThat(told.ends()).containsExactly("READ 0 IOERR");
    }

    @Test
    void nothingIsCopiedBackFromAFailedRead() {
        byte[] target = new byte[512];
        Arrays.fill(target, (byte) 7);
        disk.submit(new Bio().reset(Operation.READ, 0).add(MemorySegment.ofArray(target)).onEnd(told));
        driver.complete(Status.MEDIUM);
        assertThat(told.ends()).containsExactly("READ 0 MEDIUM");
        assertThat(target).containsOnly(7);
    }

    private Bio large(Operation operation, int flags) {
        return new Bio().reset(operation, 0).add(MemorySegment.ofArray(new byte[MIB])).flags(flags).onEnd(told);
    }

    @Test
    void bouncedMemoryIsBoundedAndTheRestWaits() {
        int fit = (int) (BounceRoom.BYTES_MAX / MIB);
        for (int i = 0; i < fit + 3; i++) {
            disk.submit(large(Operation.READ, 0));
        }
        assertThat(driver.inFlight()).hasSize(fit);
        driver.complete(Status.OK);
        driver.complete(Status.OK);
        assertThat(driver.inFlight()).hasSize(fit);
        driver.completeAll();
        assertThat(told.ends()).hasSize(fit + 3);
        disk.submit(large(Operation.READ, 0));
        assertThat(driver.completeAll()).isOne();
    }

    @Test
    void aNowaitBioEndsWithAgainWhereTheBoundIsReached() {
        int fit = (int) (BounceRoom.BYTES_MAX / MIB);
        for (int i = 0; i < fit; i++) {
            disk.submit(large(Operation.READ, 0));
        }
        disk.submit(large(Operation.READ, Bio.NOWAIT));
        assertThat(told.ends()).containsExactly("READ 0 AGAIN");
        driver.completeAll();
    }

    @Test
    void whoWaitsForBounceMemoryIsToldNodevByAClose() {
        RecordingDriver one = new RecordingDriver().limits(limits -> limits.requestBytesMax(1L << 20));
        Disk closing = one.disk();
        int fit = (int) (BounceRoom.BYTES_MAX / MIB);
        for (int i = 0; i < fit + 5; i++) {
            closing.submit(large(Operation.WRITE, 0));
        }
        Eventually.Worker<Boolean> closer = Eventually.start(closing::close);
        Eventually.until("those on the backlog are told", () -> told.count() == 5);
        assertThat(told.ends()).containsOnly("WRITE 0 NODEV");
        one.completeAll();
        closer.join();
        assertThat(told.ends()).hasSize(fit);
    }

    @Test
    void oneBioThatIsLargerThanTheBoundStillGoes() {
        RecordingDriver big = new RecordingDriver()
                .limits(limits -> limits.requestBytesMax(32L << 20).segmentBytesMax(32L << 20));
        try (Disk huge = big.disk()) {
            huge.queue().setCapacitySectors(1L << 20);
            huge.submit(new Bio().reset(Operation.WRITE, 0).add(MemorySegment.ofArray(new byte[17 << 20])).onEnd(told));
            assertThat(big.inFlight()).hasSize(1);
            big.complete(big.inFlight().getFirst(), Status.MEDIUM);
            assertThat(told.ends()).containsExactly("WRITE 0 MEDIUM");
        }
    }

    @Test
    void blockingCallsTakeMemoryOfOneThread() throws IOException {
        RecordingDriver quick = new RecordingDriver().completesAtOnce();
        try (Disk other = quick.disk(); Arena arena = Arena.ofConfined()) {
            byte[] pattern = new byte[3 * 4096];
            new Random(1).nextBytes(pattern);
            MemorySegment memory = arena.allocate(pattern.length);
            memory.copyFrom(MemorySegment.ofArray(pattern));
            other.write(512, memory);
            memory.fill((byte) 0);
            other.read(512, memory);
            assertThat(memory.mismatch(MemorySegment.ofArray(pattern))).isEqualTo(-1);
        }
    }

    @Test
    void bouncesFromManyThreadsLoseNothing() {
        RecordingDriver quick = new RecordingDriver().depth(8).completesAtOnce()
                .limits(limits -> limits.requestBytesMax(1L << 20));
        Disk other = quick.disk();
        Eventually.together(3, false, _ -> {
            for (int i = 0; i < 200; i++) {
                Bio bio = large(Operation.READ, i % 3 == 0 ? Bio.NOWAIT : 0);
                other.submit(bio);
                Eventually.until("the bio ends", () -> !bio.isInFlight());
            }
        });
        assertThat(told.ends()).hasSize(600);
        assertThat(other.queue().heldTags()).isZero();
        other.close();
    }
}
