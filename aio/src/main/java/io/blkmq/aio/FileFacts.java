package io.blkmq.aio;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;

/**
 * What {@code statx} says about a file.
 *
 * @param result 0, or the negative errno of the call; the rest is meaningless then
 * @param mode type and permissions
 * @param size bytes; 0 for a block device
 * @param preferredBlock st_blksize
 * @param inode number within the device
 * @param device major number in the upper half, minor in the lower
 * @param directKnown whether the kernel says what direct I/O needs
 * @param directMemory alignment of memory for direct I/O; 0 if the file cannot do it
 * @param directOffset alignment of offset and length for direct I/O; 0 if the file cannot do it
 */
record FileFacts(int result, int mode, long size, int preferredBlock, long inode, long device, boolean directKnown,
        int directMemory, int directOffset) {

    private static final int AT_FDCWD = -100;
    private static final int AT_EMPTY_PATH = 0x1000;
    private static final int STATX_BASIC_STATS = 0x7ff;
    private static final int STATX_DIOALIGN = 0x2000;
    /** sizeof(struct statx). */
    private static final long BYTES = 256;

    private static final int TYPE = 0xf000;
    private static final int TYPE_DIRECTORY = 0x4000;
    private static final int TYPE_BLOCK = 0x6000;
    private static final int TYPE_REGULAR = 0x8000;

    private static final MethodHandle STATX = Libc.function("statx",
            FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.JAVA_INT, ValueLayout.JAVA_LONG,
                    ValueLayout.JAVA_INT, ValueLayout.JAVA_INT, ValueLayout.JAVA_LONG));

    /** The facts of a path (a C string), following symbolic links. */
    static FileFacts ofPath(MemorySegment path) {
        try (Arena arena = Arena.ofConfined()) {
            return ask(AT_FDCWD, path, 0, arena);
        }
    }

    /** The facts of an open file. */
    static FileFacts ofDescriptor(int fd) {
        try (Arena arena = Arena.ofConfined()) {
            return ask(fd, arena.allocateFrom(""), AT_EMPTY_PATH, arena);
        }
    }

    private static FileFacts ask(int fd, MemorySegment path, int flags, Arena arena) {
        MemorySegment statx = arena.allocate(BYTES, 8);
        MemorySegment errno = Libc.borrowErrno();
        int result;
        try {
            result = (int) Libc.result((int) STATX.invokeExact(errno, fd, path.address(), flags,
                    STATX_BASIC_STATS | STATX_DIOALIGN, statx.address()), errno);
        } catch (Throwable t) {
            throw Libc.unexpected(t);
        } finally {
            Libc.giveBack(errno);
        }
        int mask = statx.get(ValueLayout.JAVA_INT, 0);
        long device = ((long) statx.get(ValueLayout.JAVA_INT, 136) << 32)
                | Integer.toUnsignedLong(statx.get(ValueLayout.JAVA_INT, 140));
        return new FileFacts(result, Short.toUnsignedInt(statx.get(ValueLayout.JAVA_SHORT, 28)),
                statx.get(ValueLayout.JAVA_LONG, 40), statx.get(ValueLayout.JAVA_INT, 4),
                statx.get(ValueLayout.JAVA_LONG, 32), device, (mask & STATX_DIOALIGN) != 0,
                statx.get(ValueLayout.JAVA_INT, 152), statx.get(ValueLayout.JAVA_INT, 156));
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

    boolean isSame(FileFacts other) {
        return inode == other.inode && device == other.device;
    }
}
