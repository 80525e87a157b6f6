package io.blkmq.core;

import io.blkmq.runtime.IoBuffer;
import java.lang.foreign.MemorySegment;

/**
 * One piece of memory of a bio. Belongs to its bio, is reused with it and written only by {@link Bio#add}. The kernel's
 * counterpart is {@code struct bio_vec}.
 *
 * @since 0.1.0
 */
public final class BioVec {
    /** Stands for any thread but the caller's; never started. */
    static final Thread ANOTHER = Thread.ofPlatform().unstarted(() -> {});

    private MemorySegment memory = MemorySegment.NULL;
    private long offset;
    private int bytes;
    private boolean pooled;
    private boolean readOnly;
    private boolean confined;

    BioVec() {}

    /** The same object has the same properties; an equal one costs another look at most. */
    @SuppressWarnings({"MemorySegmentReferenceEquality", "ReferenceEquality"})
    void set(MemorySegment memory, long offset, int bytes) {
        if (this.memory != memory) {
            this.memory = memory;
            this.pooled = IoBuffer.owns(memory);
            this.readOnly = memory.isReadOnly();
            this.confined = !memory.isAccessibleBy(ANOTHER);
        }
        this.offset = offset;
        this.bytes = bytes;
    }

    /**
     * The memory; the piece begins at {@link #offset()} in it.
     *
     * @return a segment of any kind
     */
    public MemorySegment memory() {
        return memory;
    }

    /**
     * Where in the memory the piece begins.
     *
     * @return bytes
     */
    public long offset() {
        return offset;
    }

    /**
     * The piece's length.
     *
     * @return bytes, above 0
     */
    public int bytes() {
        return bytes;
    }

    /**
     * Whether the memory was allocated by blkmq and so cannot be closed under an operation.
     *
     * @return true for memory of an {@link IoBuffer}
     */
    public boolean isPooled() {
        return pooled;
    }

    /**
     * Whether the memory cannot be read into.
     *
     * @return true for a read-only segment
     */
    public boolean isReadOnly() {
        return readOnly;
    }

    /**
     * Whether the memory can be used by one thread only, so that a completion on another could not.
     *
     * @return true for memory of a confined arena
     */
    public boolean isConfined() {
        return confined;
    }
}
