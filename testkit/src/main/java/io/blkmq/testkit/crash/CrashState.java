package io.blkmq.testkit.crash;

import java.util.BitSet;
import java.util.StringJoiner;
import org.jspecify.annotations.Nullable;

/**
 * What a crash leaves: all effects that are born at its position, but for those that are lost.
 *
 * @param position of the crash
 * @param lost the effects that it loses; they are pending at the position. Not modified.
 */
public record CrashState(int position, BitSet lost) {
    /**
     * Reads what {@link #code} has written.
     *
     * @param code a position, and after a colon the numbers of lost effects, single ones and ranges
     * @throws IllegalArgumentException if it is nothing of the kind
     */
    public static CrashState parse(String code) {
        String[] halves = code.split(":", -1);
        if (halves.length != 2) {
            throw new IllegalArgumentException("crash state \"" + code + "\": expected POSITION:LOST, as in 17:3,5-8");
        }
        BitSet lost = new BitSet();
        try {
            for (String range : halves[1].isEmpty() ? new String[0] : halves[1].split(",", -1)) {
                int dash = range.indexOf('-');
                int first = Integer.parseInt(dash < 0 ? range : range.substring(0, dash));
                int last = dash < 0 ? first : Integer.parseInt(range.substring(dash + 1));
                lost.set(first, last + 1);
            }
            return new CrashState(Integer.parseInt(halves[0]), lost);
        } catch (NumberFormatException | IndexOutOfBoundsException e) {
            throw new IllegalArgumentException("crash state \"" + code + "\": expected POSITION:LOST, as in 17:3,5-8",
                    e);
        }
    }

    /** The state in a form that {@link #parse} reads. */
    public String code() {
        StringJoiner ranges = new StringJoiner(",");
        for (int first = lost.nextSetBit(0); first >= 0;) {
            int end = lost.nextClearBit(first);
            ranges.add(end - 1 == first ? "" + first : first + "-" + (end - 1));
            first = lost.nextSetBit(end);
        }
        return position + ":" + ranges;
    }

    /**
     * Whether a crash at that position can leave this.
     *
     * @return null if it can, else the reason why not
     */
    public @Nullable String contradiction(History history) {
        if (position < 0 || position > history.lastPosition()) {
            return "position " + position + " is not between 0 and " + history.lastPosition();
        }
        for (int effect = lost.nextSetBit(0); effect >= 0; effect = lost.nextSetBit(effect + 1)) {
            if (effect >= history.effects() || history.bornAt(effect) > position) {
                return "effect " + effect + " has not happened at position " + position;
            }
            if (history.isDurable(effect, position)) {
                return "effect " + effect + " is durable at position " + position;
            }
        }
        for (int effect : history.pendingAt(position)) {
            for (int required : history.requiredBy(effect)) {
                if (lost.get(required) && !lost.get(effect)) {
                    return "effect " + effect + " is left, but requires effect " + required + ", which is lost";
                }
            }
        }
        return null;
    }
}
