package io.blkmq.bench;

import io.blkmq.core.Bio;
import io.blkmq.core.Disk;
import io.blkmq.core.Operation;
import io.blkmq.core.Plug;
import io.blkmq.core.Status;
import io.blkmq.runtime.IoBuffer;
import java.util.concurrent.ArrayBlockingQueue;
import org.jspecify.annotations.Nullable;

/**
 * One thread that keeps a number of 4 KiB random reads, or writes, in flight on a polled disk: submits a batch, polls, and so on. Allocates
 * nothing once it is made.
 *
 * <p>Where threads share a hardware queue, one may find another's completion. Such bios come back through a queue of their own.
 */
final class ClosedLoop implements AutoCloseable {
    static final int BLOCK_BYTES = 4096;
    private static final int BATCH_MAX = 32;
    private static final int BLOCK_SECTORS = BLOCK_BYTES / 512;

    private final Disk disk;
    private final Operation operation;
    private final int context;
    private final Plug plug;
    private final IoBuffer buffer;
    private final Bio[] idle;
    private final ArrayBlockingQueue<Bio> foundByOthers;
    /** Raised after a bio was put there, lowered before they are taken. */
    private volatile boolean anyFoundByOthers;
    private @Nullable Thread owner;
    private final long blocks;
    private int idleCount;
    private long failed;
    private long random;

    /** Of reads. */
    ClosedLoop(Disk disk, int context, int depth) {
        this(disk, context, depth, Operation.READ);
    }

    ClosedLoop(Disk disk, int context, int depth, Operation operation) {
        this.disk = disk;
        this.operation = operation;
        this.context = context;
        this.plug = disk.plug(context);
        this.buffer = disk.allocate((long) depth * BLOCK_BYTES);
        this.idle = new Bio[depth];
        this.foundByOthers = new ArrayBlockingQueue<>(depth);
        this.blocks = disk.sizeBytes() / BLOCK_BYTES;
        this.random = 0x9E3779B97F4A7C15L * (context + 1);
        for (int i = 0; i < depth; i++) {
            idle[idleCount++] = new Bio().reset(operation, 0).add(buffer.memory(), (long) i * BLOCK_BYTES, BLOCK_BYTES)
                    .onEnd(this::ended);
        }
    }

    private void ended(Bio bio) {
        if (Thread.currentThread() == owner) {
            takeBack(bio);
        } else {
            foundByOthers.add(bio);
            anyFoundByOthers = true;
        }
    }

    private void takeBack(Bio bio) {
        if (bio.status() != Status.OK) {
            failed++;
        }
        idle[idleCount++] = bio;
    }

    private void poll() {
        disk.poll(context);
        if (anyFoundByOthers) {
            anyFoundByOthers = false;
            for (Bio bio = foundByOthers.poll(); bio != null; bio = foundByOthers.poll()) {
                takeBack(bio);
            }
        }
    }

    /** Does so many I/Os, and leaves fewer than a depth of them in flight. */
    void run(int count) {
        owner = Thread.currentThread();
        for (int left = count; left > 0;) {
            int batch = Math.min(Math.min(BATCH_MAX, idleCount), left);
            plug.expecting(batch);
            for (int i = 0; i < batch; i++) {
                plug.submit(idle[--idleCount].retarget(operation, nextBlock() * BLOCK_SECTORS));
            }
            plug.flush();
            left -= batch;
            poll();
        }
        if (failed > 0) {
            throw new IllegalStateException(failed + " of " + operation + " failed");
        }
    }

    private long nextBlock() {
        random ^= random << 13;
        random ^= random >>> 7;
        random ^= random << 17;
        return Math.unsignedMultiplyHigh(random, blocks);
    }

    /** Ends what is in flight. */
    @Override
    public void close() {
        while (idleCount < idle.length) {
            poll();
        }
        buffer.close();
    }
}
