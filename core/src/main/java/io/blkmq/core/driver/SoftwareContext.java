package io.blkmq.core.driver;

/**
 * Where a thread's I/O comes in. A thread is mapped to one of a queue's contexts by its id, or names one itself; threads of one
 * context share a place to begin the search for a tag, and a hardware context. The kernel's counterpart is
 * {@code struct blk_mq_ctx}. Immutable but for the hint.
 */
public final class SoftwareContext {
    private final int index;
    private final HardwareContext hctx;

    /**
     * The word of the tag bitmap that had a free tag last. Written and read by the threads of this context without order: a
     * stale value costs a longer search.
     */
    int hintWord;

    SoftwareContext(int index, HardwareContext hctx, int contexts) {
        this.index = index;
        this.hctx = hctx;
        this.hintWord = index * hctx.tags.words() / contexts;
    }

    /**
     * Its number.
     *
     * @return from 0
     */
    public int index() {
        return index;
    }

    /**
     * The hardware context that serves it.
     *
     * @return always the same
     */
    public HardwareContext hardwareContext() {
        return hctx;
    }
}
