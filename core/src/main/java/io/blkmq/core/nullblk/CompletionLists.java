package io.blkmq.core.nullblk;

import io.blkmq.core.Status;
import io.blkmq.core.driver.CompletionBatch;
import io.blkmq.core.driver.HardwareContext;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.Arrays;

/**
 * The requests of one hardware context that are done and not yet completed: a stack of tags for each software context, so that
 * threads that share the hardware context find their own and do not meet. What is polled for and what a reaper completes stand on stacks
 * of their own: a hardware context may change from one to the other while its reaper looks. Any thread pushes one or a chain with one
 * compare-and-set; any thread takes a whole stack with one exchange and completes it in the order in which it was pushed. Since
 * nobody pops single entries, a tag that comes back while another pushes does no harm.
 */
abstract class CompletionLists {
    private static final VarHandle HEADS = MethodHandles.arrayElementVarHandle(int[].class);
    /** The heads are on cache lines of their own, two apart since processors fetch lines in pairs. */
    private static final int STRIDE = 32;
    private static final int NONE = -1;

    /** By software context, the tag pushed last; each {@link #STRIDE} entries from the next. First the polled stacks, then the reaper's. */
    private final int[] heads;
    private final int contexts;
    /** Where the reaper's stacks begin. */
    private final int reaped;
    /** By tag, the tag pushed before it. Written by the pusher before its compare-and-set, read after the exchange. */
    private final int[] older;
    /** By tag, how it went. Published like {@link #older}. */
    private final Status[] status;

    CompletionLists(int contexts, int depth) {
        this.contexts = contexts;
        this.reaped = contexts * STRIDE;
        this.heads = new int[(2 * contexts + 1) * STRIDE];
        this.older = new int[depth];
        this.status = new Status[depth];
        Arrays.fill(heads, NONE);
        Arrays.fill(status, Status.OK);
    }

    final void noteStatus(int tag, Status value) {
        if (status[tag] != value) {
            status[tag] = value;
        }
    }

    /** Says which tag of a chain was before another. Before the chain is pushed. */
    final void link(int tag, int before) {
        older[tag] = before;
    }

    /** Pushes a chain of linked tags, or one, for who polls. */
    final void push(int context, int newest, int oldest) {
        pushAt(at(context), newest, oldest);
    }

    /** Pushes the same for the reaper. */
    final void pushForReaper(int context, int newest, int oldest) {
        pushAt(reaped + at(context), newest, oldest);
    }

    private void pushAt(int at, int newest, int oldest) {
        int before = (int) HEADS.getOpaque(heads, at);
        for (;;) {
            older[oldest] = before;
            int found = (int) HEADS.compareAndExchange(heads, at, before, newest);
            if (found == before) {
                return;
            }
            before = found;
        }
    }

    /** Whether there is nothing for the reaper; looks at what was pushed before the call. */
    final boolean isEmptyForReaper() {
        for (int context = 0; context < contexts; context++) {
            if ((int) HEADS.getVolatile(heads, reaped + at(context)) != NONE) {
                return false;
            }
        }
        return true;
    }

    /** A queue may get more contexts than there were when this was made. Their number is a power of two. */
    private int at(int context) {
        return ((context & (contexts - 1)) + 1) * STRIDE;
    }

    /** Completes what is polled for of one software context, and if there is none, that of the others. */
    final int complete(HardwareContext hctx, int context) {
        int count = completeAt(hctx, at(context));
        return count > 0 ? count : completeAll(hctx, 0);
    }

    /** Completes everything there is for the reaper. */
    final int reap(HardwareContext hctx) {
        return completeAll(hctx, reaped);
    }

    private int completeAll(HardwareContext hctx, int first) {
        int count = 0;
        for (int context = 0; context < contexts; context++) {
            count += completeAt(hctx, first + at(context));
        }
        return count;
    }

    private int completeAt(HardwareContext hctx, int at) {
        if ((int) HEADS.getOpaque(heads, at) == NONE) {
            return 0;
        }
        int tag = reverse((int) HEADS.getAndSet(heads, at, NONE));
        int count = 0;
        try (CompletionBatch batch = CompletionBatch.open()) {
            while (tag != NONE) {
                int done = tag;
                // Before completing: after that the tag may be pushed again.
                tag = older[done];
                batch.complete(hctx.request(done), status[done]);
                count++;
            }
        } finally {
            if (tag != NONE) {
                // An error. Those behind it are for whoever looks next.
                pushAt(at, reverse(tag), tag);
            }
        }
        return count;
    }

    private int reverse(int newest) {
        int reversed = NONE;
        for (int tag = newest; tag != NONE;) {
            int before = older[tag];
            older[tag] = reversed;
            reversed = tag;
            tag = before;
        }
        return reversed;
    }
}
