package io.blkmq.aio;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.File;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Random;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The example of docs/aio.md, from its own text: Java compiles and runs it, and it copies a file. */
class AioGuideTest {

    private static final Pattern EXAMPLE = Pattern.compile("```java\\n(import.*?)```", Pattern.DOTALL);
    private static final int LINES_MAX = 30;

    @TempDir
    private Path directory;

    @Test
    void theExampleCopiesAFileInUnderThirtyLines() throws Exception {
        String guide = Files.readString(Path.of("..", "docs", "aio.md"));
        Matcher example = EXAMPLE.matcher(guide);
        assertThat(example.find()).as("docs/aio.md has a Java example").isTrue();
        assertThat(example.group(1).lines().count()).isLessThan(LINES_MAX);

        // Not a whole number of blocks, and more than are in flight at a time.
        byte[] content = new byte[(5 << 20) + 4711];
        new Random(1).nextBytes(content);
        Path from = Files.write(directory.resolve("from"), content);
        Path to = directory.resolve("to");
        Path source = Files.writeString(directory.resolve("Copy.java"), example.group(1));
        Process java = new ProcessBuilder(Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "--enable-native-access=ALL-UNNAMED", "-cp", classPath(), source.toString(), from.toString(),
                to.toString()).redirectErrorStream(true).start();
        String printed = new String(java.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(java.waitFor()).as(printed).isZero();
        assertThat(printed).isEqualTo("copied " + content.length + " bytes" + System.lineSeparator());
        assertThat(Files.mismatch(from, to)).isEqualTo(-1);
    }

    private static String classPath() {
        return System.getProperty("jdk.module.path", "") + File.pathSeparator + System.getProperty("java.class.path");
    }
}
