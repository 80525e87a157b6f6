package io.blkmq.loop;

import io.blkmq.aio.AioEngine;
import io.blkmq.aio.AioEngineConfig;
import io.blkmq.aio.AioEngines;
import io.blkmq.aio.AioFile;
import io.blkmq.aio.AioStatistics;
import io.blkmq.aio.CompletionMode;
import io.blkmq.aio.ReapListener;
import io.blkmq.core.Disk;
import io.blkmq.core.IoBuffer;
import io.blkmq.core.QueueLimits;
import io.blkmq.core.driver.CompletionBatch;
import io.blkmq.core.driver.Request;
import io.blkmq.core.driver.RequestQueue;
import io.blkmq.core.driver.TagSet;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;

/**
 * A file as a multi-queue block device. The kernel's counterpart is {@code struct loop_device}. Thread-safe.
 *
 * <pre>{@code
 * try (LoopDevice device = LoopDevice.attach(LoopConfig.builder(Path.of("disk.img")).build())) {
 *     Disk disk = device.disk();
 *     ...
 * }
 * }</pre>
 *
 * <p>A direct device goes past the page cache, through a completion engine for each hardware queue. A buffered one, as the driver
 * was before the series' last patch, does blocking I/O on a work queue. A device that writes locks its file against all others,
 * also of other processes; one that reads locks it against those that write.
 *
 * <p>A flush that failed is remembered: every later one fails too, until {@link #clearSyncError} or a new attachment, since what
 * could not be written may be lost already.
 */
public final class LoopDevice implements AutoCloseable {
    private static final System.Logger LOG = System.getLogger(LoopDevice.class.getName());

    private static final int REQUEST_BYTES_MAX = 1280 << 10;
    private static final int SEGMENTS_MAX = 128;
    private static final int SEGMENT_BYTES_MAX = 64 << 10;
    private static final long DISCARD_BYTES_MAX = 1L << 31;
    private static final int WORKERS_DEFAULT = 1;
    private static final int ENGINE_WORKERS_DEFAULT = 16;

    private final LoopConfig config;
    private final String engineName;
    private final LoopQueue[] queues;
    private final WorkQueue workQueue;
    /** Null if the file holds the data itself. */
    private final @Nullable LoopTransfer transfer;
    private final Disk disk;
    private final LoopPartitions partitions;
    /** Changed only while the queue is frozen; read by whoever issues a request. */
    private volatile BackingFile backing;

    /** Undoes, in reverse, what an attachment that fails had done. */
    private static final class Undo {
        private final List<AutoCloseable> steps = new ArrayList<>();

        <T extends AutoCloseable> T add(T step) {
            steps.add(step);
            return step;
        }

        void run() {
            for (AutoCloseable step : steps.reversed()) {
                try {
                    step.close();
                } catch (Exception e) {
                    LOG.log(System.Logger.Level.WARNING, "an attachment that failed could not be undone whole", e);
                }
            }
        }
    }

    private LoopDevice(LoopConfig config, Undo undo) throws IOException {
        this.config = config;
        this.engineName = config.engine();
        this.transfer = LoopTransfer.of(config);
        if (transfer != null) {
            undo.add(transfer);
        }
        this.queues = new LoopQueue[config.hardwareQueues()];
        for (int i = 0; i < queues.length; i++) {
            queues[i] = new LoopQueue(undo.add(openEngine(i)), config.isPolled());
        }
        this.backing = open(config.file());
        undo.add(() -> backing.close());
        this.workQueue = new WorkQueue(config.runtime(), config.name(),
                config.workers() == 0 ? WORKERS_DEFAULT : config.workers(),
                config.hardwareQueues() * (config.depth() + 1));
        undo.add(workQueue::stop);
        if (backing.isDirect()) {
            undo.add(IoBuffer.observeSlabs(this::register));
        }
        TagSet.Builder set = TagSet.builder(new LoopDriver(this)).hardwareQueues(config.hardwareQueues())
                .depth(config.depth()).pduBytes(LoopCommand.PDU_BYTES).runtime(config.runtime());
        TagSet tags = undo.add((config.isPolled() ? set.flag(TagSet.Flag.POLLED) : set).build());
        QueueLimits limits = limits(backing.file());
        RequestQueue queue = tags.newQueue(config.name(), limits,
                backing.capacitySectors(config.sizeLimitBytes(), limits.logicalBlockBytes()), this);
        this.disk = Disk.of(queue, () -> {
            undo.run();
            // Not if the attachment fails, which may be tried again.
            config.transferKey().destroy();
        });
        this.partitions = new LoopPartitions(disk, config.isPartScan());
        if (config.partitionListener() != null) {
            disk.partitions().addListener(config.partitionListener());
        }
    }

    /**
     * Attaches a file.
     *
     * @param config the file, and how
     * @return the device, ready
     * @throws java.nio.file.NoSuchFileException if there is no such file
     * @throws java.nio.file.AccessDeniedException if it may not be opened
     * @throws io.blkmq.aio.AioUnavailableException if the engine does not work here, saying why
     * @throws IOException if it is a directory, is empty, or is in use by another device, or if the system refuses resources;
     *         nothing is left behind
     */
    public static LoopDevice attach(LoopConfig config) throws IOException {
        Undo undo = new Undo();
        LoopDevice device;
        try {
            device = new LoopDevice(config, undo);
        } catch (Throwable t) {
            undo.run();
            throw t;
        }
        device.partitions.mediumChanged("the attachment");
        return device;
    }

    private AioEngine openEngine(int index) throws IOException {
        AtomicInteger threads = new AtomicInteger();
        String prefix = "blkmq-" + config.name() + "-" + engineName + "-" + index + "-";
        return AioEngines.open(engineName, AioEngineConfig.builder()
                .depth(Math.min(config.depth(), AioEngineConfig.DEPTH_MAX))
                .completionMode(config.isPolled() ? CompletionMode.POLLED : CompletionMode.REAPER)
                .workers(config.workers() == 0 ? ENGINE_WORKERS_DEFAULT : config.workers())
                .threadFactory(
                        work -> Thread.ofPlatform().daemon().name(prefix + threads.getAndIncrement()).unstarted(work))
                .reapListener(new OneBatch()).build());
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

    /** Opens and locks a file, direct if that is wanted and possible. */
    private BackingFile open(Path path) throws IOException {
        AioFile.Access access = config.isReadOnly() ? AioFile.Access.READ_ONLY : AioFile.Access.READ_WRITE;
        AioFile file = openFile(path, access);
        BackingFile opened = BackingFile.lock(file, config.offsetBytes());
        try {
            if (file.size() == 0) {
                throw new IOException(path + " is empty: a device needs at least one block");
            }
            return opened;
        } catch (Throwable t) {
            opened.close();
            throw t;
        }
    }

    private AioFile openFile(Path path, AioFile.Access access) throws IOException {
        AioEngine engine = queues[0].engine();
        if (config.isDirect()) {
            try {
                AioFile file = engine.open(path, access, true);
                if (config.offsetBytes() % file.offsetAlignment() == 0) {
                    return file;
                }
                LOG.log(System.Logger.Level.INFO, "{0}: offset {1} is not a multiple of {2}, so it is buffered", path,
                        config.offsetBytes(), file.offsetAlignment());
                file.close();
            } catch (AioFile.DirectUnsupportedException e) {
                LOG.log(System.Logger.Level.INFO, "{0}: no direct I/O, so it is buffered", path);
            }
        }
        return engine.open(path, access, false);
    }

    private QueueLimits limits(AioFile file) {
        int block = Math.max(QueueLimits.SECTOR_BYTES, file.offsetAlignment());
        boolean writable = file.isWritable();
        QueueLimits limits = QueueLimits.builder().logicalBlockBytes(block).requestBytesMax(REQUEST_BYTES_MAX)
                .segmentsMax(SEGMENTS_MAX).segmentBytesMax(SEGMENT_BYTES_MAX).dmaAlignmentBytes(file.memoryAlignment())
                .discardBytesMax(writable ? DISCARD_BYTES_MAX : 0)
                .discardGranularityBytes(Math.max(block, file.blockBytes()))
                .writeZeroesBytesMax(writable ? DISCARD_BYTES_MAX : 0).writeCache(writable, false).readOnly(!writable)
                .build();
        return transfer == null ? limits : LoopTransfer.fit(limits);
    }

    private void register(MemorySegment slab) {
        for (LoopQueue queue : queues) {
            queue.engine().registerMemory(slab);
        }
    }

    // ---- what it is

    /**
     * The device as a disk. Closing it detaches the device.
     *
     * @return always the same
     */
    public Disk disk() {
        return disk;
    }

    /**
     * How it was attached.
     *
     * @return the configuration
     */
    public LoopConfig config() {
        return config;
    }

    /**
     * The file behind it now.
     *
     * @return its path
     */
    public Path backingFile() {
        return backing.path();
    }

    /**
     * Whether I/O goes past the page cache, through the engine.
     *
     * @return false for a buffered device, also where direct was wanted and the file or the offset does not allow it
     */
    public boolean isDirect() {
        return backing.isDirect();
    }

    /**
     * What the engines have done so far.
     *
     * @return one for each hardware queue
     */
    public List<AioStatistics> engineStatistics() {
        List<AioStatistics> all = new ArrayList<>();
        for (LoopQueue queue : queues) {
            all.add(queue.engine().statistics());
        }
        return all;
    }

    /**
     * How many writes the transfer function has transformed, each in a buffer of its own.
     *
     * @return since the attachment; 0 without a transfer function
     */
    public long transferBounces() {
        LoopTransfer used = transfer;
        return used == null ? 0 : used.bounces();
    }

    // ---- changes

    /**
     * Puts another file of the same size behind a read-only device, while it is in use: what is in flight ends on the old file,
     * what comes later goes to the new one.
     *
     * @param file the other file
     * @throws IllegalStateException if the device is not read-only, or detached
     * @throws IllegalArgumentException if the file has another number of sectors, or other needs of alignment
     * @throws IOException if the file cannot be opened or is in use
     */
    public synchronized void changeBackingFile(Path file) throws IOException {
        if (disk.isClosed()) {
            throw new IllegalStateException(config.name() + " is detached");
        }
        if (!config.isReadOnly()) {
            throw new IllegalStateException(
                    config.name() + " is writable: only the file of a read-only device can be changed");
        }
        BackingFile next = open(file);
        try {
            requireAlike(next);
        } catch (Throwable t) {
            next.close();
            throw t;
        }
        disk.freeze();
        BackingFile old = backing;
        backing = next;
        disk.unfreeze();
        old.close();
        partitions.mediumChanged("the change of its file");
    }

    private void requireAlike(BackingFile next) throws IOException {
        QueueLimits now = disk.limits();
        long sectors = next.capacitySectors(config.sizeLimitBytes(), now.logicalBlockBytes());
        if (sectors != disk.queue().capacitySectors()) {
            throw new IllegalArgumentException(next.path() + " has " + sectors + " sectors, but " + config.name()
                    + " has " + disk.queue().capacitySectors());
        }
        QueueLimits then = limits(next.file());
        if (then.logicalBlockBytes() > now.logicalBlockBytes() || then.dmaAlignmentBytes() > now.dmaAlignmentBytes()) {
            throw new IllegalArgumentException(next.path() + " needs blocks of " + then.logicalBlockBytes()
                    + " and memory aligned to " + then.dmaAlignmentBytes() + " bytes, but " + config.name() + " has "
                    + now.logicalBlockBytes() + " and " + now.dmaAlignmentBytes());
        }
    }

    /**
     * Takes over the size that the file has now (LOOP_SET_CAPACITY).
     *
     * @return the device's new size in bytes
     * @throws IOException if the file's size cannot be found out
     */
    public long refreshCapacity() throws IOException {
        disk.queue().setCapacitySectors(
                backing.capacitySectors(config.sizeLimitBytes(), disk.limits().logicalBlockBytes()));
        partitions.mediumChanged("the change of its size");
        return disk.sizeBytes();
    }

    /** Forgets that a flush failed. What it should have made durable stays unknown. */
    public void clearSyncError() {
        backing.syncs().clear();
    }

    /** Refuses new I/O, waits for what is in flight, and lets the file go. It does not flush. Detaching again does nothing. */
    @Override
    public void close() {
        disk.close();
    }

    // ---- for the driver

    BackingFile backing() {
        return backing;
    }

    @Nullable
    LoopTransfer transfer() {
        return transfer;
    }

    WorkQueue workQueue() {
        return workQueue;
    }

    LoopQueue loopQueue(int index) {
        return queues[index];
    }

    void logFailure(Request rq, Throwable thrown) {
        LOG.log(System.Logger.Level.ERROR, config.name() + ": " + rq + " failed", thrown);
    }

    void logSyncFailure(BackingFile file, int errno) {
        LOG.log(System.Logger.Level.ERROR, "{0}: sync of {1} failed with errno {2}; flushes fail from now on",
                config.name(), file.path(), errno);
    }

    @Override
    public String toString() {
        return config.name() + " on " + backing.path() + " ("
                + (isDirect() ? "direct, " + queues[0].engine() : "buffered") + ", " + disk.sizeBytes() + " bytes, "
                + config.hardwareQueues() + " x " + config.depth() + " tags, "
                + (config.isPolled() ? "polled" : "reaper") + (transfer == null ? "" : ", " + transfer)
                + (disk.isClosed() ? ", detached" : "") + ")";
    }
}
