package io.blkmq.core.nullblk;

import io.blkmq.core.Bio;
import io.blkmq.core.QueueLimits;
import io.blkmq.core.driver.Request;
import io.blkmq.runtime.IoRuntime;
import java.lang.foreign.MemorySegment;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.locks.Lock;
import org.jspecify.annotations.Nullable;

/**
 * Memory behind a volatile write cache: what is written stands in the cache, by block, until a flush moves all of it to the memory, or
 * until there is no room and the block that has been there for longest has to go. Writes with FUA, discards and zeroes take effect
 * in the memory at once, and nothing of their range stays in the cache.
 *
 * <p>Everything is guarded by the lock: an I/O happens at one instant, and so does a loss of power.
 */
final class CachedMemory implements Medium {
    private final SparseMemory memory = new SparseMemory();
    private final int blockBytes;
    private final long blocksMax;
    private final Lock lock;
    private final LinkedHashMap<Long, byte[]> cache = new LinkedHashMap<>();

    CachedMemory(int blockBytes, long cacheBytes, IoRuntime runtime) {
        this.blockBytes = blockBytes;
        this.blocksMax = cacheBytes / blockBytes;
        this.lock = runtime.newLock();
    }

    @Override
    public void transfer(Request rq) {
        long offset = rq.sector() * QueueLimits.SECTOR_BYTES;
        lock.lock();
        try {
            switch (rq.operation()) {
                case READ -> rq.forEachSegment(new Reading(offset)::move);
                case WRITE -> {
                    boolean through = (rq.flags() & Bio.FUA) != 0;
                    rq.forEachSegment(new BlockGather(offset, rq.bytes(), blockBytes,
                            (at, bytes, _) -> write(at, bytes, through)));
                }
                case DISCARD, WRITE_ZEROES -> zero(offset, rq.bytes());
                case FLUSH -> flush();
            }
        } finally {
            lock.unlock();
        }
    }

    @Override
    public void losePower() {
        lock.lock();
        try {
            cache.clear();
        } finally {
            lock.unlock();
        }
    }

    private void flush() {
        cache.forEach((block, bytes) -> memory.write(block * blockBytes, bytes));
        cache.clear();
    }

    private void zero(long offset, long bytes) {
        long first = offset / blockBytes;
        long end = first + bytes / blockBytes;
        cache.keySet().removeIf(block -> block >= first && block < end);
        memory.zero(offset, bytes);
    }

    private void write(long offset, byte[] block, boolean through) {
        if (through) {
            cache.remove(offset / blockBytes);
            memory.write(offset, block);
        } else {
            cache(offset / blockBytes, block.clone());
        }
    }

    private void cache(long block, byte[] bytes) {
        cache.put(block, bytes);
        if (cache.size() > blocksMax) {
            Iterator<Map.Entry<Long, byte[]>> oldestFirst = cache.entrySet().iterator();
            Map.Entry<Long, byte[]> oldest = oldestFirst.next();
            memory.write(oldest.getKey() * blockBytes, oldest.getValue());
            oldestFirst.remove();
        }
    }

    /** Copies from the device, from an offset on. */
    private final class Reading {
        private long offset;

        Reading(long offset) {
            this.offset = offset;
        }

        void move(MemorySegment to, long at, int bytes) {
            for (int done = 0; done < bytes;) {
                int within = (int) (offset % blockBytes);
                int length = Math.min(blockBytes - within, bytes - done);
                byte @Nullable [] cached = cache.get(offset / blockBytes);
                if (cached != null) {
                    MemorySegment.copy(MemorySegment.ofArray(cached), within, to, at + done, length);
                } else {
                    memory.read(offset, to, at + done, length);
                }
                done += length;
                offset += length;
            }
        }
    }
}
