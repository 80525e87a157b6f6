package io.blkmq.stores;

import io.blkmq.testkit.CrashReport;
import io.blkmq.testkit.fs.CrashTest;
import io.blkmq.testkit.fs.Door;
import io.blkmq.testkit.fs.FileSystemModel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.function.Predicate;

/** Visits the crash states of a release's program, as long as a build may take, or as the system property {@value #SECONDS} says. */
final class Visit {
    /** How many seconds one release is visited. With it, all failures are counted; without, the first one ends the visit. */
    static final String SECONDS = "blkmq.stores.seconds";
    /** All releases together are to take a minute of a build. */
    private static final int SECONDS_DEFAULT = 3;
    /** As long as a build may take on a machine that has no time for it. */
    private static final int SECONDS_MAX = 200;
    private static final Path REPORTS = Path.of("target", "found");

    private Visit() {}

    /**
     * Visits a release, and again for longer until that was enough to say something of it: how many states are checked in a time is up to
     * who else has the processor.
     *
     * @param enough whether a report says what it is to say; the last report may not
     * @return the last report
     */
    static CrashReport of(String release, String programName, FileSystemModel model, Door door,
            Predicate<CrashReport> enough) throws Exception {
        int seconds = SECONDS_DEFAULT;
        CrashReport report = of(release, programName, model, door, seconds);
        while (!enough.test(report) && seconds < SECONDS_MAX && System.getProperty(SECONDS) == null) {
            seconds *= 4;
            report = of(release, programName, model, door, seconds);
        }
        return report;
    }

    /**
     * Visits a release, writes its report to {@code target/found}, and prints its first line.
     *
     * @return the report
     */
    private static CrashReport of(String release, String programName, FileSystemModel model, Door door,
            int secondsOfABuild) throws Exception {
        int seconds = Integer.getInteger(SECONDS, secondsOfABuild);
        CrashTest<String> test = CrashTest.<String>of(model).door(door).time(Duration.ofSeconds(seconds));
        if (System.getProperty(SECONDS) != null) {
            test.allFailures().states(Long.MAX_VALUE);
        }
        Thread thread = Thread.currentThread();
        ClassLoader before = thread.getContextClassLoader();
        try (Store store = Store.load(release, programName)) {
            thread.setContextClassLoader(store.program().getClass().getClassLoader());
            StoreProgram program = store.program();
            CrashReport report = test.prepared(program::prepare).run(program::work)
                    .explore((directory, acknowledged) -> {
                        // A store that was never told to keep anything may refuse to open.
                        if (!acknowledged.isEmpty()) {
                            program.check(directory, acknowledged);
                        }
                    });
            Files.createDirectories(REPORTS);
            Files.writeString(REPORTS.resolve(release + "-" + programName.replace('/', '-') + "-" + model + ".txt"),
                    report + "\n");
            IO.println(release + ", " + model + ": " + report.checked() + " states of " + report.made() + " checked, "
                    + report.failed() + " failed, " + report.checkedPerSecond() + " a second");
            return report;
        } finally {
            thread.setContextClassLoader(before);
        }
    }
}
