package io.blkmq.loop;

import io.blkmq.aio.AioEngine;
import io.blkmq.aio.AioEngineConfig;
import io.blkmq.aio.AioEngines;
import io.blkmq.aio.AioStatistics;
import io.blkmq.aio.CompletionMode;
import io.blkmq.aio.ReapListener;
import io.blkmq.core.driver.CompletionBatch;
import io.blkmq.runtime.IoBuffer;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;

/**
 * The completion engines of a device, one for each hardware queue:
 *
 * <pre>
 *        open                tellOfMemory             close
 * NONE --------&gt; OPEN -------------------&gt; TOLD -----------&gt; closed, with the device
 *   ^             |                          |
 *   +-------------+--------------------------+
 *     giveUp: the first file cannot be attached
 * </pre>
 *
 * <p>All engines are opened, or none. The first file opens them, and every later file of the device uses the same; a device that never gets
 * a file, or has a disk below, never opens any. With the first direct file the engines are told of the memory that blkmq has, now and
 * later, so that they can register it with the kernel.
 *
 * <p>Guarded by the device's lock. {@link #statistics} alone may be called by any thread: {@link LoopQueue} publishes its engine.
 */
final class LoopEngines {
    private static final int WORKERS_DEFAULT = 16;

    private final String device;
    private final LoopParameters parameters;
    private final LoopQueue[] queues;
    private final Undo undo;
    /** Ends that the engines are told of the memory that blkmq has; null if they are not. */
    private @Nullable AutoCloseable slabs;

    LoopEngines(String device, LoopParameters parameters, LoopQueue[] queues, Undo undo) {
        this.device = device;
        this.parameters = parameters;
        this.queues = queues;
        this.undo = undo;
    }

    boolean areOpen() {
        return queues[0].hasEngine();
    }

    /** The engine that opens files, of a device that has engines. */
    AioEngine first() {
        return queues[0].engine();
    }

    /** Opens them unless they are open. */
    void open() throws IOException {
        if (areOpen()) {
            return;
        }
        List<AioEngine> opened = new ArrayList<>();
        try {
            for (int i = 0; i < queues.length; i++) {
                opened.add(open(i));
            }
        } catch (Throwable t) {
            opened.forEach(engine -> Undo.part(device, "an engine of several was given up", engine));
            throw t;
        }
        for (int i = 0; i < queues.length; i++) {
            queues[i].useEngine(opened.get(i));
        }
    }

    private AioEngine open(int queue) throws IOException {
        AtomicInteger threads = new AtomicInteger();
        String prefix = "blkmq-" + device + "-" + parameters.engine() + "-" + queue + "-";
        return AioEngines.open(parameters.engine(), AioEngineConfig.builder()
                .depth(Math.min(parameters.depth(), AioEngineConfig.DEPTH_MAX))
                .completionMode(parameters.isPolled() ? CompletionMode.POLLED : CompletionMode.REAPER)
                .workers(parameters.workers() == 0 ? WORKERS_DEFAULT : parameters.workers())
                .threadFactory(
                        work -> Thread.ofPlatform().daemon().name(prefix + threads.getAndIncrement()).unstarted(work))
                .reapListener(new OneBatch()).build());
    }

    /** Tells them of the memory that blkmq has and of what it will have, unless they are told. */
    void tellOfMemory() {
        if (slabs == null) {
            slabs = undo.add(IoBuffer.observeSlabs(this::register));
        }
    }

    private void register(MemorySegment slab) {
        for (LoopQueue queue : queues) {
            queue.engine().registerMemory(slab);
        }
    }

    /** The first file could not be attached, so the device is as it was before: without engines, and without whom to tell of memory. */
    void giveUp() {
        AutoCloseable told = slabs;
        if (told != null) {
            slabs = null;
            Undo.part(device, "its engines were given up", told);
        }
        close();
        for (LoopQueue queue : queues) {
            queue.useEngine(null);
        }
    }

    void close() {
        for (LoopQueue queue : queues) {
            if (queue.hasEngine()) {
                Undo.part(device, "its engine is closed", queue.engine());
            }
        }
    }

    /** One for each queue; none where no engines are open. */
    List<AioStatistics> statistics() {
        List<AioStatistics> all = new ArrayList<>();
        for (LoopQueue queue : queues) {
            AioEngine engine = queue.engineIfAny();
            if (engine != null) {
                all.add(engine.statistics());
            }
        }
        return all;
    }

    /** Makes one batch for the block layer of the completions that an engine tells together. */
    private static final class OneBatch implements ReapListener {
        @Override
        public void reapBegins() {
            CompletionBatch.open();
        }

        @Override
        public void reapEnds() {
            Objects.requireNonNull(CompletionBatch.current()).close();
        }
    }
}
