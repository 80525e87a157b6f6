package io.blkmq.testkit;

import java.time.Duration;
import org.jspecify.annotations.Nullable;

/**
 * How much of what crashes may leave is visited. For one thread.
 *
 * @param <S> what these are the settings of
 * @since 0.1.0
 */
public abstract class CrashSettings<S extends CrashSettings<S>> {
    /** The number of states that are made at the most, unless set. */
    public static final long STATES_DEFAULT = 20_000;
    /** How long states are visited at the most, unless set. */
    public static final Duration TIME_DEFAULT = Duration.ofSeconds(60);
    /** How long one check may take, unless set. */
    public static final Duration CHECK_TIME_DEFAULT = Duration.ofSeconds(30);

    private long states = STATES_DEFAULT;
    private Duration time = TIME_DEFAULT;
    private Duration checkTime = CHECK_TIME_DEFAULT;
    private long seed = 1;
    private boolean all;
    private @Nullable String replay = System.getProperty(CrashReport.REPLAY);

    /** The defaults. */
    protected CrashSettings() {}

    /**
     * Itself.
     *
     * @return this
     */
    protected abstract S self();

    /**
     * Sets how many states are made at the most. If there are more, some are chosen: each crash point gets its share.
     *
     * @param value at least 1; {@value #STATES_DEFAULT} unless set
     * @return this
     * @throws IllegalArgumentException if it is less than 1
     */
    public S states(long value) {
        if (value < 1) {
            throw new IllegalArgumentException("states " + value + ": must be at least 1");
        }
        states = value;
        return self();
    }

    /**
     * Sets how long states are visited.
     *
     * @param value more than 0; a minute unless set
     * @return this
     * @throws IllegalArgumentException if it is 0 or less
     */
    public S time(Duration value) {
        time = positive("time", value);
        return self();
    }

    /**
     * Sets how long one call of the check may take. One that takes longer ends the test.
     *
     * @param value more than 0; 30 seconds unless set
     * @return this
     * @throws IllegalArgumentException if it is 0 or less
     */
    public S checkTime(Duration value) {
        checkTime = positive("checkTime", value);
        return self();
    }

    private static Duration positive(String name, Duration value) {
        if (value.isNegative() || value.isZero()) {
            throw new IllegalArgumentException(name + " " + value + ": must be more than 0");
        }
        return value;
    }

    /**
     * Sets the seed that chooses among more states than may be made.
     *
     * @param value 1 unless set
     * @return this
     */
    public S seed(long value) {
        seed = value;
        return self();
    }

    /**
     * Has all states visited, and those that fail counted. Unless set, the first failure ends the visit.
     *
     * @return this
     */
    public S allFailures() {
        all = true;
        return self();
    }

    /**
     * Has one state visited, and no other.
     *
     * @param code the state, as a report names it; the system property {@value CrashReport#REPLAY} unless set
     * @return this
     */
    public S replay(String code) {
        replay = code;
        return self();
    }

    /**
     * The bounds as they are now.
     *
     * @return a copy
     */
    protected final Bounds bounds() {
        return new Bounds(states, time, checkTime, seed, all, replay);
    }

    /**
     * Bounds of a visit.
     *
     * @param states how many are made at the most
     * @param time how long states are visited
     * @param checkTime how long one check may take
     * @param seed chooses among more states than may be made
     * @param all whether a failure does not end the visit
     * @param replay the code of the only state to visit; null for all
     */
    public record Bounds(long states, Duration time, Duration checkTime, long seed, boolean all,
            @Nullable String replay) {}
}
