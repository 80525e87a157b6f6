package io.blkmq.tools.job;

import java.util.function.Function;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Puts variables of the environment, and facts of the machine, into a line of a job file. */
final class Substitution {
    private static final Pattern VARIABLE = Pattern.compile("\\$\\{([^}]*)\\}");

    private Substitution() {}

    /**
     * The line with {@code ${NAME}}, {@code $pagesize}, {@code $mb_memory} and {@code $ncpus} replaced. As in fio a value with one of the
     * last three may be a formula.
     */
    static String in(String content, Location location, Function<String, String> environment) throws UsageException {
        return content.indexOf('$') < 0 ? content : in(content, location, environment, Machine.here());
    }

    /** The same on a machine with these facts. */
    static String in(String content, Location location, Function<String, String> environment, Machine machine)
            throws UsageException {
        Matcher matcher = VARIABLE.matcher(content);
        String replaced = matcher.replaceAll(found -> Matcher.quoteReplacement(environment.apply(found.group(1))));
        if (replaced.contains("${")) {
            throw new UsageException(location, content + ": ${ has no }");
        }
        String facts = replaced.replace("$pagesize", Long.toString(machine.pageBytes()))
                .replace("$mb_memory", Long.toString(machine.memoryMib()))
                .replace("$ncpus", Integer.toString(machine.processors()));
        return facts.equals(replaced) ? replaced : worked(facts, location);
    }

    /** With the value of a formula in its place. */
    private static String worked(String line, Location location) throws UsageException {
        int begin = line.indexOf('=') + 1;
        String value = line.substring(begin);
        if (begin == 0 || !Arithmetic.isMeantBy(value)) {
            return line;
        }
        try {
            return line.substring(0, begin) + Arithmetic.valueOf(value);
        } catch (IllegalArgumentException e) {
            throw new UsageException(location, line + ": " + e.getMessage());
        }
    }
}
