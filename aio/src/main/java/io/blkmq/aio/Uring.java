package io.blkmq.aio;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.StructLayout;
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
class Uring {

    static final int OP_NOP = 0;
    static final int OP_READV = 1;
    static final int OP_WRITEV = 2;
    static final int OP_FSYNC = 3;
    static final int OP_READ_FIXED = 4;
    static final int OP_WRITE_FIXED = 5;
    static final int OP_POLL_ADD = 6;
    static final int OP_ASYNC_CANCEL = 14;
    static final int OP_FALLOCATE = 17;
    static final int OP_OPENAT = 18;
    static final int OP_CLOSE = 19;
    static final int OP_STATX = 21;
    static final int OP_READ = 22;
    static final int OP_WRITE = 23;
    static final int OP_UNLINKAT = 36;
    static final int OP_READV_FIXED = 60;
    static final int OP_WRITEV_FIXED = 61;

    /** Entry flag: the descriptor is a place in the table of registered files. */
    static final int ENTRY_FIXED_FILE = 1;
    /** Entry flag: the next entry is started when this one has succeeded in full, and cancelled otherwise. */
    static final int ENTRY_LINK = 1 << 2;
    /** Entry flag: success posts no completion; what is linked to a failure posts none either (5.17). */
    static final int ENTRY_SKIP_SUCCESS = 1 << 6;
    /** Operation flag of OP_FSYNC. */
    static final int FSYNC_DATASYNC = 1;

    static final int ENTER_GETEVENTS = 1;
    static final int ENTER_SQ_WAKEUP = 2;
    private static final int ENTER_EXT_ARG = 8;

    static final int SETUP_IOPOLL = 1;
    static final int SETUP_SQPOLL = 1 << 1;
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
    private static final int FEATURE_CQE_SKIP = 1 << 11;

    /** How long a thread of the kernel that takes entries goes on when there are none. */
    static final int SQ_THREAD_IDLE_MILLIS = 50;

    /** The answer to a wait when completions were dropped, for which the kernel had neither room nor memory. */
    private static final int EBADR = 53;

    private static final int SQ_NEED_WAKEUP = 1;
    private static final int SQ_CQ_OVERFLOW = 1 << 1;
    private static final int SQ_TASKRUN = 1 << 2;

    private static final int REGISTER_FILES_UPDATE = 6;
    private static final int REGISTER_PROBE = 8;
    private static final int REGISTER_ENABLE_RINGS = 12;
    private static final int REGISTER_FILES2 = 13;
    private static final int REGISTER_BUFFERS2 = 15;
    private static final int REGISTER_BUFFERS_UPDATE = 16;
    private static final int REGISTER_IOWQ_MAX_WORKERS = 19;
    private static final int RESOURCES_SPARSE = 1;

    static final int SYS_SETUP = 425;
    static final int SYS_ENTER = 426;
    static final int SYS_REGISTER = 427;

    private static final long MAP_SQ_RING = 0;
    private static final long MAP_CQ_RING = 0x8000000L;
    private static final long MAP_SQES = 0x10000000L;

    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT;
    private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG;

    // The structs of the interface, under the names that the kernel's header gives them and their members. Where it
    // has a union, the member has the name that we use it by.

    static final StructLayout SQ_OFFSETS = MemoryLayout.structLayout(INT.withName("head"), INT.withName("tail"),
            INT.withName("ring_mask"), INT.withName("ring_entries"), INT.withName("flags"), INT.withName("dropped"),
            INT.withName("array"), INT.withName("resv1"), MemoryLayout.paddingLayout(8)).withName("io_sqring_offsets");
    static final StructLayout CQ_OFFSETS = MemoryLayout.structLayout(INT.withName("head"), INT.withName("tail"),
            INT.withName("ring_mask"), INT.withName("ring_entries"), INT.withName("overflow"), INT.withName("cqes"),
            INT.withName("flags"), INT.withName("resv1"), MemoryLayout.paddingLayout(8)).withName("io_cqring_offsets");
    static final StructLayout PARAMS = MemoryLayout.structLayout(INT.withName("sq_entries"), INT.withName("cq_entries"),
            INT.withName("flags"), INT.withName("sq_thread_cpu"), INT.withName("sq_thread_idle"),
            INT.withName("features"), INT.withName("wq_fd"), MemoryLayout.sequenceLayout(3, INT).withName("resv"),
            SQ_OFFSETS.withName("sq_off"), CQ_OFFSETS.withName("cq_off")).withName("io_uring_params");
    static final StructLayout SQE = MemoryLayout
            .structLayout(ValueLayout.JAVA_BYTE.withName("opcode"), ValueLayout.JAVA_BYTE.withName("flags"),
                    ValueLayout.JAVA_SHORT.withName("ioprio"), INT.withName("fd"), LONG.withName("off"),
                    LONG.withName("addr"), INT.withName("len"), INT.withName("rw_flags"), LONG.withName("user_data"),
                    ValueLayout.JAVA_SHORT.withName("buf_index"), ValueLayout.JAVA_SHORT.withName("personality"),
                    INT.withName("file_index"), MemoryLayout.sequenceLayout(2, LONG).withName("cmd"))
            .withName("io_uring_sqe");
    static final StructLayout CQE = MemoryLayout
            .structLayout(LONG.withName("user_data"), INT.withName("res"), INT.withName("flags"))
            .withName("io_uring_cqe");
    static final StructLayout GETEVENTS_ARG = MemoryLayout.structLayout(LONG.withName("sigmask"),
            INT.withName("sigmask_sz"), MemoryLayout.paddingLayout(4), LONG.withName("ts"))
            .withName("io_uring_getevents_arg");
    static final StructLayout TIMESPEC = MemoryLayout.structLayout(LONG.withName("tv_sec"), LONG.withName("tv_nsec"))
            .withName("__kernel_timespec");
    static final StructLayout PROBE = MemoryLayout.structLayout(ValueLayout.JAVA_BYTE.withName("last_op"),
            ValueLayout.JAVA_BYTE.withName("ops_len"), MemoryLayout.paddingLayout(14)).withName("io_uring_probe");
    static final StructLayout PROBE_OP = MemoryLayout.structLayout(ValueLayout.JAVA_BYTE.withName("op"),
            ValueLayout.JAVA_BYTE.withName("resv"), ValueLayout.JAVA_SHORT.withName("flags"), INT.withName("resv2"))
            .withName("io_uring_probe_op");
    static final StructLayout RSRC_REGISTER = MemoryLayout.structLayout(INT.withName("nr"), INT.withName("flags"),
            LONG.withName("resv2"), LONG.withName("data"), LONG.withName("tags")).withName("io_uring_rsrc_register");
    static final StructLayout FILES_UPDATE = MemoryLayout
            .structLayout(INT.withName("offset"), INT.withName("resv"), LONG.withName("fds"))
            .withName("io_uring_files_update");
    static final StructLayout RSRC_UPDATE2 = MemoryLayout.structLayout(INT.withName("offset"), INT.withName("resv"),
            LONG.withName("data"), LONG.withName("tags"), INT.withName("nr"), INT.withName("resv2"))
            .withName("io_uring_rsrc_update2");
    static final StructLayout IOVEC = MemoryLayout.structLayout(LONG.withName("iov_base"), LONG.withName("iov_len"))
            .withName("iovec");

    private static final int SQE_SHIFT = Long.numberOfTrailingZeros(SQE.byteSize());
    private static final int CQE_SHIFT = Long.numberOfTrailingZeros(CQE.byteSize());
    private static final long SQE_OFFSET = Libc.offset(SQE, "off");
    private static final long SQE_ADDRESS = Libc.offset(SQE, "addr");
    private static final long SQE_LENGTH = Libc.offset(SQE, "len");
    private static final long SQE_USER_DATA = Libc.offset(SQE, "user_data");
    private static final long SQE_PLACE = Libc.offset(SQE, "buf_index");
    private static final long CQE_USER_DATA = Libc.offset(CQE, "user_data");
    private static final long CQE_RESULT = Libc.offset(CQE, "res");

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
    private final long cqOverflowOffset;
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

    /** Makes what stands for a ring that the kernel has made; tests make one of their own. */
    interface Maker {
        Uring make(int fd, MemorySegment params) throws IOException;
    }

    /** Over the descriptor, which stays the caller's if this throws. */
    Uring(int fd, MemorySegment params) throws IOException {
        this.fd = fd;
        flags = params.get(INT, Libc.offset(PARAMS, "flags"));
        features = params.get(INT, Libc.offset(PARAMS, "features"));
        sqEntries = params.get(INT, Libc.offset(PARAMS, "sq_entries"));
        cqEntries = params.get(INT, Libc.offset(PARAMS, "cq_entries"));
        sqMask = sqEntries - 1;
        cqMask = cqEntries - 1;
        MemorySegment sqOffsets = params.asSlice(Libc.offset(PARAMS, "sq_off"), SQ_OFFSETS);
        sqHeadOffset = sqOffsets.get(INT, Libc.offset(SQ_OFFSETS, "head"));
        sqTailOffset = sqOffsets.get(INT, Libc.offset(SQ_OFFSETS, "tail"));
        sqFlagsOffset = sqOffsets.get(INT, Libc.offset(SQ_OFFSETS, "flags"));
        final long sqArrayOffset = sqOffsets.get(INT, Libc.offset(SQ_OFFSETS, "array"));
        MemorySegment cqOffsets = params.asSlice(Libc.offset(PARAMS, "cq_off"), CQ_OFFSETS);
        cqHeadOffset = cqOffsets.get(INT, Libc.offset(CQ_OFFSETS, "head"));
        cqTailOffset = cqOffsets.get(INT, Libc.offset(CQ_OFFSETS, "tail"));
        cqOverflowOffset = cqOffsets.get(INT, Libc.offset(CQ_OFFSETS, "overflow"));
        cqEntriesOffset = cqOffsets.get(INT, Libc.offset(CQ_OFFSETS, "cqes"));
        boolean array = (flags & SETUP_NO_SQARRAY) == 0;
        // Without the array its offset is 0, and the ring's words end before the completion entries or at them.
        long sqBytes = array ? sqArrayOffset + 4L * sqEntries : cqEntriesOffset;
        long cqBytes = cqEntriesOffset + ((long) cqEntries << CQE_SHIFT);
        MemorySegment sqMapped = null;
        MemorySegment cqMapped = null;
        MemorySegment entriesMapped = null;
        try {
            if ((features & FEATURE_SINGLE_MMAP) != 0) {
                sqMapped = map(MAP_SQ_RING, Math.max(sqBytes, cqBytes));
                cqMapped = sqMapped;
            } else {
                sqMapped = map(MAP_SQ_RING, sqBytes);
                cqMapped = map(MAP_CQ_RING, cqBytes);
            }
            entriesMapped = map(MAP_SQES, (long) sqEntries << SQE_SHIFT);
        } finally {
            if (entriesMapped == null) {
                // A mapping outlives its descriptor.
                arena.close();
            }
        }
        sq = sqMapped;
        cq = cqMapped;
        entries = entriesMapped;
        waitArgument = arena.allocate(GETEVENTS_ARG.byteSize() + TIMESPEC.byteSize(), 8);
        waitArgument.set(LONG, Libc.offset(GETEVENTS_ARG, "ts"), waitArgument.address() + GETEVENTS_ARG.byteSize());
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

    private MemorySegment map(long offset, long bytes) throws IOException {
        long address = MemoryMap.map(fd, offset, bytes);
        if (address < 0) {
            throw UringRefusal.exception((int) -address,
                    "the kernel refused to map " + bytes + " bytes of the ring (" + Errno.name(address) + ")");
        }
        return MemoryMap.memory(address, bytes, arena);
    }

    /**
     * Makes a ring with the first of the sets of flags that the kernel knows.
     *
     * @param wanted sets of setup flags, best first; the last must be one that every kernel knows
     * @throws AioUnavailableException if the kernel has no rings for us
     * @throws IOException if it lacks descriptors or memory for one more
     */
    static Uring open(int depth, int[] wanted) throws IOException {
        return open(depth, wanted, Uring::new);
    }

    static Uring open(int depth, int[] wanted, Maker maker) throws IOException {
        try (Arena temporary = Arena.ofConfined()) {
            MemorySegment params = temporary.allocate(PARAMS);
            long result = -Errno.EINVAL;
            for (int i = 0; i < wanted.length && result == -Errno.EINVAL; i++) {
                params.fill((byte) 0);
                params.set(INT, Libc.offset(PARAMS, "flags"), wanted[i]);
                params.set(INT, Libc.offset(PARAMS, "sq_thread_idle"), SQ_THREAD_IDLE_MILLIS);
                result = Libc.syscall(SYS_SETUP, depth, params.address(), 0, 0, 0, 0);
            }
            if (result < 0) {
                throw UringRefusal.exception((int) -result);
            }
            return opened((int) result, params, maker);
        }
    }

    private static Uring opened(int fd, MemorySegment params, Maker maker) throws IOException {
        boolean good = false;
        try {
            Uring ring = maker.make(fd, params);
            good = true;
            return ring;
        } finally {
            if (!good) {
                FileCalls.close(fd);
            }
        }
    }

    /** Why there can be no ring here, or null if there can, now or when the kernel has what it lacks now. */
    static @Nullable String refusal() {
        try (Arena temporary = Arena.ofConfined()) {
            MemorySegment params = temporary.allocate(PARAMS);
            long result = Libc.syscall(SYS_SETUP, 1, params.address(), 0, 0, 0, 0);
            if (result < 0) {
                return UringRefusal.isPassing((int) -result) ? null : UringRefusal.reason((int) -result);
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

    /** Whether a success can be without a completion. */
    boolean canSkipSuccess() {
        return (features & FEATURE_CQE_SKIP) != 0;
    }

    /** What the kernel shares with us for this ring, in bytes. */
    long sharedBytes() {
        long rings = sq.byteSize() + (sq.equals(cq) ? 0 : cq.byteSize());
        return rings + entries.byteSize();
    }

    /** The setup flags and features in use, for people. */
    String describe() {
        List<String> names = new ArrayList<>();
        names.add(sqEntries + "/" + cqEntries);
        int[] bits = {SETUP_IOPOLL, SETUP_SQPOLL, SETUP_R_DISABLED, SETUP_SUBMIT_ALL, SETUP_COOP_TASKRUN,
                SETUP_TASKRUN_FLAG, SETUP_SINGLE_ISSUER, SETUP_DEFER_TASKRUN, SETUP_NO_SQARRAY};
        String[] words = {"IOPOLL", "SQPOLL", "R_DISABLED", "SUBMIT_ALL", "COOP_TASKRUN", "TASKRUN_FLAG",
                "SINGLE_ISSUER", "DEFER_TASKRUN", "NO_SQARRAY"};
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

    /** Whether there is no room for two entries. The writer. */
    boolean isFullForTwo() {
        if (sqTail - sqHeadSeen < sqEntries - 1) {
            return false;
        }
        // Acquire: as in isFull.
        sqHeadSeen = (int) WORD.getAcquire(sq, sqHeadOffset);
        return sqTail - sqHeadSeen >= sqEntries - 1;
    }

    /**
     * Writes an entry; the kernel may take it after {@link #publish}. The ring must not be full. The writer.
     *
     * @param head opcode, flags and priority in the lower half, the descriptor in the upper: {@link #head}
     * @param length bytes or number of segments in the lower half, flags of the operation in the upper
     * @param place place in the table of registered memory
     */
    void put(long head, long offset, long address, long length, long userData, int place) {
        assert sqTail - sqHeadSeen < sqEntries : "the submission ring is full";
        long at = (long) (sqTail & sqMask) << SQE_SHIFT;
        entries.set(LONG, at, head);
        entries.set(LONG, at + SQE_OFFSET, offset);
        entries.set(LONG, at + SQE_ADDRESS, address);
        entries.set(LONG, at + SQE_LENGTH, length);
        entries.set(LONG, at + SQE_USER_DATA, userData);
        // The other fields of these 8 bytes, and the 16 bytes behind them, are 0 in every entry that we write.
        entries.set(LONG, at + SQE_PLACE, place);
        sqTail++;
    }

    /** Publishes all entries that have been written: those of one link together, so that it is not cut. The writer. */
    void publish() {
        // Release: pairs with the kernel's acquire of the tail; the entries are seen whole.
        WORD.setRelease(sq, sqTailOffset, sqTail);
    }

    /** The first 8 bytes of an entry. */
    static long head(int opcode, int entryFlags, int descriptor) {
        return opcode | (long) entryFlags << 8 | (long) descriptor << 32;
    }

    /** The ring itself, which can be read while it has completions, or work that makes some. */
    int fd() {
        return fd;
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
        return entries.get(LONG, ((long) (head + index & sqMask) << SQE_SHIFT) + SQE_USER_DATA);
    }

    /** {@code io_uring_enter}: entries taken, or a negative errno. */
    int enter(int submit, int complete, int enterFlags) {
        int entered = (int) Libc.quickSyscall(SYS_ENTER, fd, submit, complete, enterFlags, 0, 0);
        return entered >= 0 ? entered : enterAgain(submit, enterFlags);
    }

    /**
     * Enters once more after an error, by which no entry was taken, and without a wait: the first one may have been interrupted in its own.
     * The kernel tells but once that it has dropped completions, and has told; it counts them as well.
     */
    private int enterAgain(int submit, int enterFlags) {
        int entered = (int) Libc.syscall(SYS_ENTER, fd, submit, 0, enterFlags & ~ENTER_EXT_ARG, 0, 0);
        return droppedCompletions() == 0 ? entered : -EBADR;
    }

    /** How many completions the kernel has dropped, for which it had neither room nor memory. */
    int droppedCompletions() {
        // Opaque: the kernel has counted before it told, and told this thread.
        return (int) WORD.getOpaque(cq, cqOverflowOffset);
    }

    /** Enters, and waits for one completion, at most so long. The reader, one at a time. */
    int enterAndWait(int submit, int moreFlags, long timeoutNanos) {
        if (timeoutNanos == Long.MAX_VALUE) {
            return enter(submit, 1, moreFlags | ENTER_GETEVENTS);
        }
        if (!hasTimedWait()) {
            int entered = enter(submit, 0, moreFlags | ENTER_GETEVENTS);
            // Returns at once if there are completions.
            return entered < 0 ? entered : Math.min(FileCalls.awaitReadable(fd, timeoutNanos), entered);
        }
        long timespec = GETEVENTS_ARG.byteSize();
        waitArgument.set(LONG, timespec, timeoutNanos / 1_000_000_000L);
        waitArgument.set(LONG, timespec + 8, timeoutNanos % 1_000_000_000L);
        int waitFlags = moreFlags | ENTER_GETEVENTS | ENTER_EXT_ARG;
        int entered = (int) Libc.quickSyscall(SYS_ENTER, fd, submit, 1, waitFlags, waitArgument.address(),
                GETEVENTS_ARG.byteSize());
        return entered >= 0 ? entered : enterAgain(submit, waitFlags);
    }

    /** Whether the kernel's thread that takes entries sleeps, and has to be woken. The writer, after publishing. */
    boolean needsWakeup() {
        // Pairs with the kernel's fence between raising the flag and looking at the tail once more: it sees our
        // entry, or we see its flag.
        VarHandle.fullFence();
        return ((int) WORD.getVolatile(sq, sqFlagsOffset) & SQ_NEED_WAKEUP) != 0;
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
        return cq.get(LONG, cqEntriesOffset + ((long) (cqHead & cqMask) << CQE_SHIFT) + CQE_USER_DATA);
    }

    /** Result of the oldest completion. The reader. */
    int completionResult() {
        return cq.get(INT, cqEntriesOffset + ((long) (cqHead & cqMask) << CQE_SHIFT) + CQE_RESULT);
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
     * Which operations the kernel has; none if it does not even know the question.
     *
     * @throws IOException if it lacks what it needs for an answer
     */
    boolean[] supported() throws IOException {
        boolean[] supported = new boolean[256];
        long head = PROBE.byteSize();
        try (Arena temporary = Arena.ofConfined()) {
            MemorySegment probe = temporary.allocate(head + supported.length * PROBE_OP.byteSize(), 8);
            int result = register(REGISTER_PROBE, probe.address(), supported.length);
            if (UringRefusal.isPassing(-result)) {
                throw UringRefusal.exception(-result, UringRefusal.reason(-result));
            }
            if (result < 0) {
                return supported;
            }
            for (int i = 0; i < supported.length; i++) {
                supported[i] = (probe.get(ValueLayout.JAVA_SHORT,
                        head + i * PROBE_OP.byteSize() + Libc.offset(PROBE_OP, "flags")) & 1) != 0;
            }
        }
        return supported;
    }

    /** Limits the threads of the kernel that carry out, for each thread that enters, what would wait; false if it cannot be. */
    boolean limitWorkers(int max) {
        try (Arena temporary = Arena.ofConfined()) {
            return register(REGISTER_IOWQ_MAX_WORKERS, temporary.allocateFrom(INT, max, max).address(), 2) >= 0;
        }
    }

    boolean registerSparseFiles(int places) {
        return registerSparse(REGISTER_FILES2, places);
    }

    boolean registerSparseMemory(int places) {
        return registerSparse(REGISTER_BUFFERS2, places);
    }

    private boolean registerSparse(int operation, int places) {
        try (Arena temporary = Arena.ofConfined()) {
            MemorySegment argument = temporary.allocate(RSRC_REGISTER);
            argument.set(INT, Libc.offset(RSRC_REGISTER, "nr"), places);
            argument.set(INT, Libc.offset(RSRC_REGISTER, "flags"), RESOURCES_SPARSE);
            return register(operation, argument.address(), (int) RSRC_REGISTER.byteSize()) >= 0;
        }
    }

    /** Puts a descriptor in the table of files; -1 empties the place. */
    boolean updateFile(int place, int descriptor) {
        try (Arena temporary = Arena.ofConfined()) {
            MemorySegment argument = temporary.allocate(FILES_UPDATE);
            argument.set(INT, Libc.offset(FILES_UPDATE, "offset"), place);
            argument.set(LONG, Libc.offset(FILES_UPDATE, "fds"), temporary.allocateFrom(INT, descriptor).address());
            return register(REGISTER_FILES_UPDATE, argument.address(), 1) == 1;
        }
    }

    /** Puts memory in the table of memory; no bytes empty the place. 0, or a negative errno. */
    int updateMemory(int place, long address, long bytes) {
        try (Arena temporary = Arena.ofConfined()) {
            MemorySegment iovec = temporary.allocate(IOVEC);
            iovec.set(LONG, Libc.offset(IOVEC, "iov_base"), address);
            iovec.set(LONG, Libc.offset(IOVEC, "iov_len"), bytes);
            MemorySegment argument = temporary.allocate(RSRC_UPDATE2);
            argument.set(INT, Libc.offset(RSRC_UPDATE2, "offset"), place);
            argument.set(LONG, Libc.offset(RSRC_UPDATE2, "data"), iovec.address());
            argument.set(INT, Libc.offset(RSRC_UPDATE2, "nr"), 1);
            int result = register(REGISTER_BUFFERS_UPDATE, argument.address(), (int) RSRC_UPDATE2.byteSize());
            return result == 1 ? 0 : Math.min(result, -1);
        }
    }

    /** Unmaps and closes. An access of the rings after this throws. */
    void close() {
        try {
            arena.close();
        } finally {
            FileCalls.close(fd);
        }
    }
}
