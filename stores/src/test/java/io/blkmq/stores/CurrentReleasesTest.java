package io.blkmq.stores;

import static io.blkmq.testkit.fs.FileSystemModel.EXT4_ORDERED;
import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.blkmq.testkit.CrashReport;
import io.blkmq.testkit.fs.Door;
import io.blkmq.testkit.fs.FileSystemModel;
import java.util.EnumSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;

/**
 * Looks for defects that nobody knows: current releases of stores, by each model. What it finds is told and is no failure of a build;
 * docs/found.md has the findings. A build visits two of them alone, in which nothing may be found.
 */
class CurrentReleasesTest {
    private record Current(String release, String program, Door door) {}

    private static final List<Current> CURRENT = List.of( //
            new Current("lucene-10.6.0", "lucene", Door.PROVIDER), //
            new Current("h2-2.4.240", "mvstore", Door.FUSE), //
            new Current("h2-2.4.240", "mvstore/LargeValues", Door.FUSE), //
            new Current("eclipse-store-2.1.3", "eclipse-store", Door.PROVIDER), //
            new Current("mapdb-3.1.0", "mapdb", Door.FUSE), //
            new Current("xodus-2.0.1", "xodus", Door.FUSE), //
            new Current("hsqldb-2.7.4", "hsqldb", Door.FUSE), //
            new Current("derby-10.17.1.0", "derby", Door.FUSE), //
            new Current("artemis-2.44.0", "artemis", Door.FUSE), //
            new Current("ratis-3.2.0", "ratis", Door.FUSE), //
            new Current("jraft-1.4.1", "jraft", Door.FUSE), //
            new Current("rdf4j-5.1.0", "rdf4j", Door.FUSE), //
            new Current("kafka-raft-3.6.0", "kafka-raft", Door.FUSE));

    private static final Set<String> WITHOUT_FINDINGS = Set.of("lucene", "mvstore");

    @TestFactory
    Stream<DynamicTest> nothingIsFoundByTheRulesOfExt4() {
        return CURRENT.stream().filter(each -> WITHOUT_FINDINGS.contains(each.program))
                .map(each -> DynamicTest.dynamicTest(each.release, () -> {
                    CrashReport report = visit(each, EXT4_ORDERED);
                    assertThat(report.holds()).as(report.toString()).isTrue();
                    assertThat(report.checked()).isGreaterThan(1);
                }));
    }

    /** With {@code -Dblkmq.stores.seconds=N}: each release by each model, N seconds long. */
    @TestFactory
    @EnabledIfSystemProperty(named = Visit.SECONDS, matches = "\\d+", disabledReason = "explores when it is asked to")
    Stream<DynamicTest> exploration() {
        return CURRENT.stream().flatMap(each -> EnumSet.allOf(FileSystemModel.class).stream().map(model -> DynamicTest
                .dynamicTest(each.release + ", " + each.program + ", " + model, () -> visit(each, model))));
    }

    private static CrashReport visit(Current current, FileSystemModel model) throws Exception {
        Optional<String> unavailable = current.door.unavailable();
        assumeTrue(unavailable.isEmpty(), () -> "skipped: no FUSE: " + unavailable.orElseThrow());
        return Visit.of(current.release, current.program, model, current.door, visited -> visited.checked() > 1);
    }
}
