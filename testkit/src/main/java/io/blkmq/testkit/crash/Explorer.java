package io.blkmq.testkit.crash;

import java.util.BitSet;
import java.util.HashSet;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.function.BooleanSupplier;

/**
 * Visits what a crash may leave, and has each such state checked.
 *
 * <p><b>Which states.</b> A state belongs to a turning point of the history ({@link History#turningPoints}) and is a set of the effects that
 * are pending there, closed under what they require. If a turning point has no more such sets than its share of the bound, all are visited.
 * Else these are: what is left when effects survive in order and none out of it; all but one effect (and those that require it); one
 * effect alone (and those that it requires); and after these, sets that a seed chooses.
 *
 * <p><b>In rounds.</b> Each turning point first has its simplest states visited, then more of them, and at last as many as the bound allows. So
 * a visit that time ends has been everywhere.
 *
 * <p><b>Equal images.</b> Two states whose images are equal are one, if the same has been acknowledged: it is visited once. Most states
 * are found equal before they are checked, and that is where the speed is.
 *
 * <p>For one thread.
 *
 * @param <I> an image of the storage
 */
public final class Explorer<I> {
    /**
     * Judges a state.
     *
     * @param <I> an image of the storage
     */
    @FunctionalInterface
    public interface Check<I> {
        /**
         * Looks at an image.
         *
         * @param image its own; it may change it
         * @param acknowledged how many acknowledgements had been given before the crash
         * @param state what was left
         * @return whether the state is as it should be
         */
        boolean holds(I image, int acknowledged, CrashState state);
    }

    /** So many states a turning point gets in each round: what is simple is visited everywhere before what is not is anywhere. */
    private static final long[] SHARES = {2, 32, 512, Long.MAX_VALUE};

    private record Seen(Object image, int acknowledged) {}

    private final History history;
    private final Medium<I> medium;
    private final long statesMax;
    private final long seed;
    private final BooleanSupplier goesOn;
    private final Set<Seen> seen = new HashSet<>();
    private final Exploration exploration;

    /** The image with all that is durable at the present turning point. */
    private I durable;
    /** How far effects have been looked at for it. */
    private final BitSet inDurable = new BitSet();
    private int[] pending = {};
    private int position;
    private int acknowledged;

    /**
     * Prepares a visit.
     *
     * @param history what has happened
     * @param medium where it has
     * @param statesMax how many states are made at the most; how many are checked is never more
     * @param seed chooses among the states where there are more than that
     * @param endsAtFirst whether the first state that does not hold ends the visit
     * @param goesOn asked before each state: false ends the visit
     */
    public Explorer(History history, Medium<I> medium, long statesMax, long seed, boolean endsAtFirst,
            BooleanSupplier goesOn) {
        this.history = history;
        this.medium = medium;
        this.statesMax = statesMax;
        this.seed = seed;
        this.exploration = new Exploration(endsAtFirst);
        this.goesOn = goesOn;
        this.durable = medium.before();
    }

    /**
     * Visits the states.
     *
     * @param check judges each of them
     * @return what was visited, and the states that did not hold
     */
    public Exploration explore(Check<I> check) {
        int[] points = history.turningPoints();
        exploration.points(points.length);
        BitSet complete = new BitSet();
        for (int round = 0; round < SHARES.length && !exploration.isStopped()
                && complete.cardinality() < points.length; round++) {
            visitAll(check, points, round, complete);
        }
        exploration.end(complete.cardinality());
        return exploration;
    }

    /** A round: each turning point that is not complete gets a share, and the rest of its states a later round. */
    private void visitAll(Check<I> check, int[] points, int round, BitSet complete) {
        durable = medium.before();
        inDurable.clear();
        for (int i = 0; i < points.length && !exploration.isStopped(); i++) {
            arriveAt(points[i]);
            long left = statesMax - exploration.made();
            if (!complete.get(i) && left > 0) {
                long share = Math.min(SHARES[round], Math.ceilDiv(left, points.length - i));
                SplittableRandom random = new SplittableRandom(
                        seed ^ (position * 0x9e37_79b9_7f4a_7c15L) ^ ((long) round << 56));
                complete.set(i, new StateSets(history, pending).each(share, random, lost -> visitOne(check, lost)));
            }
        }
    }

    /** Effects that have become durable since the last turning point move into the durable image, in order. */
    private void arriveAt(int point) {
        position = point;
        acknowledged = history.acknowledgedAt(point);
        for (int effect : pendingOrNew(point)) {
            if (history.isDurable(effect, point)) {
                medium.apply(durable, effect);
                inDurable.set(effect);
            }
        }
        pending = history.pendingAt(point);
    }

    private int[] pendingOrNew(int point) {
        BitSet found = new BitSet();
        for (int effect = inDurable.nextClearBit(0); effect < history.effects()
                && history.bornAt(effect) <= point; effect = inDurable.nextClearBit(effect + 1)) {
            found.set(effect);
        }
        return found.stream().toArray();
    }

    /** Whether to go on. */
    private boolean visitOne(Check<I> check, BitSet lost) {
        if (!goesOn.getAsBoolean()) {
            exploration.stop();
            return false;
        }
        exploration.madeOne();
        I image = imageWithout(lost);
        if (!seen.add(new Seen(medium.identity(image), acknowledged))) {
            return true;
        }
        CrashState state = new CrashState(position, (BitSet) lost.clone());
        return exploration.checked(check.holds(image, acknowledged, state), state);
    }

    private I imageWithout(BitSet lost) {
        I image = medium.copy(durable);
        for (int effect : pending) {
            if (!lost.get(effect)) {
                medium.apply(image, effect);
            }
        }
        return image;
    }

    /**
     * The image of a state.
     *
     * @param history what has happened
     * @param medium where it has
     * @param state what a crash leaves of it
     * @return made from the beginning
     */
    public static <I> I imageOf(History history, Medium<I> medium, CrashState state) {
        I image = medium.before();
        for (int effect = 0; effect < history.effects() && history.bornAt(effect) <= state.position(); effect++) {
            if (history.isDurable(effect, state.position())) {
                medium.apply(image, effect);
            }
        }
        for (int effect : history.pendingAt(state.position())) {
            if (!state.lost().get(effect)) {
                medium.apply(image, effect);
            }
        }
        return image;
    }
}
