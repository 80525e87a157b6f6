package io.blkmq.loop;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.blkmq.aio.AioEngineProvider;
import io.blkmq.aio.AioEngines;
import io.blkmq.aio.AioStatistics;
import io.blkmq.core.Bio;
import io.blkmq.core.BlockIOException;
import io.blkmq.core.Disk;
import io.blkmq.core.IoGroup;
import io.blkmq.core.Operation;
import io.blkmq.core.Plug;
import io.blkmq.core.Status;
import io.blkmq.core.driver.Request;
import io.blkmq.core.driver.RequestQueue;
import io.blkmq.runtime.IoBuffer;
import io.blkmq.testing.Eventually;
import io.blkmq.testing.JavaProcess;
import io.blkmq.testing.NoRescues;
import io.blkmq.testing.RandomSeed;
import java.io.File;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.api.parallel.Isolated;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The device on a real file, with every engine that works here. The files are under target/, on whatever file system that is. */
@NoRescues
@Isolated
class LoopDeviceTest {
    private static final int MIB = 1 << 20;

    @TempDir
    private Path directory;
    private Path image;

    /** One way to drive a device. */
    record Way(String engine, boolean direct, boolean polled) {
        LoopConfig.Builder config(Path file) {
            return LoopConfig.builder(file).engine(engine).direct(direct).polled(polled);
        }

        boolean keepsData() {
            return !engine.equals("null") || !direct;
        }

        @Override
        public String toString() {
            return (direct ? engine + " direct" : "buffered") + (polled ? " polled" : " reaper");
        }
    }

    static Stream<Way> ways() {
        List<Way> ways = new ArrayList<>();
        for (AioEngineProvider provider : AioEngines.providers()) {
            if (provider.name().equals("memory")) {
                // It never writes to the file, which these tests look at.
                continue;
            }
            provider.unavailable().ifPresentOrElse(why -> IO.println("skipped: engine " + provider.name() + ": " + why),
                    () -> {
                        ways.add(new Way(provider.name(), true, false));
                        ways.add(new Way(provider.name(), true, true));
                    });
        }
        ways.add(new Way("channel", false, false));
        ways.add(new Way("channel", false, true));
        return ways.stream().filter(Way::keepsData);
    }

    @BeforeEach
    void makeImage() throws IOException {
        image = file("disk.img", 4 * MIB, 1);
    }

    private Path file(String name, int bytes, long seed) throws IOException {
        byte[] content = new byte[bytes];
        new Random(seed).nextBytes(content);
        return Files.write(directory.resolve(name), content);
    }

    @ParameterizedTest
    @MethodSource("ways")
    void readsWhatTheFileHolds(Way way) throws Exception {
        try (LoopDevice device = LoopDevice.attach(way.config(image).build());
                IoBuffer buffer = IoBuffer.allocate(MIB)) {
            assertThat(device.disk().sizeBytes()).isEqualTo(4 * MIB);
            device.disk().read(MIB, buffer.memory());
            assertThat(buffer.memory().toArray(ValueLayout.JAVA_BYTE))
                    .isEqualTo(Arrays.copyOfRange(Files.readAllBytes(image), MIB, 2 * MIB));
            assertThat(device.disk().queue().bounces()).isZero();
        }
    }

    @ParameterizedTest
    @MethodSource("ways")
    void writesArriveInTheFile(Way way) throws Exception {
        byte[] expected = Files.readAllBytes(image);
        Random random = new Random(7);
        try (LoopDevice device = LoopDevice.attach(way.config(image).build())) {
            for (int i = 0; i < 50; i++) {
                byte[] piece = new byte[512 * (1 + random.nextInt(64))];
                random.nextBytes(piece);
                int offset = 512 * random.nextInt((expected.length - piece.length) / 512);
                int block = device.disk().limits().logicalBlockBytes();
                assumeTrue(block == 512, () -> "skipped: this file system needs direct I/O of " + block + " bytes");
                device.disk().write(offset, ByteBuffer.wrap(piece));
                System.arraycopy(piece, 0, expected, offset, piece.length);
            }
            device.disk().flush();
        }
        assertThat(Files.readAllBytes(image)).isEqualTo(expected);
    }

    @ParameterizedTest
    @MethodSource("ways")
    void manyBiosInFlightAllEndOnce(Way way) throws Exception {
        byte[] content = Files.readAllBytes(image);
        try (LoopDevice device = LoopDevice.attach(way.config(image).depth(16).build());
                IoBuffer buffer = IoBuffer.allocate(64 * 4096)) {
            Disk disk = device.disk();
            AtomicInteger ended = new AtomicInteger();
            List<Bio> bios = new ArrayList<>();
            for (int i = 0; i < 64; i++) {
                bios.add(new Bio().reset(Operation.READ, i * 8L).add(buffer.memory(), i * 4096L, 4096)
                        .onEnd(bio -> ended.addAndGet(bio.status() == Status.OK ? 1 : 1000)));
            }
            try (Plug plug = disk.plug()) {
                bios.forEach(plug::submit);
            }
            while (ended.get() < 64) {
                disk.poll();
                Thread.onSpinWait();
            }
            assertThat(buffer.memory().toArray(ValueLayout.JAVA_BYTE)).isEqualTo(Arrays.copyOf(content, 64 * 4096));
            assertThat(ended).hasValue(64);
            disk.freeze();
            assertThat(disk.queue().heldTags()).isZero();
            disk.unfreeze();
        }
    }

    @ParameterizedTest
    @MethodSource("ways")
    void memoryOfEveryKindIsServed(Way way) throws Exception {
        byte[] content = Files.readAllBytes(image);
        try (LoopDevice device = LoopDevice.attach(way.config(image).build());
                Arena confined = Arena.ofConfined();
                Arena shared = Arena.ofShared()) {
            for (MemorySegment memory : List.of(MemorySegment.ofArray(new byte[8192]), confined.allocate(8192, 4096),
                    shared.allocate(8192 + 1).asSlice(1), MemorySegment.ofBuffer(ByteBuffer.allocateDirect(8192)))) {
                device.disk().read(4096, memory);
                assertThat(memory.toArray(ValueLayout.JAVA_BYTE))
                        .isEqualTo(Arrays.copyOfRange(content, 4096, 3 * 4096));
            }
            assertThat(device.disk().queue().bounces()).as("all but that of one thread, which copies it by itself")
                    .isEqualTo(3);
        }
    }

    private interface Io {
        void run(Disk disk, MemorySegment memory) throws IOException;
    }

    private static long submittedBy(LoopDevice device, Io io) throws IOException {
        try (IoBuffer buffer = IoBuffer.allocate(4096)) {
            long before = device.engineStatistics().getFirst().submitted();
            io.run(device.disk(), buffer.memory());
            return device.engineStatistics().getFirst().submitted() - before;
        }
    }

    @Test
    void readsAndWritesOfADirectDeviceGoToTheEngineAsFlushesMayAndAllElseToTheWorkQueue() throws Exception {
        try (LoopDevice device = LoopDevice.attach(LoopConfig.builder(image).build())) {
            assumeTrue(device.isDirect(), "skipped: no direct I/O on this file system");
            Io read = (disk, memory) -> disk.read(4096, memory);
            Io write = (disk, memory) -> disk.write(4096, memory);
            Io flush = (disk, _) -> disk.flush();
            Io discard = (disk, _) -> {
                try {
                    disk.discard(0, 4096);
                } catch (BlockIOException e) {
                    // A file system that has no holes has been asked for one.
                    assertThat(e.status()).isEqualTo(Status.NOTSUPP);
                }
            };
            assertThat(submittedBy(device, read)).as("direct")
                    .isEqualTo(device.medium().file().io().isInMemory() ? 0 : 1);
            assertThat(submittedBy(device, write)).as("direct").isOne();
            boolean syncs = !device.parameters().engine().equals("channel");
            assertThat(submittedBy(device, flush)).as("flush").isEqualTo(syncs ? 1 : 0);
            assertThat(submittedBy(device, discard)).as("discard").isZero();
            device.setAio(false);
            assertThat(submittedBy(device, read)).as("direct, by the work queue").isZero();
            device.setDirect(false);
            for (Io io : List.of(read, write, flush)) {
                assertThat(submittedBy(device, io)).as("buffered").isZero();
            }
            device.setAio(true);
            assertThat(submittedBy(device, write)).as("buffered, by the engine").isOne();
        }
    }

    @Test
    void aReadOfAFileInMemoryIsCarriedOutByTheCallingThread() throws Exception {
        Path memory = Path.of("/dev/shm");
        assumeTrue(Files.isWritable(memory), "skipped: no tmpfs");
        Path file = Files.createTempFile(memory, "blkmq", ".img");
        try {
            byte[] bytes = new byte[1 << 20];
            new Random(RandomSeed.next(LoopDeviceTest.class)).nextBytes(bytes);
            Files.write(file, bytes);
            try (LoopDevice device = LoopDevice.attach(LoopConfig.builder(file).build());
                    IoBuffer buffer = IoBuffer.allocate(3 * 4096)) {
                assumeTrue(device.medium().file().io().isInMemory(), "skipped: no native engine");
                long before = device.engineStatistics().getFirst().submitted();
                device.disk().read(8192, buffer.memory());
                assertThat(device.engineStatistics().getFirst().submitted()).isEqualTo(before);
                assertThat(buffer.memory().toArray(ValueLayout.JAVA_BYTE))
                        .isEqualTo(Arrays.copyOfRange(bytes, 8192, 5 * 4096));
                try (FileChannel shortened = FileChannel.open(file, StandardOpenOption.WRITE)) {
                    shortened.truncate(8192);
                }
                assertThatExceptionOfType(BlockIOException.class)
                        .isThrownBy(() -> device.disk().read(8192, buffer.memory()))
                        .satisfies(e -> assertThat(e.status()).isEqualTo(Status.IOERR));
            }
        } finally {
            Files.delete(file);
        }
    }

    @Test
    void aWriteThatReachesTheDriverOfAReadOnlyDeviceEndsWithEio() throws Exception {
        try (LoopDevice device = LoopDevice.attach(LoopConfig.builder(image).readOnly(true).build())) {
            RequestQueue queue = device.disk().queue();
            for (Operation operation : List.of(Operation.WRITE, Operation.DISCARD, Operation.WRITE_ZEROES)) {
                Request rq = queue.allocateRequest(operation, false);
                CountDownLatch ended = new CountDownLatch(1);
                queue.execute(rq, _ -> ended.countDown());
                ended.await();
                assertThat(rq.status()).as(operation.toString()).isEqualTo(Status.IOERR);
                queue.free(rq);
            }
        }
    }

    @Test
    void eachHardwareQueueOfADeviceThatSharesNoneHasARingOfItsOwn() throws Exception {
        // Deeper than a ring that is shared.
        try (LoopDevice device = LoopDevice.attach(LoopConfig.builder(image).hardwareQueues(3).depth(2048).build());
                IoBuffer buffer = IoBuffer.allocate(4096)) {
            assumeTrue(device.isDirect(), "skipped: no direct I/O on this file system");
            assertThat(device.engineStatistics()).hasSize(3);
            RequestQueue queue = device.disk().queue();
            for (int i = 0; i < queue.contexts(); i++) {
                int ring = queue.context(i).hardwareContext().index();
                long[] before = device.engineStatistics().stream().mapToLong(AioStatistics::submitted).toArray();
                CountDownLatch ended = new CountDownLatch(1);
                queue.submit(new Bio(1).reset(Operation.WRITE, 0).add(buffer.memory()).onEnd(_ -> ended.countDown()),
                        queue.context(i));
                ended.await();
                before[ring]++;
                assertThat(device.engineStatistics().stream().mapToLong(AioStatistics::submitted).toArray())
                        .as("context %d", i).isEqualTo(before);
            }
        }
    }

    @ParameterizedTest
    @MethodSource("ways")
    void largeAndScatteredBiosAreCut(Way way) throws Exception {
        byte[] content = Files.readAllBytes(image);
        try (LoopDevice device = LoopDevice.attach(way.config(image).build());
                IoBuffer buffer = IoBuffer.allocate(3 * MIB)) {
            int block = device.disk().limits().logicalBlockBytes();
            device.disk().read(block, buffer.memory());
            assertThat(buffer.memory().toArray(ValueLayout.JAVA_BYTE))
                    .isEqualTo(Arrays.copyOfRange(content, block, 3 * MIB + block));

            Bio bio = new Bio(300).reset(Operation.READ, 0);
            for (int i = 299; i >= 0; i--) {
                bio.add(buffer.memory(), i * 4096L, 4096);
            }
            assertThat(run(device.disk(), bio)).isEqualTo(Status.OK);
            for (int i = 0; i < 300; i++) {
                assertThat(buffer.memory().asSlice(i * 4096L, 4096).toArray(ValueLayout.JAVA_BYTE))
                        .isEqualTo(Arrays.copyOfRange(content, (299 - i) * 4096, (300 - i) * 4096));
            }
        }
    }

    private static void await(Disk disk, CompletableFuture<Void> future) throws Exception {
        while (!future.isDone()) {
            disk.poll();
            Thread.onSpinWait();
        }
        future.get();
    }

    private static Status run(Disk disk, Bio bio) {
        CountDownLatch ended = new CountDownLatch(1);
        bio.onEnd(_ -> ended.countDown());
        disk.submit(bio);
        while (ended.getCount() > 0) {
            disk.poll();
            Thread.onSpinWait();
        }
        return bio.status();
    }

    @ParameterizedTest
    @MethodSource("ways")
    void discardMakesAHoleAndKeepsTheSize(Way way) throws Exception {
        try (LoopDevice device = LoopDevice.attach(way.config(image).build())) {
            try {
                device.disk().discard(MIB, MIB);
            } catch (BlockIOException e) {
                assertThat(e.status()).isEqualTo(Status.NOTSUPP);
                assumeTrue(false, "skipped: no holes on this file system or platform");
            }
        }
        byte[] content = Files.readAllBytes(image);
        assertThat(content).hasSize(4 * MIB);
        assertThat(Arrays.copyOfRange(content, MIB, 2 * MIB)).containsOnly(0);
        assertThat(content[MIB - 1] | content[2 * MIB] | content[2 * MIB + 1]).isNotZero();
    }

    @ParameterizedTest
    @MethodSource("ways")
    void zeroesAreWrittenWithAndWithoutHoles(Way way) throws Exception {
        try (LoopDevice device = LoopDevice.attach(way.config(image).build())) {
            device.disk().writeZeroes(0, 64 << 10, true);
            CompletableFuture<Void> async = device.disk().async().writeZeroes(MIB, 64 << 10, false);
            device.disk().writeZeroes(2 * MIB, 4096, true);
            await(device.disk(), async);
        }
        byte[] content = Files.readAllBytes(image);
        assertThat(Arrays.copyOfRange(content, 0, 64 << 10)).containsOnly(0);
        assertThat(Arrays.copyOfRange(content, MIB, MIB + (64 << 10))).containsOnly(0);
        assertThat(Arrays.copyOfRange(content, 2 * MIB, 2 * MIB + 4096)).containsOnly(0);
    }

    @ParameterizedTest
    @MethodSource("ways")
    void flushesAndFuaWritesSucceedTogether(Way way) throws Exception {
        try (LoopDevice device = LoopDevice.attach(way.config(image).build());
                IoBuffer buffer = IoBuffer.allocate(4096)) {
            buffer.memory().fill((byte) 9);
            for (int i = 0; i < 10; i++) {
                device.disk().write(i * 4096L, buffer.memory(), Bio.FUA | Bio.PREFLUSH);
            }
            List<CompletableFuture<Void>> flushes = new ArrayList<>();
            for (int i = 0; i < 20; i++) {
                flushes.add(device.disk().async().flush());
            }
            device.disk().flush();
            for (CompletableFuture<Void> flush : flushes) {
                await(device.disk(), flush);
            }
        }
        assertThat(Arrays.copyOf(Files.readAllBytes(image), 40960)).containsOnly(9);
    }

    @ParameterizedTest
    @MethodSource("ways")
    void theChannelViewIsAFile(Way way) throws Exception {
        byte[] expected = Files.readAllBytes(image);
        try (LoopDevice device = LoopDevice.attach(way.config(image).build());
                FileChannel channel = device.disk().openChannel()) {
            assertThat(channel.size()).isEqualTo(expected.length);
            channel.write(ByteBuffer.wrap("odd places".getBytes(java.nio.charset.StandardCharsets.US_ASCII)), 4091);
            byte[] read = new byte[5000];
            ByteBuffer into = ByteBuffer.wrap(read);
            while (into.hasRemaining()) {
                assertThat(channel.read(into, 3000 + into.position())).isPositive();
            }
            System.arraycopy("odd places".getBytes(java.nio.charset.StandardCharsets.US_ASCII), 0, expected, 4091, 10);
            assertThat(read).isEqualTo(Arrays.copyOfRange(expected, 3000, 8000));
            assertThat(channel.read(ByteBuffer.allocate(1), expected.length)).isEqualTo(-1);
            channel.force(true);
        }
        assertThat(Files.readAllBytes(image)).isEqualTo(expected);
    }

    @ParameterizedTest
    @MethodSource("ways")
    void offsetAndLimitPlaceTheDevice(Way way) throws Exception {
        byte[] content = Files.readAllBytes(image);
        try (LoopDevice device = LoopDevice.attach(way.config(image).offsetBytes(4096).sizeLimitBytes(100_000).build());
                IoBuffer buffer = IoBuffer.allocate(4096)) {
            int block = device.disk().limits().logicalBlockBytes();
            int size = 100_000 / block * block;
            assertThat(device.disk().sizeBytes()).isEqualTo(size);
            device.disk().read(size - 4096 / block * block, buffer.memory());
            assertThat(buffer.memory().toArray(ValueLayout.JAVA_BYTE))
                    .isEqualTo(Arrays.copyOfRange(content, size, 4096 + size));
            assertThatThrownBy(() -> device.disk().read(size, buffer.memory()))
                    .isInstanceOf(IndexOutOfBoundsException.class)
                    .hasMessageContaining("past the end of the device at sector " + size / 512);
        }
    }

    @Test
    void anOddOffsetIsServedBuffered() throws Exception {
        byte[] content = Files.readAllBytes(image);
        try (LoopDevice device = LoopDevice.attach(LoopConfig.builder(image).offsetBytes(1543).build());
                IoBuffer buffer = IoBuffer.allocate(512)) {
            assertThat(device.isDirect()).isFalse();
            assertThat(device.disk().sizeBytes()).isEqualTo((content.length - 1543) / 512 * 512L);
            device.disk().read(512, buffer.memory());
            assertThat(buffer.memory().toArray(ValueLayout.JAVA_BYTE))
                    .isEqualTo(Arrays.copyOfRange(content, 1543 + 512, 1543 + 1024));
        }
    }

    @Test
    void anOffsetPastTheEndLeavesNothing() throws Exception {
        try (LoopDevice device = LoopDevice.attach(LoopConfig.builder(image).offsetBytes(8L * MIB).build())) {
            assertThat(device.disk().sizeBytes()).isZero();
        }
    }

    @ParameterizedTest
    @MethodSource("ways")
    void aShortenedFileKeepsWhatWasReadAndZeroesTheRest(Way way) throws Exception {
        byte[] content = Files.readAllBytes(image);
        try (LoopDevice device = LoopDevice.attach(way.config(image).build());
                IoBuffer buffer = IoBuffer.allocate(8192)) {
            try (FileChannel channel = FileChannel.open(image, StandardOpenOption.WRITE)) {
                channel.truncate(MIB + 4096);
            }
            buffer.memory().fill((byte) 0x55);
            assertThatThrownBy(() -> device.disk().read(MIB, buffer.memory())).isInstanceOf(BlockIOException.class)
                    .hasMessageContaining("errno 5");
            byte[] read = buffer.memory().toArray(ValueLayout.JAVA_BYTE);
            assertThat(Arrays.copyOf(read, 4096)).isEqualTo(Arrays.copyOfRange(content, MIB, MIB + 4096));
            assertThat(Arrays.copyOfRange(read, 4096, 8192)).containsOnly(0);

            device.disk().write(2 * MIB, buffer.memory());
            assertThat(Files.size(image)).isEqualTo(2 * MIB + 8192);
            assertThat(device.refreshCapacity()).isEqualTo(2 * MIB + 8192);
        }
    }

    /** As each would have ended alone. */
    @ParameterizedTest
    @MethodSource("ways")
    void aReadBeforeTheEndOfAShortenedFileIsNoFailureOfItsNeighbours(Way way) throws Exception {
        byte[] content = Files.readAllBytes(image);
        try (LoopDevice device = LoopDevice.attach(way.config(image).build());
                IoBuffer buffer = IoBuffer.allocate(3 * 8192)) {
            try (FileChannel channel = FileChannel.open(image, StandardOpenOption.WRITE)) {
                channel.truncate(MIB + 8192 + 4096);
            }
            for (int time = 0; time < 2; time++) {
                buffer.memory().fill((byte) 0x55);
                Bio[] bios = new Bio[3];
                try (Plug plug = device.disk().plug()) {
                    for (int i = 0; i < bios.length; i++) {
                        bios[i] = new Bio(1).reset(Operation.READ, (MIB + i * 8192) / 512).add(buffer.memory(),
                                i * 8192L, 8192);
                        plug.submit(bios[i]);
                    }
                }
                for (Bio bio : bios) {
                    while (bio.isInFlight()) {
                        if (way.polled()) {
                            device.disk().poll();
                        } else {
                            Thread.onSpinWait();
                        }
                    }
                }
                assertThat(bios).extracting(Bio::status).containsExactly(Status.OK, Status.IOERR, Status.IOERR);
                byte[] read = buffer.memory().toArray(ValueLayout.JAVA_BYTE);
                assertThat(Arrays.copyOf(read, 12288)).isEqualTo(Arrays.copyOfRange(content, MIB, MIB + 12288));
                assertThat(Arrays.copyOfRange(read, 12288, read.length)).containsOnly(0);
            }
            assertThat(device.disk().statistics().merges(IoGroup.READ)).as("merged, so that there is something to see")
                    .isPositive();
        }
    }

    @ParameterizedTest
    @MethodSource("ways")
    void aReadOnlyDeviceRefusesWritesAndChangesItsFileUnderLoad(Way way) throws Exception {
        Path second = file("second.img", 4 * MIB, 2);
        byte[] before = Files.readAllBytes(image);
        byte[] after = Files.readAllBytes(second);
        try (LoopDevice device = LoopDevice.attach(way.config(image).readOnly(true).build());
                IoBuffer buffer = IoBuffer.allocate(4096)) {
            assertThatThrownBy(() -> device.disk().write(0, buffer.memory()))
                    .isInstanceOf(UnsupportedOperationException.class).hasMessageContaining("loop0 is read-only");
            device.disk().flush();
            device.disk().read(4096, buffer.memory());
            assertThat(buffer.memory().toArray(ValueLayout.JAVA_BYTE))
                    .isEqualTo(Arrays.copyOfRange(before, 4096, 8192));
            device.changeBackingFile(second);
            device.disk().read(4096, buffer.memory());
            assertThat(buffer.memory().toArray(ValueLayout.JAVA_BYTE)).isEqualTo(Arrays.copyOfRange(after, 4096, 8192));
            assertThat(device.backingFile()).isEqualTo(second);

            Path smaller = file("smaller.img", MIB, 3);
            assertThatThrownBy(() -> device.changeBackingFile(smaller)).isInstanceOf(LoopException.class)
                    .hasMessageContaining("2048 sectors").hasMessageContaining("8192").hasMessageContaining("EINVAL");
        }
        assertThat(Files.readAllBytes(image)).isEqualTo(before);
    }

    @Test
    void theFileOfAReadOnlyDeviceIsChangedWhileOthersRead() throws Exception {
        Path second = Files.copy(image, directory.resolve("copy.img"));
        byte[] content = Files.readAllBytes(image);
        try (LoopDevice device = LoopDevice.attach(LoopConfig.builder(image).readOnly(true).build());
                var executor = Executors.newVirtualThreadPerTaskExecutor()) {
            List<Future<?>> readers = new ArrayList<>();
            AtomicInteger reads = new AtomicInteger();
            for (int i = 0; i < 8; i++) {
                long seed = i;
                readers.add(executor.submit(() -> {
                    Random random = new Random(seed);
                    try (IoBuffer buffer = IoBuffer.allocate(4096)) {
                        while (reads.incrementAndGet() < 4000) {
                            int offset = random.nextInt(1024) * 4096;
                            device.disk().read(offset, buffer.memory());
                            assertThat(buffer.memory().mismatch(MemorySegment.ofArray(content).asSlice(offset, 4096)))
                                    .isEqualTo(-1);
                        }
                    }
                    return null;
                }));
            }
            for (int i = 0; i < 20; i++) {
                device.changeBackingFile(i % 2 == 0 ? second : image);
            }
            for (Future<?> reader : readers) {
                reader.get();
            }
        }
    }

    @Test
    void aSecondWriterIsRefusedAndLeavesNothingBehind() throws Exception {
        try (LoopDevice device = LoopDevice.attach(LoopConfig.builder(image).build())) {
            assertThatThrownBy(() -> LoopDevice.attach(LoopConfig.builder(image).name("loop1").build()))
                    .isInstanceOf(IOException.class).hasMessageContaining("disk.img").hasMessageContaining("in use");
            assertThatThrownBy(() -> LoopDevice.attach(LoopConfig.builder(image).name("loop1").readOnly(true).build()))
                    .isInstanceOf(IOException.class).hasMessageContaining("in use");
            assertThat(device.disk().sizeBytes()).isEqualTo(4 * MIB);
        }
        try (LoopDevice reader = LoopDevice.attach(LoopConfig.builder(image).readOnly(true).build());
                LoopDevice another = LoopDevice.attach(LoopConfig.builder(image).readOnly(true).build())) {
            assertThat(reader.disk().sizeBytes()).isEqualTo(another.disk().sizeBytes());
        }
    }

    @Test
    void aWriterInAnotherProcessIsRefused() throws Exception {
        try (LoopDevice device = LoopDevice.attach(LoopConfig.builder(image).build())) {
            Process other = JavaProcess.start("--enable-native-access=ALL-UNNAMED", "-cp",
                    Path.of("target", "test-classes") + File.pathSeparator + JavaProcess.classPath(),
                    SecondWriter.class.getName(), image.toString());
            String said = new String(other.getInputStream().readAllBytes(), java.nio.charset.StandardCharsets.UTF_8);
            assertThat(other.waitFor()).as(said).isEqualTo(3);
            assertThat(said).contains("disk.img is in use");
            assertThat(device.disk().sizeBytes()).isPositive();
        }
    }

    /** What the other process does. */
    static final class SecondWriter {
        private SecondWriter() {}

        public static void main(String[] arguments) {
            try (LoopDevice device = LoopDevice.attach(LoopConfig.builder(Path.of(arguments[0])).build())) {
                IO.println("attached " + device);
            } catch (IOException e) {
                IO.println(e.getMessage());
                System.exit(3);
            }
        }
    }

    @Test
    void whatCannotBeADeviceIsNamed() throws Exception {
        Path missing = directory.resolve("missing.img");
        assertThatThrownBy(() -> LoopDevice.attach(LoopConfig.builder(missing).build()))
                .isInstanceOf(NoSuchFileException.class).hasMessageContaining("missing.img");
        assertThatThrownBy(() -> LoopDevice.attach(LoopConfig.builder(directory).build()))
                .isInstanceOf(IOException.class).hasMessageContaining(directory.toString());
        Path empty = Files.createFile(directory.resolve("empty.img"));
        assertThatThrownBy(() -> LoopDevice.attach(LoopConfig.builder(empty).build())).isInstanceOf(IOException.class)
                .hasMessageContaining("empty.img is empty");
    }

    @Test
    void wrongParametersAreNamedWithTheirLimits() {
        LoopConfig.Builder builder = LoopConfig.builder(image);
        assertThatThrownBy(() -> builder.depth(0).build()).isInstanceOf(IllegalArgumentException.class)
                .hasMessage("depth 0: 1 to 10240 are possible");
        assertThatThrownBy(() -> builder.depth(10241).build()).hasMessage("depth 10241: 1 to 10240 are possible");
        assertThatThrownBy(() -> builder.depth(1).hardwareQueues(0).build()).hasMessageContaining("hardwareQueues 0");
        assertThatThrownBy(() -> builder.hardwareQueues(1).offsetBytes(-1).build())
                .hasMessageContaining("offsetBytes -1");
        assertThatThrownBy(() -> builder.offsetBytes(0).sizeLimitBytes(-1).build())
                .hasMessageContaining("sizeLimitBytes -1");
        assertThatThrownBy(() -> builder.sizeLimitBytes(0).engine("spdk").build())
                .isInstanceOf(IllegalArgumentException.class).hasMessageContaining("spdk")
                .hasMessageContaining("channel");
    }

    @ParameterizedTest
    @MethodSource("ways")
    void closingWaitsForWhatIsInFlight(Way way) throws Exception {
        AtomicInteger ended = new AtomicInteger();
        LoopDevice device = LoopDevice.attach(way.config(image).build());
        Bio bio = new Bio().reset(Operation.READ, 0);
        try (IoBuffer buffer = IoBuffer.allocate(MIB)) {
            for (int i = 0; i < 32; i++) {
                Bio read = new Bio().reset(Operation.READ, i * 64L).add(buffer.memory(), i * 32768L, 32768)
                        .onEnd(told -> ended.addAndGet(told.status() == Status.OK ? 1 : 1000));
                device.disk().submit(read);
            }
            device.close();
            assertThat(ended).hasValue(32);
            bio.add(buffer.memory());
            assertThatThrownBy(() -> device.disk().submit(bio)).isInstanceOf(IllegalStateException.class)
                    .hasMessageContaining("loop0 is closed");
            assertThatThrownBy(() -> device.disk().read(0, buffer.memory())).isInstanceOf(IllegalStateException.class);
        }
        device.close();
        LoopDevice.attach(way.config(image).build()).close();
    }

    @Test
    void attachingAndDetachingLeavesNothingOpen() throws Exception {
        Path descriptors = Path.of("/proc/self/fd");
        assumeTrue(Files.isDirectory(descriptors), "skipped: no /proc/self/fd here");
        List<Way> all = ways().toList();
        cycle(all);
        long before = count(descriptors);
        cycle(all);
        // What somebody else of the process has open is closed again, in its own time.
        Eventually.until("no more are open", () -> count(descriptors) <= before);
    }

    private void cycle(List<Way> all) throws IOException {
        for (Way way : all) {
            try (LoopDevice device = LoopDevice.attach(way.config(image).build());
                    IoBuffer buffer = IoBuffer.allocate(4096)) {
                device.disk().read(0, buffer.memory());
                device.disk().flush();
            }
        }
    }

    private static long count(Path descriptors) {
        try (Stream<Path> open = Files.list(descriptors)) {
            return open.count();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
