package io.blkmq.testkit.fs;

import io.blkmq.testkit.CrashFailure;
import io.blkmq.testkit.CrashReport;
import io.blkmq.testkit.crash.Trial;
import io.blkmq.testkit.tree.FileTree;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.AbstractList;
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
public final class CrashTest<T> {
    /** The number of states that are made at the most, unless set. */
    public static final long STATES_DEFAULT = 20_000;
    /** How long states are visited at the most, unless set. */
    public static final Duration TIME_DEFAULT = Duration.ofSeconds(60);
    /** How long one check may take, unless set. */
    public static final Duration CHECK_TIME_DEFAULT = Duration.ofSeconds(30);

    private final FileSystemModel model;
    private Door door = Door.PROVIDER;
    private long states = STATES_DEFAULT;
    private Duration time = TIME_DEFAULT;
    private Duration checkTime = CHECK_TIME_DEFAULT;
    private long seed = 1;
    private boolean all;
    private @Nullable String replay = System.getProperty(CrashReport.REPLAY);
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
         * @throws Exception if a promise is broken
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
     * Sets how many states are made at the most. If there are more, some are chosen: each crash point gets its share.
     *
     * @param value at least 1; {@value #STATES_DEFAULT} unless set
     * @return this
     * @throws IllegalArgumentException if it is less than 1
     */
    public CrashTest<T> states(long value) {
        if (value < 1) {
            throw new IllegalArgumentException("states " + value + ": must be at least 1");
        }
        states = value;
        return this;
    }

    /**
     * Sets how long states are visited.
     *
     * @param value more than 0; a minute unless set
     * @return this
     * @throws IllegalArgumentException if it is 0 or less
     */
    public CrashTest<T> time(Duration value) {
        time = positive("time", value);
        return this;
    }

    /**
     * Sets how long one call of the check may take. One that takes longer ends the test.
     *
     * @param value more than 0; 30 seconds unless set
     * @return this
     * @throws IllegalArgumentException if it is 0 or less
     */
    public CrashTest<T> checkTime(Duration value) {
        checkTime = positive("checkTime", value);
        return this;
    }

    private static Duration positive(String name, Duration value) {
        if (value.isNegative() || value.isZero()) {
            throw new IllegalArgumentException(name + " " + value + ": must be more than 0");
        }
        return value;
    }

    /**
     * Sets the seed that chooses among more states than may be made.
     *
     * @param value 1 unless set
     * @return this
     */
    public CrashTest<T> seed(long value) {
        seed = value;
        return this;
    }

    /**
     * Has all states visited, and those that fail counted. Unless set, the first failure ends the visit.
     *
     * @return this
     */
    public CrashTest<T> allFailures() {
        all = true;
        return this;
    }

    /**
     * Has one state visited, and no other.
     *
     * @param code the state, as a report names it; the system property {@value CrashReport#REPLAY} unless set
     * @return this
     */
    public CrashTest<T> replay(String code) {
        replay = code;
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
            Acknowledgements<T> acknowledged = new Acknowledgements<>(stage);
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
            case FUSE -> new FuseStage();
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
         * @throws IllegalStateException if the check is wrong whatever the state: if it does not end, or leaves files open
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
                return new Trial<>("files by the model " + model, crashes.history(), crashes.medium(),
                        new Trial.Bounds(states, time, checkTime, seed, all, replay), this::told, new Judge(stage, check)).run();
            }
        }

        private String told(int count) {
            List<T> some = acknowledged.subList(Math.max(0, count - 5), count);
            return count + (count == 0 ? "" : count > 5 ? ", the last are " + some : " " + some);
        }

        private final class Judge implements Trial.Judge<FileTree> {
            private final Stage stage;
            private final Check<T> check;
            private int shown;

            Judge(Stage stage, Check<T> check) {
                this.stage = stage;
                this.check = check;
            }

            @Override
            public void judge(FileTree image, int count) throws Exception {
                try (Stage.Showing showing = stage.show(image, ++shown)) {
                    check.check(showing.directory(), Collections.unmodifiableList(acknowledged.subList(0, count)));
                    List<String> open = showing.openFiles();
                    if (!open.isEmpty()) {
                        throw new Trial.Misuse("the check left " + open.size() + " files open: " + open
                                + "; it must close the program that it opens, or the next check finds it open");
                    }
                }
            }
        }
    }

    /** Takes acknowledgements; each has its place in the record. */
    private static final class Acknowledgements<T> extends AbstractList<T> {
        private final Stage stage;
        private final List<T> list = new ArrayList<>();
        private boolean over;

        Acknowledgements(Stage stage) {
            this.stage = stage;
        }

        @Override
        public synchronized boolean add(T what) {
            if (over) {
                throw new IllegalStateException("the workload has ended: " + what + " is acknowledged too late");
            }
            list.add(what);
            stage.acknowledge(list.size());
            return true;
        }

        @Override
        public synchronized T get(int index) {
            return list.get(index);
        }

        @Override
        public synchronized int size() {
            return list.size();
        }

        synchronized List<T> end() {
            over = true;
            return List.copyOf(list);
        }
    }
}
