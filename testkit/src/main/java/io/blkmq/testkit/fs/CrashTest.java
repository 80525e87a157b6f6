package io.blkmq.testkit.fs;

import io.blkmq.testkit.CrashFailure;
import io.blkmq.testkit.CrashReport;
import io.blkmq.testkit.CrashSettings;
import io.blkmq.testkit.crash.Acknowledgements;
import io.blkmq.testkit.crash.Trial;
import io.blkmq.testkit.tree.FileTree;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Runs a program once while its changes of files are recorded, and then shows a check the files as a crash might have left them at each
 * moment of that run.
 *
 * <pre>{@code
 * CrashTest.<String>of(EXT4_ORDERED)
 *         .run((directory, acknowledged) -> {
 *             try (var store = Store.open(directory)) {
 *                 store.put("a");
 *                 acknowledged.add("a");
 *             }
 *         })
 *         .check((directory, acknowledged) -> {
 *             try (var store = Store.open(directory)) {
 *                 assertThat(store.keys()).containsAll(acknowledged);
 *             }
 *         });
 * }</pre>
 *
 * <p>The workload adds to {@code acknowledged} whatever the program has promised to keep. The check gets what had been added before the
 * crash, and a directory with the files that the crash has left. It opens the program on them, throws if a promise is broken, and closes
 * it. It may change the files. The directory has another name in each call, since programs remember what they have open by name.
 *
 * <p>Which states a crash may leave is the {@link FileSystemModel}'s word. {@link CrashReport} says how many there were and which is the
 * smallest that failed.
 *
 * <p>For one thread. The workload may start threads; what they do after it has returned is not recorded. The check runs on a thread of its
 * own, one call at a time.
 *
 * @param <T> what is acknowledged
 * @since 0.1.0
 */
public final class CrashTest<T> extends CrashSettings<CrashTest<T>> {
    private final FileSystemModel model;
    private Door door = Door.PROVIDER;
    private @Nullable Preparation preparation;
    private int explorations;

    private CrashTest(FileSystemModel model) {
        this.model = model;
    }

    /**
     * A program's run.
     *
     * @param <T> what is acknowledged
     */
    @FunctionalInterface
    public interface Workload<T> {
        /**
         * Runs the program.
         *
         * @param directory where its files are to be; empty unless they were {@link CrashTest#prepared prepared}
         * @param acknowledged takes what the program has promised to keep, when it has; any thread may add to it
         * @throws Exception to end the test
         */
        void run(Path directory, List<T> acknowledged) throws Exception;
    }

    /**
     * Looks at what a crash has left.
     *
     * @param <T> what is acknowledged
     */
    @FunctionalInterface
    public interface Check<T> {
        /**
         * Opens the program on its files, and looks.
         *
         * @param directory the files
         * @param acknowledged what the program had promised before the crash
         * @throws Exception if a promise is broken; an error, an OutOfMemoryError, too, says the same
         */
        void check(Path directory, List<T> acknowledged) throws Exception;
    }

    /** Makes files that are there, durably, before a workload begins. */
    @FunctionalInterface
    public interface Preparation {
        /**
         * Makes them.
         *
         * @param directory where
         * @throws Exception to end the test
         */
        void prepare(Path directory) throws Exception;
    }

    /**
     * A test by a model, with the bounds that are the default.
     *
     * @param <T> what is acknowledged
     * @param model which states a crash may leave
     * @return to be changed and run
     */
    public static <T> CrashTest<T> of(FileSystemModel model) {
        return new CrashTest<>(model);
    }

    @Override
    protected CrashTest<T> self() {
        return this;
    }

    /**
     * Sets how the program reaches its files.
     *
     * @param value {@link Door#PROVIDER} unless set
     * @return this
     */
    public CrashTest<T> door(Door value) {
        door = value;
        return this;
    }

    /**
     * Makes files before the workload begins; each crash leaves them.
     *
     * @param value runs in the workload's directory, which it shares
     * @return this
     */
    public CrashTest<T> prepared(Preparation value) {
        preparation = value;
        return this;
    }

    /**
     * Runs the program.
     *
     * @param workload what it does
     * @return what it did, to be checked
     * @throws IOException if the files cannot be provided: a mount that is refused, with the reason
     * @throws Exception what the workload threw: a program that fails without a crash needs no crash test
     */
    public Recorded run(Workload<T> workload) throws Exception {
        try (Stage stage = stage()) {
            if (preparation != null) {
                preparation.prepare(stage.workplace());
            }
            stage.record();
            Acknowledgements<T> acknowledged = new Acknowledgements<>(stage::acknowledge);
            workload.run(stage.workplace(), acknowledged);
            Stage.Recording recording = stage.end();
            return new Recorded(FileHistory.read(model, recording.before(), recording.changes()), acknowledged.end());
        }
    }

    /**
     * How often states were visited.
     *
     * @return 0 as long as nothing was checked
     */
    public int explorations() {
        return explorations;
    }

    private Stage stage() throws IOException {
        return switch (door) {
            case PROVIDER -> new ProviderStage();
            case FUSE -> new FuseStage(model.isWhole());
        };
    }

    /** What a program did. */
    public final class Recorded {
        private final FileCrashes crashes;
        private final List<T> acknowledged;

        private Recorded(FileCrashes crashes, List<T> acknowledged) {
            this.crashes = crashes;
            this.acknowledged = acknowledged;
        }

        /**
         * The changes and syncs of the run, and the acknowledgements among them.
         *
         * @return one line for each
         */
        public List<String> events() {
            List<String> events = new ArrayList<>();
            for (int position = 1; position <= crashes.history().lastPosition(); position++) {
                events.add(crashes.medium().describeEvent(position));
            }
            return events;
        }

        /**
         * Visits the states that crashes may leave.
         *
         * @param check judges them
         * @return what was found
         * @throws CrashFailure if the check fails in a state
         * @throws IllegalStateException if the check is wrong whatever the state: if it does not end, or leaves files open in the
         *             first state already; later that is a failure of the state
         * @throws IOException if the files cannot be provided
         * @throws InterruptedException if the thread is interrupted
         */
        public CrashReport check(Check<T> check) throws IOException, InterruptedException {
            CrashReport report = explore(check);
            if (!report.holds()) {
                throw new CrashFailure(report);
            }
            return report;
        }

        /**
         * Visits the states that crashes may leave, as {@link #check} does, and only tells what it finds.
         *
         * @param check judges them
         * @return what was found
         * @throws IllegalStateException as {@link #check} does
         * @throws IOException if the files cannot be provided
         * @throws InterruptedException if the thread is interrupted
         */
        public CrashReport explore(Check<T> check) throws IOException, InterruptedException {
            explorations++;
            try (Stage stage = stage()) {
                return new Trial<>("files by the model " + model, crashes.history(), crashes.medium(), bounds(),
                        Acknowledgements.teller(acknowledged), new Judge(stage, check)).run();
            }
        }

        private final class Judge implements Trial.Judge<FileTree> {
            private final Stage stage;
            private final Check<T> check;
            private final boolean replays = bounds().replay() != null;
            private int shown;
            /** How many states were judged, and left nothing open. */
            private int closed;

            Judge(Stage stage, Check<T> check) {
                this.stage = stage;
                this.check = check;
            }

            @Override
            public void judge(FileTree image, int count) throws Throwable {
                try (Stage.Showing showing = stage.show(image, ++shown)) {
                    check.check(showing.directory(), Collections.unmodifiableList(acknowledged.subList(0, count)));
                    List<String> open = showing.openFiles();
                    if (open.isEmpty()) {
                        closed++;
                    } else {
                        throw leftOpen(open);
                    }
                }
            }

            /** A check that never closes is wrong; one that mostly does may have a program that does not close all that it opens in this state. */
            private Throwable leftOpen(List<String> open) {
                String text = "the check left " + open.size() + " files open: " + open
                        + "; it must close the program that it opens, or the next check finds it open";
                return closed == 0 && !replays
                        ? new Trial.Misuse(text)
                        : new AssertionError(
                                text + (replays ? "" : " (" + closed + " states before this one left none)"));
            }
        }
    }
}
