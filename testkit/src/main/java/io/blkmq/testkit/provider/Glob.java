package io.blkmq.testkit.provider;

import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;

/**
 * Makes a regular expression of a glob, by the rules of {@link java.nio.file.FileSystem#getPathMatcher}: {@code *} stops at slashes,
 * {@code **} does not; {@code ?}, {@code [a-z]}, {@code [!a]}, {@code {one,other}}, a backslash before what is to be taken literally.
 */
final class Glob {
    private static final String SPECIAL_IN_REGEX = ".^$+{[]|()\\*?}";

    private static final String OPEN_BRACKET = "a bracket is not closed";

    private final String glob;
    private final StringBuilder regex = new StringBuilder();
    private int at;
    private boolean inGroup;

    private Glob(String glob) {
        this.glob = glob;
    }

    static Pattern compile(String glob) {
        return Pattern.compile(new Glob(glob).translate(), Pattern.DOTALL);
    }

    private String translate() {
        while (at < glob.length()) {
            char next = glob.charAt(at++);
            switch (next) {
                case '\\' -> literal(taken("a backslash at the end escapes nothing"));
                case '*' -> star();
                case '?' -> regex.append("[^/]");
                case '[' -> bracket();
                case '{' -> open();
                case '}' -> close(next);
                case ',' -> regex.append(inGroup ? ")|(?:" : ",");
                default -> literal(next);
            }
        }
        if (inGroup) {
            throw refusal("a group is not closed", glob.length());
        }
        return regex.toString();
    }

    private void star() {
        if (isNext('*')) {
            at++;
            regex.append(".*");
        } else {
            regex.append("[^/]*");
        }
    }

    private void open() {
        if (inGroup) {
            throw refusal("groups cannot be nested", at - 1);
        }
        inGroup = true;
        regex.append("(?:(?:");
    }

    private void close(char brace) {
        if (inGroup) {
            regex.append("))");
            inGroup = false;
        } else {
            literal(brace);
        }
    }

    /** A set of characters, of which a slash is never one. */
    private void bracket() {
        regex.append("[[^/]&&[");
        if (isNext('!')) {
            regex.append('^');
            at++;
        }
        int begin = at;
        if (isNext('-')) {
            // Before a range could begin it means itself.
            regex.append("\\-");
            at++;
        }
        char rangeStart = 0;
        for (char next = taken(OPEN_BRACKET); next != ']'; next = taken(OPEN_BRACKET)) {
            if (next == '/') {
                throw refusal("a slash in a bracket", at - 1);
            }
            if (next == '-') {
                range(rangeStart);
                rangeStart = 0;
            } else {
                regex.append(escaped(next));
                rangeStart = next;
            }
        }
        if (at == begin + 1) {
            throw refusal("a bracket with nothing in it", at - 1);
        }
        regex.append("]]");
    }

    private void range(char first) {
        if (first == 0) {
            throw refusal("a range without a beginning", at - 1);
        }
        if (isNext(']')) {
            regex.append("\\-");
            return;
        }
        char last = taken(OPEN_BRACKET);
        if (last < first) {
            throw refusal("a range that runs backwards", at - 1);
        }
        regex.append('-').append(escaped(last));
    }

    private boolean isNext(char wanted) {
        return at < glob.length() && glob.charAt(at) == wanted;
    }

    private static String escaped(char literal) {
        return "\\[]&^-".indexOf(literal) >= 0 ? "\\" + literal : String.valueOf(literal);
    }

    private char taken(String otherwise) {
        if (at == glob.length()) {
            throw refusal(otherwise, at - 1);
        }
        return glob.charAt(at++);
    }

    private void literal(char next) {
        if (SPECIAL_IN_REGEX.indexOf(next) >= 0) {
            regex.append('\\');
        }
        regex.append(next);
    }

    private PatternSyntaxException refusal(String why, int index) {
        return new PatternSyntaxException(why, glob, index);
    }
}
