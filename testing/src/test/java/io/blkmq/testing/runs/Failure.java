package io.blkmq.testing.runs;

import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * What a round found.
 *
 * @param test the class
 * @param round in which round
 * @param what failed, and how
 * @param replay the line that runs it again
 * @param log where everything stands that it said
 */
record Failure(String test, int round, String what, String replay, String log) {
    private static final Pattern LINE = Pattern.compile("replay with: (bin/test .*?)(\\\\n|$)");
    private static final int WHAT_CHARACTERS_MAX = 600;

    /** Of a class of tests, by what it says itself, or by the series of its seeds. */
    static Failure of(TestedModule module, String test, int round, long series, String what, String log) {
        Matcher matcher = LINE.matcher(what);
        String simple = test.substring(test.lastIndexOf('.') + 1);
        String whole = "bin/test " + module.name + " --seeds " + series + " " + simple;
        return new Failure(test, round, cut(what), matcher.find() ? matcher.group(1).strip() : whole, log);
    }

    private static String cut(String what) {
        return what.length() > WHAT_CHARACTERS_MAX ? what.substring(0, WHAT_CHARACTERS_MAX) + "..." : what;
    }
}
