package io.blkmq.loop;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import io.blkmq.core.Bio;
import io.blkmq.core.BlockIOException;
import io.blkmq.core.Disk;
import io.blkmq.core.Operation;
import io.blkmq.core.Status;
import io.blkmq.loop.transfer.Transfer;
import io.blkmq.loop.transfer.TransferFunction;
import io.blkmq.loop.transfer.TransferFunctions;
import io.blkmq.loop.transfer.TransferKey;
import io.blkmq.runtime.IoBuffer;
import io.blkmq.testing.BesideOthers;
import io.blkmq.testing.NoRescues;
import io.blkmq.testing.RandomSeed;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Devices whose file holds something else than what was written. */
@Timeout(value = 300, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
@NoRescues
@BesideOthers
class LoopTransferTest {
    private static final int MIB = 1 << 20;

    @TempDir
    private Path directory;
    private Path image;

    @BeforeEach
    void makeTheImage() throws IOException {
        image = Files.write(directory.resolve("disk.img"), new byte[4 * MIB]);
    }

    /** Every way to drive a device that keeps data, with each function. */
    static Stream<Arguments> ways() {
        return LoopDeviceTest.ways().filter(LoopDeviceTest.Way::keepsData)
                .flatMap(way -> Stream.of(Arguments.of(way, TransferFunctions.XOR, 32),
                        Arguments.of(way, TransferFunctions.AES_XTS_JAVA, 32),
                        Arguments.of(way, TransferFunctions.AES_XTS, 64)));
    }

    private static byte[] bytes(int count, long seed) {
        byte[] bytes = new byte[count];
        new Random(seed).nextBytes(bytes);
        return bytes;
    }

    private static byte[] key(int length) {
        return bytes(length, 99);
    }

    private LoopConfig.Builder config(TransferFunction function, int keyBytes) {
        return LoopConfig.builder(image).transfer(function, TransferKey.copyOf(key(keyBytes)));
    }

    /** What the file holds, as the user wrote it. */
    private byte[] plain(TransferFunction function, int keyBytes) throws IOException {
        byte[] file = Files.readAllBytes(image);
        try (Transfer transfer = function.open(key(keyBytes))) {
            transfer.fromFile(0, MemorySegment.ofArray(file), 0, MemorySegment.ofArray(file), 0, file.length);
        }
        return file;
    }

    /** A device's whole content as zeroes, since a file of zeroes is not that any more. */
    private static void clear(Disk disk) throws BlockIOException {
        disk.writeZeroes(0, disk.sizeBytes(), false);
    }

    @ParameterizedTest
    @MethodSource("ways")
    void theFileHoldsWhatTheFunctionMakesOfRandomWrites(LoopDeviceTest.Way way, TransferFunction function, int keyBytes)
            throws IOException {
        long seed = RandomSeed.next(LoopTransferTest.class);
        Random random = new Random(seed);
        byte[] expected = new byte[4 * MIB];
        LoopConfig config = way.config(image).transfer(function, TransferKey.copyOf(key(keyBytes))).build();
        try (LoopDevice device = LoopDevice.attach(config);
                Arena arena = Arena.ofShared();
                IoBuffer buffer = IoBuffer.allocate(2 * MIB)) {
            Disk disk = device.disk();
            int block = disk.limits().logicalBlockBytes();
            clear(disk);
            for (int i = 0; i < 40; i++) {
                int blocks = 1 + random.nextInt(random.nextInt(10) == 0 ? 2 * MIB / block : 40);
                int at = random.nextInt((expected.length - blocks * block) / block + 1) * block;
                int length = blocks * block;
                // Pooled, shared and misaligned memory.
                MemorySegment memory = switch (random.nextInt(3)) {
                    case 0 -> buffer.memory().asSlice(0, length);
                    case 1 -> arena.allocate(length, 4096);
                    default -> arena.allocate(length + 3L).asSlice(3, length);
                };
                if (random.nextInt(3) == 0) {
                    disk.read(at, memory);
                    assertThat(memory.mismatch(MemorySegment.ofArray(expected).asSlice(at, length)))
                            .as("read %d, replay with: %s", i, RandomSeed.replay(LoopTransferTest.class, seed))
                            .isEqualTo(-1);
                } else {
                    byte[] data = bytes(length, random.nextLong());
                    memory.copyFrom(MemorySegment.ofArray(data));
                    disk.write(at, memory);
                    assertThat(memory.mismatch(MemorySegment.ofArray(data))).as("the user's memory").isEqualTo(-1);
                    System.arraycopy(data, 0, expected, at, length);
                }
            }
            disk.flush();
            assertThat(device.transferBounces()).isPositive();
        }
        assertThat(Arrays.mismatch(plain(function, keyBytes), expected))
                .as("replay with: %s", RandomSeed.replay(LoopTransferTest.class, seed)).isEqualTo(-1);
    }

    @ParameterizedTest
    @MethodSource("ways")
    void aRequestOfManySegmentsIsTransformedBySectors(LoopDeviceTest.Way way, TransferFunction function, int keyBytes)
            throws Exception {
        byte[] data = bytes(64 * 1024, 3);
        LoopConfig config = way.config(image).transfer(function, TransferKey.copyOf(key(keyBytes))).build();
        try (LoopDevice device = LoopDevice.attach(config); IoBuffer buffer = IoBuffer.allocate(MIB)) {
            Disk disk = device.disk();
            for (Operation operation : new Operation[]{Operation.WRITE, Operation.READ}) {
                // Segments of 512 to 4096 bytes, far from each other.
                Bio bio = new Bio(64).reset(operation, 8);
                int at = 0;
                for (int i = 0; at < data.length; i++) {
                    int length = Math.min(512 << i % 4, data.length - at);
                    long place = i * 8192L;
                    if (operation == Operation.WRITE) {
                        MemorySegment.copy(MemorySegment.ofArray(data), at, buffer.memory(), place, length);
                    }
                    bio.add(buffer.memory(), place, length);
                    at += length;
                }
                CompletableFuture<Status> ended = new CompletableFuture<>();
                disk.submit(bio.onEnd(done -> ended.complete(done.status())));
                while (!ended.isDone()) {
                    disk.poll();
                    Thread.onSpinWait();
                }
                assertThat(ended.get()).isEqualTo(Status.OK);
                at = 0;
                for (int i = 0; at < data.length; i++) {
                    int length = Math.min(512 << i % 4, data.length - at);
                    assertThat(buffer.memory().asSlice(i * 8192L, length)
                            .mismatch(MemorySegment.ofArray(data).asSlice(at, length))).as("%s %d", operation, i)
                            .isEqualTo(-1);
                    at += length;
                }
                if (operation == Operation.WRITE) {
                    buffer.memory().fill((byte) 0);
                }
            }
            disk.flush();
        }
        assertThat(Arrays.mismatch(Arrays.copyOfRange(plain(function, keyBytes), 4096, 4096 + data.length), data))
                .isEqualTo(-1);
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void discardIsRefusedAndZeroesAreWritten(boolean direct) throws IOException {
        try (LoopDevice device = LoopDevice.attach(config(TransferFunctions.AES_XTS, 64).direct(direct).build())) {
            Disk disk = device.disk();
            assertThat(disk.limits().discardBytesMax()).isZero();
            assertThatExceptionOfType(BlockIOException.class).isThrownBy(() -> disk.discard(0, 4096))
                    .satisfies(e -> assertThat(e.status()).isEqualTo(Status.NOTSUPP))
                    .satisfies(e -> assertThat(e.status().errno()).as("EOPNOTSUPP").isEqualTo(95));
            byte[] data = bytes(8192, 1);
            disk.write(0, MemorySegment.ofArray(data));
            for (boolean keep : new boolean[]{true, false}) {
                disk.writeZeroes(keep ? 0 : 4096, 4096, keep);
            }
            disk.read(0, MemorySegment.ofArray(data));
            assertThat(data).containsOnly(0);
        }
        assertThat(Arrays.copyOf(plain(TransferFunctions.AES_XTS, 64), 8192)).containsOnly(0);
        assertThat(Arrays.copyOf(Files.readAllBytes(image), 512)).as("zeroes do not stand as such in the file")
                .isNotEqualTo(new byte[512]);
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void whatIsInFlightNeverShowsInTheUsersMemory(boolean direct) throws Exception {
        byte[] data = bytes(256 * 1024, 8);
        try (LoopDevice device = LoopDevice.attach(config(TransferFunctions.XOR, 32).direct(direct).build());
                IoBuffer buffer = IoBuffer.allocate(data.length)) {
            buffer.memory().copyFrom(MemorySegment.ofArray(data));
            long different = 0;
            for (int i = 0; i < 50; i++) {
                CompletableFuture<Void> written = device.disk().async().write(0, buffer.memory());
                do {
                    different += buffer.memory().mismatch(MemorySegment.ofArray(data)) == -1 ? 0 : 1;
                } while (!written.isDone());
                written.get();
            }
            assertThat(different).isZero();
            assertThat(device.transferBounces()).isEqualTo(50);
        }
    }

    @Test
    void moreLargeWritesThanThereIsMemoryForAreAllDone() throws Exception {
        byte[] data = bytes(MIB, 4);
        try (LoopDevice device = LoopDevice.attach(config(TransferFunctions.AES_XTS, 32).build());
                IoBuffer buffer = IoBuffer.allocate(data.length)) {
            buffer.memory().copyFrom(MemorySegment.ofArray(data));
            List<CompletableFuture<Void>> writes = new ArrayList<>();
            for (int i = 0; i < 60; i++) {
                writes.add(device.disk().async().write((long) i % 4 * MIB, buffer.memory()));
            }
            for (CompletableFuture<Void> write : writes) {
                write.get();
            }
            assertThat(device.transferBounces()).isGreaterThanOrEqualTo(60);
        }
        byte[] plain = plain(TransferFunctions.AES_XTS, 32);
        for (int i = 0; i < 4; i++) {
            assertThat(Arrays.copyOfRange(plain, i * MIB, (i + 1) * MIB)).isEqualTo(data);
        }
    }

    @Test
    void memoryForLargeWritesIsBounded() {
        LoopTransfer transfer = java.util.Objects
                .requireNonNull(LoopTransfer.of(config(TransferFunctions.XOR, 8).build()));
        assertThat(transfer.reserve(LoopTransfer.BYTES_MAX - 1)).isTrue();
        assertThat(transfer.reserve(2)).isFalse();
        assertThat(transfer.reserve(1)).isTrue();
        transfer.release(1);
        transfer.release(LoopTransfer.BYTES_MAX - 1);
        assertThat(transfer.reserve(LoopTransfer.BYTES_MAX + 1)).as("a single one").isTrue();
        assertThat(transfer.reserve(1)).isFalse();
    }

    @Test
    void sectorsAreCountedFromTheBeginningOfTheDeviceAlsoInAPartition() throws IOException {
        int offset = 8192;
        byte[] data = bytes(4096, 6);
        try (LoopDevice device = LoopDevice.attach(config(TransferFunctions.AES_XTS, 64).offsetBytes(offset).build());
                Disk part = device.disk().partition("part", 64 * 512, MIB)) {
            part.write(4096, MemorySegment.ofArray(data));
            part.flush();
        }
        byte[] expected = new byte[data.length];
        try (Transfer transfer = TransferFunctions.AES_XTS.open(key(64))) {
            transfer.toFile(64 + 8, MemorySegment.ofArray(data), 0, MemorySegment.ofArray(expected), 0, data.length);
        }
        int at = offset + 64 * 512 + 4096;
        assertThat(Arrays.copyOfRange(Files.readAllBytes(image), at, at + data.length)).isEqualTo(expected);
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void aSectorThatIsCutShortReadsAsZeroesAndAsAnError(boolean direct) throws IOException {
        byte[] data = bytes(8192, 7);
        try (LoopDevice device = LoopDevice.attach(config(TransferFunctions.AES_XTS, 32).direct(direct).build())) {
            Disk disk = device.disk();
            disk.write(0, MemorySegment.ofArray(data));
            disk.flush();
            try (FileChannel file = FileChannel.open(image, StandardOpenOption.WRITE)) {
                file.truncate(4096 + 100);
            }
            try (IoBuffer buffer = IoBuffer.allocate(8192)) {
                buffer.memory().fill((byte) 1);
                assertThatExceptionOfType(BlockIOException.class).isThrownBy(() -> disk.read(0, buffer.memory()))
                        .satisfies(e -> assertThat(e.status()).isEqualTo(Status.IOERR));
                assertThat(buffer.memory().asSlice(0, 4096).mismatch(MemorySegment.ofArray(data).asSlice(0, 4096)))
                        .as("what is whole").isEqualTo(-1);
                assertThat(buffer.memory().asSlice(4096).mismatch(MemorySegment.ofArray(new byte[4096])))
                        .as("what is not").isEqualTo(-1);
            }
        }
    }

    @Test
    void aDeviceOnADeviceTransformsToo() throws Exception {
        byte[] data = bytes(100_352, 5);
        try (LoopDevice below = LoopDevice.attach(LoopConfig.builder(image).name("below").build());
                LoopDevice above = LoopDevice.attach(LoopConfig.builder(below.disk()).name("above")
                        .transfer(TransferFunctions.AES_XTS, TransferKey.copyOf(key(32))).build());
                IoBuffer buffer = IoBuffer.allocate(data.length)) {
            buffer.memory().copyFrom(MemorySegment.ofArray(data));
            above.disk().write(4096, buffer.memory());
            assertThat(buffer.memory().mismatch(MemorySegment.ofArray(data))).isEqualTo(-1);
            assertThat(above.transferBounces()).isPositive();
            buffer.memory().fill((byte) 0);
            above.disk().read(4096, buffer.memory());
            assertThat(buffer.memory().mismatch(MemorySegment.ofArray(data))).isEqualTo(-1);
            assertThat(above.disk().limits().discardBytesMax()).isZero();
            above.disk().flush();
        }
        assertThat(Arrays.copyOfRange(plain(TransferFunctions.AES_XTS, 32), 4096, 4096 + data.length)).isEqualTo(data);
    }

    @Test
    void theFunctionGoesWithTheFileAndNotWithTheDevice() throws Exception {
        byte[] data = bytes(4096, 11);
        Path other = Files.write(directory.resolve("other.img"), new byte[MIB]);
        try (LoopControl control = LoopControl.open()) {
            LoopDevice device = control.add(0);
            TransferKey key = TransferKey.copyOf(key(64));
            device.configure(LoopConfig.builder(image).transfer(TransferFunctions.AES_XTS, key).build());
            device.disk().write(0, MemorySegment.ofArray(data));
            device.setDirect(false);
            device.disk().write(4096, MemorySegment.ofArray(data));
            assertThat(device.disk().limits().discardBytesMax()).isZero();
            device.detach();
            assertThat(key.isDestroyed()).isTrue();
            device.configure(LoopConfig.builder(other).build());
            assertThat(device.disk().limits().discardBytesMax()).isPositive();
            device.disk().write(0, MemorySegment.ofArray(data));
            device.disk().flush();
            device.detach();
        }
        assertThat(Arrays.copyOf(plain(TransferFunctions.AES_XTS, 64), 8192))
                .isEqualTo(java.nio.ByteBuffer.allocate(8192).put(data).put(data).array());
        assertThat(Arrays.copyOf(Files.readAllBytes(other), 4096)).as("without a function").isEqualTo(data);
    }

    @Test
    void theFunctionHoldsWhileTheWayOfIoIsSwitchedUnderLoad() throws Exception {
        byte[] data = bytes(64 * 1024, 12);
        try (LoopDevice device = LoopDevice.attach(config(TransferFunctions.AES_XTS, 32).build());
                IoBuffer buffer = IoBuffer.allocate(data.length)) {
            buffer.memory().copyFrom(MemorySegment.ofArray(data));
            for (int i = 0; i < 40; i++) {
                List<CompletableFuture<Void>> writes = new ArrayList<>();
                for (int at = 0; at < 16; at++) {
                    writes.add(device.disk().async().write((long) at * data.length, buffer.memory()));
                }
                device.setDirect(i % 2 == 1);
                for (CompletableFuture<Void> write : writes) {
                    write.get();
                }
            }
            device.disk().flush();
        }
        byte[] plain = plain(TransferFunctions.AES_XTS, 32);
        for (int at = 0; at < 16; at++) {
            assertThat(Arrays.copyOfRange(plain, at * data.length, (at + 1) * data.length)).isEqualTo(data);
        }
    }

    // ---- keys

    @Test
    void aKeyOfWrongLengthIsRefusedBeforeAnythingIsOpened() {
        assertThatIllegalArgumentException().isThrownBy(() -> config(TransferFunctions.AES_XTS, 48).build())
                .withMessageContaining("not of 48");
        assertThatIllegalArgumentException().isThrownBy(() -> config(TransferFunctions.NONE, 1).build());
        assertThatIllegalArgumentException().isThrownBy(
                () -> LoopConfig.builder(image).transfer(TransferFunctions.XOR, TransferKey.none()).build());
    }

    @Test
    void detachingWipesTheKeyAndAFailedAttachmentDoesNot() throws IOException {
        TransferKey key = TransferKey.copyOf(key(64));
        Path missing = directory.resolve("missing.img");
        LoopConfig config = LoopConfig.builder(missing).transfer(TransferFunctions.AES_XTS, key).build();
        assertThatExceptionOfType(NoSuchFileException.class).isThrownBy(() -> LoopDevice.attach(config));
        assertThat(key.isDestroyed()).isFalse();
        Files.write(missing, new byte[MIB]);
        LoopDevice device = LoopDevice.attach(config);
        assertThat(key.isDestroyed()).isFalse();
        device.close();
        assertThat(key.isDestroyed()).isTrue();
        assertThatIllegalStateException().isThrownBy(() -> LoopDevice.attach(config))
                .withMessageContaining("has been wiped");
    }

    @Test
    void nothingPrintsTheKey() throws IOException {
        byte[] secret = "correct horse battery staple 123".getBytes(java.nio.charset.StandardCharsets.US_ASCII);
        TransferKey key = TransferKey.copyOf(secret);
        LoopConfig config = LoopConfig.builder(image).transfer(TransferFunctions.AES_XTS, key).build();
        try (LoopDevice device = LoopDevice.attach(config)) {
            String printed = device + " " + key + " " + config.transfer() + " " + device.medium().transfer() + " "
                    + device.disk() + " " + device.disk().queue().dump();
            assertThat(printed).contains("aes-xts").doesNotContain("horse")
                    .doesNotContain(HexFormat.of().formatHex(secret, 0, 4)).doesNotContain(Arrays.toString(secret));
        }
    }

    @Test
    void noLogHasTheKeyWhateverFails() throws Exception {
        List<String> lines = LoggedLife.run("secrets", image.toString());
        String all = String.join("\n", lines);
        assertThat(all).as("what is logged").contains("so it is buffered").contains("failed")
                .contains("the transfer function fails, on purpose")
                .contains("no partitions, since they cannot be read");
        for (String secret : LoggedLife.secrets()) {
            assertThat(all).doesNotContainIgnoringCase(secret);
        }
    }

    @Test
    void noObjectKnowsTheKeyOnceTheDeviceIsDetached() throws Exception {
        assertThat(ForgottenKey.run(image, RandomSeed.next(LoopTransferTest.class))).as("the search finds it before")
                .containsExactly("attached, first half: true", "detached, first half: false",
                        "detached, second half: false", "closed: true");
    }

    @Test
    void withoutAFunctionNothingIsTransformed() throws IOException {
        byte[] data = bytes(4096, 2);
        try (LoopDevice device = LoopDevice.attach(LoopConfig.builder(image).build())) {
            device.disk().write(0, ByteBuffer.wrap(data));
            device.disk().discard(8192, 8192);
            assertThat(device.transferBounces()).isZero();
            device.disk().flush();
        }
        assertThat(Arrays.copyOf(Files.readAllBytes(image), data.length)).isEqualTo(data);
    }
}
