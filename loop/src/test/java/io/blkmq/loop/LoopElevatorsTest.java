package io.blkmq.loop;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.blkmq.core.Bio;
import io.blkmq.core.Disk;
import io.blkmq.core.Operation;
import io.blkmq.core.Plug;
import io.blkmq.core.Status;
import io.blkmq.loop.LoopDeviceTest.Way;
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
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The cases of blktests that need a file, on each way to drive one and with every elevator. */
@Timeout(value = 300, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
@NoRescues
@BesideOthers
class LoopElevatorsTest {
    private static final int BYTES = 1 << 20;
    private static final List<String> ELEVATORS = List.of("none", "mq-deadline", "kyber");
    private static final int THREADS = 2;

    @TempDir
    private Path directory;
    private Path image;
    /** A limit on what hangs. */
    private static final long PATIENCE_SECONDS = 120;
    private final Random random = new Random(RandomSeed.of(LoopElevatorsTest.class));
    private byte[] model = {};

    @BeforeEach
    void makeImage() throws IOException {
        model = new byte[BYTES];
        random.nextBytes(model);
        image = Files.write(directory.resolve("disk.img"), model);
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("io.blkmq.loop.LoopDeviceTest#ways")
    @DisplayName("block/009 a reader sees zeroes after a discard, by the disk, by a channel, and in the file")
    void readsAfterADiscard(Way way) throws Exception {
        try (LoopDevice device = LoopDevice.attach(way.config(image).build());
                FileChannel channel = device.disk().openChannel()) {
            Disk disk = device.disk();
            assumeTrue(disk.limits().discardBytesMax() > 0, "skipped: this file system has no discard");
            for (int i = 0; i < ELEVATORS.size(); i++) {
                disk.queue().setElevator(ELEVATORS.get(i));
                int from = 65_536 * (i + 1);
                assertThat(readByChannel(channel, from - 100, 20_000))
                        .isEqualTo(Arrays.copyOfRange(model, from - 100, from + 19_900));
                disk.discard(from, 16_384);
                Arrays.fill(model, from, from + 16_384, (byte) 0);
                assertThat(readByChannel(channel, from - 100, 20_000))
                        .isEqualTo(Arrays.copyOfRange(model, from - 100, from + 19_900));
                channel.write(ByteBuffer.wrap(new byte[]{9, 9, 9}), from + 5_000);
                Arrays.fill(model, from + 5_000, from + 5_003, (byte) 9);
                assertThat(readByChannel(channel, from, 8_192))
                        .isEqualTo(Arrays.copyOfRange(model, from, from + 8_192));
            }
            disk.flush();
        }
        assertThat(Files.readAllBytes(image)).isEqualTo(model);
    }

    private static byte[] readByChannel(FileChannel channel, long position, int bytes) throws IOException {
        ByteBuffer read = ByteBuffer.allocate(bytes);
        assertThat(channel.read(read, position)).isEqualTo(bytes);
        return read.array();
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("io.blkmq.loop.LoopDeviceTest#ways")
    @DisplayName("block/042 block/045 block/046 odd memory in odd pieces carries the right bytes, and odd offsets are refused")
    void oddMemory(Way way) throws Exception {
        try (LoopDevice device = LoopDevice.attach(way.config(image).build()); Arena arena = Arena.ofShared()) {
            Disk disk = device.disk();
            int block = disk.limits().logicalBlockBytes();
            MemorySegment memory = arena.allocate(1 << 16, 4096);
            for (int i = 0; i < 60; i++) {
                disk.queue().setElevator(ELEVATORS.get(i % 3));
                int bytes = block * (1 + random.nextInt(8192 / block));
                int offset = block * random.nextInt((BYTES - bytes) / block);
                boolean write = random.nextBoolean();
                Bio bio = new Bio(8).reset(write ? Operation.WRITE : Operation.READ, offset / 512)
                        .flags(Bio.CALLER_MEMORY);
                List<MemorySegment> pieces = addPieces(bio, memory, bytes);
                if (write) {
                    byte[] data = new byte[bytes];
                    random.nextBytes(data);
                    System.arraycopy(data, 0, model, offset, bytes);
                    copy(pieces, offset, true);
                }
                carryOut(disk, bio);
                if (!write) {
                    byte[] expected = model.clone();
                    copy(pieces, offset, false);
                    assertThat(model).as("what was read").isEqualTo(expected);
                }
            }
            for (long[] odd : new long[][]{{1, block}, {0, block - 1}, {block / 2, block}, {0, block + 1}}) {
                assertThatThrownBy(() -> disk.read(odd[0], MemorySegment.ofArray(new byte[(int) odd[1]])))
                        .isInstanceOf(IllegalArgumentException.class).hasMessageContaining(Integer.toString(block));
            }
            disk.flush();
        }
        assertThat(Files.readAllBytes(image)).isEqualTo(model);
    }

    private List<MemorySegment> addPieces(Bio bio, MemorySegment memory, int bytes) {
        List<MemorySegment> pieces = new ArrayList<>();
        long at = random.nextInt(512);
        for (int left = bytes; left > 0;) {
            int piece = pieces.size() == 7 ? left : 1 + random.nextInt(left);
            bio.add(memory, at, piece);
            pieces.add(memory.asSlice(at, piece));
            left -= piece;
            at += piece + random.nextInt(64);
        }
        return pieces;
    }

    private void copy(List<MemorySegment> pieces, int offset, boolean toPieces) {
        int at = offset;
        for (MemorySegment piece : pieces) {
            MemorySegment part = MemorySegment.ofArray(model).asSlice(at, piece.byteSize());
            (toPieces ? piece : part).copyFrom(toPieces ? part : piece);
            at += (int) piece.byteSize();
        }
    }

    private static void carryOut(Disk disk, Bio bio) {
        AtomicInteger ended = new AtomicInteger();
        disk.submit(bio.onEnd(_ -> ended.incrementAndGet()));
        awaitAll(disk, ended, 1);
        assertThat(bio.status()).isEqualTo(Status.OK);
    }

    private static void awaitAll(Disk disk, AtomicInteger ended, int count) {
        long begin = System.nanoTime();
        while (ended.get() < count) {
            disk.poll();
            Thread.onSpinWait();
            assertThat(System.nanoTime() - begin).as("a bio hangs: " + disk.queue().dump())
                    .isLessThan(TimeUnit.SECONDS.toNanos(PATIENCE_SECONDS));
        }
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("io.blkmq.loop.LoopDeviceTest#ways")
    @DisplayName("block/005 block/020 block/021 elevators are switched and resized between threads that write, on hardware queues of their own")
    void switchedBetweenThreads(Way way) throws Exception {
        for (int depth : new int[]{1, 8}) {
            // A ring that is polled belongs to its thread: the same threads from the first elevator to the last.
            try (LoopDevice device = LoopDevice.attach(way.config(image).hardwareQueues(THREADS).depth(depth).build());
                    ExecutorService first = Executors.newSingleThreadExecutor();
                    ExecutorService second = Executors.newSingleThreadExecutor()) {
                for (String elevator : ELEVATORS) {
                    device.disk().queue().setElevator(elevator);
                    if (!elevator.equals("none")) {
                        device.disk().queue().setNrRequests(4 * depth);
                    }
                    List<Future<Boolean>> both = new ArrayList<>();
                    for (ExecutorService thread : List.of(first, second)) {
                        int number = both.size();
                        both.add(thread.submit(() -> writeInBatches(device.disk(), way, number, elevator.charAt(0))));
                    }
                    for (Future<Boolean> each : both) {
                        assertThat(each.get(PATIENCE_SECONDS, TimeUnit.SECONDS)).isTrue();
                    }
                }
                assertThat(device.disk().queue().strayCompletions()).isZero();
            }
            byte[] file = Files.readAllBytes(image);
            assertThat(file).containsOnly(ELEVATORS.getLast().charAt(0));
        }
    }

    /** Fills a thread's half of the disk with a byte, by plugs of neighbours and strangers. */
    private static boolean writeInBatches(Disk disk, Way way, int number, int content) {
        AtomicInteger ended = new AtomicInteger();
        AtomicInteger failed = new AtomicInteger();
        int blocks = BYTES / 4096 / THREADS;
        try (IoBuffer buffer = disk.allocate(4096); Plug plug = disk.plug(number)) {
            buffer.memory().fill((byte) content);
            for (int i = 0; i < blocks; i++) {
                // Two runs of neighbours, one up and one down.
                int block = number * blocks + (i % 2 == 0 ? i / 2 : blocks - 1 - i / 2);
                plug.submit(new Bio(1).reset(Operation.WRITE, block * 8L).add(buffer.memory()).onEnd(bio -> {
                    failed.addAndGet(bio.status() == Status.OK ? 0 : 1);
                    ended.incrementAndGet();
                }));
                if (i % 16 == 15) {
                    plug.flush();
                }
            }
            plug.flush();
            long begin = System.nanoTime();
            while (ended.get() < blocks) {
                disk.poll(number);
                Thread.onSpinWait();
                assertThat(System.nanoTime() - begin).as(way + ": a bio hangs: " + disk.queue().dump())
                        .isLessThan(TimeUnit.SECONDS.toNanos(PATIENCE_SECONDS));
            }
        }
        assertThat(failed).hasValue(0);
        return true;
    }
}
