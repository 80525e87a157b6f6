package io.blkmq.testing.soak;

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
    private static final Pattern LINE = Pattern.compile("replay with: (mvn .*?)(\\\\n|$)");
    private static final int WHAT_CHARACTERS_MAX = 600;

    /** Of a class of tests, by what it says itself, or by the series of its seeds. */
    static Failure of(TestedModule module, String test, int round, long series, String what, String log) {
        Matcher matcher = LINE.matcher(what);
        String simple = test.substring(test.lastIndexOf('.') + 1);
        String whole = "mvn -pl " + module.name + " -am test -Dsurefire.failIfNoSpecifiedTests=false -Dtest=" + simple
                + " -Dblkmq.seeds=" + series;
        return new Failure(test, round, cut(what), matcher.find() ? matcher.group(1).strip() : whole, log);
    }

    private static String cut(String what) {
        return what.length() > WHAT_CHARACTERS_MAX ? what.substring(0, WHAT_CHARACTERS_MAX) + "..." : what;
    }
}
