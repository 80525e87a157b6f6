package io.blkmq.aio;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.StructLayout;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.nio.file.Files;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/**
 * What {@code statx} says about a file.
 *
 * @param result 0, or the negative errno of the call; the rest is meaningless then
 * @param mode type and permissions
 * @param size bytes; 0 for a block device
 * @param preferredBlock st_blksize
 * @param inode number within the device
 * @param device major number in the upper half, minor in the lower
 * @param representedDevice of a block device, its own number, like {@code device}
 * @param directKnown whether the kernel says what direct I/O needs
 * @param directMemory alignment of memory for direct I/O; 0 if the file cannot do it
 * @param directOffset alignment of offset and length for direct I/O; 0 if the file cannot do it
 * @param atomicWrites of direct I/O
 */
record FileFacts(int result, int mode, long size, int preferredBlock, long inode, long device, long representedDevice,
        boolean directKnown, int directMemory, int directOffset, AtomicWrites atomicWrites) {

    private static final int AT_FDCWD = -100;
    static final int AT_EMPTY_PATH = 0x1000;
    private static final int STATX_BASIC_STATS = 0x7ff;
    private static final int STATX_DIOALIGN = 0x2000;
    private static final int STATX_WRITE_ATOMIC = 0x10000;
    /** What is asked for. */
    static final int WANTED = STATX_BASIC_STATS | AioFileAttributes.STATX_BTIME | STATX_DIOALIGN | STATX_WRITE_ATOMIC;

    /** Where the members on atomic writes are, which came with Linux 6.11: many machines' headers do not have them. */
    private static final long ATOMIC_MIN = 0xa8;
    private static final long ATOMIC_MAX = 0xac;
    private static final long ATOMIC_SEGMENTS = 0xb0;

    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT;
    private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG;

    static final StructLayout STATX_TIMESTAMP = MemoryLayout
            .structLayout(LONG.withName("tv_sec"), INT.withName("tv_nsec"), INT.withName("__reserved"))
            .withName("statx_timestamp");
    static final StructLayout STATX = MemoryLayout.structLayout(INT.withName("stx_mask"), INT.withName("stx_blksize"),
            LONG.withName("stx_attributes"), INT.withName("stx_nlink"), INT.withName("stx_uid"),
            INT.withName("stx_gid"), ValueLayout.JAVA_SHORT.withName("stx_mode"), MemoryLayout.paddingLayout(2),
            LONG.withName("stx_ino"), LONG.withName("stx_size"), LONG.withName("stx_blocks"),
            LONG.withName("stx_attributes_mask"), STATX_TIMESTAMP.withName("stx_atime"),
            STATX_TIMESTAMP.withName("stx_btime"), STATX_TIMESTAMP.withName("stx_ctime"),
            STATX_TIMESTAMP.withName("stx_mtime"), INT.withName("stx_rdev_major"), INT.withName("stx_rdev_minor"),
            INT.withName("stx_dev_major"), INT.withName("stx_dev_minor"), LONG.withName("stx_mnt_id"),
            INT.withName("stx_dio_mem_align"), INT.withName("stx_dio_offset_align"), MemoryLayout.paddingLayout(96))
            .withName("statx");

    private static final int TYPE = 0xf000;
    private static final int TYPE_DIRECTORY = 0x4000;
    private static final int TYPE_BLOCK = 0x6000;
    private static final int TYPE_REGULAR = 0x8000;

    private static final MethodHandle STATX_CALL = Libc.function("statx",
            FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.JAVA_INT, ValueLayout.JAVA_LONG,
                    ValueLayout.JAVA_INT, ValueLayout.JAVA_INT, ValueLayout.JAVA_LONG));

    /** The facts of a path (a C string), following symbolic links. */
    static FileFacts ofPath(MemorySegment path) {
        try (Arena arena = Arena.ofConfined()) {
            return ask(AT_FDCWD, path, 0, arena);
        }
    }

    /** {@code statx} of a path (a C string), following symbolic links: 0, or a negative errno. */
    static int ofName(MemorySegment path, MemorySegment statx) {
        return call(AT_FDCWD, path, 0, statx);
    }

    /** The facts of an open file. */
    static FileFacts ofDescriptor(int fd) {
        try (Arena arena = Arena.ofConfined()) {
            return ask(fd, arena.allocateFrom(""), AT_EMPTY_PATH, arena);
        }
    }

    private static FileFacts ask(int fd, MemorySegment path, int flags, Arena arena) {
        MemorySegment statx = arena.allocate(STATX);
        return of(call(fd, path, flags, statx), statx);
    }

    private static int call(int fd, MemorySegment path, int flags, MemorySegment statx) {
        MemorySegment errno = Libc.borrowErrno();
        try {
            return (int) Libc.result(
                    (int) STATX_CALL.invokeExact(errno, fd, path.address(), flags, WANTED, statx.address()), errno);
        } catch (Throwable t) {
            throw Libc.unexpected(t);
        } finally {
            Libc.giveBack(errno);
        }
    }

    /** What the kernel has written. */
    static FileFacts of(int result, MemorySegment statx) {
        int mask = statx.get(INT, Libc.offset(STATX, "stx_mask"));
        return new FileFacts(result,
                Short.toUnsignedInt(statx.get(ValueLayout.JAVA_SHORT, Libc.offset(STATX, "stx_mode"))),
                statx.get(LONG, Libc.offset(STATX, "stx_size")), statx.get(INT, Libc.offset(STATX, "stx_blksize")),
                statx.get(LONG, Libc.offset(STATX, "stx_ino")), device(statx, Libc.offset(STATX, "stx_dev_major")),
                device(statx, Libc.offset(STATX, "stx_rdev_major")), (mask & STATX_DIOALIGN) != 0,
                statx.get(INT, Libc.offset(STATX, "stx_dio_mem_align")),
                statx.get(INT, Libc.offset(STATX, "stx_dio_offset_align")),
                (mask & STATX_WRITE_ATOMIC) != 0 ? atomicWrites(statx) : AtomicWrites.NONE);
    }

    private static AtomicWrites atomicWrites(MemorySegment statx) {
        return new AtomicWrites(statx.get(INT, ATOMIC_MIN), statx.get(INT, ATOMIC_MAX),
                statx.get(INT, ATOMIC_SEGMENTS));
    }

    /** Major number in the upper half, minor in the lower. */
    static long device(MemorySegment statx, long offset) {
        return ((long) statx.get(INT, offset) << 32) | Integer.toUnsignedLong(statx.get(INT, offset + 4));
    }

    /** Whether a block device can zero blocks by itself, as sysfs has it. */
    static boolean canZero(long device) {
        String limit = queueAttribute(device, "write_zeroes_max_bytes");
        return limit != null && !limit.equals("0");
    }

    /** Whether the device that the file is, or is on, is known to have no queues for polling. */
    boolean cannotBePolled() {
        return "0".equals(queueAttribute(isBlockDevice() ? representedDevice : device, "io_poll"));
    }

    /** What sysfs says of the queue of a block device; null if it says nothing, or it is none. */
    private static @Nullable String queueAttribute(long device, String name) {
        Path block = Path.of("/sys/dev/block/" + (device >>> 32) + ":" + (int) device);
        try {
            // A partition has its queue one level up.
            Path queue = Files.exists(block.resolve("queue")) ? block : block.toRealPath().resolve("..");
            return Files.readString(queue.resolve("queue").resolve(name)).strip();
        } catch (IOException e) {
            return null;
        }
    }

    boolean isDirectory() {
        return (mode & TYPE) == TYPE_DIRECTORY;
    }

    boolean isBlockDevice() {
        return (mode & TYPE) == TYPE_BLOCK;
    }

    /** Whether it is a file of blocks: anything else (a FIFO, a socket, a terminal) is not for positional I/O. */
    boolean isRegularOrBlockDevice() {
        return (mode & TYPE) == TYPE_REGULAR || isBlockDevice();
    }

    /** Whether its file system is on a disk, and not on a server or in memory: those have no device with a number of a kind. */
    boolean isOnDisk() {
        return device >>> 32 != 0;
    }

    boolean isSame(FileFacts other) {
        return inode == other.inode && device == other.device;
    }
}
