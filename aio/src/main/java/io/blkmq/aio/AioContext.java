package io.blkmq.aio;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.StructLayout;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;

/**
 * One context of the kernel's native AIO: its calls, and the ring of completions that the kernel maps into the
 * process, whose address the context's name is. It knows nothing of kiocbs.
 *
 * <p>Completions are read from the ring without a system call where its header says that its layout is the one we
 * know. The kernel writes entries and releases the tail; the reader acquires the tail, copies, and releases the head,
 * after which the kernel may overwrite them. There is one reader at a time, also of {@link #getEvents}, which moves
 * the head inside of the kernel.
 */
@SuppressWarnings("restricted")
class AioContext {

    static final short CMD_PREAD = 0;
    static final short CMD_PWRITE = 1;
    static final short CMD_FSYNC = 2;
    static final short CMD_FDSYNC = 3;
    static final short CMD_POLL = 5;
    static final short CMD_PREADV = 7;
    static final short CMD_PWRITEV = 8;
    /** What CMD_POLL waits for, in the place of an address: that there is something to be read. */
    static final long POLLIN = 1;

    private static final int FLAG_RESFD = 1;
    private static final int FLAG_IOPRIO = 1 << 1;

    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT;
    private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG;

    static final StructLayout IOCB = MemoryLayout.structLayout(LONG.withName("aio_data"), INT.withName("aio_key"),
            INT.withName("aio_rw_flags"), ValueLayout.JAVA_SHORT.withName("aio_lio_opcode"),
            ValueLayout.JAVA_SHORT.withName("aio_reqprio"), INT.withName("aio_fildes"), LONG.withName("aio_buf"),
            LONG.withName("aio_nbytes"), LONG.withName("aio_offset"), LONG.withName("aio_reserved2"),
            INT.withName("aio_flags"), INT.withName("aio_resfd")).withName("iocb");
    static final StructLayout EVENT = MemoryLayout
            .structLayout(LONG.withName("data"), LONG.withName("obj"), LONG.withName("res"), LONG.withName("res2"))
            .withName("io_event");
    /** The header of the ring, which the kernel's headers keep to themselves; the entries are behind it. */
    static final StructLayout RING = MemoryLayout.structLayout(INT.withName("id"), INT.withName("nr"),
            INT.withName("head"), INT.withName("tail"), INT.withName("magic"), INT.withName("compat_features"),
            INT.withName("incompat_features"), INT.withName("header_length")).withName("aio_ring");

    private static final long IOCB_BYTES = IOCB.byteSize();
    private static final long IOCB_RW_FLAGS = Libc.offset(IOCB, "aio_rw_flags");
    private static final long IOCB_OPCODE = Libc.offset(IOCB, "aio_lio_opcode");
    private static final long IOCB_PRIORITY = Libc.offset(IOCB, "aio_reqprio");
    private static final long IOCB_RESULT_FD = Libc.offset(IOCB, "aio_resfd");
    private static final long IOCB_FLAGS = Libc.offset(IOCB, "aio_flags");
    private static final long IOCB_BUFFER = Libc.offset(IOCB, "aio_buf");
    private static final long IOCB_COUNT = Libc.offset(IOCB, "aio_nbytes");
    private static final long IOCB_OFFSET = Libc.offset(IOCB, "aio_offset");
    private static final long EVENT_BYTES = EVENT.byteSize();
    private static final long EVENT_RESULT = Libc.offset(EVENT, "res");
    private static final long RING_HEAD = Libc.offset(RING, "head");
    private static final long RING_TAIL = Libc.offset(RING, "tail");
    private static final int RING_HEADER_BYTES = (int) RING.byteSize();
    private static final int MAGIC = 0xa10a10a1;

    private static final VarHandle WORD = INT.varHandle().withInvokeExactBehavior();

    private final long context;
    private final Arena arena = Arena.ofShared();
    /** The kernel's ring; empty if its layout is unknown. */
    private final MemorySegment ring;
    private final int ringEntries;
    /** One iocb for each slot. */
    private final MemorySegment iocbs;
    /** Where getevents puts what it finds, and behind it its timespec. The reader's. */
    private final MemorySegment events;
    private final MemorySegment timeout;
    private final int slots;

    private int head;
    private boolean destroyed;
    /** Events in {@link #events} that have not been taken: from here to eventsEnd. The reader's. */
    private int eventsAt;
    private int eventsEnd;

    /** Makes what stands for a context that the kernel has made; tests make one of their own. */
    interface Maker {
        AioContext make(long context, int slots);
    }

    AioContext(long context, int slots) {
        this.context = context;
        this.slots = slots;
        iocbs = arena.allocate(slots * IOCB_BYTES, 64);
        events = arena.allocate(slots * EVENT_BYTES, 8);
        timeout = arena.allocate(16, 8);
        MemorySegment header = MemorySegment.ofAddress(context).reinterpret(RING_HEADER_BYTES, arena, null);
        if (isKnown(header)) {
            ringEntries = header.get(INT, Libc.offset(RING, "nr"));
            ring = MemorySegment.ofAddress(context).reinterpret(RING_HEADER_BYTES + ringEntries * EVENT_BYTES, arena,
                    null);
            head = ring.get(INT, RING_HEAD);
        } else {
            ringEntries = 0;
            ring = MemorySegment.NULL;
        }
    }

    /** Whether a ring with such a header has the layout that we know, and may be read without a system call. */
    boolean isKnown(MemorySegment header) {
        return header.get(INT, Libc.offset(RING, "magic")) == MAGIC
                && header.get(INT, Libc.offset(RING, "incompat_features")) == 0
                && header.get(INT, Libc.offset(RING, "header_length")) == RING_HEADER_BYTES;
    }

    /** Makes a context for so many operations. */
    static AioContext open(int slots) throws IOException {
        return open(slots, AioContext::new);
    }

    static AioContext open(int slots, Maker maker) throws IOException {
        try (Arena temporary = Arena.ofConfined()) {
            MemorySegment name = temporary.allocate(LONG);
            long result = Libc.syscall(Platform.CURRENT.ioSetup, slots, name.address(), 0, 0, 0, 0);
            if (result < 0) {
                throw refused((int) -result, slots);
            }
            return opened(name.get(LONG, 0), slots, maker);
        }
    }

    private static AioContext opened(long context, int slots, Maker maker) {
        boolean good = false;
        try {
            AioContext opened = maker.make(context, slots);
            good = true;
            return opened;
        } finally {
            if (!good) {
                Libc.syscall(Platform.CURRENT.ioDestroy(), context, 0, 0, 0, 0, 0);
            }
        }
    }

    /** An exception that tells "not here" from "not now". */
    static IOException refused(int errno, int slots) {
        return switch (errno) {
            case Errno.EAGAIN, Errno.ENOMEM ->
                new IOException("no context of native AIO can be opened: " + refusal(errno, slots));
            default -> new AioUnavailableException(LibaioEngine.NAME, refusal(errno, slots));
        };
    }

    /** In words, why {@code io_setup} failed. */
    static String refusal(int errno, int slots) {
        return switch (errno) {
            case Errno.ENOSYS -> "the kernel was built without native AIO, or a seccomp filter hides it (ENOSYS)";
            case Errno.EPERM, Errno.EACCES ->
                "native AIO is forbidden, most likely by a seccomp filter (" + Errno.name(errno) + ")";
            case Errno.ENOMEM -> "no memory for " + slots + " operations (ENOMEM)";
            case Errno.EAGAIN -> slots + " more operations are over the limit of the sysctl fs.aio-max-nr (EAGAIN)";
            default -> "io_setup failed (" + Errno.name(errno) + ")";
        };
    }

    /** Whether completions are read without a system call. */
    boolean hasRing() {
        return ringEntries > 0;
    }

    /** Fills in the iocb of a slot; the flags are those of a transfer. The placer. */
    void prepare(int slot, short command, int descriptor, long address, long count, long offset, int rwFlags) {
        assert slot < slots;
        long at = slot * IOCB_BYTES;
        iocbs.set(LONG, at, slot);
        // The key before them is the kernel's, which wants to find 0 there.
        iocbs.set(INT, at + IOCB_RW_FLAGS, rwFlags);
        iocbs.set(LONG, at + IOCB_OPCODE, Short.toUnsignedLong(command) | (long) descriptor << 32);
        iocbs.set(LONG, at + IOCB_BUFFER, address);
        iocbs.set(LONG, at + IOCB_COUNT, count);
        iocbs.set(LONG, at + IOCB_OFFSET, offset);
        iocbs.set(LONG, at + IOCB_FLAGS, 0);
        // All other members are 0 from the start, and stay so.
    }

    /** Gives what has been prepared last for a slot a priority of its own. */
    void prioritize(int slot, short priority) {
        long at = slot * IOCB_BYTES;
        iocbs.set(ValueLayout.JAVA_SHORT, at + IOCB_PRIORITY, priority);
        iocbs.set(INT, at + IOCB_FLAGS, iocbs.get(INT, at + IOCB_FLAGS) | FLAG_IOPRIO);
    }

    /** Has an eventfd raised when what has been prepared last for a slot has ended. */
    void raise(int slot, int eventFd) {
        long at = slot * IOCB_BYTES;
        iocbs.set(INT, at + IOCB_FLAGS, iocbs.get(INT, at + IOCB_FLAGS) | FLAG_RESFD);
        iocbs.set(INT, at + IOCB_RESULT_FD, eventFd);
    }

    /** Address of the iocb of a slot, as io_submit wants it. */
    long iocb(int slot) {
        return iocbs.address() + slot * IOCB_BYTES;
    }

    /** {@code io_submit}: how many were taken, or a negative errno that concerns the first. */
    int submit(long pointers, int count) {
        int taken = (int) Libc.quickSyscall(Platform.CURRENT.ioSubmit(), context, count, pointers, 0, 0, 0);
        // An error means that none was taken.
        return taken >= 0 ? taken : (int) Libc.syscall(Platform.CURRENT.ioSubmit(), context, count, pointers, 0, 0, 0);
    }

    /** Number of completions that can be taken without a system call. The reader. */
    int ready() {
        int fetched = eventsEnd - eventsAt;
        if (ringEntries == 0) {
            return fetched;
        }
        // Acquire: pairs with the kernel's release of the tail after it has written the entries before it.
        int ahead = (int) WORD.getAcquire(ring, RING_TAIL) - head;
        return fetched + (ahead < 0 ? ahead + ringEntries : ahead);
    }

    /** The slot of the oldest completion, of which there must be one. The reader. */
    int slot() {
        return eventsAt < eventsEnd
                ? (int) events.get(LONG, eventsAt * EVENT_BYTES)
                : (int) ring.get(LONG, ringEntry());
    }

    /** The result of the oldest completion. The reader. */
    long result() {
        return eventsAt < eventsEnd
                ? events.get(LONG, eventsAt * EVENT_BYTES + EVENT_RESULT)
                : ring.get(LONG, ringEntry() + EVENT_RESULT);
    }

    private long ringEntry() {
        return RING_HEADER_BYTES + head * EVENT_BYTES;
    }

    /** Gives the place of the oldest completion back. The reader. */
    void advance() {
        if (eventsAt < eventsEnd) {
            eventsAt++;
            return;
        }
        head = head + 1 == ringEntries ? 0 : head + 1;
        // Release: the kernel overwrites the entry only after it has seen this, by which time it has been read.
        WORD.setRelease(ring, RING_HEAD, head);
    }

    /**
     * {@code io_getevents}: waits for so many completions, at most so long; number fetched, or a negative errno. The
     * reader.
     */
    int getEvents(int atLeast, long timeoutNanos) {
        assert eventsAt == eventsEnd : "events fetched before have not been taken";
        timeout.set(LONG, 0, timeoutNanos / 1_000_000_000L);
        timeout.set(LONG, 8, timeoutNanos % 1_000_000_000L);
        int fetched = (int) Libc.quickSyscall(Platform.CURRENT.ioGetEvents(), context, atLeast, slots, events.address(),
                timeoutNanos == Long.MAX_VALUE ? 0 : timeout.address(), 0);
        if (fetched < 0) {
            // Without a wait: the call that failed may have been interrupted in the middle of its own.
            timeout.set(LONG, 0, 0);
            timeout.set(LONG, 8, 0);
            fetched = (int) Libc.syscall(Platform.CURRENT.ioGetEvents(), context, 0, slots, events.address(),
                    timeout.address(), 0);
        }
        eventsAt = 0;
        eventsEnd = Math.max(fetched, 0);
        if (ringEntries > 0) {
            // The kernel has moved the head for what it gave us.
            head = (int) WORD.getAcquire(ring, RING_HEAD);
        }
        return fetched;
    }

    /**
     * Destroys the context, which waits until the kernel has none of its operations any more; false if the kernel refuses. The ring is
     * not to be looked at after that. The reader.
     */
    boolean destroy() {
        destroyed = destroyed || Libc.syscall(Platform.CURRENT.ioDestroy(), context, 0, 0, 0, 0, 0) >= 0;
        return destroyed;
    }

    boolean isDestroyed() {
        return destroyed;
    }

    /** Forgets the ring, then destroys the context. An access of the ring after this throws. */
    void close() {
        try {
            arena.close();
        } finally {
            boolean _ = destroy();
        }
    }
}
