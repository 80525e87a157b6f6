package example;

import static io.blkmq.testkit.fs.FileSystemModel.EXT4_ORDERED;
import static io.blkmq.testkit.fs.FileSystemModel.POSIX;
import static io.blkmq.testkit.fs.FileSystemModel.XFS;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIOException;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import io.blkmq.testkit.fs.CrashTest;
import io.blkmq.testkit.fs.MemoryFileSystem;
import io.blkmq.testkit.junit.PowerCuts;
import java.lang.reflect.Proxy;
import java.nio.file.FileSystem;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class RecordLogTest {
    private static final List<String> RECORDS = List.of("a", "b".repeat(10_000), "c");
    private static final List<List<String>> CONTENTS = List.of(List.of(), List.of("old"), List.of("x", "y"), List.of("x", "y", "z"));

    @PowerCuts(model = {EXT4_ORDERED, XFS, POSIX})
    void anAppendedRecordSurvives(CrashTest<String> test) throws Exception {
        test.run((directory, acknowledged) -> {
            try (var log = RecordLog.open(directory)) {
                for (String record : RECORDS) {
                    log.append(record);
                    acknowledged.add(record);
                }
            }
        }).check((directory, acknowledged) -> {
            try (var log = RecordLog.open(directory)) {
                assertThat(log.records()).hasSizeGreaterThanOrEqualTo(acknowledged.size())
                        .isEqualTo(RECORDS.subList(0, log.records().size()));
            }
        });
    }

    @PowerCuts(model = {EXT4_ORDERED, XFS, POSIX})
    void aRewriteIsAllOrNothingAndWhatIsAppendedLaterSurvives(CrashTest<List<String>> test) throws Exception {
        test.run((directory, acknowledged) -> {
            try (var log = RecordLog.open(directory)) {
                log.append("old");
                acknowledged.add(CONTENTS.get(1));
                log.rewrite(List.of("x", "y"));
                acknowledged.add(CONTENTS.get(2));
                log.append("z");
                acknowledged.add(CONTENTS.get(3));
            }
        }).check((directory, acknowledged) -> {
            try (var log = RecordLog.open(directory)) {
                // What was acknowledged last, or what was being done after it.
                int last = acknowledged.size();
                assertThat(log.records()).isIn(CONTENTS.subList(last, Math.min(last + 2, CONTENTS.size())));
            }
        });
    }

    /** Recovery would take either for the end of the log. */
    @ParameterizedTest
    @ValueSource(ints = {0, (1 << 20) + 1})
    void aRecordThatRecoveryWouldNotFindIsRefused(int bytes, @TempDir Path directory) throws Exception {
        String none = "é".repeat(bytes / 2) + "e".repeat(bytes % 2);
        String largest = "c".repeat(1 << 20);
        try (var log = RecordLog.open(directory)) {
            log.append("a");
            assertThatIllegalArgumentException().isThrownBy(() -> log.append(none)).withMessageContaining("a record of " + bytes + " bytes");
            log.append("b");
            assertThatIllegalArgumentException().isThrownBy(() -> log.rewrite(List.of("x", none)));
            log.append(largest);
        }
        try (var log = RecordLog.open(directory)) {
            assertThat(log.records()).containsExactly("a", "b", largest);
        }
    }

    /** Behind the part of a record that was written, recovery would find no other. */
    @Test
    void afterAFailedAppendNoneIsAcknowledged() throws Exception {
        try (FileSystem files = MemoryFileSystem.builder("log").capacityBytes(128 << 10).build()) {
            Path directory = files.getPath("/");
            Path other = Files.write(directory.resolve("other"), new byte[100 << 10]);
            try (var log = RecordLog.open(directory)) {
                log.append("a");
                assertThatIOException().isThrownBy(() -> log.append("b".repeat(64 << 10)));
                Files.delete(other);
                assertThatIOException().isThrownBy(() -> log.append("c"));
            }
            try (var log = RecordLog.open(directory)) {
                assertThat(log.records()).containsExactly("a");
                log.append("d");
                other = Files.write(other, new byte[100 << 10]);
                assertThatIOException().isThrownBy(() -> log.rewrite(List.of("b".repeat(64 << 10))));
                assertThatIOException().isThrownBy(() -> log.append("e"));
            }
            try (var log = RecordLog.open(directory)) {
                assertThat(log.records()).containsExactly("a", "d");
            }
        }
    }

    /** A directory where a rewrite fails before CURRENT has another name, and by no IOException. */
    private static Path withoutNext(Path directory) {
        return (Path) Proxy.newProxyInstance(RecordLogTest.class.getClassLoader(), new Class<?>[] {Path.class}, (_, method, arguments) -> {
            if (arguments != null && "CURRENT.next".equals(arguments[0])) {
                throw new IllegalStateException("on purpose");
            }
            return method.invoke(directory, arguments);
        });
    }

    /** Recovery would not open the log that was to be the next one. */
    @Test
    void afterARewriteThatFailedInAnyWayNoneIsAcknowledged(@TempDir Path directory) throws Exception {
        try (var log = RecordLog.open(directory)) {
            log.append("a");
        }
        try (var log = RecordLog.open(withoutNext(directory))) {
            assertThatIllegalStateException().isThrownBy(() -> log.rewrite(List.of("x")));
            assertThatIOException().isThrownBy(() -> log.append("b"));
        }
        try (var log = RecordLog.open(directory)) {
            assertThat(log.records()).containsExactly("a");
        }
    }
}
