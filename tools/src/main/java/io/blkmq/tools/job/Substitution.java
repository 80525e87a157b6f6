package io.blkmq.tools.job;

import java.util.function.Function;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Puts variables of the environment, and facts of the machine, into a line of a job file. */
final class Substitution {
    private static final Pattern VARIABLE = Pattern.compile("\\$\\{([^}]*)\\}");
    private static final String PAGE_BYTES = "4096";
    private static final int MEGABYTE = 1 << 20;

    private Substitution() {}

    /** The line with {@code ${NAME}}, {@code $pagesize}, {@code $mb_memory} and {@code $ncpus} replaced. */
    static String in(String content, Location location, Function<String, String> environment) throws UsageException {
        if (content.indexOf('$') < 0) {
            return content;
        }
        Matcher matcher = VARIABLE.matcher(content);
        String replaced = matcher.replaceAll(found -> Matcher.quoteReplacement(environment.apply(found.group(1))));
        if (replaced.contains("${")) {
            throw new UsageException(location, content + ": ${ has no }");
        }
        Runtime runtime = Runtime.getRuntime();
        return replaced.replace("$pagesize", PAGE_BYTES)
                .replace("$mb_memory", Long.toString(runtime.maxMemory() / MEGABYTE))
                .replace("$ncpus", Integer.toString(runtime.availableProcessors()));
    }
}
