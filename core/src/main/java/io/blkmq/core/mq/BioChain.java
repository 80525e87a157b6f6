package io.blkmq.core.mq;

import io.blkmq.core.Bio;
import org.jspecify.annotations.Nullable;

/** Bios one after the other, linked by {@link BioState#next}, so that a list of them takes no memory. For one thread. */
final class BioChain {
    private @Nullable Bio first;
    private @Nullable Bio last;

    boolean isEmpty() {
        return first == null;
    }

    /** The first bio. */
    @Nullable
    Bio first() {
        return first;
    }

    void addLast(Bio bio) {
        BioState link = bio;
        assert link.next == null : bio;
        if (last == null) {
            first = bio;
        } else {
            ((BioState) last).next = bio;
        }
        last = bio;
    }

    @Nullable
    Bio poll() {
        Bio bio = first;
        if (bio != null) {
            BioState link = bio;
            first = link.next;
            if (first == null) {
                last = null;
            }
            link.next = null;
        }
        return bio;
    }

    /** How many of the first bios came in through a context, if there are no more than a number. */
    int countOf(EntryContext ctx, int most) {
        int count = 0;
        for (BioState bio = first; bio != null && bio.context == ctx && count < most; bio = bio.next) {
            count++;
        }
        return count;
    }

    void clear() {
        first = null;
        last = null;
    }
}
