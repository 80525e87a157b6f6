package io.blkmq.core;

import java.util.concurrent.ThreadLocalRandom;

/** Seeds of random tests: another one each run, printed with what replays it. */
public final class RandomSeed {
    private static final String PROPERTY = "blkmq.seed";

    private RandomSeed() {}

    /**
     * The seed of a test, which is printed.
     *
     * @param test its class
     * @return the seed that the property names, or a new one
     */
    public static long of(Class<?> test) {
        long seed = next();
        System.out.println(test.getSimpleName() + ": seed " + seed + ", replay with: " + replay(test) + " -D" + PROPERTY
                + "=" + seed);
        return seed;
    }

    /**
     * A seed that is printed only when something fails.
     *
     * @return the seed that the property names, or a new one
     */
    public static long next() {
        Long given = Long.getLong(PROPERTY);
        return given != null ? given : ThreadLocalRandom.current().nextLong();
    }

    /**
     * The command that runs a test.
     *
     * @param test its class
     * @return without the seed
     */
    public static String replay(Class<?> test) {
        return "mvn -pl core test -Dtest=" + test.getSimpleName();
    }
}
