package io.blkmq.testkit.disk;

import io.blkmq.core.Disk;
import io.blkmq.testkit.CrashFailure;
import io.blkmq.testkit.CrashReport;
import io.blkmq.testkit.CrashSettings;
import io.blkmq.testkit.crash.Acknowledgements;
import io.blkmq.testkit.crash.Trial;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Runs a program once on a {@link SimulatedDisk}, and then shows a check the disk as a power cut might have left it at each moment of that
 * run: after each request, at each flush, with any of the writes that no flush had made durable, and each write torn at the disk's atomic
 * unit.
 *
 * <pre>{@code
 * CrashExplorer.<String>on(SimulatedDisk.consumerSsd().capacityBytes(1 << 20))
 *         .run((disk, acknowledged) -> {
 *             new Journal(disk).append("a");
 *             acknowledged.add("a");
 *         })
 *         .check((disk, acknowledged) -> assertThat(Journal.recover(disk)).containsAll(acknowledged));
 * }</pre>
 *
 * <p>The workload adds to {@code acknowledged} what the program has promised to keep. The check gets what had been added before the power
 * failed. It throws if a promise is broken. Its disk is always the same, with other content each time; it may write to it.
 *
 * <p>States with equal content are checked once. The disk of the check has no latency.
 *
 * <p>For one thread. The check runs on a thread of its own.
 *
 * @param <T> what is acknowledged
 * @since 0.1.0
 */
public final class CrashExplorer<T> extends CrashSettings<CrashExplorer<T>> {
    private final SimulatedDisk.Builder device;
    private List<FaultRule> faults = List.of();
    private @Nullable Preparation preparation;
    private int explorations;

    private CrashExplorer(SimulatedDisk.Builder device) {
        this.device = device;
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
         * @param disk of zeroes, unless it was {@link CrashExplorer#prepared prepared}
         * @param acknowledged takes what the program has promised to keep, when it has; any thread may add to it
         * @throws Exception to end the test
         */
        void run(Disk disk, List<T> acknowledged) throws Exception;
    }

    /**
     * Looks at what a power cut has left.
     *
     * @param <T> what is acknowledged
     */
    @FunctionalInterface
    public interface Check<T> {
        /**
         * Looks.
         *
         * @param disk with what is left
         * @param acknowledged what the program had promised before the power failed
         * @throws Exception if a promise is broken; an error, an OutOfMemoryError, too, says the same
         */
        void check(Disk disk, List<T> acknowledged) throws Exception;
    }

    /** Writes what is on a disk, durably, before a workload begins. */
    @FunctionalInterface
    public interface Preparation {
        /**
         * Writes it.
         *
         * @param disk of zeroes
         * @throws Exception to end the test
         */
        void prepare(Disk disk) throws Exception;
    }

    /**
     * A test on a disk of some kind.
     *
     * @param <T> what is acknowledged
     * @param disk describes it; it is not changed later
     * @return to be changed and run
     */
    public static <T> CrashExplorer<T> on(SimulatedDisk.Builder disk) {
        return new CrashExplorer<>(disk);
    }

    @Override
    protected CrashExplorer<T> self() {
        return this;
    }

    /**
     * Writes to the disk before the workload begins; each power cut leaves it.
     *
     * @param value writes it
     * @return this
     */
    public CrashExplorer<T> prepared(Preparation value) {
        preparation = value;
        return this;
    }

    /**
     * Sets the faults that the disk has while the workload runs, and not while it is prepared or checked.
     *
     * @param rules none unless set
     * @return this
     */
    public CrashExplorer<T> faults(List<FaultRule> rules) {
        faults = List.copyOf(rules);
        return this;
    }

    /**
     * How often states were visited.
     *
     * @return 0 as long as nothing was checked
     */
    public int explorations() {
        return explorations;
    }

    /**
     * Runs the program. Where the disk has the {@link io.blkmq.sim.DeterministicRuntime runtime of a simulation}, this is called by a thread of
     * that, and the {@link Recorded#check check} after the simulation has ended.
     *
     * @param workload what it does
     * @return what it did, to be checked
     * @throws IOException if the disk cannot be made
     * @throws Exception what the workload threw
     */
    public Recorded run(Workload<T> workload) throws Exception {
        try (SimulatedDisk simulated = device.build()) {
            if (preparation != null) {
                preparation.prepare(simulated.disk());
                simulated.load(simulated.snapshot());
            }
            faults.forEach(simulated.faults()::add);
            DiskLog log = simulated.record();
            Acknowledgements<T> acknowledged = new Acknowledgements<>(_ -> simulated.acknowledge());
            try {
                workload.run(simulated.disk(), acknowledged);
            } finally {
                simulated.stopRecording();
            }
            return new Recorded(DiskHistory.read(log), log.base(), simulated, acknowledged.end());
        }
    }

    /** What a program did. */
    public final class Recorded {
        private final DiskHistory.DiskCrashes crashes;
        private final SimulatedDisk.Builder checked;
        private final String subject;
        private final List<T> acknowledged;

        private Recorded(DiskHistory.DiskCrashes crashes, DiskImage base, SimulatedDisk simulated,
                List<T> acknowledged) {
            this.crashes = crashes;
            this.subject = simulated.toString();
            this.checked = SimulatedDisk.builder().name(simulated.disk().name()).image(base)
                    .limits(simulated.disk().queue().limits());
            this.acknowledged = acknowledged;
        }

        /**
         * What has happened to the disk, and the acknowledgements among that.
         *
         * @return one line for each event
         */
        public List<String> events() {
            List<String> events = new ArrayList<>();
            for (int position = 1; position <= crashes.history().lastPosition(); position++) {
                events.add(crashes.medium().describeEvent(position));
            }
            return events;
        }

        /**
         * Visits the states that power cuts may leave.
         *
         * @param check judges them
         * @return what was found
         * @throws CrashFailure if the check fails in a state
         * @throws IllegalStateException if the check is wrong whatever the state: if it does not end, or leaves requests in flight
         * @throws IOException if the disk cannot be made
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
         * Visits the states that power cuts may leave, as {@link #check} does, and only tells what it finds.
         *
         * @param check judges them
         * @return what was found
         * @throws IllegalStateException as {@link #check} does
         * @throws IOException if the disk cannot be made
         * @throws InterruptedException if the thread is interrupted
         */
        public CrashReport explore(Check<T> check) throws IOException, InterruptedException {
            explorations++;
            try (SimulatedDisk shown = checked.build()) {
                return new Trial<>(subject, crashes.history(), crashes.medium(), bounds(),
                        Acknowledgements.teller(acknowledged),
                        (BlockTree image, int count) -> judge(shown, check, image, count)).run();
            }
        }

        private void judge(SimulatedDisk shown, Check<T> check, BlockTree image, int count) throws Exception {
            shown.load(new DiskImage(image));
            check.check(shown.disk(), Collections.unmodifiableList(acknowledged.subList(0, count)));
            if (shown.disk().isClosed()) {
                throw new Trial.Misuse("the check has closed the disk, which shows the next state, too");
            }
            if (shown.inFlight() > 0) {
                throw new Trial.Misuse("the check left " + shown.inFlight() + " requests in flight");
            }
        }
    }
}
