package io.blkmq.testing;

import java.util.Map;
import java.util.Objects;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;

/**
 * Seeds of random tests, the one source of randomness that tests have. A seed follows from the class and the method that asks for it
 * and from how often it has asked before, so that the same sources run the same programs each time, and a test that is added changes
 * those of no other.
 *
 * <p>Two system properties change that. {@value #GIVEN} is the seed of everybody who asks: it replays a test. {@value #SERIES} is the
 * number of another series of seeds; 0 is that of every build, and {@code stress/soak} draws new ones.
 */
public final class RandomSeed {
    /** The system property that names the seed. */
    public static final String GIVEN = "blkmq.seed";
    /** The system property that names the series. */
    public static final String SERIES = "blkmq.seeds";

    private static final Map<String, AtomicInteger> ASKED = new ConcurrentHashMap<>();

    private RandomSeed() {}

    /**
     * The seed of a test, which is printed with the line that replays it.
     *
     * @param test its class
     * @return the one that is given, or the next of those that ask from there
     */
    public static long of(Class<?> test) {
        long seed = next(test);
        System.out.println(test.getSimpleName() + ": seed " + seed + ", replay with: " + replay(test, seed));
        return seed;
    }

    /**
     * A seed that is not printed: whatever fails with it has to say it.
     *
     * @param test the class
     * @return the one that is given, or the next of those that ask from there
     * @throws IllegalArgumentException if the one that is given, or the series, is no number
     */
    public static long next(Class<?> test) {
        Long given = NumberProperty.of(GIVEN);
        if (given != null) {
            return given;
        }
        String place = test.getName() + "." + methodOf(test);
        int before = ASKED.computeIfAbsent(place, _ -> new AtomicInteger()).getAndIncrement();
        long seed = NumberProperty.of(SERIES, 0L);
        for (int i = 0; i < place.length(); i++) {
            seed = mix(seed + place.charAt(i));
        }
        return mix(seed + before);
    }

    /** David Stafford's thirteenth mixer, as in {@link java.util.SplittableRandom}. */
    private static long mix(long value) {
        long mixed = value + 0x9e37_79b9_7f4a_7c15L;
        mixed = (mixed ^ (mixed >>> 30)) * 0xbf58_476d_1ce4_e5b9L;
        mixed = (mixed ^ (mixed >>> 27)) * 0x94d0_49bb_1331_11ebL;
        return mixed ^ (mixed >>> 31);
    }

    /** The test method that asks, or {@code <init>}: that which all others of its class were called by. */
    private static @Nullable String methodOf(Class<?> test) {
        return StackWalker.getInstance()
                .walk(frames -> frames
                        .filter(frame -> frame.getClassName().equals(test.getName())
                                || frame.getClassName().startsWith(test.getName() + "$"))
                        .reduce((_, outer) -> outer).map(StackWalker.StackFrame::getMethodName).orElse(""));
    }

    /**
     * Whether a seed is given: then one program is run, and a claim about many is none.
     *
     * @return so
     */
    public static boolean isGiven() {
        return NumberProperty.of(GIVEN) != null;
    }

    /**
     * Gives a seed to everybody who asks.
     *
     * @param seed as the property has it
     * @return takes it back
     */
    public static SetProperty give(String seed) {
        return SetProperty.of(GIVEN, seed);
    }

    /**
     * How many seeds were drawn.
     *
     * @return by this process, without those that were given
     */
    public static long drawn() {
        return ASKED.values().stream().mapToLong(AtomicInteger::get).sum();
    }

    /**
     * The command that runs a test.
     *
     * @param test its class
     * @return without the seed
     */
    public static String replay(Class<?> test) {
        String module = Objects.requireNonNull(test.getPackageName()).split("\\.", -1)[2];
        return "bin/test " + module + " " + test.getSimpleName();
    }

    /**
     * The command that runs a test with a seed.
     *
     * @param test its class
     * @param seed the seed
     * @return the line for its reader
     */
    public static String replay(Class<?> test, long seed) {
        return replay(test) + " -D" + GIVEN + "=" + seed;
    }
}
