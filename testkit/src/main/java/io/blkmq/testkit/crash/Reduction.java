package io.blkmq.testkit.crash;

import java.util.Arrays;
import java.util.BitSet;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * Makes a failing state smaller: first an earlier crash, then fewer effects that are lost. Each attempt is judged again, and one that
 * does not fail is dropped. So the result fails, and neither is any effect of it lost in vain nor would an earlier turning point do,
 * as long as the number of attempts allows. For one thread.
 */
public final class Reduction {
    private final History history;
    private final Predicate<CrashState> fails;
    private int attemptsLeft;

    /**
     * Prepares it.
     *
     * @param history what has happened
     * @param fails judges a state
     * @param attemptsMax how many states are judged at the most
     */
    public Reduction(History history, Predicate<CrashState> fails, int attemptsMax) {
        this.history = history;
        this.fails = fails;
        this.attemptsLeft = attemptsMax;
    }

    /**
     * Looks for a smaller state.
     *
     * @param failing one that fails
     * @return one that fails
     */
    public CrashState reduce(CrashState failing) {
        return fewerLost(earlier(failing));
    }

    private boolean stillFails(CrashState state) {
        if (attemptsLeft == 0) {
            return false;
        }
        attemptsLeft--;
        return fails.test(state);
    }

    /** The first position at which the same effects would survive, as far as they had happened. */
    private CrashState earlier(CrashState failing) {
        int attempts = attemptsLeft / 2;
        for (int point : history.turningPoints()) {
            if (point >= failing.position() || attempts-- == 0) {
                break;
            }
            CrashState candidate = at(point, failing);
            if (stillFails(candidate)) {
                return earliestUpTo(candidate);
            }
        }
        return earliestUpTo(failing);
    }

    /** Between turning points a crash only has more or fewer effects that may survive: halves the distance while it fails. */
    private CrashState earliestUpTo(CrashState failing) {
        CrashState best = failing;
        int low = Arrays.stream(history.turningPoints()).filter(point -> point < failing.position()).max().orElse(-1)
                + 1;
        while (low < best.position()) {
            int middle = (low + best.position()) >>> 1;
            CrashState candidate = at(middle, failing);
            if (stillFails(candidate)) {
                best = candidate;
            } else {
                low = middle + 1;
            }
        }
        return best;
    }

    private CrashState at(int position, CrashState state) {
        BitSet lost = new BitSet();
        int[] pending = history.pendingAt(position);
        for (int effect : pending) {
            if (state.lost().get(effect)) {
                lost.set(effect);
            }
        }
        new StateSets(history, pending).close(lost);
        return new CrashState(position, lost);
    }

    /** Gives effects back, in halves, quarters and so on, as long as it fails without them being lost. */
    private CrashState fewerLost(CrashState failing) {
        CrashState best = failing;
        int parts = 2;
        while (attemptsLeft > 0 && !best.lost().isEmpty()) {
            int[] lost = best.lost().stream().toArray();
            CrashState smaller = withPartBack(best, lost, Math.min(parts, lost.length));
            if (smaller != null) {
                best = smaller;
                parts = Math.max(2, parts - 1);
            } else if (parts >= lost.length) {
                break;
            } else {
                parts = Math.min(lost.length, parts * 2);
            }
        }
        return best;
    }

    /** The state with one of several parts of its lost effects back, and what these require: the first that fails. */
    private @Nullable CrashState withPartBack(CrashState state, int[] lost, int parts) {
        StateSets sets = new StateSets(history, history.pendingAt(state.position()));
        for (int part = 0; part < parts; part++) {
            BitSet fewer = (BitSet) state.lost().clone();
            for (int i = part * lost.length / parts; i < (part + 1) * lost.length / parts; i++) {
                sets.keep(lost[i], fewer);
            }
            CrashState candidate = new CrashState(state.position(), fewer);
            if (stillFails(candidate)) {
                return candidate;
            }
        }
        return null;
    }
}
