package io.blkmq.loop;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.testing.BesideOthers;
import io.blkmq.testing.DocPage;
import io.blkmq.testing.NoRescues;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The examples of the README, from its own text: Java compiles and runs them, and they print what the README says and nothing else. */
@BesideOthers
@NoRescues
class ReadmeTest {
    private static final int LINES_OF_A_DISK_MAX = 10;

    @TempDir
    private Path directory;

    @Test
    void aDiskInTenLinesPrintsWhatTheReadmeSays() throws Exception {
        DocPage readme = DocPage.read("README.md");
        String example = readme.example("class Hello");
        // Without the class and the imports.
        assertThat(example.lines().filter(line -> line.startsWith("        ")).count())
                .isLessThanOrEqualTo(LINES_OF_A_DISK_MAX);

        assertThat(DocPage.run(readme.write("Hello", directory), image().toString()))
                .isEqualTo(readme.printedBy("class Hello"));
    }

    @Test
    void theSameRunsAsAModule() throws Exception {
        DocPage readme = DocPage.read("README.md");
        Path sources = Files.createDirectories(directory.resolve("sources"));
        // A module has no classes without a package.
        Path hello = Files.writeString(sources.resolve("Hello.java"),
                "package hello;\n" + readme.example("class Hello"));
        Path module = Files.writeString(sources.resolve("module-info.java"), readme.example("module hello"));
        Path classes = directory.resolve("classes");
        String modules = System.getProperty("jdk.module.path");
        assertThat(DocPage.run("javac",
                List.of("--module-path", modules, "-d", classes.toString(), hello.toString(), module.toString())))
                .isEmpty();

        assertThat(DocPage.run("java",
                List.of("--module-path", modules + java.io.File.pathSeparator + classes,
                        "--enable-native-access=io.blkmq.aio", "--module", "hello/hello.Hello", image().toString())))
                .isEqualTo(readme.printedBy("class Hello"));
    }

    @Test
    void aBrokenDiskPrintsWhatTheReadmeSays() throws Exception {
        DocPage readme = DocPage.read("README.md");
        assertThat(DocPage.run(readme.write("BreakIt", directory))).isEqualTo(readme.printedBy("class BreakIt"));
    }

    private Path image() throws IOException {
        Path image = directory.resolve("disk.img");
        try (RandomAccessFile file = new RandomAccessFile(image.toFile(), "rw")) {
            file.setLength(1 << 20);
        }
        return image;
    }
}
