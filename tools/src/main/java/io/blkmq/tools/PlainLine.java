package io.blkmq.tools;

import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.Deque;
import org.jspecify.annotations.Nullable;

/**
 * Reads a line that needs no picocli: {@code run}, one job file, keys of jobs, and the options of {@link RunCommand.Plain}. To load picocli,
 * and to have it read what its annotations say, takes longer than all else of a short run. Keys are read by the code that reads them for
 * picocli, and the options set the fields that picocli sets. Whatever is not plain is picocli's to read, to explain and to refuse.
 */
final class PlainLine {
    private PlainLine() {}

    /** The command with all that the line asks for; null if picocli has to read it. */
    static @Nullable RunCommand read(String... arguments) {
        if (arguments.length == 0 || !arguments[0].equals("run")) {
            return null;
        }
        RunCommand command = new RunCommand();
        Deque<String> rest = new ArrayDeque<>(Arrays.asList(arguments).subList(1, arguments.length));
        if (rest.stream().anyMatch(word -> word.startsWith("@"))) {
            return null;
        }
        while (!rest.isEmpty()) {
            String word = rest.pop();
            if (command.jobOptions().take(word, rest)) {
                continue;
            }
            if (isPlain(word)) {
                command.addJobFile(word);
                continue;
            }
            int equals = word.indexOf('=');
            RunCommand.Plain option = RunCommand.Plain.find(equals < 0 ? word : word.substring(0, equals));
            String value = equals >= 0 ? word.substring(equals + 1) : rest.isEmpty() ? "" : rest.pop();
            boolean possible = isPlain(value) || value.equals("-");
            if (option == null || !possible || !option.set(command, value)) {
                return null;
            }
        }
        return command.asked().jobFiles().size() == 1 ? command : null;
    }

    /** Whether picocli takes it for a value and leaves it as it is: neither an option, nor in quotes. */
    private static boolean isPlain(String word) {
        return !word.isEmpty() && "-\"'".indexOf(word.charAt(0)) < 0;
    }
}
