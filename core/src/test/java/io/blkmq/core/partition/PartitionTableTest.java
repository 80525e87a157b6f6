package io.blkmq.core.partition;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import io.blkmq.core.BlockIOException;
import io.blkmq.core.Disk;
import io.blkmq.core.Partition;
import io.blkmq.core.PartitionTable;
import io.blkmq.core.PartitionTable.Scheme;
import io.blkmq.core.Status;
import io.blkmq.core.mq.RecordingDriver;
import io.blkmq.testing.NoRescues;
import io.blkmq.testing.RandomSeed;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.function.Consumer;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What is read of partition tables, right and wrong ones. */
@Timeout(value = 300, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
@NoRescues
class PartitionTableTest {
    private static final int DISK_BYTES = RecordingDriver.CAPACITY_BYTES;
    private static final int BLOCKS = DISK_BYTES / 512;
    /** As many reads as the largest table of either kind takes. */
    private static final int READS_MAX = 30_000;

    private final RecordingDriver driver = new RecordingDriver().completesAtOnce();

    private PartitionTable read(int blockBytes) throws BlockIOException {
        driver.limits(limits -> limits.logicalBlockBytes(blockBytes));
        try (Disk disk = driver.disk()) {
            return PartitionTable.read(disk);
        }
    }

    private TableImage gpt(int blockBytes) {
        return TableImage.gpt(driver.data(), blockBytes, 128).entry(1, 40, 47, "one", 0).entry(3, 60, 99, "drei ☃", 4);
    }

    private TableImage mbr(int blockBytes) {
        return TableImage.mbr(driver.data(), blockBytes);
    }

    private static List<String> shortly(PartitionTable table) {
        return table.partitions().stream().map(p -> p.index() + ": " + p.startBytes() / 512 + "+" + p.sizeBytes() / 512)
                .toList();
    }

    // ---- none

    @Test
    void anEmptyDiskHasNone() throws BlockIOException {
        assertThat(read(512)).isEqualTo(PartitionTable.NONE);
    }

    @Test
    void aDiskWithoutSizeHasNone() throws BlockIOException {
        gpt(512);
        try (Disk disk = driver.disk()) {
            disk.queue().setCapacitySectors(0);
            assertThat(PartitionTable.read(disk)).isEqualTo(PartitionTable.NONE);
        }
    }

    @Test
    void aBootSectorOfAFileSystemIsNone() throws BlockIOException {
        mbr(512).record(0, 0, 'F', 'A', 0x20202020, 0x20202020).record(0, 1, 0, 0x83, 40, 40);
        assertThat(read(512)).isEqualTo(PartitionTable.NONE);
    }

    @Test
    void aDiskThatCannotBeReadIsSaidSo() {
        gpt(512);
        driver.answer(Status.MEDIUM);
        assertThatExceptionOfType(BlockIOException.class).isThrownBy(() -> read(512))
                .withMessageContaining("sector 0 of rec0").withMessageContaining("MEDIUM");
        driver.answer(Status.OK).answer(Status.TRANSPORT).answer(Status.MEDIUM);
        assertThatExceptionOfType(BlockIOException.class).isThrownBy(() -> read(512))
                .withMessageContaining("sector 1 of rec0");
    }

    @Test
    void aClosedDiskIsRefused() {
        Disk disk = driver.disk();
        disk.close();
        assertThatIllegalStateException().isThrownBy(() -> PartitionTable.read(disk))
                .withMessageContaining("rec0 is closed");
    }

    /** Reads a table again and again, and each time one read behind the first fails that did not fail before. */
    private List<PartitionTable> readWithAFailureAtEachPlace() throws BlockIOException {
        List<PartitionTable> found = new ArrayList<>();
        do {
            for (int i = 0; i <= found.size(); i++) {
                driver.answer(Status.OK);
            }
            driver.answer(Status.TRANSPORT);
            found.add(read(512));
            // Of answers that nobody has asked for.
        } while (driver.forgetAnswers() == 0);
        return found;
    }

    @Test
    void aTableThatCannotBeReadGivesWayToTheOther() throws BlockIOException {
        gpt(512);
        List<PartitionTable> found = readWithAFailureAtEachPlace();
        assertThat(found).hasSizeGreaterThan(3);
        assertThat(found).allSatisfy(table -> assertThat(shortly(table)).containsExactly("1: 40+8", "3: 60+40"));
        assertThat(found.getFirst().remarks().getFirst()).startsWith("the first header cannot be read: ");
        assertThat(found.get(found.size() - 2).remarks()).singleElement().asString()
                .startsWith("the other header cannot be read: ");
    }

    @Test
    void anExtendedRecordThatCannotBeReadEndsItsChain() throws BlockIOException {
        mbr(512).record(0, 0, 0, 0x83, 8, 8).record(0, 1, 0, 5, 20, 60).record(20, 0, 0, 0x83, 2, 4)
                .record(20, 1, 0, 5, 10, 20).record(30, 0, 0, 0x83, 2, 4);
        List<PartitionTable> found = readWithAFailureAtEachPlace();
        List<String> all = shortly(found.getLast());
        assertThat(all).hasSize(4);
        assertThat(found).hasSize(3);
        for (int read = 0; read < 2; read++) {
            assertThat(shortly(found.get(read))).isEqualTo(all.subList(0, 2 + read));
            assertThat(found.get(read).remarks()).singleElement().asString()
                    .startsWith("an extended record cannot be read: ");
        }
    }

    // ---- GPT

    @ParameterizedTest
    @ValueSource(ints = {512, 1024, 4096})
    void aGptIsReadWithItsNumbersNamesAndFlags(int blockBytes) throws BlockIOException {
        gpt(blockBytes);
        PartitionTable table = read(blockBytes);
        assertThat(table.scheme()).isEqualTo(Scheme.GPT);
        assertThat(table.id()).isEqualTo(TableImage.DISK.toString());
        assertThat(table.remarks()).isEmpty();
        assertThat(table.partitions()).containsExactly(
                new Partition(1, TableImage.LINUX.toString(), TableImage.uuid(1).toString(), "one", 40L * blockBytes,
                        8L * blockBytes, false, 0),
                new Partition(3, TableImage.LINUX.toString(), TableImage.uuid(3).toString(), "drei ☃", 60L * blockBytes,
                        40L * blockBytes, true, 4));
        assertThat(table.find(3)).contains(table.partitions().get(1));
        assertThat(table.find(2)).isEmpty();
    }

    @Test
    void aNameOfFullLengthHasNoEnd() throws BlockIOException {
        String name = "x".repeat(36);
        TableImage.gpt(driver.data(), 512, 1).entry(1, 40, 47, name, 0);
        assertThat(read(512).partitions()).extracting(Partition::label).containsExactly(name);
    }

    /** Ways to damage the first table, and what is said of them. */
    static Stream<Arguments> damages() {
        return Stream.of(damage("signature", false, (image, at) -> image.putLong(at, 1)),
                damage("length is 0x5b", false, (image, at) -> image.putInt(at + 12, 91)),
                damage("length is 0x201", false, (image, at) -> image.putInt(at + 12, 513)),
                damage("length is 0xffffffff", false, (image, at) -> image.putInt(at + 12, -1)),
                damage("checksum is", false, (image, at) -> image.put(at + 60, (byte) 9)),
                damage("checksum is 0xfffffffe", false, (image, at) -> image.putInt(at + 16, -2)),
                damage("own block is 0x2", true, (image, at) -> image.putLong(at + 24, 2)),
                damage("first usable block is 0x800", true, (image, at) -> image.putLong(at + 40, BLOCKS)),
                damage("first usable block is 0xff", true, (image, at) -> image.putLong(at + 40, -1)),
                damage("last usable block is 0x800", true, (image, at) -> image.putLong(at + 48, BLOCKS)),
                damage("last usable block is 0x21", true, (image, at) -> image.putLong(at + 48, 33)),
                damage("length of an entry is 0x100", true, (image, at) -> image.putInt(at + 84, 256)),
                damage("length of an entry is 0x0", true, (image, at) -> image.putInt(at + 84, 0)),
                damage("length of an entry is 0xfffffffe", true, (image, at) -> image.putInt(at + 84, -2)),
                damage("number of entries is 0x0", true, (image, at) -> image.putInt(at + 80, 0)),
                damage("number of entries is 0x8001", true, (image, at) -> image.putInt(at + 80, 32769)),
                damage("number of entries is 0xffffffff", true, (image, at) -> image.putInt(at + 80, -1)),
                damage("not on the disk of 2048 blocks", true, (image, at) -> image.putInt(at + 80, 32768)),
                damage("block 2047 is not on the disk", true, (image, at) -> image.putLong(at + 72, BLOCKS - 1)),
                damage("block -1 is not on the disk", true, (image, at) -> image.putLong(at + 72, -1)),
                damage("block 9223372036854775807 is not", true, (image, at) -> image.putLong(at + 72, Long.MAX_VALUE)),
                damage("checksum of the entries", false, (image, at) -> image.put(at + 512 + 33, (byte) 7)),
                damage("checksum of the entries is 0xfffffffe", true, (image, at) -> image.putInt(at + 88, -2)));
    }

    private interface Damage {
        void apply(ByteBuffer image, int headerAt);
    }

    private static Arguments damage(String remark, boolean sealed, Damage damage) {
        Consumer<TableImage> change = image -> {
            damage.apply(image.bytes(), image.at(1));
            if (sealed) {
                image.sealHeader(1);
            }
        };
        return Arguments.of(remark, change);
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("damages")
    void theSecondTableIsUsedWhereTheFirstIsDamaged(String remark, Consumer<TableImage> damage)
            throws BlockIOException {
        TableImage image = gpt(512);
        List<Partition> whole = read(512).partitions();
        damage.accept(image);
        PartitionTable table = read(512);
        assertThat(table.scheme()).isEqualTo(Scheme.GPT);
        assertThat(table.partitions()).hasSize(2).isEqualTo(whole);
        assertThat(table.remarks()).hasSize(2);
        assertThat(table.remarks().getFirst()).startsWith("the first header is damaged: ").contains(remark);
        assertThat(table.remarks().getLast()).isEqualTo("the table behind the header in the last block is used");
    }

    @Test
    void aDamagedSecondTableIsRemarked() throws BlockIOException {
        TableImage image = gpt(512);
        image.bytes().put(image.at(BLOCKS - 1), (byte) 0);
        PartitionTable table = read(512);
        assertThat(table.partitions()).hasSize(2);
        assertThat(table.remarks()).singleElement().asString().startsWith("the other header is damaged");
    }

    @Test
    void withBothTablesDamagedThereAreNoPartitions() throws BlockIOException {
        TableImage image = gpt(512);
        image.bytes().put(image.at(1), (byte) 0).put(image.at(BLOCKS - 1), (byte) 0);
        PartitionTable table = read(512);
        assertThat(table.scheme()).isEqualTo(Scheme.NONE);
        assertThat(table.partitions()).isEmpty();
        assertThat(table.remarks()).hasSize(2);
    }

    @Test
    void aGptWithoutItsProtectionIsNone() throws BlockIOException {
        TableImage image = gpt(512);
        image.record(0, 0, 0, 0xEE, 2, 100);
        assertThat(read(512)).as("protects another place").isEqualTo(PartitionTable.NONE);
        image.record(0, 0, 0, 0, 0, 0);
        assertThat(read(512).partitions()).as("an empty MBR").isEmpty();
        image.bytes().putShort(510, (short) 0);
        assertThat(read(512)).isEqualTo(PartitionTable.NONE);
        image.record(0, 3, 0, 0xEE, 1, 100);
        assertThat(read(512).partitions()).as("in any place, of any length").hasSize(2);
    }

    @Test
    void entriesThatAreNotOnTheDiskAreLeftOut() throws BlockIOException {
        gpt(512).entry(4, BLOCKS, BLOCKS, "past the end", 0).entry(5, 50, BLOCKS, "over the end", 0)
                .entry(6, 50, 49, "backwards", 0).entry(7, -1, 50, "from nowhere", 0)
                .entry(8, 50, Long.MIN_VALUE, "to nowhere", 0).entry(9, 0, BLOCKS - 1, "all", 0);
        PartitionTable table = read(512);
        assertThat(shortly(table)).containsExactly("1: 40+8", "3: 60+40", "9: 0+2048");
        assertThat(table.remarks()).hasSize(5).allMatch(remark -> remark.endsWith("left out"));
    }

    @ParameterizedTest
    @ValueSource(ints = {512, 4096})
    void nothingIsReadOfEntriesAboveThe255thButTheirChecksum(int blockBytes) throws BlockIOException {
        TableImage image = TableImage.gpt(driver.data(), blockBytes, 2000);
        for (int i = 1; i <= 300; i++) {
            image.entry(i, 200 + i % 10, 211, "p" + i, 0);
        }
        PartitionTable table = read(blockBytes);
        assertThat(table.partitions()).hasSizeLessThanOrEqualTo(Partition.INDEX_MAX);
        assertThat(table.partitions()).extracting(Partition::index)
                .containsExactlyElementsOf(IntStream.rangeClosed(1, 255).boxed().toList());
        assertThat(table.remarks()).isEmpty();
        image.bytes().put(image.at(2) + 1999 * 128, (byte) 1);
        assertThat(read(blockBytes).remarks()).anyMatch(remark -> remark.contains("checksum of the entries"));
    }

    // ---- MBR

    @ParameterizedTest
    @ValueSource(ints = {512, 4096})
    void primaryEntriesAreReadWithTheirFlags(int blockBytes) throws BlockIOException {
        mbr(blockBytes).record(0, 0, 0x80, 0x83, 8, 10).record(0, 3, 0, 0x0c, 20, 30);
        PartitionTable table = read(blockBytes);
        assertThat(table.scheme()).isEqualTo(Scheme.MBR);
        assertThat(table.id()).isEqualTo("cafe1234");
        assertThat(table.partitions()).containsExactly(
                new Partition(1, "0x83", "cafe1234-01", "", 8L * blockBytes, 10L * blockBytes, true, 0x80),
                new Partition(4, "0xc", "cafe1234-04", "", 20L * blockBytes, 30L * blockBytes, false, 0));
        assertThat(table.remarks()).isEmpty();
    }

    @Test
    void whatReachesPastTheEndIsCutOffThere() throws BlockIOException {
        mbr(512).record(0, 0, 0, 0x83, 2000, 100).record(0, 1, 0, 0x83, 2048, 1)
                .record(0, 2, 0, 0x83, 0xFFFFFFFFL, 0xFFFFFFFFL).record(0, 3, 0, 0x83, 2047, 1);
        PartitionTable table = read(512);
        assertThat(shortly(table)).containsExactly("1: 2000+48", "4: 2047+1");
        assertThat(table.remarks()).containsExactly(
                "partition 1 of 100 blocks from block 2000 reaches past the end at 2048: cut off there",
                "partition 2 begins at block 2048, past the end at 2048: left out",
                "partition 3 begins at block 4294967295, past the end at 2048: left out");
    }

    @ParameterizedTest
    @ValueSource(ints = {512, 4096})
    void logicalPartitionsAreNumberedFrom5(int blockBytes) throws BlockIOException {
        mbr(blockBytes).record(0, 0, 0, 0x83, 8, 10).record(0, 1, 0, 0x05, 100, 100)
                // Three links; the second without a partition.
                .record(100, 0, 0x80, 0x83, 2, 10).record(100, 1, 0, 0x05, 20, 20).record(120, 1, 0, 0x05, 50, 20)
                .record(150, 0, 0, 0x82, 1, 19);
        int sectors = blockBytes / 512;
        int extended = Math.max(2, sectors);
        assertThat(shortly(read(blockBytes))).containsExactly("1: " + 8 * sectors + "+" + 10 * sectors,
                "2: " + 100 * sectors + "+" + extended, "5: " + 102 * sectors + "+" + 10 * sectors,
                "6: " + 151 * sectors + "+" + 19 * sectors);
        PartitionTable table = read(blockBytes);
        assertThat(table.remarks()).isEmpty();
        assertThat(table.find(5).orElseThrow().uuid()).isEqualTo("cafe1234-05");
        assertThat(table.find(5).orElseThrow().bootable()).isTrue();
    }

    @Test
    void eachExtendedEntryHasAChain() throws BlockIOException {
        mbr(512).record(0, 1, 0, 0x0f, 100, 100).record(0, 2, 0, 0x85, 300, 100).record(100, 0, 0, 0x83, 1, 5)
                .record(300, 0, 0, 0x83, 2, 6);
        assertThat(shortly(read(512))).containsExactly("2: 100+2", "3: 300+2", "5: 101+5", "6: 302+6");
    }

    @Test
    void theTwoLastEntriesOfAnExtendedRecordHaveToFit() throws BlockIOException {
        mbr(512).record(0, 0, 0, 0x05, 100, 100).record(100, 2, 0, 0x83, 10, 10).record(100, 3, 0, 0x83, 10, 91);
        assertThat(shortly(read(512))).containsExactly("1: 100+2", "5: 110+10");
    }

    @Test
    void aChainThatComesBackEndsThere() throws BlockIOException {
        mbr(512).record(0, 0, 0, 0x05, 100, 100).record(100, 0, 0, 0x83, 1, 5).record(100, 1, 0, 0x05, 50, 10)
                .record(150, 0, 0, 0x83, 1, 5).record(150, 1, 0, 0x05, 0, 10);
        PartitionTable table = read(512);
        assertThat(shortly(table)).containsExactly("1: 100+2", "5: 101+5", "6: 151+5");
        assertThat(table.remarks())
                .containsExactly("the chain of extended records comes back to block 100: it ends there");
    }

    @Test
    void aChainOfNothingIsFollowedForAWhile() throws BlockIOException {
        TableImage image = mbr(512).record(0, 0, 0, 0x05, 100, 1000);
        for (int i = 0; i < 300; i++) {
            image.record(100 + i, 0, 0, 0x05, i + 1, 10);
        }
        image.record(100 + 101, 1, 0, 0x83, 1, 1);
        PartitionTable table = read(512);
        assertThat(shortly(table)).containsExactly("1: 100+2");
        assertThat(table.remarks()).singleElement().asString().contains("goes on after block 201");
        image.record(100 + 100, 1, 0, 0x83, 1, 1);
        assertThat(shortly(read(512))).as("one that begins in time").contains("5: 201+1", "6: 202+1");
    }

    @Test
    void thereAreNoMoreThan255Partitions() throws BlockIOException {
        TableImage image = mbr(512).record(0, 0, 0, 0x05, 100, 1000);
        for (int i = 0; i < 300; i++) {
            image.record(100 + 2 * i, 0, 0, 0x83, 1, 1).record(100 + 2 * i, 1, 0, 0x05, 2 * i + 2, 2);
        }
        PartitionTable table = read(512);
        assertThat(table.partitions()).hasSize(252);
        assertThat(table.partitions().getLast().index()).isEqualTo(Partition.INDEX_MAX);
        assertThat(table.remarks()).singleElement().asString().contains("behind partition 255");
    }

    @Test
    void aChainThatLeadsOffTheDiskEndsThere() throws BlockIOException {
        mbr(512).record(0, 0, 0, 0x05, 100, 100).record(100, 0, 0, 0x83, 1, 5).record(100, 1, 0, 0x05, 0xFFFFFFFFL, 10);
        PartitionTable table = read(512);
        assertThat(shortly(table)).containsExactly("1: 100+2", "5: 101+5");
        assertThat(table.remarks()).singleElement().asString().contains("block 4294967395 is not on the disk");
        mbr(512).record(0, 0, 0, 0x05, 100, 100);
        assertThat(read(512).remarks()).containsExactly("block 100 has no extended record");
    }

    // ---- damage

    @Test
    void whateverStandsOnTheDiskIsReadInBoundedTimeAndFitsToIt() throws BlockIOException {
        long seed = RandomSeed.of(PartitionTableTest.class);
        Random random = new Random(seed);
        int found = 0;
        for (int i = 0; i < 3000; i++) {
            int blockBytes = random.nextBoolean() ? 512 : 4096;
            TableImage image = switch (random.nextInt(3)) {
                case 0 -> gpt(blockBytes);
                case 1 -> mbr(blockBytes).record(0, 0, 0, 0x83, 8, 10).record(0, 1, 0, 0x05, 100, 50)
                        .record(100, 0, 0, 0x83, 1, 5).record(100, 1, 0, 0x05, 10, 10).record(110, 0, 0, 0x83, 1, 5);
                default -> manyLinks(blockBytes, random);
            };
            damage(image, random);
            driver.limits(limits -> limits.logicalBlockBytes(blockBytes));
            try (Disk disk = driver.disk()) {
                driver.log();
                PartitionTable table = PartitionTable.read(disk);
                assertThat(driver.log().size()).as("reads, seed %d, round %d", seed, i).isLessThan(READS_MAX);
                for (Partition partition : table.partitions()) {
                    found++;
                    try (Disk part = disk.partition("p", partition.startBytes(), partition.sizeBytes())) {
                        assertThat(part.sizeBytes()).as("seed %d, round %d: %s", seed, i, partition).isPositive()
                                .isEqualTo(partition.sizeBytes());
                    }
                }
            }
        }
        assertThat(found).as("partitions found in all, seed %d", seed).isGreaterThan(1000);
    }

    private TableImage manyLinks(int blockBytes, Random random) {
        TableImage image = mbr(blockBytes).record(0, 0, 0, 0x05, 1, 200);
        for (int block = 1; block < 250; block++) {
            image.record(block, 0, 0, random.nextInt(3) == 0 ? 0x83 : 0, 1, 1);
            image.record(block, 1, 0, 0x05, random.nextInt(250), 1);
        }
        return image;
    }

    /** Changes some bytes where tables are, and in half of the cases makes the checksums right after that. */
    private static void damage(TableImage image, Random random) {
        int changes = random.nextInt(6);
        for (int i = 0; i < changes; i++) {
            int at = switch (random.nextInt(5)) {
                case 0 -> 440 + random.nextInt(72);
                case 1 -> image.at(1) + random.nextInt(96);
                case 2 -> image.at(2) + random.nextInt(512);
                case 3 -> image.at(image.blocks() - 1) + random.nextInt(96);
                default -> random.nextInt(image.bytes().capacity());
            };
            image.bytes().put(at, (byte) (random.nextBoolean() ? random.nextInt() : random.nextBoolean() ? 0 : 0xFF));
        }
        if (new String(image.bytes().array(), image.at(1), 3, StandardCharsets.US_ASCII).equals("EFI")
                && random.nextBoolean()) {
            image.sealEntries(1);
            image.sealEntries(image.blocks() - 1);
        }
    }
}
