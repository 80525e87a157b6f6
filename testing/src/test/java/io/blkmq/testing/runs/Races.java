package io.blkmq.testing.runs;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/** The race tests. They have no seeds: each round is a new throw. */
final class Races {
    /** Of all of them in the summary. */
    static final String NAME = "io.blkmq.stress.races";
    private static final Pattern RESULTS = Pattern
            .compile("Results: (\\d+) planned; (\\d+) passed, (\\d+) failed, (\\d+) soft errs, (\\d+) hard errs");
    private static final Pattern BAD = Pattern.compile("\\[(?:FAILED|ERROR|TIMEOUT)] (io\\.blkmq\\.\\S+)");

    private final TestedModule module;
    private final List<String> names;
    private final boolean any;

    Races(TestedModule module, List<String> names) throws IOException {
        this.module = module;
        this.names = names;
        this.any = names.isEmpty() || module.raceTests().stream()
                .anyMatch(race -> names.stream().anyMatch(name -> race.matches(Soak.pattern(name))));
    }

    boolean any() {
        return any;
    }

    private String expression() {
        return names.isEmpty()
                ? ".*"
                : names.stream().map(Soak::pattern).collect(Collectors.joining("|", ".*\\.(", ")(\\..*)?"));
    }

    List<String> command(String java, Path results) {
        return command(java, module, expression(), results);
    }

    /** Runs the races that a regular expression on their names finds. */
    static List<String> command(String java, TestedModule module, String expression, Path results) {
        List<String> command = new ArrayList<>(List.of(java, "--enable-native-access=ALL-UNNAMED", "-cp",
                module.classPath(), "org.openjdk.jcstress.Main", "-t", expression, "-r", results.toString()));
        // What stands in quotes is one word.
        Matcher words = Pattern.compile("\"([^\"]*)\"|\\S+").matcher(module.property("stress.options"));
        while (words.find()) {
            command.add(words.group(1) != null ? words.group(1) : words.group());
        }
        return command;
    }

    /** What its output says. */
    List<Failure> read(Path log, int round, int exit, Summary summary) throws IOException {
        String output = Files.readString(log);
        List<Failure> failures = new ArrayList<>();
        Tally tally = summary.of(NAME);
        tally.rounds++;
        Matcher results = RESULTS.matcher(output);
        int planned = 0;
        int passed = -1;
        // The last line says it of all.
        while (results.find()) {
            planned = Integer.parseInt(results.group(1));
            passed = Integer.parseInt(results.group(2));
        }
        tally.runs += Math.max(0, passed);
        BAD.matcher(output).results().map(match -> match.group(1)).distinct()
                .forEach(race -> failures.add(failure(race, round, "a forbidden outcome, or none", log)));
        if (failures.isEmpty() && (exit != 0 || passed != planned)) {
            failures.add(failure(".*", round, "jcstress ended with " + exit, log));
        }
        return failures;
    }

    private static Failure failure(String race, int round, String what, Path log) {
        return new Failure(race.equals(".*") ? NAME : race, round, what,
                "bin/test races -D stress.millis=60000 '" + race + "'", log.toString());
    }
}
