package io.blkmq.bench;

import io.blkmq.aio.AioCompletion;
import io.blkmq.aio.AioEngine;
import io.blkmq.aio.AioFile;
import io.blkmq.aio.CompletionMode;
import io.blkmq.aio.Kiocb;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * One thread that keeps a number of 4 KiB random reads of a file in flight on an engine, with no block layer above it: submits a
 * batch, commits once, finds completions, and so on. Allocates nothing once it is made.
 *
 * <p>With nothing else to do it sleeps in the kernel, or spins.
 *
 * <p>In REAPER mode completions come on any thread. They are counted there, and their kiocbs come back through a ring of slots; the
 * submitter parks when it has nothing to submit.
 */
final class AioLoop implements RandomReads {
    private final AioEngine engine;
    private final AioFile file;
    private final int batchMax;
    private final boolean polled;
    private final boolean spin;
    private final Arena arena = Arena.ofShared();
    private final MemorySegment memory;
    private final Kiocb[] kiocbs;
    private final int[] idle;
    private final Blocks blocks;
    private int idleCount;
    private long failed;

    private final ReturnedSlots returned;

    private final AioCompletion inPlace = this::endedHere;
    private final AioCompletion elsewhere = this::endedElsewhere;

    AioLoop(AioEngine engine, AioFile file, long fileBytes, int depth, int batchMax, boolean register, boolean spin,
            int seed) {
        this.engine = engine;
        this.file = file;
        this.batchMax = batchMax;
        this.spin = spin;
        polled = engine.completionMode() == CompletionMode.POLLED;
        memory = arena.allocate((long) depth * BLOCK_BYTES, BLOCK_BYTES);
        kiocbs = new Kiocb[depth];
        idle = new int[depth];
        returned = new ReturnedSlots(depth);
        blocks = new Blocks(fileBytes, seed);
        for (int i = 0; i < depth; i++) {
            kiocbs[i] = Kiocb.withSegments(1);
            idle[idleCount++] = i;
        }
        if (register) {
            boolean _ = engine.registerMemory(memory);
        }
    }

    private void endedHere(long slot, long result) {
        if (result != BLOCK_BYTES) {
            failed++;
        }
        idle[idleCount++] = (int) slot;
    }

    private void endedElsewhere(long slot, long result) {
        returned.put(result == BLOCK_BYTES ? (int) slot : -1 - (int) slot);
    }

    @Override
    public void run(int count) {
        for (int left = count; left > 0;) {
            int batch = Math.min(Math.min(batchMax, idleCount), left);
            for (int i = 0; i < batch; i++) {
                int slot = idle[--idleCount];
                Kiocb kiocb = kiocbs[slot].prepareRead(file, blocks.nextOffset(), polled ? inPlace : elsewhere, slot)
                        .addSegment(memory, (long) slot * BLOCK_BYTES, BLOCK_BYTES);
                if (engine.submit(kiocb) != 0) {
                    throw new IllegalStateException("refused");
                }
            }
            left -= batch;
            if (polled) {
                pollFor(idleCount == 0 ? 1 : 0);
            } else {
                engine.commit();
                takeReturned();
            }
        }
        if (failed > 0) {
            throw new IllegalStateException(failed + " reads failed");
        }
    }

    private void pollFor(int atLeast) {
        if (atLeast > 0 && !spin) {
            engine.await(Long.MAX_VALUE);
            return;
        }
        engine.commit();
        while (engine.poll() < atLeast) {
            Thread.onSpinWait();
        }
    }

    /** Takes back what has ended; waits for one if there is nothing to go on with. */
    private void takeReturned() {
        if (idleCount == 0) {
            takeBack(returned.await());
        }
        for (int slot = returned.poll(); slot != ReturnedSlots.NONE; slot = returned.poll()) {
            takeBack(slot);
        }
    }

    private void takeBack(int returnedSlot) {
        if (returnedSlot < 0) {
            failed++;
        }
        idle[idleCount++] = returnedSlot < 0 ? -1 - returnedSlot : returnedSlot;
    }

    @Override
    public void drain() {
        while (idleCount < kiocbs.length) {
            if (polled) {
                engine.await(Long.MAX_VALUE);
            } else {
                takeBack(returned.await());
            }
        }
    }

    @Override
    public void close() {
        drain();
        boolean _ = engine.unregisterMemory(memory);
        arena.close();
    }
}
