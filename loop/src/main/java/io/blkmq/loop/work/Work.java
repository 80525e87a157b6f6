package io.blkmq.loop.work;

import org.jspecify.annotations.Nullable;

/**
 * Something for a {@link WorkQueue} to do. It is the link of the queue's lists itself, so that handing it over allocates nothing.
 *
 * <p>Belongs to whoever has it: the submitter until it is added, then the queue, and after its report the queue's owner.
 */
public abstract class Work {
    /** The next in the list that it is in; null at the end, and outside of lists. */
    public @Nullable Work next;

    /** Does it, on a worker. How it went is noted in it, for the report. */
    public abstract void run();

    /** Whether what was done before it is not to wait for its end: it is known to be slow. */
    public boolean isSlow() {
        return false;
    }

    /**
     * Turns a list round.
     *
     * @param first its first
     * @return what was its last
     */
    public static Work turn(Work first) {
        Work turned = first;
        Work rest = first.next;
        first.next = null;
        while (rest != null) {
            Work following = rest.next;
            rest.next = turned;
            turned = rest;
            rest = following;
        }
        return turned;
    }
}
