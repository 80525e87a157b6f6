package io.blkmq.core;

import io.blkmq.core.driver.DeviceDescription;
import io.blkmq.core.driver.RequestQueue;
import io.blkmq.core.mq.DeviceQueue;
import io.blkmq.core.mq.SectorRange;
import io.blkmq.runtime.IoBuffer;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.AsynchronousFileChannel;
import java.nio.channels.FileChannel;
import java.nio.file.OpenOption;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.Executor;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;

/**
 * A block device, as its user holds it. The kernel's counterpart is {@code struct gendisk} with its device node. Thread-safe.
 *
 * <p>There are four forms of I/O. A caller-owned {@link Bio}, submitted alone or through a {@link Plug}, allocates nothing and is
 * the fastest; its addresses are sectors of 512 bytes. The blocking calls, the futures ({@link #async}) and the callbacks take byte
 * offsets, make a bio each, and cut, bounce and fall back where necessary.
 *
 * <p>On a polled disk nobody but the thread that submits finds completions: the blocking calls poll by themselves, and with the other
 * forms the thread calls {@link #poll}. A device may keep each hardware context for the thread that used it first, as a polled loop
 * device does; another thread's call is refused with {@link WrongThreadException}, and nothing of it has been submitted.
 *
 * <p>Offsets and lengths are multiples of the logical block size ({@link #limits()}). {@link #openChannel} gives a view that takes
 * any.
 *
 * <p><b>Refusals.</b> What is wrong with a call itself is told by the call, whatever its form, before anything has been submitted:
 * {@link IllegalArgumentException} for an offset or a length that is negative, 0 or no multiple of the logical block, and for one piece of memory of 2 GiB
 * or more; {@link IndexOutOfBoundsException} past the end of the disk; {@link UnsupportedOperationException} for a write to a disk that is read-only;
 * {@link IllegalStateException} if the disk is closed, or for a call inside of a completion that would have to wait. What fails afterwards is a {@link BlockIOException}, or a
 * {@link Status}.
 *
 * <p>An interrupt does not end a blocking call of which something has been submitted, because the memory is the device's
 * until the operation has ended. A call that still waits for a tag, or at a frozen disk, ends with {@link Status#INTR}
 * then, and has changed nothing. The interrupt is kept in both cases.
 *
 * @since 0.1.0
 */
public final class Disk extends DiskSectors implements AutoCloseable {
    private final @Nullable AutoCloseable resources;
    private final AtomicBoolean closed = new AtomicBoolean();
    private final long createdNanos;
    private final AsyncDisk async;
    /** None of a partition. */
    private final @Nullable Partitions partitions;

    private Disk(DeviceQueue queue, @Nullable SectorRange range, BlockRangeLock blockLock,
            @Nullable AutoCloseable resources) {
        super(queue, range, blockLock);
        this.resources = resources;
        this.async = new AsyncDisk(this);
        this.partitions = range == null ? new Partitions(this) : null;
        this.createdNanos = queue.tagSet().runtime().nanoTime();
    }

    /**
     * The disk of a queue, made by the driver.
     *
     * @param queue the device's queue; closed with the disk
     * @param resources what the driver wants closed after the queue, its tag set for one; may be null
     * @return the disk
     */
    public static Disk of(RequestQueue queue, @Nullable AutoCloseable resources) {
        DeviceQueue own = (DeviceQueue) queue;
        Disk disk = new Disk(own, null, newBlockLock(own), resources);
        LiveDisks.add(disk);
        return disk;
    }

    /**
     * The whole devices of this process that are open, the oldest first. A device that nobody holds any more may be missing.
     *
     * @return at this time
     */
    public static List<Disk> live() {
        return LiveDisks.all();
    }

    // ---- partitions

    /**
     * A part of this disk as a disk of its own, on the same queue: its offsets and sectors begin with 0, nothing of this disk outside
     * of it can be reached through it, and its limits are as they are from its beginning on ({@link QueueLimits#misalignment()} says if
     * the blocks do not fit). All else is this disk's: contexts, tags, polling, freeze, write cache. The kernel's counterpart is what
     * {@code BLKPG_ADD_PARTITION} makes.
     *
     * <p>It ends with this disk, if that becomes smaller. Closing it leaves this disk open; closing this disk closes it.
     *
     * @param name for people and messages
     * @param startBytes where on this disk it begins, in whole logical blocks
     * @param sizeBytes its size, in whole logical blocks
     * @return a new disk; partitions may overlap
     * @throws IllegalArgumentException if it is empty, does not begin or end with a logical block, or is not within this disk
     * @throws UnsupportedOperationException if this disk is a partition
     * @throws IllegalStateException if this disk is closed
     */
    public Disk partition(String name, long startBytes, long sizeBytes) {
        return partition(name, startBytes, sizeBytes, null);
    }

    /**
     * A partition.
     *
     * @param resources what is closed after it; may be null
     */
    Disk partition(String name, long startBytes, long sizeBytes, @Nullable AutoCloseable resources) {
        SectorRange part = range;
        if (part != null) {
            throw new UnsupportedOperationException(
                    name + ": " + part.name() + " is a partition itself, of " + queue.name() + ", and cannot have any");
        }
        if ((startBytes | sizeBytes) % QueueLimits.SECTOR_BYTES != 0) {
            throw new IllegalArgumentException(name + ": " + sizeBytes + " bytes from offset " + startBytes
                    + ": not in whole sectors of " + QueueLimits.SECTOR_BYTES + " bytes");
        }
        SectorRange made = SectorRange.of(queue, name, startBytes / QueueLimits.SECTOR_BYTES,
                sizeBytes / QueueLimits.SECTOR_BYTES);
        return new Disk(queue, made, blockLock, resources);
    }

    /**
     * The partitions that its partition table says, once {@link Partitions#rescan} has read it.
     *
     * @return always the same
     * @throws UnsupportedOperationException if this disk is a partition
     */
    public Partitions partitions() {
        Partitions all = partitions;
        if (all == null) {
            throw new UnsupportedOperationException(name() + " is a partition itself, of " + queue.name());
        }
        return all;
    }

    /**
     * Where on its device it begins.
     *
     * @return bytes; 0 unless it is a partition
     */
    @Override
    public long startBytes() {
        SectorRange part = range;
        return part == null ? 0 : part.startSector() * QueueLimits.SECTOR_BYTES;
    }

    /**
     * Whether it is a part of its device.
     *
     * @return true if {@link #partition} made it
     */
    public boolean isPartition() {
        return range != null;
    }

    // ---- bios

    /**
     * Submits a bio through the calling thread's context. It is the device's until its completion runs, which may be before this
     * method returns. Waits for a tag, and while the disk is frozen, unless the bio says {@link Bio#NOWAIT}. An interrupt
     * ends that wait, and the bio with {@link Status#INTR}, if nothing of it has been submitted yet; it is kept for the
     * caller.
     *
     * @param bio an idle bio
     * @throws IllegalArgumentException if it is empty, unaligned, negative or contradicts itself, or its memory can be used by
     *         one thread only
     * @throws IndexOutOfBoundsException if it reaches past the end
     * @throws UnsupportedOperationException if it writes to a read-only disk
     * @throws IllegalStateException if it is in flight, or the disk is closed
     */
    @Override
    public void submit(Bio bio) {
        submit(bio, queue.contextOfCurrentThread());
    }

    /**
     * Submits a bio through a context of the caller's choice, and so through that context's hardware queue.
     *
     * @param bio an idle bio
     * @param context from 0 to {@link #contexts()} - 1
     * @see #submit(Bio)
     */
    public void submit(Bio bio, int context) {
        submit(bio, queue.context(context));
    }

    /**
     * A plug for the calling thread's context.
     *
     * @return a new plug
     */
    @Override
    public Plug plug() {
        return new Plug(queue, queue.contextOfCurrentThread(), range);
    }

    /**
     * A plug for a context of the caller's choice.
     *
     * @param context from 0 to {@link #contexts()} - 1
     * @return a new plug
     */
    public Plug plug(int context) {
        return new Plug(queue, queue.context(context), range);
    }

    /**
     * Looks for completions on a polled disk and tells them on the calling thread. Never waits.
     *
     * @return how many were found; 0 on a disk that is not polled
     */
    @Override
    public int poll() {
        return queue.poll(queue.contextOfCurrentThread());
    }

    /**
     * Looks for completions of a context's hardware queue.
     *
     * @param context from 0 to {@link #contexts()} - 1
     * @return how many were found
     * @see #poll()
     */
    public int poll(int context) {
        return queue.poll(queue.context(context));
    }

    /**
     * How many ways in there are. Threads are spread over them; one that wants a hardware queue for itself names its context.
     *
     * @return a power of two, at least the number of hardware queues
     */
    public int contexts() {
        return queue.contexts();
    }

    // ---- blocking

    /**
     * Reads and waits.
     *
     * @param offset where on the disk, in bytes
     * @param memory is filled
     * @throws BlockIOException if it fails
     */
    public void read(long offset, MemorySegment memory) throws BlockIOException {
        transfer(Operation.READ, offset, memory, 0);
    }

    /**
     * Reads and waits.
     *
     * @param offset where on the disk, in bytes
     * @param buffer is filled from its position to its limit; the position is the limit afterwards
     * @throws BlockIOException if it fails; the position is unchanged then
     */
    public void read(long offset, ByteBuffer buffer) throws BlockIOException {
        transfer(Operation.READ, offset, MemorySegment.ofBuffer(buffer), 0);
        buffer.position(buffer.limit());
    }

    /**
     * Writes and waits.
     *
     * @param offset where on the disk, in bytes
     * @param memory what to write
     * @throws BlockIOException if it fails
     */
    public void write(long offset, MemorySegment memory) throws BlockIOException {
        transfer(Operation.WRITE, offset, memory, 0);
    }

    /**
     * Writes and waits.
     *
     * @param offset where on the disk, in bytes
     * @param memory what to write
     * @param flags {@link Bio#FUA} for a write that is durable when this returns, {@link Bio#PREFLUSH}
     * @throws BlockIOException if it fails
     */
    public void write(long offset, MemorySegment memory, int flags) throws BlockIOException {
        transfer(Operation.WRITE, offset, memory, flags);
    }

    /**
     * Writes and waits.
     *
     * @param offset where on the disk, in bytes
     * @param buffer is written from its position to its limit; the position is the limit afterwards
     * @throws BlockIOException if it fails; the position is unchanged then
     */
    public void write(long offset, ByteBuffer buffer) throws BlockIOException {
        write(offset, buffer, 0);
    }

    /**
     * Writes and waits.
     *
     * @param offset where on the disk, in bytes
     * @param buffer is written from its position to its limit; the position is the limit afterwards
     * @param flags {@link Bio#FUA} for a write that is durable when this returns, {@link Bio#PREFLUSH}
     * @throws BlockIOException if it fails; the position is unchanged then
     */
    public void write(long offset, ByteBuffer buffer, int flags) throws BlockIOException {
        transfer(Operation.WRITE, offset, MemorySegment.ofBuffer(buffer), flags);
        buffer.position(buffer.limit());
    }

    /**
     * Reads one range of the disk into several pieces of memory, one behind the other, and waits. It is one I/O. Their sum is whole
     * blocks; each of them may have any length, but what is not aligned as the device needs is copied once.
     *
     * @param offset where on the disk, in bytes
     * @param memory is filled, in the order of the list; up to 1024 pieces
     * @throws BlockIOException if it fails
     * @throws IllegalArgumentException also if a piece is empty or overlaps another
     */
    public void read(long offset, List<MemorySegment> memory) throws BlockIOException {
        BlockingIo.transfer(this, Operation.READ, offset, MemoryRow.of(Operation.READ, memory), 0);
    }

    /**
     * Reads one range of the disk into several buffers and waits.
     *
     * @param offset where on the disk, in bytes
     * @param buffers are filled from their positions to their limits, in this order; the positions are the limits afterwards
     * @throws BlockIOException if it fails; the positions are unchanged then
     * @see #read(long, List)
     */
    public void read(long offset, ByteBuffer[] buffers) throws BlockIOException {
        ByteBuffer[] mine = buffers.clone();
        BlockingIo.transfer(this, Operation.READ, offset, MemoryRow.of(Operation.READ, mine), 0);
        moveToLimits(mine);
    }

    /**
     * Writes several pieces of memory, one behind the other, to one range of the disk, and waits. It is one I/O.
     *
     * @param offset where on the disk, in bytes
     * @param memory what to write, in the order of the list; up to 1024 pieces
     * @param flags {@link Bio#FUA} for a write that is durable when this returns, {@link Bio#PREFLUSH}; 0 for neither
     * @throws BlockIOException if it fails
     * @see #read(long, List)
     */
    public void write(long offset, List<MemorySegment> memory, int flags) throws BlockIOException {
        BlockingIo.transfer(this, Operation.WRITE, offset, MemoryRow.of(Operation.WRITE, memory), flags);
    }

    /**
     * Writes several buffers to one range of the disk, and waits.
     *
     * @param offset where on the disk, in bytes
     * @param buffers are written from their positions to their limits, in this order; the positions are the limits afterwards
     * @throws BlockIOException if it fails; the positions are unchanged then
     */
    public void write(long offset, ByteBuffer[] buffers) throws BlockIOException {
        ByteBuffer[] mine = buffers.clone();
        BlockingIo.transfer(this, Operation.WRITE, offset, MemoryRow.of(Operation.WRITE, mine), 0);
        moveToLimits(mine);
    }

    private static void moveToLimits(ByteBuffer[] buffers) {
        for (ByteBuffer buffer : buffers) {
            buffer.position(buffer.limit());
        }
    }

    /**
     * Makes all writes durable that were acknowledged before.
     *
     * @throws BlockIOException if it fails: nothing is known about those writes then
     */
    public void flush() throws BlockIOException {
        BlockingIo.run(this, Operation.FLUSH, 0, 0, 0);
    }

    /**
     * Tells the device that a range is no longer needed. What it reads as afterwards is the device's choice.
     *
     * @param offset where on the disk, in bytes
     * @param bytes how long
     * @throws BlockIOException with {@link Status#NOTSUPP} if the device has no discard, or if it fails
     */
    public void discard(long offset, long bytes) throws BlockIOException {
        BlockingIo.run(this, Operation.DISCARD, offset, bytes, 0);
    }

    /**
     * Makes a range read as zeroes; by writing them where the device has no shorter way.
     *
     * @param offset where on the disk, in bytes
     * @param bytes how long
     * @param keepAllocated whether the range's blocks must stay allocated
     * @throws BlockIOException if it fails
     */
    public void writeZeroes(long offset, long bytes, boolean keepAllocated) throws BlockIOException {
        BlockingIo.run(this, Operation.WRITE_ZEROES, offset, bytes, keepAllocated ? Bio.NOUNMAP : 0);
    }

    private void transfer(Operation operation, long offset, MemorySegment memory, int flags) throws BlockIOException {
        BlockingIo.transfer(this, operation, offset, memory, flags);
    }

    // ---- callbacks

    /**
     * Reads.
     *
     * @param offset where on the disk, in bytes
     * @param memory is filled; the device's until the completion runs
     * @param completion is told once
     */
    public void read(long offset, MemorySegment memory, IoCompletion completion) {
        start(Operation.READ, offset, memory, 0, completion);
    }

    /**
     * Writes.
     *
     * @param offset where on the disk, in bytes
     * @param memory what to write; the device's until the completion runs
     * @param completion is told once
     */
    public void write(long offset, MemorySegment memory, IoCompletion completion) {
        start(Operation.WRITE, offset, memory, 0, completion);
    }

    /**
     * Writes.
     *
     * @param offset where on the disk, in bytes
     * @param memory what to write; the device's until the completion runs
     * @param flags {@link Bio#FUA} for a write that is durable when it is told, {@link Bio#PREFLUSH}
     * @param completion is told once
     */
    public void write(long offset, MemorySegment memory, int flags, IoCompletion completion) {
        start(Operation.WRITE, offset, memory, flags, completion);
    }

    /**
     * Reads one range of the disk into several pieces of memory.
     *
     * @param offset where on the disk, in bytes
     * @param memory is filled, in the order of the list; the device's until the completion runs
     * @param completion is told once
     * @see #read(long, List)
     */
    public void read(long offset, List<MemorySegment> memory, IoCompletion completion) {
        start(Operation.READ, offset, MemoryRow.of(Operation.READ, memory), 0, completion);
    }

    /**
     * Writes several pieces of memory to one range of the disk.
     *
     * @param offset where on the disk, in bytes
     * @param memory what to write, in the order of the list; the device's until the completion runs
     * @param flags {@link Bio#FUA} for a write that is durable when it is told, {@link Bio#PREFLUSH}
     * @param completion is told once
     * @see #write(long, List, int)
     */
    public void write(long offset, List<MemorySegment> memory, int flags, IoCompletion completion) {
        start(Operation.WRITE, offset, MemoryRow.of(Operation.WRITE, memory), flags, completion);
    }

    /**
     * Makes all writes durable that were acknowledged before.
     *
     * @param completion is told once
     */
    public void flush(IoCompletion completion) {
        start(Operation.FLUSH, 0, 0, 0, completion);
    }

    /**
     * Tells the device that a range is no longer needed.
     *
     * @param offset where on the disk, in bytes
     * @param bytes how long
     * @param completion is told once
     */
    public void discard(long offset, long bytes, IoCompletion completion) {
        start(Operation.DISCARD, offset, bytes, 0, completion);
    }

    /**
     * Makes a range read as zeroes; by writing them where the device has no shorter way.
     *
     * @param offset where on the disk, in bytes
     * @param bytes how long
     * @param keepAllocated whether the range's blocks must stay allocated
     * @param completion is told once
     */
    public void writeZeroes(long offset, long bytes, boolean keepAllocated, IoCompletion completion) {
        start(Operation.WRITE_ZEROES, offset, bytes, keepAllocated ? Bio.NOUNMAP : 0, completion);
    }

    @Override
    void startZeroes(long offset, long bytes, int flags, IoCompletion completion) {
        ZeroOut.start(this, offset, bytes, flags, completion);
    }

    // ---- futures

    /**
     * The operations of this disk as futures.
     *
     * @return always the same
     */
    public AsyncDisk async() {
        return async;
    }

    // ---- from disk to disk

    /**
     * Starts a transfer of a range to another disk, or to another place of this one. Several pieces are on their way at a time, so a
     * failed transfer may have written any of them.
     *
     * @param offset where on this disk, in bytes
     * @param bytes how long; whole blocks of both disks
     * @param target where to
     * @param targetOffset where there, in bytes
     * @param options how
     * @return to wait for it ({@link DiskTransfer#await}), follow it or call it off
     * @throws IllegalArgumentException if the range is no whole blocks of both, or overlaps the target's on the same disk
     * @throws IndexOutOfBoundsException if it reaches past the end of either disk
     * @throws UnsupportedOperationException if the target is read-only
     */
    public DiskTransfer startTransfer(long offset, long bytes, Disk target, long targetOffset,
            TransferOptions options) {
        return DiskTransfer.start(this, offset, bytes, target, targetOffset, options);
    }

    /**
     * Starts a copy of all of this disk to the beginning of another. Their block sizes may differ. What the target has more than this
     * disk stays as it is.
     *
     * @param target where to
     * @param options how
     * @return to wait for it ({@link DiskTransfer#await}), follow it or call it off
     * @throws IllegalArgumentException if the target is smaller, or shares blocks with this disk
     * @throws UnsupportedOperationException if the target is read-only
     */
    public DiskTransfer startCopy(Disk target, TransferOptions options) {
        return DiskTransfer.startAll(this, target, options);
    }

    // ---- the rest

    /**
     * What the disk has done, counted since it was made, unless {@link RequestQueue#setIostats} has turned that off. A partition has
     * the figures of its whole device.
     *
     * @return the counters as they are now; any thread, at any time
     */
    public DiskStatistics statistics() {
        return new DiskStatistics(queue);
    }

    /**
     * A view of the disk as a file of fixed size, for code that knows nothing of block devices. It takes any offset, length and
     * memory. Closing it leaves the disk open.
     *
     * <p>It answers as a device node does: a read at the end finds the end, a write there fails for want of space, either across the
     * end is shortened, and it cannot be truncated. It cannot be mapped. What is smaller than a block is read, changed and written
     * under a lock on the block, which all channels of the disk share: two that write different bytes of a block lose nothing.
     *
     * <p>On a polled disk each operation polls until it has ended, on the thread that called it. Where that is not the thread which the
     * disk belongs to, it throws {@link WrongThreadException} and the channel stays open.
     *
     * @param options {@link java.nio.file.StandardOpenOption#READ}, {@code WRITE}, {@code SYNC} and {@code DSYNC}: with the last two,
     *        each write is durable when it returns. With neither {@code READ} nor {@code WRITE} all is allowed that the disk allows
     * @return a new channel
     * @throws UnsupportedOperationException for any other option, and for {@code WRITE} if the disk is read-only
     */
    public FileChannel openChannel(OpenOption... options) {
        return new DiskChannel(DeviceNode.open(this, options));
    }

    /**
     * A view of the disk as a file of fixed size whose operations hold no thread, for code that knows nothing of block devices. It
     * answers as {@link #openChannel} does.
     *
     * <p>Handlers run on the thread that found the completion, and like a completion they must not block on a disk
     * ({@link BioCompletion}). What ends within the call that began it, or because the channel is closed, is told on a virtual thread that
     * the channel has for that, one after the other. The same rules hold there.
     *
     * <p>On a polled disk the end of an operation is found by the thread that began it, when it waits for a {@code Future} of the
     * channel, or calls {@link #poll}: no handler runs unless it does. Where that is not the thread which the disk belongs to, the
     * operation fails with {@link WrongThreadException}.
     *
     * @param options as for {@link #openChannel}
     * @return a new channel
     * @throws UnsupportedOperationException as {@link #openChannel}
     */
    public AsynchronousFileChannel openAsynchronousChannel(OpenOption... options) {
        return new AsyncDiskChannel(DeviceNode.open(this, options), null);
    }

    /**
     * The same, with handlers that run elsewhere and may block.
     *
     * @param handlers runs them
     * @param options as for {@link #openChannel}
     * @return a new channel
     * @throws UnsupportedOperationException as {@link #openChannel}
     */
    public AsynchronousFileChannel openAsynchronousChannel(Executor handlers, OpenOption... options) {
        return new AsyncDiskChannel(DeviceNode.open(this, options), Objects.requireNonNull(handlers, "handlers"));
    }

    /**
     * Memory that goes to the device without a copy. Its content is undefined.
     *
     * @param bytes its size, 1 to 1 GiB
     * @return a buffer, to be closed by the caller
     * @throws IllegalArgumentException for any other size
     * @throws OutOfMemoryError as {@link IoBuffer#allocate}, with the bound that was met
     */
    public IoBuffer allocate(long bytes) {
        return IoBuffer.allocate(bytes);
    }

    /**
     * Stops new I/O and waits until none is in flight; on a partition that of the whole device. Nestable.
     *
     * @throws IllegalStateException if called by a completion
     */
    public void freeze() {
        queue.freeze();
    }

    /** Takes one {@link #freeze} back. */
    public void unfreeze() {
        queue.unfreeze();
    }

    /**
     * Its name.
     *
     * @return for people
     */
    @Override
    public String name() {
        SectorRange part = range;
        return part == null ? queue.name() : part.name();
    }

    /**
     * Its size.
     *
     * @return bytes; those of a partition that its device has now
     */
    @Override
    public long sizeBytes() {
        SectorRange part = range;
        return (part == null ? queue.capacitySectors() : part.capacitySectors()) * QueueLimits.SECTOR_BYTES;
    }

    /**
     * What it can take in one request.
     *
     * @return the limits now
     */
    @Override
    public QueueLimits limits() {
        SectorRange part = range;
        return part == null ? queue.limits() : part.limits();
    }

    /**
     * Its queue.
     *
     * @return for those who know blk-mq; a partition's is that of the whole device
     */
    @Override
    public RequestQueue queue() {
        return queue;
    }

    /**
     * When it was made, by the clock of its runtime: what {@link DiskStatistics#atNanos} is compared with.
     *
     * @return nanoseconds
     */
    public long createdNanos() {
        return createdNanos;
    }

    /**
     * What it is: the driver's word for people.
     *
     * @return at this time
     * @throws NullPointerException if the driver has no answer
     */
    public DeviceDescription description() {
        return Objects.requireNonNull(queue.tagSet().driver().describe(queue),
                () -> "the driver of " + name() + " has described it by null");
    }

    /**
     * Whether it has been closed.
     *
     * @return true from {@link #close} on; for a partition also from that of its device on
     */
    @Override
    public boolean isClosed() {
        SectorRange part = range;
        return part == null ? closed.get() : part.isClosed();
    }

    /**
     * Refuses new I/O, waits for what is in flight, and frees the device; a partition leaves the device as it is. It does not flush.
     * Closing again does nothing.
     *
     * @throws IllegalStateException if called by a completion
     */
    @Override
    public void close() {
        queue.requireNoCompletion("close");
        if (!closed.compareAndSet(false, true)) {
            return;
        }
        SectorRange part = range;
        if (part == null) {
            LiveDisks.remove(this);
            queue.close();
            partitions().diskClosed();
        } else {
            part.close();
        }
        AutoCloseable driver = resources;
        if (driver != null) {
            try {
                driver.close();
            } catch (Exception e) {
                throw new IllegalStateException("the driver of " + name() + " could not be closed", e);
            }
        }
    }

    @Override
    public String toString() {
        return name() + " (" + sizeBytes() + " bytes" + (limits().isReadOnly() ? ", read-only" : "")
                + (isClosed() ? ", closed" : "") + ")";
    }
}
