package io.blkmq.testing;

import org.jspecify.annotations.Nullable;

/** The numbers that tests take from system properties. One that is malformed is an error: {@link Long#getLong} takes it for none. */
public final class NumberProperty {
    private NumberProperty() {}

    /**
     * A number of any size.
     *
     * @param name the property
     * @return null if there is none
     * @throws IllegalArgumentException if it has another value than a number
     */
    public static @Nullable Long of(String name) {
        String value = System.getProperty(name);
        if (value == null) {
            return null;
        }
        try {
            return Long.decode(value);
        } catch (NumberFormatException e) {
            throw new IllegalArgumentException("-D" + name + "=" + value + ": a number of 64 bits is possible", e);
        }
    }

    /**
     * A number of any size.
     *
     * @param name the property
     * @param otherwise if there is none
     * @return the number
     * @throws IllegalArgumentException if it has another value than a number
     */
    public static long of(String name, long otherwise) {
        Long given = of(name);
        return given == null ? otherwise : given;
    }

    /**
     * A count.
     *
     * @param name the property
     * @param otherwise if there is none
     * @return the number
     * @throws IllegalArgumentException if it has another value than a number of 32 bits
     */
    public static int of(String name, int otherwise) {
        long given = of(name, (long) otherwise);
        if (given != (int) given) {
            throw new IllegalArgumentException("-D" + name + "=" + given + ": a number of 32 bits is possible");
        }
        return (int) given;
    }
}
