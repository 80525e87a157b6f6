package io.blkmq.testing.runs;

import io.blkmq.testing.runs.Mutation.UnusableException;
import io.blkmq.testing.runs.Mutation.Watcher;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * The proof that tests see what they are there for: what {@code stress/mutate} starts once it has built. Tests run as many at once as
 * there are copies of the project, then races, one after the other, because a race takes two processors.
 */
public final class Mutations {
    private static final int ALL_CAUGHT = 0;
    private static final int SURVIVED = 1;
    private static final int UNUSABLE = 2;
    /** How long a race runs, and how long once more if it has seen nothing: beside busy processes its two actors rarely run at once. */
    private static final int RACE_MILLIS = 1_500;
    private static final int PATIENT_MILLIS = 15_000;
    /** A mutated test hangs after so many times of what it takes without the mutation, and so long. */
    private static final int SLOWNESS_MAX = 10;
    private static final Duration ALLOWANCE = Duration.ofSeconds(60);

    private final PrintStream out;
    private final List<Mutation> mutations;
    private final List<MutatedCopy> copies;
    private final Duration limit;
    private final Map<Watcher, Duration> usual = new ConcurrentHashMap<>();
    private final long begin = System.nanoTime();
    private final int all;
    private int caught;
    private int survived;
    private int unusable;

    /** One mutation, or none, and a test. */
    private record Task(@Nullable Mutation mutation, Watcher watcher) {}

    private Mutations(PrintStream out, List<Mutation> mutations, List<MutatedCopy> copies, Duration limit) {
        this.out = out;
        this.mutations = mutations;
        this.copies = copies;
        this.limit = limit;
        this.all = mutations.stream().mapToInt(mutation -> mutation.watchers().size()).sum();
    }

    /**
     * Mutates, prints what becomes of each mutation, and ends the process.
     *
     * @param args those of {@link #run}
     * @throws Exception if a file cannot be read or written, or it is interrupted
     */
    public static void main(String[] args) throws Exception {
        System.exit(run(System.out, args));
    }

    /**
     * Mutates.
     *
     * @param out where to print what becomes of each mutation
     * @param args the modules, a limit for a test in seconds, the number of copies, their folders, and names of mutations; all
     *        without names. A copy has the sources of the project and a folder {@code built} as {@link Soak} takes it
     * @return the status of the process
     * @throws IOException if a file cannot be read or written
     * @throws InterruptedException if it is interrupted
     */
    public static int run(PrintStream out, String... args) throws IOException, InterruptedException {
        Set<String> modules = new TreeSet<>(List.of(args[0].split(" ", -1)));
        Duration limit = Duration.ofSeconds(Long.parseLong(args[1]));
        int names = 3 + Integer.parseInt(args[2]);
        List<MutatedCopy> copies = new ArrayList<>();
        for (String copy : List.of(args).subList(3, names)) {
            copies.add(new MutatedCopy(Path.of(copy), modules));
        }
        Path root = Path.of(args[3]);
        try {
            List<Mutation> mutations = new ArrayList<>();
            for (String name : names == args.length ? all(root) : List.of(args).subList(names, args.length)) {
                mutations.add(Mutation.read(root, name, modules));
            }
            return new Mutations(out, mutations, copies, limit).run();
        } catch (UnusableException e) {
            out.println("mutate: " + e.getMessage());
            return UNUSABLE;
        }
    }

    private static List<String> all(Path root) throws IOException {
        try (var patches = Files.list(root.resolve("stress/mutations"))) {
            return patches.map(patch -> patch.getFileName().toString()).filter(name -> name.endsWith(".patch"))
                    .map(name -> name.substring(0, name.length() - ".patch".length())).sorted().toList();
        }
    }

    private int run() throws IOException, InterruptedException, UnusableException {
        // First without a mutation: a test that fails anyway catches nothing.
        Set<Watcher> watchers = mutations.stream().flatMap(mutation -> mutation.watchers().stream())
                .collect(Collectors.toCollection(LinkedHashSet::new));
        String races = watchers.stream().filter(Watcher::isRace).map(Watcher::which).collect(Collectors.joining("|"));
        share(watchers.stream().filter(watcher -> !watcher.isRace()).map(watcher -> new Task(null, watcher)).toList());
        if (!races.isEmpty()) {
            watch(copies.getFirst(), new Task(null, new Watcher("races", races)));
        }
        if (survived + unusable > 0) {
            return unusable > 0 ? UNUSABLE : SURVIVED;
        }
        share(tasks(false));
        for (Task task : tasks(true)) {
            watch(copies.getFirst(), task);
        }
        Duration time = Duration.ofNanos(System.nanoTime() - begin);
        out.println(caught + " caught, " + survived + " survived, " + unusable + " not usable, in " + time.toMinutes()
                + " min " + time.toSecondsPart() + " s");
        return unusable > 0 ? UNUSABLE : survived > 0 ? SURVIVED : ALL_CAUGHT;
    }

    private List<Task> tasks(boolean races) {
        return mutations.stream().flatMap(mutation -> mutation.watchers().stream()
                .filter(watcher -> watcher.isRace() == races).map(watcher -> new Task(mutation, watcher))).toList();
    }

    /** Each copy takes the next as soon as it has ended one. */
    private void share(Collection<Task> tasks) throws InterruptedException {
        Queue<Task> left = new ConcurrentLinkedQueue<>(tasks);
        List<Thread> threads = new ArrayList<>();
        for (MutatedCopy copy : copies) {
            threads.add(Thread.ofPlatform().name("mutate-" + threads.size()).start(() -> {
                for (Task task = left.poll(); task != null; task = left.poll()) {
                    watch(copy, task);
                }
            }));
        }
        for (Thread thread : threads) {
            thread.join();
        }
    }

    private void watch(MutatedCopy copy, Task task) {
        Mutation mutation = task.mutation;
        try {
            if (mutation == null) {
                withoutMutation(copy, task.watcher);
            } else {
                copy.apply(mutation);
                try {
                    withMutation(copy, mutation, task.watcher);
                } finally {
                    copy.restore();
                }
            }
        } catch (UnusableException | IOException | InterruptedException | RuntimeException e) {
            say("unusable", mutation, task.watcher, String.valueOf(e.getMessage()));
        }
    }

    private void withoutMutation(MutatedCopy copy, Watcher watcher)
            throws IOException, InterruptedException, UnusableException {
        long start = System.nanoTime();
        String evidence = copy.run(watcher, limit, RACE_MILLIS);
        usual.put(watcher, Duration.ofNanos(System.nanoTime() - start));
        if (evidence != null) {
            say("fails without any mutation:", null, watcher, evidence);
        }
    }

    private void withMutation(MutatedCopy copy, Mutation mutation, Watcher watcher)
            throws IOException, InterruptedException, UnusableException {
        Duration time = watcher.isRace()
                ? limit
                : usual.getOrDefault(watcher, limit).multipliedBy(SLOWNESS_MAX).plus(ALLOWANCE);
        time = time.compareTo(limit) > 0 ? limit : time;
        String evidence = copy.run(watcher, time, RACE_MILLIS);
        if (evidence == null && watcher.isRace()) {
            evidence = copy.run(watcher, limit, PATIENT_MILLIS);
        }
        say(evidence != null ? "caught" : "SURVIVED", mutation, watcher,
                evidence != null ? evidence : mutation.breaks());
    }

    private synchronized void say(String outcome, @Nullable Mutation mutation, Watcher watcher, String why) {
        switch (outcome) {
            case "caught" -> caught++;
            case "unusable" -> unusable++;
            default -> survived++;
        }
        out.printf("%-9s %s(%s): %s%n", outcome,
                mutation == null
                        ? ""
                        : "[" + (caught + survived + unusable) + " of " + all + "] " + mutation.name() + " ",
                watcher, why);
    }
}
