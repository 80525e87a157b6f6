package io.blkmq.aio;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.VarHandle;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.Objects;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.ConcurrentLinkedQueue;
import org.jspecify.annotations.Nullable;

/**
 * The engine over an io_uring.
 *
 * <p>POLLED: the ring is made with SINGLE_ISSUER and DEFER_TASKRUN, which makes the kernel do the work that ends an
 * operation on the owner's thread, when it enters, and spares it all locking. Such a ring can be entered and
 * registered with by one thread only. It is made disabled and enabled by the thread that first submits, so that it
 * may be set up, and files and memory registered, by another; what another thread wants registered after that waits
 * in {@link #duties} for the owner's next call.
 *
 * <p>REAPER, entered by submitters: the ring is plain. Entries are written under the engine's lock; the doorbell is
 * rung by the submitter outside of it, for whatever is there, its own or another's: the kernel takes entries in order,
 * under a lock of its own. What ends within the doorbell is told by the submitter. The reaper sleeps in the kernel
 * until there is a completion; to wake it for closing, a NOP is sent through the ring. COOP_TASKRUN is not used here
 * unless it is asked for: with it a submitter that computes for long, and enters no kernel, would hold up the
 * completions of what it submitted.
 *
 * <p>REAPER, entered by the reaper alone: the ring is made as for POLLED, and the reaper is its owner. A read of an
 * eventfd is always under way in the ring; raising that wakes the reaper.
 *
 * <p>A write with a sync after it is one entry with a flag (RWF_DSYNC), if the file takes that. Otherwise it is two entries with a link. The write posts no completion if it succeeds, and a link
 * that is cut posts none for its second half, so there is one completion for the two: the sync's, or the failed or
 * short write's. Where the kernel has no such thing, or the ring no room for two, the sync is placed when the write
 * has ended.
 */
final class UringEngine extends NativeEngine {

    private static final System.Logger LOGGER = System.getLogger("io.blkmq.aio");

    static final String NAME = "io_uring";

    /** User data of what wakes the reaper, a NOP or the read of its event: no slot. */
    private static final long WAKE = -1;

    /** User data of what asks for an operation back: no slot, either. */
    private static final long CANCEL = -2;

    /** Beside the slot in the user data of a sync that is linked to a write. */
    private static final long LINKED = 1L << 32;

    /**
     * How often in a row a doorbell is rung again that the kernel could not hear for want of memory, before it is
     * left to the completer.
     */
    private static final int DOORBELLS_MAX = 100;

    /** How long the reaper waits before it rings again for what the kernel could not take. */
    private static final long STALLED_PAUSE_NANOS = 100_000;

    /**
     * The longest wait where a thread of the kernel asks the device for completions: that it also wakes who waits for them is not
     * relied upon. And where a wake-up could not be prepared, for want of room.
     */
    private static final long DEVICE_ASKED_NANOS = 1_000_000;

    /** How often to look whether operations have ended that nothing can be learned of but by looking. */
    private static final long LOOK_AGAIN_NANOS = 1_000_000;

    /**
     * Best first: NO_SQARRAY came with 6.6, DEFER_TASKRUN 6.1, SINGLE_ISSUER 6.0, COOP_TASKRUN and TASKRUN_FLAG 5.19,
     * SUBMIT_ALL 5.18.
     */
    static final int[] POLLED_FLAGS = {
            Uring.SETUP_SUBMIT_ALL | Uring.SETUP_SINGLE_ISSUER | Uring.SETUP_DEFER_TASKRUN | Uring.SETUP_TASKRUN_FLAG
                    | Uring.SETUP_R_DISABLED | Uring.SETUP_NO_SQARRAY,
            Uring.SETUP_SUBMIT_ALL | Uring.SETUP_SINGLE_ISSUER | Uring.SETUP_DEFER_TASKRUN | Uring.SETUP_TASKRUN_FLAG
                    | Uring.SETUP_R_DISABLED,
            Uring.SETUP_SUBMIT_ALL | Uring.SETUP_SINGLE_ISSUER | Uring.SETUP_COOP_TASKRUN | Uring.SETUP_TASKRUN_FLAG
                    | Uring.SETUP_R_DISABLED,
            Uring.SETUP_SUBMIT_ALL | Uring.SETUP_COOP_TASKRUN | Uring.SETUP_TASKRUN_FLAG, Uring.SETUP_SUBMIT_ALL, 0};
    /** Where {@link #POLLED_FLAGS} go over to cooperative task work. */
    private static final int COOPERATIVE_FROM = 2;
    static final int[] INTERRUPTING_FLAGS = {Uring.SETUP_SUBMIT_ALL | Uring.SETUP_NO_SQARRAY, Uring.SETUP_SUBMIT_ALL,
            0};
    static final int[] COOPERATIVE_FLAGS = {
            Uring.SETUP_SUBMIT_ALL | Uring.SETUP_COOP_TASKRUN | Uring.SETUP_TASKRUN_FLAG | Uring.SETUP_NO_SQARRAY,
            Uring.SETUP_SUBMIT_ALL | Uring.SETUP_COOP_TASKRUN | Uring.SETUP_TASKRUN_FLAG, Uring.SETUP_SUBMIT_ALL, 0};
    /** A single issuer whose task work interrupts it. */
    static final int[] SINGLE_INTERRUPTING_FLAGS = {
            Uring.SETUP_SUBMIT_ALL | Uring.SETUP_SINGLE_ISSUER | Uring.SETUP_R_DISABLED | Uring.SETUP_NO_SQARRAY,
            Uring.SETUP_SUBMIT_ALL | Uring.SETUP_SINGLE_ISSUER | Uring.SETUP_R_DISABLED, Uring.SETUP_SUBMIT_ALL, 0};
    /** The thread of the kernel that takes entries is the ring's only issuer, whoever writes them. */
    static final int[] SUBMISSION_POLLING_FLAGS = {Uring.SETUP_SUBMIT_ALL | Uring.SETUP_SQPOLL | Uring.SETUP_NO_SQARRAY,
            Uring.SETUP_SUBMIT_ALL | Uring.SETUP_SQPOLL, Uring.SETUP_SQPOLL};

    private final Uring ring;
    private final FileTable files;
    private final MemoryTable memory;
    /** Null where the kernel has no table of files for it (before 5.19). */
    private final @Nullable RingWitness witness;
    /** Work that ends operations is done when the owner enters with GETEVENTS, and only then. */
    private final int doorbellFlags;
    private final boolean submissionPolling;
    private final boolean completionPolling;
    /** Whether it is us who ask the device for completions, by entering the kernel. */
    private final boolean asksDevice;
    private final boolean canLink;
    /** Whether vectored transfers can be in registered memory (Linux 6.15). */
    private final boolean vectorsRegistered;
    private final long calls;
    /** What wakes a reaper that alone enters the ring, or an owner that may be woken; null otherwise. */
    private final @Nullable WakeEvent wakeEvent;
    /** Whether the ring reads the event. The reaper's, or the owner's. */
    private boolean wakeArmed;

    /** Registrations that other threads want of a ring that only its owner may register with. */
    private final Queue<Runnable> duties = new ConcurrentLinkedQueue<>();
    private volatile boolean hasDuties;
    /** Guards the change from a ring that anybody may register with to one that only its owner may. */
    private final Object gate = new Object();
    /** Guarded by gate. */
    private boolean enabled;
    /** Guarded by gate where one thread enters, by the lock where many do. */
    private boolean destroyed;

    /** Whether somebody has asked for the descriptor. */
    private volatile boolean isWaitedFor;
    /** The kernel could not take what was placed; whoever completes rings again. */
    private volatile boolean stalled;

    private UringEngine(AioEngineConfig config, Uring ring, boolean[] supported) throws IOException {
        // One place of the completion ring is for the NOP that wakes the reaper.
        super(NAME, operations(ring, supported), config, config.isEnteredByOne(), ring.completionEntries() - 1);
        this.ring = ring;
        enabled = !ring.has(Uring.SETUP_R_DISABLED);
        doorbellFlags = ring.has(Uring.SETUP_DEFER_TASKRUN) ? Uring.ENTER_GETEVENTS : 0;
        submissionPolling = ring.has(Uring.SETUP_SQPOLL);
        completionPolling = ring.has(Uring.SETUP_IOPOLL);
        asksDevice = completionPolling && !submissionPolling;
        canLink = ring.canSkipSuccess() && ring.submissionEntries() > 1;
        vectorsRegistered = supported[Uring.OP_READV_FIXED] && supported[Uring.OP_WRITEV_FIXED];
        calls = calls(ring, supported);
        files = FileTable.of(ring, this::whenAllowed);
        memory = new MemoryTable(ring);
        witness = files.places() > 0 ? RingWitness.of(ring, files.witnessPlace()) : null;
        wakeEvent = (single && config.hasReaper()) || config.wakeable() ? openWakeEvent(witness) : null;
    }

    /** The last descriptor that an engine opens: where there is none left, it gives back the one before. */
    private static WakeEvent openWakeEvent(@Nullable RingWitness witness) throws IOException {
        try {
            return WakeEvent.open();
        } catch (IOException e) {
            if (witness != null) {
                witness.close();
            }
            throw e;
        }
    }

    static UringEngine open(AioEngineConfig config) throws IOException {
        return open(config, wantedFlags(config));
    }

    /** The sets of setup flags for what is configured, best first. */
    static int[] wantedFlags(AioEngineConfig config) {
        int[] wanted;
        if (config.submissionPolling()) {
            wanted = SUBMISSION_POLLING_FLAGS;
        } else if (config.isEnteredByOne()) {
            wanted = switch (config.taskWork()) {
                case DEFERRED -> POLLED_FLAGS;
                case COOPERATIVE -> Arrays.copyOfRange(POLLED_FLAGS, COOPERATIVE_FROM, POLLED_FLAGS.length);
                case INTERRUPTING -> SINGLE_INTERRUPTING_FLAGS;
            };
        } else {
            wanted = config.taskWork() == TaskWork.COOPERATIVE ? COOPERATIVE_FLAGS : INTERRUPTING_FLAGS;
        }
        int more = config.completionPolling() ? Uring.SETUP_IOPOLL : 0;
        return Arrays.stream(wanted).map(flags -> flags | more).toArray();
    }

    /** Opens an engine whose ring has the first of the sets of setup flags that the kernel knows. */
    static UringEngine open(AioEngineConfig config, int... wanted) throws IOException {
        return open(config, Uring::new, wanted);
    }

    static UringEngine open(AioEngineConfig config, Uring.Maker maker, int... wanted) throws IOException {
        Uring ring = Uring.open(config.depth(), wanted, maker);
        UringEngine engine = null;
        boolean good = false;
        try {
            engine = new UringEngine(config, ring, supported(ring));
            if (config.kernelWorkers() > 0 && !ring.limitWorkers(config.kernelWorkers())) {
                LOGGER.log(System.Logger.Level.WARNING,
                        "kernelWorkers is set, but this kernel does not limit its workers: it needs Linux 5.15");
            }
            engine.start();
            good = true;
            return engine;
        } finally {
            if (!good) {
                if (engine != null) {
                    engine.destroy();
                } else {
                    ring.close();
                }
            }
        }
    }

    private static boolean[] supported(Uring ring) throws IOException {
        boolean[] has = ring.supported();
        if (!has[Uring.OP_READ] || !has[Uring.OP_WRITE]) {
            throw new AioUnavailableException(NAME, "the kernel is too old: it needs Linux 5.6");
        }
        return has;
    }

    private static Set<AioOperation> operations(Uring ring, boolean[] has) {
        Set<AioOperation> operations = EnumSet.of(AioOperation.READ, AioOperation.WRITE);
        if (!ring.has(Uring.SETUP_IOPOLL)) {
            operations.add(AioOperation.FSYNC);
            operations.add(AioOperation.FDATASYNC);
            if (has[Uring.OP_FALLOCATE]) {
                operations.add(AioOperation.PUNCH_HOLE);
                operations.add(AioOperation.ZERO_RANGE);
                operations.add(AioOperation.ALLOCATE);
            }
        }
        return operations;
    }

    @Override
    void opened(NativeFile file) {
        String obstacle = completionPolling ? file.pollingObstacle() : null;
        if (obstacle != null) {
            LOGGER.log(System.Logger.Level.WARNING, () -> "completionPolling is set, but " + file.path() + " "
                    + obstacle + ": its reads and writes may end with EOPNOTSUPP");
        }
    }

    // Placing.

    @Override
    boolean place(int slot, Kiocb kiocb) {
        if (ring.isFull()) {
            ringOrStall();
            callRetired();
            if (ring.isFull()) {
                return false;
            }
        }
        NativeFile file = (NativeFile) kiocb.fileOrNone();
        if (file == null) {
            placeCall(slot, Objects.requireNonNull(kiocb.call));
            return true;
        }
        int place = file.index(files);
        if (place < 0) {
            place = files.add(file);
        }
        int entryFlags = 0;
        int descriptor = file.fd();
        if (place >= 0) {
            entryFlags = Uring.ENTRY_FIXED_FILE;
            descriptor = place;
            counters.fixedFiles.increment();
        }
        AioOperation what = kiocb.syncing ? Objects.requireNonNull(kiocb.syncAfter()) : kiocb.operation();
        switch (what) {
            case READ -> placeTransfer(slot, kiocb, entryFlags, descriptor, false, 0);
            case WRITE -> {
                AioOperation sync = kiocb.syncAfter();
                int flags = kiocb.flagsToWriteThrough(file);
                if (sync != null && flags == 0 && canLink && kiocb.isOneEntry()) {
                    if (ring.isFullForTwo()) {
                        ringOrStall();
                    }
                    if (!ring.isFullForTwo()) {
                        int linked = entryFlags | Uring.ENTRY_LINK | Uring.ENTRY_SKIP_SUCCESS;
                        placeTransfer(slot, kiocb, linked, descriptor, true, 0);
                        placeSync(slot | LINKED, entryFlags, descriptor, sync);
                        break;
                    }
                }
                placeTransfer(slot, kiocb, entryFlags, descriptor, true, flags);
            }
            case FSYNC, FDATASYNC -> placeSync(slot, entryFlags, descriptor, what);
            // FALLOCATE has its length where others have their address, and its mode where they have their length.
            case PUNCH_HOLE, ZERO_RANGE, ALLOCATE -> ring.put(Uring.head(Uring.OP_FALLOCATE, entryFlags, descriptor),
                    kiocb.offset(), kiocb.bytes(), kiocb.allocationMode(), slot, 0);
        }
        ring.publish();
        return true;
    }

    @Override
    boolean placeCancel(int slot) {
        if (canLink ? ring.isFullForTwo() : ring.isFull()) {
            ringOrStall();
            if (canLink ? ring.isFullForTwo() : ring.isFull()) {
                return false;
            }
        }
        // By their user data, of which the address is told: what the slot has now was handed over before this, and what it has next will be
        // after it. The kernel takes entries in order, so it cannot take one for the other.
        long head = Uring.head(Uring.OP_ASYNC_CANCEL, 0, -1);
        ring.put(head, 0, slot, 0, CANCEL, 0);
        if (canLink) {
            ring.put(head, 0, slot | LINKED, 0, CANCEL, 0);
        }
        ring.publish();
        return true;
    }

    /** A step of a call. */
    private void placeCall(int slot, FileCall<?> call) {
        ring.put(Uring.head(call.opcode, 0, call.descriptor), call.offset, call.address, call.length, slot, 0);
        ring.publish();
    }

    @Override
    boolean carriesOut(int opcode) {
        return (calls & 1L << opcode) != 0;
    }

    /** The kinds of calls that the kernel has entries for, a bit for each. A ring that asks the device has none. */
    private static long calls(Uring ring, boolean[] supported) {
        long calls = 0;
        if (!ring.has(Uring.SETUP_IOPOLL)) {
            for (int opcode : new int[]{Uring.OP_OPENAT, Uring.OP_CLOSE, Uring.OP_STATX, Uring.OP_UNLINKAT}) {
                calls |= supported[opcode] ? 1L << opcode : 0;
            }
        }
        return calls;
    }

    private void placeSync(long userData, int entryFlags, int descriptor, AioOperation sync) {
        long flags = sync == AioOperation.FDATASYNC ? (long) Uring.FSYNC_DATASYNC << 32 : 0;
        ring.put(Uring.head(Uring.OP_FSYNC, entryFlags, descriptor), 0, 0, flags, userData, 0);
    }

    private void placeTransfer(int slot, Kiocb kiocb, int entryFlags, int descriptor, boolean write, int rwFlags) {
        int segments = kiocb.remainingSegments();
        long offset = kiocb.remainingOffset();
        long flags = (long) (rwFlags | kiocb.flags()) << 32;
        long head = Uring.head(0, entryFlags, descriptor) | (long) kiocb.priorityValue() << 16;
        if (segments > 1) {
            int count = Math.min(segments, NativeFile.SEGMENTS_MAX);
            int registered = vectorsRegistered ? kiocb.findRegistered(memory, count) : -1;
            long length = count | flags;
            if (registered >= 0) {
                counters.fixedBuffers.increment();
                ring.put(head | (write ? Uring.OP_WRITEV_FIXED : Uring.OP_READV_FIXED), offset, kiocb.remainingIovecs(),
                        length, slot, registered);
            } else {
                ring.put(head | (write ? Uring.OP_WRITEV : Uring.OP_READV), offset, kiocb.remainingIovecs(), length,
                        slot, 0);
            }
            return;
        }
        long address = 0;
        long bytes = 0;
        int registered = -1;
        if (segments == 1) {
            address = kiocb.firstAddress();
            bytes = Math.min(kiocb.firstBytes(), NativeFile.TRANSFER_MAX);
            registered = memory.find(kiocb.firstMemory(), address, bytes);
        }
        if (registered >= 0) {
            counters.fixedBuffers.increment();
            ring.put(head | (write ? Uring.OP_WRITE_FIXED : Uring.OP_READ_FIXED), offset, address, bytes | flags, slot,
                    registered);
        } else {
            ring.put(head | (write ? Uring.OP_WRITE : Uring.OP_READ), offset, address, bytes | flags, slot, 0);
        }
    }

    // The doorbell.

    @Override
    void ring() {
        if (submissionPolling) {
            if (ring.needsWakeup()) {
                counters.systemCalls.getAndIncrement();
                int _ = checked(ring.enter(0, 0, Uring.ENTER_SQ_WAKEUP));
            }
            return;
        }
        int pending = ring.pending();
        for (int tries = 0; pending > 0; pending = ring.pending()) {
            int taken = enter(pending);
            if (taken >= pending) {
                break;
            }
            // Completions may have to be reaped first, or memory found. Nobody waits here for that: who completes
            // rings again.
            if (taken == -Errno.EAGAIN || taken == -Errno.EBUSY || (taken <= 0 && ++tries >= DOORBELLS_MAX)) {
                stalled = true;
                return;
            }
        }
        if (stalled) {
            stalled = false;
            // After that, and before the look: who has placed an entry since and was refused has said so before it, and would be unheard.
            VarHandle.fullFence();
            if (ring.pending() > 0) {
                stalled = true;
            }
        }
    }

    /**
     * Where several threads enter, each asks for all there is and not for what it has seen: what it has seen may have
     * been taken meanwhile, and the number would then end in the middle of a link.
     */
    private int enter(int pending) {
        counters.systemCalls.getAndIncrement();
        return checked(ring.enter(single ? pending : ring.submissionEntries(), 0, doorbellFlags));
    }

    /** Lets pass what is a matter of trying again. Anything else is refused by the kernel, now and most likely for good. */
    private int checked(int entered) {
        if (entered < 0 && entered != -Errno.EAGAIN && entered != -Errno.EBUSY && entered != -Errno.EINTR
                && entered != -Errno.ETIME) {
            stalled = true;
            throw new RingRefusedException("io_uring_enter", entered);
        }
        return entered;
    }

    // Completions.

    @Override
    int ready() {
        if (stalled) {
            ring();
        }
        int count = ring.ready();
        if (count == 0 && (ring.wantsEnter() || (asksDevice && inFlight() != 0))) {
            if (ring.hasOverflown()) {
                counters.overflows.increment();
            }
            counters.systemCalls.getAndIncrement();
            int _ = checked(ring.enter(0, 0, Uring.ENTER_GETEVENTS));
            count = ring.ready();
        }
        return count;
    }

    @Override
    boolean isReady() {
        return ring.ready() > 0;
    }

    @Override
    void reap(int count) {
        for (int i = 0; i < count; i++) {
            long userData = ring.completionUserData();
            int result = ring.completionResult();
            ring.advance();
            if (userData == WAKE) {
                wakeArmed = false;
            } else if (userData != CANCEL) {
                // Whether what was cancelled was found is told by the operation itself.
                entryEnded(userData, result);
            }
        }
    }

    private void entryEnded(long userData, int result) {
        if ((userData & LINKED) != 0) {
            linkedSyncEnded((int) userData, result);
        } else {
            ended((int) userData, result);
        }
    }

    @Override
    boolean canCompleteAnywhere() {
        return !single;
    }

    @Override
    boolean isAllHandedOver() {
        return ring.pending() == 0;
    }

    @Override
    boolean ringAndWait(long timeoutNanos) {
        if (wakeEvent != null && !completionPolling) {
            // A ring that asks the device reads no event, and no wait on it is long.
            armWake(wakeEvent);
        }
        counters.systemCalls.getAndIncrement();
        if (asksDevice) {
            // A wait of the kernel's would not look at the time.
            int _ = checked(ring.enter(ring.pending(), 0, Uring.ENTER_GETEVENTS));
            return false;
        }
        int moreFlags = submissionPolling && ring.needsWakeup() ? Uring.ENTER_SQ_WAKEUP : 0;
        long timeout = stalled ? Math.min(timeoutNanos, STALLED_PAUSE_NANOS) : timeoutNanos;
        if (completionPolling || (wakeEvent != null && !wakeArmed)) {
            timeout = Math.min(timeout, DEVICE_ASKED_NANOS);
        }
        int entered = checked(ring.enterAndWait(submissionPolling ? 0 : ring.pending(), moreFlags, timeout));
        stalled = entered == -Errno.EAGAIN || entered == -Errno.EBUSY;
        // What was handed over with this may have ended before there was anything to wait for.
        return false;
    }

    @Override
    void sleep(long timeoutNanos) {
        counters.systemCalls.getAndIncrement();
        int _ = checked(ring.enterAndWait(0, 0, stalled ? Math.min(timeoutNanos, STALLED_PAUSE_NANOS) : timeoutNanos));
    }

    /** Has the ring read the event, if it does not already. The reaper, or the owner. */
    private void armWake(WakeEvent event) {
        if (!wakeArmed && !ring.isFull()) {
            ring.put(Uring.head(Uring.OP_READ, 0, event.fd()), 0, WakeEvent.SINK.address(), Long.BYTES, WAKE, 0);
            ring.publish();
            wakeArmed = true;
        }
    }

    @Override
    void wakeOwner() {
        Objects.requireNonNull(wakeEvent).raise();
    }

    @Override
    void wake() {
        if (wakeEvent != null) {
            wakeEvent.raise();
            return;
        }
        lock();
        try {
            if (ring.isFull()) {
                ringOrStall();
            }
            if (!ring.isFull()) {
                ring.put(Uring.head(Uring.OP_NOP, 0, -1), 0, 0, 0, WAKE, 0);
                ring.publish();
            }
        } finally {
            unlock();
        }
        ringOrStall();
    }

    /** What is in the ring and of no operation, as the end of a wake-up, keeps the descriptor readable: who waits for that takes it. */
    @Override
    void pollIdle() {
        if (isWaitedFor && !closed && end.use()) {
            try {
                if (ring.ready() > 0 || ring.wantsEnter()) {
                    reap(ready());
                }
            } catch (RingRefusedException e) {
                // As for any owner: the next operation finds that.
                LOGGER.log(System.Logger.Level.DEBUG, "an idle ring refuses", e);
            } finally {
                end.letGo();
            }
        }
    }

    @Override
    public int descriptor() {
        if (config.hasReaper()) {
            throw new IllegalStateException(
                    "AIO engine " + NAME + " has a reaper, which takes what a wait for its descriptor would be for");
        }
        if (!isOpen()) {
            throw new IllegalStateException("AIO engine " + NAME + " is closed");
        }
        if (completionPolling) {
            throw new UnsupportedOperationException(
                    "AIO engine " + NAME + " was opened with completionPolling(true): its operations"
                            + " end when the device is asked, and its descriptor never tells that they have");
        }
        isWaitedFor = true;
        return ring.fd();
    }

    /** What the ring takes of the kernel's memory, in bytes. */
    long sharedBytes() {
        return ring.sharedBytes();
    }

    // The owner.

    @Override
    void ownerKnown() {
        synchronized (gate) {
            if (!enabled && !destroyed) {
                int result = ring.enable();
                if (result < 0) {
                    throw new IllegalStateException("the ring cannot be enabled: " + Errno.name(result));
                }
                enabled = true;
            }
        }
    }

    @Override
    boolean hasOwnerDuties() {
        return hasDuties;
    }

    @Override
    void ownerDuties() {
        if (!hasDuties) {
            return;
        }
        // Before they are taken: a duty that comes later raises it again.
        hasDuties = false;
        for (Runnable duty = duties.poll(); duty != null; duty = duties.poll()) {
            synchronized (gate) {
                // The owner may outlive a ring that has been given up.
                if (!destroyed) {
                    duty.run();
                }
            }
        }
    }

    /** Runs what registers with the ring: now, if the calling thread may, or when the owner comes. */
    private void whenAllowed(Runnable registration) {
        if (!single) {
            lock();
            try {
                if (!destroyed) {
                    registration.run();
                }
            } finally {
                unlock();
            }
            return;
        }
        synchronized (gate) {
            if (destroyed) {
                return;
            }
            if (mayRegister()) {
                registration.run();
                return;
            }
        }
        duties.add(registration);
        hasDuties = true;
        callReaper();
    }

    /** With the gate held, where one thread enters. */
    private boolean mayRegister() {
        Thread known = owner.get();
        // An owner that becomes known meanwhile comes to the gate before it does anything else.
        return known == Thread.currentThread() || (known == null && (!enabled || !ring.has(Uring.SETUP_SINGLE_ISSUER)));
    }

    /**
     * The owner has ended. Where the kernel lets nobody else enter, what it has posted is told as it is; the rest may be under way, and
     * its end cannot be learned.
     */
    @Override
    void abandon() {
        if (ring.has(Uring.SETUP_SINGLE_ISSUER)) {
            outcomes.beginBatch();
            try {
                tellWithoutEntering(Errno.ECANCELED);
            } finally {
                outcomes.endBatch();
            }
        }
    }

    @Override
    void takeBack() {
        tellWithoutEntering(Errno.EIO);
    }

    /** Tells everything: as it has ended, where that is known; otherwise with that errno, when the kernel has done with the ring. */
    private void tellWithoutEntering(int errno) {
        if (!isClosed()) {
            reap(ring.ready());
        }
        cancelDeferred(errno);
        if (!isAnyPlaced()) {
            return;
        }
        if (witness != null) {
            closeRing();
            witness.awaitEnd();
            cancelAllPlaced(errno);
            return;
        }
        // Such a ring is a plain one, whose completions are posted without our entering; and nobody enters for what is pending.
        for (int i = 0, pending = submissionPolling ? 0 : ring.pending(); i < pending; i++) {
            long userData = ring.pendingUserData(i);
            // Of a link the first half stands for both.
            if (userData != WAKE && userData != CANCEL && (userData & LINKED) == 0) {
                cancelPlaced((int) userData, errno);
            }
        }
        while (isAnyPlaced()) {
            Threads.pause(this, LOOK_AGAIN_NANOS);
            reap(ring.ready());
            cancelDeferred(errno);
        }
    }

    private boolean isClosed() {
        lock();
        try {
            synchronized (gate) {
                return destroyed;
            }
        } finally {
            unlock();
        }
    }

    // Memory, the end.

    @Override
    public boolean registerMemory(MemorySegment slab) {
        requireNative(slab);
        boolean[] added = {!closed};
        whenAllowed(() -> added[0] = memory.add(slab));
        return added[0];
    }

    @Override
    public boolean unregisterMemory(MemorySegment slab) {
        requireNative(slab);
        boolean[] removed = {!closed};
        whenAllowed(() -> removed[0] = memory.remove(slab));
        return removed[0];
    }

    @Override
    void destroy() {
        try {
            closeRing();
        } finally {
            if (witness != null) {
                witness.close();
            }
            if (wakeEvent != null) {
                wakeEvent.close();
            }
        }
    }

    private void closeRing() {
        lock();
        try {
            synchronized (gate) {
                if (!destroyed) {
                    destroyed = true;
                    try {
                        files.close();
                    } finally {
                        ring.close();
                    }
                }
            }
        } finally {
            unlock();
        }
    }

    @Override
    public String toString() {
        Thread known = owner.get();
        return NAME + "[" + config + ", ring " + ring.describe() + ", registered files " + files.places()
                + (known == null ? "" : ", owner " + known.getName()) + "]";
    }
}
