package io.blkmq.core;

import java.util.concurrent.ThreadLocalRandom;

/** Seeds of random tests: another one each run, printed with what replays it. */
public final class RandomSeed {
    private static final String PROPERTY = "blkmq.seed";

    private RandomSeed() {}

    /**
     * The seed of a test.
     *
     * @param test its class
     * @return the seed that the property names, or a new one
     */
    public static long of(Class<?> test) {
        Long given = Long.getLong(PROPERTY);
        long seed = given != null ? given : ThreadLocalRandom.current().nextLong();
        System.out.println(test.getSimpleName() + ": seed " + seed + ", replay with: mvn -pl core test -Dtest="
                + test.getSimpleName() + " -D" + PROPERTY + "=" + seed);
        return seed;
    }
}
