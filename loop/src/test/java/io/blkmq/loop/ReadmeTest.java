package io.blkmq.loop;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.testing.NoRescues;
import java.io.File;
import java.io.RandomAccessFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The example of the README, from its own text: Java compiles and runs it, and it prints what the README says and nothing else. */
@NoRescues
class ReadmeTest {
    private static final Pattern EXAMPLE = Pattern.compile("```java\\n(.*?)```", Pattern.DOTALL);
    private static final Pattern PRINTS = Pattern.compile("It prints `([^`]*)`");

    @TempDir
    private Path directory;

    @Test
    void theExampleCompilesAndPrintsWhatTheReadmeSays() throws Exception {
        String readme = Files.readString(Path.of("..", "README.md"));
        Matcher example = EXAMPLE.matcher(readme);
        assertThat(example.find()).as("README.md has a Java example").isTrue();
        Matcher prints = PRINTS.matcher(readme);
        assertThat(prints.find()).as("README.md says what the example prints").isTrue();

        Path image = directory.resolve("disk.img");
        try (RandomAccessFile file = new RandomAccessFile(image.toFile(), "rw")) {
            file.setLength(1 << 20);
        }
        Path source = Files.writeString(directory.resolve("Example.java"), example.group(1));
        Process java = java("--enable-native-access=ALL-UNNAMED", "-cp", classPath(), source.toString(),
                image.toString());
        String printed = new String(java.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(printed).isEqualTo(prints.group(1) + System.lineSeparator());
        assertThat(java.waitFor()).isZero();
    }

    /** What this module and its tests are made of, as a class path. */
    static String classPath() {
        return System.getProperty("jdk.module.path", "") + File.pathSeparator + System.getProperty("java.class.path");
    }

    static Process java(String... arguments) throws Exception {
        ProcessBuilder builder = new ProcessBuilder(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        builder.command().addAll(java.util.List.of(arguments));
        return builder.redirectErrorStream(true).start();
    }
}
