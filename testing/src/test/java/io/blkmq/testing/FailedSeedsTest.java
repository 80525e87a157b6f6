package io.blkmq.testing;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.platform.engine.discovery.DiscoverySelectors.selectClass;
import static org.junit.platform.engine.discovery.DiscoverySelectors.selectMethod;

import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.parallel.Isolated;
import org.junit.platform.engine.DiscoverySelector;
import org.junit.platform.launcher.core.LauncherDiscoveryRequestBuilder;
import org.junit.platform.launcher.core.LauncherFactory;
import org.junit.platform.launcher.listeners.SummaryGeneratingListener;
import org.junit.platform.launcher.listeners.TestExecutionSummary;

/**
 * The seeds that ever failed, each run again: a module's file {@code src/test/failed-seeds} names the test, the seed and what it found.
 */
@Isolated // sets a system property
class FailedSeedsTest {
    private static final Path FILE = Path.of("src/test/failed-seeds");
    private static final Pattern LINE = Pattern.compile("([\\w.$]+)(?:#(\\w+))? (-?\\d+) (\\S.*)");

    /** A seed that failed. */
    record Failed(String test, String method, long seed, String found) {
        static Failed parse(String line) {
            Matcher matcher = LINE.matcher(line);
            assertThat(matcher.matches()).as("a class with #method or none, a seed, and what it found: '%s'", line)
                    .isTrue();
            String method = matcher.group(2);
            return new Failed(matcher.group(1), method == null ? "" : method, Long.parseLong(matcher.group(3)),
                    matcher.group(4));
        }

        DiscoverySelector selector() throws ClassNotFoundException {
            Class<?> type = Class.forName(test);
            // JUnit makes its instances by reflection; only packages whose tests were asked for are open to it by themselves.
            type.getModule().addOpens(type.getPackageName(), LauncherFactory.class.getModule());
            if (method.isEmpty()) {
                return selectClass(type);
            }
            // Whatever its parameters are.
            return Stream.of(type.getDeclaredMethods()).filter(each -> each.getName().equals(method)).findFirst()
                    .map(each -> selectMethod(each.getDeclaringClass(), each))
                    .orElseThrow(() -> new AssertionError(test + " has no " + method));
        }

        void replay() throws ClassNotFoundException {
            SummaryGeneratingListener listener = new SummaryGeneratingListener();
            try (SetProperty _ = RandomSeed.give(Long.toString(seed))) {
                LauncherFactory.create()
                        .execute(LauncherDiscoveryRequestBuilder.request().selectors(selector()).build(), listener);
            }
            TestExecutionSummary summary = listener.getSummary();
            StringWriter failures = new StringWriter();
            summary.printFailuresTo(new PrintWriter(failures), 50);
            assertThat(summary.getTotalFailureCount()).as("%s", failures).isZero();
            assertThat(summary.getTestsFoundCount()).as("tests of %s", this).isPositive();
        }
    }

    private static List<Failed> failed() throws IOException {
        try (Stream<String> lines = Files.lines(FILE)) {
            return lines.filter(line -> !line.isBlank() && !line.startsWith("#")).map(Failed::parse).toList();
        }
    }

    @TestFactory
    Stream<DynamicTest> aSeedThatFailedDoesSoNoMore() throws IOException {
        return failed().stream().map(each -> DynamicTest
                .dynamicTest(each.test + "#" + each.method + " " + each.seed + ": " + each.found, each::replay));
    }

    @Test
    void theFileIsThereAndCanBeRead() throws IOException {
        assertThat(FILE).exists();
        assertThat(failed()).doesNotHaveDuplicates();
    }

    /** A test that asks for a seed, and that other seeds fail. */
    static final class Sample {
        @Test
        void passesWithFortyTwo() {
            assertThat(RandomSeed.next(Sample.class)).isEqualTo(42);
        }
    }

    @Test
    void aSeedIsThatOfTheTestThatIsRunAgain() throws ClassNotFoundException {
        Failed.parse(Sample.class.getName() + "#passesWithFortyTwo 42 nothing").replay();
        Failed wrong = Failed.parse(Sample.class.getName() + "#passesWithFortyTwo 41 nothing");
        assertThat(org.assertj.core.api.Assertions.catchThrowable(wrong::replay)).isInstanceOf(AssertionError.class)
                .hasMessageContaining("passesWithFortyTwo");
    }
}
