package io.blkmq.core.mq;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import io.blkmq.core.Bio;
import io.blkmq.core.BlockIOException;
import io.blkmq.core.Disk;
import io.blkmq.core.HeldTags;
import io.blkmq.core.Operation;
import io.blkmq.core.Plug;
import io.blkmq.core.Status;
import io.blkmq.core.driver.TagSet;
import io.blkmq.runtime.IoBuffer;
import io.blkmq.testing.Eventually;
import io.blkmq.testing.NoRescues;
import io.blkmq.testing.RandomSeed;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** A partition is a disk of its own on the queue of its device. */
@Timeout(value = 300, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
@NoRescues
class SectorRangeTest {
    private static final int KIB = 1024;
    private static final int DEVICE_SECTORS = RecordingDriver.CAPACITY_BYTES / 512;

    private final Told told = new Told();

    private static Disk partition(Disk disk) {
        return disk.partition("rec0p1", 100 * 512, 64 * KIB);
    }

    @Test
    void theDriverSeesWhereABioLiesOnTheDeviceAndTheCallerWhatItAskedFor() {
        RecordingDriver driver = new RecordingDriver().completesAtOnce()
                .limits(limits -> limits.discardBytesMax(4096).writeZeroesBytesMax(4096));
        try (Disk disk = driver.disk(); Disk part = partition(disk)) {
            assertThat(part.startBytes()).isEqualTo(100 * 512);
            assertThat(part.sizeBytes()).isEqualTo(64 * KIB);
            assertThat(part.isPartition()).isTrue();
            assertThat(disk.isPartition()).isFalse();
            assertThat(part.queue()).isSameAs(disk.queue());
            part.submit(told.read(0));
            part.submit(told.write(3), 0);
            part.submit(told.bio(Operation.DISCARD, 7));
            part.submit(told.bio(Operation.WRITE_ZEROES, 127));
            part.submit(told.flush());
            assertThat(driver.log()).containsExactly("READ 100", "WRITE 103", "DISCARD 107", "WRITE_ZEROES 227");
            assertThat(told.ends()).containsExactly("READ 0 OK", "WRITE 3 OK", "DISCARD 7 OK", "WRITE_ZEROES 127 OK",
                    "FLUSH OK");
        }
    }

    @Test
    void aBioGoesFromDiskToDiskAndIsEachTimeWhereItWasSubmittedTo() {
        RecordingDriver driver = new RecordingDriver().completesAtOnce()
                .limits(limits -> limits.writeCache(true, true));
        try (Disk disk = driver.disk();
                Disk first = disk.partition("p1", 512, 64 * KIB);
                Disk second = disk.partition("p2", 300 * 512, 64 * KIB)) {
            Bio bio = told.read(5);
            first.submit(bio);
            assertThat(bio.deviceSector()).isEqualTo(6);
            disk.submit(bio);
            assertThat(bio.deviceSector()).isEqualTo(5);
            second.submit(bio);
            second.submit(bio.reset(Operation.FLUSH, 0));
            assertThat(bio.deviceSector()).isZero();
            second.submit(told.read(5));
            disk.submit(bio.reset(Operation.FLUSH, 0));
            assertThat(driver.log()).containsExactly("READ 6", "READ 5", "READ 305", "FLUSH", "READ 305", "FLUSH");
        }
    }

    @Test
    void partsOfALongBioLieInThePartitionToo() {
        RecordingDriver driver = new RecordingDriver().limits(limits -> limits.requestBytesMax(4096));
        try (Disk disk = driver.disk(); Disk part = partition(disk); IoBuffer buffer = disk.allocate(9 * KIB)) {
            part.submit(new Bio().reset(Operation.READ, 8).add(buffer.memory()).onEnd(told));
            assertThat(driver.log()).containsExactly("READ 108", "READ 116", "READ 124");
            driver.completeAll();
            assertThat(told.ends()).containsExactly("READ 8 OK");
        }
    }

    @Test
    void partsThatWaitedForATagLieInThePartitionToo() {
        RecordingDriver driver = new RecordingDriver().depth(1).limits(limits -> limits.requestBytesMax(512));
        try (Disk disk = driver.disk(); Disk part = partition(disk); IoBuffer buffer = disk.allocate(2 * KIB)) {
            // Submitted by a completion: its parts go down as the one tag comes free.
            disk.submit(told.read(0)
                    .onEnd(_ -> part.submit(new Bio().reset(Operation.READ, 1).add(buffer.memory()).onEnd(told))));
            while (driver.completeAll() > 0) {
            }
            assertThat(driver.log()).containsExactly("READ 0", "READ 101", "READ 102", "READ 103", "READ 104");
            assertThat(told.ends()).containsExactly("READ 1 OK");
        }
    }

    @Test
    void chunksPhysicalBlocksAndDiscardUnitsAreThoseOfTheDevice() {
        RecordingDriver driver = new RecordingDriver().completesAtOnce()
                .limits(limits -> limits.physicalBlockBytes(4096).chunkBytes(16 * KIB).requestBytesMax(8 * KIB)
                        .writeZeroesBytesMax(1 << 20).discardBytesMax(8 * KIB).discardGranularityBytes(4096));
        try (Disk disk = driver.disk(); Disk part = partition(disk); IoBuffer buffer = disk.allocate(32 * KIB)) {
            // Sector 0 is 100 of the device: 4 before a physical block, 28 before a chunk's end.
            part.submit(new Bio().reset(Operation.READ, 0).add(buffer.memory()).onEnd(told));
            assertThat(driver.log()).containsExactly("READ 100", "READ 112", "READ 128", "READ 144", "READ 160");
            part.submit(new Bio(0).reset(Operation.WRITE_ZEROES, 0).length(32 * KIB).onEnd(told));
            assertThat(driver.log()).containsExactly("WRITE_ZEROES 100", "WRITE_ZEROES 128", "WRITE_ZEROES 160");
            part.submit(new Bio(0).reset(Operation.DISCARD, 0).length(16 * KIB).onEnd(told));
            assertThat(driver.log()).containsExactly("DISCARD 100", "DISCARD 112", "DISCARD 128");
            assertThat(driver.violations()).isEmpty();
            assertThat(told.ends()).hasSize(3);
        }
    }

    @Test
    void itsLimitsAreTheDevicesAsSeenFromWhereItBegins() {
        RecordingDriver driver = new RecordingDriver().completesAtOnce().limits(limits -> limits
                .physicalBlockBytes(4096).discardBytesMax(64 * KIB).discardGranularityBytes(8192).chunkBytes(16 * KIB));
        try (Disk disk = driver.disk();
                Disk fits = disk.partition("fits", 64 * KIB, 64 * KIB);
                Disk odd = disk.partition("odd", 63 * 512, 64 * KIB)) {
            assertThat(fits.limits().alignmentOffsetBytes()).isZero();
            assertThat(fits.limits().misalignment()).isNull();
            // Sector 64 begins a physical block, and sector 64 a unit of discard.
            assertThat(odd.limits().alignmentOffsetBytes()).isEqualTo(512);
            assertThat(odd.limits().discardAlignmentBytes()).isEqualTo(512);
            assertThat(odd.limits().misalignment()).contains("offset 32256").contains("chunkBytes 16384");
            assertThat(odd.limits()).isSameAs(odd.limits());
            disk.freeze();
            disk.queue().setLimits(disk.limits().toBuilder().readOnly(true).build());
            disk.unfreeze();
            assertThat(odd.limits().isReadOnly()).isTrue();
            assertThatExceptionOfType(UnsupportedOperationException.class).isThrownBy(() -> odd.submit(told.write(0)))
                    .withMessageContaining("odd is read-only");
        }
    }

    @Test
    void nothingOutsideOfItIsReached() {
        RecordingDriver driver = new RecordingDriver().completesAtOnce();
        try (Disk disk = driver.disk(); Disk part = partition(disk)) {
            part.submit(told.read(127));
            assertThatExceptionOfType(IndexOutOfBoundsException.class).isThrownBy(() -> part.submit(told.read(128)))
                    .withMessage("rec0p1: READ of 512 bytes at sector 128 reaches past the end of the device at"
                            + " sector 128");
            assertThatIllegalArgumentException().isThrownBy(() -> part.submit(told.read(-1)))
                    .withMessageContaining("rec0p1: READ at negative sector -1");
            assertThatExceptionOfType(IndexOutOfBoundsException.class)
                    .isThrownBy(() -> part.submit(told.read(Long.MAX_VALUE)));
            assertThatExceptionOfType(IndexOutOfBoundsException.class)
                    .isThrownBy(() -> part.plug().submit(told.read(128)));
            assertThat(driver.log()).containsExactly("READ 227");
        }
    }

    @Test
    void aPartitionThatCannotBeIsRefusedByName() {
        RecordingDriver driver = new RecordingDriver().limits(limits -> limits.logicalBlockBytes(1024));
        try (Disk disk = driver.disk()) {
            assertThatIllegalArgumentException().isThrownBy(() -> disk.partition("p", 1023, 1024))
                    .withMessageContaining("1024 bytes from offset 1023").withMessageContaining("512 bytes");
            assertThatIllegalArgumentException().isThrownBy(() -> disk.partition("p", 512, 1024))
                    .withMessageContaining("from sector 1").withMessageContaining("blocks of 1024 bytes");
            assertThatIllegalArgumentException().isThrownBy(() -> disk.partition("p", 0, 0));
            assertThatIllegalArgumentException().isThrownBy(() -> disk.partition("p", -1024, 1024));
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> disk.partition("p", 1024, RecordingDriver.CAPACITY_BYTES))
                    .withMessageContaining("within the " + DEVICE_SECTORS + " of rec0");
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> disk.partition("p", 1024, Long.MAX_VALUE / 1024 * 1024));
            try (Disk part = disk.partition("p", 1024, 2048)) {
                assertThatExceptionOfType(UnsupportedOperationException.class)
                        .isThrownBy(() -> part.partition("pp", 0, 1024)).withMessageContaining("p is a partition");
            }
        }
    }

    @Test
    void aFailureNamesThePartitionAndThePlaceInIt() {
        RecordingDriver driver = new RecordingDriver().answer(Status.MEDIUM);
        try (Disk disk = driver.disk(); Disk part = partition(disk)) {
            assertThatExceptionOfType(BlockIOException.class)
                    .isThrownBy(() -> part.read(2 * 512, MemorySegment.ofArray(new byte[512])))
                    .withMessageContaining("at sector 2 of rec0p1");
        }
    }

    @Test
    void closingItLeavesTheDeviceAndTheOtherPartitionsOpen() {
        RecordingDriver driver = new RecordingDriver().completesAtOnce();
        try (Disk disk = driver.disk(); Disk other = disk.partition("p2", 0, 4096)) {
            Disk part = partition(disk);
            part.close();
            part.close();
            assertThat(part.isClosed()).isTrue();
            assertThatIllegalStateException().isThrownBy(() -> part.submit(told.read(0)))
                    .withMessage("rec0p1 is closed");
            assertThatIllegalStateException().isThrownBy(part::flush);
            disk.submit(told.read(0));
            other.submit(told.read(1));
            assertThat(told.ends()).containsExactly("READ 0 OK", "READ 1 OK");
        }
    }

    @Test
    void closingTheDeviceClosesItsPartitions() {
        Disk disk = new RecordingDriver().completesAtOnce().disk();
        Disk part = partition(disk);
        disk.close();
        assertThat(part.isClosed()).isTrue();
        assertThatIllegalStateException().isThrownBy(() -> part.submit(told.read(0))).withMessage("rec0p1 is closed");
        assertThatIllegalStateException().isThrownBy(() -> partition(disk));
        part.close();
    }

    @Test
    void closingItWaitsForWhatTheDeviceHas() {
        RecordingDriver driver = new RecordingDriver();
        try (Disk disk = driver.disk()) {
            Disk part = partition(disk);
            part.submit(told.read(0));
            Eventually.Worker<Boolean> closer = Eventually.start(part::close);
            Eventually.until("the queue is frozen", disk.queue()::isFrozen);
            assertThat(told.ends()).isEmpty();
            driver.complete(Status.OK);
            closer.join();
            assertThat(told.ends()).containsExactly("READ 0 OK");
            assertThat(disk.queue().isFrozen()).isFalse();
        }
    }

    @Test
    void whatWaitsForATagWhenItIsClosedEndsWithNodev() {
        RecordingDriver driver = new RecordingDriver().depth(1).limits(limits -> limits.requestBytesMax(512));
        try (Disk disk = driver.disk(); IoBuffer buffer = disk.allocate(2 * KIB)) {
            Disk part = partition(disk);
            disk.submit(told.read(0));
            Eventually.Worker<Boolean> whole = Eventually.start(() -> part.submit(told.read(7)));
            Eventually.waitsIn(whole.thread(), TagShare.class);
            Eventually.Worker<Boolean> cut = Eventually
                    .start(() -> part.submit(new Bio().reset(Operation.READ, 9).add(buffer.memory()).onEnd(told)));
            Eventually.waitsIn(cut.thread(), TagShare.class);
            Eventually.Worker<Boolean> closer = Eventually.start(part::close);
            Eventually.until("the queue is frozen", disk.queue()::isFrozen);
            driver.complete(Status.OK);
            closer.join();
            whole.join();
            cut.join();
            assertThat(driver.log()).containsExactly("READ 0");
            assertThat(told.ends()).containsExactlyInAnyOrder("READ 0 OK", "READ 7 NODEV", "READ 9 NODEV");
            HeldTags.awaitNone(disk);
        }
    }

    @Test
    void itEndsWhereTheDeviceEndsNow() {
        RecordingDriver driver = new RecordingDriver().completesAtOnce();
        try (Disk disk = driver.disk(); Disk part = partition(disk)) {
            disk.queue().setCapacitySectors(110);
            assertThat(part.sizeBytes()).isEqualTo(10 * 512);
            part.submit(told.read(9));
            assertThatExceptionOfType(IndexOutOfBoundsException.class).isThrownBy(() -> part.submit(told.read(10)))
                    .withMessageContaining("end of the device at sector 10, where rec0 of 110 sectors ends");
            disk.queue().setCapacitySectors(50);
            assertThat(part.sizeBytes()).isZero();
            assertThatExceptionOfType(IndexOutOfBoundsException.class).isThrownBy(() -> part.submit(told.read(0)));
            disk.queue().setCapacitySectors(DEVICE_SECTORS);
            assertThat(part.sizeBytes()).isEqualTo(64 * KIB);
            part.submit(told.read(127));
            assertThat(told.ends()).containsExactly("READ 9 OK", "READ 127 OK");
        }
    }

    @Test
    void aBlockSizeThatItDoesNotBeginWithIsNamed() {
        RecordingDriver driver = new RecordingDriver().completesAtOnce();
        try (Disk disk = driver.disk(); Disk part = disk.partition("rec0p1", 512, 64 * KIB)) {
            disk.freeze();
            disk.queue().setLimits(disk.limits().toBuilder().logicalBlockBytes(4096).segmentBytesMax(64 * KIB).build());
            disk.unfreeze();
            assertThatIllegalArgumentException().isThrownBy(
                    () -> part.submit(new Bio().reset(Operation.READ, 0).add(MemorySegment.ofArray(new byte[4096]))))
                    .withMessageContaining("rec0p1: READ: it begins at sector 1 of rec0, whose blocks are now of 4096");
        }
    }

    @Test
    void plugsAndPollingGoThroughIt() {
        RecordingDriver driver = new RecordingDriver().polled();
        try (Disk disk = driver.disk(); Disk part = partition(disk)) {
            try (Plug plug = part.plug()) {
                plug.submit(told.read(1));
                plug.submit(told.read(2));
                assertThat(driver.log()).isEmpty();
            }
            try (Plug plug = part.plug(0)) {
                plug.submit(told.read(3));
            }
            assertThat(driver.log()).containsExactly("READ 101 more", "READ 102", "READ 103");
            assertThat(part.poll()).isEqualTo(3);
            part.submit(told.read(4));
            assertThat(part.poll(0)).isOne();
            assertThat(told.ends()).hasSize(4);
        }
    }

    @Test
    void aBioThatIsMergedIntoARequestLeavesItWhereThePartitionIs() {
        RecordingDriver driver = new RecordingDriver().completesAtOnce();
        TagSet set = driver.tagSet(builder -> builder.flag(TagSet.Flag.MERGE));
        try (Disk disk = Disk.of(driver.queue(set, "rec0"), set); Disk part = partition(disk)) {
            try (Plug plug = part.plug()) {
                plug.submit(told.read(5));
                plug.submit(told.read(6));
                plug.submit(told.read(4));
                plug.submit(told.read(3));
            }
            assertThat(driver.log()).containsExactly("READ 103");
            assertThat(told.ends()).hasSize(4);
            // Across the border: the neighbours on the device are neighbours.
            try (Plug plug = part.plug(); Plug whole = disk.plug()) {
                whole.submit(told.read(100));
                plug.submit(told.read(1));
            }
            assertThat(driver.log()).containsExactlyInAnyOrder("READ 100", "READ 101");
        }
    }

    @Test
    void blockingAsynchronousAndChannelIoAreThoseOfADisk() throws Exception {
        RecordingDriver driver = new RecordingDriver().completesAtOnce();
        long seed = RandomSeed.of(SectorRangeTest.class);
        byte[] pattern = new byte[4096];
        new Random(seed).nextBytes(pattern);
        try (Disk disk = driver.disk(); Disk part = partition(disk); FileChannel channel = part.openChannel()) {
            part.write(0, MemorySegment.ofArray(pattern));
            part.async().write(4096, MemorySegment.ofArray(pattern)).get();
            assertThat(channel.size()).isEqualTo(64 * KIB);
            channel.write(ByteBuffer.wrap(pattern), 9000);
            assertThat(channel.write(ByteBuffer.wrap(pattern), 64 * KIB - 100)).isEqualTo(100);
            assertThatExceptionOfType(IOException.class)
                    .isThrownBy(() -> channel.write(ByteBuffer.wrap(pattern), 64 * KIB))
                    .withMessageContaining("of rec0p1");
            part.writeZeroes(0, 512, false);
            part.flush();
            byte[] expected = new byte[RecordingDriver.CAPACITY_BYTES];
            int start = 100 * 512;
            System.arraycopy(pattern, 512, expected, start + 512, 4096 - 512);
            System.arraycopy(pattern, 0, expected, start + 4096, 4096);
            System.arraycopy(pattern, 0, expected, start + 9000, 4096);
            System.arraycopy(pattern, 0, expected, start + 64 * KIB - 100, 100);
            assertThat(Arrays.mismatch(driver.data(), expected)).isEqualTo(-1);
            ByteBuffer read = ByteBuffer.allocate(5000);
            assertThat(channel.read(read, 9000)).isEqualTo(5000);
            assertThat(Arrays.equals(read.array(), 0, 4096, pattern, 0, 4096)).isTrue();
            assertThat(channel.read(ByteBuffer.allocate(1), 64 * KIB)).isEqualTo(-1);
        }
    }

    @Test
    void channelsOfThePartitionAndTheDeviceKeepEachOthersBytesOfABlock() throws Exception {
        RecordingDriver driver = new RecordingDriver().completesAtOnce();
        try (Disk disk = driver.disk(); Disk part = partition(disk)) {
            // Each thread writes bytes of its own in the same blocks, one through the partition and one through the device.
            Eventually.together(2, false, number -> {
                try (FileChannel channel = (number == 0 ? disk : part).openChannel()) {
                    for (int i = number; i < 2000; i += 2) {
                        long at = number == 0 ? 100 * 512 + i : i;
                        channel.write(ByteBuffer.wrap(new byte[]{(byte) (i % 127 + 1)}), at);
                    }
                }
            });
            for (int i = 0; i < 2000; i++) {
                assertThat(driver.data()[100 * 512 + i]).as("byte %d", i).isEqualTo((byte) (i % 127 + 1));
            }
        }
    }

    @Test
    void whatIsRandomlySubmittedToPartitionsIsWhereTheyAre() throws Exception {
        long seed = RandomSeed.of(SectorRangeTest.class);
        Random random = new Random(seed);
        RecordingDriver driver = new RecordingDriver().completesAtOnce().depth(4).limits(limits -> limits
                .requestBytesMax(2048).chunkBytes(4096).discardBytesMax(1024).writeZeroesBytesMax(1024));
        byte[] expected = new byte[RecordingDriver.CAPACITY_BYTES];
        try (Disk disk = driver.disk()) {
            for (int i = 0; i < 300; i++) {
                int start = random.nextInt(DEVICE_SECTORS - 1);
                int sectors = 1 + random.nextInt(DEVICE_SECTORS - start);
                try (Disk part = disk.partition("p" + i, start * 512L, sectors * 512L)) {
                    int sector = random.nextInt(sectors);
                    byte[] data = new byte[(1 + random.nextInt(Math.min(20, sectors - sector))) * 512];
                    if (random.nextBoolean()) {
                        random.nextBytes(data);
                        part.write(sector * 512L, MemorySegment.ofArray(data));
                    } else {
                        part.writeZeroes(sector * 512L, data.length, false);
                    }
                    System.arraycopy(data, 0, expected, (start + sector) * 512, data.length);
                }
            }
        }
        assertThat(driver.violations()).isEmpty();
        assertThat(Arrays.mismatch(driver.data(), expected)).as("seed %d", seed).isEqualTo(-1);
    }
}
