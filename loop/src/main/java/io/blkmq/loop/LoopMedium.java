package io.blkmq.loop;

import io.blkmq.aio.AioEngineProvider;
import io.blkmq.aio.AioFile;
import io.blkmq.aio.Errno;
import io.blkmq.core.Disk;
import io.blkmq.core.Operation;
import io.blkmq.core.QueueLimits;
import io.blkmq.core.driver.DeviceDescription;
import io.blkmq.loop.work.WorkQueue;
import io.blkmq.runtime.log.FailureLog;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.EnumSet;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/**
 * The medium of a device: the file or disk behind it, the function that data goes through, the size, and the limits that follow from these.
 *
 * <pre>
 *   backing's limits  --less what the transfer function cannot--&gt;  possible  --less what people ask for--&gt;  the disk's limits
 *   backing's size    --less offset and size limit------------&gt;  sectors   --in whole blocks----------&gt;  the disk's size
 * </pre>
 *
 * <p><b>A change</b> freezes the queue, so that nothing is in flight, and replaces all parts: what may fail comes first, then limits and
 * size of the disk, then backing and binding. Requests that come later find the new parts together. A change that fails leaves the old
 * parts in use and closes what it has opened. Two kinds of change differ in one thing. {@link #useAnew} takes another file or block and
 * asks anew which operations there are; {@link #use} stays with the file, and an operation that the file has turned out not to have
 * ({@link #cannot}) stays switched off.
 *
 * <p><b>Who may call.</b> All methods that change something take for granted that the caller has the device's lock, except {@link #cannot}:
 * a request in flight calls it, so the queue is not frozen meanwhile. The getters may be called by any thread. A request reads backing and
 * transfer function while it is in flight, so it sees the pair that goes together.
 */
final class LoopMedium {
    private static final System.Logger LOG = System.getLogger(LoopMedium.class.getName());

    /** Of a device without a file. Its size is 0, so nothing of it is used before another has taken its place. */
    static final QueueLimits UNBOUND_LIMITS = QueueLimits.builder().requestBytesMax(Backing.REQUEST_BYTES_MAX)
            .segmentsMax(Backing.SEGMENTS_MAX).segmentBytesMax(Backing.SEGMENT_BYTES_MAX).build();
    private static final AtomicLong SEQUENCE = new AtomicLong();

    private final Disk disk;
    private final LoopEngines engines;
    private final WorkQueue workQueue;

    /** What threads that only look see. Replaced under the lock. */
    private volatile LoopBinding binding = LoopBinding.NONE;
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
    private LimitsByHand byHand;
    /** Another one for each medium, of all devices. Written under the lock. */
    private volatile long sequence = SEQUENCE.incrementAndGet();

    LoopMedium(Disk disk, LoopParameters parameters, LoopEngines engines, WorkQueue workQueue) {
        this.disk = disk;
        this.engines = engines;
        this.workQueue = workQueue;
        this.byHand = LimitsByHand.none(parameters);
    }

    // ---- what it is

    LoopBinding binding() {
        return binding;
    }

    @Nullable
    Backing backing() {
        return backing;
    }

    @Nullable
    LoopTransfer transfer() {
        return transfer;
    }

    /** What the device could take, without regard to what people have set. */
    QueueLimits possibleLimits() {
        return possible.get();
    }

    /** The number of this medium: no other medium of any device has had it, and none will. */
    long sequence() {
        return sequence;
    }

    /** From now on it is another medium. */
    void renumber() {
        sequence = SEQUENCE.incrementAndGet();
    }

    // ---- comes and goes

    /** Opens and locks a file, direct if that is wanted and possible; one that is not there is made if that is wanted. */
    BackingFile open(LoopConfig config, Path path) throws IOException {
        if (config.createBytes() > 0) {
            engines.open();
            NewFile.make(engines.first(), path, config.createBytes());
        }
        return open(path, config.access(), config.isDirect(), config.offsetBytes(), config.blockBytes());
    }

    /** Opens and locks a file, direct if that is wanted and possible. */
    BackingFile open(Path path, AioFile.Access access, boolean direct, long offsetBytes, int blockBytes)
            throws IOException {
        engines.open();
        AioEngineProvider alone = LoopConfig.onlyEngine(path);
        if (alone != null && !alone.name().equals(engines.first().name())) {
            throw new LoopException(Errno.EINVAL, disk.name() + " has engine " + engines.first().name() + ", and "
                    + path + " is opened by engine " + alone.name() + " alone");
        }
        BackingFile opened = BackingFile.open(engines.first(), path, access, offsetBytes);
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
            FailureLog.log(LOG, System.Logger.Level.INFO,
                    () -> disk.name() + ": " + e.getMessage() + "; so it is buffered", null);
            return file.buffered();
        }
    }

    private BackingFile direct(BackingFile file, int blockBytes) throws IOException {
        BackingFile direct = file.direct(blockBytes);
        try {
            engines.tellOfMemory();
        } catch (Throwable t) {
            direct.closeFor(file);
            throw t;
        }
        return direct;
    }

    /** Binds a device that has no medium to one that has been opened. If that fails, the caller closes what it has opened. */
    void bind(LoopConfig config, Backing opened) throws IOException {
        LoopTransfer function = null;
        try {
            function = LoopTransfer.of(config);
            transfer = function;
            int block = config.blockBytes() == 0 ? opened.blockBytesMin() : config.blockBytes();
            if (block < opened.blockBytesMin()) {
                throw new LoopException(Errno.EINVAL, disk.name() + ": blocks of " + block + " bytes on "
                        + opened.name() + ", which has blocks of " + opened.blockBytesMin());
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
            }
            byHand = byHand.withRotational(null);
            useAnew(opened, new LoopBinding(LoopState.BOUND, Set.copyOf(flags), config.sizeLimitBytes(),
                    config.fileName(), block, sectors));
        } catch (Throwable t) {
            transfer = null;
            if (function != null) {
                Undo.part(disk.name(), "it gave a key up", function);
            }
            throw t;
        }
        renumber();
    }

    /** I/O fails from now on, and nothing is in flight. Returns what the caller is to close. */
    @Nullable
    Backing runDown() {
        binding = binding.in(LoopState.RUNDOWN);
        Backing old = backing;
        hasten();
        freeze();
        backing = null;
        disk.unfreeze();
        wipeTransfer();
        return old;
    }

    /** The device is about to wait for all that is in flight, and to let its file go: where the storage is away, the wait has an end. */
    void hasten() {
        if (backing instanceof BackingFile file) {
            file.io().hasten();
        }
    }

    /** The disk is closed, and nothing is in flight. Returns what the caller is to close. */
    @Nullable
    Backing takeAway() {
        Backing old = backing;
        backing = null;
        wipeTransfer();
        return old;
    }

    private void wipeTransfer() {
        LoopTransfer used = transfer;
        transfer = null;
        if (used != null) {
            Undo.part(disk.name(), "its key is wiped", used::wipe);
        }
    }

    /**
     * Nobody has the device open any more. The limits stay as they were: a bio that was let in by them, and waited, is to find that there is
     * no file, and not that the bio is wrong.
     */
    void unbind() {
        binding = LoopBinding.NONE;
        disk.queue().setCapacitySectors(0);
    }

    // ---- changes

    /** Changes what the device says of itself, and nothing that it does. */
    void rebind(LoopBinding then) {
        binding = then;
    }

    /** Takes over the size that the file has now. Returns whether it is another. */
    boolean refreshSize(Backing now) throws IOException {
        LoopBinding then = binding.of(now.capacitySectors(binding.sizeLimitBytes()));
        if (then.sectors() == binding.sectors()) {
            return false;
        }
        binding = then;
        disk.queue().setCapacitySectors(then.wholeBlockSectors());
        return true;
    }

    /** Refuses what no device can be set to. */
    void requirePossible(LoopStatus wanted) throws LoopException {
        if (wanted.offsetBytes() < 0 || wanted.sizeLimitBytes() < 0) {
            throw new LoopException(Errno.EOVERFLOW, disk.name() + ": offset " + wanted.offsetBytes()
                    + " and size limit " + wanted.sizeLimitBytes() + ": 0 to " + Long.MAX_VALUE + " are possible");
        }
        int bytes = wanted.fileName().getBytes(StandardCharsets.UTF_8).length;
        if (bytes > LoopConfig.FILE_NAME_BYTES_MAX) {
            throw new LoopException(Errno.EINVAL, disk.name() + ": file name of " + bytes + " bytes: at most "
                    + LoopConfig.FILE_NAME_BYTES_MAX + " are possible");
        }
    }

    /** The same at another offset: buffered if the file cannot do direct I/O there. */
    Backing at(Backing now, long offsetBytes) throws LoopException {
        return switch (now) {
            case BackingFile file -> {
                BackingFile moved = file.at(offsetBytes);
                yield moved.fits(offsetBytes, binding.blockBytes()) ? moved : moved.buffered();
            }
            case BackingDisk below -> below.at(offsetBytes);
        };
    }

    /** After a change: closes what the one before it had open and the next has not. */
    static void closeUnused(Backing old, Backing next) {
        if (old instanceof BackingFile file && next instanceof BackingFile other) {
            file.closeFor(other);
        }
    }

    /** Goes past the page cache, or through it. */
    void setDirect(Backing now, boolean direct) throws IOException {
        switch (now) {
            case BackingFile file -> {
                if (file.isDirect() != direct) {
                    change(file, direct ? direct(file, binding.blockBytes()) : file.buffered());
                }
            }
            case BackingDisk below -> {
                if (!direct) {
                    throw new LoopException(Errno.EINVAL,
                            disk.name() + " is on " + below.name() + ", and there is no page cache between them");
                }
            }
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

    /** Has reads and writes done by the engine, or by the work queue. */
    void setAio(Backing now, boolean aio) throws LoopException {
        if (!(now instanceof BackingFile file)) {
            throw new LoopException(Errno.EINVAL,
                    disk.name() + " is on a disk: neither engine nor work queue has part in it");
        }
        if (file.isAio() != aio) {
            use(file.by(aio), binding);
        }
    }

    /** Changes the logical block; 0 for the smallest. Returns whether it is another. */
    boolean setBlockBytes(Backing now, int bytes) throws LoopException {
        int block = bytes == 0 ? now.blockBytesMin() : bytes;
        if (!LoopConfig.isBlock(block) || (now instanceof BackingDisk && block < now.blockBytesMin())) {
            throw new LoopException(Errno.EINVAL,
                    disk.name() + ": blocks of " + bytes + " bytes: a power of two is possible, from "
                            + (now instanceof BackingDisk ? now.blockBytesMin() : QueueLimits.SECTOR_BYTES) + " to "
                            + QueueLimits.LOGICAL_BLOCK_BYTES_MAX);
        }
        if (bytes == binding.blockBytes()) {
            return false;
        }
        Backing next = now instanceof BackingFile file && !file.fits(file.offsetBytes(), block) ? file.buffered() : now;
        useAnew(next, binding.inBlocksOf(block));
        closeUnused(now, next);
        return true;
    }

    /** Puts another file or disk, which is read-only and of the same size, in the place of one. */
    void replace(Backing old, Backing next) throws IOException {
        requireLike(old, next);
        use(next, binding);
    }

    private void requireLike(Backing old, Backing next) throws IOException {
        long sectors = next.capacitySectors(binding.sizeLimitBytes());
        long before = old.capacitySectors(binding.sizeLimitBytes());
        if (sectors != before) {
            throw new LoopException(Errno.EINVAL, disk.name() + ": " + next.name() + " has " + sectors
                    + " sectors, but " + old.name() + " has " + before);
        }
        if (next instanceof BackingDisk && next.blockBytesMin() > binding.blockBytes()) {
            throw new LoopException(Errno.EINVAL, disk.name() + ": blocks of " + binding.blockBytes() + " bytes on "
                    + next.name() + ", which has blocks of " + next.blockBytesMin());
        }
    }

    /** Goes over to another backing, size and block, with nothing in flight, and asks anew what the file can do. */
    private void useAnew(Backing next, LoopBinding then) {
        freeze();
        try {
            take(limitsOn(next, then.blockBytes()), next, then);
        } finally {
            disk.unfreeze();
        }
    }

    /** The same of the file that the device has already: what has been found out about it holds on. */
    void use(Backing next, LoopBinding then) {
        freeze();
        try {
            QueueLimits now = possible.get();
            QueueLimits limits = limitsOn(next, then.blockBytes());
            take(limits.toBuilder().discardBytesMax(Math.min(limits.discardBytesMax(), now.discardBytesMax()))
                    .writeZeroesBytesMax(Math.min(limits.writeZeroesBytesMax(), now.writeZeroesBytesMax())).build(),
                    next, then);
        } finally {
            disk.unfreeze();
        }
    }

    /** Freezes the queue: also if the workers are agents, and nobody runs them. */
    private void freeze() {
        try (WorkQueue.StandIn _ = workQueue.standIn()) {
            disk.freeze();
        }
    }

    /** While the queue is frozen and nothing is in flight. */
    private void take(QueueLimits limits, Backing next, LoopBinding then) {
        // What may fail first.
        QueueLimits own = byHand.of(limits);
        possible.set(limits);
        takeLimits(own);
        disk.queue().setCapacitySectors(then.wholeBlockSectors());
        backing = next;
        binding = then;
    }

    // ---- limits

    /** What the device can take: what the backing can, less what the transfer function cannot. */
    private QueueLimits limitsOn(Backing next, int blockBytes) {
        QueueLimits limits = next.limits(blockBytes);
        return transfer == null ? limits : LoopTransfer.fit(limits);
    }

    /** Bios that wait are looked at once more where the limits are another object. */
    private void takeLimits(QueueLimits limits) {
        if (!limits.areThoseOf(disk.limits())) {
            disk.queue().setLimits(limits);
        }
    }

    /** Changes what people may change of the limits. */
    void changeLimits(UnaryOperator<LimitsByHand> change) {
        freeze();
        try {
            LimitsByHand wanted = change.apply(byHand);
            takeLimits(wanted.of(possible.get()));
            byHand = wanted;
        } finally {
            disk.unfreeze();
        }
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

    /** The file behind it, of a device that has one. */
    BackingFile file() {
        return (BackingFile) Objects.requireNonNull(backing);
    }

    /** What the device is at this time. */
    DeviceDescription describe(boolean polled) {
        Backing now = backing;
        if (now == null) {
            return new DeviceDescription("loop", "", "", "");
        }
        String mode = (now.isDirect() ? "direct" : "buffered") + (polled ? ",polled" : "")
                + (now.isWritable() ? "" : ",ro") + (transfer == null ? "" : ",transfer");
        return new DeviceDescription("loop", now.name(), mode, switch (now) {
            case BackingDisk _ -> "disk";
            case BackingFile file -> file.isAio() ? engines.first().name() : "work queue";
        });
    }

    @Override
    public String toString() {
        Backing now = backing;
        if (now == null) {
            return "without a file";
        }
        String way = switch (now) {
            case BackingDisk _ -> "a disk";
            case BackingFile file ->
                (file.isDirect() ? "direct, " : "buffered, ") + (file.isAio() ? engines.first() : "work queue");
        };
        return "on " + now.name() + " (" + way + (transfer == null ? "" : ", " + transfer) + ", " + disk.sizeBytes()
                + " bytes)";
    }
}
