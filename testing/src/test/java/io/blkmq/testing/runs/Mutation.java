package io.blkmq.testing.runs;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/**
 * A patch that breaks a protocol, and the tests that must notice.
 *
 * @param name of its file, without the ending
 * @param patch its file
 * @param breaks the defect
 * @param watchers the tests
 * @param files the sources that it changes, below the folder of the project
 */
public record Mutation(String name, Path patch, String breaks, List<Watcher> watchers, Set<Path> files) {
    private static final Pattern FILE = Pattern.compile("^\\+\\+\\+ b/(\\S+/src/main/java/\\S+\\.java)$",
            Pattern.MULTILINE);
    private static final Pattern WATCHER = Pattern.compile("([a-z]+) +(\\S.*)");

    /**
     * What must notice a mutation.
     *
     * @param kind {@code races}, or the module of a test
     * @param which a regular expression on names of races, or a class of tests, and after a {@code #} a method of it
     */
    public record Watcher(String kind, String which) {
        /** Whether it is of race tests. */
        public boolean isRace() {
            return kind.equals("races");
        }

        @Override
        public String toString() {
            return kind + " " + which;
        }
    }

    /** A patch cannot be used, or the test that it names. */
    public static final class UnusableException extends Exception {
        private static final long serialVersionUID = 1;

        UnusableException(String message) {
            super(message);
        }
    }

    /**
     * A mutation of the project.
     *
     * @param root its folder
     * @param name of the mutation
     * @param modules that have tests
     * @return as its patch says
     * @throws IOException if the patch cannot be read
     * @throws UnusableException if it lacks something, or names something that is not there
     */
    public static Mutation read(Path root, String name, Set<String> modules) throws IOException, UnusableException {
        Path patch = root.resolve("stress/mutations").resolve(name + ".patch");
        if (!Files.isRegularFile(patch)) {
            throw new UnusableException("there is no stress/mutations/" + name + ".patch");
        }
        String text = Files.readString(patch);
        List<Watcher> watchers = header(text, "Caught by").stream().map(WATCHER::matcher).filter(Matcher::matches)
                .map(words -> new Watcher(words.group(1), words.group(2).strip())).toList();
        if (watchers.isEmpty() || watchers.size() != header(text, "Caught by").size()) {
            throw new UnusableException(
                    name + ".patch does not say what it is caught by: a line 'Caught by: MODULE CLASS'");
        }
        for (Watcher watcher : watchers) {
            if (!watcher.isRace() && !modules.contains(watcher.kind)) {
                throw new UnusableException(
                        name + ".patch: a test is of kind races or of a module, and not '" + watcher.kind + "'");
            }
        }
        Set<Path> files = FILE.matcher(text).results().map(match -> Path.of(match.group(1)))
                .collect(Collectors.toUnmodifiableSet());
        if (files.isEmpty() || header(text, "+++ b/", "").size() != files.size()) {
            throw new UnusableException(name + ".patch: a mutation changes src/main/java of modules, and nothing else");
        }
        return new Mutation(name, patch, String.join(" ", header(text, "Breaks")), watchers, files);
    }

    private static List<String> header(String text, String key) {
        return header(text, key, ": ");
    }

    private static List<String> header(String text, String key, String separator) {
        return text.lines().filter(line -> line.startsWith(key + separator))
                .map(line -> line.substring(key.length() + separator.length())).toList();
    }
}
