package io.blkmq.core.driver;

import io.blkmq.core.Plug;
import java.util.Objects;

/**
 * Requests of one software context that go down together: what a {@link Plug} has collected, and what a driver's
 * {@code queueRqs} is given. It also keeps tags that were taken in advance. Belongs to one thread at a time.
 */
public abstract sealed class RequestBatch extends CacheLines permits Plug, RequestBatch.Deferred {
    /** As many requests as one batch holds; then it goes down by itself. */
    static final int REQUESTS_MAX = 32;

    /** The tags, as numbers: storing a number costs less than storing a reference. */
    private final int[] tagNumbers = new int[REQUESTS_MAX];
    /** Their generations, noted when they were given to the driver as a batch. */
    private final long[] uses = new long[REQUESTS_MAX];
    private final SoftwareContext ctx;
    /** The way of all requests and tags in the batch; while it is empty it may change. */
    private HardwareContext hctx;
    private int size;

    /** Tags taken and not yet used, all of one word. */
    private long spareMask;
    private int spareWord;
    /** How many more requests the owner is likely to bring. */
    private int expected;

    /**
     * For {@link Plug} alone.
     *
     * @param ctx the way in for all requests of the batch
     */
    protected RequestBatch(SoftwareContext ctx) {
        this.ctx = ctx;
        this.hctx = ctx.hardwareContext();
    }

    /** The batch in which bios that were put off go down. */
    static final class Deferred extends RequestBatch {
        Deferred(SoftwareContext ctx) {
            super(ctx);
        }
    }

    /**
     * How many requests there are.
     *
     * @return at most 32
     */
    public final int size() {
        return size;
    }

    /**
     * One of the requests.
     *
     * @param index from 0 to {@link #size()} - 1, in the order of submission
     * @return the request
     */
    public final Request request(int index) {
        Objects.checkIndex(index, size);
        return hctx.tags.requests[tagNumbers[index]];
    }

    final SoftwareContext context() {
        return ctx;
    }

    final HardwareContext hardwareContext() {
        return hctx;
    }

    /** Sees to it that requests of a hardware context can be added: what goes another way goes down first. */
    final void use(HardwareContext next) {
        if (hctx != next) {
            flushTo(ctx.queue());
            hctx = next;
        }
    }

    /** Announces how many requests are to come, so that their tags can be taken together. */
    protected final void expect(int requests) {
        expected = requests;
    }

    /** A request with a tag, from those in reserve if there are any; null if there is none to be had now. */
    final @org.jspecify.annotations.Nullable Request tryGet() {
        if (spareMask == 0) {
            if (hctx.tags.isRoundRobin()) {
                return hctx.share.tryGet(ctx);
            }
            if (!takeSpares()) {
                return null;
            }
        }
        long mask = Long.lowestOneBit(spareMask);
        spareMask ^= mask;
        expected--;
        return hctx.tags.request(spareWord, mask);
    }

    private boolean takeSpares() {
        int count = Math.clamp(expected, 1, REQUESTS_MAX);
        int words = hctx.tags.words();
        int word = ctx.hintWord;
        for (int i = 0; i < words; i++) {
            long mask = hctx.share.takeSome(word, count);
            if (mask != 0) {
                spareMask = mask;
                // Noted here and not read from the hint, which other threads of the context write too.
                spareWord = word;
                ctx.hintWord = word;
                own();
                return true;
            }
            word = word + 1 == words ? 0 : word + 1;
        }
        return false;
    }

    /** From here on a freeze of this queue waits for the tags, and one of another queue that used them before does not. */
    private void own() {
        RequestQueue queue = ctx.queue();
        for (long left = spareMask; left != 0; left &= left - 1) {
            hctx.tags.request(spareWord, Long.lowestOneBit(left)).ownBy(queue);
        }
    }

    /** Gives back what was taken in advance and not used. */
    final void dropSpares(RequestQueue queue) {
        long mask = spareMask;
        if (mask != 0) {
            spareMask = 0;
            queue.putTags(hctx, spareWord, mask, false);
        }
    }

    /** The driver gets them all. */
    final void start(int tick) {
        for (int i = 0; i < size; i++) {
            Request rq = request(i);
            uses[i] = rq.generation();
            rq.start(tick);
        }
    }

    /** The generation that a request was started with. */
    final long use(int index) {
        return uses[index];
    }

    final void add(Request rq) {
        tagNumbers[size++] = rq.tag();
    }

    final boolean isFull() {
        return size == REQUESTS_MAX;
    }

    final void clear() {
        size = 0;
    }

    /**
     * Sends everything down.
     *
     * @param queue the queue of all requests
     */
    protected final void flushTo(RequestQueue queue) {
        queue.issue(this);
        dropSpares(queue);
    }
}
