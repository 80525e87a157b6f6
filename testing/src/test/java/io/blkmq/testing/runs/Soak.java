package io.blkmq.testing.runs;

import java.io.Console;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * All random tests and race tests with new seeds, round after round, until the time is over: what {@code stress/soak} starts once it
 * has built. Each round has a series of seeds of its own ({@link io.blkmq.testing.RandomSeed}); the tests of a module run in one
 * process, until one fails.
 */
public final class Soak {
    private static final List<String> MODULES = List.of("runtime", "sim", "core", "testkit", "aio", "loop", "nbd",
            "metrics", "rbd", "tools");
    /** A class that takes longer hangs. */
    private static final long CLASS_MILLIS_MAX = TimeUnit.MINUTES.toMillis(15);
    private static final long PROGRESS_MILLIS = 500;
    private static final Pattern DURATION = Pattern.compile("(\\d{1,6})(s|m|h)");
    private static final int NOTHING_FOUND = 0;
    private static final int FOUND = 1;
    private static final int WRONG_USE = 2;

    private final Path directory;
    private final Map<TestedModule, List<String>> tests = new LinkedHashMap<>();
    private final Races races;
    private final Summary summary = new Summary();
    private final long series;
    private final int rounds;
    private final long seconds;
    private final long begin = System.currentTimeMillis();
    private final long until;
    private final boolean terminal = isTerminal();
    private int round;
    private volatile @Nullable Process running;

    private Soak(Path root, Path built, Path directory, long series, long seconds, int rounds, List<String> names)
            throws IOException {
        this.directory = directory;
        this.rounds = rounds;
        this.series = series;
        this.seconds = seconds;
        this.until = begin + TimeUnit.SECONDS.toMillis(seconds);
        for (String name : MODULES) {
            TestedModule module = new TestedModule(root, built, name);
            List<String> chosen = names.isEmpty()
                    ? module.randomTests()
                    : module.tests().stream().filter(test -> names.stream().anyMatch(each -> matches(test, each)))
                            .toList();
            if (!chosen.isEmpty()) {
                tests.put(module, chosen);
            }
        }
        races = new Races(new TestedModule(root, built, "stress"), names);
    }

    private static boolean matches(String test, String name) {
        return test.substring(test.lastIndexOf('.') + 1).matches(pattern(name));
    }

    static String pattern(String name) {
        return Arrays.stream(name.split("\\*", -1)).map(part -> part.isEmpty() ? "" : Pattern.quote(part))
                .reduce((a, b) -> a + "[^.]*" + b).orElse("");
    }

    /**
     * Soaks.
     *
     * @param args the folders of the project, of what was built and of the results, how long, the series of the first round or a
     *        minus, how many rounds or a minus, and names of tests
     * @throws Exception if it is interrupted
     */
    public static void main(String[] args) throws Exception {
        Matcher duration = DURATION.matcher(args[3]);
        if (!duration.matches() || Integer.parseInt(duration.group(1)) == 0) {
            System.err.println("soak: for how long, and not '" + args[3] + "': a number and s, m or h, as in 10m");
            System.exit(WRONG_USE);
        }
        long seconds = Long.parseLong(duration.group(1)) * switch (duration.group(2)) {
            case "s" -> 1;
            case "m" -> 60;
            default -> 3600;
        };
        long series = args[4].equals("-") ? System.currentTimeMillis() : Long.parseLong(args[4]);
        int rounds = args[5].equals("-") ? Integer.MAX_VALUE : Integer.parseInt(args[5]);
        List<String> names = List.of(args).subList(6, args.length);
        Soak soak = new Soak(Path.of(args[0]), Path.of(args[1]), Path.of(args[2]), series, seconds, rounds, names);
        if (soak.tests.isEmpty() && !soak.races.any()) {
            System.err.println("soak: no test is named " + String.join(" or ", names));
            System.exit(WRONG_USE);
        }
        Thread end = new Thread(soak::interrupted, "soak-end");
        Runtime.getRuntime().addShutdownHook(end);
        soak.run();
        Runtime.getRuntime().removeShutdownHook(end);
        soak.clearLine();
        System.out.print(soak.write());
        System.out.println("summary: " + soak.directory.resolve("summary.txt") + ", summary.json beside it");
        System.exit(soak.summary.failures() == 0 ? NOTHING_FOUND : FOUND);
    }

    private String write() throws IOException {
        return summary.write(directory, series, round, (System.currentTimeMillis() - begin) / 1000);
    }

    private void interrupted() {
        Process process = running;
        if (process != null) {
            process.destroyForcibly();
        }
        try {
            System.out.print("\n" + write());
        } catch (IOException e) {
            System.err.println("soak: " + e);
        }
    }

    private boolean isOver() {
        return System.currentTimeMillis() >= until;
    }

    private void run() throws IOException, InterruptedException {
        while (!isOver() && round < rounds) {
            round++;
            for (Map.Entry<TestedModule, List<String>> each : tests.entrySet()) {
                List<String> left = new ArrayList<>(each.getValue());
                while (!left.isEmpty() && !isOver()) {
                    left = runTests(each.getKey(), left);
                }
            }
            if (races.any() && !isOver()) {
                runRaces();
            }
            write();
            if (!terminal) {
                System.out.println(progress(""));
            }
        }
    }

    // ---- tests

    /** Runs classes in one process; returns those that it left. */
    private List<String> runTests(TestedModule module, List<String> classes) throws IOException, InterruptedException {
        long ofRound = series + round - 1;
        Path log = log(module.name);
        Path events = directory.resolve("events");
        Files.deleteIfExists(events);
        List<String> command = new ArrayList<>(List.of(java("java")));
        command.addAll(List.of("-Dblkmq.seeds=" + ofRound, "-Djava.io.tmpdir=" + System.getProperty("java.io.tmpdir")));
        command.addAll(module.javaArguments(TestRun.class.getName()));
        command.addAll(List.of(events.toString(), Long.toString(until)));
        command.addAll(classes);
        Process process = start(command, module.directory, log);
        Progress progress = new Progress(events);
        while (!process.waitFor(PROGRESS_MILLIS, TimeUnit.MILLISECONDS)) {
            progress.read();
            show(progress.current());
            if (progress.isStuck()) {
                dumpThreads(process, log);
                process.destroyForcibly().waitFor();
            }
        }
        progress.read();
        int failuresBefore = summary.failures();
        for (String line : progress.failures()) {
            summary.add(Failure.of(module, line.substring(0, line.indexOf(' ')), round, ofRound,
                    line.substring(line.indexOf(' ') + 1), log.toString()));
        }
        if (!progress.current().isEmpty()) {
            summary.add(Failure.of(module, progress.current(), round, ofRound,
                    progress.isStuck()
                            ? "it does not end: the stacks of its threads are at the end of the log"
                            : "its process ended with " + process.exitValue(),
                    log.toString()));
        } else if (progress.ended().isEmpty() && !isOver()) {
            summary.add(Failure.of(module, classes.getFirst(), round, ofRound,
                    "its process ended with " + process.exitValue() + " before any test", log.toString()));
            return List.of();
        }
        progress.ended().forEach((test, counts) -> {
            Tally tally = summary.of(test);
            tally.rounds++;
            tally.runs += counts[0];
            tally.skipped += counts[1];
            tally.millis += counts[2];
            tally.seeds += counts[3];
        });
        if (summary.failures() == failuresBefore) {
            Files.delete(log);
        }
        List<String> left = new ArrayList<>(classes);
        left.removeAll(progress.ended().keySet());
        left.remove(progress.current());
        return left;
    }

    private Path log(String name) throws IOException {
        for (int i = 1;; i++) {
            Path log = directory.resolve(String.format(Locale.ROOT, "round-%04d-%s-%d.log", round, name, i));
            if (!Files.exists(log)) {
                return Files.createFile(log);
            }
        }
    }

    private static String java(String program) {
        return Path.of(System.getProperty("java.home"), "bin", program).toString();
    }

    private Process start(List<String> command, Path where, Path log) throws IOException {
        Process process = new ProcessBuilder(command).directory(where.toFile()).redirectErrorStream(true)
                .redirectOutput(log.toFile()).start();
        running = process;
        return process;
    }

    private void dumpThreads(Process process, Path log) throws IOException, InterruptedException {
        new ProcessBuilder(java("jcmd"), Long.toString(process.pid()), "Thread.print", "-l").redirectErrorStream(true)
                .redirectOutput(ProcessBuilder.Redirect.appendTo(log.toFile())).start().waitFor();
    }

    /** What a process says of itself in its file. */
    private static final class Progress {
        private final Path events;
        private final List<String> failures = new ArrayList<>();
        private final Map<String, long[]> ended = new LinkedHashMap<>();
        private String current = "";
        private long since = System.currentTimeMillis();
        private int seen;

        Progress(Path events) {
            this.events = events;
        }

        void read() throws IOException {
            if (!Files.exists(events)) {
                return;
            }
            String all = Files.readString(events);
            List<String> lines = all.substring(0, all.lastIndexOf('\n') + 1).lines().toList();
            for (String line : lines.subList(seen, lines.size())) {
                String[] words = line.split(" ", 3);
                switch (words[0]) {
                    case "begin" -> current = words[1];
                    case "fail" -> failures.add(current + " " + words[1] + " " + words[2]);
                    default -> {
                        ended.put(words[1],
                                Arrays.stream(words[2].split(" ", -1)).mapToLong(Long::parseLong).toArray());
                        current = "";
                    }
                }
                since = System.currentTimeMillis();
            }
            seen = lines.size();
        }

        String current() {
            return current;
        }

        List<String> failures() {
            return failures;
        }

        Map<String, long[]> ended() {
            return ended;
        }

        boolean isStuck() {
            return System.currentTimeMillis() - since > CLASS_MILLIS_MAX;
        }
    }

    // ---- races

    private void runRaces() throws IOException, InterruptedException {
        Path log = log("races");
        Process process = start(races.command(java("java"), directory.resolve("jcstress")), directory, log);
        long began = System.currentTimeMillis();
        while (!process.waitFor(PROGRESS_MILLIS, TimeUnit.MILLISECONDS)) {
            show("race tests");
            if (System.currentTimeMillis() - began > Math.max(CLASS_MILLIS_MAX, 4 * (until - began))) {
                dumpThreads(process, log);
                process.destroyForcibly().waitFor();
            }
        }
        List<Failure> failures = races.read(log, round, process.exitValue(), summary);
        failures.forEach(summary::add);
        summary.of(Races.NAME).millis += System.currentTimeMillis() - began;
        if (failures.isEmpty()) {
            Files.delete(log);
        }
    }

    // ---- progress

    @SuppressWarnings("SystemConsoleNull") // it is null where output goes to a file, unless a JDK is told to be as 22 was
    private static boolean isTerminal() {
        Console console = System.console();
        return console != null && console.isTerminal();
    }

    private String progress(String current) {
        Duration spent = Duration.ofMillis(System.currentTimeMillis() - begin);
        return String.format(Locale.ROOT, "soak: %d:%02d:%02d of %s, round %d, %d runs, %d failures%s", spent.toHours(),
                spent.toMinutesPart(), spent.toSecondsPart(),
                Duration.ofSeconds(seconds).toString().substring(2).toLowerCase(Locale.ROOT), round, summary.runs(),
                summary.failures(), current.isEmpty() ? "" : ", " + current.substring(current.lastIndexOf('.') + 1));
    }

    private void show(String current) {
        if (terminal) {
            System.out.print("\r\033[K" + progress(current));
            System.out.flush();
        }
    }

    private void clearLine() {
        if (terminal) {
            System.out.print("\r\033[K");
        }
    }
}
