package io.blkmq.core;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import io.blkmq.core.mq.RecordingDriver;
import io.blkmq.core.nullblk.NullBlk;
import io.blkmq.core.nullblk.NullBlk.Completion;
import io.blkmq.runtime.IoBuffer;
import io.blkmq.testing.Eventually;
import io.blkmq.testing.NoRescues;
import io.blkmq.testing.RandomSeed;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** The user's handle, over the null block driver with memory in its three modes. */
@Timeout(value = 300, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
@NoRescues
class DiskTest {
    private static final long CAPACITY_BYTES = 4 << 20;

    private static NullBlk.Builder memory(Completion completion) {
        return NullBlk.builder().name("mem0").completion(completion).memoryBacked(true).capacityBytes(CAPACITY_BYTES);
    }

    private static byte[] bytes(int count, long seed) {
        byte[] bytes = new byte[count];
        new Random(seed).nextBytes(bytes);
        return bytes;
    }

    /** Polls where that is needed, until something has happened. */
    private static void until(Disk disk, String what, java.util.function.BooleanSupplier condition) {
        Eventually.until(what, () -> {
            disk.poll();
            return condition.getAsBoolean();
        });
    }

    // ---- data goes and comes back

    @ParameterizedTest
    @EnumSource
    void blockingCallsReadWhatTheyWrote(Completion completion) throws IOException {
        try (Disk disk = memory(completion).build();
                Arena confined = Arena.ofConfined();
                Arena shared = Arena.ofShared();
                IoBuffer pooled = disk.allocate(8192)) {
            List<MemorySegment> kinds = List.of(MemorySegment.ofArray(new byte[8192]), confined.allocate(8192),
                    shared.allocate(8192), pooled.memory(), shared.allocate(8193).asSlice(1),
                    MemorySegment.ofBuffer(ByteBuffer.allocateDirect(8192)));
            for (int i = 0; i < kinds.size(); i++) {
                byte[] pattern = bytes(8192, i);
                long offset = 512 + i * 8192L;
                kinds.get(i).copyFrom(MemorySegment.ofArray(pattern));
                disk.write(offset, kinds.get(i));
                kinds.get(i).fill((byte) 0);
                disk.read(offset, kinds.get(i));
                assertThat(kinds.get(i).mismatch(MemorySegment.ofArray(pattern))).as("kind %d", i).isEqualTo(-1);
            }
            disk.flush();
            HeldTags.awaitNone(disk);
        }
    }

    @ParameterizedTest
    @EnumSource
    void byteBuffersAreUsedFromPositionToLimit(Completion completion) throws IOException {
        try (Disk disk = memory(completion).build()) {
            byte[] pattern = bytes(1024, 5);
            ByteBuffer source = ByteBuffer.allocate(2048).position(100);
            source.put(pattern).flip().position(100);
            disk.write(4096, source);
            assertThat(source.position()).isEqualTo(1124);
            ByteBuffer target = ByteBuffer.allocateDirect(1500).position(7).limit(7 + 1024);
            disk.read(4096, target);
            assertThat(target.position()).isEqualTo(target.limit());
            byte[] found = new byte[1024];
            target.get(7, found);
            assertThat(found).isEqualTo(pattern);
        }
    }

    @ParameterizedTest
    @EnumSource
    void futuresReadWhatTheyWrote(Completion completion) throws Exception {
        try (Disk disk = memory(completion).build()) {
            byte[] pattern = bytes(4096, 6);
            await(disk, disk.async().write(0, MemorySegment.ofArray(pattern)));
            await(disk, disk.async().flush());
            MemorySegment target = MemorySegment.ofArray(new byte[4096]);
            await(disk, disk.async().read(0, target));
            assertThat(target.mismatch(MemorySegment.ofArray(pattern))).isEqualTo(-1);
            await(disk, disk.async().discard(0, 512));
            await(disk, disk.async().writeZeroes(512, 512, false));
            await(disk, disk.async().read(0, target));
            Arrays.fill(pattern, 0, 1024, (byte) 0);
            assertThat(target.mismatch(MemorySegment.ofArray(pattern))).isEqualTo(-1);
        }
    }

    private static void await(Disk disk, CompletableFuture<Void> future) throws Exception {
        until(disk, "the future is complete", future::isDone);
        future.get();
    }

    @ParameterizedTest
    @EnumSource
    void callbacksReadWhatTheyWrote(Completion completion) throws IOException {
        try (Disk disk = memory(completion).build()) {
            byte[] pattern = bytes(4096, 7);
            MemorySegment target = MemorySegment.ofArray(new byte[4096]);
            AtomicReference<@Nullable Status> last = new AtomicReference<>();
            disk.write(0, MemorySegment.ofArray(pattern),
                    _ -> disk.flush(_ -> disk.read(0, target, status -> last.set(status))));
            until(disk, "the last callback", () -> last.get() != null);
            assertThat(last.get()).isEqualTo(Status.OK);
            assertThat(target.mismatch(MemorySegment.ofArray(pattern))).isEqualTo(-1);
            last.set(null);
            disk.discard(0, 2048, _ -> disk.writeZeroes(2048, 2048, true, status -> last.set(status)));
            until(disk, "the last callback", () -> last.get() != null);
            disk.read(0, target);
            assertThat(target.mismatch(MemorySegment.ofArray(new byte[4096]))).isEqualTo(-1);
        }
    }

    @ParameterizedTest
    @EnumSource
    void biosReadWhatTheyWroteAlsoThroughAPlug(Completion completion) throws IOException {
        try (Disk disk = memory(completion).build(); IoBuffer buffer = disk.allocate(64 * 512)) {
            buffer.memory().copyFrom(MemorySegment.ofArray(bytes(64 * 512, 8)));
            List<Bio> bios = new ArrayList<>();
            try (Plug plug = disk.plug()) {
                for (int i = 0; i < 64; i++) {
                    Bio bio = new Bio().reset(Operation.WRITE, 63 - i).add(buffer.memory(), (63 - i) * 512L, 512);
                    plug.submit(bio);
                    bios.add(bio);
                }
            }
            until(disk, "all bios end", () -> bios.stream().noneMatch(Bio::isInFlight));
            assertThat(bios).allMatch(bio -> bio.status() == Status.OK);
            MemorySegment target = MemorySegment.ofArray(new byte[64 * 512]);
            disk.read(0, target);
            assertThat(target.mismatch(buffer.memory())).isEqualTo(-1);
        }
    }

    @ParameterizedTest
    @EnumSource
    void aRandomSequenceMatchesAnArray(Completion completion) throws IOException {
        long seed = RandomSeed.of(DiskTest.class);
        Random random = new Random(seed);
        int block = 512 << random.nextInt(4);
        try (Disk disk = memory(completion).blockBytes(block).hardwareQueues(1 + random.nextInt(3))
                .depth(1 + random.nextInt(8)).build()) {
            byte[] model = new byte[(int) CAPACITY_BYTES];
            int blocks = model.length / block;
            for (int step = 0; step < 300; step++) {
                int first = random.nextInt(blocks);
                int count = 1 + random.nextInt(Math.min(blocks - first, 1 + random.nextInt(600)));
                int offset = first * block;
                int length = count * block;
                switch (random.nextInt(4)) {
                    case 0 -> {
                        byte[] content = bytes(length, random.nextLong());
                        disk.write(offset, MemorySegment.ofArray(content));
                        System.arraycopy(content, 0, model, offset, length);
                    }
                    case 1 -> {
                        disk.discard(offset, length);
                        Arrays.fill(model, offset, offset + length, (byte) 0);
                    }
                    case 2 -> {
                        disk.writeZeroes(offset, length, random.nextBoolean());
                        Arrays.fill(model, offset, offset + length, (byte) 0);
                    }
                    default -> {
                        byte[] found = new byte[length];
                        disk.read(offset, MemorySegment.ofArray(found));
                        assertThat(found).as("seed %d, step %d", seed, step)
                                .isEqualTo(Arrays.copyOfRange(model, offset, offset + length));
                    }
                }
            }
            HeldTags.awaitNone(disk);
        }
    }

    @ParameterizedTest
    @EnumSource
    void sixtyFourVirtualThreadsBlockAtOnce(Completion completion) throws IOException {
        try (Disk disk = memory(completion).depth(4).hardwareQueues(2).build()) {
            Eventually.together(64, true, number -> {
                for (int i = 0; i < 20; i++) {
                    byte[] pattern = bytes(4096, number * 100L + i);
                    MemorySegment memory = MemorySegment.ofArray(pattern.clone());
                    disk.write(number * 4096L, memory);
                    memory.fill((byte) 0);
                    disk.read(number * 4096L, memory);
                    assertThat(memory.mismatch(MemorySegment.ofArray(pattern))).isEqualTo(-1);
                }
            });
            HeldTags.awaitNone(disk);
        }
    }

    @Test
    void anInterruptDoesNotEndABlockingCallAndIsKept() throws IOException {
        RecordingDriver driver = new RecordingDriver();
        try (Disk disk = driver.disk()) {
            Eventually.Worker<Boolean> reader = Eventually.call(() -> {
                Thread.currentThread().interrupt();
                disk.read(0, MemorySegment.ofArray(new byte[512]));
                return Thread.interrupted();
            });
            Eventually.until("in flight", () -> !driver.inFlight().isEmpty());
            driver.complete(Status.OK);
            assertThat(reader.join()).isTrue();
        }
    }

    // ---- zeroes

    @Test
    void zeroesAreWrittenWhereTheDeviceHasNoShorterWay() throws IOException {
        RecordingDriver driver = new RecordingDriver().completesAtOnce();
        try (Disk disk = driver.disk()) {
            Arrays.fill(driver.data(), (byte) 9);
            disk.writeZeroes(512, 700 * 1024, true);
            assertThat(driver.log()).containsExactly("WRITE 1", "WRITE 513", "WRITE 1025");
            assertThat(driver.data()[511]).isEqualTo((byte) 9);
            assertThat(Arrays.copyOfRange(driver.data(), 512, 512 + 700 * 1024)).containsOnly(0);
            assertThat(driver.data()[512 + 700 * 1024]).isEqualTo((byte) 9);
            assertThat(disk.queue().bounces()).isZero();
        }
    }

    @Test
    void zeroesAreWrittenWhereTheDeviceSaysThatItCannot() throws IOException {
        RecordingDriver driver = new RecordingDriver().completesAtOnce()
                .limits(limits -> limits.writeZeroesBytesMax(1 << 20)).answer(Status.NOTSUPP);
        try (Disk disk = driver.disk()) {
            Arrays.fill(driver.data(), (byte) 9);
            disk.writeZeroes(0, 4096, false);
            assertThat(driver.log()).containsExactly("WRITE_ZEROES 0", "WRITE 0");
            assertThat(Arrays.copyOfRange(driver.data(), 0, 4096)).containsOnly(0);
        }
    }

    @Test
    void anErrorOfWrittenZeroesIsTold() {
        RecordingDriver driver = new RecordingDriver().completesAtOnce().answer(Status.OK).answer(Status.NOSPC);
        try (Disk disk = driver.disk()) {
            assertThatExceptionOfType(BlockIOException.class).isThrownBy(() -> disk.writeZeroes(0, 1 << 20, false))
                    .satisfies(e -> assertThat(e.status()).isEqualTo(Status.NOSPC));
            assertThat(disk.queue().heldTags()).isZero();
        }
    }

    @Test
    void aDiscardThatTheDeviceDoesNotHaveIsNotSupported() {
        try (Disk disk = new RecordingDriver().disk()) {
            assertThatExceptionOfType(BlockIOException.class).isThrownBy(() -> disk.discard(0, 512))
                    .satisfies(e -> assertThat(e.status()).isEqualTo(Status.NOTSUPP));
        }
    }

    // ---- errors

    @Test
    void aFailedOperationNamesDeviceOperationPlaceLengthAndStatus() {
        RecordingDriver driver = new RecordingDriver().limits(limits -> limits.writeCache(true, false));
        try (Disk disk = driver.disk()) {
            driver.answer(Status.MEDIUM);
            assertThatExceptionOfType(BlockIOException.class)
                    .isThrownBy(() -> disk.read(4096, MemorySegment.ofArray(new byte[512])))
                    .withMessage("READ of 512 bytes at sector 8 of rec0 failed: medium error (MEDIUM, errno 61)")
                    .satisfies(e -> {
                        assertThat(e.status()).isEqualTo(Status.MEDIUM);
                        assertThat(e.device()).isEqualTo("rec0");
                        assertThat(e.sector()).isEqualTo(8);
                        assertThat(e.bytes()).isEqualTo(512);
                    });
            driver.answer(Status.IOERR);
            CompletableFuture<Void> future = disk.async().write(0, MemorySegment.ofArray(new byte[512]));
            assertThatExceptionOfType(ExecutionException.class).isThrownBy(future::get)
                    .withCauseInstanceOf(BlockIOException.class);
            driver.answer(Status.IOERR);
            assertThatExceptionOfType(BlockIOException.class).isThrownBy(disk::flush).withMessageContaining("FLUSH");
        }
    }

    /** A way to ask a disk for something that it refuses. */
    @FunctionalInterface
    private interface Ask {
        void of(Disk disk, long offset, long length) throws IOException;
    }

    @SuppressWarnings("FutureReturnValueIgnored") // refused before there is one
    private static List<Ask> allForms() {
        return List.of((disk, offset, length) -> disk.read(offset, MemorySegment.ofArray(new byte[(int) length])),
                (disk, offset, length) -> disk.write(offset, MemorySegment.ofArray(new byte[(int) length])),
                (disk, offset, length) -> disk.read(offset, ByteBuffer.allocate((int) length)),
                (disk, offset, length) -> disk.write(offset, ByteBuffer.allocate((int) length)),
                (disk, offset, length) -> disk.async().read(offset, MemorySegment.ofArray(new byte[(int) length])),
                (disk, offset, length) -> disk.async().write(offset, MemorySegment.ofArray(new byte[(int) length])),
                (disk, offset, length) -> disk.read(offset, MemorySegment.ofArray(new byte[(int) length]), _ -> {}),
                (disk, offset, length) -> disk.discard(offset, length),
                (disk, offset, length) -> disk.async().discard(offset, length),
                (disk, offset, length) -> disk.writeZeroes(offset, length, false),
                (disk, offset, length) -> disk.async().writeZeroes(offset, length, true), (disk, offset, length) -> {
                    try (Arena arena = Arena.ofConfined()) {
                        disk.write(offset, arena.allocate(length));
                    }
                });
    }

    private static void refusesAll(Class<? extends Throwable> type, long offset, long length, String... says)
            throws IOException {
        RecordingDriver driver = new RecordingDriver().limits(limits -> limits.logicalBlockBytes(4096)
                .segmentBytesMax(65536).discardBytesMax(1 << 20).writeZeroesBytesMax(1 << 20));
        try (Disk disk = driver.disk()) {
            for (Ask ask : allForms()) {
                assertThatExceptionOfType(type).isThrownBy(() -> ask.of(disk, offset, length))
                        .satisfies(e -> assertThat(e.getMessage()).contains(says));
            }
            assertThat(driver.log()).isEmpty();
            assertThat(disk.queue().heldTags()).isZero();
        }
    }

    @Test
    void anUnalignedOffsetIsRefused() throws IOException {
        refusesAll(IllegalArgumentException.class, 512, 4096, "rec0", "512", "block size of 4096 bytes");
        refusesAll(IllegalArgumentException.class, 4097, 4096, "rec0", "4097", "block size of 4096 bytes");
    }

    @Test
    void aNegativeOffsetIsRefused() throws IOException {
        refusesAll(IllegalArgumentException.class, -4096, 4096, "rec0", "-4096", "negative");
    }

    @Test
    void anUnalignedLengthIsRefused() throws IOException {
        refusesAll(IllegalArgumentException.class, 0, 512, "rec0", "512 bytes", "block size of 4096 bytes");
    }

    @Test
    void aLengthOfNothingIsRefused() throws IOException {
        refusesAll(IllegalArgumentException.class, 0, 0, "of 0 bytes");
    }

    @Test
    void whatReachesPastTheEndIsRefused() throws IOException {
        refusesAll(IndexOutOfBoundsException.class, RecordingDriver.CAPACITY_BYTES, 4096, "rec0", "sector 2048",
                "the end of the device at sector 2048");
        refusesAll(IndexOutOfBoundsException.class, RecordingDriver.CAPACITY_BYTES - 4096, 8192, "rec0", "8192 bytes",
                "sector 2040", "the end of the device at sector 2048");
        refusesAll(IndexOutOfBoundsException.class, Long.MAX_VALUE & -4096, 4096, "rec0",
                "the end of the device at sector 2048");
    }

    @Test
    void aNegativeLengthIsRefused() {
        try (Disk disk = new RecordingDriver().limits(limits -> limits.discardBytesMax(512)).disk()) {
            assertThatIllegalArgumentException().isThrownBy(() -> disk.discard(0, -512))
                    .withMessageContaining("-512 bytes");
            assertThatIllegalArgumentException().isThrownBy(() -> disk.writeZeroes(0, -512, true))
                    .withMessageContaining("-512 bytes");
        }
    }

    @Test
    void aTransferOfMemoryOfOneThreadThatIsRefusedHasChangedNothing() throws IOException {
        try (Disk disk = memory(Completion.INLINE).build(); Arena arena = Arena.ofConfined()) {
            MemorySegment ones = arena.allocate(CAPACITY_BYTES).fill((byte) 1);
            assertThatExceptionOfType(IndexOutOfBoundsException.class).isThrownBy(() -> disk.write(512, ones));
            assertThatIllegalArgumentException().isThrownBy(() -> disk.write(0, ones.asSlice(0, CAPACITY_BYTES - 1)));
            MemorySegment found = MemorySegment.ofArray(new byte[(int) CAPACITY_BYTES]);
            disk.read(0, found);
            assertThat(found.mismatch(MemorySegment.ofArray(new byte[(int) CAPACITY_BYTES]))).isEqualTo(-1);
        }
    }

    @Test
    @SuppressWarnings("FutureReturnValueIgnored") // refused before there is one
    void writesToAReadOnlyDiskAreRefused() throws IOException {
        try (Disk disk = memory(Completion.INLINE).readOnly(true).build()) {
            MemorySegment memory = MemorySegment.ofArray(new byte[512]);
            List<Ask> writes = List.of((d, _, _) -> d.write(0, memory), (d, _, _) -> d.async().write(0, memory),
                    (d, _, _) -> d.write(0, memory, _ -> {}), (d, _, _) -> d.discard(0, 512),
                    (d, _, _) -> d.writeZeroes(0, 512, false));
            for (Ask write : writes) {
                assertThatExceptionOfType(UnsupportedOperationException.class).isThrownBy(() -> write.of(disk, 0, 0))
                        .withMessageContaining("mem0 is read-only");
            }
            disk.read(0, memory);
            disk.flush();
            assertThat(disk.queue().heldTags()).isZero();
        }
    }

    @Test
    void aBufferWrittenWithFuaSurvivesAPowerFailure() throws IOException {
        try (Disk disk = memory(Completion.INLINE).cacheBytes(1 << 20).fua(true).build()) {
            ByteBuffer ones = ByteBuffer.allocate(512);
            Arrays.fill(ones.array(), (byte) 1);
            disk.write(0, ones);
            disk.write(512, ones.rewind(), Bio.FUA);
            assertThat(ones.remaining()).isZero();
            NullBlk.losePower(disk);
            ByteBuffer found = ByteBuffer.allocate(1024);
            disk.read(0, found);
            assertThat(found.get(0)).isZero();
            assertThat(found.get(512)).isOne();
        }
    }

    @Test
    void readOnlyMemoryIsRefusedForReading() throws IOException {
        try (Disk disk = memory(Completion.INLINE).build(); Arena arena = Arena.ofConfined()) {
            MemorySegment heap = MemorySegment.ofArray(new byte[512]).asReadOnly();
            MemorySegment confined = arena.allocate(512).asReadOnly();
            for (MemorySegment memory : List.of(heap, confined)) {
                assertThatIllegalArgumentException().isThrownBy(() -> disk.read(0, memory))
                        .withMessageContaining("read-only");
                disk.write(0, memory);
            }
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> disk.read(0, ByteBuffer.allocate(512).asReadOnlyBuffer()));
            assertThat(disk.queue().heldTags()).isZero();
        }
    }

    @Test
    void whatIsSaidOfASectorThatIsNoBlockIsRightForEachSector() throws IOException {
        try (Disk disk = memory(Completion.INLINE).blockBytes(4096).build(); IoBuffer buffer = disk.allocate(4096)) {
            for (long sector : new long[]{9, (1L << 55) + 1, Long.MAX_VALUE}) {
                Bio bio = new Bio().reset(Operation.READ, sector).add(buffer.memory());
                String offset = sector == 9 ? " (offset 4608)" : "";
                assertThatIllegalArgumentException().isThrownBy(() -> disk.submit(bio)).withMessage(
                        "mem0: READ at sector " + sector + offset + ": not a multiple of the block size of 4096 bytes");
            }
        }
    }

    @Test
    void memoryOfOneThreadIsRefusedWhereAnotherMayComplete() throws IOException {
        try (Disk disk = memory(Completion.REAPER).build(); Arena arena = Arena.ofConfined()) {
            MemorySegment memory = arena.allocate(512);
            Bio bio = new Bio().reset(Operation.READ, 0).add(memory);
            assertThatIllegalArgumentException().isThrownBy(() -> disk.submit(bio)).withMessageContaining("confined");
            assertThat(bio.isInFlight()).isFalse();
            assertThatIllegalArgumentException().isThrownBy(() -> disk.async().read(0, memory));
            assertThatIllegalArgumentException().isThrownBy(() -> disk.async().write(0, memory));
        }
    }

    @Test
    @SuppressWarnings("FutureReturnValueIgnored") // refused before there is one
    void aClosedDiskRefusesEverything() throws IOException {
        Disk disk = memory(Completion.REAPER).build();
        disk.close();
        MemorySegment memory = MemorySegment.ofArray(new byte[512]);
        List<Ask> all = List.of((d, _, _) -> d.read(0, memory), (d, _, _) -> d.write(0, memory),
                (d, _, _) -> d.async().read(0, memory), (d, _, _) -> d.flush(), (d, _, _) -> d.discard(0, 512),
                (d, _, _) -> d.writeZeroes(0, 512, false));
        for (Ask each : all) {
            assertThatIllegalStateException().isThrownBy(() -> each.of(disk, 0, 0)).withMessage("mem0 is closed");
        }
        assertThat(disk.isClosed()).isTrue();
        assertThat(disk).hasToString("mem0 (4194304 bytes, closed)");
        disk.close();
    }

    @Test
    void aBioThatContradictsItselfIsRefused() throws IOException {
        try (Disk disk = memory(Completion.INLINE).build(); IoBuffer buffer = disk.allocate(512)) {
            MemorySegment memory = buffer.memory();
            List<Bio> contradictions = List.of(new Bio().reset(Operation.READ, 0),
                    new Bio().reset(Operation.READ, 0).length(512), new Bio().reset(Operation.FLUSH, 0).add(memory),
                    new Bio().reset(Operation.FLUSH, 0).length(512), new Bio().reset(Operation.DISCARD, 0).add(memory),
                    new Bio().reset(Operation.READ, 0).add(memory).flags(Bio.FUA),
                    new Bio().reset(Operation.READ, 0).add(memory).flags(Bio.PREFLUSH),
                    new Bio().reset(Operation.WRITE, 0).add(memory).flags(Bio.NOUNMAP));
            for (Bio bio : contradictions) {
                assertThatIllegalArgumentException().as(bio.toString()).isThrownBy(() -> disk.submit(bio));
                assertThat(bio.isInFlight()).isFalse();
            }
            assertThat(disk.queue().heldTags()).isZero();
        }
    }

    @Test
    void aContextThatDoesNotExistIsRefused() throws IOException {
        try (Disk disk = memory(Completion.POLLED).build()) {
            assertThatExceptionOfType(IndexOutOfBoundsException.class).isThrownBy(() -> disk.plug(disk.contexts()));
            assertThatExceptionOfType(IndexOutOfBoundsException.class).isThrownBy(() -> disk.poll(-1));
        }
    }

    /** In pieces another one than the first might have to wait, or end with AGAIN when some are written. */
    @Test
    void memoryOfOneThreadThatIsOverAPieceIsNotCutWhereNothingMayWait() throws IOException {
        try (Disk disk = memory(Completion.INLINE).capacityBytes(4 << 20).build(); Arena arena = Arena.ofConfined()) {
            MemorySegment memory = arena.allocate(2 << 20).fill((byte) 7);
            List<MemorySegment> row = List.of(memory.asSlice(0, 512), memory.asSlice(512));
            assertThatExceptionOfType(BlockIOException.class).isThrownBy(() -> disk.write(0, memory, Bio.NOWAIT))
                    .extracting(BlockIOException::status).isEqualTo(Status.AGAIN);
            assertThatExceptionOfType(BlockIOException.class).isThrownBy(() -> disk.write(0, row, Bio.NOWAIT))
                    .extracting(BlockIOException::status).isEqualTo(Status.AGAIN);
            MemorySegment read = arena.allocate(512);
            disk.read(0, read);
            assertThat(read.toArray(ValueLayout.JAVA_BYTE)).containsOnly(0);
            disk.write(0, memory.asSlice(0, 4096), Bio.NOWAIT);
            disk.read(0, read);
            assertThat(read.toArray(ValueLayout.JAVA_BYTE)).containsOnly(7);
        }
    }
}
