package io.blkmq.core;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIOException;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.blkmq.core.mq.RecordingDriver;
import io.blkmq.core.nullblk.NullBlk;
import io.blkmq.core.nullblk.NullBlk.Completion;
import io.blkmq.testing.Eventually;
import io.blkmq.testing.NoRescues;
import io.blkmq.testing.RandomSeed;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.AsynchronousCloseException;
import java.nio.channels.Channels;
import java.nio.channels.ClosedByInterruptException;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.InterruptibleChannel;
import java.nio.channels.NonWritableChannelException;
import java.nio.channels.OverlappingFileLockException;
import java.nio.channels.Pipe;
import java.nio.channels.ReadableByteChannel;
import java.nio.channels.WritableByteChannel;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The disk as a file of fixed size. */
@Timeout(value = 300, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
@NoRescues
class DiskChannelTest {
    private static final int CAPACITY_BYTES = 4 << 20;

    private static Disk memory(Completion completion, int blockBytes) throws IOException {
        return NullBlk.builder().name("mem0").completion(completion).memoryBacked(true).blockBytes(blockBytes)
                .capacityBytes(CAPACITY_BYTES).depth(4).build();
    }

    private static Disk memory() throws IOException {
        return memory(Completion.REAPER, 4096);
    }

    private static byte[] bytes(int count, long seed) {
        byte[] bytes = new byte[count];
        new Random(seed).nextBytes(bytes);
        return bytes;
    }

    private static byte[] content(FileChannel channel, long from, int count) throws IOException {
        ByteBuffer buffer = ByteBuffer.allocate(count);
        assertThat(channel.read(buffer, from)).isEqualTo(count);
        return buffer.array();
    }

    // ---- reading and writing

    @ParameterizedTest
    @EnumSource
    void anyOffsetAndLengthMatchesAnArray(Completion completion) throws IOException {
        long seed = RandomSeed.of(DiskChannelTest.class);
        Random random = new Random(seed);
        try (Disk disk = memory(completion, 512 << random.nextInt(5));
                FileChannel channel = disk.openChannel();
                Arena arena = Arena.ofConfined()) {
            byte[] model = new byte[CAPACITY_BYTES];
            for (int step = 0; step < 200; step++) {
                int from = random.nextInt(CAPACITY_BYTES);
                int length = 1 + random.nextInt(random.nextInt(10) == 0 ? 3 << 20 : 9000);
                int moved = Math.min(length, CAPACITY_BYTES - from);
                ByteBuffer buffer = switch (random.nextInt(3)) {
                    case 0 -> ByteBuffer.allocate(length + 3).position(3);
                    case 1 -> ByteBuffer.allocateDirect(length);
                    default -> arena.allocate(length).asByteBuffer();
                };
                String where = "seed " + seed + ", step " + step;
                if (random.nextBoolean()) {
                    byte[] pattern = bytes(length, random.nextLong());
                    buffer.put(pattern).flip().position(buffer.limit() - length);
                    ByteBuffer source = random.nextBoolean() ? buffer.asReadOnlyBuffer() : buffer;
                    assertThat(channel.write(source, from)).as(where).isEqualTo(moved);
                    assertThat(source.remaining()).isEqualTo(length - moved);
                    System.arraycopy(pattern, 0, model, from, moved);
                } else {
                    assertThat(channel.read(buffer, from)).as(where).isEqualTo(moved);
                    byte[] found = new byte[moved];
                    buffer.flip().position(buffer.limit() - moved).get(found);
                    assertThat(found).as(where).isEqualTo(Arrays.copyOfRange(model, from, from + moved));
                }
            }
            assertThat(content(channel, 0, CAPACITY_BYTES)).isEqualTo(model);
            HeldTags.awaitNone(disk);
        }
    }

    @Test
    void wholeBlocksGoThroughAndPartsOfBlocksAreReadFirst() throws IOException {
        RecordingDriver driver = new RecordingDriver().completesAtOnce()
                .limits(limits -> limits.logicalBlockBytes(4096).segmentBytesMax(65536));
        try (Disk disk = driver.disk(); FileChannel channel = disk.openChannel()) {
            channel.write(ByteBuffer.allocate(8192), 4096);
            assertThat(driver.log()).containsExactly("WRITE 8");
            channel.write(ByteBuffer.allocate(10), 5000);
            assertThat(driver.log()).containsExactly("READ 8", "WRITE 8");
            channel.write(ByteBuffer.allocate(8192), 100);
            assertThat(driver.log()).containsExactly("READ 0", "READ 16", "WRITE 0");
            channel.write(ByteBuffer.allocate(4097), 4096);
            assertThat(driver.log()).containsExactly("READ 16", "WRITE 8");
            channel.write(ByteBuffer.allocate(4097), 4095);
            assertThat(driver.log()).containsExactly("READ 0", "WRITE 0");
            channel.read(ByteBuffer.allocate(1), 8191);
            assertThat(driver.log()).containsExactly("READ 8");
        }
        assertThat(driver.violations()).isEmpty();
    }

    @Test
    void concurrentWritesToOneBlockLoseNoBytes() throws IOException {
        try (Disk disk = memory(Completion.REAPER, 4096);
                FileChannel one = disk.openChannel();
                FileChannel other = disk.openChannel()) {
            Eventually.together(4, true, number -> {
                FileChannel channel = number % 2 == 0 ? one : other;
                for (int i = 0; i < 256; i++) {
                    channel.write(ByteBuffer.wrap(new byte[]{(byte) (number + 1)}), i * 4L + number);
                }
            });
            byte[] found = content(one, 0, 1024);
            for (int i = 0; i < 1024; i++) {
                assertThat(found[i]).as("byte %d", i).isEqualTo((byte) (i % 4 + 1));
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    void relativeReadsAndWritesMoveThePosition(Completion completion) throws IOException {
        try (Disk disk = memory(completion, 512); FileChannel channel = disk.openChannel()) {
            byte[] pattern = bytes(3000, 1);
            assertThat(channel.position()).isZero();
            assertThat(channel.write(ByteBuffer.wrap(pattern))).isEqualTo(3000);
            assertThat(channel.position()).isEqualTo(3000);
            assertThat(channel.position(1000)).isSameAs(channel);
            ByteBuffer buffer = ByteBuffer.allocate(500);
            assertThat(channel.read(buffer)).isEqualTo(500);
            assertThat(channel.position()).isEqualTo(1500);
            assertThat(buffer.array()).isEqualTo(Arrays.copyOfRange(pattern, 1000, 1500));
        }
    }

    @Test
    void threadsThatWriteAtThePositionNeverOverwriteEachOther() throws IOException {
        try (Disk disk = memory(); FileChannel channel = disk.openChannel()) {
            Eventually.together(4, false, number -> {
                for (int i = 0; i < 100; i++) {
                    channel.write(ByteBuffer.wrap(new byte[]{(byte) number, (byte) number, (byte) number}));
                }
            });
            assertThat(channel.position()).isEqualTo(1200);
            byte[] found = content(channel, 0, 1200);
            int[] count = new int[4];
            for (int i = 0; i < 1200; i += 3) {
                assertThat(found[i]).isEqualTo(found[i + 1]).isEqualTo(found[i + 2]);
                count[found[i]]++;
            }
            assertThat(count).containsOnly(100);
        }
    }

    @Test
    void scatteringAndGatheringUseOneBufferAfterTheOther() throws IOException {
        try (Disk disk = memory(); FileChannel channel = disk.openChannel()) {
            byte[] pattern = bytes(1000, 2);
            ByteBuffer[] sources = {ByteBuffer.allocate(7), ByteBuffer.wrap(pattern, 0, 100),
                    ByteBuffer.wrap(pattern, 100, 0), ByteBuffer.wrap(pattern, 100, 900), ByteBuffer.allocate(9)};
            assertThat(channel.write(sources, 1, 3)).isEqualTo(1000);
            assertThat(sources).extracting(ByteBuffer::remaining).containsExactly(7, 0, 0, 0, 9);
            channel.position(0);
            ByteBuffer[] targets = {ByteBuffer.allocate(600), ByteBuffer.allocate(400)};
            assertThat(channel.read(targets)).isEqualTo(1000);
            assertThat(targets[0].array()).isEqualTo(Arrays.copyOfRange(pattern, 0, 600));
            assertThat(targets[1].array()).isEqualTo(Arrays.copyOfRange(pattern, 600, 1000));
            assertThatExceptionOfType(IndexOutOfBoundsException.class).isThrownBy(() -> channel.read(targets, 1, 2));
            assertThatExceptionOfType(IndexOutOfBoundsException.class).isThrownBy(() -> channel.write(sources, -1, 2));
        }
    }

    // ---- the end

    @Test
    void aReadAtTheEndFindsTheEndAndOneAcrossItIsShortened() throws IOException {
        try (Disk disk = memory(); FileChannel channel = disk.openChannel()) {
            assertThat(channel.size()).isEqualTo(CAPACITY_BYTES);
            assertThat(channel.read(ByteBuffer.allocate(1), CAPACITY_BYTES)).isEqualTo(-1);
            assertThat(channel.read(ByteBuffer.allocate(1), Long.MAX_VALUE - 1)).isEqualTo(-1);
            assertThat(channel.read(ByteBuffer.allocate(0), CAPACITY_BYTES)).isZero();
            assertThat(channel.read(ByteBuffer.allocate(100), CAPACITY_BYTES - 7)).isEqualTo(7);
            channel.position(CAPACITY_BYTES + 5L);
            assertThat(channel.position()).isEqualTo(CAPACITY_BYTES + 5L);
            assertThat(channel.read(ByteBuffer.allocate(1))).isEqualTo(-1);
            assertThat(channel.position()).isEqualTo(CAPACITY_BYTES + 5L);
        }
    }

    @Test
    void aWriteAtTheEndFindsNoSpaceAndOneAcrossItIsShortened() throws IOException {
        try (Disk disk = memory(); FileChannel channel = disk.openChannel()) {
            for (long at : new long[]{CAPACITY_BYTES, CAPACITY_BYTES + 1L, Long.MAX_VALUE - 1}) {
                assertThatIOException().isThrownBy(() -> channel.write(ByteBuffer.allocate(1), at))
                        .withMessageContaining("No space left on device").withMessageContaining("mem0");
            }
            assertThat(channel.write(ByteBuffer.allocate(0), CAPACITY_BYTES)).isZero();
            ByteBuffer across = ByteBuffer.allocate(100);
            assertThat(channel.write(across, CAPACITY_BYTES - 7)).isEqualTo(7);
            assertThat(across.position()).isEqualTo(7);
            channel.position(CAPACITY_BYTES);
            assertThatIOException().isThrownBy(() -> channel.write(ByteBuffer.allocate(1)))
                    .withMessageContaining("No space left on device");
        }
    }

    @Test
    void aRestThatIsSmallerThanABlockIsNotThere() throws IOException {
        RecordingDriver driver = new RecordingDriver().completesAtOnce()
                .limits(limits -> limits.logicalBlockBytes(4096).segmentBytesMax(65536));
        try (Disk disk = driver.disk(); FileChannel channel = disk.openChannel()) {
            disk.queue().setCapacitySectors(9);
            assertThat(channel.size()).isEqualTo(4096);
            assertThat(channel.read(ByteBuffer.allocate(8192), 0)).isEqualTo(4096);
        }
    }

    @Test
    void truncatingIsRefusedUnlessItChangesNothing() throws IOException {
        try (Disk disk = memory(); FileChannel channel = disk.openChannel()) {
            assertThatIOException().isThrownBy(() -> channel.truncate(CAPACITY_BYTES - 1))
                    .withMessageContaining("Invalid argument").withMessageContaining("a disk has a fixed size");
            channel.position(CAPACITY_BYTES + 100L);
            assertThat(channel.truncate(CAPACITY_BYTES + 10L)).isSameAs(channel);
            assertThat(channel.position()).isEqualTo(CAPACITY_BYTES + 10L);
            channel.position(5).truncate(Long.MAX_VALUE);
            assertThat(channel.position()).isEqualTo(5);
        }
    }

    // ---- the other methods of a file

    @Test
    void forceIsAFlush() throws IOException {
        RecordingDriver driver = new RecordingDriver().completesAtOnce()
                .limits(limits -> limits.writeCache(true, false));
        try (Disk disk = driver.disk(); FileChannel channel = disk.openChannel()) {
            channel.force(true);
            channel.force(false);
            assertThat(driver.log()).containsExactly("FLUSH", "FLUSH");
            driver.answer(Status.IOERR);
            assertThatExceptionOfType(BlockIOException.class).isThrownBy(() -> channel.force(true));
        }
    }

    @Test
    void bytesAreTransferredToAndFromOtherChannels() throws IOException {
        try (Disk disk = memory(); FileChannel channel = disk.openChannel()) {
            byte[] pattern = bytes(3_000_000, 3);
            assertThat(channel.transferFrom(Channels.newChannel(new ByteArrayInputStream(pattern)), 11, 5_000_000))
                    .isEqualTo(3_000_000);
            ByteArrayOutputStream sink = new ByteArrayOutputStream();
            assertThat(channel.transferTo(11, 3_000_000, Channels.newChannel(sink))).isEqualTo(3_000_000);
            assertThat(sink.toByteArray()).isEqualTo(pattern);
            assertThat(channel.position()).isZero();
            assertThat(channel.transferTo(CAPACITY_BYTES - 3, 10, Channels.newChannel(sink))).isEqualTo(3);
            assertThat(channel.transferTo(CAPACITY_BYTES + 3L, 10, Channels.newChannel(sink))).isZero();
            assertThat(channel.transferTo(0, 0, Channels.newChannel(sink))).isZero();
        }
    }

    @Test
    void aTransferTakesNoMoreFromItsSourceThanThereIsRoomFor() throws IOException {
        try (Disk disk = memory(); FileChannel channel = disk.openChannel()) {
            ByteArrayInputStream source = new ByteArrayInputStream(new byte[100]);
            assertThat(channel.transferFrom(Channels.newChannel(source), CAPACITY_BYTES - 30, 100)).isEqualTo(30);
            assertThat(source.available()).isEqualTo(70);
            assertThatIOException()
                    .isThrownBy(() -> channel.transferFrom(Channels.newChannel(source), CAPACITY_BYTES, 1))
                    .withMessageContaining("No space left on device");
            assertThatIOException()
                    .isThrownBy(() -> channel.transferFrom(Channels.newChannel(source), CAPACITY_BYTES + 1L, 1))
                    .withMessageContaining("No space left on device");
            // Only a byte that it gives tells a source that goes on from one that has ended.
            assertThat(source.available()).isEqualTo(68);
        }
    }

    /** A channel on the other side that waits until it is closed. */
    private static final class Waiting implements ReadableByteChannel, WritableByteChannel, InterruptibleChannel {
        private final CountDownLatch closed = new CountDownLatch(1);
        private final int callsBefore;
        private final AtomicInteger calls = new AtomicInteger();

        Waiting(int callsBefore) {
            this.callsBefore = callsBefore;
        }

        private int move(ByteBuffer buffer) throws IOException {
            if (calls.getAndIncrement() < callsBefore) {
                int bytes = buffer.remaining();
                buffer.position(buffer.limit());
                return bytes;
            }
            try {
                closed.await();
            } catch (InterruptedException e) {
                throw new IOException(e);
            }
            throw new AsynchronousCloseException();
        }

        @Override
        public int read(ByteBuffer dst) throws IOException {
            return move(dst);
        }

        @Override
        public int write(ByteBuffer src) throws IOException {
            return move(src);
        }

        @Override
        public boolean isOpen() {
            return closed.getCount() > 0;
        }

        @Override
        public void close() {
            closed.countDown();
        }
    }

    @ParameterizedTest
    @CsvSource({"true, 0", "true, 1", "false, 0", "false, 1"})
    void aTransferThatWaitsInTheOtherChannelEndsWhenThisOneIsClosed(boolean to, int callsBefore) throws IOException {
        try (Disk disk = memory()) {
            FileChannel channel = disk.openChannel();
            Waiting other = new Waiting(callsBefore);
            Eventually.Worker<Long> transfer = Eventually.call(() -> to
                    ? channel.transferTo(0, CAPACITY_BYTES, other)
                    : channel.transferFrom(other, 0, CAPACITY_BYTES));
            Eventually.until("it waits in the other", () -> other.calls.get() > callsBefore);
            channel.close();
            if (callsBefore == 0) {
                assertThat(transfer.failure()).isExactlyInstanceOf(AsynchronousCloseException.class);
            } else {
                assertThat(transfer.join()).isPositive();
            }
            assertThat(other.isOpen()).isFalse();
        }
    }

    @Test
    void aTargetThatTakesLittleLetsLittleBeRead() throws IOException {
        try (Disk disk = memory(); FileChannel channel = disk.openChannel()) {
            List<Integer> offered = new ArrayList<>();
            WritableByteChannel slow = new Taking(offered, 1000);
            long before = disk.statistics().sectors(IoGroup.READ);
            assertThat(channel.transferTo(0, CAPACITY_BYTES, slow)).isEqualTo(1000);
            assertThat(offered).containsExactly(64 << 10);
            assertThat(disk.statistics().sectors(IoGroup.READ) - before).isEqualTo((64 << 10) / 512);
        }
    }

    @Test
    void aTargetThatTakesAllIsOfferedMoreAndMore() throws IOException {
        try (Disk disk = memory(); FileChannel channel = disk.openChannel()) {
            List<Integer> offered = new ArrayList<>();
            assertThat(channel.transferTo(0, CAPACITY_BYTES, new Taking(offered, CAPACITY_BYTES)))
                    .isEqualTo(CAPACITY_BYTES);
            int kib = 1 << 10;
            assertThat(offered).containsExactly(64 * kib, 256 * kib, 704 * kib, 1024 * kib, 1024 * kib, 1024 * kib);
        }
    }

    /** Takes no more than so much of what it is offered. */
    private record Taking(List<Integer> offered, int bytesMax) implements WritableByteChannel {
        @Override
        public int write(ByteBuffer src) {
            offered.add(src.remaining());
            int bytes = Math.min(src.remaining(), bytesMax);
            src.position(src.position() + bytes);
            return bytes;
        }

        @Override
        public boolean isOpen() {
            return true;
        }

        @Override
        public void close() {
            // always open
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void aBadBlockAfterSomeHaveBeenTransferredIsTheErrorOfTheNextCall(boolean to) throws IOException {
        RecordingDriver driver = new RecordingDriver().completesAtOnce();
        try (Disk disk = driver.limits(limits -> limits.requestBytesMax(1 << 20)).disk();
                FileChannel channel = disk.openChannel()) {
            disk.queue().setCapacitySectors(1L << 20);
            int first = 64 << 10;
            ByteArrayOutputStream taken = new ByteArrayOutputStream();
            ByteArrayInputStream given = new ByteArrayInputStream(new byte[1 << 20]);
            driver.answer(Status.OK).answer(Status.MEDIUM).answer(Status.MEDIUM);
            assertThat(to
                    ? channel.transferTo(0, 1 << 20, Channels.newChannel(taken))
                    : channel.transferFrom(Channels.newChannel(given), 0, 1 << 20)).isBetween(1L, (long) first);
            assertThatExceptionOfType(BlockIOException.class).isThrownBy(() -> {
                long _ = to
                        ? channel.transferTo(first, 1 << 20, Channels.newChannel(taken))
                        : channel.transferFrom(Channels.newChannel(given), first, 1 << 20);
            }).satisfies(e -> assertThat(e.status()).isEqualTo(Status.MEDIUM));
            assertThat(taken.size()).isEqualTo(to ? first : 0);
        }
    }

    @Test
    void whatCouldNotBeWrittenIsStillThereInAFileThatWasTransferredFrom() throws IOException {
        RecordingDriver driver = new RecordingDriver().completesAtOnce();
        try (Disk disk = driver.limits(limits -> limits.requestBytesMax(1 << 20)).disk();
                FileChannel channel = disk.openChannel();
                Disk from = memory();
                FileChannel source = from.openChannel()) {
            disk.queue().setCapacitySectors(1L << 20);
            driver.answer(Status.OK).answer(Status.MEDIUM);
            assertThat(channel.transferFrom(source, 0, 1 << 20)).isEqualTo(64 << 10);
            assertThat(source.position()).isEqualTo(64 << 10);
        }
    }

    @Test
    void whatAReadHasDoneBeforeItsMemoryWasGoneIsNotLost() throws IOException {
        try (Disk disk = memory(); FileChannel channel = disk.openChannel()) {
            ByteBuffer gone;
            try (Arena arena = Arena.ofShared()) {
                gone = arena.allocate(1 << 20).asByteBuffer();
            }
            ByteBuffer[] targets = {ByteBuffer.allocate(1 << 20), gone};
            assertThat(channel.read(targets)).isEqualTo(1 << 20);
            assertThat(channel.position()).isEqualTo(1 << 20);
            assertThatIllegalStateException().isThrownBy(() -> channel.read(targets));
            assertThat(channel.position()).isEqualTo(1 << 20);
        }
    }

    @Test
    void mappingIsRefusedWithTheReason() throws IOException {
        try (Disk disk = memory(); FileChannel channel = disk.openChannel(); Arena arena = Arena.ofConfined()) {
            assertThatExceptionOfType(UnsupportedOperationException.class)
                    .isThrownBy(() -> channel.map(FileChannel.MapMode.READ_ONLY, 0, 1))
                    .withMessageContaining("mem0 cannot be mapped");
            assertThatExceptionOfType(UnsupportedOperationException.class)
                    .isThrownBy(() -> channel.map(FileChannel.MapMode.READ_ONLY, 0, 1, arena))
                    .withMessageContaining("mem0 cannot be mapped");
        }
    }

    @Test
    void negativeValuesAreRefused() throws IOException {
        try (Disk disk = memory(); FileChannel channel = disk.openChannel()) {
            ByteBuffer buffer = ByteBuffer.allocate(1);
            assertThatIllegalArgumentException().isThrownBy(() -> channel.read(buffer, -1)).withMessageContaining("-1");
            assertThatIllegalArgumentException().isThrownBy(() -> channel.write(buffer, -1))
                    .withMessageContaining("-1");
            assertThatIllegalArgumentException().isThrownBy(() -> channel.position(-1)).withMessageContaining("-1");
            assertThatIllegalArgumentException().isThrownBy(() -> channel.truncate(-1)).withMessageContaining("-1");
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> channel.transferTo(-1, 1, Channels.newChannel(new ByteArrayOutputStream())));
            assertThatIllegalArgumentException().isThrownBy(
                    () -> channel.transferFrom(Channels.newChannel(new ByteArrayInputStream(new byte[1])), 0, -1));
            assertThatIllegalArgumentException().isThrownBy(() -> channel.lock(-1, 1, false));
            assertThatIllegalArgumentException().isThrownBy(() -> channel.lock(Long.MAX_VALUE, 1, false));
            assertThatIllegalArgumentException().isThrownBy(() -> channel.read(buffer.asReadOnlyBuffer()));
        }
    }

    @Test
    void aReadOnlyDiskIsNotWritable() throws IOException {
        try (Disk disk = NullBlk.builder().completion(Completion.INLINE).memoryBacked(true).readOnly(true).build();
                FileChannel channel = disk.openChannel()) {
            ByteBuffer buffer = ByteBuffer.allocate(10);
            List<org.assertj.core.api.ThrowableAssert.ThrowingCallable> writes = List.of(() -> channel.write(buffer),
                    () -> channel.write(buffer, 0), () -> channel.write(new ByteBuffer[]{buffer}),
                    () -> channel.truncate(0),
                    () -> channel.transferFrom(Channels.newChannel(new ByteArrayInputStream(new byte[1])), 0, 1),
                    channel::lock, channel::tryLock);
            for (var write : writes) {
                assertThatThrownBy(write).isInstanceOf(NonWritableChannelException.class);
            }
            assertThat(channel.read(buffer)).isEqualTo(10);
            channel.force(true);
            channel.lock(0, 1, true).release();
        }
    }

    // ---- file locks

    @Test
    void aLockedRangeIsRefusedToAllOthersInTheProcess() throws IOException {
        try (Disk disk = memory(); FileChannel one = disk.openChannel(); FileChannel other = disk.openChannel()) {
            FileLock lock = one.lock(10, 10, false);
            assertThat(lock.isValid()).isTrue();
            assertThat(lock.isShared()).isFalse();
            for (FileChannel channel : List.of(one, other)) {
                assertThatExceptionOfType(OverlappingFileLockException.class)
                        .isThrownBy(() -> channel.lock(19, 1, false));
                assertThatExceptionOfType(OverlappingFileLockException.class)
                        .isThrownBy(() -> channel.tryLock(0, 11, true));
                channel.lock(0, 10, true).release();
                channel.tryLock(20, 0, false).release();
            }
            lock.release();
            assertThat(lock.isValid()).isFalse();
            other.lock().release();
        }
    }

    @Test
    void locksAreReleasedWithTheirChannel() throws IOException {
        try (Disk disk = memory(); FileChannel other = disk.openChannel()) {
            FileChannel one = disk.openChannel();
            FileLock lock = one.lock();
            FileLock shared;
            one.close();
            assertThat(lock.isValid()).isFalse();
            assertThatExceptionOfType(ClosedChannelException.class).isThrownBy(lock::release);
            shared = other.lock(0, Long.MAX_VALUE, true);
            assertThat(shared.isShared()).isTrue();
            assertThat(shared.acquiredBy()).isSameAs(other);
        }
    }

    // ---- closing

    @Test
    void aClosedChannelRefusesEverythingAndLeavesTheDiskOpen() throws IOException {
        try (Disk disk = memory()) {
            FileChannel channel = disk.openChannel();
            channel.close();
            channel.close();
            ByteBuffer buffer = ByteBuffer.allocate(1);
            List<org.assertj.core.api.ThrowableAssert.ThrowingCallable> all = List.of(() -> channel.read(buffer),
                    () -> channel.read(buffer, 0), () -> channel.write(buffer), () -> channel.write(buffer, 0),
                    () -> channel.read(new ByteBuffer[]{buffer}), () -> channel.write(new ByteBuffer[]{buffer}),
                    channel::size, channel::position, () -> channel.position(0), () -> channel.truncate(0),
                    () -> channel.force(true), channel::lock, channel::tryLock,
                    () -> channel.transferTo(0, 1, Channels.newChannel(new ByteArrayOutputStream())),
                    () -> channel.transferFrom(Channels.newChannel(new ByteArrayInputStream(new byte[1])), 0, 1));
            for (var each : all) {
                assertThatThrownBy(each).isInstanceOf(ClosedChannelException.class);
            }
            assertThat(channel.isOpen()).isFalse();
            disk.flush();
        }
    }

    @Test
    void aChannelOfAClosedDiskFails() throws IOException {
        Disk disk = memory();
        FileChannel channel = disk.openChannel();
        disk.close();
        assertThatExceptionOfType(BlockIOException.class).isThrownBy(() -> channel.read(ByteBuffer.allocate(1)))
                .satisfies(e -> assertThat(e.status()).isEqualTo(Status.NODEV));
        assertThatExceptionOfType(BlockIOException.class).isThrownBy(() -> channel.write(ByteBuffer.allocate(1), 0));
        assertThatExceptionOfType(BlockIOException.class).isThrownBy(() -> channel.force(false));
        channel.close();
    }

    @Test
    void aCompletionMayNotBlockOnAChannel() throws IOException {
        try (Disk disk = memory(Completion.INLINE, 512); FileChannel channel = disk.openChannel()) {
            Eventually.Worker<Throwable> thrown = Eventually.call(() -> {
                Throwable[] caught = new Throwable[1];
                disk.flush(_ -> {});
                disk.read(0, java.lang.foreign.MemorySegment.ofArray(new byte[512]), _ -> {
                    try {
                        channel.read(ByteBuffer.allocate(1), 0);
                    } catch (IOException | IllegalStateException e) {
                        caught[0] = e;
                    }
                });
                return caught[0];
            });
            assertThat(thrown.join()).isInstanceOf(IllegalStateException.class)
                    .hasMessageContaining("from inside a completion");
            assertThat(channel.isOpen()).isTrue();
        }
    }

    /** A read that the device does not complete yet. */
    private static Eventually.Worker<Integer> startRead(RecordingDriver driver, FileChannel channel,
            ByteBuffer buffer) {
        Eventually.Worker<Integer> reader = Eventually.call(() -> channel.read(buffer, 0));
        Eventually.until("in flight", () -> !driver.inFlight().isEmpty());
        Eventually.waitsIn(reader.thread(), ChannelTransfer.class);
        return reader;
    }

    @Test
    void aThreadInAnOperationLeavesWhenAnotherClosesTheChannel() throws IOException {
        RecordingDriver driver = new RecordingDriver();
        try (Disk disk = driver.disk()) {
            FileChannel channel = disk.openChannel();
            Arrays.fill(driver.data(), (byte) 3);
            ByteBuffer buffer = ByteBuffer.allocate(512);
            Eventually.Worker<Integer> reader = startRead(driver, channel, buffer);
            channel.close();
            assertThat(reader.failure()).isExactlyInstanceOf(AsynchronousCloseException.class);
            assertThat(driver.inFlight()).as("the device still has the operation").hasSize(1);
            driver.complete(Status.OK);
            assertThat(buffer.array()).as("the caller's memory").containsOnly(0);
            assertThat(disk.queue().heldTags()).isZero();
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void aThreadWhoseOperationWaitsForTheDiskLeavesWhenAnotherClosesTheChannel(boolean frozen) throws IOException {
        RecordingDriver driver = new RecordingDriver().depth(1).limits(limits -> limits.writeCache(true, false));
        try (Disk disk = driver.disk()) {
            if (frozen) {
                disk.freeze();
            } else {
                disk.read(0, MemorySegment.ofArray(new byte[512]), _ -> {});
            }
            for (Call each : List.<Call>of(channel -> channel.read(ByteBuffer.allocate(1), 0),
                    channel -> channel.write(ByteBuffer.allocate(1), 0),
                    channel -> channel.write(ByteBuffer.allocate(512), 512), channel -> channel.force(false))) {
                FileChannel channel = disk.openChannel();
                Eventually.Worker<Boolean> waiter = Eventually.start(() -> each.on(channel));
                Eventually.waitsIn(waiter.thread(), ChannelTransfer.class);
                channel.close();
                assertThat(waiter.failure()).isExactlyInstanceOf(AsynchronousCloseException.class);
            }
            if (frozen) {
                disk.unfreeze();
            }
            Eventually.until("what was left behind has ended",
                    () -> driver.completeAll() == 0 && disk.queue().heldTags() == 0 && driver.inFlight().isEmpty());
            // Its blocks are free again.
            Eventually.Worker<Integer> next = Eventually
                    .call(() -> disk.openChannel().write(ByteBuffer.allocate(1024), 0));
            Eventually.until("written", () -> driver.completeAll() > 0 || next.isDone());
            assertThat(next.join()).isEqualTo(1024);
        }
    }

    /** A call of a channel that waits for its end. */
    private interface Call {
        void on(FileChannel channel) throws IOException;
    }

    @Test
    void anInterruptClosesTheChannelAndIsKept() throws IOException {
        RecordingDriver driver = new RecordingDriver();
        try (Disk disk = driver.disk(); FileChannel channel = disk.openChannel()) {
            Eventually.Worker<Boolean> writer = Eventually.call(() -> {
                assertThatThrownBy(() -> channel.write(ByteBuffer.allocate(512), 0))
                        .isInstanceOf(ClosedByInterruptException.class);
                return Thread.currentThread().isInterrupted();
            });
            Eventually.until("in flight", () -> !driver.inFlight().isEmpty());
            writer.thread().interrupt();
            assertThat(writer.join()).isTrue();
            assertThat(channel.isOpen()).isFalse();
            driver.complete(Status.OK);
        }
    }

    @Test
    void anInterruptedThreadDoesNothingButCloseTheChannel() throws IOException {
        RecordingDriver driver = new RecordingDriver();
        try (Disk disk = driver.disk(); FileChannel channel = disk.openChannel()) {
            Eventually.Worker<Boolean> writer = Eventually.call(() -> {
                Thread.currentThread().interrupt();
                assertThatThrownBy(() -> channel.write(ByteBuffer.allocate(512)))
                        .isInstanceOf(ClosedByInterruptException.class);
                return channel.isOpen();
            });
            assertThat(writer.join()).isFalse();
            assertThat(driver.log()).isEmpty();
        }
    }

    @Test
    void blocksStayLockedUntilTheDeviceIsDoneWithAnAbandonedWrite() throws IOException {
        RecordingDriver driver = new RecordingDriver();
        try (Disk disk = driver.disk(); FileChannel next = disk.openChannel()) {
            FileChannel abandoned = disk.openChannel();
            Eventually.Worker<Integer> writer = Eventually.call(() -> abandoned.write(ByteBuffer.allocate(512), 0));
            Eventually.until("in flight", () -> !driver.inFlight().isEmpty());
            abandoned.close();
            assertThat(writer.failure()).isInstanceOf(AsynchronousCloseException.class);
            Eventually.Worker<Integer> second = Eventually.call(() -> next.write(ByteBuffer.allocate(512), 0));
            Eventually.waitsIn(second.thread(), BlockRangeLock.class);
            assertThat(driver.inFlight()).hasSize(1);
            driver.complete(Status.OK);
            Eventually.until("the second is in flight", () -> !driver.inFlight().isEmpty());
            driver.complete(Status.OK);
            assertThat(second.join()).isEqualTo(512);
        }
    }

    @Test
    void aThreadThatWaitsForALockedBlockLeavesWhenItsChannelIsClosed() throws IOException {
        RecordingDriver driver = new RecordingDriver();
        try (Disk disk = driver.disk(); FileChannel first = disk.openChannel()) {
            FileChannel second = disk.openChannel();
            Eventually.Worker<Integer> writer = Eventually.call(() -> first.write(ByteBuffer.allocate(512), 0));
            Eventually.until("in flight", () -> !driver.inFlight().isEmpty());
            Eventually.Worker<Integer> waiter = Eventually.call(() -> second.write(ByteBuffer.allocate(512), 0));
            Eventually.waitsIn(waiter.thread(), BlockRangeLock.class);
            second.close();
            assertThat(waiter.failure()).isInstanceOf(AsynchronousCloseException.class);
            driver.complete(Status.OK);
            assertThat(writer.join()).isEqualTo(512);
        }
    }

    @Test
    void aFailedPieceIsTheErrorOfTheNextCall() throws IOException {
        RecordingDriver driver = new RecordingDriver().completesAtOnce();
        try (Disk disk = driver.limits(limits -> limits.requestBytesMax(1 << 20)).disk();
                FileChannel channel = disk.openChannel()) {
            ByteBuffer buffer = ByteBuffer.allocate(1024);
            disk.queue().setCapacitySectors(1L << 20);
            driver.answer(Status.OK).answer(Status.MEDIUM);
            assertThat(channel.write(buffer, (1 << 20) - 512)).isEqualTo(512);
            assertThat(buffer.remaining()).isEqualTo(512);
            driver.answer(Status.MEDIUM);
            assertThatExceptionOfType(BlockIOException.class).isThrownBy(() -> channel.write(buffer, 1 << 20))
                    .satisfies(e -> assertThat(e.status()).isEqualTo(Status.MEDIUM));
            assertThat(buffer.remaining()).isEqualTo(512);
        }
    }

    @Test
    void closingAChannelLeavesTheOthersOpen() throws IOException {
        try (Disk disk = memory(); FileChannel one = disk.openChannel()) {
            disk.openChannel().close();
            assertThat(one.isOpen()).isTrue();
            assertThat(one.write(ByteBuffer.allocate(3), 0)).isEqualTo(3);
        }
    }

    /** A channel that a thread is in for ever, and whose close fails. */
    private static final class StuckChannel implements WritableByteChannel, InterruptibleChannel {
        private final CountDownLatch entered = new CountDownLatch(1);
        private final CountDownLatch left = new CountDownLatch(1);

        @Override
        public int write(ByteBuffer src) {
            entered.countDown();
            try {
                left.await();
            } catch (InterruptedException e) {
                throw new AssertionError(e);
            }
            return 0;
        }

        @Override
        public boolean isOpen() {
            return true;
        }

        @Override
        public void close() throws IOException {
            throw new IOException("on purpose");
        }
    }

    @Test
    void aChannelThatCannotBeClosedKeepsNobodyInAnother() throws Exception {
        List<StuckChannel> stuck = Stream.generate(StuckChannel::new).limit(3).toList();
        List<Pipe> pipes = new ArrayList<>();
        List<Eventually.Worker<Boolean>> inPipes = new ArrayList<>();
        try (Disk disk = memory(); FileChannel channel = disk.openChannel()) {
            for (StuckChannel each : stuck) {
                var _ = Eventually.start(() -> channel.transferTo(0, 4096, each));
                each.entered.await();
            }
            for (int i = 0; i < 3; i++) {
                Pipe pipe = Pipe.open();
                pipes.add(pipe);
                pipe.sink().configureBlocking(false);
                int written;
                do {
                    written = pipe.sink().write(ByteBuffer.allocate(4096));
                } while (written > 0);
                pipe.sink().configureBlocking(true);
                inPipes.add(Eventually.start(() -> channel.transferTo(0, 4096, pipe.sink())));
            }
            Eventually.until("all write to their pipes",
                    () -> inPipes.stream().allMatch(each -> Arrays.stream(each.thread().getStackTrace())
                            .anyMatch(frame -> frame.getClassName().endsWith("SinkChannelImpl"))));
            assertThatExceptionOfType(IOException.class).isThrownBy(channel::close);
            Eventually.until("all have left their pipes", () -> inPipes.stream().allMatch(Eventually.Worker::isDone));
        } finally {
            stuck.forEach(each -> each.left.countDown());
            for (Pipe pipe : pipes) {
                pipe.source().close();
                pipe.sink().close();
            }
        }
    }
}
