package io.blkmq.stores;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.File;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Lucene's own tests of what a directory promises, over {@code NIOFSDirectory} on the testkit's provider, in a process of their own. */
class LuceneDirectoryTest {
    private static final int TESTS_MIN = 40;

    @Test
    @Timeout(value = 300, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
    void theProviderPassesLucenesTestsOfDirectories() throws Exception {
        String classPath = String.join(File.pathSeparator, Store.classPath("lucene-tests-10.6.0", "lucene-directory"),
                System.getProperty("jdk.module.path", ""), System.getProperty("java.class.path"));
        Process process = new ProcessBuilder(Path.of(System.getProperty("java.home"), "bin", "java").toString(), "-ea",
                "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Dtests.seed=5EED",
                "-Djava.util.logging.config.file=src/programs/lucene-directory/logging.properties", "-cp", classPath,
                "org.junit.runner.JUnitCore", "ProviderDirectoryTest").redirectErrorStream(true).start();
        try {
            String printed = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
            assertThat(process.waitFor()).as(printed).isZero();
            Matcher passed = Pattern.compile("^OK \\((\\d+) tests\\)$", Pattern.MULTILINE).matcher(printed);
            assertThat(passed.find()).as(printed).isTrue();
            assertThat(Integer.parseInt(passed.group(1))).as(printed).isGreaterThan(TESTS_MIN);
        } finally {
            process.destroyForcibly();
        }
    }
}
