package example;

import static io.blkmq.testkit.fs.FileSystemModel.EXT4_ORDERED;
import static io.blkmq.testkit.fs.FileSystemModel.POSIX;
import static io.blkmq.testkit.fs.FileSystemModel.XFS;
import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.testkit.fs.CrashTest;
import io.blkmq.testkit.junit.PowerCuts;
import java.util.List;

class RecordLogTest {
    @PowerCuts(model = {EXT4_ORDERED, XFS, POSIX})
    void anAppendedRecordSurvives(CrashTest<String> test) throws Exception {
        test.run((directory, acknowledged) -> {
            try (var log = RecordLog.open(directory)) {
                for (String record : List.of("a", "b".repeat(10_000), "c")) {
                    log.append(record);
                    acknowledged.add(record);
                }
            }
        }).check((directory, acknowledged) -> {
            try (var log = RecordLog.open(directory)) {
                assertThat(List.of("a", "b".repeat(10_000), "c")).startsWith(log.records().toArray(String[]::new));
                assertThat(log.records()).startsWith(acknowledged.toArray(String[]::new));
            }
        });
    }

    @PowerCuts(model = {EXT4_ORDERED, XFS, POSIX})
    void aRewriteIsAllOrNothingAndWhatIsAppendedLaterSurvives(CrashTest<List<String>> test) throws Exception {
        test.run((directory, acknowledged) -> {
            try (var log = RecordLog.open(directory)) {
                acknowledged.add(List.of());
                log.append("old");
                acknowledged.add(List.of("old"));
                log.rewrite(List.of("x", "y"));
                acknowledged.add(List.of("x", "y"));
                log.append("z");
                acknowledged.add(List.of("x", "y", "z"));
            }
        }).check((directory, acknowledged) -> {
            try (var log = RecordLog.open(directory)) {
                List<List<String>> all = List.of(List.of(), List.of("old"), List.of("x", "y"), List.of("x", "y", "z"));
                assertThat(log.records()).isIn(all.subList(Math.max(0, acknowledged.size() - 1), Math.min(acknowledged.size() + 1, 4)));
            }
        });
    }
}
