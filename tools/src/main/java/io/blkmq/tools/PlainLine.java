package io.blkmq.tools;

import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Reads a line that needs no picocli: {@code run}, one job file, and options of it that have one value. To load picocli, and to have it read
 * what its annotations say, takes longer than all else of a short run. Whatever is not plain is picocli's to read, to explain and to refuse.
 */
final class PlainLine {
    private static final String ATTACH = "--attach";
    /** Those that may be given once. */
    private static final List<String> SINGLE = List.of("--json", "--ioengine", "--runtime");

    private PlainLine() {}

    /** What the line asks for; null if picocli has to read it. */
    static RunCommand.@Nullable Asked read(String... arguments) {
        if (arguments.length == 0 || !arguments[0].equals("run")) {
            return null;
        }
        String jobFile = null;
        List<String> attach = new ArrayList<>();
        Map<String, String> single = new HashMap<>();
        for (int i = 1; i < arguments.length; i++) {
            String argument = arguments[i];
            if (isPlain(argument)) {
                if (jobFile != null) {
                    return null;
                }
                jobFile = argument;
                continue;
            }
            // The value stands behind the name, or is the next argument.
            int equals = argument.indexOf('=');
            String name = equals < 0 ? argument : argument.substring(0, equals);
            String value = equals >= 0
                    ? argument.substring(equals + 1)
                    : i + 1 < arguments.length ? arguments[++i] : "";
            if (!isPlain(value) && !value.equals("-")) {
                return null;
            }
            if (name.equals(ATTACH)) {
                attach.add(value);
            } else if (!SINGLE.contains(name) || single.put(name, value) != null) {
                return null;
            }
        }
        try {
            return jobFile == null
                    ? null
                    : new RunCommand.Asked(Path.of(jobFile), attach, single.get("--json"), single.get("--ioengine"),
                            single.get("--runtime"));
        } catch (InvalidPathException e) {
            return null;
        }
    }

    /** Whether picocli takes it for a value and leaves it as it is: neither an option, nor a file of arguments, nor in quotes. */
    private static boolean isPlain(String argument) {
        return !argument.isEmpty() && "-@\"'".indexOf(argument.charAt(0)) < 0;
    }
}
