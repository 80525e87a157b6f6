package io.blkmq.testing.runs;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;

/** What was run and found, for people and as JSON. */
final class Summary {
    private final Map<String, Tally> tallies = new TreeMap<>();
    private final List<Failure> failures = new ArrayList<>();

    synchronized Tally of(String test) {
        return tallies.computeIfAbsent(test, _ -> new Tally());
    }

    synchronized void add(Failure failure) {
        of(failure.test()).failures++;
        failures.add(failure);
    }

    synchronized int failures() {
        return failures.size();
    }

    synchronized long runs() {
        return tallies.values().stream().mapToLong(tally -> tally.runs).sum();
    }

    /** Writes {@code summary.txt} and {@code summary.json}. */
    synchronized String write(Path directory, long series, int rounds, long seconds) throws IOException {
        String text = text(series, rounds, seconds);
        Files.writeString(directory.resolve("summary.txt"), text);
        Files.writeString(directory.resolve("summary.json"), json(series, rounds, seconds));
        return text;
    }

    private String text(long series, int rounds, long seconds) {
        StringBuilder text = new StringBuilder();
        text.append(String.format(Locale.ROOT, "%-32s %7s %12s %8s %7s %9s %8s%n", "test", "rounds", "runs", "skipped",
                "seeds", "failures", "seconds"));
        tallies.forEach((test,
                tally) -> text.append(String.format(Locale.ROOT, "%-32s %7d %12d %8d %7d %9d %8d%n",
                        test.substring(test.lastIndexOf('.') + 1), tally.rounds, tally.runs, tally.skipped, tally.seeds,
                        tally.failures, tally.millis / 1000)));
        for (Failure failure : failures) {
            text.append("\nround ").append(failure.round()).append(", ").append(failure.test()).append(": ")
                    .append(failure.what().replace("\\n", "\n  ")).append("\n  replay: ").append(failure.replay())
                    .append("\n  log: ").append(failure.log()).append('\n');
        }
        text.append(String.format(Locale.ROOT, "%n%d rounds in %d s, series %d to %d: %s%n", rounds, seconds, series,
                series + Math.max(0, rounds - 1),
                failures.isEmpty() ? "nothing found" : failures.size() + " failures"));
        return text.toString();
    }

    private String json(long series, int rounds, long seconds) {
        return "{\"series\": " + series + ", \"rounds\": " + rounds + ", \"seconds\": " + seconds + ",\n \"tests\": [\n"
                + tallies.entrySet().stream()
                        .map(each -> "  {\"test\": " + quoted(each.getKey()) + ", \"rounds\": " + each.getValue().rounds
                                + ", \"runs\": " + each.getValue().runs + ", \"skipped\": " + each.getValue().skipped
                                + ", \"seeds\": " + each.getValue().seeds + ", \"failures\": "
                                + each.getValue().failures + ", \"millis\": " + each.getValue().millis + "}")
                        .collect(Collectors.joining(",\n"))
                + "\n ],\n \"failures\": [\n"
                + failures.stream()
                        .map(each -> "  {\"test\": " + quoted(each.test()) + ", \"round\": " + each.round()
                                + ", \"what\": " + quoted(each.what()) + ", \"replay\": " + quoted(each.replay())
                                + ", \"log\": " + quoted(each.log()) + "}")
                        .collect(Collectors.joining(",\n"))
                + "\n ]}\n";
    }

    private static String quoted(String text) {
        StringBuilder quoted = new StringBuilder("\"");
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            if (c == '"' || c == '\\') {
                quoted.append('\\').append(c);
            } else if (c < ' ') {
                quoted.append(String.format(Locale.ROOT, "\\u%04x", (int) c));
            } else {
                quoted.append(c);
            }
        }
        return quoted.append('"').toString();
    }
}
