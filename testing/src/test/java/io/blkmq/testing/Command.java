package io.blkmq.testing;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.File;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Assumptions;

/**
 * The commands and libraries that tests use and a machine may lack. By hand the tests are skipped there, and say why. CI promises what it
 * has found or installed, by {@code -Dblkmq.ci.installed}, with commas between the names: where one of these is lacking the tests fail.
 */
public final class Command {
    private static final Set<String> PROMISED = Set
            .of(System.getProperty("blkmq.ci.installed", "").strip().split("\\s*,\\s*", -1));

    private Command() {}

    /** Whether a command can be run. Ends the test as failed if it cannot and was promised. */
    public static boolean isInstalled(String command) {
        String path = System.getenv("PATH");
        boolean found = path != null
                && Stream.of(path.split(File.pathSeparator)).anyMatch(one -> Files.isExecutable(Path.of(one, command)));
        if (!found) {
            requireNotPromised(command, PROMISED);
        }
        return found;
    }

    /** Ends the test here if one of these is not installed. */
    public static void require(String... commands) {
        for (String command : commands) {
            if (!isInstalled(command)) {
                lacking(command);
            }
        }
    }

    /**
     * Ends the test here.
     *
     * @param name the command, or the library, that is not installed
     */
    public static void lacking(String name) {
        lacking(name, PROMISED);
    }

    static void lacking(String name, Set<String> promised) {
        requireNotPromised(name, promised);
        String reason = "skipped: " + name + " is not installed";
        IO.println(reason);
        Assumptions.abort(reason);
    }

    private static void requireNotPromised(String name, Set<String> promised) {
        assertThat(promised).as("%s cannot be used, and blkmq.ci.installed says that it is there", name)
                .doesNotContain(name);
    }

    /** Runs a command to its end. */
    public static String run(String input, String... command) throws IOException, InterruptedException {
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        try (OutputStream in = process.getOutputStream()) {
            in.write(input.getBytes(StandardCharsets.UTF_8));
        }
        String out = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        if (!process.waitFor(300, TimeUnit.SECONDS)) {
            process.destroyForcibly();
            throw new IOException(List.of(command) + " does not end");
        }
        if (process.exitValue() != 0) {
            throw new IOException(List.of(command) + " ended with " + process.exitValue() + ": " + out);
        }
        return out;
    }
}
