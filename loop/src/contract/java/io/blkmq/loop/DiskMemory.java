package io.blkmq.loop;

import io.blkmq.runtime.IoBuffer;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/** The memory of one test, given back with it. */
final class DiskMemory implements AutoCloseable {
    private final Arena arena = Arena.ofShared();
    private final List<IoBuffer> buffers = new ArrayList<>();

    /** Memory of blkmq's own. */
    MemorySegment pooled(long bytes) {
        IoBuffer buffer = IoBuffer.allocate(bytes);
        buffers.add(buffer);
        return buffer.memory();
    }

    /** Native memory of the application's. */
    MemorySegment shared(long bytes) {
        return arena.allocate(bytes);
    }

    @Override
    public void close() {
        buffers.forEach(IoBuffer::close);
        arena.close();
    }
}
