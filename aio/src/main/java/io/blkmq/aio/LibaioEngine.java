package io.blkmq.aio;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.Objects;
import java.util.Set;

/**
 * The engine over the kernel's native AIO (what libaio wraps). Direct I/O is asynchronous; buffered I/O is carried
 * out inside the doorbell, which is how the kernel does it.
 *
 * <p>Placing fills in the slot's iocb and puts the slot in a queue. The doorbell takes the whole queue and submits it
 * with one call. One thread rings at a time: another that rings meanwhile leaves its operations in the queue, and who
 * is ringing takes them too before it stops.
 *
 * <p>An operation that {@code io_submit} refuses ends with the errno. As only the completer may end operations, the
 * refusal waits in a list for it.
 *
 * <p>The reaper sleeps in {@code io_getevents}; to wake it, an operation of its own is sent: reading nothing from
 * {@code /dev/null}.
 */
final class LibaioEngine extends NativeEngine {

    static final String NAME = "libaio";

    private static final Set<AioOperation> OPERATIONS = EnumSet.of(AioOperation.READ, AioOperation.WRITE,
            AioOperation.FSYNC, AioOperation.FDATASYNC);

    private static final int DOORBELLS_MAX = 100;
    private static final long STALLED_PAUSE_NANOS = 100_000;
    /** How often to look whether operations have ended that nothing can be learned of but by looking. */
    private static final long LOOK_AGAIN_NANOS = 1_000_000;

    private final AioContext context;
    private final NativeFile nothing;
    private final ReadyEvent ready = new ReadyEvent();
    /** The slot of the operation that wakes the reaper: behind those of the operations. */
    private final int wakeSlot;

    /** Slots placed and not yet handed over. Guarded by the lock (in POLLED mode the owner's), as all that follows. */
    private final int[] queue;
    private int queued;
    private boolean ringing;
    /** Whether the operation that wakes the reaper is under way: it is sent once at a time. */
    private volatile boolean wakeSent;
    /** Slots that io_submit refused, with their errno, until the completer ends them. */
    private final int[] refusedSlots;
    private final long[] refusedResults;
    private int refusedCount;

    /** Refusals there are, for a look without the lock. */
    private volatile boolean hasRefused;
    /** The kernel could not take what was placed; whoever completes rings again. */
    private volatile boolean stalled;

    /** Pointers for io_submit, and their slots. Who is ringing has them alone. */
    private final MemorySegment batch;
    private final int[] batchSlots;
    /** A pointer for io_submit, to wake the owner. Guarded by the monitor. */
    private final MemorySegment wakePointer = Arena.ofAuto().allocate(8, 8);

    /** Takes over context and file when it has returned. */
    private LibaioEngine(AioEngineConfig config, AioContext context, NativeFile nothing, int slots) {
        super(NAME, OPERATIONS, config, config.isPolled(), slots);
        this.context = context;
        this.nothing = nothing;
        wakeSlot = slots;
        queue = new int[slots + 1];
        refusedSlots = new int[slots + 1];
        refusedResults = new long[slots + 1];
        batchSlots = new int[slots + 1];
        // With the garbage collector: it is given back whatever else fails.
        batch = Arena.ofAuto().allocate(8L * (slots + 1), 8);
    }

    static LibaioEngine open(AioEngineConfig config) throws IOException {
        return open(config, AioContext::new);
    }

    static LibaioEngine open(AioEngineConfig config, AioContext.Maker maker) throws IOException {
        // As many as an io_uring of this depth has.
        int slots = 2 * config.depth();
        NativeFile nothing = NativeFile.openNothing(Path.of("/dev/null"));
        AioContext context = null;
        LibaioEngine engine = null;
        boolean good = false;
        try {
            context = AioContext.open(slots + 1, maker);
            engine = new LibaioEngine(config, context, nothing, slots);
            engine.start();
            good = true;
            return engine;
        } finally {
            if (!good) {
                if (engine != null) {
                    engine.destroy();
                } else {
                    nothing.close();
                    if (context != null) {
                        context.close();
                    }
                }
            }
        }
    }

    // Placing.

    @Override
    boolean place(int slot, Kiocb kiocb) {
        NativeFile file = (NativeFile) kiocb.fileOrNone();
        if (file == null) {
            // All that a call has here is the wait for a thread.
            int event = Objects.requireNonNull(kiocb.call).descriptor;
            context.prepare(slot, AioContext.CMD_POLL, event, AioContext.POLLIN, 0, 0, 0);
        } else {
            place(slot, kiocb, file);
        }
        raiseAtEnd(slot);
        queue[queued++] = slot;
        return true;
    }

    private void place(int slot, Kiocb kiocb, NativeFile file) {
        int descriptor = file.fd();
        switch (kiocb.syncing ? Objects.requireNonNull(kiocb.syncAfter()) : kiocb.operation()) {
            case READ -> prepareTransfer(slot, kiocb, descriptor, AioContext.CMD_PREAD, AioContext.CMD_PREADV, 0);
            case WRITE -> prepareTransfer(slot, kiocb, descriptor, AioContext.CMD_PWRITE, AioContext.CMD_PWRITEV,
                    kiocb.flagsToWriteThrough(file));
            case FSYNC -> context.prepare(slot, AioContext.CMD_FSYNC, descriptor, 0, 0, 0, 0);
            case FDATASYNC -> context.prepare(slot, AioContext.CMD_FDSYNC, descriptor, 0, 0, 0, 0);
            default -> throw new AssertionError(kiocb.operation());
        }
    }

    /** Who waits for the engine's descriptor is to hear of the end of what has been prepared for a slot. */
    private void raiseAtEnd(int slot) {
        int event = ready.fd();
        if (event >= 0) {
            context.raise(slot, event);
        }
    }

    @Override
    public int descriptor() {
        return ready.descriptor(this);
    }

    @Override
    void pollIdle() {
        // The kernel raises it when it has told, and may have been late.
        drainIdle(ready);
    }

    @Override
    boolean placeCancel(int slot) {
        // No file has operations that io_cancel could end.
        return true;
    }

    private void prepareTransfer(int slot, Kiocb kiocb, int descriptor, short single, short vectored, int rwFlags) {
        int segments = kiocb.remainingSegments();
        int flags = rwFlags | kiocb.flags();
        long offset = kiocb.remainingOffset();
        if (segments > 1) {
            context.prepare(slot, vectored, descriptor, kiocb.remainingIovecs(),
                    Math.min(segments, NativeFile.SEGMENTS_MAX), offset, flags);
        } else if (segments == 1) {
            context.prepare(slot, single, descriptor, kiocb.firstAddress(),
                    Math.min(kiocb.firstBytes(), NativeFile.TRANSFER_MAX), offset, flags);
        } else {
            context.prepare(slot, single, descriptor, 0, 0, offset, flags);
        }
        if (kiocb.priorityValue() != 0) {
            context.prioritize(slot, kiocb.priorityValue());
        }
    }

    // The doorbell.

    @Override
    void ring() {
        int count = takeQueue();
        while (count > 0) {
            if (!submitBatch(count)) {
                return;
            }
            count = takeMore();
        }
    }

    /** Takes the queue, unless another thread is ringing: then it will. */
    private int takeQueue() {
        lock();
        try {
            return ringing ? 0 : fillBatch();
        } finally {
            unlock();
        }
    }

    private int takeMore() {
        lock();
        try {
            return fillBatch();
        } finally {
            unlock();
        }
    }

    /** With the lock held. */
    private int fillBatch() {
        int count = queued;
        for (int i = 0; i < count; i++) {
            batchSlots[i] = queue[i];
            batch.set(ValueLayout.JAVA_LONG, 8L * i, context.iocb(queue[i]));
        }
        queued = 0;
        ringing = count > 0;
        stalled = false;
        return count;
    }

    /** Submits the batch, which the kernel may take in parts; false if it cannot take the rest now. */
    private boolean submitBatch(int count) {
        int done = 0;
        int tries = 0;
        while (done < count) {
            counters.systemCalls.getAndIncrement();
            int taken = context.submit(batch.address() + 8L * done, count - done);
            if (taken > 0) {
                done += taken;
            } else if (taken == -Errno.EAGAIN || taken == -Errno.EINTR || taken == 0) {
                // Nobody waits here: who completes rings again.
                if (++tries >= DOORBELLS_MAX) {
                    putBack(done, count);
                    return false;
                }
            } else {
                refused(batchSlots[done], taken);
                done++;
            }
        }
        return true;
    }

    /** Puts the rest of a batch back at the front of the queue, and stops ringing. */
    private void putBack(int done, int count) {
        lock();
        try {
            int rest = count - done;
            System.arraycopy(queue, 0, queue, rest, queued);
            System.arraycopy(batchSlots, done, queue, 0, rest);
            queued += rest;
            ringing = false;
            stalled = true;
        } finally {
            unlock();
        }
    }

    /** A sync that a kernel before 4.18 does not know is carried out here and now. */
    private void refused(int slot, int errno) {
        long result = errno;
        if (slot != wakeSlot) {
            Kiocb kiocb = placed(slot);
            AioOperation what = kiocb.syncing ? Objects.requireNonNull(kiocb.syncAfter()) : kiocb.operation();
            if (errno == -Errno.EINVAL && what.isSync()) {
                result = ((NativeFile) kiocb.file()).syncAcquired(what == AioOperation.FDATASYNC);
            }
        }
        lock();
        try {
            refusedSlots[refusedCount] = slot;
            refusedResults[refusedCount++] = result;
            hasRefused = true;
            // With the lock: who ends these takes it before the event can be closed.
            ready.raise();
        } finally {
            unlock();
        }
        if (slot != wakeSlot) {
            callCompleter();
        }
    }

    // Completions.

    @Override
    boolean isReady() {
        return context.ready() > 0 || hasRefused;
    }

    @Override
    int ready() {
        if (stalled) {
            ring();
        }
        ready.drain();
        if (!context.hasRing() && context.ready() == 0) {
            counters.systemCalls.getAndIncrement();
            checked(context.getEvents(0, 0));
        }
        return context.ready() + (hasRefused ? 1 : 0);
    }

    @Override
    void reap(int count) {
        if (hasRefused) {
            endRefused();
        }
        for (int i = Math.min(count, context.ready()); i > 0; i--) {
            int slot = context.slot();
            long result = context.result();
            context.advance();
            end(slot, result);
        }
    }

    private void endRefused() {
        int[] refused;
        long[] results;
        lock();
        try {
            refused = Arrays.copyOf(refusedSlots, refusedCount);
            results = Arrays.copyOf(refusedResults, refusedCount);
            refusedCount = 0;
            hasRefused = false;
        } finally {
            unlock();
        }
        for (int i = 0; i < refused.length; i++) {
            end(refused[i], results[i]);
        }
    }

    private void end(int slot, long result) {
        if (slot != wakeSlot) {
            ended(slot, result);
        } else {
            wakeSent = false;
        }
    }

    @Override
    boolean isAllHandedOver() {
        return queued == 0;
    }

    @Override
    boolean ringAndWait(long timeoutNanos) {
        ring();
        if (isReady()) {
            return false;
        }
        counters.systemCalls.getAndIncrement();
        checked(context.getEvents(1, stalled ? Math.min(timeoutNanos, STALLED_PAUSE_NANOS) : timeoutNanos));
        return true;
    }

    @Override
    void sleep(long timeoutNanos) {
        if (!isReady()) {
            counters.systemCalls.getAndIncrement();
            checked(context.getEvents(1, stalled ? Math.min(timeoutNanos, STALLED_PAUSE_NANOS) : timeoutNanos));
        }
    }

    /** Lets pass what is a matter of trying again. Anything else is refused by the kernel, now and most likely for good. */
    private static void checked(int fetched) {
        if (fetched < 0 && fetched != -Errno.EINTR && fetched != -Errno.EAGAIN) {
            throw new RingRefusedException("io_getevents", fetched);
        }
    }

    @Override
    void wake() {
        lock();
        try {
            if (wakeSent) {
                return;
            }
            wakeSent = true;
            context.prepare(wakeSlot, AioContext.CMD_PREAD, nothing.fd(), 0, 0, 0, 0);
            queue[queued++] = wakeSlot;
        } finally {
            unlock();
        }
        ring();
    }

    /** Sends the operation past the owner, who alone has the queue: any thread may submit to a context. */
    @Override
    synchronized void wakeOwner() {
        if (wakeSent) {
            return;
        }
        // Before it is sent: the owner takes it back when it finds the end.
        wakeSent = true;
        context.prepare(wakeSlot, AioContext.CMD_PREAD, nothing.fd(), 0, 0, 0, 0);
        wakePointer.set(ValueLayout.JAVA_LONG, 0, context.iocb(wakeSlot));
        int taken = 0;
        for (int tries = 0; taken != 1 && tries < DOORBELLS_MAX; tries++) {
            taken = context.submit(wakePointer.address(), 1);
            if (taken < 0 && taken != -Errno.EAGAIN && taken != -Errno.EINTR) {
                break;
            }
        }
        if (taken != 1) {
            // The next one tries again.
            wakeSent = false;
            throw new IllegalStateException("io_submit refused a wake-up: " + Errno.name(taken));
        }
    }

    @Override
    void abandon() {
        // Any thread may use a context: the closing one does what the owner would have done.
    }

    @Override
    void takeBack() {
        if (!context.isDestroyed()) {
            if (hasRefused) {
                endRefused();
            }
            reap(context.ready());
            cancelQueued();
        }
        // The kernel waits here until it has none of them any more.
        while (isAnyPlaced() && !context.destroy()) {
            Threads.pause(this, LOOK_AGAIN_NANOS);
            reap(context.ready());
        }
        cancelDeferred(Errno.EIO);
        cancelAllPlaced(Errno.EIO);
    }

    /** Tells what has been placed and never handed over. */
    private void cancelQueued() {
        int[] slots;
        lock();
        try {
            slots = Arrays.copyOf(queue, queued);
            queued = 0;
        } finally {
            unlock();
        }
        for (int slot : slots) {
            if (slot != wakeSlot) {
                cancelPlaced(slot, Errno.EIO);
            }
        }
    }

    @Override
    void destroy() {
        try {
            context.close();
        } finally {
            nothing.close();
            ready.close();
        }
    }

    @Override
    public String toString() {
        return NAME + "[" + config + (context.hasRing() ? ", ring read in user space" : ", io_getevents") + "]";
    }
}
