package io.blkmq.loop;

import io.blkmq.aio.AioEngine;
import io.blkmq.aio.AioEngineConfig;
import io.blkmq.aio.AioEngines;
import io.blkmq.aio.AioStatistics;
import io.blkmq.aio.CompletionMode;
import io.blkmq.loop.work.WorkQueue;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;

/**
 * The hardware queues of a device, and the completion engine that each uses:
 *
 * <pre>
 *        open                     close
 * NONE --------&gt; OPEN (each queue) --------&gt; closed, with the device
 *   ^             |
 *   +-------------+
 *     giveUp: the first file cannot be attached
 * </pre>
 *
 * <p>Whose the engines are. By default those that devices of the process share ({@link EngineGroup}). The device's own, one for each
 * queue, where it is polled, its queues are deeper than a shared ring, or the kind of engine is not to be shared. Or the one that the
 * application has given it, for all queues.
 *
 * <p>All engines are opened, or none. The first file opens them, and every later file of the device uses the same; a device that never gets
 * a file, or has a disk below, never opens any. With the first direct file the engines are told of the memory that blkmq has, now and
 * later, so that they can register it with the kernel. Engines that have died are replaced with the next file that is attached.
 *
 * <p>Guarded by the device's lock. {@link #statistics} alone may be called by any thread: {@link LoopQueue} publishes its engine.
 */
final class LoopEngines {
    private static final int WORKERS_DEFAULT = 16;

    private final String device;
    private final LoopParameters parameters;
    private final LoopQueue[] queues;
    /** The application's engine; null if none was given. */
    private final @Nullable EngineLease given;
    /** One for each queue, while they are open; the given one is not among them. */
    private List<EngineLease> leases = List.of();

    LoopEngines(String device, LoopParameters parameters, WorkQueue workers, Undo undo) {
        this.device = device;
        this.parameters = parameters;
        AioEngine theirs = parameters.givenEngine();
        EngineLease use = theirs == null ? null : EngineGroup.PROCESS.use(theirs);
        if (use != null) {
            AutoCloseable _ = undo.add(use::release);
        }
        given = use;
        queues = new LoopQueue[parameters.hardwareQueues()];
        for (int i = 0; i < queues.length; i++) {
            queues[i] = new LoopQueue(parameters.isPolled(), queues.length == 1, workers,
                    use == null ? null : use.owner());
        }
    }

    LoopQueue[] queues() {
        return queues;
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
        EngineLease theirs = given;
        List<EngineLease> opened = theirs != null ? List.of() : opened();
        for (int i = 0; i < queues.length; i++) {
            queues[i].useEngine(theirs != null ? theirs.engine() : opened.get(i).engine());
        }
        leases = opened;
    }

    /** Replaces those that have died, of a device without a file. */
    void renew() {
        for (EngineLease lease : leases) {
            if (!lease.engine().isOpen()) {
                giveUp();
                return;
            }
        }
    }

    private List<EngineLease> opened() throws IOException {
        if (EngineGroup.PROCESS.isFor(parameters)) {
            return EngineGroup.PROCESS.acquire(parameters.engine(), queues.length);
        }
        List<EngineLease> opened = new ArrayList<>();
        try {
            for (int i = 0; i < queues.length; i++) {
                opened.add(EngineGroup.PROCESS.own(open(i)));
            }
        } catch (Throwable t) {
            opened.forEach(lease -> Undo.part(device, "an engine of several was given up", lease::release));
            throw t;
        }
        return opened;
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
                .reapListener(LoopConfig.REAP_LISTENER).build());
    }

    /** Tells them of the memory that blkmq has and of what it will have, unless they are told. */
    void tellOfMemory() {
        EngineLease theirs = given;
        if (theirs != null) {
            theirs.tellOfMemory();
        }
        leases.forEach(EngineLease::tellOfMemory);
    }

    /** The device is as it was before its first file: without engines, and without whom to tell of memory. */
    void giveUp() {
        close();
        for (LoopQueue queue : queues) {
            queue.useEngine(null);
        }
    }

    void close() {
        List<EngineLease> ending = leases;
        leases = List.of();
        ending.forEach(lease -> Undo.part(device, "its engine is closed", lease::release));
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
}
