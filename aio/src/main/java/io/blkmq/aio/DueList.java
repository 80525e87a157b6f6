package io.blkmq.aio;

import java.util.Arrays;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * Operations by the time at which they are due, those of the same time in the order in which they came: a binary heap
 * in arrays that grow to the most there has been. Guarded by its user's lock.
 */
final class DueList {

    private @Nullable Kiocb[] kiocbs = new Kiocb[64];
    private long[] dues = new long[64];
    private long[] orders = new long[64];
    private int count;
    private long added;

    void add(Kiocb kiocb, long due) {
        if (count == kiocbs.length) {
            kiocbs = Arrays.copyOf(kiocbs, 2 * count);
            dues = Arrays.copyOf(dues, 2 * count);
            orders = Arrays.copyOf(orders, 2 * count);
        }
        int at = count++;
        put(at, kiocb, due, added++);
        up(at);
    }

    private void up(int from) {
        int at = from;
        while (at > 0 && isBefore(at, (at - 1) / 2)) {
            swap(at, (at - 1) / 2);
            at = (at - 1) / 2;
        }
    }

    boolean isEmpty() {
        return count == 0;
    }

    /** Nanoseconds from now until the first is due, 0 or less if it is. There must be one. */
    long untilFirst(long now) {
        assert count > 0;
        return dues[0] - now;
    }

    /** Takes the first if it is due. */
    @Nullable
    Kiocb takeDue(long now) {
        if (count == 0 || dues[0] - now > 0) {
            return null;
        }
        Kiocb first = kiocbs[0];
        swap(0, --count);
        kiocbs[count] = null;
        for (int at = 0, child = 1; child < count; child = 2 * at + 1) {
            if (child + 1 < count && isBefore(child + 1, child)) {
                child++;
            }
            if (!isBefore(child, at)) {
                break;
            }
            swap(at, child);
            at = child;
        }
        return first;
    }

    /** Makes those that are to end early due now, before all others. */
    void expedite(Predicate<Kiocb> toEnd, long now) {
        int old = count;
        Kiocb[] them = Arrays.copyOf(kiocbs, old);
        long[] theirs = Arrays.copyOf(dues, old);
        long[] order = Arrays.copyOf(orders, old);
        Arrays.fill(kiocbs, 0, old, null);
        count = 0;
        for (int i = 0; i < old; i++) {
            int at = count++;
            put(at, them[i], toEnd.test(them[i]) ? now : theirs[i], order[i]);
            up(at);
        }
    }

    private void put(int at, Kiocb kiocb, long due, long order) {
        kiocbs[at] = kiocb;
        dues[at] = due;
        orders[at] = order;
    }

    private boolean isBefore(int a, int b) {
        // By difference: the clock may have any origin, and wrap around.
        long difference = dues[a] - dues[b];
        return difference < 0 || (difference == 0 && orders[a] < orders[b]);
    }

    private void swap(int a, int b) {
        Kiocb kiocb = kiocbs[a];
        long due = dues[a];
        long order = orders[a];
        kiocbs[a] = kiocbs[b];
        dues[a] = dues[b];
        orders[a] = orders[b];
        kiocbs[b] = kiocb;
        dues[b] = due;
        orders[b] = order;
    }
}
