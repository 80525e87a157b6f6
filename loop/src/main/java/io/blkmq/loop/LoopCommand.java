package io.blkmq.loop;

import io.blkmq.aio.AioCompletion;
import io.blkmq.aio.AioFile;
import io.blkmq.aio.Errno;
import io.blkmq.aio.Kiocb;
import io.blkmq.core.Bio;
import io.blkmq.core.BioCompletion;
import io.blkmq.core.Operation;
import io.blkmq.core.Status;
import io.blkmq.core.driver.Request;
import io.blkmq.core.driver.SegmentVisitor;
import io.blkmq.loop.work.Work;
import java.lang.foreign.MemorySegment;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * The driver's part of a request: what the engine or a worker is given to do. Made once with the request, and used again with it;
 * its Kiocb's segments lie in the request's PDU. The kernel's counterpart is {@code struct loop_cmd}.
 *
 * <p>Belongs to whoever has the request: the submitter, then the engine or a worker, then the completing thread.
 */
final class LoopCommand extends Work implements AioCompletion, BioCompletion, SegmentVisitor {
    /** Segments that fit into the PDU; a request with more borrows room. */
    static final int SEGMENTS_INLINE = 8;
    /** The size of the PDU: as many {@code struct iovec}. */
    static final int PDU_BYTES = SEGMENTS_INLINE * 16;

    private static final int SECTOR_BYTES = 512;

    private final LoopDevice device;
    private final Request rq;
    private final Kiocb kiocb;
    /** The transfer function's part; null if the current use has none. */
    private @Nullable TransferWork transfer;
    /** Made with the first use that has one, and kept for those to come. */
    private @Nullable TransferWork transferWork;

    /** The file that the current use began on. */
    private @Nullable BackingFile backing;
    /** What is sent to a disk below; null on a device that has never had one. */
    private @Nullable Bio lower;
    /** The generation of the use that the disk below has; who ends it has it from there. */
    private long passed;
    /** How many pieces of memory the bio below has room for. */
    private int lowerVecs;
    /** How many bytes of a transfer lie within the disk below. */
    private long reachable;
    private @Nullable LoopQueue queue;
    /** Where in the file the current use begins. */
    private long position;
    /** What the visitor does with the next segment. */
    private Visit visit = Visit.TO_KIOCB;
    /** How far the visitor has come, in bytes. */
    private long visited;
    /** The negative errno that ended a transfer of the work queue, or 0. */
    private long errno;
    /** A transfer of the work queue has met the end of the file. */
    private boolean atEnd;
    /** How many bytes a short read has brought. */
    private long kept;

    /** Bytes before the end of the file of a read that goes past it, in whole sectors; else 0. Written before it is completed. */
    private long readable;

    /** How it went on a worker. */
    private Status doneStatus = Status.OK;

    private enum Visit {
        TO_KIOCB, TRANSFER, ZERO_REST, COUNT, TO_BIO
    }

    LoopCommand(LoopDevice device, Request rq) {
        this.device = device;
        this.rq = rq;
        this.kiocb = new Kiocb(rq.pdu());
    }

    static LoopCommand of(Request rq) {
        return (LoopCommand) Objects.requireNonNull(rq.driverData());
    }

    /** What comes before a submission: whether there is memory to transform what is to be written. */
    boolean prepare() {
        if (readable != 0) {
            readable = 0;
        }
        LoopTransfer function = device.medium().transfer();
        if (function == null) {
            if (transfer != null) {
                transfer = null;
            }
            return true;
        }
        TransferWork work = transferWork;
        if (work == null) {
            work = new TransferWork();
            transferWork = work;
        }
        transfer = work;
        return work.begin(function, rq);
    }

    /** What was prepared for a write has been written, or never will be. */
    void endPrepared() {
        TransferWork work = transfer;
        if (work != null) {
            work.endWrite();
        }
    }

    /** The request is no more. */
    void exit() {
        TransferWork work = transferWork;
        if (work != null) {
            work.close();
        }
    }

    private void begin(BackingFile on, LoopQueue from) {
        if (backing != on) {
            backing = on;
        }
        if (queue != from) {
            queue = from;
        }
        position = on.position(rq.sector());
    }

    // ---- through the engine

    /**
     * Gives a read or write to the engine, with all segments in one vectored operation.
     *
     * @return 0 if it was accepted, else a negative errno
     */
    int submit(BackingFile on, LoopQueue from) {
        begin(on, from);
        if (rq.operation() == Operation.WRITE) {
            kiocb.prepareWrite(on.io(), position, this, rq.generation());
            if (isDurable()) {
                kiocb.thenSync(true);
            }
        } else {
            kiocb.prepareRead(on.io(), position, this, rq.generation());
        }
        TransferWork work = transfer;
        if (work != null && rq.operation() == Operation.WRITE) {
            kiocb.addSegment(work.written(), 0, rq.bytes());
        } else {
            visit = Visit.TO_KIOCB;
            rq.forEachSegment(this);
        }
        return from.engine().submit(kiocb);
    }

    /** What the engine has been given. */
    Kiocb kiocb() {
        return kiocb;
    }

    /** Gives a flush to the engine; false if it is to go to the workers: another sync is under way, one has failed, or the engine takes none. */
    boolean syncByEngine(BackingFile on, LoopQueue from) {
        if (!on.syncs().tryBegin()) {
            return false;
        }
        boolean taken = false;
        try {
            begin(on, from);
            kiocb.prepareSync(on.base(), false, this, rq.generation());
            taken = from.engine().submit(kiocb) == 0;
        } finally {
            if (!taken) {
                on.syncs().unbegin();
            }
        }
        return taken;
    }

    /** Gives a discard, or zeroes, to the engine; false if it takes them no more. */
    boolean zeroByEngine(BackingFile on, LoopQueue from) {
        begin(on, from);
        if (isFreeing()) {
            kiocb.preparePunchHole(on.io(), position, rq.bytes(), this, rq.generation());
        } else {
            kiocb.prepareZeroRange(on.io(), position, rq.bytes(), this, rq.generation());
        }
        return from.engine().submit(kiocb) == 0;
    }

    /** Whether the blocks of the range may go: a discard, or zeroes that are not to be kept. */
    private boolean isFreeing() {
        return rq.operation() == Operation.DISCARD || (rq.flags() & Bio.NOUNMAP) == 0;
    }

    /** The engine is done: bytes, or a negative errno. */
    @Override
    public void complete(long generation, long result) {
        if (!rq.operation().hasData() && rq.operation().hasRange()) {
            rq.complete(generation, hole((int) result, rq.operation()));
            return;
        }
        if (rq.operation() == Operation.FLUSH) {
            BackingFile on = Objects.requireNonNull(backing);
            rq.complete(generation, flushed(on, false, on.syncs().end((int) result)));
            return;
        }
        Status status = statusOrFailure(result);
        rq.complete(generation, isDurable() ? durableStatus(status, result) : status);
    }

    private boolean isDurable() {
        return (rq.flags() & Bio.FUA) != 0;
    }

    /**
     * How a write with FUA has ended. One that failed may have failed in its sync, and what was written before it may be lost: that is
     * remembered as the failure of a flush is. After one of them no write is said to be durable.
     */
    private Status durableStatus(Status status, long result) {
        BackingFile on = Objects.requireNonNull(backing);
        if (status == Status.IOERR && mayHaveBegun(result)) {
            int errno = result < 0 ? (int) -result : Errno.EIO;
            if (on.syncs().failedBeside(-errno)) {
                LoopFailures.durableWrite(device, on, errno);
            }
        }
        return status == Status.OK && on.syncs().hasFailed() ? Status.IOERR : status;
    }

    /** Whether a failed write may have come as far as the disk: not if the system would not take it. */
    private static boolean mayHaveBegun(long result) {
        return result != -Errno.EINVAL && result != -Errno.EBADF && result != -Errno.EFAULT && result != -Errno.EAGAIN;
    }

    // ---- at once

    /** Reads on the calling thread, and ends the request. */
    void readHere(BackingFile on, LoopQueue from) {
        begin(on, from);
        run();
        completeDone();
    }

    // ---- through a disk below

    /** Gives anything to the disk below, which waits for nothing here: this runs in a batch, and its requests go down after it. */
    Status pass(BackingDisk on) {
        passed = rq.generation();
        try {
            Bio bio = switch (rq.operation()) {
                case READ, WRITE -> transferBelow(on, on.sector(rq.sector()));
                case FLUSH -> bioBelow(0).reset(Operation.FLUSH, 0);
                case DISCARD, WRITE_ZEROES -> bioBelow(0).reset(rq.operation(), on.sector(rq.sector()))
                        .length(rq.bytes()).flags(rq.flags() & Bio.NOUNMAP);
            };
            on.disk().submit(bio.onEnd(this));
            return Status.OK;
        } catch (IllegalStateException | IndexOutOfBoundsException | UnsupportedOperationException
                | IllegalArgumentException e) {
            // The disk below has been closed, shortened, made read-only, or given larger blocks.
            return Status.IOERR;
        }
    }

    /** A transfer of what the disk below has; if it has been shortened, the rest of a read is zeroed when it ends. */
    private Bio transferBelow(BackingDisk on, long sector) {
        TransferWork work = transfer;
        if (work != null && rq.operation() == Operation.WRITE) {
            return bioBelow(1).reset(Operation.WRITE, sector).add(work.written(), 0, rq.bytes()).flags(flagsBelow());
        }
        visit = Visit.COUNT;
        visited = 0;
        rq.forEachSegment(this);
        Bio bio = bioBelow((int) visited).reset(rq.operation(), sector).flags(flagsBelow());
        long left = on.disk().sizeBytes() - sector * SECTOR_BYTES;
        int block = on.disk().limits().logicalBlockBytes();
        reachable = rq.operation() == Operation.READ ? Math.clamp(left / block * block, 0, rq.bytes()) : rq.bytes();
        if (reachable == 0) {
            // Refused below, by what is in the disk's own message.
            reachable = rq.bytes();
        }
        visit = Visit.TO_BIO;
        visited = 0;
        rq.forEachSegment(this);
        return bio;
    }

    private int flagsBelow() {
        return Bio.CALLER_MEMORY | (rq.flags() & Bio.FUA);
    }

    private Bio bioBelow(int vecs) {
        Bio bio = lower;
        if (bio == null || lowerVecs < vecs) {
            lowerVecs = Math.max(SEGMENTS_INLINE, Integer.highestOneBit(Math.max(1, vecs) * 2 - 1));
            bio = new Bio(lowerVecs);
            lower = bio;
        }
        return bio;
    }

    /** The disk below is done. */
    @Override
    public void ended(Bio bio) {
        endPrepared();
        Status status = bio.status();
        if (status == Status.NOTSUPP && !rq.operation().hasData() && rq.operation().hasRange()) {
            device.medium().cannot(rq.operation());
        } else if (status == Status.OK && rq.operation() == Operation.READ) {
            status = statusOrFailure(reachable);
        } else if (status == Status.NODEV || status == Status.INVAL) {
            status = Status.IOERR;
        }
        rq.complete(passed, status);
    }

    // ---- through the work queue

    /** Gives anything to the workers, who are to be woken after the last. */
    void work(BackingFile on, LoopQueue from) {
        begin(on, from);
        device.workQueue().add(this);
    }

    /** Does it, on a worker. */
    @Override
    public void run() {
        try {
            doneStatus = execute(Objects.requireNonNull(backing));
        } catch (Throwable t) {
            doneStatus = Status.IOERR;
            endPrepared();
            LoopFailures.request(device, rq, t);
        }
    }

    /** Whether it waits for the disk for sure. */
    @Override
    public boolean isSlow() {
        return !rq.operation().hasData();
    }

    /** Where it came from, and its end is told. */
    LoopQueue queue() {
        return Objects.requireNonNull(queue);
    }

    /** A worker has done it: ends the request, after which it may be used again. */
    void completeDone() {
        rq.complete(doneStatus);
    }

    private Status execute(BackingFile on) {
        AioFile file = on.base();
        return switch (rq.operation()) {
            case READ, WRITE -> transfer();
            case FLUSH -> flush(on);
            case DISCARD, WRITE_ZEROES ->
                hole(isFreeing() ? file.punchHole(position, rq.bytes()) : file.zeroRange(position, rq.bytes()),
                        rq.operation());
        };
    }

    private Status transfer() {
        visit = Visit.TRANSFER;
        visited = 0;
        errno = 0;
        atEnd = false;
        TransferWork work = transfer;
        if (work != null && rq.operation() == Operation.WRITE) {
            transferSegment(work.written(), 0, rq.bytes());
        } else {
            rq.forEachSegment(this);
        }
        return statusOf(errno != 0 ? errno : visited);
    }

    private Status flush(BackingFile on) {
        boolean failedBefore = on.syncs().hasFailed();
        return flushed(on, failedBefore, on.syncs().sync());
    }

    private Status flushed(BackingFile on, boolean failedBefore, int result) {
        if (result == 0) {
            return Status.OK;
        }
        if (!failedBefore) {
            LoopFailures.sync(device, on, -result);
        }
        return Status.IOERR;
    }

    /** What the file cannot do is not asked for again. */
    private Status hole(int result, Operation operation) {
        if (result == 0) {
            return Status.OK;
        }
        if (result != -Errno.EOPNOTSUPP && result != -Errno.EINVAL) {
            return failure(result);
        }
        if (result == -Errno.EOPNOTSUPP) {
            device.medium().cannot(operation);
        }
        return Status.NOTSUPP;
    }

    // ---- results and segments

    /** The same for who has nobody to tell of an exception: a transfer function may throw anything. */
    private Status statusOrFailure(long result) {
        try {
            return statusOf(result);
        } catch (Throwable t) {
            LoopFailures.request(device, rq, t);
            return Status.IOERR;
        }
    }

    /**
     * What a transfer's result means. A read that met the end of the file, which must have been shortened, keeps what it has;
     * the rest is zeroes, and an error if it is a whole sector or more.
     */
    private Status statusOf(long result) {
        TransferWork work = transfer;
        if (work != null) {
            return transformed(work, result);
        }
        return plainStatusOf(result);
    }

    /** The same of a device with a transfer function, where a sector that is not whole is nothing. */
    private Status transformed(TransferWork work, long result) {
        if (rq.operation() == Operation.WRITE) {
            work.endWrite();
            return plainStatusOf(result);
        }
        if (result <= 0) {
            return plainStatusOf(result);
        }
        long sectors = result - result % SECTOR_BYTES;
        work.finishRead(rq, sectors);
        return plainStatusOf(sectors);
    }

    private Status plainStatusOf(long result) {
        if (result == rq.bytes()) {
            return Status.OK;
        }
        if (result < 0 || rq.operation() == Operation.WRITE) {
            return failure(result);
        }
        visit = Visit.ZERO_REST;
        visited = 0;
        kept = result;
        rq.forEachSegment(this);
        long wholeSectors = (result + SECTOR_BYTES - 1) / SECTOR_BYTES * SECTOR_BYTES;
        if (wholeSectors >= rq.bytes()) {
            return Status.OK;
        }
        readable = wholeSectors;
        return Status.IOERR;
    }

    /** How many bytes, of whole blocks, of a read that has failed lie before the end of the file. */
    long readableBytes() {
        return readable - readable % rq.queue().limits().logicalBlockBytes();
    }

    /** A full file system is worth a status of its own: the device goes on as soon as there is room again. */
    private static Status failure(long result) {
        return result == -Errno.ENOSPC || result == -Errno.EDQUOT ? Status.NOSPC : Status.IOERR;
    }

    @Override
    public void segment(MemorySegment memory, long offset, int bytes) {
        switch (visit) {
            case TO_KIOCB -> kiocb.addSegment(memory, offset, bytes);
            case COUNT -> visited++;
            case TO_BIO -> {
                int within = Math.clamp(reachable - visited, 0, bytes);
                if (within > 0) {
                    Objects.requireNonNull(lower).add(memory, offset, within);
                }
                visited += bytes;
            }
            case TRANSFER -> transferSegment(memory, offset, bytes);
            case ZERO_REST -> {
                long from = Math.clamp(kept - visited, 0, bytes);
                memory.asSlice(offset + from, bytes - from).fill((byte) 0);
                visited += bytes;
            }
        }
    }

    private void transferSegment(MemorySegment memory, long offset, long bytes) {
        if (errno != 0 || atEnd) {
            return;
        }
        AioFile file = Objects.requireNonNull(backing).io();
        long result = rq.operation() == Operation.WRITE
                ? file.write(position + visited, memory, offset, bytes)
                : file.read(position + visited, memory, offset, bytes);
        if (result < 0) {
            errno = result;
        } else {
            visited += result;
            atEnd = result < bytes;
        }
    }
}
