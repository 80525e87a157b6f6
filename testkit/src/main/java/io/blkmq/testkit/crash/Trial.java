package io.blkmq.testkit.crash;

import io.blkmq.testkit.CrashReport;
import io.blkmq.testkit.CrashSettings;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.IntFunction;
import jdk.jfr.FlightRecorder;
import org.jspecify.annotations.Nullable;

/**
 * Has a program's check judge the states that crashes may leave, and reports the smallest one that fails.
 *
 * <p>The visit runs on a thread of its own. The caller waits for it and watches: a check that does not return is told with the place
 * where it is, and its thread is left behind. The visit owns all that is here but for the two fields that it publishes.
 *
 * @param <I> an image of the storage
 */
public final class Trial<I> {
    /**
     * The check of the program under test.
     *
     * @param <I> an image of the storage
     */
    @FunctionalInterface
    public interface Judge<I> {
        /**
         * Looks at what a crash has left.
         *
         * @param image its own
         * @param acknowledged how many acknowledgements there were before the crash
         * @throws Misuse if the check itself is wrong, whatever the state
         * @throws Throwable if the state is not as it should be; any error, an OutOfMemoryError, too, is a failure of the state
         */
        void judge(I image, int acknowledged) throws Throwable;
    }

    /** A mistake of the test and not of the program under test: it ends the visit, and is no failure of a state. */
    public static final class Misuse extends IllegalStateException {
        private static final long serialVersionUID = 1;

        /**
         * Tells a mistake.
         *
         * @param message what is wrong
         */
        public Misuse(String message) {
            super(message);
        }
    }

    /** A failing state is made smaller with so many attempts at the most. */
    private static final int ATTEMPTS_MAX = 300;
    private static final int RECENT_EVENTS = 12;
    private static final System.Logger LOG = System.getLogger(Trial.class.getName());
    private static final Duration PROGRESS = Duration.ofSeconds(10);

    /** A check that runs. */
    private record Running(CrashState state, long beginNanos) {}

    private final String subject;
    private final History history;
    private final Medium<I> medium;
    private final CrashSettings.Bounds bounds;
    private final Judge<I> judge;
    private final IntFunction<String> acknowledgements;
    /** Written by the visit, read by the watching caller. */
    private final AtomicReference<@Nullable Running> running = new AtomicReference<>();
    private final AtomicLong checked = new AtomicLong();
    private @Nullable Throwable lastFailure;
    private long endNanos;

    /**
     * Prepares a trial.
     *
     * @param subject for the report
     * @param history what has happened
     * @param medium where it has
     * @param bounds of the visit
     * @param acknowledgements so many of them, for the report
     * @param judge the check
     */
    public Trial(String subject, History history, Medium<I> medium, CrashSettings.Bounds bounds,
            IntFunction<String> acknowledgements, Judge<I> judge) {
        this.subject = subject;
        this.history = history;
        this.medium = medium;
        this.bounds = bounds;
        this.acknowledgements = acknowledgements;
        this.judge = judge;
    }

    /**
     * Visits the states.
     *
     * @return what was found
     * @throws Misuse if the check does not end, or is wrong in another way
     * @throws InterruptedException if the caller is interrupted; the visit is interrupted, too
     */
    public CrashReport run() throws InterruptedException {
        endNanos = System.nanoTime() + bounds.time().toNanos();
        AtomicReference<@Nullable CrashReport> report = new AtomicReference<>();
        AtomicReference<@Nullable Throwable> broken = new AtomicReference<>();
        Thread visit = Thread.ofPlatform().daemon().name("blkmq-crash-check").unstarted(() -> {
            try {
                report.set(visit());
            } catch (Throwable t) {
                broken.set(t);
            }
        });
        visit.setContextClassLoader(Thread.currentThread().getContextClassLoader());
        visit.start();
        try {
            watch(visit);
        } catch (InterruptedException e) {
            visit.interrupt();
            throw e;
        }
        Throwable wrong = broken.get();
        if (wrong != null) {
            throw rethrown(wrong);
        }
        return Objects.requireNonNull(report.get());
    }

    private static RuntimeException rethrown(Throwable wrong) {
        if (wrong instanceof Error error) {
            throw error;
        }
        return wrong instanceof RuntimeException e ? e : new IllegalStateException(wrong);
    }

    /** Waits for the visit's end, tells its progress, and gives it up when one check takes too long. */
    private void watch(Thread visit) throws InterruptedException {
        long told = System.nanoTime();
        while (!visit.join(Duration.ofMillis(100))) {
            long now = System.nanoTime();
            if (now - told >= PROGRESS.toNanos()) {
                told = now;
                LOG.log(System.Logger.Level.INFO,
                        () -> String.format(Locale.ROOT, "%s: %,d states checked, %d s left at the most", subject,
                                checked.get(), TimeUnit.NANOSECONDS.toSeconds(Math.max(0, endNanos - now))));
            }
            Running check = running.get();
            if (check != null && now - check.beginNanos > bounds.checkTime().toNanos()) {
                StackTraceElement[] stack = visit.getStackTrace();
                visit.interrupt();
                throw endless(check, stack);
            }
        }
    }

    private Misuse endless(Running check, StackTraceElement[] stack) {
        Misuse endless = new Misuse("the check did not end within " + bounds.checkTime().toMillis()
                + " ms, at the place below, in the state " + "that -D" + CrashReport.REPLAY + "=" + code(check.state)
                + " replays; a check that only takes long needs a larger checkTime");
        endless.setStackTrace(stack);
        return endless;
    }

    private CrashReport visit() {
        String code = bounds.replay();
        if (code != null) {
            return replay(code);
        }
        Explorer<I> explorer = new Explorer<>(history, medium, bounds.states(), bounds.seed(), !bounds.all(),
                this::isTimeLeft);
        List<Throwable> firstCause = new ArrayList<>(1);
        Explorer.Check<I> check = (image, acknowledged, state) -> {
            boolean held = holds(image, acknowledged, state);
            if (!held && firstCause.isEmpty()) {
                firstCause.add(cause());
            }
            return held;
        };
        Exploration found = explorer.explore(check);
        CrashReport.Failure failure = null;
        if (!found.failures().isEmpty()) {
            lastFailure = firstCause.getFirst();
            failure = smallest(found.failures().getFirst());
        }
        return report(found, failure);
    }

    private CrashReport report(Exploration found, CrashReport.@Nullable Failure failure) {
        return new CrashReport(subject, bounds.seed(), history.lastPosition(), found.points(), found.completePoints(),
                found.made(), found.checked(), found.failed(), found.nanos(), endOf(found), failure);
    }

    private @Nullable String endOf(Exploration found) {
        if (!found.isStopped()) {
            return found.completePoints() == found.points()
                    ? null
                    : "there are more than " + bounds.states() + " of them";
        }
        return found.failed() > 0 && !bounds.all() ? "the first failure ended the visit" : "the time was over";
    }

    private boolean isTimeLeft() {
        return System.nanoTime() - endNanos < 0;
    }

    private Throwable cause() {
        return Objects.requireNonNull(lastFailure);
    }

    /**
     * Runs the check of the program under test. Also an OutOfMemoryError is a failure of the state: a program that believes a length which
     * a crash has torn asks for an array of that length. What the check held is free again by now. If it is the testkit itself that has
     * filled the heap, then the report names that error, or the next image cannot be made, which ends the visit.
     */
    private boolean holds(I image, int acknowledged, CrashState state) {
        running.set(new Running(state, System.nanoTime()));
        try {
            judge.judge(image, acknowledged);
            return true;
        } catch (Misuse e) {
            throw e;
        } catch (Throwable t) {
            lastFailure = t;
            return false;
        } finally {
            running.set(null);
            checked.incrementAndGet();
        }
    }

    private CrashReport replay(String code) {
        CrashState state = decode(code);
        long begin = System.nanoTime();
        boolean held = holds(imageOf(state), history.acknowledgedAt(state.position()), state);
        CrashReport.Failure failure = held ? null : told(state, state, cause());
        return new CrashReport(subject, bounds.seed(), history.lastPosition(), 1, 0, 1, 1, held ? 0 : 1,
                System.nanoTime() - begin, null, failure);
    }

    private I imageOf(CrashState state) {
        I image = Explorer.imageOf(history, medium, state);
        medium.identity(image);
        return image;
    }

    private CrashReport.Failure smallest(CrashState failing) {
        Throwable[] cause = {cause()};
        long reduceEnd = System.nanoTime() + Math.max(bounds.time().toNanos() / 2, bounds.checkTime().toNanos());
        CrashState smaller = new Reduction(history, state -> {
            if (System.nanoTime() - reduceEnd > 0) {
                return false;
            }
            boolean held = holds(imageOf(state), history.acknowledgedAt(state.position()), state);
            if (!held) {
                cause[0] = cause();
            }
            return !held;
        }, ATTEMPTS_MAX).reduce(failing);
        return told(smaller, failing, cause[0]);
    }

    private CrashReport.Failure told(CrashState state, CrashState first, Throwable cause) {
        BitSet survived = new BitSet();
        for (int effect : history.pendingAt(state.position())) {
            survived.set(effect, !state.lost().get(effect));
        }
        List<String> recent = new ArrayList<>();
        for (int position = Math.max(1, state.position() - RECENT_EVENTS + 1); position <= state
                .position(); position++) {
            recent.add(event(position));
        }
        int acknowledged = history.acknowledgedAt(state.position());
        CrashReport.Failure failure = new CrashReport.Failure(code(state),
                state.position() == 0 ? "nothing" : event(state.position()), acknowledgements.apply(acknowledged),
                told(state.lost()), told(survived), recent, cause, first.code());
        // A class of events registers itself with the recorder when it is initialized, which takes long.
        if (FlightRecorder.isInitialized()) {
            new CrashFindingEvent(subject, failure, bounds.seed()).commit();
        }
        return failure;
    }

    private String event(int position) {
        return "event " + position + " of " + history.lastPosition() + ": " + medium.describeEvent(position);
    }

    private List<String> told(BitSet effects) {
        return Arrays.stream(effects.stream().toArray()).mapToObj(effect -> medium.describe(effect)).toList();
    }

    /** A state and the number of events and effects that the history had: so that it is not replayed in another one. */
    private String code(CrashState state) {
        return history.lastPosition() + "/" + history.effects() + "/" + state.code();
    }

    private CrashState decode(String code) {
        String[] parts = code.split("/", 3);
        if (parts.length != 3) {
            throw new Misuse("-D" + CrashReport.REPLAY + "=" + code
                    + ": expected EVENTS/EFFECTS/POSITION:LOST, as a report prints it");
        }
        if (!parts[0].equals("" + history.lastPosition()) || !parts[1].equals("" + history.effects())) {
            throw new Misuse("-D" + CrashReport.REPLAY + "=" + code + ": the workload had " + history.lastPosition()
                    + " events and " + history.effects() + " effects this time, and not " + parts[0] + " and "
                    + parts[1] + "; a state can only be replayed of a workload that does the same each time");
        }
        CrashState state;
        try {
            state = CrashState.parse(parts[2]);
        } catch (IllegalArgumentException e) {
            throw new Misuse(String.valueOf(e.getMessage()));
        }
        String contradiction = state.contradiction(history);
        if (contradiction != null) {
            throw new Misuse("-D" + CrashReport.REPLAY + "=" + code + ": " + contradiction);
        }
        return state;
    }
}
