package io.blkmq.core;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

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
import java.util.Collections;
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

/** Several pieces of memory at one place of the disk, in the three forms that make a bio by themselves. */
@Timeout(value = 300, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
@NoRescues
class DiskScatterGatherTest {
    private static final int CAPACITY_BYTES = 4 << 20;

    /** One of the forms, made to wait. */
    private interface Form {
        void read(Disk disk, long offset, List<MemorySegment> memory) throws Exception;

        void write(Disk disk, long offset, List<MemorySegment> memory, int flags) throws Exception;
    }

    private static final Form BLOCKING = new Form() {
        @Override
        public void read(Disk disk, long offset, List<MemorySegment> memory) throws IOException {
            disk.read(offset, memory);
        }

        @Override
        public void write(Disk disk, long offset, List<MemorySegment> memory, int flags) throws IOException {
            if (flags == 0) {
                disk.write(offset, memory, 0);
            } else {
                disk.write(offset, memory, flags);
            }
        }
    };

    private static final Form CALLBACK = new Form() {
        @Override
        public void read(Disk disk, long offset, List<MemorySegment> memory) throws IOException {
            AtomicReference<@Nullable Status> told = new AtomicReference<>();
            disk.read(offset, memory, told::set);
            await(disk, told);
        }

        @Override
        public void write(Disk disk, long offset, List<MemorySegment> memory, int flags) throws IOException {
            AtomicReference<@Nullable Status> told = new AtomicReference<>();
            disk.write(offset, memory, flags, told::set);
            await(disk, told);
        }

        private static void await(Disk disk, AtomicReference<@Nullable Status> told) throws IOException {
            until(disk, () -> told.get() != null);
            if (told.get() != Status.OK) {
                throw new IOException(String.valueOf(told.get()));
            }
        }
    };

    private static final Form FUTURE = new Form() {
        @Override
        public void read(Disk disk, long offset, List<MemorySegment> memory) throws Exception {
            await(disk, disk.async().read(offset, memory));
        }

        @Override
        public void write(Disk disk, long offset, List<MemorySegment> memory, int flags) throws Exception {
            await(disk, disk.async().write(offset, memory, flags));
        }

        private static void await(Disk disk, CompletableFuture<Void> future)
                throws ExecutionException, InterruptedException {
            until(disk, future::isDone);
            future.get();
        }
    };

    private static final List<Form> FORMS = List.of(BLOCKING, CALLBACK, FUTURE);

    private static void until(Disk disk, java.util.function.BooleanSupplier condition) {
        Eventually.until("ended", () -> {
            disk.poll();
            return condition.getAsBoolean();
        });
    }

    private static NullBlk.Builder memory(Completion completion) {
        return NullBlk.builder().name("mem0").completion(completion).memoryBacked(true).blockBytes(512)
                .capacityBytes(CAPACITY_BYTES);
    }

    /** Cuts a length into random parts. */
    private static List<Integer> cut(int length, int partsMax, Random random) {
        List<Integer> parts = new ArrayList<>();
        int left = length;
        while (left > 0) {
            int part = parts.size() == partsMax - 1 ? left : 1 + random.nextInt(left);
            parts.add(part);
            left -= part;
        }
        Collections.shuffle(parts, random);
        return parts;
    }

    @ParameterizedTest
    @EnumSource
    void whatIsGatheredFromMemoryOfAnyKindIsScatteredIntoAnyOther(Completion completion) throws Exception {
        long seed = RandomSeed.of(DiskScatterGatherTest.class);
        Random random = new Random(seed);
        try (Disk disk = memory(completion).build(); Arena shared = Arena.ofShared(); Arena mine = Arena.ofConfined()) {
            for (int step = 0; step < 60; step++) {
                Form form = FORMS.get(step % FORMS.size());
                int length = 512 * (1 + random.nextInt(random.nextInt(5) == 0 ? 3_000 : 40));
                int offset = 512 * random.nextInt((CAPACITY_BYTES - length) / 512 + 1);
                byte[] pattern = new byte[length];
                random.nextBytes(pattern);
                List<MemorySegment> sources = new ArrayList<>();
                List<MemorySegment> targets = new ArrayList<>();
                int at = 0;
                for (int part : cut(length, 30, random)) {
                    Arena arena = form.equals(BLOCKING) && random.nextBoolean() ? mine : shared;
                    MemorySegment source = random.nextBoolean()
                            ? arena.allocate(part)
                            : MemorySegment.ofArray(new byte[part]);
                    sources.add(source.copyFrom(MemorySegment.ofArray(pattern).asSlice(at, part)));
                    at += part;
                }
                for (int part : cut(length, 30, random)) {
                    Arena arena = form.equals(BLOCKING) && random.nextBoolean() ? mine : shared;
                    targets.add(random.nextBoolean() ? arena.allocate(part) : MemorySegment.ofArray(new byte[part]));
                }
                form.write(disk, offset, sources, 0);
                form.read(disk, offset, targets);
                ByteBuffer found = ByteBuffer.allocate(length);
                targets.forEach(target -> found.put(target.asByteBuffer()));
                assertThat(found.array()).as("seed %d, step %d", seed, step).isEqualTo(pattern);
            }
            HeldTags.awaitNone(disk);
        }
    }

    @Test
    void allPiecesAreOneIo() throws Exception {
        RecordingDriver driver = new RecordingDriver().completesAtOnce()
                .limits(limits -> limits.writeCache(true, true));
        try (Disk disk = driver.disk(); IoBuffer buffer = disk.allocate(4096)) {
            List<MemorySegment> pieces = List.of(buffer.memory().asSlice(2048, 1024), buffer.memory().asSlice(0, 1024));
            for (Form form : FORMS) {
                form.write(disk, 512, pieces, Bio.FUA);
                assertThat(driver.log()).containsExactly("WRITE 1 FUA");
                form.read(disk, 512, pieces);
                assertThat(driver.log()).containsExactly("READ 1");
            }
            CompletableFuture<Void> durable = disk.async().write(0, buffer.memory(), Bio.FUA);
            AtomicReference<@Nullable Status> told = new AtomicReference<>();
            disk.write(4096, buffer.memory(), Bio.FUA, told::set);
            assertThat(durable.isDone()).isTrue();
            assertThat(told.get()).isEqualTo(Status.OK);
            assertThat(driver.log()).containsExactly("WRITE 0 FUA", "WRITE 8 FUA");
            assertThat(disk.queue().bounces()).isZero();
        }
        assertThat(driver.violations()).isEmpty();
    }

    @ParameterizedTest
    @EnumSource
    void buffersAreUsedFromTheirPositionsToTheirLimits(Completion completion) throws IOException {
        try (Disk disk = memory(completion).build()) {
            byte[] pattern = new byte[1024];
            new Random(3).nextBytes(pattern);
            ByteBuffer[] sources = {ByteBuffer.wrap(pattern, 0, 100), ByteBuffer.allocate(0),
                    ByteBuffer.wrap(pattern).position(100).limit(1024).asReadOnlyBuffer()};
            disk.write(512, sources);
            assertThat(sources).allMatch(source -> !source.hasRemaining());
            ByteBuffer[] targets = {ByteBuffer.allocateDirect(1000).position(3).limit(903), ByteBuffer.allocate(124)};
            disk.read(512, targets);
            byte[] found = new byte[900];
            targets[0].get(3, found);
            assertThat(found).isEqualTo(Arrays.copyOf(pattern, 900));
            assertThat(targets[1].array()).isEqualTo(Arrays.copyOfRange(pattern, 900, 1024));
            assertThat(targets[0].position()).isEqualTo(903);
            ByteBuffer kept = ByteBuffer.allocate(513);
            assertThatIllegalArgumentException().isThrownBy(() -> disk.read(0, new ByteBuffer[]{kept}))
                    .withMessageContaining("513 bytes");
            assertThat(kept.position()).isZero();
        }
    }

    @Test
    void whatMakesNoSenseIsRefusedInEveryFormAndHasChangedNothing() throws Exception {
        RecordingDriver driver = new RecordingDriver().completesAtOnce();
        try (Disk disk = driver.disk(); Arena confined = Arena.ofConfined()) {
            MemorySegment block = MemorySegment.ofArray(new byte[1024]);
            MemorySegment half = block.asSlice(0, 512);
            for (Form form : FORMS) {
                assertThatIllegalArgumentException().isThrownBy(() -> form.read(disk, 0, List.of()))
                        .withMessageContaining("of 0 bytes");
                assertThatIllegalArgumentException()
                        .isThrownBy(() -> form.write(disk, 0, List.of(half, block.asSlice(0, 0)), 0))
                        .withMessage("WRITE: piece 1 of the memory is empty");
                assertThatIllegalArgumentException()
                        .isThrownBy(() -> form.read(disk, 0, List.of(half, block.asSlice(511, 512))))
                        .withMessageContaining("pieces 0 and 1 of the memory overlap");
                assertThatIllegalArgumentException()
                        .isThrownBy(() -> form.read(disk, 0, List.of(block, half.asReadOnly())))
                        .withMessageContaining("piece 1 of the memory is read-only");
                assertThatIllegalArgumentException()
                        .isThrownBy(() -> form.write(disk, 0, Collections.nCopies(1025, half), 0))
                        .withMessageContaining("1025 pieces").withMessageContaining("at most 1024");
                assertThatIllegalArgumentException()
                        .isThrownBy(() -> form.write(disk, 0, List.of(half, block.asSlice(0, 100)), 0))
                        .withMessageContaining("612 bytes").withMessageContaining("block size of 512");
                assertThatIllegalArgumentException().isThrownBy(() -> form.read(disk, 100, List.of(half)))
                        .withMessageContaining("offset 100");
                assertThatExceptionOfType(IndexOutOfBoundsException.class).isThrownBy(
                        () -> form.write(disk, RecordingDriver.CAPACITY_BYTES - 512, List.of(half, half), 0));
                assertThatExceptionOfType(NullPointerException.class)
                        .isThrownBy(() -> form.read(disk, 0, Arrays.asList(half, null)));
            }
            List<MemorySegment> oneThreads = List.of(half, confined.allocate(512));
            assertThatIllegalArgumentException().isThrownBy(() -> CALLBACK.read(disk, 0, oneThreads))
                    .withMessageContaining("confined");
            assertThatIllegalArgumentException().isThrownBy(() -> FUTURE.write(disk, 0, oneThreads, 0));
            assertThat(driver.log()).isEmpty();
            assertThat(disk.queue().heldTags()).isZero();
            // The same memory twice can be written.
            disk.write(0, List.of(half, half), 0);
        }
    }

    /** Memory of one thread is copied in pieces, so what does not fit must be refused before the first of them. */
    @Test
    void whatReachesPastTheEndOfAPartitionIsRefusedInEveryFormAndHasChangedNothing() throws Exception {
        try (Disk disk = memory(Completion.INLINE).build();
                Disk part = disk.partition("mem0p1", 1 << 20, 2 << 20);
                Arena mine = Arena.ofConfined();
                Arena shared = Arena.ofShared();
                IoBuffer all = disk.allocate(CAPACITY_BYTES)) {
            for (Arena arena : List.of(mine, shared)) {
                List<MemorySegment> row = List.of(arena.allocate(512).fill((byte) 7),
                        arena.allocate(2 << 20).fill((byte) 7));
                for (Form form : arena.equals(mine) ? List.of(BLOCKING) : FORMS) {
                    assertThatExceptionOfType(IndexOutOfBoundsException.class)
                            .isThrownBy(() -> form.write(part, 0, row, 0)).withMessageContaining("mem0p1");
                    assertThatExceptionOfType(IndexOutOfBoundsException.class).isThrownBy(() -> form.read(part, 0, row))
                            .withMessageContaining("mem0p1");
                    assertThat(row).allMatch(piece -> piece.get(ValueLayout.JAVA_BYTE, 0) == 7);
                }
                assertThatExceptionOfType(IndexOutOfBoundsException.class)
                        .isThrownBy(() -> part.write(512, row.getLast()));
                assertThatExceptionOfType(IndexOutOfBoundsException.class)
                        .isThrownBy(() -> part.read(512, row.getLast()));
            }
            assertThatExceptionOfType(IndexOutOfBoundsException.class).isThrownBy(() -> part.discard(512, 2 << 20));
            assertThatExceptionOfType(IndexOutOfBoundsException.class)
                    .isThrownBy(() -> part.writeZeroes(512, 2 << 20, false));
            disk.read(0, all.memory());
            assertThat(all.memory().mismatch(MemorySegment.ofArray(new byte[CAPACITY_BYTES]))).isEqualTo(-1);
        }
    }

    @Test
    void whoIsToldFindsTheIoInTheStatisticsWhicheverTheForm() throws Exception {
        try (Disk disk = memory(Completion.POLLED).build(); IoBuffer buffer = disk.allocate(4096)) {
            List<Long> seen = new ArrayList<>();
            List<MemorySegment> row = List.of(buffer.memory());
            Runnable look = () -> seen.add(disk.statistics().ios(IoGroup.READ));
            CompletableFuture<Void> one = disk.async().read(0, buffer.memory()).thenRun(look);
            disk.poll();
            CompletableFuture<Void> several = disk.async().read(0, row).thenRun(look);
            disk.poll();
            disk.read(0, buffer.memory(), _ -> look.run());
            disk.poll();
            disk.read(0, row, _ -> look.run());
            disk.poll();
            disk.submit(new Bio().reset(Operation.READ, 0).add(buffer.memory()).onEnd(_ -> look.run()));
            disk.poll();
            assertThat(one).isCompleted();
            assertThat(several).isCompleted();
            assertThat(seen).containsExactly(1L, 2L, 3L, 4L, 5L);
        }
    }

    @Test
    void anErrorIsToldWithTheWholeLength() {
        RecordingDriver driver = new RecordingDriver();
        try (Disk disk = driver.disk()) {
            List<MemorySegment> memory = List.of(MemorySegment.ofArray(new byte[100]),
                    MemorySegment.ofArray(new byte[924]));
            driver.answer(Status.MEDIUM);
            assertThatExceptionOfType(BlockIOException.class).isThrownBy(() -> disk.read(512, memory))
                    .withMessage("READ of 1024 bytes at sector 1 of rec0 failed: medium error (MEDIUM, errno 61)");
            driver.answer(Status.MEDIUM);
            assertThatExceptionOfType(ExecutionException.class)
                    .isThrownBy(() -> disk.async().write(512, memory, 0).get())
                    .withMessageContaining("WRITE of 1024 bytes at sector 1 of rec0");
        }
    }
}
