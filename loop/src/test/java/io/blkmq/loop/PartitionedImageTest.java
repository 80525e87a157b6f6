package io.blkmq.loop;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.loop.PartitionedImage.Part;
import io.blkmq.testing.Command;
import io.blkmq.testing.NoRescues;
import io.blkmq.testing.RandomSeed;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The tables that tests write by themselves are those that sfdisk takes them for. */
@NoRescues
class PartitionedImageTest {
    private static final int ROUNDS = 10;
    private static final int IMAGE_BLOCKS = 16 << 11;
    private static final Pattern ENTRY = Pattern.compile("start= *(\\d+), size= *(\\d+), type=(\\S+)");
    private static final String EXTENDED = "5";

    @TempDir
    private Path directory;
    private Path image;
    private Random random;

    @SuppressWarnings("NullAway.Init")
    PartitionedImageTest() {}

    @BeforeEach
    void begin() {
        Command.require("sfdisk");
        random = new Random(RandomSeed.of(PartitionedImageTest.class));
        image = directory.resolve("disk.img");
    }

    /** One behind the other, with at least a block between them. */
    private List<Part> parts(int most) {
        List<Part> parts = new ArrayList<>();
        int count = 1 + random.nextInt(most);
        int room = (IMAGE_BLOCKS - 4096) / count;
        for (int i = 0; i < count; i++) {
            int start = 2048 + i * room + random.nextInt(room / 2);
            parts.add(new Part(start, 1 + random.nextInt(room / 2 - 2)));
        }
        return parts;
    }

    private void isWhatSfdiskSees(List<Part> parts) throws Exception {
        assertThat(Command.run("", "sfdisk", "--verify", image.toString())).as(parts.toString())
                .contains("No errors detected");
        List<Part> seen = new ArrayList<>();
        Matcher entry = ENTRY.matcher(Command.run("", "sfdisk", "--dump", image.toString()));
        while (entry.find()) {
            if (!entry.group(3).equals(EXTENDED)) {
                seen.add(new Part(Long.parseLong(entry.group(1)), Long.parseLong(entry.group(2))));
            }
        }
        assertThat(seen).isEqualTo(parts);
    }

    @Test
    void aGptIsWithoutErrorsAndHasItsPartitions() throws Exception {
        for (int i = 0; i < ROUNDS; i++) {
            List<Part> parts = parts(12);
            PartitionedImage.writeGpt(PartitionedImage.raw(image, IMAGE_BLOCKS * 512L), parts);
            isWhatSfdiskSees(parts);
        }
    }

    @Test
    void anMbrIsWithoutErrorsAndHasItsPartitionsLogicalOnesToo() throws Exception {
        for (int i = 0; i < ROUNDS; i++) {
            List<Part> parts = parts(8);
            PartitionedImage.writeMbr(PartitionedImage.raw(image, IMAGE_BLOCKS * 512L), parts);
            isWhatSfdiskSees(parts);
        }
    }
}
