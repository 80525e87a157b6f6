package io.blkmq.core;

import io.blkmq.core.driver.CompletionBatch;
import io.blkmq.core.driver.Parking;
import io.blkmq.core.mq.DeviceQueue;
import io.blkmq.runtime.IoBuffer;
import io.blkmq.runtime.IoRuntime;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.channels.AsynchronousFileChannel;
import java.nio.channels.CompletionHandler;
import java.util.Comparator;
import java.util.Set;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.Lock;
import org.jspecify.annotations.Nullable;

/**
 * A transfer, under way, of a range from one disk to another, or to another place of the same disk. Thread-safe.
 *
 * <p>The range is cut into pieces. A few slots each read a piece, write it, and take the next piece that no slot has begun. Pieces may be
 * written in any order. After the first error, or {@link #cancel}, no slot begins another piece. The transfer ends when the last slot has
 * stopped, so nothing of it is in flight afterwards.
 *
 * <p>The completions of a piece carry the transfer on. Where a polled disk takes part, only {@link #await} and {@link #poll} do, because
 * on such a disk one thread submits and finds all I/O. It must be the thread that started the transfer.
 *
 * @since 0.1.0
 */
public final class DiskTransfer {
    /** How long {@link #await} looks at one of two disks before it looks at the other. */
    private static final long LOOK_NANOS = 1_000_000;

    /** Runs of zeroes are looked for in units of this, or of the target's blocks where those are larger. */
    private static final int ZERO_RUN_BYTES = 4096;

    private final DiskSectors source;
    private final DiskSectors target;
    private final long from;
    private final long to;
    private final long bytes;
    private final TransferOptions options;
    private final IoRuntime runtime;
    /** Slots whose next step somebody has to call; only where a polled disk takes part. */
    private final @Nullable ConcurrentLinkedQueue<Slot> ready;
    private final CompletableFuture<Void> end = new WaitingFuture<>();
    /** Why it did not end well, or null. Written before its end, read after it. */
    private @Nullable Throwable endedWith;
    /** Threads in {@link #await}. A waiter enters and looks at the end; who ends the transfer does so and looks at the waiters. */
    private final Set<Thread> waiters = ConcurrentHashMap.newKeySet();

    private final Lock lock;
    /** Guarded by the lock, as all that follows. */
    private long begun;
    private long done;
    private long told;
    private boolean telling;
    private boolean cancelled;
    private int slots;
    private @Nullable Throwable failure;
    /** For a last block that is covered in part. */
    private @Nullable AsynchronousFileChannel channel;

    private DiskTransfer(DiskSectors source, long from, long bytes, DiskSectors target, long to,
            TransferOptions options) {
        this.source = source;
        this.from = from;
        this.bytes = bytes;
        this.target = target;
        this.to = to;
        this.options = options;
        this.runtime = target.queue().tagSet().runtime();
        this.lock = runtime.newLock();
        this.ready = source.queue().tagSet().isPolled() || target.queue().tagSet().isPolled()
                ? new ConcurrentLinkedQueue<>()
                : null;
    }

    /** Starts a transfer of whole blocks of both disks. */
    static DiskTransfer start(DiskSectors source, long from, long bytes, DiskSectors target, long to,
            TransferOptions options) {
        requireBlocks(source, "source", from, bytes);
        requireBlocks(target, "target", to, bytes);
        requireWithin(source, "source", from, bytes);
        requireWithin(target, "target", to, bytes);
        requireWritable(target);
        requireApart(source, from, target, to, bytes);
        return new DiskTransfer(source, from, bytes, target, to, options).begin();
    }

    /** Starts a transfer of all of a disk. The blocks of the target may be larger: the last one is changed in part then. */
    static DiskTransfer startAll(DiskSectors source, DiskSectors target, TransferOptions options) {
        long bytes = source.sizeBytes() & -source.limits().logicalBlockBytes();
        long room = target.sizeBytes() & -target.limits().logicalBlockBytes();
        if (source.equals(target)) {
            throw new IllegalArgumentException("copy of " + source.name() + " to itself");
        }
        if (bytes > room) {
            throw new IllegalArgumentException("copy of " + source.name() + " with " + bytes + " bytes to "
                    + target.name() + " with " + room + " bytes: the target is smaller");
        }
        requireWritable(target);
        requireApart(source, 0, target, 0, bytes);
        return new DiskTransfer(source, 0, bytes, target, 0, options).begin();
    }

    private static void requireBlocks(DiskSectors disk, String role, long offset, long bytes) {
        int block = disk.limits().logicalBlockBytes();
        if (offset < 0 || bytes <= 0 || ((offset | bytes) & (block - 1)) != 0) {
            throw new IllegalArgumentException("transfer of " + bytes + " bytes at offset " + offset + " of the " + role
                    + " " + disk.name() + ": not blocks of " + block + " bytes");
        }
    }

    private static void requireWithin(DiskSectors disk, String role, long offset, long bytes) {
        long size = disk.sizeBytes();
        if (offset > size - bytes) {
            throw new IndexOutOfBoundsException("transfer of " + bytes + " bytes at offset " + offset + " of the "
                    + role + " " + disk.name() + " reaches past its end at " + size);
        }
    }

    /** By where the ranges lie on the device: either disk may be a partition of it. */
    private static void requireApart(DiskSectors source, long from, DiskSectors target, long to, long bytes) {
        long first = source.startBytes() + from;
        long second = target.startBytes() + to;
        if (source.queue().equals(target.queue()) && first < second + bytes && second < first + bytes) {
            throw new IllegalArgumentException(
                    "transfer of " + bytes + " bytes from offset " + from + " of " + source.name() + " to offset " + to
                            + " of " + target.name() + ": the ranges overlap on the same device");
        }
    }

    private static void requireWritable(DiskSectors target) {
        if (target.limits().isReadOnly()) {
            throw new UnsupportedOperationException(target.name() + " is read-only: a transfer to it refused");
        }
    }

    // ---- for its user

    /**
     * How much there is to do.
     *
     * @return bytes
     */
    public long bytesTotal() {
        return bytes;
    }

    /**
     * The bytes that are done; not necessarily the first of the range.
     *
     * @return bytes read and written
     */
    public long bytesDone() {
        lock.lock();
        try {
            return done;
        } finally {
            lock.unlock();
        }
    }

    /**
     * Whether it has ended, so that nothing of it is in flight.
     *
     * @return also true if it failed or was cancelled
     */
    public boolean isDone() {
        return end.isDone();
    }

    /**
     * Begins no more pieces. The transfer ends with a {@link CancellationException} when the pieces under way have ended, unless they were
     * the last ones or one of them fails. Does not wait.
     */
    public void cancel() {
        lock.lock();
        try {
            cancelled = true;
        } finally {
            lock.unlock();
        }
    }

    /**
     * Its end, as a future.
     *
     * @return fails with {@link BlockIOException}, which names the disk and the place, or {@link CancellationException}. Completing or
     *         cancelling it has no effect on the transfer
     */
    public CompletableFuture<Void> ended() {
        return end.copy();
    }

    /**
     * Waits for its end, and polls meanwhile where a polled disk takes part. An interrupt ends neither the wait nor the
     * transfer, and is kept.
     *
     * @throws BlockIOException if a piece could not be read or written
     * @throws CancellationException if it was cancelled
     * @throws IllegalStateException if called by a completion, or if the progress listener threw an exception
     * @throws WrongThreadException if a polled disk that takes part belongs to another thread; the transfer goes on
     */
    public void await() throws BlockIOException {
        source.queue().requireNoCompletion("waiting for a transfer");
        target.queue().requireNoCompletion("waiting for a transfer");
        if (ready != null && !end.isDone()) {
            requireSubmitter();
        }
        boolean interrupted = false;
        waiters.add(Thread.currentThread());
        for (int looks = 0; !end.isDone(); looks++) {
            if (ready == null) {
                awaitStep(looks);
                interrupted |= Thread.interrupted();
            } else {
                Parking.idle(runtime, look(ready));
            }
        }
        waiters.remove(Thread.currentThread());
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
        Throwable cause = endedWith;
        if (cause instanceof BlockIOException failed) {
            throw failed;
        }
        if (cause instanceof CancellationException cancellation) {
            throw cancellation;
        }
        if (cause != null) {
            throw new IllegalStateException("the transfer from " + source.name() + " to " + target.name() + " failed",
                    cause);
        }
    }

    /** Where both disks have polled contexts besides others, what it waits for may have to wait for I/O of either. */
    private void awaitStep(int looks) {
        DeviceQueue from = source.deviceQueue();
        DeviceQueue to = target.deviceQueue();
        boolean both = from.isPolled() && to.isPolled();
        DeviceQueue queue = from.isPolled() && !(both && looks % 2 != 0) ? from : to;
        queue.awaitEnd(this, queue.contextOfCurrentThread(), 0, looks, both ? LOOK_NANOS : Long.MAX_VALUE);
    }

    /**
     * Where a polled disk takes part: looks for completions of both disks, and carries the transfer on. Does nothing elsewhere.
     *
     * @return how many steps were made
     * @throws WrongThreadException if one of them belongs to another thread; the transfer goes on
     */
    public int poll() {
        if (ready == null) {
            return 0;
        }
        requireSubmitter();
        return look(ready);
    }

    /** A mistake in use, told before anything is submitted: later it would look like an error of the disk. */
    private void requireSubmitter() {
        source.requireSubmitter(Operation.READ);
        target.requireSubmitter(Operation.WRITE);
    }

    private int look(ConcurrentLinkedQueue<Slot> due) {
        int _ = source.poll();
        int _ = target.poll();
        Slot slot = due.poll();
        if (slot == null) {
            return 0;
        }
        int steps = 0;
        // Only now: a transfer is polled far more often than it finds something.
        try (Plug reads = source.plug(); Plug writes = target.plug()) {
            for (; slot != null; slot = due.poll()) {
                slot.step(reads, writes);
                steps++;
            }
        }
        return steps;
    }

    // ---- the slots

    private DiskTransfer begin() {
        boolean submitting = CompletionBatch.current() == null;
        if (submitting) {
            requireSubmitter();
        }
        long pieces = (bytes + options.pieceBytes() - 1) / options.pieceBytes();
        int count = (int) Math.min(options.depth(), pieces);
        if (count == 0) {
            slots = 1;
            slotEnds();
            return this;
        }
        Slot[] made = new Slot[count];
        int length = (int) Math.min(options.pieceBytes(), roundedUpForTarget(bytes));
        try {
            for (int i = 0; i < count; i++) {
                made[i] = new Slot(IoBuffer.allocate(length));
            }
        } catch (OutOfMemoryError e) {
            for (Slot slot : made) {
                if (slot != null) {
                    slot.buffer.close();
                }
            }
            throw e;
        }
        slots = count;
        if (ready == null || !submitting) {
            // In a batch, since a thread that completes never waits: no interrupt of a wait ends a piece.
            try (var _ = CompletionBatch.open()) {
                for (Slot slot : made) {
                    slot.step(null, null);
                }
            }
        } else {
            try (Plug reads = source.plug(); Plug writes = target.plug()) {
                for (Slot slot : made) {
                    slot.step(reads, writes);
                }
            }
        }
        return this;
    }

    private long roundedUpForTarget(long length) {
        int block = target.limits().logicalBlockBytes();
        return (length + block - 1) & -block;
    }

    private void fail(Throwable cause) {
        lock.lock();
        try {
            if (failure == null) {
                failure = cause;
            }
        } finally {
            lock.unlock();
        }
    }

    /** Takes the next piece that nobody has begun: where it begins, or -1 if there is none for this slot. */
    private long nextPiece() {
        lock.lock();
        try {
            if (failure != null || cancelled || begun == bytes) {
                return -1;
            }
            long at = begun;
            begun += Math.min(options.pieceBytes(), bytes - at);
            return at;
        } finally {
            lock.unlock();
        }
    }

    private void slotEnds() {
        boolean last;
        boolean well;
        lock.lock();
        try {
            last = --slots == 0;
            well = failure == null && done == bytes;
        } finally {
            lock.unlock();
        }
        if (last && well && options.flush()) {
            flushTarget();
        } else if (last) {
            finish();
        }
    }

    private void flushTarget() {
        // In a batch, also where a plug is at hand: it does not wait, and what is thrown within has not been submitted.
        try (var _ = CompletionBatch.open()) {
            try {
                target.start(Operation.FLUSH, 0, 0, 0, this::flushed);
            } catch (RuntimeException | Error e) {
                fail(refusalOf(target, Operation.FLUSH, 0, 0, e));
                finish();
            }
        }
    }

    private void flushed(Status status) {
        if (status != Status.OK) {
            fail(failureOf(target, Operation.FLUSH, 0, 0, status));
        }
        finish();
    }

    /** Nothing is in flight any more. */
    @SuppressWarnings("NullAway") // the only value of Void
    private void finish() {
        Throwable cause;
        AsynchronousFileChannel toClose;
        lock.lock();
        try {
            cause = failure;
            if (cause == null && done < bytes) {
                cause = new CancellationException("the transfer from " + source.name() + " to " + target.name()
                        + " was cancelled after " + done + " of " + bytes + " bytes");
            }
            toClose = channel;
        } finally {
            lock.unlock();
        }
        if (toClose != null) {
            closeQuietly(toClose);
        }
        Bio.countEnded();
        endedWith = cause;
        if (cause == null) {
            end.complete(null);
        } else {
            end.completeExceptionally(cause);
        }
        // In the order of the threads' start, since that of the set is another each time.
        runtime.unparkAll(waiters.stream().sorted(Comparator.comparingLong(Thread::threadId)).toList());
    }

    private static void closeQuietly(AsynchronousFileChannel open) {
        try {
            open.close();
        } catch (IOException e) {
            throw new AssertionError("a channel of a disk", e);
        }
    }

    private static BlockIOException failureOf(DiskSectors disk, Operation operation, long offset, long length,
            Status status) {
        return new BlockIOException(disk.name(), operation, offset / QueueLimits.SECTOR_BYTES, length, status, null);
    }

    private static BlockIOException refusalOf(DiskSectors disk, Operation operation, long offset, long length,
            Throwable cause) {
        Status status = cause instanceof Error ? Status.IOERR : Status.INVAL;
        return new BlockIOException(disk.name(), operation, offset / QueueLimits.SECTOR_BYTES, length,
                disk.isClosed() ? Status.NODEV : status, cause);
    }

    /** Submits a bio, with a plug if there is one: whoever has none is in the block layer. No interrupt ends its wait. */
    private static void submit(DiskSectors disk, Bio bio, @Nullable Plug plug) {
        if (plug == null) {
            disk.submit(bio);
        } else {
            plug.submitUninterruptibly(bio);
        }
    }

    /** Tells the listener, one thread at a time. The slot that tells has not ended, so nothing is told after the end. */
    private void tell(long pieceBytes) {
        long now = 0;
        lock.lock();
        try {
            done += pieceBytes;
            if (telling) {
                return;
            }
            telling = true;
            told = done;
            now = done;
        } finally {
            lock.unlock();
        }
        Bio.countEnded();
        while (now >= 0) {
            try {
                options.progress().accept(now);
            } catch (RuntimeException | Error e) {
                // Nobody is told any more: telling stays true.
                fail(e);
                return;
            }
            lock.lock();
            try {
                telling = told != done;
                told = done;
                now = telling ? done : -1;
            } finally {
                lock.unlock();
            }
        }
    }

    /** What a slot does next. */
    private enum Step {
        READ, WRITE, WRITTEN
    }

    /** Does one piece after the other, each step begun by the end of the one before. */
    private final class Slot {
        private final IoBuffer buffer;
        private final Bio bio = new Bio(1);
        private Step next = Step.READ;
        private long at;
        private int length;
        /** Parts of the piece that are being written, and one more while they are begun. */
        private final AtomicInteger writes = new AtomicInteger();

        Slot(IoBuffer buffer) {
            this.buffer = buffer;
        }

        /** Goes on where it stands; with plugs, or else in the block layer. */
        void step(@Nullable Plug reads, @Nullable Plug writePlug) {
            if (next == Step.WRITTEN) {
                tell(length);
                next = Step.READ;
            }
            if (next == Step.READ) {
                read(reads);
            } else {
                write(writePlug);
            }
        }

        /** A step has ended. */
        private void goOn() {
            if (ready == null) {
                step(null, null);
            } else {
                ready.add(this);
            }
        }

        private void read(@Nullable Plug plug) {
            at = nextPiece();
            if (at < 0) {
                buffer.close();
                slotEnds();
                return;
            }
            length = (int) Math.min(options.pieceBytes(), bytes - at);
            FirstEnd end = new FirstEnd(this::hasRead);
            try {
                bio.reset(Operation.READ, (from + at) / QueueLimits.SECTOR_BYTES).add(buffer.memory(), 0, length)
                        .onEnd(end);
                submit(source, bio, plug);
            } catch (RuntimeException | Error e) {
                fail(refusalOf(source, Operation.READ, from + at, length, e));
                if (end.isLeftToSubmitter(bio)) {
                    goOn();
                }
            }
        }

        private void hasRead(Status status) {
            if (status == Status.OK) {
                next = Step.WRITE;
            } else {
                fail(failureOf(source, Operation.READ, from + at, length, status));
            }
            goOn();
        }

        private void write(@Nullable Plug plug) {
            writes.set(1);
            Throwable failure = null;
            try {
                writeParts(plug);
            } catch (RuntimeException | Error e) {
                // There is no memory for zeroes, for one. What has been begun ends by itself.
                failure = refusalOf(target, Operation.WRITE, to + at, length, e);
            }
            written(failure);
        }

        private void writeParts(@Nullable Plug plug) {
            int rest = length & (target.limits().logicalBlockBytes() - 1);
            int whole = length - rest;
            if (!options.zeroRuns()) {
                if (whole > 0) {
                    writeData(0, whole, plug);
                }
            } else {
                int unit = Math.max(ZERO_RUN_BYTES, target.limits().logicalBlockBytes());
                for (int start = 0; start < whole;) {
                    boolean zero = isZero(start, whole, unit);
                    int stop = start + unit;
                    while (stop < whole && isZero(stop, whole, unit) == zero) {
                        stop += unit;
                    }
                    stop = Math.min(stop, whole);
                    if (zero) {
                        writeZeroes(start, stop);
                    } else {
                        writeData(start, stop, plug);
                    }
                    start = stop;
                }
            }
            if (rest > 0) {
                writeRest(whole, rest);
            }
        }

        private boolean isZero(int start, int whole, int unit) {
            MemorySegment part = buffer.memory().asSlice(start, Math.min(unit, whole - start));
            return part.mismatch(ZeroOut.zeroes().asSlice(0, part.byteSize())) < 0;
        }

        private void writeData(int start, int stop, @Nullable Plug plug) {
            long offset = to + at + start;
            int part = stop - start;
            writes.incrementAndGet();
            Bio whole = start == 0 && stop == length ? bio : new Bio(1);
            FirstEnd end = new FirstEnd(status -> written(
                    status == Status.OK ? null : failureOf(target, Operation.WRITE, offset, part, status)));
            try {
                whole.reset(Operation.WRITE, offset / QueueLimits.SECTOR_BYTES).add(buffer.memory(), start, part)
                        .onEnd(end);
                submit(target, whole, plug);
            } catch (RuntimeException | Error e) {
                BlockIOException refusal = refusalOf(target, Operation.WRITE, offset, part, e);
                if (end.isLeftToSubmitter(whole)) {
                    written(refusal);
                } else {
                    fail(refusal);
                }
            }
        }

        private void writeZeroes(int start, int stop) {
            long offset = to + at + start;
            int part = stop - start;
            writes.incrementAndGet();
            try (var _ = CompletionBatch.open()) {
                try {
                    target.start(Operation.WRITE_ZEROES, offset, part, 0,
                            status -> written(status == Status.OK
                                    ? null
                                    : failureOf(target, Operation.WRITE_ZEROES, offset, part, status)));
                } catch (RuntimeException | Error e) {
                    written(refusalOf(target, Operation.WRITE_ZEROES, offset, part, e));
                }
            }
        }

        /** The beginning of a block whose end stays as it is. */
        private void writeRest(int start, int rest) {
            AsynchronousFileChannel opened = new AsyncDiskChannel(DeviceNode.open(target), null);
            lock.lock();
            try {
                channel = opened;
            } finally {
                lock.unlock();
            }
            writes.incrementAndGet();
            try {
                beginRest(opened, start, rest);
            } catch (RuntimeException | Error e) {
                // Has become read-only, for one.
                written(refusalOf(target, Operation.WRITE, to + at + start, rest, e));
            }
        }

        private void beginRest(AsynchronousFileChannel opened, int start, int rest) {
            opened.write(buffer.memory().asSlice(start, rest).asByteBuffer(), to + at + start, null,
                    new CompletionHandler<Integer, @Nullable Void>() {
                        @Override
                        public void completed(Integer result, @Nullable Void attachment) {
                            written(null);
                        }

                        @Override
                        public void failed(Throwable cause, @Nullable Void attachment) {
                            written(cause);
                        }
                    });
        }

        private void written(@Nullable Throwable cause) {
            if (cause != null) {
                fail(cause);
            }
            if (writes.decrementAndGet() == 0) {
                next = pieceFailed() ? Step.READ : Step.WRITTEN;
                goOn();
            }
        }

        /** Whether a part of this piece may not have been written. */
        private boolean pieceFailed() {
            lock.lock();
            try {
                return failure != null;
            } finally {
                lock.unlock();
            }
        }
    }
}
