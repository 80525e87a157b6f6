package example.lucene;

import io.blkmq.aio.AsyncFile;
import io.blkmq.runtime.IoBuffer;
import java.io.IOException;
import java.io.OutputStream;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.concurrent.CompletableFuture;

/** A new file, written from front to back: one buffer is on its way to the disk while the other fills. For one thread. */
final class AioOutputStream extends OutputStream {
    private static final int BUFFER_BYTES = 256 << 10;
    private static final CompletableFuture<Long> NONE = CompletableFuture.completedFuture(0L);

    private final AsyncFile file;
    private IoBuffer filling = IoBuffer.allocate(BUFFER_BYTES);
    private IoBuffer written = IoBuffer.allocate(BUFFER_BYTES);
    private CompletableFuture<Long> writing = NONE;
    /** Where in the file the buffer that fills goes. */
    private long offset;
    private int filled;
    private boolean closed;

    AioOutputStream(AsyncFile file) {
        this.file = file;
    }

    @Override
    public void write(int value) throws IOException {
        write(new byte[]{(byte) value}, 0, 1);
    }

    @Override
    public void write(byte[] bytes, int from, int length) throws IOException {
        for (int at = from, left = length; left > 0;) {
            int moved = Math.min(left, BUFFER_BYTES - filled);
            MemorySegment.copy(bytes, at, filling.memory(), ValueLayout.JAVA_BYTE, filled, moved);
            filled += moved;
            at += moved;
            left -= moved;
            if (filled == BUFFER_BYTES) {
                AioDirectory.end(writing);
                IoBuffer next = written;
                written = filling;
                filling = next;
                writing = file.writeAsync(offset, written.memory());
                offset += BUFFER_BYTES;
                filled = 0;
            }
        }
    }

    @Override
    public void close() throws IOException {
        if (closed) {
            return;
        }
        closed = true;
        try (file) {
            AioDirectory.end(writing);
            if (filled > 0) {
                // Not whole blocks, as a rule: the file takes care of the rest.
                file.write(offset, filling.memory().asSlice(0, filled));
            }
        } finally {
            // Whatever has failed: the memory is the engine's until the write has ended.
            writing.handle((_, _) -> 0L).join();
            filling.close();
            written.close();
        }
    }
}
