package io.blkmq.core.nullblk;

import io.blkmq.core.Status;
import io.blkmq.core.driver.HardwareContext;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;

/**
 * The requests of one hardware context that are done and not yet completed: a stack of tags. Any thread pushes one or a chain
 * with one compare-and-set; any thread takes them all with one exchange and completes them in the order in which they were
 * pushed. Since nobody pops single entries, a tag that comes back while another pushes does no harm.
 */
final class CompletionList {
    private static final VarHandle HEAD;
    private static final int NONE = -1;

    static {
        try {
            HEAD = MethodHandles.lookup().findVarHandle(CompletionList.class, "head", int.class);
        } catch (ReflectiveOperationException e) {
            throw new ExceptionInInitializerError(e);
        }
    }

    /** By tag, the tag pushed before it. Written by the pusher before its compare-and-set, read after the exchange. */
    private final int[] older;
    /** By tag, how it went. Published like {@link #older}. */
    private final Status[] status;
    /** The tag pushed last. */
    private volatile int head = NONE;

    CompletionList(int depth) {
        this.older = new int[depth];
        this.status = new Status[depth];
        java.util.Arrays.fill(status, Status.OK);
    }

    void noteStatus(int tag, Status value) {
        if (status[tag] != value) {
            status[tag] = value;
        }
    }

    /** Says which tag of a chain was before another. Before the chain is pushed. */
    void link(int tag, int before) {
        older[tag] = before;
    }

    /** Pushes a chain of linked tags, or one. */
    void push(int newest, int oldest) {
        int before = head;
        for (;;) {
            older[oldest] = before;
            int found = (int) HEAD.compareAndExchange(this, before, newest);
            if (found == before) {
                return;
            }
            before = found;
        }
    }

    boolean isEmpty() {
        return head == NONE;
    }

    /** Completes everything that is there. */
    int completeAll(HardwareContext hctx) {
        if (head == NONE) {
            return 0;
        }
        int tag = reverse((int) HEAD.getAndSet(this, NONE));
        int count = 0;
        while (tag != NONE) {
            // Before completing: after that the tag may be pushed again.
            int next = older[tag];
            Status result = status[tag];
            hctx.request(tag).complete(result);
            count++;
            tag = next;
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
