package example.h2.own;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/**
 * Runs H2's own tests by H2's own files and by prefixes, each in a process of its own, and prints a table:
 * {@code INTO LISTS PREFIXES LIMIT_SECONDS JOBS TEST ...}. The exit code is 0 if all is as expected.
 */
public final class OwnTests {
    private static final String FILE = "file";

    /** How one test went by one prefix. A place is one in its source, where it failed. */
    private record Result(String word, long opened, String place, Path log) {
        boolean passed() {
            return word.equals("passed");
        }
    }

    /** What is known of a test by a prefix: that it fails, always or sometimes, or that it does not open files by it. */
    private record Known(String word, String reason) {}

    private final Path into;
    private final int limitSeconds;
    private final Map<String, List<String>> calls = new HashMap<>();
    private final Map<String, Known> known = new TreeMap<>();
    private final Map<String, String> reasons = new LinkedHashMap<>();
    /** Ends with this process. */
    private final Set<Process> running = ConcurrentHashMap.newKeySet();
    private final List<String> ownFailures = new ArrayList<>();
    private final List<String> surprises = new ArrayList<>();

    private OwnTests(Path into, int limitSeconds) {
        this.into = into;
        this.limitSeconds = limitSeconds;
    }

    public static void main(String[] args) throws Exception {
        Path lists = Path.of(args[1]);
        OwnTests all = new OwnTests(Path.of(args[0]), Integer.parseInt(args[3]));
        all.readTests(lists.resolve("tests.txt"));
        all.readKnown(lists.resolve("known.txt"));
        System.exit(all.run(List.of(args).subList(5, args.length), List.of(args[2].split(",")), Integer.parseInt(args[4])) ? 0 : 1);
    }

    private static List<String> lines(Path file) throws IOException {
        return Files.readAllLines(file).stream().map(String::strip).filter(line -> !line.isEmpty() && !line.startsWith("//")).toList();
    }

    /** A line is the name of a test, and the shortest run that it is in. Then calls of its methods, if they are not all. */
    private void readTests(Path file) throws IOException {
        for (String line : lines(file)) {
            String[] words = line.split("\\s+");
            if (words.length < 2 || !words[1].matches("quick|files|all")) {
                throw new IOException(file + " has the line '" + line + "', and not TEST quick|files|all [CALL ...]");
            }
            calls.put(words[0], List.of(words).subList(2, words.length));
        }
    }

    /** A line is: the test, the prefixes with commas between, fails or sometimes or unused, and the reason. */
    private void readKnown(Path file) throws IOException {
        for (String line : lines(file)) {
            String[] words = line.split("\\s+", 4);
            if (words.length < 4 || !words[2].matches("fails|sometimes|unused")) {
                throw new IOException(file + " has the line '" + line + "', and not TEST PREFIXES fails|sometimes|unused REASON");
            }
            for (String prefix : words[1].split(",")) {
                known.put(words[0] + " " + prefix, new Known(words[2], words[3]));
            }
        }
    }

    private boolean run(List<String> tests, List<String> prefixes, int jobs) throws Exception {
        List<String> columns = new ArrayList<>(List.of(FILE));
        columns.addAll(prefixes);
        int width = tests.stream().mapToInt(String::length).max().orElseThrow() + 2;
        Runtime.getRuntime().addShutdownHook(new Thread(() -> running.forEach(Process::destroyForcibly)));
        Files.deleteIfExists(into.resolve("times.txt"));
        row(width, "test", columns);
        Map<String, Integer> counts = new TreeMap<>();
        try (ExecutorService pool = Executors.newFixedThreadPool(jobs)) {
            Map<String, List<Future<Result>>> started = new LinkedHashMap<>();
            for (String test : tests) {
                started.put(test, columns.stream().map(prefix -> pool.submit(() -> runOne(test, prefix))).toList());
            }
            for (String test : tests) {
                List<String> cells = new ArrayList<>();
                Result file = started.get(test).getFirst().get();
                for (int i = 0; i < columns.size(); i++) {
                    String cell = judge(test, columns.get(i), started.get(test).get(i).get(), file);
                    cells.add(cell);
                    if (i > 0) {
                        counts.merge(cell, 1, Integer::sum);
                    }
                }
                row(width, test, cells);
            }
        }
        System.out.println();
        System.out.println("by " + String.join(", ", prefixes) + ": " + counts);
        reasons.forEach((what, reason) -> System.out.println("  " + what + ": " + reason));
        print("failed by H2's own files, for a reason that is not known:", ownFailures);
        print("not as expected:", surprises);
        return surprises.isEmpty();
    }

    private static void print(String title, List<String> lines) {
        if (!lines.isEmpty()) {
            System.out.println(title);
            lines.forEach(each -> System.out.println("  " + each));
        }
    }

    private static void row(int width, String name, List<String> cells) {
        StringBuilder line = new StringBuilder(name).repeat(' ', width - name.length());
        for (String cell : cells) {
            line.append(cell).repeat(' ', Math.max(1, 10 - cell.length()));
        }
        System.out.println(line.toString().stripTrailing());
        System.out.flush();
    }

    /** {@return the word of the table} Notes the reason of a failure that is known, and what is not as expected. */
    private String judge(String test, String prefix, Result result, Result file) {
        String what = test + " " + prefix;
        Known expected = known.get(what);
        boolean own = prefix.equals(FILE);
        String word = result.word();
        if (result.passed() && !own && result.opened() == 0) {
            word = "unused";
        } else if (word.equals("failed") && !own && file.word().equals("failed") && result.place().equals(file.place())) {
            // Nothing is expected of it: H2 fails by itself.
            return "as file";
        }
        if (expected == null) {
            if (!word.matches("passed|off")) {
                (own ? ownFailures : surprises).add(what + " " + word + ": " + result.log());
            }
            return word;
        }
        boolean failed = word.matches("failed|slow");
        if (expected.word().equals("unused") ? word.equals("unused") : failed) {
            reasons.put(what, expected.reason());
            return expected.word().equals("unused") ? word : "known";
        }
        if (!expected.word().equals("sometimes")) {
            surprises.add(what + " " + word + ", and " + expected.word() + " is expected: " + expected.reason());
        }
        return word;
    }

    private Result runOne(String test, String prefix) throws IOException, InterruptedException {
        Path folder = into.resolve("runs").resolve(prefix).resolve(test.replaceAll("[^A-Za-z0-9.]+", "-"));
        delete(folder);
        Files.createDirectories(folder);
        Path log = folder.resolve("log.txt");
        Path result = folder.resolve("result.txt");
        long start = System.nanoTime();
        List<String> command = new ArrayList<>(List.of(Path.of(System.getProperty("java.home"), "bin", "java").toString(), "-ea", "-Xmx512m",
                "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "--enable-native-access=ALL-UNNAMED", "-Duser.home=" + folder, "-cp",
                System.getProperty("java.class.path"), OwnTest.class.getName(), prefix, test, Integer.toString(limitSeconds), result.toString()));
        command.addAll(calls.get(test));
        Process process = new ProcessBuilder(command).directory(folder.toFile()).redirectErrorStream(true).redirectOutput(log.toFile()).start();
        running.add(process);
        try {
            // It ends itself at the limit, and says where it was.
            process.waitFor(limitSeconds + 60L, TimeUnit.SECONDS);
        } finally {
            process.destroyForcibly().waitFor();
            running.remove(process);
        }
        long millis = (System.nanoTime() - start) / 1_000_000;
        String[] words = Files.exists(result) ? Files.readString(result).strip().split(" ") : new String[] {"failed", "0", "end"};
        Files.writeString(into.resolve("times.txt"), millis + " ms " + words[0] + " " + words[1] + " " + prefix + " " + test + "\n",
                StandardOpenOption.CREATE, StandardOpenOption.APPEND);
        Result made = new Result(words[0], Long.parseLong(words[1]), words[2], log);
        if (made.passed()) {
            // A disk takes room.
            delete(folder.resolve("data"));
            Files.deleteIfExists(folder.resolve("disk.img"));
        }
        return made;
    }

    private static void delete(Path folder) throws IOException {
        if (!Files.exists(folder)) {
            return;
        }
        try (Stream<Path> all = Files.walk(folder)) {
            all.sorted(Comparator.reverseOrder()).forEach(path -> {
                try {
                    Files.delete(path);
                } catch (IOException e) {
                    throw new UncheckedIOException(e);
                }
            });
        }
    }
}
