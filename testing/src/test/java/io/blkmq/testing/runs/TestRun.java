package io.blkmq.testing.runs;

import static org.junit.platform.engine.discovery.DiscoverySelectors.selectClass;
import static org.junit.platform.engine.discovery.DiscoverySelectors.selectMethod;

import io.blkmq.testing.RandomSeed;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.stream.Stream;
import org.junit.platform.engine.DiscoverySelector;
import org.junit.platform.engine.TestExecutionResult;
import org.junit.platform.engine.support.descriptor.MethodSource;
import org.junit.platform.launcher.Launcher;
import org.junit.platform.launcher.TestExecutionListener;
import org.junit.platform.launcher.TestIdentifier;
import org.junit.platform.launcher.core.LauncherDiscoveryRequestBuilder;
import org.junit.platform.launcher.core.LauncherFactory;

/**
 * The process that runs test classes for {@link Soak} and {@link Mutations}, one after the other, and says in a file how far it is. It
 * ends early at the first class with a failure, since what a failed test leaves behind is not to be taken for a failure of the next.
 */
final class TestRun {
    /** How a class fails where nothing has run. */
    static final String NO_TESTS = "there are no tests in it";

    private final Path events;
    private int tests;
    private int skipped;
    private int failed;

    private TestRun(Path events) {
        this.events = events;
    }

    /**
     * Runs.
     *
     * @param args the file for the events, when to begin no more classes, in milliseconds, and the classes; {@code #METHOD} behind
     *        a class takes only that method, with {@code *} for anything
     * @throws IOException if the file cannot be written
     */
    public static void main(String[] args) throws IOException {
        TestRun run = new TestRun(Path.of(args[0]));
        long until = Long.parseLong(args[1]);
        Launcher launcher = LauncherFactory.create();
        for (String test : List.of(args).subList(2, args.length)) {
            if (System.currentTimeMillis() >= until || run.failed > 0) {
                break;
            }
            run.run(launcher, test);
        }
        System.out.flush();
        // Threads that a test has left behind do not keep the process.
        Runtime.getRuntime().halt(0);
    }

    private void run(Launcher launcher, String test) throws IOException {
        say("begin " + test);
        tests = 0;
        skipped = 0;
        long begin = System.nanoTime();
        long seeds = RandomSeed.drawn();
        launcher.execute(LauncherDiscoveryRequestBuilder.request().selectors(selected(test)).build(), new Listener());
        if (tests + skipped + failed == 0) {
            say("fail <class> " + NO_TESTS);
            failed++;
        }
        say("end " + test + " " + tests + " " + skipped + " " + (System.nanoTime() - begin) / 1_000_000 + " "
                + (RandomSeed.drawn() - seeds));
    }

    private static List<? extends DiscoverySelector> selected(String test) {
        int method = test.indexOf('#');
        if (method < 0) {
            return List.of(selectClass(test));
        }
        Class<?> type = selectClass(test.substring(0, method)).getJavaClass();
        String pattern = Soak.pattern(test.substring(method + 1));
        return Stream.of(type.getDeclaredMethods()).filter(each -> !each.isSynthetic())
                .filter(each -> each.getName().matches(pattern)).map(each -> selectMethod(type, each)).toList();
    }

    private void say(String line) throws IOException {
        Files.writeString(events, line + "\n", StandardOpenOption.CREATE, StandardOpenOption.APPEND);
    }

    private static String method(TestIdentifier test) {
        return test.getSource().filter(MethodSource.class::isInstance).map(MethodSource.class::cast)
                .map(MethodSource::getMethodName).orElse("<class>");
    }

    /** Counts what ends, and prints what fails. */
    private final class Listener implements TestExecutionListener {
        @Override
        public void executionSkipped(TestIdentifier test, String reason) {
            skipped++;
        }

        @Override
        public void executionFinished(TestIdentifier test, TestExecutionResult result) {
            if (test.isTest()) {
                tests += result.getStatus() == TestExecutionResult.Status.ABORTED ? 0 : 1;
                skipped += result.getStatus() == TestExecutionResult.Status.ABORTED ? 1 : 0;
            }
            if (result.getStatus() == TestExecutionResult.Status.FAILED) {
                failed++;
                Throwable thrown = result.getThrowable().orElseGet(() -> new AssertionError("failed"));
                System.out.println("FAILED: " + test.getLegacyReportingName() + " " + test.getUniqueId());
                thrown.printStackTrace(System.out);
                try {
                    String message = String.valueOf(thrown);
                    say("fail " + method(test) + " " + test.getDisplayName() + ": "
                            + message.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", ""));
                } catch (IOException e) {
                    throw new IllegalStateException(e);
                }
            }
        }
    }
}
