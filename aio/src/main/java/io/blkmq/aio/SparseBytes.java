package io.blkmq.aio;

import java.lang.foreign.MemorySegment;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReferenceArray;
import org.jspecify.annotations.Nullable;

/**
 * The bytes of one file in memory. Chunks exist from the first write to them until a hole is punched over the whole of
 * them; what has no chunk reads as zeroes. What lies behind the end of the file is always zero, but for what a write is about to extend it by.
 *
 * <p>Any thread may call it. Two operations on the same bytes at once have no defined order, as on a disk; on
 * different bytes they do not disturb each other.
 */
final class SparseBytes {

    /** What the memory is taken and given back in. */
    static final int CHUNK_BYTES = 1 << 16;

    /** What is read where there is no chunk. */
    private static final MemorySegment ZEROES = MemorySegment.ofArray(new long[CHUNK_BYTES / Long.BYTES]).asReadOnly();

    private static final int LEAF_SHIFT = 12;
    private static final int LEAF_CHUNKS = 1 << LEAF_SHIFT;
    /** 16 TiB, as an ext4 file has. */
    static final long SIZE_MAX = 1L << 44;

    /** Bytes that the files of one engine may have between them. */
    static final class Quota {
        private final AtomicLong chunksLeft;

        Quota(long bytes) {
            chunksLeft = new AtomicLong(bytes / CHUNK_BYTES);
        }

        private boolean take() {
            return chunksLeft.getAndUpdate(left -> left == 0 ? 0 : left - 1) > 0;
        }

        private void giveBack() {
            chunksLeft.getAndIncrement();
        }
    }

    private final Quota quota;
    private final AtomicLong size = new AtomicLong();
    /** Grown under the monitor; a leaf stays where it is once it is there. */
    private volatile @Nullable AtomicReferenceArray<MemorySegment>[] leaves;

    @SuppressWarnings({"unchecked", "rawtypes"})
    SparseBytes(Quota quota, long bytes) {
        this.quota = quota;
        leaves = new AtomicReferenceArray[0];
        size.set(bytes);
    }

    long size() {
        return size.get();
    }

    /** Bytes of memory in use. */
    long allocatedBytes() {
        long chunks = 0;
        for (AtomicReferenceArray<MemorySegment> leaf : leaves) {
            for (int i = 0; leaf != null && i < LEAF_CHUNKS; i++) {
                chunks += leaf.get(i) == null ? 0 : 1;
            }
        }
        return chunks * CHUNK_BYTES;
    }

    /** Fills the memory as far as the file goes; bytes. */
    long read(long offset, MemorySegment memory, long from, long bytes) {
        long readable = Math.clamp(size.get() - offset, 0, bytes);
        for (long done = 0; done < readable;) {
            long at = offset + done;
            long length = Math.min(CHUNK_BYTES - at % CHUNK_BYTES, readable - done);
            MemorySegment chunk = find(at / CHUNK_BYTES);
            if (chunk == null) {
                MemorySegment.copy(ZEROES, 0, memory, from + done, length);
            } else {
                MemorySegment.copy(chunk, at % CHUNK_BYTES, memory, from + done, length);
            }
            done += length;
        }
        return readable;
    }

    /** Writes all of it; bytes, fewer if there is no room for more, or a negative errno if there is none at all. */
    long write(long offset, MemorySegment memory, long from, long bytes) {
        for (long done = 0; done < bytes;) {
            long at = offset + done;
            long length = Math.min(CHUNK_BYTES - at % CHUNK_BYTES, bytes - done);
            MemorySegment chunk = at >= SIZE_MAX ? null : make(at / CHUNK_BYTES);
            if (chunk == null) {
                return done > 0 ? done : -(at >= SIZE_MAX ? Errno.EFBIG : Errno.ENOSPC);
            }
            MemorySegment.copy(memory, from + done, chunk, at % CHUNK_BYTES, length);
            done += length;
            extend(at + length);
        }
        return bytes;
    }

    /** Sets the size; 0, or a negative errno. One at a time, so that nothing is seen that one cuts and another uncovers. */
    synchronized int setSize(long bytes) {
        if (bytes > SIZE_MAX) {
            return -Errno.EFBIG;
        }
        long before = size.getAndSet(bytes);
        if (before > bytes) {
            punch(bytes, before - bytes);
        }
        return 0;
    }

    private void extend(long end) {
        if (size.get() < end) {
            size.accumulateAndGet(end, Math::max);
        }
    }

    /** Gives whole chunks back, and zeroes the rest of the range; behind the largest size there is nothing. */
    void punch(long offset, long bytes) {
        long end = offset + Math.min(bytes, Math.max(0, SIZE_MAX - offset));
        for (long at = offset; at < end;) {
            long within = at % CHUNK_BYTES;
            long length = Math.min(CHUNK_BYTES - within, end - at);
            AtomicReferenceArray<MemorySegment> leaf = leaf(at / CHUNK_BYTES, false);
            if (leaf == null) {
                // Nothing in the whole leaf.
                length = Math.min(LEAF_CHUNKS * (long) CHUNK_BYTES - at % (LEAF_CHUNKS * (long) CHUNK_BYTES), end - at);
            } else if (length == CHUNK_BYTES) {
                if (leaf.getAndSet((int) (at / CHUNK_BYTES) & LEAF_CHUNKS - 1, null) != null) {
                    quota.giveBack();
                }
            } else {
                MemorySegment chunk = find(at / CHUNK_BYTES);
                if (chunk != null) {
                    chunk.asSlice(within, length).fill((byte) 0);
                }
            }
            at += length;
        }
    }

    /** Makes the chunks of a range; zeroes it if asked to; 0, or a negative errno. */
    int allocate(long offset, long bytes, boolean zero, boolean keepSize) {
        long end = offset + bytes;
        if (end > SIZE_MAX) {
            return -Errno.EFBIG;
        }
        for (long at = offset; at < end;) {
            long within = at % CHUNK_BYTES;
            long length = Math.min(CHUNK_BYTES - within, end - at);
            MemorySegment chunk = make(at / CHUNK_BYTES);
            if (chunk == null) {
                return -Errno.ENOSPC;
            }
            if (zero) {
                chunk.asSlice(within, length).fill((byte) 0);
            }
            at += length;
        }
        if (!keepSize) {
            extend(end);
        }
        return 0;
    }

    private @Nullable MemorySegment find(long index) {
        AtomicReferenceArray<MemorySegment> leaf = leaf(index, false);
        return leaf == null ? null : leaf.get((int) index & LEAF_CHUNKS - 1);
    }

    /** The chunk, made if it is missing; null if the quota or the heap has no room for it. */
    private @Nullable MemorySegment make(long index) {
        AtomicReferenceArray<MemorySegment> leaf = leaf(index, true);
        int place = (int) index & LEAF_CHUNKS - 1;
        MemorySegment there = leaf == null ? null : leaf.get(place);
        if (there != null || leaf == null || !quota.take()) {
            return there;
        }
        try {
            MemorySegment made = MemorySegment.ofArray(new long[CHUNK_BYTES / Long.BYTES]);
            if (leaf.compareAndSet(place, null, made)) {
                return made;
            }
        } catch (OutOfMemoryError e) {
            quota.giveBack();
            return null;
        }
        // Another thread was first: its chunk is the file's, unless it has been punched out since.
        quota.giveBack();
        return make(index);
    }

    private @Nullable AtomicReferenceArray<MemorySegment> leaf(long index, boolean wanted) {
        int leaf = (int) (index >>> LEAF_SHIFT);
        @Nullable
        AtomicReferenceArray<MemorySegment>[] seen = leaves;
        AtomicReferenceArray<MemorySegment> found = leaf < seen.length ? seen[leaf] : null;
        return found != null || !wanted ? found : addLeaf(leaf);
    }

    private synchronized AtomicReferenceArray<MemorySegment> addLeaf(int leaf) {
        @Nullable
        AtomicReferenceArray<MemorySegment>[] grown = leaf < leaves.length
                ? leaves.clone()
                : java.util.Arrays.copyOf(leaves, leaf + 1);
        AtomicReferenceArray<MemorySegment> there = grown[leaf];
        if (there != null) {
            return there;
        }
        AtomicReferenceArray<MemorySegment> made = new AtomicReferenceArray<>(LEAF_CHUNKS);
        grown[leaf] = made;
        leaves = grown;
        return made;
    }
}
