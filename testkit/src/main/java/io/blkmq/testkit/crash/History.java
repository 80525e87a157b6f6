package io.blkmq.testkit.crash;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;

/**
 * All that happened to storage, as effects that a crash leaves or loses one by one. A crash happens at a position: position p is the
 * moment after p events and before the next one.
 *
 * <p>Of an effect the history knows three things:
 * <ul>
 * <li>the position at which it is <b>born</b>: from there on a crash may leave it;
 * <li>the position from which it is <b>durable</b>: from there on a crash does leave it;
 * <li>the earlier effects that it <b>requires</b>: a crash that leaves it leaves these, too.
 * </ul>
 * An effect that is born and not yet durable is <b>pending</b>, unless it has failed for good: then it is <b>gone</b>, and nobody waits for it. A crash at position p leaves all that is durable there, and any set of
 * pending effects that has what its members require. Whoever builds a history lets two effects on the same place be ordered by what
 * they require. Then the effects that a crash leaves can be applied in the order of their numbers, and those that are durable first.
 *
 * <p>Immutable.
 */
public final class History {
    /** The position from which an effect is durable that never is. */
    public static final int NEVER = Integer.MAX_VALUE;

    private final int positions;
    private final int[] bornAt;
    private final int[] durableFrom;
    private final int[] goneFrom;
    private final int[][] requires;
    /** The positions at which an acknowledgement is first known, ascending. */
    private final int[] acknowledgedAt;

    private History(Builder b) {
        this.positions = b.position;
        this.bornAt = b.bornAt.stream().mapToInt(Integer::intValue).toArray();
        this.durableFrom = b.durableFrom.stream().mapToInt(Integer::intValue).toArray();
        this.goneFrom = b.goneFrom.stream().mapToInt(Integer::intValue).toArray();
        this.requires = b.requires.toArray(int[][]::new);
        this.acknowledgedAt = b.acknowledgedAt.stream().mapToInt(Integer::intValue).toArray();
    }

    /**
     * Begins with nothing that has happened.
     *
     * @return a builder, at position 0
     */
    public static Builder builder() {
        return new Builder();
    }

    /** The last position: the number of events. */
    public int lastPosition() {
        return positions;
    }

    /** The number of effects; they are numbered from 0 in the order of their births. */
    public int effects() {
        return bornAt.length;
    }

    /** How many acknowledgements the workload has been given at a position. */
    public int acknowledgedAt(int position) {
        int found = Arrays.binarySearch(acknowledgedAt, position + 1);
        int index = found < 0 ? -found - 1 : found;
        while (index > 0 && acknowledgedAt[index - 1] > position) {
            index--;
        }
        return index;
    }

    /** The position at which an effect is born. */
    public int bornAt(int effect) {
        return bornAt[effect];
    }

    /** Whether an effect is durable at a position. */
    public boolean isDurable(int effect, int position) {
        return durableFrom[effect] <= position;
    }

    /** The effects that are pending at a position, ascending. */
    public int[] pendingAt(int position) {
        int[] found = new int[bornAt.length];
        int count = 0;
        for (int effect = 0; effect < bornAt.length && bornAt[effect] <= position; effect++) {
            if (durableFrom[effect] > position && goneFrom[effect] > position) {
                found[count++] = effect;
            }
        }
        return Arrays.copyOf(found, count);
    }

    /** The effects that an effect requires, itself. What they require in turn is not among them. */
    int[] requiredBy(int effect) {
        return requires[effect];
    }

    /**
     * The positions at which a crash is worth a visit: each is the last one at which the same effects are durable or gone and
     * the same acknowledgements given, so that every state of an earlier one is a state of it.
     */
    public int[] turningPoints() {
        BitSet changes = new BitSet(positions + 2);
        for (int from : durableFrom) {
            if (from <= positions) {
                changes.set(from);
            }
        }
        for (int from : goneFrom) {
            if (from <= positions) {
                changes.set(from);
            }
        }
        for (int at : acknowledgedAt) {
            changes.set(at);
        }
        changes.set(positions + 1);
        return changes.stream().filter(at -> at > 0).map(at -> at - 1).toArray();
    }

    /** Collects a history, event by event. For one thread. */
    public static final class Builder {
        private int position;
        private final List<Integer> bornAt = new ArrayList<>();
        private final List<Integer> durableFrom = new ArrayList<>();
        private final List<Integer> goneFrom = new ArrayList<>();
        private final List<int[]> requires = new ArrayList<>();
        private final List<Integer> acknowledgedAt = new ArrayList<>();

        private Builder() {}

        /** Goes on to the next event; what is added from now on belongs to it. */
        public void event() {
            position++;
        }

        /** The present position. */
        public int position() {
            return position;
        }

        /**
         * Adds an effect of the present event.
         *
         * @param required effects that it requires; those below 0 are left out
         * @return its number
         */
        public int effect(int... required) {
            int number = bornAt.size();
            int[] earlier = Arrays.stream(required).filter(each -> each >= 0).distinct().toArray();
            for (int each : earlier) {
                if (each >= number) {
                    throw new IllegalArgumentException(
                            "effect " + number + " requires " + each + ", which is no earlier one");
                }
            }
            bornAt.add(position);
            durableFrom.add(NEVER);
            goneFrom.add(NEVER);
            requires.add(earlier);
            return number;
        }

        /**
         * An effect is durable from the present event on, and with it all that it requires.
         *
         * @param effect its number; below 0 for none
         */
        public void durable(int effect) {
            durableFrom(effect, position);
        }

        /**
         * An effect is durable from a position on, and with it all that it requires.
         *
         * @param effect its number; below 0 for none
         * @param from the position
         */
        public void durableFrom(int effect, int from) {
            BitSet open = new BitSet();
            if (effect >= 0) {
                open.set(effect);
            }
            for (int each = effect; each >= 0; each = open.previousSetBit(each)) {
                open.clear(each);
                if (durableFrom.get(each) > from && goneFrom.get(each) == NEVER) {
                    durableFrom.set(each, from);
                    for (int required : requires.get(each)) {
                        open.set(required);
                    }
                }
            }
        }

        /**
         * An effect has failed: a crash from the present event on does not leave it.
         *
         * @param effect its number; it is not durable
         * @throws IllegalArgumentException if it is
         */
        public void gone(int effect) {
            if (durableFrom.get(effect) != NEVER) {
                throw new IllegalArgumentException(
                        "effect " + effect + " is durable from position " + durableFrom.get(effect));
            }
            goneFrom.set(effect, position);
        }

        /** The present event is an acknowledgement to the workload. */
        public void acknowledged() {
            acknowledgedAt.add(position);
        }

        /** The history of all events up to now. */
        public History build() {
            return new History(this);
        }
    }
}
