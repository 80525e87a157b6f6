package io.blkmq.tools.job;

/** Whole numbers with {@code + - * /} and parentheses, as in {@code 8*4096}. A division cuts off what does not come out even. */
final class Arithmetic {
    private final String text;
    private int at;

    private Arithmetic(String text) {
        this.text = text;
    }

    /** Whether a text is more than a number, and nothing but such a formula could be meant by it. */
    static boolean isMeantBy(String text) {
        String stripped = text.strip();
        return stripped.matches("[-0-9(][-0-9+*/() ]*") && !stripped.matches("[0-9]*");
    }

    /**
     * Works it out.
     *
     * @throws IllegalArgumentException if it is none, or its result does not fit into 64 bits
     */
    static long valueOf(String text) {
        Arithmetic arithmetic = new Arithmetic(text);
        try {
            long value = arithmetic.sum();
            if (arithmetic.next() == 0) {
                return value;
            }
        } catch (ArithmeticException | NumberFormatException e) {
            throw new IllegalArgumentException("\"" + text.strip() + "\": " + e.getMessage(), e);
        }
        throw new IllegalArgumentException("\"" + text.strip() + "\" is no formula of numbers, + - * / and ()");
    }

    /** The next character that is no space; 0 at the end. */
    private char next() {
        while (at < text.length() && text.charAt(at) == ' ') {
            at++;
        }
        return at < text.length() ? text.charAt(at) : 0;
    }

    private long sum() {
        long value = product();
        for (char sign = next(); sign == '+' || sign == '-'; sign = next()) {
            at++;
            long other = product();
            value = sign == '+' ? Math.addExact(value, other) : Math.subtractExact(value, other);
        }
        return value;
    }

    private long product() {
        long value = factor();
        for (char sign = next(); sign == '*' || sign == '/'; sign = next()) {
            at++;
            long other = factor();
            value = sign == '*' ? Math.multiplyExact(value, other) : value / other;
        }
        return value;
    }

    private long factor() {
        char first = next();
        if (first == '-') {
            at++;
            return Math.negateExact(factor());
        }
        if (first == '(') {
            at++;
            long value = sum();
            if (next() != ')') {
                throw new NumberFormatException("a ) is missing");
            }
            at++;
            return value;
        }
        int begin = at;
        while (at < text.length() && text.charAt(at) >= '0' && text.charAt(at) <= '9') {
            at++;
        }
        if (begin == at) {
            throw new NumberFormatException("a number is missing");
        }
        return Long.parseLong(text.substring(begin, at));
    }
}
