package io.blkmq.bench;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.ByteBuffer;
import java.nio.channels.AsynchronousFileChannel;
import java.nio.channels.CompletionHandler;
import java.nio.file.Path;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/** Reads through the JDK's asynchronous file channel, which is a pool of threads: 16, or as many as the depth if that is less. */
final class AsyncChannelReads implements RandomReads {
    private static final int THREADS_MAX = 16;

    private final AsynchronousFileChannel channel;
    private final ExecutorService pool;
    private final Arena arena = Arena.ofShared();
    private final ByteBuffer[] buffers;
    private final ReturnedSlots returned;
    private final int[] idle;
    private final Blocks blocks;
    private int idleCount;

    private final CompletionHandler<Integer, Integer> handler = new CompletionHandler<>() {
        @Override
        public void completed(Integer bytes, Integer slot) {
            returned.put(bytes == BLOCK_BYTES ? slot : -1 - slot);
        }

        @Override
        public void failed(Throwable cause, Integer slot) {
            returned.put(-1 - slot);
        }
    };

    AsyncChannelReads(Path path, boolean direct, int depth, int seed) throws IOException {
        pool = Executors.newFixedThreadPool(Math.min(depth, THREADS_MAX));
        channel = AsynchronousFileChannel.open(path, FileChannelReads.options(direct), pool);
        blocks = new Blocks(channel.size(), seed);
        returned = new ReturnedSlots(depth);
        buffers = new ByteBuffer[depth];
        idle = new int[depth];
        for (int i = 0; i < depth; i++) {
            buffers[i] = arena.allocate(BLOCK_BYTES, BLOCK_BYTES).asByteBuffer();
            idle[idleCount++] = i;
        }
    }

    @Override
    public void run(int count) {
        for (int left = count; left > 0;) {
            int batch = Math.min(idleCount, left);
            for (int i = 0; i < batch; i++) {
                int slot = idle[--idleCount];
                channel.read(buffers[slot].clear(), blocks.nextOffset(), slot, handler);
            }
            left -= batch;
            takeBack(returned.await());
            for (int slot = returned.poll(); slot != ReturnedSlots.NONE; slot = returned.poll()) {
                takeBack(slot);
            }
        }
    }

    private void takeBack(int slot) {
        if (slot < 0) {
            throw new IllegalStateException("a read failed");
        }
        idle[idleCount++] = slot;
    }

    @Override
    public void drain() {
        while (idleCount < idle.length) {
            takeBack(returned.await());
        }
    }

    @Override
    public void close() throws IOException {
        drain();
        channel.close();
        pool.close();
        arena.close();
    }
}
