package example;

import static io.blkmq.testkit.fs.FileSystemModel.EXT4_ORDERED;
import static io.blkmq.testkit.fs.FileSystemModel.POSIX;
import static io.blkmq.testkit.fs.FileSystemModel.XFS;
import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.testkit.fs.CrashTest;
import io.blkmq.testkit.junit.PowerCuts;
import java.util.List;

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
}
