package io.blkmq.aio;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * One io_uring: its descriptor, the two rings shared with the kernel, and the calls on it. It knows nothing of kiocbs.
 *
 * <pre>
 *   submission ring:  we write entries and the tail,   the kernel reads them and writes the head
 *   completion ring:  the kernel writes entries and the tail,   we read them and write the head
 * </pre>
 *
 * <p>Memory order, both ways: who writes an entry publishes it by a release of the tail, and who reads it has
 * acquired the tail; who has read an entry gives its place back by a release of the head, and who reuses it has
 * acquired the head. Our counterpart in each pair is the kernel's load or store of the same word.
 *
 * <p>Who may call: entries are written by one thread at a time (the ring's owner, or who holds its engine's lock),
 * completions are read by one thread at a time (the owner, or the reaper); {@link #enter} by any thread, unless the
 * ring has SINGLE_ISSUER.
 */
final class Uring {

    static final int OP_NOP = 0;
    static final int OP_READV = 1;
    static final int OP_WRITEV = 2;
    static final int OP_FSYNC = 3;
    static final int OP_READ_FIXED = 4;
    static final int OP_WRITE_FIXED = 5;
    static final int OP_FALLOCATE = 17;
    static final int OP_READ = 22;
    static final int OP_WRITE = 23;

    /** Entry flag: the descriptor is a place in the table of registered files. */
    static final int ENTRY_FIXED_FILE = 1;
    /** Operation flag of OP_FSYNC. */
    static final int FSYNC_DATASYNC = 1;

    static final int ENTER_GETEVENTS = 1;
    private static final int ENTER_EXT_ARG = 8;

    static final int SETUP_R_DISABLED = 1 << 6;
    static final int SETUP_SUBMIT_ALL = 1 << 7;
    static final int SETUP_COOP_TASKRUN = 1 << 8;
    static final int SETUP_TASKRUN_FLAG = 1 << 9;
    static final int SETUP_SINGLE_ISSUER = 1 << 12;
    static final int SETUP_DEFER_TASKRUN = 1 << 13;
    static final int SETUP_NO_SQARRAY = 1 << 16;

    private static final int FEATURE_SINGLE_MMAP = 1;
    private static final int FEATURE_NODROP = 1 << 1;
    private static final int FEATURE_EXT_ARG = 1 << 8;

    private static final int SQ_CQ_OVERFLOW = 1 << 1;
    private static final int SQ_TASKRUN = 1 << 2;

    private static final int REGISTER_FILES_UPDATE = 6;
    private static final int REGISTER_PROBE = 8;
    private static final int REGISTER_ENABLE_RINGS = 12;
    private static final int REGISTER_FILES2 = 13;
    private static final int REGISTER_BUFFERS2 = 15;
    private static final int REGISTER_BUFFERS_UPDATE = 16;
    private static final int RESOURCES_SPARSE = 1;

    private static final int SYS_SETUP = 425;
    private static final int SYS_ENTER = 426;
    private static final int SYS_REGISTER = 427;

    /** sizeof(struct io_uring_params): 40 bytes, then the offsets of each ring, 40 bytes each. */
    private static final int PARAMS_BYTES = 120;
    private static final int PARAMS_SQ_ENTRIES = 0;
    private static final int PARAMS_CQ_ENTRIES = 4;
    private static final int PARAMS_FLAGS = 8;
    private static final int PARAMS_FEATURES = 20;
    private static final int PARAMS_SQ_OFF = 40;
    private static final int PARAMS_CQ_OFF = 80;

    private static final long MAP_SQ_RING = 0;
    private static final long MAP_CQ_RING = 0x8000000L;
    private static final long MAP_SQES = 0x10000000L;

    /** sizeof(struct io_uring_sqe) and of struct io_uring_cqe. */
    private static final int SQE_SHIFT = 6;
    private static final int CQE_SHIFT = 4;

    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT;
    private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG;
    private static final VarHandle WORD = INT.varHandle().withInvokeExactBehavior();

    private final int fd;
    private final int flags;
    private final int features;
    private final Arena arena = Arena.ofShared();

    private final MemorySegment sq;
    private final MemorySegment cq;
    private final MemorySegment entries;
    private final long sqHeadOffset;
    private final long sqTailOffset;
    private final long sqFlagsOffset;
    private final int sqEntries;
    private final int sqMask;
    private final long cqHeadOffset;
    private final long cqTailOffset;
    private final long cqEntriesOffset;
    private final int cqEntries;
    private final int cqMask;

    /** struct io_uring_getevents_arg, and behind it the struct __kernel_timespec it points to. The waiter's alone. */
    private final MemorySegment waitArgument;

    /** What the ring's tail is: the writer's own copy. */
    private int sqTail;
    /** A head of the submission ring that was true once; the true one is this or later. The writer's. */
    private int sqHeadSeen;
    /** What the completion ring's head is: the reader's own copy. */
    private int cqHead;

    private Uring(int fd, MemorySegment params) throws AioUnavailableException {
        this.fd = fd;
        flags = params.get(INT, PARAMS_FLAGS);
        features = params.get(INT, PARAMS_FEATURES);
        sqEntries = params.get(INT, PARAMS_SQ_ENTRIES);
        cqEntries = params.get(INT, PARAMS_CQ_ENTRIES);
        sqMask = sqEntries - 1;
        cqMask = cqEntries - 1;
        sqHeadOffset = params.get(INT, PARAMS_SQ_OFF);
        sqTailOffset = params.get(INT, PARAMS_SQ_OFF + 4);
        sqFlagsOffset = params.get(INT, PARAMS_SQ_OFF + 16);
        long sqArrayOffset = params.get(INT, PARAMS_SQ_OFF + 24);
        cqHeadOffset = params.get(INT, PARAMS_CQ_OFF);
        cqTailOffset = params.get(INT, PARAMS_CQ_OFF + 4);
        cqEntriesOffset = params.get(INT, PARAMS_CQ_OFF + 20);
        boolean array = (flags & SETUP_NO_SQARRAY) == 0;
        // Without the array its offset is 0, and the ring's words end before the completion entries or at them.
        long sqBytes = array ? sqArrayOffset + 4L * sqEntries : cqEntriesOffset;
        long cqBytes = cqEntriesOffset + ((long) cqEntries << CQE_SHIFT);
        if ((features & FEATURE_SINGLE_MMAP) != 0) {
            sq = map(MAP_SQ_RING, Math.max(sqBytes, cqBytes));
            cq = sq;
        } else {
            sq = map(MAP_SQ_RING, sqBytes);
            cq = map(MAP_CQ_RING, cqBytes);
        }
        entries = map(MAP_SQES, (long) sqEntries << SQE_SHIFT);
        waitArgument = arena.allocate(24 + 16, 8);
        waitArgument.set(LONG, 16, waitArgument.address() + 24);
        if (array) {
            // Entry i of the ring is entry i of the array, for ever.
            for (int i = 0; i < sqEntries; i++) {
                sq.set(INT, sqArrayOffset + 4L * i, i);
            }
        }
        sqTail = sq.get(INT, sqTailOffset);
        sqHeadSeen = sqTail;
        cqHead = cq.get(INT, cqHeadOffset);
    }

    private MemorySegment map(long offset, long bytes) throws AioUnavailableException {
        MemorySegment mapped = MemoryMap.map(fd, offset, bytes, arena);
        if (mapped.equals(MemorySegment.NULL)) {
            throw new AioUnavailableException(UringEngine.NAME,
                    "the kernel refused to map " + bytes + " bytes of the ring");
        }
        return mapped;
    }

    /**
     * Makes a ring with the first of the sets of flags that the kernel knows.
     *
     * @param wanted sets of setup flags, best first; the last must be one that every kernel knows
     */
    static Uring open(int depth, int[] wanted) throws AioUnavailableException {
        try (Arena temporary = Arena.ofConfined()) {
            MemorySegment params = temporary.allocate(PARAMS_BYTES, 8);
            long result = -Errno.EINVAL;
            for (int i = 0; i < wanted.length && result == -Errno.EINVAL; i++) {
                params.fill((byte) 0);
                params.set(INT, PARAMS_FLAGS, wanted[i]);
                result = Libc.syscall(SYS_SETUP, depth, params.address(), 0, 0, 0, 0);
            }
            if (result < 0) {
                throw new AioUnavailableException(UringEngine.NAME, UringRefusal.reason((int) -result));
            }
            return opened((int) result, params);
        }
    }

    private static Uring opened(int fd, MemorySegment params) throws AioUnavailableException {
        boolean good = false;
        try {
            Uring ring = new Uring(fd, params);
            good = true;
            return ring;
        } finally {
            if (!good) {
                FileCalls.close(fd);
            }
        }
    }

    /** Why there can be no ring here, or null if there can. */
    static @Nullable String refusal() {
        try (Arena temporary = Arena.ofConfined()) {
            MemorySegment params = temporary.allocate(PARAMS_BYTES, 8);
            long result = Libc.syscall(SYS_SETUP, 1, params.address(), 0, 0, 0, 0);
            if (result < 0) {
                return UringRefusal.reason((int) -result);
            }
            FileCalls.close((int) result);
            return null;
        }
    }

    int submissionEntries() {
        return sqEntries;
    }

    int completionEntries() {
        return cqEntries;
    }

    boolean has(int setupFlag) {
        return (flags & setupFlag) != 0;
    }

    /** Whether a wait can have a time-out (5.11). */
    boolean hasTimedWait() {
        return (features & FEATURE_EXT_ARG) != 0;
    }

    /** The setup flags and features in use, for people. */
    String describe() {
        List<String> names = new ArrayList<>();
        names.add(sqEntries + "/" + cqEntries);
        int[] bits = {SETUP_R_DISABLED, SETUP_SUBMIT_ALL, SETUP_COOP_TASKRUN, SETUP_TASKRUN_FLAG, SETUP_SINGLE_ISSUER,
                SETUP_DEFER_TASKRUN, SETUP_NO_SQARRAY};
        String[] words = {"R_DISABLED", "SUBMIT_ALL", "COOP_TASKRUN", "TASKRUN_FLAG", "SINGLE_ISSUER", "DEFER_TASKRUN",
                "NO_SQARRAY"};
        for (int i = 0; i < bits.length; i++) {
            if (has(bits[i])) {
                names.add(words[i]);
            }
        }
        if ((features & FEATURE_NODROP) != 0) {
            names.add("NODROP");
        }
        if (hasTimedWait()) {
            names.add("EXT_ARG");
        }
        return String.join(" ", names);
    }

    /** Whether there is no room for an entry. The writer. */
    boolean isFull() {
        if (sqTail - sqHeadSeen < sqEntries) {
            return false;
        }
        // Acquire: pairs with the kernel's release of the head after it has read the entries before it.
        sqHeadSeen = (int) WORD.getAcquire(sq, sqHeadOffset);
        return sqTail - sqHeadSeen >= sqEntries;
    }

    /**
     * Writes an entry and publishes it; the kernel takes it with the next {@link #enter}. The ring must not be full.
     * The writer.
     *
     * @param head opcode, flags and priority in the lower half, the descriptor in the upper: {@link #head}
     * @param length bytes or number of segments in the lower half, flags of the operation in the upper
     * @param place place in the table of registered memory
     */
    void put(long head, long offset, long address, long length, long userData, int place) {
        assert sqTail - sqHeadSeen < sqEntries : "the submission ring is full";
        long at = (long) (sqTail & sqMask) << SQE_SHIFT;
        entries.set(LONG, at, head);
        entries.set(LONG, at + 8, offset);
        entries.set(LONG, at + 16, address);
        entries.set(LONG, at + 24, length);
        entries.set(LONG, at + 32, userData);
        // The other fields of these 8 bytes, and the 16 bytes behind them, are 0 in every entry that we write.
        entries.set(LONG, at + 40, place);
        sqTail++;
        // Release: pairs with the kernel's acquire of the tail; the entry is seen whole.
        WORD.setRelease(sq, sqTailOffset, sqTail);
    }

    /** The first 8 bytes of an entry. */
    static long head(int opcode, int entryFlags, int descriptor) {
        return opcode | (long) entryFlags << 8 | (long) descriptor << 32;
    }

    /** Entries published that the kernel has not taken. Any thread. */
    int pending() {
        // Head first: a head read after the tail could be ahead of it. Acquire keeps the order; see also isFull.
        int head = (int) WORD.getAcquire(sq, sqHeadOffset);
        return (int) WORD.getAcquire(sq, sqTailOffset) - head;
    }

    /**
     * User data of an entry that the kernel has not taken, counted from the oldest. No other thread may be using the
     * ring.
     */
    long pendingUserData(int index) {
        int head = (int) WORD.getAcquire(sq, sqHeadOffset);
        return entries.get(LONG, ((long) (head + index & sqMask) << SQE_SHIFT) + 32);
    }

    /** {@code io_uring_enter}: entries taken, or a negative errno. */
    int enter(int submit, int complete, int enterFlags) {
        return (int) Libc.syscall(SYS_ENTER, fd, submit, complete, enterFlags, 0, 0);
    }

    /** Enters, and waits for one completion, at most so long. The reader, one at a time. */
    int enterAndWait(int submit, long timeoutNanos) {
        if (!hasTimedWait() || timeoutNanos == Long.MAX_VALUE) {
            return enter(submit, 1, ENTER_GETEVENTS);
        }
        waitArgument.set(LONG, 24, timeoutNanos / 1_000_000_000L);
        waitArgument.set(LONG, 32, timeoutNanos % 1_000_000_000L);
        return (int) Libc.syscall(SYS_ENTER, fd, submit, 1, ENTER_GETEVENTS | ENTER_EXT_ARG, waitArgument.address(),
                24);
    }

    /** Whether the kernel has completions for us that it can post only when it is entered. */
    boolean wantsEnter() {
        return ((int) WORD.getVolatile(sq, sqFlagsOffset) & (SQ_CQ_OVERFLOW | SQ_TASKRUN)) != 0;
    }

    /** Whether the kernel holds completions back because the ring was full. */
    boolean hasOverflown() {
        return ((int) WORD.getVolatile(sq, sqFlagsOffset) & SQ_CQ_OVERFLOW) != 0;
    }

    /** Number of completions to be read. The reader. */
    int ready() {
        // Acquire: pairs with the kernel's release of the tail after it has written the entries before it.
        return (int) WORD.getAcquire(cq, cqTailOffset) - cqHead;
    }

    /** User data of the oldest completion, of which there must be one. The reader. */
    long completionUserData() {
        return cq.get(LONG, cqEntriesOffset + ((long) (cqHead & cqMask) << CQE_SHIFT));
    }

    /** Result of the oldest completion. The reader. */
    int completionResult() {
        return cq.get(INT, cqEntriesOffset + ((long) (cqHead & cqMask) << CQE_SHIFT) + 8);
    }

    /** Gives the place of the oldest completion back to the kernel. The reader. */
    void advance() {
        cqHead++;
        // Release: pairs with the kernel's acquire of the head; it overwrites the entry only after it has been read.
        WORD.setRelease(cq, cqHeadOffset, cqHead);
    }

    /** Lets a ring that was made with R_DISABLED run; the calling thread is its single issuer from now on. */
    int enable() {
        return register(REGISTER_ENABLE_RINGS, 0, 0);
    }

    private int register(int operation, long address, int count) {
        return (int) Libc.syscall(SYS_REGISTER, fd, operation, address, count, 0, 0);
    }

    /**
     * Whether the kernel has an operation (struct io_uring_probe: 16 bytes, then 8 for each operation, flags in the
     * second two).
     */
    boolean[] supported() {
        boolean[] supported = new boolean[256];
        try (Arena temporary = Arena.ofConfined()) {
            MemorySegment probe = temporary.allocate(16 + 256 * 8, 8);
            if (register(REGISTER_PROBE, probe.address(), 256) < 0) {
                return supported;
            }
            for (int i = 0; i < 256; i++) {
                supported[i] = (probe.get(ValueLayout.JAVA_SHORT, 16 + 8L * i + 2) & 1) != 0;
            }
        }
        return supported;
    }

    boolean registerSparseFiles(int places) {
        return registerSparse(REGISTER_FILES2, places);
    }

    boolean registerSparseMemory(int places) {
        return registerSparse(REGISTER_BUFFERS2, places);
    }

    /** struct io_uring_rsrc_register: number, flags, then three 8-byte fields that are 0 here. */
    private boolean registerSparse(int operation, int places) {
        try (Arena temporary = Arena.ofConfined()) {
            MemorySegment argument = temporary.allocate(32, 8);
            argument.set(INT, 0, places);
            argument.set(INT, 4, RESOURCES_SPARSE);
            return register(operation, argument.address(), 32) >= 0;
        }
    }

    /**
     * Puts a descriptor in the table of files; -1 empties the place. struct io_uring_files_update: offset, 4 bytes,
     * address.
     */
    boolean updateFile(int place, int descriptor) {
        try (Arena temporary = Arena.ofConfined()) {
            MemorySegment argument = temporary.allocate(24, 8);
            argument.set(INT, 0, place);
            argument.set(LONG, 8, argument.address() + 16);
            argument.set(INT, 16, descriptor);
            return register(REGISTER_FILES_UPDATE, argument.address(), 1) == 1;
        }
    }

    /**
     * Puts memory in the table of memory; no bytes empty the place. struct io_uring_rsrc_update2: offset, 4 bytes,
     * address of iovecs, address of tags, number, 4 bytes.
     */
    boolean updateMemory(int place, long address, long bytes) {
        try (Arena temporary = Arena.ofConfined()) {
            MemorySegment argument = temporary.allocate(32 + 16, 8);
            argument.set(INT, 0, place);
            argument.set(LONG, 8, argument.address() + 32);
            argument.set(INT, 24, 1);
            argument.set(LONG, 32, address);
            argument.set(LONG, 40, bytes);
            return register(REGISTER_BUFFERS_UPDATE, argument.address(), 32) == 1;
        }
    }

    /** Unmaps and closes. An access of the rings after this throws. */
    void close() {
        arena.close();
        FileCalls.close(fd);
    }
}
