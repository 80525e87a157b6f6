package io.blkmq.sim;

import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.SplittableRandom;
import java.util.function.Function;
import java.util.random.RandomGenerator;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * A property that holds for every program: random lists of operations are run, each in a simulation of its own. When one fails,
 * operations are left out as long as it goes on failing in the same way, and what is left is the failure's message, with the seed
 * and the line that replays it. For one thread.
 *
 * <p>One seed makes a program and its interleaving. The system property {@value #SEED} names the one to be run; without it, as many
 * programs are run as {@value #PROGRAMS} says or, if that is missing too, as the test says, each with a seed of its own. These follow
 * from a first one, so that the same first seed makes the same programs.
 *
 * @param <O> an operation; its text stands in the message
 * @since 0.1.0
 */
public final class RandomPrograms<O> {
    /** The system property that names the seed of the one program to run. */
    public static final String SEED = "blkmq.seed";
    /** The system property that says how many programs to run. */
    public static final String PROGRAMS = "blkmq.programs";

    /** How many shorter programs are tried. */
    private static final int TRIES_MAX = 1_000;
    /** A shorter program makes other choices: how many interleavings each one gets to fail in. */
    private static final int INTERLEAVINGS = 8;

    /**
     * Runs operations and checks what comes of them.
     *
     * @param <O> an operation
     */
    @FunctionalInterface
    public interface Program<O> {
        /**
         * Runs, as the first thread of a simulation.
         *
         * @param runtime the simulation
         * @param operations what to do
         * @throws Exception if the property does not hold
         */
        void run(DeterministicRuntime runtime, List<O> operations) throws Exception;
    }

    /**
     * What was run.
     *
     * @param programs how many
     * @param steps how many steps they took together
     * @param switches how many times another thread went on
     */
    public record Tally(int programs, long steps, long switches) {}

    private final String replay;
    private final long first;
    private final Function<RandomGenerator, List<O>> generator;
    private final Program<O> program;
    private int programs = 100;
    private SimulationOptions options = SimulationOptions.DEFAULT;

    /**
     * A property of programs.
     *
     * @param replay a command that runs the test that this is in; {@code -Dblkmq.seed=} and the seed are added to it
     * @param first the seeds of the programs follow from it
     * @param generator makes a program
     * @param program runs it
     */
    public RandomPrograms(String replay, long first, Function<RandomGenerator, List<O>> generator, Program<O> program) {
        this.replay = replay;
        this.first = first;
        this.generator = generator;
        this.program = program;
    }

    /**
     * Sets how many programs are run if no system property says so.
     *
     * @param count at least 1
     * @return this
     * @throws IllegalArgumentException if it is less
     */
    public RandomPrograms<O> programs(int count) {
        this.programs = atLeastOne(count, "programs");
        return this;
    }

    /**
     * Sets the bounds of each run.
     *
     * @param value for all programs; the replay line is another
     * @return this
     */
    public RandomPrograms<O> options(SimulationOptions value) {
        this.options = value;
        return this;
    }

    /**
     * Runs the programs.
     *
     * @return what was run
     * @throws AssertionError with the shortest failing program
     * @throws SimulationFailure if the calling thread was interrupted; the interrupt stays
     * @throws IllegalArgumentException if a system property is no number, or asks for no program
     */
    public Tally check() {
        Long given = property(SEED);
        Long asked = property(PROGRAMS);
        int count = given != null ? 1 : asked == null ? programs : atLeastOne(asked, "-D" + PROGRAMS);
        SplittableRandom seeds = new SplittableRandom(first);
        long steps = 0;
        long switches = 0;
        for (int i = 0; i < count; i++) {
            long seed = given != null ? given : seeds.nextLong();
            Run run = run(seed, seed, generator.apply(new SplittableRandom(seed)));
            if (run.failure != null) {
                if (run.failure.kind() == SimulationFailure.Kind.INTERRUPTED) {
                    // It says nothing of the program: whoever waits is to wait no longer.
                    throw run.failure;
                }
                throw shortest(seed, i + 1, run);
            }
            Schedule schedule = Objects.requireNonNull(run.schedule);
            steps += schedule.steps();
            switches += schedule.switches();
        }
        return new Tally(count, steps, switches);
    }

    /** Without a program nothing is shown, and all would look well. */
    private static int atLeastOne(long count, String what) {
        if (count < 1 || count > Integer.MAX_VALUE) {
            throw new IllegalArgumentException(what + " is " + count + ", and not 1 to " + Integer.MAX_VALUE);
        }
        return (int) count;
    }

    private static @Nullable Long property(String name) {
        String value = System.getProperty(name);
        if (value == null) {
            return null;
        }
        try {
            return Long.decode(value);
        } catch (NumberFormatException e) {
            throw new IllegalArgumentException("-D" + name + "=" + value + " is no number", e);
        }
    }

    /** One run of a program, or of what is left of it. */
    private final class Run {
        final List<O> operations;
        final @Nullable Schedule schedule;
        final @Nullable SimulationFailure failure;

        Run(List<O> operations, @Nullable Schedule schedule, @Nullable SimulationFailure failure) {
            this.operations = operations;
            this.schedule = schedule;
            this.failure = failure;
        }
    }

    private Run run(long seed, long interleaving, List<O> operations) {
        String line = replay + " -D" + SEED + "=" + seed;
        try {
            Schedule schedule = DeterministicRuntime.run(interleaving, options.withReplay(line),
                    runtime -> program.run(runtime, operations));
            return new Run(operations, schedule, null);
        } catch (SimulationFailure e) {
            return new Run(operations, null, e);
        }
    }

    private AssertionError shortest(long seed, int number, Run failed) {
        if (Objects.requireNonNull(failed.failure).kind() == SimulationFailure.Kind.HANG) {
            // Its thread keeps a carrier of virtual threads for ever: with shorter programs soon none would be left to run them on, and any
            // would seem to hang.
            return new AssertionError(report(seed, number, failed, failed, 0), failed.failure);
        }
        Run best = failed;
        int tries = 0;
        int cut = failed.operations.size();
        boolean shortened;
        do {
            cut = Math.max(1, cut / 2);
            shortened = false;
            for (int from = 0; from < best.operations.size() && tries < TRIES_MAX
                    && !Thread.currentThread().isInterrupted();) {
                Run shorter = null;
                for (int i = 0; i < INTERLEAVINGS && shorter == null; i++) {
                    tries++;
                    shorter = ifItFailsLike(best, run(seed, seed + i, without(best.operations, from, cut)));
                }
                shortened |= shorter != null;
                best = shorter != null ? shorter : best;
                from = shorter != null ? from : from + cut;
            }
        } while (tries < TRIES_MAX && (cut > 1 || shortened) && !Thread.currentThread().isInterrupted());
        return new AssertionError(report(seed, number, failed, best, tries), best.failure);
    }

    private static <T> List<T> without(List<T> list, int from, int count) {
        List<T> rest = new ArrayList<>(list.subList(0, from));
        rest.addAll(list.subList(Math.min(list.size(), from + count), list.size()));
        return rest;
    }

    /** A shorter program that fails in another way is another failure. */
    private @Nullable Run ifItFailsLike(Run failed, Run shorter) {
        SimulationFailure before = Objects.requireNonNull(failed.failure);
        SimulationFailure after = shorter.failure;
        return after != null && after.kind() == before.kind() && classOf(after.getCause()) == classOf(before.getCause())
                ? shorter
                : null;
    }

    private static @Nullable Class<?> classOf(@Nullable Throwable thrown) {
        return thrown == null ? null : thrown.getClass();
    }

    private String report(long seed, int number, Run failed, Run best, int tries) {
        return "a program of " + best.operations.size() + " operations fails (" + failed.operations.size() + " before "
                + tries + " tries to make it shorter; number " + number + " of this run):\n"
                + best.operations.stream().map(operation -> "  " + operation).collect(Collectors.joining("\n"))
                + "\nprogram seed " + seed + ", replay with: " + replay + " -D" + SEED + "=" + seed + "\n"
                + Objects.requireNonNull(best.failure).getMessage();
    }
}
