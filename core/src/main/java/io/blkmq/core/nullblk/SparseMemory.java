package io.blkmq.core.nullblk;

import io.blkmq.core.Operation;
import io.blkmq.core.QueueLimits;
import io.blkmq.core.driver.Request;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/**
 * The data of a device in memory. Chunks exist from their first write until they are discarded whole. Any thread; two I/Os on the
 * same sectors at once have no defined order, as on a disk.
 */
final class SparseMemory implements Medium {
    private static final int CHUNK_BYTES = 64 << 10;

    private final ConcurrentHashMap<Long, MemorySegment> chunks = new ConcurrentHashMap<>();

    @Override
    public void transfer(Request rq) {
        long offset = rq.sector() * QueueLimits.SECTOR_BYTES;
        switch (rq.operation()) {
            case READ, WRITE -> {
                Cursor cursor = new Cursor(offset, rq.operation() == Operation.WRITE);
                rq.forEachSegment(cursor::move);
            }
            case DISCARD, WRITE_ZEROES -> zero(offset, rq.bytes());
            case FLUSH -> {
            }
        }
    }

    @Override
    public void losePower() {
        // Everything is durable.
    }

    void read(long offset, MemorySegment memory, long at, int bytes) {
        new Cursor(offset, false).move(memory, at, bytes);
    }

    void write(long offset, byte[] bytes) {
        new Cursor(offset, true).move(MemorySegment.ofArray(bytes), 0, bytes.length);
    }

    void zero(long offset, long bytes) {
        for (long at = offset, end = offset + bytes; at < end;) {
            long chunk = at / CHUNK_BYTES;
            int within = (int) (at % CHUNK_BYTES);
            long length = Math.min(CHUNK_BYTES - within, end - at);
            if (length == CHUNK_BYTES) {
                chunks.remove(chunk);
            } else {
                MemorySegment found = chunks.get(chunk);
                if (found != null) {
                    found.asSlice(within, length).fill((byte) 0);
                }
            }
            at += length;
        }
    }

    /** Moves bytes between the device, from an offset on, and the pieces of a request. */
    private final class Cursor {
        private long offset;
        private final boolean write;

        Cursor(long offset, boolean write) {
            this.offset = offset;
            this.write = write;
        }

        void move(MemorySegment memory, long from, int bytes) {
            for (int done = 0; done < bytes;) {
                int within = (int) (offset % CHUNK_BYTES);
                int length = Math.min(CHUNK_BYTES - within, bytes - done);
                MemorySegment chunk = chunk(offset / CHUNK_BYTES);
                if (chunk == null) {
                    memory.asSlice(from + done, length).fill((byte) 0);
                } else if (write) {
                    MemorySegment.copy(memory, from + done, chunk, within, length);
                } else {
                    MemorySegment.copy(chunk, within, memory, from + done, length);
                }
                done += length;
                offset += length;
            }
        }

        private @Nullable MemorySegment chunk(long index) {
            return write
                    ? chunks.computeIfAbsent(index, _ -> MemorySegment.ofArray(new long[CHUNK_BYTES / Long.BYTES]))
                    : chunks.get(index);
        }
    }
}
