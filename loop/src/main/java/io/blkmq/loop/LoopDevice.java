package io.blkmq.loop;

import io.blkmq.aio.AioFile;
import io.blkmq.aio.AioStatistics;
import io.blkmq.aio.Errno;
import io.blkmq.core.Disk;
import io.blkmq.core.PartitionListener;
import io.blkmq.core.driver.Parking;
import io.blkmq.core.driver.RequestQueue;
import io.blkmq.core.driver.TagSet;
import io.blkmq.loop.work.WorkQueue;
import io.blkmq.runtime.Registration;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
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
 * was before the series' last patch, does blocking I/O on a work queue. A device that writes locks its file against all others
 * that ask for a lock, also of other processes; one that reads locks it against those that write.
 *
 * <p>A direct device has writes with FUA ({@link io.blkmq.core.QueueLimits#hasFua}) where its engine
 * {@linkplain io.blkmq.aio.AioEngine#writesThrough writes durably}. Elsewhere, or by {@link LoopConfig.Builder#fua}, a flush follows it.
 *
 * <p>A flush that failed is remembered, and so is a write with FUA, unless there was no room for it: every later one fails too, until
 * {@link #clearSyncError} or a new attachment, since what could not be written may be lost already.
 *
 * @since 0.1.0
 */
public final class LoopDevice implements AutoCloseable {
    // The device has the lock, the handles, the events, and the order of the steps. Its parts have a state of their own: LoopMedium the file or
    // disk with size and limits, LoopEngines queues and engines, LoopPartitions what is put off, Undo the steps of the end.

    private static final int WORKERS_DEFAULT = 16;
    /**
     * Held while a device gets a disk behind it, so that no two make a circle. Not of the runtime: its holder may wait for I/O to
     * end, and those who wait for it are about to do the same. Before the device's lock.
     */
    private static final Lock STACKING = new ReentrantLock();
    /** How often the owner of a polled device polls while another thread has the device's lock. */
    private static final long LOCK_LOOK_NANOS = 50_000;

    private final String name;
    private final LoopParameters parameters;
    private final @Nullable LoopControl control;
    private final int index;
    private final LoopEvents events;
    private final Undo undo;
    private final LoopEngines engines;
    private final WorkQueue workQueue;
    private final Disk disk;
    private final LoopMedium medium;
    private final LoopPartitions partitions;

    private final Lock lock;
    /** Changed under the lock. */
    private volatile int openers;
    /** What the partitions are to be told of when the lock has been let go; null for nothing. Guarded by the lock. */
    private LoopPartitions.@Nullable Change changed;
    /** Guarded by the lock. */
    private boolean removed;
    /** Of other controls or devices, what is to be told when the lock has been let go. Guarded by the lock. */
    private final List<LoopEvents> alsoToTell = new ArrayList<>();

    /** By default as many as it takes, but one for an application that runs them. */
    private static int workers(LoopParameters parameters) {
        if (parameters.workers() != 0) {
            return parameters.workers();
        }
        return parameters.workerRunner() == null ? WORKERS_DEFAULT : 1;
    }

    /** A device without a file. */
    LoopDevice(@Nullable LoopControl control, int index, String name, LoopParameters parameters, LoopEvents events)
            throws IOException {
        this.control = control;
        this.index = index;
        this.name = name;
        this.undo = new Undo(name);
        this.parameters = parameters;
        this.events = events;
        this.lock = parameters.runtime().newLock();
        this.workQueue = new WorkQueue(parameters.runtime(), name, workers(parameters), LoopQueue::workDone,
                parameters.workerRunner());
        this.engines = new LoopEngines(name, parameters, workQueue, undo);
        AutoCloseable _ = undo.add(workQueue::stop);
        try {
            TagSet.Builder set = TagSet.builder(new LoopDriver(this)).flag(TagSet.Flag.MERGE)
                    .hardwareQueues(parameters.hardwareQueues()).depth(parameters.depth())
                    .pduBytes(LoopCommand.PDU_BYTES).runtime(parameters.runtime());
            TagSet tags = (parameters.isPolled() ? set.flag(TagSet.Flag.POLLED) : set).build();
            AutoCloseable _ = undo.add(tags);
            RequestQueue queue = tags.newQueue(name, LoopMedium.UNBOUND_LIMITS, 0, this);
            this.disk = Disk.of(queue, this::gone);
            this.medium = new LoopMedium(disk, parameters, engines, workQueue);
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
            Backing attached = Objects.requireNonNull(device.medium.backing());
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
        return medium.binding().state();
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
        return medium.backing() instanceof BackingFile file ? file.path() : null;
    }

    /**
     * The disk behind it.
     *
     * @return as given; null if there is none, or a file
     */
    public @Nullable Disk backingDisk() {
        return medium.backing() instanceof BackingDisk below ? below.disk() : null;
    }

    /**
     * Whether I/O goes past the page cache.
     *
     * @return false for a buffered device, also where direct was wanted and the file or the offset does not allow it
     */
    public boolean isDirect() {
        Backing now = medium.backing();
        return now != null && now.isDirect();
    }

    /**
     * Whether reads and writes go to the engine.
     *
     * @return false if the work queue does them, or the disk below
     */
    public boolean isAio() {
        return medium.backing() instanceof BackingFile file && file.isAio();
    }

    /**
     * What the device says of itself (LOOP_GET_STATUS).
     *
     * @return offset, limit, flags and the file's name
     * @throws LoopException with ENXIO if it has no file
     */
    public LoopStatus status() throws LoopException {
        // The backing first: it is gone before the state says so, and never the other way round.
        Backing now = medium.backing();
        LoopBinding known = medium.binding();
        if (now == null || known.state() != LoopState.BOUND) {
            throw unbound();
        }
        return new LoopStatus(now.offsetBytes(), known.sizeLimitBytes(),
                now.isDirect() ? known.flagsAnd(LoopFlag.DIRECT_IO) : known.flags(), known.fileName());
    }

    /**
     * How many writes the transfer function has transformed, each in a buffer of its own.
     *
     * @return since the attachment; 0 without a transfer function
     */
    public long transferBounces() {
        LoopTransfer used = medium.transfer();
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
    public Registration registerMBean() throws LoopException {
        begin("registerMBean");
        try {
            requireThere();
            return undo.addRegistration(LoopMBean.register(this));
        } finally {
            end();
        }
    }

    /**
     * What the engines have done so far, for this device and for others that share them.
     *
     * @return one for each hardware queue, of several queues the same if they share an engine; none before the device has its first file
     */
    public List<AioStatistics> engineStatistics() {
        return engines.statistics();
    }

    /**
     * Tells what happens to this device from now on.
     *
     * @param listener is told
     * @return closing it ends that
     */
    public Registration listen(LoopListener listener) {
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
            if (state() == LoopState.RUNDOWN) {
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
        begin("close");
        try {
            setOpeners(openers - 1);
            settleLocked();
        } finally {
            end();
        }
    }

    /** A handle is closed by a device above, with its own lock held: that tells what is to be told, of this device and of those below. */
    List<LoopEvents> releaseUntold() {
        begin("close");
        try {
            setOpeners(openers - 1);
            settleLocked();
            return takeToTell();
        } finally {
            lock.unlock();
        }
    }

    /** The last partition has been closed. */
    private void settle() {
        begin("close");
        try {
            settleLocked();
            if (state() == LoopState.BOUND) {
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
        LoopBinding now = medium.binding();
        if (now.state() == LoopState.BOUND && now.has(LoopFlag.AUTOCLEAR)) {
            runDown();
        }
        if (state() == LoopState.RUNDOWN) {
            unbind();
        }
    }

    /** Lets a backing go. With the lock, so nothing is told of the device below before it is let go. */
    private void close(Backing old) {
        old.close();
        if (old instanceof BackingDisk below) {
            alsoToTell.addAll(below.closed());
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
                medium.rebind(medium.binding().with(LoopFlag.AUTOCLEAR));
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
        letGo(medium.runDown());
    }

    private void letGo(@Nullable Backing old) {
        if (old != null) {
            Undo.part(name, "its file is let go", () -> close(old));
        }
    }

    /** Nobody has it open any more. */
    private void unbind() {
        medium.unbind();
        partitions.gone();
        medium.renumber();
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
        config.requireSuits(name, parameters);
        requireNoCompletion("configure");
        boolean stacks = config.disk() != null;
        if (stacks) {
            Parking.lock(STACKING);
        }
        try {
            begin("configure");
            try {
                requireThere();
                if (state() != LoopState.UNBOUND) {
                    throw new LoopException(Errno.EBUSY, name + " has a file: " + this);
                }
                engines.renew();
                boolean fresh = !engines.areOpen();
                try {
                    bind(config, open(config));
                } catch (Throwable t) {
                    if (fresh) {
                        engines.giveUp();
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

    private Backing open(LoopConfig config) throws IOException {
        Disk below = config.disk();
        return below != null
                ? BackingDisk.open(this, below, config.isReadOnly(), config.offsetBytes())
                : medium.open(config, Objects.requireNonNull(config.file()));
    }

    private void bind(LoopConfig config, Backing opened) throws IOException {
        try {
            medium.bind(config, opened);
        } catch (Throwable t) {
            close(opened);
            throw t;
        }
        scanAfter("the attachment");
        events.note(LoopEvent.Kind.ATTACH, this);
    }

    // ---- changes

    /** Changes what people may change of the limits. */
    void changeLimits(UnaryOperator<LimitsByHand> change) throws LoopException {
        begin("changeLimits");
        try {
            requireThere();
            medium.changeLimits(change);
        } finally {
            end();
        }
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
            medium.requirePossible(wanted);
            LoopBinding before = medium.binding();
            LoopBinding then = before.wanted(wanted.flags()).called(wanted.sizeLimitBytes(), wanted.fileName());
            if (wanted.offsetBytes() == now.offsetBytes() && wanted.sizeLimitBytes() == before.sizeLimitBytes()) {
                medium.rebind(then);
                if (!before.has(LoopFlag.PARTSCAN)) {
                    scanAfter("the change of its flags");
                }
                return;
            }
            Backing next = medium.at(now, wanted.offsetBytes());
            medium.use(next, then.of(next.capacitySectors(wanted.sizeLimitBytes())));
            if (medium.binding().sectors() != before.sectors()) {
                events.note(LoopEvent.Kind.RESIZE, this);
            }
            LoopMedium.closeUnused(now, next);
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
            if (medium.refreshSize(requireBound())) {
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
            medium.setDirect(requireBound(), direct);
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
            medium.setAio(requireBound(), aio);
        } finally {
            end();
        }
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
            if (medium.setBlockBytes(requireBound(), bytes)) {
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
        changeBacking("changeBackingFile", old -> medium.open(file, AioFile.Access.READ_ONLY, old.isDirect(),
                old.offsetBytes(), medium.binding().blockBytes()));
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
            if (!medium.binding().has(LoopFlag.READ_ONLY)) {
                throw new LoopException(Errno.EINVAL,
                        name + " is writable: only the file of a read-only device can be changed");
            }
            Backing next = opener.open(old);
            try {
                medium.replace(old, next);
            } catch (Throwable t) {
                close(next);
                throw t;
            }
            close(old);
            medium.renumber();
            events.note(LoopEvent.Kind.CHANGE, this);
            otherTableAfter("the change of its file");
        } finally {
            end();
        }
    }

    /** Forgets that a flush failed. What it should have made durable stays unknown. */
    public void clearSyncError() {
        if (medium.backing() instanceof BackingFile file) {
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

    /** Claims the device for who removes it: nobody opens it or gives it a file any more. */
    void beginRemoval() throws LoopException {
        begin("remove");
        try {
            requireThere();
            if (state() != LoopState.UNBOUND || openers() > 0) {
                throw new LoopException(Errno.EBUSY,
                        name + " cannot be removed: " + state() + ", " + openers() + " handles open");
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
            Backing old = medium.takeAway();
            if (state() != LoopState.UNBOUND) {
                unbind();
            }
            undo.run();
            letGo(old);
            engines.close();
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
            int _ = disk.queue().pollInFlight();
            Parking.parkNanos(parameters.runtime(), this, LOCK_LOOK_NANOS);
        }
    }

    /** Lets the lock go, and then tells what has happened, and reads the partitions if they may be others now. */
    private void end() {
        LoopPartitions.Change due = changed;
        changed = null;
        List<LoopEvents> told = takeToTell();
        lock.unlock();
        if (due != null) {
            partitions.after(due);
        }
        told.forEach(LoopEvents::tell);
    }

    private List<LoopEvents> takeToTell() {
        List<LoopEvents> told = new ArrayList<>(List.of(events));
        told.addAll(alsoToTell);
        alsoToTell.clear();
        return told;
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
        Backing now = medium.backing();
        if (now == null || state() != LoopState.BOUND || disk.isClosed()) {
            throw unbound();
        }
        return now;
    }

    private LoopException unbound() {
        return new LoopException(Errno.ENXIO, name + " has no file");
    }

    // ---- for the driver

    LoopMedium medium() {
        return medium;
    }

    /** Whether partitions are read by themselves. */
    boolean isPartScan() {
        return medium.binding().has(LoopFlag.PARTSCAN);
    }

    /** The syncs of the file; for tests. */
    SyncLatch syncs() {
        return medium.file().syncs();
    }

    WorkQueue workQueue() {
        return workQueue;
    }

    /** How much would have to be undone now; for tests. */
    int undoCount() {
        return undo.count();
    }

    LoopQueue loopQueue(int queue) {
        return engines.queues()[queue];
    }

    @Override
    public String toString() {
        return name + " " + medium + ", " + parameters.hardwareQueues() + " x " + parameters.depth() + " tags, "
                + (parameters.isPolled() ? "polled" : "reaper") + (disk.isClosed() ? ", closed" : "");
    }
}
