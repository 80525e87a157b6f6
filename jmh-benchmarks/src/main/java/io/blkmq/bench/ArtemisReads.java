package io.blkmq.bench;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import org.apache.activemq.artemis.nativo.jlibaio.LibaioContext;
import org.apache.activemq.artemis.nativo.jlibaio.LibaioFile;
import org.apache.activemq.artemis.nativo.jlibaio.SubmitInfo;

/** Reads through the native libaio binding of Apache Artemis, as its own polling allows: one system call for each submit. */
final class ArtemisReads implements RandomReads {
    /** One read and its buffer. */
    private static final class Read implements SubmitInfo {
        final ByteBuffer buffer;
        boolean failed;

        Read(ByteBuffer buffer) {
            this.buffer = buffer;
        }

        @Override
        public void onError(int errno, String message) {
            failed = true;
        }

        @Override
        public void done() {
            // Nothing is kept of a read.
        }
    }

    private final LibaioContext<Read> context;
    private final LibaioFile<Read> file;
    private final Blocks blocks;
    private final Read[] idle;
    private final Read[] polled;
    private int idleCount;

    ArtemisReads(Path path, int depth, int seed) throws IOException {
        context = new LibaioContext<>(depth, false, true);
        file = context.openFile(path.toFile(), true);
        blocks = new Blocks(file.getSize(), seed);
        idle = new Read[depth];
        polled = new Read[depth];
        for (int i = 0; i < depth; i++) {
            idle[idleCount++] = new Read(LibaioContext.newAlignedBuffer(BLOCK_BYTES, BLOCK_BYTES));
        }
    }

    @Override
    public void run(int count) throws IOException {
        for (int left = count; left > 0;) {
            int batch = Math.min(idleCount, left);
            for (int i = 0; i < batch; i++) {
                Read read = idle[--idleCount];
                file.read(blocks.nextOffset(), BLOCK_BYTES, read.buffer, read);
            }
            left -= batch;
            takeEnded();
        }
    }

    private void takeEnded() {
        int ended = context.poll(polled, 1, idle.length);
        for (int i = 0; i < ended; i++) {
            if (polled[i].failed) {
                throw new IllegalStateException("a read failed");
            }
            idle[idleCount++] = polled[i];
        }
    }

    @Override
    public void drain() {
        while (idleCount < idle.length) {
            takeEnded();
        }
    }

    @Override
    public void close() throws IOException {
        drain();
        for (Read read : idle) {
            LibaioContext.freeBuffer(read.buffer);
        }
        file.close();
        context.close();
    }
}
