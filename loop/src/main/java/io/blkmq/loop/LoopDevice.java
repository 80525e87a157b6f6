package io.blkmq.loop;

import io.blkmq.aio.AioEngine;
import io.blkmq.aio.AioEngineConfig;
import io.blkmq.aio.AioEngines;
import io.blkmq.aio.AioStatistics;
import io.blkmq.aio.CompletionMode;
import io.blkmq.aio.Errno;
import io.blkmq.aio.ReapListener;
import io.blkmq.core.Disk;
import io.blkmq.core.Operation;
import io.blkmq.core.PartitionListener;
import io.blkmq.core.QueueLimits;
import io.blkmq.core.driver.CompletionBatch;
import io.blkmq.core.driver.Parking;
import io.blkmq.core.driver.Request;
import io.blkmq.core.driver.RequestQueue;
import io.blkmq.core.driver.TagSet;
import io.blkmq.runtime.IoBuffer;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.EnumSet;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.Lock;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.UnaryOperator;
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
 * <p>So much for one device. {@link LoopControl} has many, which come without a file and get one, and another, by
 * {@link #configure} and {@link #detach}:
 *
 * <pre>
 *           configure              detach, by the only handle         last handle closed
 * UNBOUND ------------&gt; BOUND -----------------------------&gt; RUNDOWN -------------------&gt; UNBOUND
 *                         |  detach, by one of several: AUTOCLEAR                            ^
 *                         +------------------------------------------ last handle closed ---+
 * </pre>
 *
 * <p>All methods but those that only look take the device's lock, and many freeze its queue: what is in flight ends by the old state,
 * what comes later goes by the new one. A completion may look, and nothing else.
 *
 * <p>A direct device goes past the page cache, through a completion engine for each hardware queue. A buffered one, as the driver
 * was before the series' last patch, does blocking I/O on a work queue. A device that writes locks its file against all others,
 * also of other processes; one that reads locks it against those that write.
 *
 * <p>A flush that failed is remembered: every later one fails too, until {@link #clearSyncError} or a new attachment, since what
 * could not be written may be lost already.
 *
 * @since 0.1.0
 */
public final class LoopDevice implements AutoCloseable {
    private static final System.Logger LOG = System.getLogger(LoopDevice.class.getName());

    private static final int WORKERS_DEFAULT = 1;
    private static final int ENGINE_WORKERS_DEFAULT = 16;
    /** A device without a file. Its size is 0, so nothing of it is used before another has taken its place. */
    private static final QueueLimits UNBOUND_LIMITS = QueueLimits.builder().requestBytesMax(Backing.REQUEST_BYTES_MAX)
            .segmentsMax(Backing.SEGMENTS_MAX).segmentBytesMax(Backing.SEGMENT_BYTES_MAX).build();
    /** What LOOP_SET_STATUS may set; AUTOCLEAR alone it may clear. */
    private static final Set<LoopFlag> SETTABLE = Set.of(LoopFlag.AUTOCLEAR, LoopFlag.PARTSCAN);
    /**
     * Held while a device gets a disk behind it, so that no two make a circle. Not of the runtime: its holder may wait for I/O to
     * end, and those who wait for it are about to do the same. Before the device's lock.
     */
    private static final Lock STACKING = new ReentrantLock();
    /** How often the owner of a polled device polls while another thread has the device's lock. */
    private static final long LOCK_LOOK_NANOS = 50_000;
    private static final AtomicLong SEQUENCE = new AtomicLong();

    private final String name;
    private final LoopParameters parameters;
    private final @Nullable LoopControl control;
    private final int index;
    private final LoopEvents events;
    private final Undo undo = new Undo();
    private final LoopQueue[] queues;
    private final WorkQueue workQueue;
    private final Disk disk;
    private final LoopPartitions partitions;

    private final Lock lock;
    /** What those who only look see. Replaced under the lock. */
    private volatile Binding binding = Binding.NONE;
    /** Changed under the lock, and only while the queue is frozen; read by whoever issues a request. */
    private volatile @Nullable Backing backing;
    /**
     * Null if the file holds the data itself. Changed under the lock, while there is no backing; so a request that has a backing has
     * the function that goes with it.
     */
    private volatile @Nullable LoopTransfer transfer;
    /**
     * What the device could take, without regard to what people have set. Replaced under the lock while the queue is frozen; or by who has a
     * request in flight that has shown what the file cannot do, which is never both at a time.
     */
    private final AtomicReference<QueueLimits> possible = new AtomicReference<>(UNBOUND_LIMITS);
    /** Guarded by the lock. */
    private LimitsByHand byHand = LimitsByHand.NONE;
    /** Another one for each medium, of all devices. Written under the lock. */
    private volatile long sequence = SEQUENCE.incrementAndGet();
    /** Changed under the lock. */
    private volatile int openers;
    /** What the partitions are to be told of when the lock has been let go; null for nothing. Guarded by the lock. */
    private LoopPartitions.@Nullable Change changed;
    /** Guarded by the lock. */
    private boolean removed;
    /** Of other controls or devices, what is to be told when the lock has been let go. Guarded by the lock. */
    private final List<LoopEvents> alsoToTell = new ArrayList<>();
    /** Ends that the engines are told of the memory that blkmq has; null if they are not. Guarded by the lock. */
    private @Nullable AutoCloseable slabs;

    /**
     * What a device is at a time. Immutable.
     *
     * @param sectors its size as the kernel has it; the disk's is in whole blocks
     */
    private record Binding(LoopState state, Set<LoopFlag> flags, long sizeLimitBytes, String fileName, int blockBytes,
            long sectors) {
        static final Binding NONE = new Binding(LoopState.UNBOUND, Set.of(), 0, "", QueueLimits.SECTOR_BYTES, 0);

        Binding in(LoopState next) {
            return new Binding(next, flags, sizeLimitBytes, fileName, blockBytes, sectors);
        }

        Binding flagged(Set<LoopFlag> next) {
            return new Binding(state, next, sizeLimitBytes, fileName, blockBytes, sectors);
        }

        Binding of(long nextSectors) {
            return new Binding(state, flags, sizeLimitBytes, fileName, blockBytes, nextSectors);
        }

        Binding inBlocksOf(int nextBytes) {
            return new Binding(state, flags, sizeLimitBytes, fileName, nextBytes, sectors);
        }

        Binding called(long nextLimit, String nextName) {
            return new Binding(state, flags, nextLimit, nextName, blockBytes, sectors);
        }

        Set<LoopFlag> with(LoopFlag flag) {
            Set<LoopFlag> more = EnumSet.of(flag);
            more.addAll(flags);
            return more;
        }
    }

    /** Undoes, in reverse, what making and using a device had done. Any thread may call it. */
    private static final class Undo {
        /** The last first. Guarded by its monitor. */
        private final Deque<Step> steps = new ArrayDeque<>();

        /** Something to be undone, once: when all is, or before that. Then it is forgotten. */
        private final class Step {
            private final AutoCloseable undoing;

            Step(AutoCloseable undoing) {
                this.undoing = undoing;
            }

            void undo() throws Exception {
                boolean mine;
                synchronized (steps) {
                    mine = steps.remove(this);
                }
                if (mine) {
                    undoing.close();
                }
            }
        }

        /** Returns what undoes it before all is; again does nothing. */
        AutoCloseable add(AutoCloseable undoing) {
            Step step = new Step(undoing);
            synchronized (steps) {
                steps.push(step);
            }
            return step::undo;
        }

        int count() {
            synchronized (steps) {
                return steps.size();
            }
        }

        private @Nullable Step last() {
            synchronized (steps) {
                return steps.peek();
            }
        }

        void run() {
            for (Step step = last(); step != null; step = last()) {
                try {
                    step.undo();
                } catch (Throwable t) {
                    LOG.log(System.Logger.Level.WARNING, "a device could not be undone whole", t);
                }
            }
        }
    }

    /** A device without a file. */
    LoopDevice(@Nullable LoopControl control, int index, String name, LoopParameters parameters, LoopEvents events)
            throws IOException {
        this.control = control;
        this.index = index;
        this.name = name;
        this.parameters = parameters;
        this.events = events;
        this.lock = parameters.runtime().newLock();
        this.queues = new LoopQueue[parameters.hardwareQueues()];
        this.workQueue = new WorkQueue(parameters.runtime(), name,
                parameters.workers() == 0 ? WORKERS_DEFAULT : parameters.workers(), LoopQueue::workDone,
                parameters.workerRunner());
        for (int i = 0; i < queues.length; i++) {
            queues[i] = new LoopQueue(parameters.isPolled(), workQueue);
        }
        AutoCloseable _ = undo.add(workQueue::stop);
        try {
            TagSet.Builder set = TagSet.builder(new LoopDriver(this)).flag(TagSet.Flag.MERGE)
                    .hardwareQueues(parameters.hardwareQueues()).depth(parameters.depth())
                    .pduBytes(LoopCommand.PDU_BYTES).runtime(parameters.runtime());
            TagSet tags = (parameters.isPolled() ? set.flag(TagSet.Flag.POLLED) : set).build();
            AutoCloseable _ = undo.add(tags);
            RequestQueue queue = tags.newQueue(name, UNBOUND_LIMITS, 0, this);
            this.disk = Disk.of(queue, this::gone);
            this.partitions = new LoopPartitions(disk);
        } catch (Throwable t) {
            undo.run();
            throw t;
        }
        disk.partitions().whenUnused(this::settle);
    }

    /**
     * Makes a device for one file, and attaches that.
     *
     * @param config the file, and how; also the device's name and parameters
     * @return the device, ready; closing it detaches the file
     * @throws java.nio.file.NoSuchFileException if there is no such file
     * @throws java.nio.file.AccessDeniedException if it may not be opened
     * @throws io.blkmq.aio.AioUnavailableException if the engine does not work here, saying why
     * @throws LoopException with EBUSY if the file is in use by another device
     * @throws IOException if it is a directory, is empty, or if the system refuses resources; nothing is left behind
     */
    public static LoopDevice attach(LoopConfig config) throws IOException {
        LoopDevice device = new LoopDevice(null, 0, config.name(), config.parameters(), new LoopEvents());
        PartitionListener listener = config.partitionListener();
        if (listener != null) {
            device.disk.partitions().addListener(listener);
        }
        try {
            device.configure(config);
            Backing attached = Objects.requireNonNull(device.backing);
            if (attached.sizeBytes() == 0) {
                throw new IOException(attached.name() + " is empty: a device needs at least one block");
            }
            return device;
        } catch (Throwable t) {
            try {
                device.close();
            } catch (Throwable more) {
                t.addSuppressed(more);
            }
            throw t;
        }
    }

    // ---- what it is

    /**
     * The device as a disk. Closing it closes the device.
     *
     * @return always the same
     */
    public Disk disk() {
        return disk;
    }

    /**
     * Its name.
     *
     * @return {@code loop} with its index, or what {@link LoopConfig#name} said
     */
    public String name() {
        return name;
    }

    /**
     * Its index at its control.
     *
     * @return 0 if it has none
     */
    public int index() {
        return index;
    }

    /**
     * What it had before it had a file.
     *
     * @return always the same
     */
    public LoopParameters parameters() {
        return parameters;
    }

    /**
     * Whether it has a file.
     *
     * @return now
     */
    public LoopState state() {
        return binding.state;
    }

    /**
     * How many use it.
     *
     * @return handles, and partitions ({@link io.blkmq.core.Partitions#open}), that were opened and not closed
     */
    public int openers() {
        return openers + disk.partitions().openers();
    }

    /**
     * The file behind it.
     *
     * @return its path, as given; null if there is none, or a disk
     */
    public @Nullable Path backingFile() {
        return backing instanceof BackingFile file ? file.path() : null;
    }

    /**
     * The disk behind it.
     *
     * @return as given; null if there is none, or a file
     */
    public @Nullable Disk backingDisk() {
        return backing instanceof BackingDisk below ? below.disk() : null;
    }

    /**
     * Whether I/O goes past the page cache.
     *
     * @return false for a buffered device, also where direct was wanted and the file or the offset does not allow it
     */
    public boolean isDirect() {
        Backing now = backing;
        return now != null && now.isDirect();
    }

    /**
     * Whether reads and writes go to the engine.
     *
     * @return false if the work queue does them, or the disk below
     */
    public boolean isAio() {
        return backing instanceof BackingFile file && file.isAio();
    }

    /**
     * What the device says of itself (LOOP_GET_STATUS).
     *
     * @return offset, limit, flags and the file's name
     * @throws LoopException with ENXIO if it has no file
     */
    public LoopStatus status() throws LoopException {
        // The backing first: it is gone before the state says so, and never the other way round.
        Backing now = backing;
        Binding known = binding;
        if (now == null || known.state != LoopState.BOUND) {
            throw unbound();
        }
        return new LoopStatus(now.offsetBytes(), known.sizeLimitBytes,
                now.isDirect() ? known.with(LoopFlag.DIRECT_IO) : known.flags, known.fileName);
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

    /**
     * Its attributes, under the names that they have in sysfs.
     *
     * @return a view
     */
    public LoopAttributes attributes() {
        return new LoopAttributes(this);
    }

    /**
     * Shows the {@link #attributes} over JMX, at the platform's server, as {@code io.blkmq:type=LoopDevice,name="loop0"}, until that is
     * closed or the device is removed.
     *
     * @return closing it ends that; closing again does nothing
     * @throws LoopException with EEXIST if a device of that name is shown already, ENODEV if the device has been removed
     */
    public AutoCloseable registerMBean() throws LoopException {
        begin("registerMBean");
        try {
            requireThere();
            return undo.add(LoopMBean.register(this));
        } finally {
            end();
        }
    }

    /**
     * What the engines have done so far.
     *
     * @return one for each hardware queue; none before the device has its first file
     */
    public List<AioStatistics> engineStatistics() {
        List<AioStatistics> all = new ArrayList<>();
        for (LoopQueue queue : queues) {
            AioEngine engine = queue.engineIfAny();
            if (engine != null) {
                all.add(engine.statistics());
            }
        }
        return all;
    }

    /**
     * Tells what happens to this device from now on.
     *
     * @param listener is told
     * @return closing it ends that
     */
    public AutoCloseable listen(LoopListener listener) {
        return events.add(event -> {
            if (event.device().equals(this)) {
                listener.happened(event);
            }
        });
    }

    // ---- open and close

    /**
     * Opens the device.
     *
     * @return a handle, to be closed
     * @throws LoopException with ENXIO if its file is being detached, ENODEV if it has been removed
     */
    public LoopHandle open() throws LoopException {
        begin("open");
        try {
            requireThere();
            if (binding.state == LoopState.RUNDOWN) {
                throw new LoopException(Errno.ENXIO, name + " is being detached");
            }
            setOpeners(openers + 1);
            return new LoopHandle(this);
        } finally {
            // Tells nothing: a device above may call this, with its own lock held.
            lock.unlock();
        }
    }

    /** A handle is closed. */
    void release() {
        releaseUntold();
        events.tell();
    }

    /** A handle is closed by a device above, with its own lock held: that tells what is to be told. */
    LoopEvents releaseUntold() {
        begin("close");
        try {
            setOpeners(openers - 1);
            settleLocked();
            return events;
        } finally {
            lock.unlock();
        }
    }

    /** The last partition has been closed. */
    private void settle() {
        begin("close");
        try {
            settleLocked();
            if (binding.state == LoopState.BOUND) {
                changed = partitions.putOff();
            }
        } finally {
            end();
        }
    }

    /** If nobody uses the device any more, what was put off is done. Under the lock. */
    private void settleLocked() {
        if (openers() > 0) {
            return;
        }
        if (binding.state == LoopState.BOUND && binding.flags.contains(LoopFlag.AUTOCLEAR)) {
            runDown();
        }
        if (binding.state == LoopState.RUNDOWN) {
            unbind();
        }
    }

    /** Lets a backing go. With the lock, so nothing is told of the device below before it is let go. */
    private void close(Backing old) {
        old.close();
        if (old instanceof BackingDisk below) {
            LoopEvents others = below.closed();
            if (others != null) {
                alsoToTell.add(others);
            }
        }
    }

    /**
     * Opens the device, detaches its file, and closes it: at once, if nobody has it open, or else with the last handle
     * (LOOP_CLR_FD, as {@code losetup -d} does).
     *
     * @throws LoopException with ENXIO if it has no file
     * @throws IllegalStateException if called by a completion
     */
    public void detach() throws LoopException {
        detachBy(0);
    }

    /** Detaches for one of so many handles. */
    void detachBy(int own) throws LoopException {
        begin("detach");
        try {
            requireBound();
            if (openers() > own) {
                binding = binding.flagged(binding.with(LoopFlag.AUTOCLEAR));
                return;
            }
            runDown();
            if (openers == 0) {
                unbind();
            }
        } finally {
            end();
        }
    }

    /** The file goes, and I/O fails from now on. */
    private void runDown() {
        binding = binding.in(LoopState.RUNDOWN);
        Backing old = backing;
        freeze();
        backing = null;
        disk.unfreeze();
        wipeTransfer();
        if (old != null) {
            whatever("its file is let go", () -> close(old));
        }
    }

    private void wipeTransfer() {
        LoopTransfer used = transfer;
        transfer = null;
        if (used != null) {
            whatever("its key is wiped", used::wipe);
        }
    }

    private interface Part {
        void run() throws Exception;
    }

    /** Does a part of what comes to an end, of which every part is to be done whatever becomes of the others. */
    private void whatever(String what, Part part) {
        try {
            part.run();
        } catch (Throwable t) {
            LOG.log(System.Logger.Level.ERROR, name + " failed when " + what, t);
        }
    }

    /**
     * Nobody has it open any more. The limits stay as they were: who was let in by them, and waited, is to find that there is no file,
     * and not that its bio is wrong.
     */
    private void unbind() {
        binding = Binding.NONE;
        disk.queue().setCapacitySectors(0);
        partitions.gone();
        sequence = SEQUENCE.incrementAndGet();
        events.note(LoopEvent.Kind.DETACH, this);
    }

    // ---- attach

    /**
     * Attaches a file, or a disk, to a device that has none (LOOP_CONFIGURE).
     *
     * @param config the file, and how. Where direct I/O is wanted and not possible the device is buffered
     * @throws LoopException with EBUSY if the device has one, or another device has locked it; ENODEV if the device was removed; for
     *         a disk EBADF, EINVAL, ENXIO or ENODEV, see {@link LoopConfig#builder(Disk)}
     * @throws java.nio.file.NoSuchFileException if there is no such file
     * @throws java.nio.file.AccessDeniedException if it may not be opened
     * @throws io.blkmq.aio.AioUnavailableException if the engine does not work here, saying why
     * @throws IOException if it is a directory, or the system refuses resources; the device is as before
     * @throws IllegalArgumentException if the configuration has a name or parameters that are not this device's
     * @throws IllegalStateException if called by a completion
     */
    public void configure(LoopConfig config) throws IOException {
        requireSuited(config);
        requireNoCompletion("configure");
        boolean stacks = config.disk() != null;
        if (stacks) {
            Parking.lock(STACKING);
        }
        try {
            begin("configure");
            try {
                requireThere();
                if (binding.state != LoopState.UNBOUND) {
                    throw new LoopException(Errno.EBUSY, name + " has a file: " + this);
                }
                boolean fresh = !queues[0].hasEngine();
                try {
                    bind(config, open(config));
                } catch (Throwable t) {
                    if (fresh) {
                        giveUpEngines();
                    }
                    throw t;
                }
            } finally {
                end();
            }
        } finally {
            if (stacks) {
                STACKING.unlock();
            }
        }
    }

    private void requireSuited(LoopConfig config) {
        if (config.isNamed() && !config.name().equals(name)) {
            throw new IllegalArgumentException(
                    "the configuration is for a device named " + config.name() + ", and this is " + name);
        }
        if (config.hasParameters() && !config.parameters().isLike(parameters)) {
            throw new IllegalArgumentException("the configuration is for a device with " + config.parameters()
                    + ", and " + name + " has " + parameters);
        }
    }

    private Backing open(LoopConfig config) throws IOException {
        Disk below = config.disk();
        return below != null
                ? BackingDisk.open(this, below, config.isReadOnly(), config.offsetBytes())
                : openFile(Objects.requireNonNull(config.file()), config.isReadOnly(), config.isDirect(),
                        config.offsetBytes(), config.blockBytes());
    }

    /** Opens and locks a file, direct if that is wanted and possible. */
    private BackingFile openFile(Path path, boolean readOnly, boolean direct, long offsetBytes, int blockBytes)
            throws IOException {
        openEngines();
        BackingFile opened = BackingFile.open(queues[0].engine(), path, readOnly, offsetBytes);
        try {
            return direct ? directIfPossible(opened, blockBytes) : opened;
        } catch (Throwable t) {
            opened.close();
            throw t;
        }
    }

    private BackingFile directIfPossible(BackingFile file, int blockBytes) throws IOException {
        try {
            return direct(file, blockBytes);
        } catch (LoopException e) {
            LOG.log(System.Logger.Level.INFO, "{0}: {1}; so it is buffered", name, e.getMessage());
            return file.buffered();
        }
    }

    private BackingFile direct(BackingFile file, int blockBytes) throws IOException {
        BackingFile direct = file.direct(blockBytes);
        try {
            if (slabs == null) {
                slabs = undo.add(IoBuffer.observeSlabs(this::register));
            }
        } catch (Throwable t) {
            direct.closeFor(file);
            throw t;
        }
        return direct;
    }

    private void register(MemorySegment slab) {
        for (LoopQueue queue : queues) {
            queue.engine().registerMemory(slab);
        }
    }

    /** Opens the engines, all or none, with the first file. They are kept for the next. */
    private void openEngines() throws IOException {
        if (queues[0].hasEngine()) {
            return;
        }
        List<AioEngine> opened = new ArrayList<>();
        try {
            for (int i = 0; i < queues.length; i++) {
                opened.add(openEngine(i));
            }
        } catch (Throwable t) {
            opened.forEach(engine -> whatever("an engine of several was given up", engine::close));
            throw t;
        }
        for (int i = 0; i < queues.length; i++) {
            queues[i].useEngine(opened.get(i));
        }
    }

    /** The first file could not be attached, so the device is as it was before: without engines, and without whom to tell of memory. */
    private void giveUpEngines() {
        AutoCloseable told = slabs;
        if (told != null) {
            slabs = null;
            whatever("its engines were given up", told::close);
        }
        closeEngines();
        for (LoopQueue queue : queues) {
            queue.useEngine(null);
        }
    }

    private void closeEngines() {
        for (LoopQueue queue : queues) {
            if (queue.hasEngine()) {
                whatever("its engine is closed", queue.engine()::close);
            }
        }
    }

    private AioEngine openEngine(int queue) throws IOException {
        AtomicInteger threads = new AtomicInteger();
        String prefix = "blkmq-" + name + "-" + parameters.engine() + "-" + queue + "-";
        return AioEngines.open(parameters.engine(), AioEngineConfig.builder()
                .depth(Math.min(parameters.depth(), AioEngineConfig.DEPTH_MAX))
                .completionMode(parameters.isPolled() ? CompletionMode.POLLED : CompletionMode.REAPER)
                .workers(parameters.workers() == 0 ? ENGINE_WORKERS_DEFAULT : parameters.workers())
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

    private void bind(LoopConfig config, Backing opened) throws IOException {
        LoopTransfer function = null;
        try {
            function = LoopTransfer.of(config);
            transfer = function;
            int block = config.blockBytes() == 0 ? opened.blockBytesMin() : config.blockBytes();
            if (block < opened.blockBytesMin()) {
                throw new LoopException(Errno.EINVAL, name + ": blocks of " + block + " bytes on " + opened.name()
                        + ", which has blocks of " + opened.blockBytesMin());
            }
            long sectors = opened.capacitySectors(config.sizeLimitBytes());
            Set<LoopFlag> flags = EnumSet.noneOf(LoopFlag.class);
            if (!opened.isWritable()) {
                flags.add(LoopFlag.READ_ONLY);
            }
            if (config.isAutoclear()) {
                flags.add(LoopFlag.AUTOCLEAR);
            }
            if (config.isPartScan()) {
                flags.add(LoopFlag.PARTSCAN);
                changed = new LoopPartitions.Change("the attachment", false, true);
            }
            byHand = byHand.withRotational(null);
            useAnew(opened, new Binding(LoopState.BOUND, Set.copyOf(flags), config.sizeLimitBytes(), config.fileName(),
                    block, sectors));
        } catch (Throwable t) {
            changed = null;
            transfer = null;
            if (function != null) {
                whatever("it gave a key up", function::close);
            }
            close(opened);
            throw t;
        }
        sequence = SEQUENCE.incrementAndGet();
        events.note(LoopEvent.Kind.ATTACH, this);
    }

    /** What the device can take: what the backing can, less what the transfer function cannot. */
    private QueueLimits limitsOn(Backing next, int blockBytes) {
        QueueLimits limits = next.limits(blockBytes);
        return transfer == null ? limits : LoopTransfer.fit(limits);
    }

    // ---- changes

    /** Goes over to another backing, size and block, with nothing in flight, and asks anew what the file can do. */
    private void useAnew(Backing next, Binding then) {
        freeze();
        try {
            take(limitsOn(next, then.blockBytes), next, then);
        } finally {
            disk.unfreeze();
        }
    }

    /** The same of the file that the device has already: what has been found out about it holds on. */
    private void use(Backing next, Binding then) {
        freeze();
        try {
            QueueLimits now = possible.get();
            QueueLimits limits = limitsOn(next, then.blockBytes);
            take(limits.toBuilder().discardBytesMax(Math.min(limits.discardBytesMax(), now.discardBytesMax()))
                    .writeZeroesBytesMax(Math.min(limits.writeZeroesBytesMax(), now.writeZeroesBytesMax())).build(),
                    next, then);
        } finally {
            disk.unfreeze();
        }
    }

    /** While the queue is frozen and nothing is in flight. */
    private void take(QueueLimits limits, Backing next, Binding then) {
        // What may fail first.
        QueueLimits own = byHand.of(limits);
        possible.set(limits);
        takeLimits(own);
        disk.queue().setCapacitySectors(wholeBlocks(then));
        backing = next;
        binding = then;
    }

    /** Bios that wait are looked at once more where the limits are another object. */
    private void takeLimits(QueueLimits limits) {
        if (!areAlike(limits, disk.limits())) {
            disk.queue().setLimits(limits);
        }
    }

    /** Changes what people may change of the limits. */
    void changeLimits(UnaryOperator<LimitsByHand> change) throws LoopException {
        begin("changeLimits");
        try {
            requireThere();
            freeze();
            try {
                LimitsByHand wanted = change.apply(byHand);
                takeLimits(wanted.of(possible.get()));
                byHand = wanted;
            } finally {
                disk.unfreeze();
            }
        } finally {
            end();
        }
    }

    /** What the device could take, without regard to what people have set. */
    QueueLimits possibleLimits() {
        return possible.get();
    }

    /**
     * The file, or the disk below, has turned out not to have an operation: it is not asked again, until there is another file or block. By
     * who has a request of this device in flight.
     */
    void cannot(Operation operation) {
        possible.updateAndGet(limits -> operation == Operation.DISCARD
                ? limits.toBuilder().discardBytesMax(0).build()
                : limits.toBuilder().writeZeroesBytesMax(0).build());
        disk.queue().disable(operation);
    }

    private static boolean areAlike(QueueLimits one, QueueLimits other) {
        return one.logicalBlockBytes() == other.logicalBlockBytes()
                && one.physicalBlockBytes() == other.physicalBlockBytes()
                && one.requestBytesMax() == other.requestBytesMax() && one.segmentsMax() == other.segmentsMax()
                && one.segmentBytesMax() == other.segmentBytesMax()
                && one.dmaAlignmentBytes() == other.dmaAlignmentBytes()
                && one.discardBytesMax() == other.discardBytesMax()
                && one.discardGranularityBytes() == other.discardGranularityBytes()
                && one.discardAlignmentBytes() == other.discardAlignmentBytes()
                && one.writeZeroesBytesMax() == other.writeZeroesBytesMax()
                && one.alignmentOffsetBytes() == other.alignmentOffsetBytes()
                && one.hasWriteCache() == other.hasWriteCache() && one.hasFua() == other.hasFua()
                && one.isRotational() == other.isRotational() && one.isReadOnly() == other.isReadOnly();
    }

    /** A disk has no part of a block at its end: no I/O of whole blocks would reach it. */
    private static long wholeBlocks(Binding of) {
        int blockSectors = of.blockBytes / QueueLimits.SECTOR_BYTES;
        return of.sectors / blockSectors * blockSectors;
    }

    /**
     * Changes offset, limit, the flags AUTOCLEAR (set and clear) and PARTSCAN (set), and the file's name (LOOP_SET_STATUS). Other flags
     * are not looked at. A direct device becomes buffered if the file cannot do direct I/O at the new offset. With another offset or
     * limit the device also takes over the size that the file has now.
     *
     * @param wanted what it is to say of itself
     * @throws LoopException with ENXIO if the device has no file, EOVERFLOW if offset or limit are negative, EINVAL if the name is too
     *         long, or the offset not possible on the disk below
     * @throws IOException if the file's size cannot be found out
     * @throws IllegalStateException if called by a completion
     */
    public void setStatus(LoopStatus wanted) throws IOException {
        begin("setStatus");
        try {
            Backing now = requireBound();
            requirePossible(wanted);
            Binding then = binding.flagged(settable(wanted.flags())).called(wanted.sizeLimitBytes(), wanted.fileName());
            boolean scansNow = then.flags.contains(LoopFlag.PARTSCAN) && !binding.flags.contains(LoopFlag.PARTSCAN);
            if (wanted.offsetBytes() == now.offsetBytes() && wanted.sizeLimitBytes() == binding.sizeLimitBytes) {
                binding = then;
                if (scansNow) {
                    scanAfter("the change of its flags");
                }
                return;
            }
            Backing next = at(now, wanted.offsetBytes());
            resize(next, then.of(next.capacitySectors(wanted.sizeLimitBytes())));
            closeUnused(now, next);
            if (next.offsetBytes() == now.offsetBytes()) {
                scanAfter("the change of its size");
            } else {
                otherTableAfter("the change of its place in the file");
            }
        } finally {
            end();
        }
    }

    /** More or fewer partitions may be there now: they are read after the lock, if the device does that. */
    private void scanAfter(String why) {
        if (isPartScan()) {
            changed = new LoopPartitions.Change(why, false, true);
        }
    }

    /** The table that the partitions are of is not there any more: they go after the lock, or are read if the device does that. */
    private void otherTableAfter(String why) {
        changed = new LoopPartitions.Change(why, true, isPartScan());
    }

    private void requirePossible(LoopStatus wanted) throws LoopException {
        if (wanted.offsetBytes() < 0 || wanted.sizeLimitBytes() < 0) {
            throw new LoopException(Errno.EOVERFLOW, name + ": offset " + wanted.offsetBytes() + " and size limit "
                    + wanted.sizeLimitBytes() + ": 0 to " + Long.MAX_VALUE + " are possible");
        }
        int bytes = wanted.fileName().getBytes(StandardCharsets.UTF_8).length;
        if (bytes > LoopConfig.FILE_NAME_BYTES_MAX) {
            throw new LoopException(Errno.EINVAL, name + ": file name of " + bytes + " bytes: at most "
                    + LoopConfig.FILE_NAME_BYTES_MAX + " are possible");
        }
    }

    private Set<LoopFlag> settable(Set<LoopFlag> wanted) {
        Set<LoopFlag> then = EnumSet.noneOf(LoopFlag.class);
        then.addAll(binding.flags);
        then.remove(LoopFlag.AUTOCLEAR);
        wanted.stream().filter(SETTABLE::contains).forEach(then::add);
        return Set.copyOf(then);
    }

    private Backing at(Backing now, long offsetBytes) throws LoopException {
        return switch (now) {
            case BackingFile file -> {
                BackingFile moved = file.at(offsetBytes);
                yield moved.fits(offsetBytes, binding.blockBytes) ? moved : moved.buffered();
            }
            case BackingDisk below -> below.at(offsetBytes);
        };
    }

    private static void closeUnused(Backing old, Backing next) {
        if (old instanceof BackingFile file && next instanceof BackingFile other) {
            file.closeFor(other);
        }
    }

    /** Goes over to another size, and tells it if it is one. */
    private void resize(Backing next, Binding then) {
        long before = binding.sectors;
        use(next, then);
        if (then.sectors != before) {
            events.note(LoopEvent.Kind.RESIZE, this);
        }
    }

    /**
     * Takes over the size that the file has now (LOOP_SET_CAPACITY).
     *
     * @return the device's new size in bytes
     * @throws LoopException with ENXIO if the device has no file
     * @throws IOException if the file's size cannot be found out
     * @throws IllegalStateException if called by a completion
     */
    public long refreshCapacity() throws IOException {
        begin("refreshCapacity");
        try {
            Backing now = requireBound();
            Binding then = binding.of(now.capacitySectors(binding.sizeLimitBytes));
            if (then.sectors != binding.sectors) {
                binding = then;
                disk.queue().setCapacitySectors(wholeBlocks(then));
                events.note(LoopEvent.Kind.RESIZE, this);
                scanAfter("the change of its size");
            }
            return disk.sizeBytes();
        } finally {
            end();
        }
    }

    /**
     * Lets I/O go past the page cache, by the engine, or through it, by the work queue (LOOP_SET_DIRECT_IO), also under load.
     *
     * @param direct which of the two
     * @throws LoopException with ENXIO if the device has no file; EINVAL if the file cannot do direct I/O, or not at this offset or with
     *         this logical block, naming them, or if there is a disk and no file, which is always direct
     * @throws IOException if the file cannot be opened once more
     * @throws IllegalStateException if called by a completion
     */
    public void setDirect(boolean direct) throws IOException {
        begin("setDirect");
        try {
            switch (requireBound()) {
                case BackingFile file -> {
                    if (file.isDirect() != direct) {
                        change(file, direct ? direct(file, binding.blockBytes) : file.buffered());
                    }
                }
                case BackingDisk below -> {
                    if (!direct) {
                        throw new LoopException(Errno.EINVAL,
                                name + " is on " + below.name() + ", and there is no page cache between them");
                    }
                }
            }
        } finally {
            end();
        }
    }

    /**
     * Lets the engine do reads and writes, or the work queue (USE_AIO), also under load. What {@link #setDirect} chooses is what is best
     * for the one and the other; this is for those who measure.
     *
     * @param aio true for the engine
     * @throws LoopException with ENXIO if the device has no file, EINVAL if it has a disk
     * @throws IllegalStateException if called by a completion
     */
    public void setAio(boolean aio) throws LoopException {
        begin("setAio");
        try {
            if (!(requireBound() instanceof BackingFile file)) {
                throw new LoopException(Errno.EINVAL,
                        name + " is on a disk: neither engine nor work queue has part in it");
            }
            if (file.isAio() != aio) {
                use(file.by(aio), binding);
            }
        } finally {
            end();
        }
    }

    private void change(BackingFile now, BackingFile next) {
        try {
            use(next, binding);
        } catch (Throwable t) {
            next.closeFor(now);
            throw t;
        }
        now.closeFor(next);
    }

    /**
     * Changes the logical block (LOOP_SET_BLOCK_SIZE), also under load. A direct device becomes buffered if direct I/O to the file needs
     * larger blocks. What the file was found not to be able to do is tried once more.
     *
     * @param bytes a power of two from 512 to 65536; 0 for the smallest that the file allows
     * @throws LoopException with ENXIO if the device has no file, EINVAL if it is another number or smaller than the blocks of the disk
     *         below
     * @throws IllegalStateException if called by a completion
     */
    public void setBlockBytes(int bytes) throws LoopException {
        begin("setBlockBytes");
        try {
            Backing now = requireBound();
            int block = bytes == 0 ? now.blockBytesMin() : bytes;
            if (!LoopConfig.isBlock(block) || (now instanceof BackingDisk && block < now.blockBytesMin())) {
                throw new LoopException(Errno.EINVAL,
                        name + ": blocks of " + bytes + " bytes: a power of two is possible, from "
                                + (now instanceof BackingDisk ? now.blockBytesMin() : QueueLimits.SECTOR_BYTES) + " to "
                                + QueueLimits.LOGICAL_BLOCK_BYTES_MAX);
            }
            if (bytes != binding.blockBytes) {
                Backing next = now instanceof BackingFile file && !file.fits(file.offsetBytes(), block)
                        ? file.buffered()
                        : now;
                useAnew(next, binding.inBlocksOf(block));
                closeUnused(now, next);
                scanAfter("the change of its block");
            }
        } finally {
            end();
        }
    }

    private interface Opener {
        Backing open(Backing old) throws IOException;
    }

    /**
     * Puts another file of the same size behind a read-only device, while it is in use (LOOP_CHANGE_FD): what is in flight ends on the
     * old file, what comes later goes to the new one.
     *
     * @param file the other file
     * @throws LoopException with ENXIO if the device has no file, EINVAL if it is not read-only or the other file has another number of
     *         sectors than the one behind it has now, EBUSY if the other file is in use
     * @throws IOException if the file cannot be opened
     * @throws IllegalStateException if called by a completion
     */
    public void changeBackingFile(Path file) throws IOException {
        Objects.requireNonNull(file, "file");
        changeBacking("changeBackingFile",
                old -> openFile(file, true, old.isDirect(), old.offsetBytes(), binding.blockBytes));
    }

    /**
     * Puts another disk of the same size behind a read-only device, in place of a file or a disk: see {@link #changeBackingFile}.
     *
     * @param other the other disk
     * @throws LoopException with ENXIO if the device has no file, EINVAL if it is not read-only, the other disk has another number of
     *         sectors than what is behind it has now, larger blocks than the device, is polled, or is a loop device without a file; EBADF if
     *         the device would be on itself, ENXIO or ENODEV if the disk is going
     * @throws IOException if the disk's size cannot be found out
     * @throws IllegalStateException if called by a completion
     */
    public void changeBackingDisk(Disk other) throws IOException {
        Objects.requireNonNull(other, "other");
        requireNoCompletion("changeBackingDisk");
        Parking.lock(STACKING);
        try {
            changeBacking("changeBackingDisk", old -> BackingDisk.open(this, other, true, old.offsetBytes()));
        } finally {
            STACKING.unlock();
        }
    }

    private void changeBacking(String what, Opener opener) throws IOException {
        begin(what);
        try {
            Backing old = requireBound();
            if (!binding.flags.contains(LoopFlag.READ_ONLY)) {
                throw new LoopException(Errno.EINVAL,
                        name + " is writable: only the file of a read-only device can be changed");
            }
            Backing next = opener.open(old);
            try {
                requireLike(old, next);
                use(next, binding);
            } catch (Throwable t) {
                close(next);
                throw t;
            }
            close(old);
            sequence = SEQUENCE.incrementAndGet();
            events.note(LoopEvent.Kind.CHANGE, this);
            otherTableAfter("the change of its file");
        } finally {
            end();
        }
    }

    private void requireLike(Backing old, Backing next) throws IOException {
        long sectors = next.capacitySectors(binding.sizeLimitBytes);
        long before = old.capacitySectors(binding.sizeLimitBytes);
        if (sectors != before) {
            throw new LoopException(Errno.EINVAL,
                    name + ": " + next.name() + " has " + sectors + " sectors, but " + old.name() + " has " + before);
        }
        if (next instanceof BackingDisk && next.blockBytesMin() > binding.blockBytes) {
            throw new LoopException(Errno.EINVAL, name + ": blocks of " + binding.blockBytes + " bytes on "
                    + next.name() + ", which has blocks of " + next.blockBytesMin());
        }
    }

    /** Forgets that a flush failed. What it should have made durable stays unknown. */
    public void clearSyncError() {
        if (backing instanceof BackingFile file) {
            file.syncs().clear();
        }
    }

    // ---- the end

    /**
     * Refuses new I/O, waits for what is in flight, lets the file go, and removes the device, whoever has it open. It does not flush.
     * Closing again does nothing. {@link LoopControl#remove} is the polite way.
     *
     * @throws IllegalStateException if called by a completion
     */
    @Override
    public void close() {
        try (WorkQueue.StandIn _ = workQueue.standIn()) {
            disk.close();
        }
    }

    /** Freezes the queue: also if the workers are agents, and nobody runs them. */
    private void freeze() {
        try (WorkQueue.StandIn _ = workQueue.standIn()) {
            disk.freeze();
        }
    }

    /** Claims the device for who removes it: nobody opens it or gives it a file any more. */
    void beginRemoval() throws LoopException {
        begin("remove");
        try {
            requireThere();
            if (binding.state != LoopState.UNBOUND || openers() > 0) {
                throw new LoopException(Errno.EBUSY,
                        name + " cannot be removed: " + binding.state + ", " + openers() + " handles open");
            }
            removed = true;
        } finally {
            end();
        }
    }

    /** The disk is closed, and nothing is in flight. */
    private void gone() {
        Parking.lock(lock);
        try {
            removed = true;
            Backing old = backing;
            backing = null;
            wipeTransfer();
            if (binding.state != LoopState.UNBOUND) {
                unbind();
            }
            undo.run();
            if (old != null) {
                whatever("its file is let go", () -> close(old));
            }
            closeEngines();
            events.note(LoopEvent.Kind.REMOVE, this);
            if (control != null) {
                control.forget(this);
            }
        } finally {
            end();
        }
    }

    // ---- the lock

    private void begin(String what) {
        requireNoCompletion(what);
        if (!parameters.isPolled()) {
            Parking.lock(lock);
            return;
        }
        // Who has it may wait for I/O that nobody but this thread looks for.
        while (!lock.tryLock()) {
            disk.queue().pollInFlight();
            Parking.parkNanos(parameters.runtime(), this, LOCK_LOOK_NANOS);
        }
    }

    /** Lets the lock go, and then tells what has happened, and reads the partitions if they may be others now. */
    private void end() {
        LoopPartitions.Change due = changed;
        changed = null;
        List<LoopEvents> others = alsoToTell.isEmpty() ? List.of() : List.copyOf(alsoToTell);
        alsoToTell.clear();
        lock.unlock();
        if (due != null) {
            partitions.after(due);
        }
        events.tell();
        others.forEach(LoopEvents::tell);
    }

    void requireNoCompletion(String what) {
        disk.queue().requireNoCompletion(what + " of " + name);
    }

    private void setOpeners(int count) {
        openers = count;
    }

    /** Whether it is not there any more, or about to go. */
    boolean isRemoved() {
        lock.lock();
        try {
            return removed || disk.isClosed();
        } finally {
            lock.unlock();
        }
    }

    private void requireThere() throws LoopException {
        if (removed || disk.isClosed()) {
            throw new LoopException(Errno.ENODEV, name + " has been removed");
        }
    }

    private Backing requireBound() throws LoopException {
        Backing now = backing;
        if (now == null || binding.state != LoopState.BOUND || disk.isClosed()) {
            throw unbound();
        }
        return now;
    }

    private LoopException unbound() {
        return new LoopException(Errno.ENXIO, name + " has no file");
    }

    // ---- for the driver

    @Nullable
    Backing backing() {
        return backing;
    }

    @Nullable
    LoopTransfer transfer() {
        return transfer;
    }

    /** Of the medium that it has now: no other has had the number, and none will. */
    long sequence() {
        return sequence;
    }

    /** Whether partitions are read by themselves. */
    boolean isPartScan() {
        return binding.flags.contains(LoopFlag.PARTSCAN);
    }

    /** The syncs of the file; for tests. */
    SyncLatch syncs() {
        return ((BackingFile) Objects.requireNonNull(backing)).syncs();
    }

    WorkQueue workQueue() {
        return workQueue;
    }

    /** How much would have to be undone now; for tests. */
    int undoCount() {
        return undo.count();
    }

    LoopQueue loopQueue(int queue) {
        return queues[queue];
    }

    void logFailure(Request rq, Throwable thrown) {
        LOG.log(System.Logger.Level.ERROR, name + ": " + rq + " failed", thrown);
    }

    void logSyncFailure(BackingFile file, int errno) {
        LOG.log(System.Logger.Level.ERROR, "{0}: sync of {1} failed with errno {2}; flushes fail from now on", name,
                file.path(), errno);
    }

    @Override
    public String toString() {
        Backing now = backing;
        return name
                + (now == null
                        ? " without a file"
                        : " on " + now.name() + " ("
                                + (now instanceof BackingDisk
                                        ? "a disk"
                                        : (now.isDirect() ? "direct, " : "buffered, ")
                                                + (isAio() ? queues[0].engine() : "work queue"))
                                + (transfer == null ? "" : ", " + transfer) + ", " + disk.sizeBytes() + " bytes)")
                + ", " + parameters.hardwareQueues() + " x " + parameters.depth() + " tags, "
                + (parameters.isPolled() ? "polled" : "reaper") + (disk.isClosed() ? ", closed" : "");
    }
}
