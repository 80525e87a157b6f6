package io.blkmq.aio;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.util.Collections;
import java.util.EnumSet;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.locks.LockSupport;
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
 * <p>REAPER: the ring is plain. Entries are written under the engine's lock; the doorbell is rung by the submitter
 * outside of it, for whatever is there, its own or another's: the kernel takes entries in order, under a lock of its
 * own. The reaper sleeps in the kernel until there is a completion; to wake it for closing, a NOP is sent through the
 * ring. COOP_TASKRUN is not used here: with it a submitter that computes for long, and enters no kernel, would hold
 * up the completions of what it submitted.
 */
final class UringEngine extends NativeEngine {

    static final String NAME = "io_uring";

    /** User data of the NOP that wakes the reaper: no slot. */
    private static final long WAKE = -1;

    /**
     * Segments that one vectored operation can have (UIO_MAXIOV); what is over is a short transfer, to be continued.
     */
    private static final int SEGMENTS_MAX = 1024;

    /**
     * How often in a row a doorbell is rung again that the kernel could not hear for want of memory, before it is
     * left to the completer.
     */
    private static final int DOORBELLS_MAX = 100;
    private static final long DOORBELL_PAUSE_NANOS = 100_000;

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
    static final int[] REAPER_FLAGS = {Uring.SETUP_SUBMIT_ALL | Uring.SETUP_NO_SQARRAY, Uring.SETUP_SUBMIT_ALL, 0};

    private final Uring ring;
    private final Set<AioOperation> operations;
    private final FileTable files;
    private final MemoryTable memory;
    /** For a ring that only its owner may enter; null otherwise. */
    private final @Nullable RingWitness witness;
    /** Work that ends operations is done when the owner enters with GETEVENTS, and only then. */
    private final int doorbellFlags;

    /** Registrations that other threads want of a ring that only its owner may register with. */
    private final Queue<Runnable> duties = new ConcurrentLinkedQueue<>();
    private volatile boolean hasDuties;
    /** Guards the change from a ring that anybody may register with to one that only its owner may. */
    private final Object gate = new Object();
    /** Guarded by gate. */
    private boolean enabled;
    /** Guarded by gate in POLLED mode, by the lock in REAPER mode. */
    private boolean destroyed;

    /** The kernel could not take what was placed; whoever completes rings again. */
    private volatile boolean stalled;

    private UringEngine(AioEngineConfig config, Uring ring, Set<AioOperation> operations) throws IOException {
        // One place of the completion ring is for the NOP that wakes the reaper.
        super(config, ring.completionEntries() - 1);
        this.ring = ring;
        this.operations = Collections.unmodifiableSet(operations);
        enabled = !ring.has(Uring.SETUP_R_DISABLED);
        doorbellFlags = ring.has(Uring.SETUP_DEFER_TASKRUN) ? Uring.ENTER_GETEVENTS : 0;
        files = FileTable.of(ring, this::whenAllowed);
        memory = new MemoryTable(ring);
        witness = ring.has(Uring.SETUP_SINGLE_ISSUER) ? RingWitness.of(ring, FileTable.WITNESS) : null;
    }

    static UringEngine open(AioEngineConfig config) throws IOException {
        return open(config, config.isPolled() ? POLLED_FLAGS : REAPER_FLAGS);
    }

    /** Opens an engine whose ring has the first of the sets of setup flags that the kernel knows. */
    static UringEngine open(AioEngineConfig config, int... wanted) throws IOException {
        Uring ring = Uring.open(config.depth(), wanted);
        UringEngine engine = null;
        boolean good = false;
        try {
            engine = new UringEngine(config, ring, operations(ring));
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

    private static Set<AioOperation> operations(Uring ring) throws AioUnavailableException {
        boolean[] has = ring.supported();
        if (!has[Uring.OP_READ] || !has[Uring.OP_WRITE]) {
            throw new AioUnavailableException(NAME, "the kernel is too old: it needs Linux 5.6");
        }
        Set<AioOperation> operations = EnumSet.of(AioOperation.READ, AioOperation.WRITE, AioOperation.FSYNC,
                AioOperation.FDATASYNC);
        if (has[Uring.OP_FALLOCATE]) {
            operations.add(AioOperation.PUNCH_HOLE);
            operations.add(AioOperation.ZERO_RANGE);
        }
        return operations;
    }

    @Override
    public String name() {
        return NAME;
    }

    @Override
    public Set<AioOperation> operations() {
        return operations;
    }

    @Override
    boolean supports(AioOperation operation) {
        return operations.contains(operation);
    }

    // Placing.

    @Override
    boolean place(int slot, Kiocb kiocb) {
        if (ring.isFull()) {
            ring();
            if (ring.isFull()) {
                return false;
            }
        }
        NativeFile file = (NativeFile) kiocb.file();
        int place = file.index(files);
        if (place < 0) {
            place = files.add(file);
        }
        int entryFlags = 0;
        int descriptor = file.fd();
        if (place >= 0) {
            entryFlags = Uring.ENTRY_FIXED_FILE;
            descriptor = place;
            fixedFiles.increment();
        }
        switch (kiocb.operation()) {
            case READ -> placeTransfer(slot, kiocb, entryFlags, descriptor, false);
            case WRITE -> placeTransfer(slot, kiocb, entryFlags, descriptor, true);
            case FSYNC -> ring.put(Uring.head(Uring.OP_FSYNC, entryFlags, descriptor), 0, 0, 0, slot, 0);
            case FDATASYNC -> ring.put(Uring.head(Uring.OP_FSYNC, entryFlags, descriptor), 0, 0,
                    (long) Uring.FSYNC_DATASYNC << 32, slot, 0);
            case PUNCH_HOLE -> placeAllocate(slot, kiocb, entryFlags, descriptor, FileCalls.FALLOC_PUNCH_HOLE);
            case ZERO_RANGE -> placeAllocate(slot, kiocb, entryFlags, descriptor, FileCalls.FALLOC_ZERO_RANGE);
        }
        return true;
    }

    private void placeTransfer(int slot, Kiocb kiocb, int entryFlags, int descriptor, boolean write) {
        int segments = kiocb.remainingSegments();
        long offset = kiocb.remainingOffset();
        if (segments > 1) {
            int opcode = write ? Uring.OP_WRITEV : Uring.OP_READV;
            ring.put(Uring.head(opcode, entryFlags, descriptor), offset, kiocb.remainingIovecs(),
                    Math.min(segments, SEGMENTS_MAX), slot, 0);
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
            fixedBuffers.increment();
            int opcode = write ? Uring.OP_WRITE_FIXED : Uring.OP_READ_FIXED;
            ring.put(Uring.head(opcode, entryFlags, descriptor), offset, address, bytes, slot, registered);
        } else {
            int opcode = write ? Uring.OP_WRITE : Uring.OP_READ;
            ring.put(Uring.head(opcode, entryFlags, descriptor), offset, address, bytes, slot, 0);
        }
    }

    /** FALLOCATE has its length where others have their address, and its mode where they have their length. */
    private void placeAllocate(int slot, Kiocb kiocb, int entryFlags, int descriptor, int mode) {
        ring.put(Uring.head(Uring.OP_FALLOCATE, entryFlags, descriptor), kiocb.offset(), kiocb.bytes(),
                mode | FileCalls.FALLOC_KEEP_SIZE, slot, 0);
    }

    // The doorbell.

    @Override
    void ring() {
        int pending = ring.pending();
        for (int tries = 0; pending > 0; pending = ring.pending()) {
            int taken = enter(pending);
            if (taken >= pending) {
                break;
            }
            if (taken <= 0 && ++tries >= DOORBELLS_MAX) {
                stalled = true;
                return;
            }
            if (taken == -Errno.EAGAIN || taken == -Errno.EBUSY) {
                if (polled) {
                    // Completions have to be reaped first, which only the caller can do.
                    stalled = true;
                    return;
                }
                LockSupport.parkNanos(DOORBELL_PAUSE_NANOS);
            }
        }
        if (stalled) {
            stalled = false;
        }
    }

    private int enter(int pending) {
        systemCalls.getAndIncrement();
        return checked(ring.enter(pending, 0, doorbellFlags));
    }

    /** Lets pass what is a matter of trying again; anything else means that the ring is not what we think it is. */
    private static int checked(int entered) {
        if (entered < 0 && entered != -Errno.EAGAIN && entered != -Errno.EBUSY && entered != -Errno.EINTR
                && entered != -Errno.ETIME) {
            throw new IllegalStateException("io_uring_enter failed: " + Errno.name(entered));
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
        if (count == 0 && ring.wantsEnter()) {
            if (ring.hasOverflown()) {
                overflows.increment();
            }
            systemCalls.getAndIncrement();
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
            if (userData != WAKE) {
                ended((int) userData, result);
            }
        }
    }

    @Override
    void ringAndWait(long timeoutNanos) {
        systemCalls.getAndIncrement();
        int entered = checked(ring.enterAndWait(ring.pending(), timeoutNanos));
        if (entered == -Errno.EAGAIN || entered == -Errno.EBUSY) {
            stalled = true;
        }
    }

    @Override
    void sleep(long timeoutNanos) {
        systemCalls.getAndIncrement();
        int _ = checked(ring.enterAndWait(0, timeoutNanos));
    }

    @Override
    void wake() {
        lock();
        try {
            if (ring.isFull()) {
                ring();
            }
            if (!ring.isFull()) {
                ring.put(Uring.head(Uring.OP_NOP, 0, -1), 0, 0, 0, WAKE, 0);
            }
        } finally {
            unlock();
        }
        ring();
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
    void ownerDuties() {
        if (!hasDuties) {
            return;
        }
        // Before they are taken: a duty that comes later raises it again.
        hasDuties = false;
        for (Runnable duty = duties.poll(); duty != null; duty = duties.poll()) {
            duty.run();
        }
    }

    /** Runs what registers with the ring: now, if the calling thread may, or when the owner comes. */
    private void whenAllowed(Runnable registration) {
        if (!polled) {
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
    }

    /** With the gate held, in POLLED mode. */
    private boolean mayRegister() {
        Thread known = owner.get();
        return known == Thread.currentThread() || (known == null && !enabled);
    }

    /**
     * The owner has ended, and the kernel lets nobody else enter. What it has posted is told as it is; what it never
     * took is cancelled; the rest may be under way, and its end cannot be learned: the ring is closed, and when the
     * kernel has done with it, that is told as cancelled, too.
     */
    @Override
    void abandon() {
        if (witness == null) {
            return;
        }
        for (int i = 0, pending = ring.pending(); i < pending; i++) {
            cancelPlaced((int) ring.pendingUserData(i));
        }
        reap(ring.ready());
        cancelDeferred();
        if (inFlight() != 0) {
            closeRing();
            witness.awaitEnd();
            cancelAllPlaced();
        }
    }

    // Memory, the end.

    @Override
    public boolean registerMemory(MemorySegment slab) {
        requireNative(slab);
        boolean[] added = {true};
        whenAllowed(() -> added[0] = memory.add(slab));
        return added[0];
    }

    @Override
    public boolean unregisterMemory(MemorySegment slab) {
        requireNative(slab);
        boolean[] removed = {true};
        whenAllowed(() -> removed[0] = memory.remove(slab));
        return removed[0];
    }

    @Override
    void destroy() {
        closeRing();
        if (witness != null) {
            witness.close();
        }
    }

    private void closeRing() {
        lock();
        try {
            synchronized (gate) {
                if (!destroyed) {
                    destroyed = true;
                    files.close();
                    ring.close();
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
