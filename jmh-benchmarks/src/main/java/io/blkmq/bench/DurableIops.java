package io.blkmq.bench;

import io.blkmq.aio.AioEngine;
import io.blkmq.aio.AioEngineConfig;
import io.blkmq.aio.AioEngines;
import io.blkmq.aio.AioFile;
import io.blkmq.aio.CompletionMode;
import io.blkmq.aio.Kiocb;
import io.blkmq.core.Bio;
import io.blkmq.core.Disk;
import io.blkmq.core.Operation;
import io.blkmq.core.Status;
import io.blkmq.loop.LoopConfig;
import io.blkmq.loop.LoopDevice;
import io.blkmq.runtime.IoBuffer;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Durable random writes of 4 KiB for a number of seconds; prints their rate as fio's JSON has it, so that two of them can be compared.
 * Arguments are {@code name=value}:
 * <ul>
 * <li>{@code file}, which is written over;
 * <li>{@code with}: {@code aio}, writes that are synced after, by one thread that polls an engine; {@code loop}, writes with FUA by one
 * thread that polls a loop device; {@code threads}, writes with FUA by threads that block on one, each a virtual thread;
 * {@code flush}, the same with a flush after each write in place of FUA;
 * <li>{@code depth}, how many are in flight, or how many threads there are; {@code engine}; {@code direct}; {@code warmup} and
 * {@code runtime} in seconds; {@code fua=false} for a loop device that flushes after the write.
 * </ul>
 */
public final class DurableIops {
    private static final int BLOCK_BYTES = 4096;

    private final Map<String, String> options = new HashMap<>(Map.of("with", "loop", "depth", "1", "engine", "io_uring",
            "direct", "true", "warmup", "1", "runtime", "3", "fua", ""));
    private final int depth;
    private final RandomReads.Blocks blocks;
    private final long begin;
    private final long end;
    private long counted;
    private int idleCount;
    private final int[] idle;
    private long failed;

    private DurableIops(String[] arguments) throws IOException {
        for (String argument : arguments) {
            int at = argument.indexOf('=');
            if (at < 0) {
                throw new IllegalArgumentException("'" + argument + "': name=value is expected");
            }
            options.put(argument.substring(0, at), argument.substring(at + 1));
        }
        depth = Integer.parseInt(option("depth"));
        idle = new int[depth];
        for (int i = 0; i < depth; i++) {
            idle[idleCount++] = i;
        }
        blocks = new RandomReads.Blocks(Path.of(option("file")).toFile().length(), 1);
        begin = System.nanoTime() + nanos("warmup");
        end = begin + nanos("runtime");
    }

    /**
     * Runs it.
     *
     * @param arguments see above
     * @throws Exception if that fails
     */
    public static void main(String[] arguments) throws Exception {
        DurableIops run = new DurableIops(arguments);
        switch (run.option("with")) {
            case "aio" -> run.aio();
            case "loop" -> run.loop();
            case "threads" -> run.threads(false);
            case "flush" -> run.threads(true);
            default -> throw new IllegalArgumentException("with=" + run.option("with"));
        }
        if (run.failed > 0) {
            throw new IOException(run.failed + " writes failed");
        }
        System.out.printf("{\"jobs\": [{\"write\": {\"iops\": %.1f}}]}%n", run.counted * 1e9 / run.nanos("runtime"));
    }

    private String option(String name) {
        String value = options.get(name);
        if (value == null) {
            throw new IllegalArgumentException(name + "= is missing");
        }
        return value;
    }

    private long nanos(String name) {
        return (long) (Double.parseDouble(option(name)) * 1e9);
    }

    private void ended(int slot, boolean well) {
        idle[idleCount++] = slot;
        failed += well ? 0 : 1;
        long now = System.nanoTime();
        if (now - begin >= 0 && now - end < 0) {
            counted++;
        }
    }

    private boolean isOver() {
        return System.nanoTime() - end >= 0;
    }

    private void aio() throws IOException {
        try (AioEngine engine = AioEngines.open(option("engine"),
                AioEngineConfig.builder().depth(Math.max(64, depth)).completionMode(CompletionMode.POLLED).build());
                AioFile file = engine.open(Path.of(option("file")), AioFile.Access.READ_WRITE,
                        Boolean.parseBoolean(option("direct")));
                Arena arena = Arena.ofShared()) {
            MemorySegment memory = arena.allocate((long) depth * BLOCK_BYTES, BLOCK_BYTES).fill((byte) 7);
            boolean _ = engine.registerMemory(memory);
            Kiocb[] kiocbs = new Kiocb[depth];
            for (int i = 0; i < depth; i++) {
                kiocbs[i] = Kiocb.withSegments(1);
            }
            while (!isOver()) {
                while (idleCount > 0) {
                    int slot = idle[--idleCount];
                    int refused = engine.submit(kiocbs[slot]
                            .prepareWrite(file, blocks.nextOffset(),
                                    (id, result) -> ended((int) id, result == BLOCK_BYTES), slot)
                            .thenSync(true).addSegment(memory, (long) slot * BLOCK_BYTES, BLOCK_BYTES));
                    if (refused != 0) {
                        throw new IOException("refused: " + refused);
                    }
                }
                engine.await(Long.MAX_VALUE);
            }
            while (idleCount < depth) {
                engine.await(Long.MAX_VALUE);
            }
        }
    }

    private LoopDevice attach(boolean polled) throws IOException {
        LoopConfig.Builder config = LoopConfig.builder(Path.of(option("file"))).engine(option("engine"))
                .direct(Boolean.parseBoolean(option("direct"))).polled(polled);
        if (!option("fua").isEmpty()) {
            config.fua(Boolean.parseBoolean(option("fua")));
        }
        return LoopDevice.attach(config.build());
    }

    private void loop() throws IOException {
        try (LoopDevice device = attach(true); IoBuffer buffer = IoBuffer.allocate((long) depth * BLOCK_BYTES)) {
            Disk disk = device.disk();
            Bio[] bios = new Bio[depth];
            for (int i = 0; i < depth; i++) {
                bios[i] = new Bio(1);
            }
            while (!isOver()) {
                while (idleCount > 0) {
                    int slot = idle[--idleCount];
                    disk.submit(bios[slot].reset(Operation.WRITE, blocks.nextOffset() / 512)
                            .add(buffer.memory(), (long) slot * BLOCK_BYTES, BLOCK_BYTES)
                            .flags(Bio.FUA | Bio.CALLER_MEMORY).onEnd(bio -> ended(slot, bio.status() == Status.OK)));
                }
                disk.poll();
            }
            while (idleCount < depth) {
                disk.poll();
            }
        }
    }

    private void threads(boolean flush) throws Exception {
        AtomicLong all = new AtomicLong();
        AtomicLong wrong = new AtomicLong();
        CountDownLatch ended = new CountDownLatch(depth);
        try (LoopDevice device = attach(false)) {
            Disk disk = device.disk();
            for (int t = 0; t < depth; t++) {
                int seed = t + 1;
                Thread.ofVirtual().name("writer-" + t).start(() -> {
                    try (IoBuffer buffer = IoBuffer.allocate(BLOCK_BYTES)) {
                        all.addAndGet(write(disk, buffer, seed, flush));
                    } catch (IOException e) {
                        wrong.incrementAndGet();
                        System.err.println(e);
                    } finally {
                        ended.countDown();
                    }
                });
            }
            ended.await();
        }
        counted = all.get();
        failed = wrong.get();
    }

    private long write(Disk disk, IoBuffer buffer, int seed, boolean flush) throws IOException {
        RandomReads.Blocks mine = new RandomReads.Blocks(disk.sizeBytes(), seed);
        long count = 0;
        for (;;) {
            disk.write(mine.nextOffset(), buffer.memory(), flush ? 0 : Bio.FUA);
            if (flush) {
                disk.flush();
            }
            long now = System.nanoTime();
            if (now - end >= 0) {
                return count;
            }
            if (now - begin >= 0) {
                count++;
            }
        }
    }
}
