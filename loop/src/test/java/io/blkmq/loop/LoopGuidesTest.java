package io.blkmq.loop;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.testing.BesideOthers;
import io.blkmq.testing.DocPage;
import io.blkmq.testing.NoRescues;
import java.io.RandomAccessFile;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The programs of docs/guide/embedding.md, from its own text: Java compiles and runs them, and they print what the page says. */
@BesideOthers
@NoRescues
class LoopGuidesTest {
    @TempDir
    private Path directory;

    @Test
    void theFastestFormReadsWithoutABounce() throws Exception {
        printsWhatThePageSays("Fast");
    }

    @Test
    void aControlHasDevicesBeforeTheyHaveAFile() throws Exception {
        printsWhatThePageSays("Control");
    }

    @Test
    void whatGrowsOnADiskOfFixedSizeIsThereTheNextTime() throws Exception {
        DocPage page = DocPage.read("docs/guide/embedding.md");
        assertThat(DocPage.run(page.write("Growing", directory), directory.resolve("new.img").toString()))
                .isEqualTo(page.printedBy("class Growing"));
    }

    private void printsWhatThePageSays(String program) throws Exception {
        DocPage page = DocPage.read("docs/guide/embedding.md");
        Path image = directory.resolve("disk.img");
        try (RandomAccessFile file = new RandomAccessFile(image.toFile(), "rw")) {
            file.setLength(16 << 20);
        }
        assertThat(DocPage.run(page.write(program, directory), image.toString()))
                .isEqualTo(page.printedBy("class " + program));
    }
}
