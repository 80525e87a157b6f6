package io.blkmq.core.partition;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.blkmq.core.BlockIOException;
import io.blkmq.core.Disk;
import io.blkmq.core.PartitionTable;
import io.blkmq.core.PartitionTable.Scheme;
import io.blkmq.core.mq.RecordingDriver;
import io.blkmq.testing.NoRescues;
import io.blkmq.testing.RandomSeed;
import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** The tables as {@code partx} of util-linux reads them, where that is installed. */
@Timeout(value = 300, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
@NoRescues
class PartxTest {
    private static final int IMAGES = 40;
    private static final int BLOCKS_4K = RecordingDriver.CAPACITY_BYTES / 4096;

    @TempDir
    private Path directory;

    private final RecordingDriver driver = new RecordingDriver().completesAtOnce();

    @BeforeEach
    void onlyWherePartxIs() {
        String path = System.getenv("PATH");
        boolean installed = path != null
                && Stream.of(path.split(File.pathSeparator)).anyMatch(one -> Files.isExecutable(Path.of(one, "partx")));
        assertThat(installed || !("," + System.getProperty("blkmq.ci.installed", "") + ",").contains(",partx,"))
                .as("partx is not installed, and blkmq.ci.installed says that it is there").isTrue();
        assumeTrue(installed, "skipped: partx is not installed");
    }

    private static Process start(List<String> command) throws IOException {
        return new ProcessBuilder(command).redirectErrorStream(true).start();
    }

    private List<String> byPartx(int blockBytes) throws IOException, InterruptedException {
        Path image = Files.write(directory.resolve("image"), driver.data());
        Process partx = start(List.of("partx", "--sector-size", "" + blockBytes, "--raw", "--noheadings", "--bytes",
                "-o", "NR,START,SECTORS,UUID,TYPE,FLAGS,SCHEME,NAME", image.toString()));
        String out = new String(partx.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(partx.waitFor(300, TimeUnit.SECONDS)).isTrue();
        return out.lines().map(String::strip).toList();
    }

    private List<String> byUs(int blockBytes) throws BlockIOException {
        driver.limits(limits -> limits.logicalBlockBytes(blockBytes));
        try (Disk disk = driver.disk()) {
            PartitionTable table = PartitionTable.read(disk);
            assertThat(table.scheme()).isNotEqualTo(Scheme.NONE);
            List<String> lines = new ArrayList<>();
            table.partitions().forEach(p -> lines.add(String
                    .join(" ", "" + p.index(), "" + p.startBytes() / 512, "" + p.sizeBytes() / 512, p.uuid(), p.type(),
                            "0x" + Long.toHexString(p.flags()), table.scheme() == Scheme.GPT ? "gpt" : "dos", p.label())
                    .strip()));
            return lines;
        }
    }

    @Test
    void gptIsReadAlike() throws Exception {
        Random random = new Random(RandomSeed.of(PartxTest.class));
        for (int i = 0; i < IMAGES; i++) {
            int blockBytes = random.nextBoolean() ? 512 : 4096;
            int entries = 32 * (1 + random.nextInt(4));
            TableImage image = TableImage.gpt(driver.data(), blockBytes, entries);
            int next = 40;
            int end = BLOCKS_4K - 40;
            for (int index = 1; index <= entries && next < end; index += 1 + random.nextInt(4)) {
                int last = next + random.nextInt(Math.min(30, end - next));
                image.entry(index, next, last, "part" + index, random.nextInt(8));
                next = last + 1 + random.nextInt(5);
            }
            if (random.nextInt(3) == 0) {
                image.bytes().put(image.at(1) + random.nextInt(92), (byte) 0xA5);
            }
            assertThat(byUs(blockBytes)).as("image %d", i).isEqualTo(byPartx(blockBytes));
        }
    }

    @Test
    void mbrIsReadAlikeButForTheLengthOfAnExtendedPartition() throws Exception {
        Random random = new Random(RandomSeed.of(PartxTest.class));
        for (int i = 0; i < IMAGES; i++) {
            int blockBytes = random.nextBoolean() ? 512 : 4096;
            TableImage image = TableImage.mbr(driver.data(), blockBytes);
            int next = 1 + random.nextInt(10);
            int extended = random.nextInt(6);
            for (int slot = 0; slot < 4; slot++) {
                int blocks = 1 + random.nextInt(20);
                if (slot == extended) {
                    image.record(0, slot, 0, 0x05, next, 100);
                    logical(image, next, random);
                    next += 100;
                } else if (random.nextInt(4) != 0) {
                    image.record(0, slot, random.nextBoolean() ? 0x80 : 0, random.nextBoolean() ? 0x83 : 0x82, next,
                            blocks);
                    next += blocks + random.nextInt(5);
                }
            }
            List<String> theirs = new ArrayList<>();
            for (String line : byPartx(blockBytes)) {
                // util-linux shows its whole length, the kernel and we two sectors of it.
                theirs.add(line.replaceAll("^(\\d+ \\d+) \\d+ (\\S+ 0x5 .*)",
                        "$1 " + Math.max(2, blockBytes / 512) + " $2"));
            }
            assertThat(byUs(blockBytes)).as("image %d", i).isEqualTo(theirs);
        }
    }

    private static void logical(TableImage image, int extended, Random random) {
        int record = extended;
        while (true) {
            int blocks = 1 + random.nextInt(15);
            image.record(record, 0, 0, 0x83, 1, blocks);
            int following = record + 1 + blocks + random.nextInt(3);
            if (following + 20 > extended + 100 || random.nextInt(6) == 0) {
                return;
            }
            image.record(record, 1, 0, 0x05, following - extended, 20);
            record = following;
        }
    }
}
