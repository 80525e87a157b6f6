package io.blkmq.testing.runs;

import io.blkmq.testing.runs.Mutation.UnusableException;
import io.blkmq.testing.runs.Mutation.Watcher;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.spi.ToolProvider;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * A copy of the project, sources and classes, that has one mutation at a time. One thread uses it.
 *
 * <p>A mutation changes bodies, and no signature or constant that others were compiled against; so only the sources that it touches are
 * compiled.
 */
final class MutatedCopy {
    private static final Pattern RACE = Pattern.compile("([A-Za-z.]+) \\[.*]: Observed forbidden state: (.*)");
    private static final Pattern RESULTS = Pattern.compile("Results: [1-9]\\d* planned; [1-9]\\d* passed, 0 failed");
    private static final int EVIDENCE_CHARACTERS_MAX = 200;
    private static final int LOG_LINES = 40;

    private final Path root;
    private final Map<String, TestedModule> modules = new HashMap<>();
    /** What stood in files that were changed since; null where there was none. */
    private final Map<Path, byte @Nullable []> before = new HashMap<>();
    private volatile @Nullable Process running;

    MutatedCopy(Path root, Set<String> names) throws IOException {
        this.root = root;
        for (String name : names) {
            modules.put(name, new TestedModule(root, root.resolve("built"), name));
        }
        // Races with both compilers, and not with the first alone as in a build.
        module("stress").set("stress.compiler", "");
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            Process process = running;
            if (process != null) {
                end(process);
            }
        }, "mutate-end"));
    }

    private TestedModule module(String name) {
        return Objects.requireNonNull(modules.get(name));
    }

    // ---- the mutation

    void apply(Mutation mutation) throws IOException, InterruptedException, UnusableException {
        for (Path file : mutation.files()) {
            keep(root.resolve(file));
        }
        Path log = root.resolve("patch.log");
        Process patch = new ProcessBuilder("patch", "-p1", "--batch", "--fuzz=0", "--no-backup-if-mismatch",
                "--forward", "-i", mutation.patch().toAbsolutePath().toString()).directory(root.toFile())
                .redirectErrorStream(true).redirectOutput(log.toFile()).start();
        if (patch.waitFor() != 0) {
            String why = Files.readString(log).strip();
            restore();
            throw new UnusableException("it does not apply: " + why);
        }
        Map<String, List<Path>> touched = mutation.files().stream()
                .collect(Collectors.groupingBy(file -> file.getName(0).toString()));
        for (Map.Entry<String, List<Path>> each : touched.entrySet()) {
            compile(module(each.getKey()), each.getValue());
        }
    }

    private void compile(TestedModule module, List<Path> files) throws IOException, UnusableException {
        Path out = Files.createTempDirectory(root, "mutated");
        try {
            StringWriter said = new StringWriter();
            PrintWriter log = new PrintWriter(said);
            List<String> arguments = new ArrayList<>(
                    List.of("-proc:none", "-nowarn", "-d", out.toString(), "-cp", module.classPath()));
            files.forEach(file -> arguments.add(root.resolve(file).toString()));
            if (ToolProvider.findFirst("javac").orElseThrow().run(log, log, arguments.toArray(String[]::new)) != 0) {
                restore();
                throw new UnusableException("it does not compile: " + said.toString().strip());
            }
            try (Stream<Path> made = Files.walk(out)) {
                for (Path each : made.filter(Files::isRegularFile).toList()) {
                    Path place = module.classes().resolve(out.relativize(each));
                    keep(place);
                    Files.copy(each, place, StandardCopyOption.REPLACE_EXISTING);
                }
            }
        } finally {
            delete(out);
        }
    }

    private void keep(Path file) throws IOException {
        if (!before.containsKey(file)) {
            before.put(file, Files.exists(file) ? Files.readAllBytes(file) : null);
        }
    }

    /** Takes the mutation away. */
    void restore() throws IOException {
        for (Map.Entry<Path, byte @Nullable []> each : before.entrySet()) {
            byte[] content = each.getValue();
            if (content == null) {
                Files.deleteIfExists(each.getKey());
            } else {
                Files.write(each.getKey(), content);
            }
        }
        before.clear();
    }

    private static void delete(Path folder) throws IOException {
        try (Stream<Path> files = Files.walk(folder)) {
            for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(file);
            }
        }
    }

    // ---- the test

    /** Runs a test, races for so long each; returns the evidence if it has failed as a test does. */
    @Nullable
    String run(Watcher watcher, Duration limit, int raceMillis)
            throws IOException, InterruptedException, UnusableException {
        Path log = root.resolve("run.log");
        Path events = root.resolve("events");
        Files.deleteIfExists(events);
        TestedModule module = module(watcher.isRace() ? "stress" : watcher.kind());
        List<String> command;
        if (watcher.isRace()) {
            module.set("stress.millis", Integer.toString(raceMillis));
            command = Races.command(java(), module, watcher.which(), root.resolve("jcstress"));
        } else {
            command = new ArrayList<>(List.of(java(), "-XX:+UseSerialGC"));
            command.addAll(module.javaArguments(TestRun.class.getName()));
            command.addAll(List.of(events.toString(), Long.toString(Long.MAX_VALUE), named(module, watcher)));
        }
        Process process = new ProcessBuilder(command)
                .directory(watcher.isRace() ? root.toFile() : module.directory.toFile()).redirectErrorStream(true)
                .redirectOutput(log.toFile()).start();
        running = process;
        boolean ended = process.waitFor(limit.toMillis(), TimeUnit.MILLISECONDS);
        end(process);
        running = null;
        if (!ended) {
            return "it hangs: no end in " + limit.toSeconds() + " s";
        }
        return watcher.isRace() ? raceEvidence(watcher, log) : testEvidence(events, log);
    }

    private static void end(Process process) {
        process.descendants().forEach(ProcessHandle::destroyForcibly);
        process.destroyForcibly();
    }

    private static String java() {
        return Path.of(System.getProperty("java.home"), "bin", "java").toString();
    }

    /** The class with its package. */
    private static String named(TestedModule module, Watcher watcher) throws IOException, UnusableException {
        int method = watcher.which().indexOf('#');
        String type = method < 0 ? watcher.which() : watcher.which().substring(0, method);
        return module.tests().stream().filter(test -> test.endsWith("." + type)).findFirst()
                .orElseThrow(() -> new UnusableException("there is no test " + type + " in " + module.name))
                + (method < 0 ? "" : watcher.which().substring(method));
    }

    private static @Nullable String raceEvidence(Watcher watcher, Path log) throws IOException, UnusableException {
        String output = Files.readString(log);
        Matcher matcher = RACE.matcher(output);
        if (matcher.find()) {
            String race = matcher.group(1);
            return cut(race.replaceFirst("^io\\.blkmq\\.(.*\\.)?(?=[A-Z]\\w*\\.)", "") + ": " + matcher.group(2));
        }
        if (!RESULTS.matcher(output).find()) {
            throw new UnusableException("no race matches '" + watcher.which() + "', or they did not run:\n" + end(log));
        }
        return null;
    }

    private static @Nullable String testEvidence(Path events, Path log) throws IOException, UnusableException {
        List<String> lines = Files.exists(events) ? Files.readAllLines(events) : List.of();
        String failure = lines.stream().filter(line -> line.startsWith("fail ")).findFirst().orElse(null);
        if (failure != null && failure.endsWith(TestRun.NO_TESTS)) {
            throw new UnusableException("no test matches");
        }
        if (failure != null) {
            return cut(failure.substring("fail ".length()));
        }
        String end = lines.stream().filter(line -> line.startsWith("end ")).findFirst().orElse(null);
        if (end == null) {
            throw new UnusableException("its process ended before the test:\n" + end(log));
        }
        if (end.split(" ", -1)[2].equals("0")) {
            throw new UnusableException("the test was skipped:\n" + end(log));
        }
        return null;
    }

    private static String cut(String evidence) {
        String line = evidence.replace("\\n", " ").strip();
        return line.length() > EVIDENCE_CHARACTERS_MAX ? line.substring(0, EVIDENCE_CHARACTERS_MAX) + "..." : line;
    }

    private static String end(Path log) throws IOException {
        List<String> lines = Files.readAllLines(log);
        return String.join("\n", lines.subList(Math.max(0, lines.size() - LOG_LINES), lines.size()));
    }
}
