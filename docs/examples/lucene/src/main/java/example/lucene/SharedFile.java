package example.lucene;

import io.blkmq.aio.AioCompletion;
import io.blkmq.aio.AioEngine;
import io.blkmq.aio.AsyncFile;
import io.blkmq.aio.Kiocb;
import io.blkmq.runtime.IoBuffer;
import java.io.Closeable;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReferenceArray;
import org.apache.lucene.store.AlreadyClosedException;

/**
 * An open file of an index, with the ranges of it that were prefetched: shared by an input, its clones and its slices. They are never
 * closed, so memory is the file's. For any thread.
 */
final class SharedFile implements Closeable {
    /** The most that is prefetched at once; of more only so much is. */
    static final int RANGE_BYTES_MAX = 128 << 10;
    /** How many ranges are kept. A new one displaces the oldest. */
    static final int RANGES = 32;

    private static final int PIECE_BYTES = 1 << 20;

    private final AioEngine engine;
    private final AsyncFile file;
    private final long size;
    private final int alignment;
    private final AtomicReferenceArray<Range> ranges = new AtomicReferenceArray<>(RANGES);
    private final AtomicInteger next = new AtomicInteger();
    private volatile boolean closed;

    SharedFile(AioEngine engine, AsyncFile file) throws IOException {
        this.engine = engine;
        this.file = file;
        this.size = file.size();
        this.alignment = file.file().offsetAlignment();
    }

    /** A range that is read, or was. Its monitor guards its memory. */
    private static final class Range implements AioCompletion {
        final long first;
        final IoBuffer buffer;
        final CompletableFuture<Long> read = new CompletableFuture<>();
        private boolean released;

        Range(long first, int bytes) {
            this.first = first;
            this.buffer = IoBuffer.allocate(bytes);
        }

        boolean covers(long at) {
            return at >= first && at < first + buffer.bytes();
        }

        @Override
        public void complete(long userData, long result) {
            read.complete(result);
        }

        /** Gives the memory back, once the engine has. */
        void release() {
            read.thenRun(() -> {
                synchronized (this) {
                    released = true;
                    buffer.close();
                }
            });
        }

        /** Waits for it, and copies what it has from a place on; 0 bytes if it has nothing any more. */
        int copy(long at, byte[] target, int from, int length) {
            // Not with the monitor, which the thread that completes takes to release.
            long there = first + read.join() - at;
            synchronized (this) {
                if (released || there <= 0) {
                    return 0;
                }
                int moved = (int) Math.min(there, length);
                MemorySegment.copy(buffer.memory(), ValueLayout.JAVA_BYTE, at - first, target, from, moved);
                return moved;
            }
        }
    }

    long size() {
        return size;
    }

    int alignment() {
        return alignment;
    }

    void requireOpen(Object input) {
        if (closed) {
            throw new AlreadyClosedException("Already closed: " + input);
        }
    }

    /** Describes a read to the engine, and does not ring for it. Where there is no room it is forgotten: it was a hint. */
    void prefetch(long offset, long bytes) {
        long first = offset & -alignment;
        long end = Math.min(offset + bytes, size) + alignment - 1 & -alignment;
        if (end <= first || find(offset) != null) {
            return;
        }
        Range range = new Range(first, (int) Math.min(end - first, RANGE_BYTES_MAX));
        Kiocb read = Kiocb.withSegments(1).prepareRead(file.file(), first, range, 0).addSegment(range.buffer.memory());
        if (engine.submit(read) != 0) {
            range.buffer.close();
            return;
        }
        replace(Math.floorMod(next.getAndIncrement(), RANGES), range);
        if (closed) {
            close();
        }
    }

    /** Rings for all that was described. */
    void ring() {
        engine.commit();
    }

    private Range find(long at) {
        for (int i = 0; i < RANGES; i++) {
            Range range = ranges.get(i);
            if (range != null && range.covers(at)) {
                return range;
            }
        }
        return null;
    }

    private void replace(int place, Range range) {
        Range old = ranges.getAndSet(place, range);
        if (old != null) {
            old.release();
        }
    }

    /** Reads all that is asked for, out of what was prefetched where that has it. */
    void read(long offset, byte[] target, int from, int length) throws IOException {
        for (int done = 0; done < length;) {
            int moved = readPrefetched(offset + done, target, from + done, length - done);
            if (moved == 0) {
                readNow(offset + done, target, from + done, length - done);
                return;
            }
            done += moved;
        }
    }

    /** Reads what was prefetched from a place on, perhaps less than asked for; 0 bytes if that is nothing. */
    int readPrefetched(long at, byte[] target, int from, int length) {
        Range range = find(at);
        if (range == null) {
            return 0;
        }
        if (!range.read.isDone()) {
            ring();
        }
        int moved = range.copy(at, target, from, length);
        if (moved == 0 || !range.covers(at + moved)) {
            // Read to its end, or of no use.
            for (int i = 0; i < RANGES; i++) {
                if (ranges.compareAndSet(i, range, null)) {
                    range.release();
                }
            }
        }
        return moved;
    }

    /**
     * Reads what was not prefetched, and waits. A platform thread does so in the kernel, which costs no hand-over to another thread and back;
     * a virtual thread parks, and gives its carrier back.
     */
    void readNow(long at, byte[] target, int from, int length) throws IOException {
        for (int done = 0; done < length;) {
            long first = at + done & -alignment;
            int skipped = (int) (at + done - first);
            int moved = Math.min(length - done, PIECE_BYTES - skipped);
            try (IoBuffer buffer = IoBuffer.allocate(skipped + moved + alignment - 1 & -alignment)) {
                long read = Thread.currentThread().isVirtual()
                        ? file.read(first, buffer.memory())
                        : file.file().check(file.file().read(first, buffer.memory()), "read");
                if (read < skipped + moved) {
                    throw new IOException(file + " has become shorter: " + read + " bytes at " + first + ", of " + size);
                }
                MemorySegment.copy(buffer.memory(), ValueLayout.JAVA_BYTE, skipped, target, from + done, moved);
            }
            done += moved;
        }
    }

    @Override
    public void close() {
        closed = true;
        for (int i = 0; i < RANGES; i++) {
            replace(i, null);
        }
        ring();
        file.close();
    }
}
