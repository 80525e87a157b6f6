package io.blkmq.stores;

import static io.blkmq.testkit.fs.FileSystemModel.EXT4_ORDERED;
import static io.blkmq.testkit.fs.FileSystemModel.POSIX;
import static io.blkmq.testkit.fs.FileSystemModel.XFS;
import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.blkmq.testkit.CrashReport;
import io.blkmq.testkit.fs.Door;
import io.blkmq.testkit.fs.FileSystemModel;
import java.util.Optional;
import java.util.function.Predicate;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

/**
 * Defects of released stores that their own projects have reported are found, each in the release that has it, and the release that has
 * mended it passes. docs/found.md tells what was found.
 */
class KnownDefectsTest {
    /**
     * A defect.
     *
     * @param issue where its project tells of it
     * @param broken a release that has it
     * @param mended one that has not; empty if there is none
     * @param program that shows it
     * @param model by which
     * @param door by which the store opens its files
     */
    private record Known(String issue, String broken, String mended, String program, FileSystemModel model,
            Door door) {}

    private static Stream<Known> known() {
        return Stream.of( //
                new Known("eclipse-store#459", "eclipse-store-2.1.3", "", "eclipse-store", EXT4_ORDERED, Door.PROVIDER),
                new Known("h2database#1504", "h2-1.4.197", "h2-1.4.200", "mvstore", EXT4_ORDERED, Door.FUSE),
                new Known("h2database#1504", "h2-1.4.199", "h2-2.4.240", "mvstore", EXT4_ORDERED, Door.FUSE),
                new Known("sofa-jraft#480", "jraft-1.3.2", "jraft-1.3.14", "jraft", XFS, Door.FUSE),
                new Known("KAFKA-15312", "kafka-raft-3.5.1", "kafka-raft-3.6.0", "kafka-raft", XFS, Door.FUSE),
                new Known("KAFKA-16541", "kafka-storage-3.7.0", "kafka-storage-3.8.0", "kafka-epochs", XFS, Door.FUSE),
                new Known("mapdb#302", "mapdb-0.9.9", "mapdb-1.0.9", "mapdb0", EXT4_ORDERED, Door.FUSE),
                new Known("LUCENE-5588", "lucene-4.7.2", "lucene-4.8.1", "lucene4", POSIX, Door.FUSE));
    }

    @TestFactory
    Stream<DynamicTest> aReleaseWithTheDefectFails() {
        return known().map(each -> DynamicTest.dynamicTest(each.issue + " in " + each.broken, () -> {
            CrashReport report = visit(each, each.broken, visited -> !visited.holds());
            assertThat(report.holds()).as(report.toString()).isFalse();
        }));
    }

    @TestFactory
    Stream<DynamicTest> aReleaseWithoutItPasses() {
        return known().filter(each -> !each.mended.isEmpty())
                .map(each -> DynamicTest.dynamicTest(each.issue + " in " + each.mended, () -> {
                    CrashReport report = visit(each, each.mended, visited -> visited.checked() > 1);
                    assertThat(report.holds()).as(report.toString()).isTrue();
                    assertThat(report.checked()).isGreaterThan(1);
                }));
    }

    private static CrashReport visit(Known known, String release, Predicate<CrashReport> enough) throws Exception {
        Optional<String> unavailable = known.door.unavailable();
        assumeTrue(unavailable.isEmpty(), () -> "skipped: no FUSE: " + unavailable.orElseThrow());
        return Visit.of(release, known.program, known.model, known.door, enough);
    }
}
