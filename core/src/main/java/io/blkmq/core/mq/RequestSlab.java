package io.blkmq.core.mq;

import io.blkmq.core.driver.BlockDriver;
import io.blkmq.core.driver.TagSet;
import io.blkmq.runtime.IoRuntime;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/**
 * Makes and frees the requests of a tag set: all of one hardware context in one slab, their PDUs behind each other, each prepared by the
 * driver. What cannot be made whole is undone. Keeps nothing but what it needs for that; its callers keep the tags.
 */
final class RequestSlab {
    private static final int PDU_ALIGNMENT_BYTES = 64;

    private final TagSet set;
    private final BlockDriver driver;
    private final IoRuntime runtime;
    private final int reservedTags;
    private final int pduBytes;
    private final boolean hostWide;
    private final boolean roundRobin;

    RequestSlab(TagSet set, BlockDriver driver, PoolShape shape) {
        this.set = set;
        this.driver = driver;
        this.runtime = shape.runtime();
        this.reservedTags = shape.reservedTags();
        this.pduBytes = shape.pduBytes();
        this.hostWide = shape.flags().contains(TagSet.Flag.HOST_WIDE_TAGS);
        this.roundRobin = shape.flags().contains(TagSet.Flag.ROUND_ROBIN);
    }

    /** The tags that there are, and new ones up to a number of hardware contexts. Makes all or none. */
    Tags[] newTags(Tags[] now, int total, int deep) throws IOException {
        Tags[] made = Arrays.copyOf(now, Math.max(total, now.length));
        int ready = now.length;
        try {
            for (; ready < made.length; ready++) {
                made[ready] = hostWide && ready > 0 ? made[0] : newTagsOf(hostWide ? TagSet.HOST_WIDE : ready, deep);
            }
        } finally {
            if (ready < made.length) {
                exitTags(Arrays.copyOf(made, ready), now.length);
            }
        }
        return made;
    }

    private Tags newTagsOf(int hctxIndex, int deep) throws IOException {
        Tags made = new Tags(deep, reservedTags, roundRobin, runtime);
        int ready = 0;
        try {
            MemorySegment slab = pduSlab(made.arena(), deep);
            for (; ready < deep; ready++) {
                TagRequest rq = new TagRequest(made, ready, pdu(slab, ready));
                made.place(ready, rq);
                initRequest(rq, hctxIndex);
            }
        } finally {
            if (ready < deep) {
                for (int tag = 0; tag < ready; tag++) {
                    exitRequest(made.requests[tag], hctxIndex);
                }
                made.close();
            }
        }
        return made;
    }

    /** Frees tags from a hardware context on. Nobody holds one. */
    void exitTags(Tags[] all, int from) {
        for (int i = from; i < all.length; i++) {
            if (hostWide && i > 0) {
                return;
            }
            for (TagRequest rq : all[i].requests) {
                exitRequest(rq, hostWide ? TagSet.HOST_WIDE : i);
            }
            all[i].close();
        }
    }

    /** The request that a hardware context needs for itself. */
    TagRequest newFlushRequest(Tags tags, int hctxIndex, Arena arena) throws IOException {
        TagRequest rq = new TagRequest(tags, 0, pdu(pduSlab(arena, 1), 0));
        initRequest(rq, hctxIndex);
        return rq;
    }

    private MemorySegment pduSlab(Arena arena, int count) {
        return pduBytes == 0 ? MemorySegment.NULL : arena.allocate((long) count * pduStride(), PDU_ALIGNMENT_BYTES);
    }

    private MemorySegment pdu(MemorySegment slab, int index) {
        return pduBytes == 0 ? slab : slab.asSlice((long) index * pduStride(), pduBytes);
    }

    private int pduStride() {
        return (pduBytes + PDU_ALIGNMENT_BYTES - 1) & -PDU_ALIGNMENT_BYTES;
    }

    private void initRequest(TagRequest rq, int hctxIndex) throws IOException {
        try {
            driver.initRequest(set, rq, hctxIndex);
        } catch (Exception e) {
            throw new IOException(
                    "the driver could not prepare request " + rq.tag() + " of hardware context " + hctxIndex, e);
        }
    }

    void exitRequest(TagRequest rq, int hctxIndex) {
        try {
            driver.exitRequest(set, rq, hctxIndex);
        } catch (Throwable t) {
            CallbackFailures.report("exitRequest of " + rq, t);
        }
    }
}
