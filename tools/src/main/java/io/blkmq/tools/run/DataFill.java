package io.blkmq.tools.run;

import io.blkmq.tools.job.FillPattern;
import io.blkmq.tools.job.JobSpec;
import io.blkmq.tools.job.Key;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.jspecify.annotations.Nullable;

/** What a job writes where no data is verified: noise, zeroes, a pattern, or something that a device can make smaller. For one thread. */
final class DataFill {
    private static final int PERCENT = 100;

    private final MemorySegment memory;
    private final XorShift random;
    private final byte @Nullable [] pattern;
    private final boolean zero;
    private final boolean refill;
    private final int compressPercent;
    private final int dedupePercent;
    /** The seed of the block that all blocks that are the same are. */
    private final long sameSeed;

    DataFill(MemorySegment memory, JobSpec spec, XorShift random) {
        this.memory = memory;
        this.random = random;
        this.pattern = spec.optional(Key.BUFFER_PATTERN).map(given -> ((FillPattern) given).bytes()).orElse(null);
        this.zero = spec.flag(Key.ZERO_BUFFERS);
        this.compressPercent = spec.count(Key.BUFFER_COMPRESS_PERCENTAGE);
        this.dedupePercent = spec.count(Key.DEDUPE_PERCENTAGE);
        this.refill = dedupePercent > 0
                || (spec.flag(Key.REFILL_BUFFERS) && !zero && (pattern == null || compressPercent > 0));
        this.sameSeed = random.next();
    }

    /** Whether each write has to be filled. */
    boolean isEachTime() {
        return refill;
    }

    /** Fills the memory of all operations, before the first. */
    void all(int strideBytes) {
        for (long at = 0; at + strideBytes <= memory.byteSize(); at += strideBytes) {
            fill(at, strideBytes, random.next());
        }
    }

    /** Fills the memory of a write. */
    void one(IoSlot slot) {
        boolean same = dedupePercent > 0 && random.below(PERCENT) < dedupePercent;
        fill(slot.bufferOffset, slot.lengthBytes(), same ? sameSeed : random.next());
    }

    private void fill(long at, int length, long seed) {
        boolean noise = (pattern == null && !zero) || compressPercent > 0;
        long noisy = compressPercent > 0 ? (long) length * (PERCENT - compressPercent) / PERCENT : noise ? length : 0;
        XorShift bits = new XorShift(seed);
        long i = 0;
        for (; i + Long.BYTES <= noisy; i += Long.BYTES) {
            memory.set(ValueLayout.JAVA_LONG_UNALIGNED, at + i, bits.next());
        }
        byte[] rest = pattern;
        if (rest == null) {
            memory.asSlice(at + i, length - i).fill((byte) 0);
            return;
        }
        for (; i < length; i += rest.length) {
            MemorySegment.copy(rest, 0, memory, ValueLayout.JAVA_BYTE, at + i, (int) Math.min(rest.length, length - i));
        }
    }
}
