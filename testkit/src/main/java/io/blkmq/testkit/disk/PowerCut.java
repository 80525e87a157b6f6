package io.blkmq.testkit.disk;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.function.Predicate;

/**
 * Decides what a power cut leaves of the writes that a device has received and that are not durable: what stands in its cache, and what
 * it was in the middle of. What is durable always stays. A device may write its cache back in any order; of two pieces for the same place
 * the newer one wins if both survive. Immutable; the same policy decides the same for the same pieces.
 *
 * <pre>
 *   policy      cached writes            writes in flight         a write can be torn
 *   ALL_LOST    none                     none                     no
 *   ALL_KEPT    all                      all                      no
 *   inOrder     the oldest, up to one    if all cached survive    the last one
 *   subset      each or not              each or not              no
 *   torn        each piece or not        each piece or not        all
 * </pre>
 *
 * @see SimulatedDisk#powerCut
 * @since 0.1.0
 */
public final class PowerCut {
    /** Nothing survives that is not durable. */
    public static final PowerCut ALL_LOST = new PowerCut("all lost", _ -> List.of());

    /** All survives that the device has received. */
    public static final PowerCut ALL_KEPT = new PowerCut("all kept", pieces -> pieces);

    private static final double EVEN = 0.5;

    /** Chooses survivors. */
    @FunctionalInterface
    private interface Choice {
        List<VolatilePiece> survivors(List<VolatilePiece> pieces);
    }

    private final String name;
    private final Choice choice;

    private PowerCut(String name, Choice choice) {
        this.name = name;
        this.choice = choice;
    }

    /**
     * Writes survive in the order in which they took effect up to some point, and the one that follows is torn there.
     *
     * @param seed decides where
     * @return the policy
     */
    public static PowerCut inOrder(long seed) {
        return new PowerCut("in order, seed " + seed,
                pieces -> pieces.subList(0, new SplittableRandom(seed).nextInt(pieces.size() + 1)));
    }

    /**
     * Each write survives as a whole or not, whatever becomes of those before it.
     *
     * @param seed decides which
     * @return the policy
     */
    public static PowerCut subset(long seed) {
        return new PowerCut("a subset, seed " + seed, pieces -> {
            SplittableRandom random = new SplittableRandom(seed);
            Set<Long> asked = new HashSet<>();
            Set<Long> surviving = new HashSet<>();
            for (VolatilePiece piece : pieces) {
                if (asked.add(piece.request()) && random.nextBoolean()) {
                    surviving.add(piece.request());
                }
            }
            return pieces.stream().filter(piece -> surviving.contains(piece.request())).toList();
        });
    }

    /**
     * Each piece of each write survives or not: writes are torn at the atomic unit.
     *
     * @param seed decides which
     * @return the policy
     */
    public static PowerCut torn(long seed) {
        return torn(seed, EVEN);
    }

    /**
     * Each piece of each write survives with a probability.
     *
     * @param seed decides which
     * @param probability from 0 to 1
     * @return the policy
     * @throws IllegalArgumentException if the probability is out of range
     */
    public static PowerCut torn(long seed, double probability) {
        if (!(probability >= 0 && probability <= 1)) {
            throw new IllegalArgumentException("probability " + probability + ": 0 to 1 are possible");
        }
        return new PowerCut("torn, seed " + seed + ", probability " + probability, pieces -> {
            SplittableRandom random = new SplittableRandom(seed);
            return pieces.stream().filter(_ -> random.nextDouble() < probability).toList();
        });
    }

    /**
     * A policy of the caller's own.
     *
     * @param name for people
     * @param survives is asked about each piece, in the order in which they took effect, those in flight last
     * @return the policy
     */
    public static PowerCut of(String name, Predicate<? super VolatilePiece> survives) {
        Objects.requireNonNull(survives, "survives");
        return new PowerCut(name, pieces -> {
            List<VolatilePiece> left = new ArrayList<>(pieces);
            left.removeIf(piece -> !survives.test(piece));
            return left;
        });
    }

    /** Which pieces survive, in their order. */
    List<VolatilePiece> survivors(List<VolatilePiece> pieces) {
        return choice.survivors(pieces);
    }

    @Override
    public String toString() {
        return name;
    }
}
