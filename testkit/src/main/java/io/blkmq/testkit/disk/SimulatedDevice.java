package io.blkmq.testkit.disk;

import io.blkmq.core.Bio;
import io.blkmq.core.BioObserver;
import io.blkmq.core.Operation;
import io.blkmq.core.QueueLimits;
import io.blkmq.core.Status;
import io.blkmq.core.driver.BlockDriver;
import io.blkmq.core.driver.DeviceDescription;
import io.blkmq.core.driver.HardwareContext;
import io.blkmq.core.driver.Request;
import io.blkmq.core.driver.RequestQueue;
import io.blkmq.core.driver.TagSet;
import io.blkmq.core.driver.TimeoutAction;
import io.blkmq.core.nullblk.BadBlocks;
import io.blkmq.runtime.IoRuntime;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Lock;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * The device of a simulated disk, and its driver.
 *
 * <pre>
 *   queueRq   judged by the fault rules, received: its pieces are cut, it is in flight     ─ refused, requeued, removed ─▶
 *      │ the time that it takes, or until it is released, or until its time is over
 *   finish    carried out: pieces take effect, data is read, a flush makes durable; told
 * </pre>
 *
 * <p>Everything happens under one lock, so that each step takes effect at one instant and a power cut comes between two of them. Requests
 * are completed outside of it. A request leaves {@link #inFlight} under the lock by exactly one of {@link #finish}, {@link #timeout}, a
 * power cut and the removal of the device, and whoever takes it out completes it.
 */
final class SimulatedDevice implements BlockDriver {
    /** How many requests are kept for people. */
    private static final int SEEN_MAX = 64;
    /** How long a request that the driver gave back waits until it is given again. */
    private static final long REQUEUE_NANOS = TimeUnit.MICROSECONDS.toNanos(10);
    /** How often a request that hangs looks whether its queue is being closed. */
    private static final long HANG_LOOK_NANOS = TimeUnit.MILLISECONDS.toNanos(50);

    /** What the driver keeps with each request of the block layer. */
    private static final class Slot {
        private @Nullable InFlight io;
        /** Of a short transfer: how much was transferred; -1 for all. Of whoever completes the request. */
        private long transferred = -1;
    }

    /**
     * What a device is like.
     *
     * @param unitBytes what takes effect as a whole
     * @param cacheBytes how much the volatile cache holds, if there is one
     */
    record Shape(IoRuntime runtime, QueueLimits limits, long capacityBytes, int unitBytes, long cacheBytes, long seed,
            @Nullable BadBlocks badBlocks) {}

    private final Shape shape;
    private final IoRuntime runtime;
    private final boolean hasCache;
    private final Lock lock;
    private final PieceCutter cutter;
    private final DiskFaults faults;
    /** All that follows is guarded by the lock. */
    private final ServiceTimes times;
    private final CachedContent content;
    private final Map<Long, InFlight> inFlight = new LinkedHashMap<>();
    private final ArrayDeque<InFlight> seen = new ArrayDeque<>();
    private SplittableRandom random;
    private long requests;
    private long bios;
    private boolean removed;
    private int acknowledged;
    private @Nullable DiskLog log;

    SimulatedDevice(Shape shape, ServiceTimes times, DiskImage image) {
        this.shape = shape;
        this.runtime = shape.runtime;
        this.hasCache = shape.limits.hasWriteCache();
        this.lock = runtime.newLock();
        this.cutter = new PieceCutter(shape.unitBytes, shape.capacityBytes);
        this.times = times;
        this.content = new CachedContent(image);
        this.random = new SplittableRandom(shape.seed);
        this.faults = new DiskFaults(runtime, lock, shape.limits, shape.capacityBytes, this::release);
    }

    DiskFaults faults() {
        return faults;
    }

    // ---- from the block layer

    @Override
    public void initRequest(TagSet set, Request rq, int hctxIndex) {
        rq.setDriverData(new Slot());
    }

    private static Slot slotOf(Request rq) {
        return (Slot) Objects.requireNonNull(rq.driverData());
    }

    @Override
    public Status queueRq(HardwareContext hctx, Request rq, boolean last) {
        long now = runtime.nanoTime();
        Verdict verdict;
        InFlight io = null;
        boolean begun = false;
        try {
            long nanos = 0;
            lock.lock();
            try {
                if (removed) {
                    return Status.NODEV;
                }
                long number = ++requests;
                verdict = judge(number, rq, now);
                if (!verdict.comesAgain() && !verdict.hasOutcome(Fault.Kind.REMOVE)) {
                    io = receive(number, rq, verdict, now);
                    nanos = times.nanosFor(io.operation, io.offset, io.bytes, now, random) + verdict.delayNanos();
                }
            } finally {
                lock.unlock();
            }
            if (io == null) {
                return notReceived(rq, verdict);
            }
            begin(io, nanos);
            begun = true;
            return Status.OK;
        } finally {
            if (io != null && !begun) {
                takeBack(io);
            }
        }
    }

    /** What is thrown, for example for want of a thread, the block layer ends its request by: nothing of it is in flight any more. */
    private void takeBack(InFlight io) {
        lock.lock();
        try {
            if (inFlight.remove(io.number, io)) {
                ends(io, Status.IOERR);
            }
        } finally {
            lock.unlock();
        }
    }

    private void begin(InFlight io, long nanos) {
        if (io.verdict.isHeld() || io.verdict.delayNanos() > HANG_LOOK_NANOS) {
            lookAfter(io);
        }
        if (!io.verdict.isHeld()) {
            finishIn(nanos, io);
        }
    }

    private void finishIn(long nanos, InFlight io) {
        if (nanos == 0) {
            finish(io);
        } else {
            var _ = runtime.schedule(nanos, () -> finish(io));
        }
    }

    private Verdict judge(long number, Request rq, long now) {
        return faults.isEmpty()
                ? Verdict.NONE
                : faults.judge(number, rq.operation(), InFlight.offsetOf(rq), rq.bytes(), (rq.flags() & Bio.FUA) != 0,
                        now);
    }

    private Status notReceived(Request rq, Verdict verdict) {
        if (verdict.hasOutcome(Fault.Kind.REQUEUE)) {
            var queue = rq.queue();
            rq.requeue(rq.generation(), false);
            queue.delayKickRequeueList(REQUEUE_NANOS);
            return Status.OK;
        }
        if (verdict.hasOutcome(Fault.Kind.REMOVE)) {
            remove();
            rq.queue().markDead();
        }
        return verdict.status();
    }

    private InFlight receive(long number, Request rq, Verdict verdict, long now) {
        InFlight io = new InFlight(number, rq, verdict, now);
        if (io.operation == Operation.FLUSH) {
            io.mark = content.mark();
        } else if (io.operation.isWrite() && !isBad(io)) {
            // Throws if the memory has been closed.
            io.pieces = cutter.cut(io, random);
        }
        slotOf(rq).io = io;
        inFlight.put(number, io);
        seen.addLast(io);
        if (seen.size() > SEEN_MAX) {
            seen.removeFirst();
        }
        if (log != null) {
            log.add(new DiskEvent.Received(number, io.operation, io.offset, io.bytes, io.flags, io.pieces));
            if (io.operation == Operation.FLUSH) {
                log.add(new DiskEvent.FlushBegun(number));
            }
        }
        return io;
    }

    private boolean isBad(InFlight io) {
        return shape.badBlocks != null && io.operation.hasRange()
                && shape.badBlocks.isAnyBad(io.offset / QueueLimits.SECTOR_BYTES, io.bytes / QueueLimits.SECTOR_BYTES);
    }

    @Override
    public void complete(Request rq) {
        Slot slot = slotOf(rq);
        long transferred = slot.transferred;
        if (transferred >= 0) {
            slot.transferred = -1;
            try {
                boolean _ = rq.update(Status.OK, transferred);
            } catch (IllegalStateException e) {
                // It has a flush sequence, and ends as a whole.
                rq.end(rq.status());
                return;
            }
        }
        rq.end(rq.status());
    }

    @Override
    public DeviceDescription describe(RequestQueue queue) {
        return new DeviceDescription("simulated", "memory", hasCache ? "write cache" : "", "");
    }

    @Override
    public TimeoutAction timeout(Request rq) {
        InFlight io = slotOf(rq).io;
        if (io == null || !io.isOf(rq.generation()) || !io.verdict.hasOutcome(Fault.Kind.TIME_OUT)) {
            // It is on its way, or hangs.
            return TimeoutAction.RESET_TIMER;
        }
        finish(io);
        return TimeoutAction.DONE;
    }

    // ---- what is done

    /** Carries a request out and tells so, unless it has been taken out of flight before. What cannot be carried out has failed. */
    private void finish(InFlight io) {
        boolean taken = false;
        lock.lock();
        try {
            taken = inFlight.remove(io.number, io);
            if (taken) {
                ends(io);
            }
        } finally {
            lock.unlock();
            if (taken) {
                io.complete();
            }
        }
    }

    private void ends(InFlight io) {
        Status status = Status.IOERR;
        try {
            status = carryOut(io);
        } finally {
            ends(io, status);
        }
    }

    private void ends(InFlight io, Status status) {
        io.ends(status, requests);
        if (log != null) {
            log.add(new DiskEvent.Completed(io.number, status));
        }
    }

    private Status carryOut(InFlight io) {
        Status status = io.verdict.status();
        if (status == Status.OK && isBad(io)) {
            status = Status.MEDIUM;
        }
        switch (io.operation) {
            case READ -> {
                if (status == Status.OK) {
                    read(io);
                }
            }
            case WRITE, DISCARD, WRITE_ZEROES -> io.pieces.forEach(piece -> write(piece, isThrough(io)));
            case FLUSH -> flush(io, status == Status.OK && !io.verdict.has(Fault.Kind.LIE));
        }
        long transferred = io.verdict.amount(Fault.Kind.SHORT);
        if (transferred >= 0 && status == Status.OK) {
            slotOf(io.rq).transferred = transferred;
            return Status.IOERR;
        }
        return status;
    }

    private boolean isThrough(InFlight io) {
        return !hasCache || (io.isFua() && !io.verdict.has(Fault.Kind.LIE));
    }

    private void write(VolatilePiece piece, boolean through) {
        if (through) {
            content.writeThrough(piece);
        } else {
            content.write(piece);
        }
        if (log != null) {
            log.add(new DiskEvent.Written(piece, through));
        }
        if (content.pendingBytes() > shape.cacheBytes) {
            content.writeBack();
        }
    }

    private void flush(InFlight io, boolean effective) {
        if (effective) {
            content.flush(io.mark);
        }
        if (log != null) {
            log.add(new DiskEvent.FlushEnded(io.number, effective));
        }
    }

    private void read(InFlight io) {
        for (long bits = io.verdict.amount(Fault.Kind.FLIP_AT_REST); bits > 0; bits--) {
            rot(io);
        }
        long transferred = io.verdict.amount(Fault.Kind.SHORT);
        Reading reading = new Reading(io.offset, transferred < 0 ? io.bytes : transferred);
        io.rq.forEachSegment(reading::fill);
        for (long bits = io.verdict.amount(Fault.Kind.FLIP_ON_READ); bits > 0 && reading.length > 0; bits--) {
            long bit = random.nextLong(reading.length * Byte.SIZE);
            Flip flip = new Flip(bit / Byte.SIZE, (byte) (1 << bit % Byte.SIZE));
            io.rq.forEachSegment(flip::turn);
        }
    }

    /** A bit of what lies in the range of a read turns over, wherever that is kept. */
    private void rot(InFlight io) {
        long sectors = io.bytes / QueueLimits.SECTOR_BYTES;
        long offset = io.offset + random.nextLong(sectors) * QueueLimits.SECTOR_BYTES;
        byte[] sector = new byte[QueueLimits.SECTOR_BYTES];
        content.current().read(offset, MemorySegment.ofArray(sector), 0, sector.length);
        PieceCutter.flip(sector, random);
        VolatilePiece rotten = new VolatilePiece(io.number, 0, offset, sector.length, sector);
        if (log != null) {
            log.add(new DiskEvent.Received(io.number, io.operation, io.offset, io.bytes, io.flags, List.of(rotten)));
        }
        write(rotten, true);
    }

    /** Copies from the device to the memory of a request. */
    private final class Reading {
        private final long offset;
        private final long length;
        private long done;

        Reading(long offset, long length) {
            this.offset = offset;
            this.length = length;
        }

        void fill(MemorySegment memory, long at, int bytes) {
            long step = Math.min(bytes, length - done);
            if (step > 0) {
                content.current().read(offset + done, memory, at, step);
                done += step;
            }
        }
    }

    /** Turns a bit over in the memory of a request. */
    private static final class Flip {
        private long left;
        private final byte bit;

        Flip(long at, byte bit) {
            this.left = at;
            this.bit = bit;
        }

        void turn(MemorySegment memory, long at, int bytes) {
            if (left >= 0 && left < bytes) {
                byte before = memory.get(ValueLayout.JAVA_BYTE, at + left);
                memory.set(ValueLayout.JAVA_BYTE, at + left, (byte) (before ^ bit));
            }
            left -= bytes;
        }
    }

    // ---- what hangs

    /** A request that a fault holds up must not keep its queue from being closed. */
    private void lookAfter(InFlight io) {
        var _ = runtime.schedule(HANG_LOOK_NANOS, () -> {
            if (io.rq.queue().isDying()) {
                endIf(each -> each == io, Status.NODEV);
            } else if (isInFlight(io)) {
                lookAgainAfter(io);
            }
        });
    }

    private void lookAgainAfter(InFlight io) {
        boolean looks = false;
        try {
            lookAfter(io);
            looks = true;
        } finally {
            if (!looks) {
                // Nobody would find out that its queue is being closed.
                endIf(each -> each == io, Status.IOERR);
            }
        }
    }

    private boolean isInFlight(InFlight io) {
        lock.lock();
        try {
            return inFlight.containsKey(io.number);
        } finally {
            lock.unlock();
        }
    }

    private void release() {
        List<InFlight> hung;
        lock.lock();
        try {
            hung = inFlight.values().stream().filter(io -> io.verdict.hasOutcome(Fault.Kind.HANG)).toList();
        } finally {
            lock.unlock();
        }
        hung.forEach(this::finish);
    }

    /** Ends requests without carrying them out. */
    private void endIf(Predicate<InFlight> chosen, Status status) {
        List<InFlight> ended = new ArrayList<>();
        lock.lock();
        try {
            takeOut(chosen, status, ended);
        } finally {
            lock.unlock();
        }
        ended.forEach(InFlight::complete);
    }

    private void takeOut(Predicate<InFlight> chosen, Status status, List<InFlight> taken) {
        for (InFlight io : inFlight.values()) {
            if (chosen.test(io)) {
                taken.add(io);
            }
        }
        for (InFlight io : taken) {
            inFlight.remove(io.number);
            ends(io, status);
        }
    }

    /** Ends all that faults hold up, so that the disk can be closed. */
    void giveUpHeld() {
        endIf(io -> io.verdict.isHeld() || io.verdict.delayNanos() > 0, Status.NODEV);
    }

    // ---- from the one who holds the disk

    void remove() {
        List<InFlight> ended = new ArrayList<>();
        lock.lock();
        try {
            removed = true;
            takeOut(_ -> true, Status.NODEV, ended);
        } finally {
            lock.unlock();
        }
        ended.forEach(InFlight::complete);
    }

    void powerCut(PowerCut policy) {
        long now = runtime.nanoTime();
        List<InFlight> ended = new ArrayList<>();
        lock.lock();
        try {
            List<VolatilePiece> survivors = policy.survivors(optional());
            content.become(surviving(survivors));
            times.reset(now);
            if (log != null) {
                log.add(new DiskEvent.PowerLost(survivors));
            }
            takeOut(_ -> true, Status.TRANSPORT, ended);
        } finally {
            lock.unlock();
        }
        ended.forEach(InFlight::complete);
    }

    private List<VolatilePiece> optional() {
        List<VolatilePiece> pieces = content.pending();
        inFlight.values().forEach(io -> pieces.addAll(io.pieces));
        return pieces;
    }

    private DiskImage surviving(List<VolatilePiece> survivors) {
        Set<VolatilePiece> chosen = new HashSet<>(survivors);
        List<VolatilePiece> received = inFlight.values().stream().flatMap(io -> io.pieces.stream()).toList();
        return content.surviving(chosen::contains, received);
    }

    DiskImage snapshot(@Nullable PowerCut policy) {
        lock.lock();
        try {
            return policy == null ? content.snapshot() : surviving(policy.survivors(optional()));
        } finally {
            lock.unlock();
        }
    }

    void exchange(DiskImage image) {
        long now = runtime.nanoTime();
        lock.lock();
        try {
            if (!inFlight.isEmpty()) {
                throw new IllegalStateException(
                        inFlight.size() + " requests are in flight: the content can be exchanged while there are none");
            }
            content.become(image);
            times.reset(now);
            random = new SplittableRandom(shape.seed);
            if (log != null) {
                log.add(new DiskEvent.Exchanged(image));
            }
        } finally {
            lock.unlock();
        }
    }

    boolean isDurable(long offset, long bytes) {
        lock.lock();
        try {
            return content.isDurable(offset, bytes) && inFlight.values().stream().flatMap(io -> io.pieces.stream())
                    .noneMatch(piece -> piece.overlaps(offset, bytes));
        } finally {
            lock.unlock();
        }
    }

    int inFlight() {
        lock.lock();
        try {
            return inFlight.size();
        } finally {
            lock.unlock();
        }
    }

    List<SeenRequest> seen() {
        lock.lock();
        try {
            return seen.stream().map(InFlight::seen).toList();
        } finally {
            lock.unlock();
        }
    }

    int acknowledge() {
        lock.lock();
        try {
            acknowledged++;
            if (log != null) {
                log.add(new DiskEvent.Acknowledged(acknowledged));
            }
            return acknowledged;
        } finally {
            lock.unlock();
        }
    }

    // ---- recording

    DiskLog record() {
        lock.lock();
        try {
            if (log != null) {
                throw new IllegalStateException("the disk is being recorded already");
            }
            if (!inFlight.isEmpty()) {
                throw new IllegalStateException(
                        inFlight.size() + " requests are in flight: a record begins while there are none");
            }
            DiskLog begun = new DiskLog(content.surviving(_ -> false, List.of()));
            content.forEachPending((piece, through) -> {
                begun.add(new DiskEvent.Received(piece.request(), Operation.WRITE, piece.offset(), piece.bytes(), 0,
                        List.of(piece)));
                begun.add(new DiskEvent.Written(piece, through));
            });
            log = begun;
            return begun;
        } finally {
            lock.unlock();
        }
    }

    void stopRecording() {
        lock.lock();
        try {
            log = null;
        } finally {
            lock.unlock();
        }
    }

    /** Notes what submitters ask and are told, while the disk is recorded. */
    BioObserver.@Nullable End submitted(Bio bio) {
        long number = bioSubmitted(bio);
        return number == 0 ? null : (_, status) -> bioEnded(number, status);
    }

    /** Returns the bio's number, 0 if it is not recorded. */
    private long bioSubmitted(Bio bio) {
        lock.lock();
        try {
            if (log == null) {
                return 0;
            }
            long offset = bio.operation().hasRange() ? bio.deviceSector() * QueueLimits.SECTOR_BYTES : 0;
            log.add(new DiskEvent.Submitted(++bios, bio.operation(), offset, bio.bytes(), bio.flags()));
            return bios;
        } finally {
            lock.unlock();
        }
    }

    private void bioEnded(long number, Status status) {
        lock.lock();
        try {
            if (log != null) {
                log.add(new DiskEvent.Told(number, status));
            }
        } finally {
            lock.unlock();
        }
    }
}
