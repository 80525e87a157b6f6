package io.blkmq.aio;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.StructLayout;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;

/**
 * The system calls on files, by the C library's functions: each returns what the function returns, or a negated errno.
 */
final class FileCalls {

    static final int O_RDONLY = 0;
    static final int O_WRONLY = 1;
    static final int O_RDWR = 2;
    static final int O_ACCMODE = 3;
    static final int O_APPEND = 0x400;
    static final int O_CREAT = 0x40;
    static final int O_EXCL = 0x80;
    static final int O_NONBLOCK = 0x800;
    static final int O_DSYNC = 0x1000;
    static final int O_SYNC = 0x101000;
    static final int O_CLOEXEC = 0x80000;

    static final int FALLOC_KEEP_SIZE = 0x1;
    static final int FALLOC_PUNCH_HOLE = 0x2;
    static final int FALLOC_ZERO_RANGE = 0x10;

    static final int F_RDLCK = 0;
    static final int F_WRLCK = 1;
    static final int F_UNLCK = 2;

    private static final int F_DUPFD_CLOEXEC = 1030;
    private static final int F_GETFL = 3;
    private static final int F_SETFL = 4;
    private static final int F_OFD_SETLK = 37;
    private static final long TMPFS_MAGIC = 0x01021994;
    /** What a new file is allowed, less the process's mask: as the JDK makes files. */
    static final int MODE = 0666;
    private static final int SEEK_END = 2;
    private static final int SEEK_DATA = 3;
    private static final int SEEK_HOLE = 4;

    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT;
    private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG;

    static final StructLayout FLOCK = MemoryLayout.structLayout(ValueLayout.JAVA_SHORT.withName("l_type"),
            ValueLayout.JAVA_SHORT.withName("l_whence"), MemoryLayout.paddingLayout(4), LONG.withName("l_start"),
            LONG.withName("l_len"), INT.withName("l_pid"), MemoryLayout.paddingLayout(4)).withName("flock");
    static final StructLayout STATFS = MemoryLayout
            .structLayout(LONG.withName("f_type"), LONG.withName("f_bsize"), LONG.withName("f_blocks"),
                    LONG.withName("f_bfree"), LONG.withName("f_bavail"), LONG.withName("f_files"),
                    LONG.withName("f_ffree"), LONG.withName("f_fsid"), LONG.withName("f_namelen"),
                    LONG.withName("f_frsize"), LONG.withName("f_flags"), MemoryLayout.paddingLayout(32))
            .withName("statfs");

    private static final MethodHandle OPEN = Libc.function("open", FunctionDescriptor.of(INT, LONG, INT, INT),
            Linker.Option.firstVariadicArg(2));
    private static final MethodHandle CLOSE = Libc.function("close", FunctionDescriptor.of(INT, INT));
    private static final FunctionDescriptor OF_TRANSFER = FunctionDescriptor.of(LONG, INT, LONG, LONG, LONG);
    private static final MethodHandle PREAD = Libc.function("pread", OF_TRANSFER);
    private static final MethodHandle QUICK_PREAD = Libc.quickFunction("pread", OF_TRANSFER);
    private static final MethodHandle PWRITE = Libc.function("pwrite", OF_TRANSFER);
    private static final MethodHandle QUICK_PWRITE = Libc.quickFunction("pwrite", OF_TRANSFER);
    private static final MethodHandle FSYNC = Libc.function("fsync", FunctionDescriptor.of(INT, INT));
    private static final MethodHandle FDATASYNC = Libc.function("fdatasync", FunctionDescriptor.of(INT, INT));
    private static final MethodHandle FTRUNCATE = Libc.function("ftruncate", FunctionDescriptor.of(INT, INT, LONG));
    private static final MethodHandle FALLOCATE = Libc.function("fallocate",
            FunctionDescriptor.of(INT, INT, INT, LONG, LONG));
    private static final MethodHandle FADVISE = Libc.function("posix_fadvise",
            FunctionDescriptor.of(INT, INT, LONG, LONG, INT));
    private static final MethodHandle FCNTL = Libc.function("fcntl", FunctionDescriptor.of(INT, INT, INT, LONG),
            Linker.Option.firstVariadicArg(2));
    private static final MethodHandle POLL = Libc.function("poll", FunctionDescriptor.of(INT, LONG, LONG, INT));
    private static final MethodHandle LSEEK = Libc.function("lseek", FunctionDescriptor.of(LONG, INT, LONG, INT));
    private static final MethodHandle FSTATFS = Libc.function("fstatfs", FunctionDescriptor.of(INT, INT, LONG));

    static final StructLayout POLLFD = MemoryLayout.structLayout(INT.withName("fd"),
            ValueLayout.JAVA_SHORT.withName("events"), ValueLayout.JAVA_SHORT.withName("revents")).withName("pollfd");

    private static final short POLLIN = 1;

    private FileCalls() {}

    static int open(MemorySegment path, int flags) {
        MemorySegment errno = Libc.borrowErrno();
        try {
            return (int) Libc.result((int) OPEN.invokeExact(errno, path.address(), flags, MODE), errno);
        } catch (Throwable t) {
            throw Libc.unexpected(t);
        } finally {
            Libc.giveBack(errno);
        }
    }

    static int close(int fd) {
        MemorySegment errno = Libc.borrowErrno();
        try {
            return (int) Libc.result((int) CLOSE.invokeExact(errno, fd), errno);
        } catch (Throwable t) {
            throw Libc.unexpected(t);
        } finally {
            Libc.giveBack(errno);
        }
    }

    /** What was read, or a negated errno. Without an error it allocates nothing; what fails is asked once more, for its errno. */
    static long pread(int fd, long address, long bytes, long offset) {
        long read;
        try {
            read = (long) QUICK_PREAD.invokeExact(fd, address, bytes, offset);
        } catch (Throwable t) {
            throw Libc.unexpected(t);
        }
        return read != -1 ? read : preadOnce(fd, address, bytes, offset);
    }

    private static long preadOnce(int fd, long address, long bytes, long offset) {
        MemorySegment errno = Libc.borrowErrno();
        try {
            return Libc.result((long) PREAD.invokeExact(errno, fd, address, bytes, offset), errno);
        } catch (Throwable t) {
            throw Libc.unexpected(t);
        } finally {
            Libc.giveBack(errno);
        }
    }

    /**
     * What was written, or a negated errno. Without an error it allocates nothing; what fails is written once more, for its errno. Not for a
     * descriptor whose writes sync: the error of a sync is told but once, so the second would succeed.
     */
    static long pwrite(int fd, long address, long bytes, long offset) {
        long written;
        try {
            written = (long) QUICK_PWRITE.invokeExact(fd, address, bytes, offset);
        } catch (Throwable t) {
            throw Libc.unexpected(t);
        }
        return written != -1 ? written : pwriteOnce(fd, address, bytes, offset);
    }

    /** The same, by a single call: for a descriptor whose writes sync. */
    static long pwriteOnce(int fd, long address, long bytes, long offset) {
        MemorySegment errno = Libc.borrowErrno();
        try {
            return Libc.result((long) PWRITE.invokeExact(errno, fd, address, bytes, offset), errno);
        } catch (Throwable t) {
            throw Libc.unexpected(t);
        } finally {
            Libc.giveBack(errno);
        }
    }

    static int sync(int fd, boolean dataOnly) {
        MemorySegment errno = Libc.borrowErrno();
        try {
            int returned = dataOnly ? (int) FDATASYNC.invokeExact(errno, fd) : (int) FSYNC.invokeExact(errno, fd);
            return (int) Libc.result(returned, errno);
        } catch (Throwable t) {
            throw Libc.unexpected(t);
        } finally {
            Libc.giveBack(errno);
        }
    }

    static int setSize(int fd, long bytes) {
        MemorySegment errno = Libc.borrowErrno();
        try {
            return (int) Libc.result((int) FTRUNCATE.invokeExact(errno, fd, bytes), errno);
        } catch (Throwable t) {
            throw Libc.unexpected(t);
        } finally {
            Libc.giveBack(errno);
        }
    }

    static int fallocate(int fd, int mode, long offset, long bytes) {
        MemorySegment errno = Libc.borrowErrno();
        try {
            return (int) Libc.result((int) FALLOCATE.invokeExact(errno, fd, mode, offset, bytes), errno);
        } catch (Throwable t) {
            throw Libc.unexpected(t);
        } finally {
            Libc.giveBack(errno);
        }
    }

    /** Tells the page cache of a range. This function returns its error and leaves errno alone. */
    static int advise(int fd, long offset, long bytes, int advice) {
        MemorySegment errno = Libc.borrowErrno();
        try {
            return -(int) FADVISE.invokeExact(errno, fd, offset, bytes, advice);
        } catch (Throwable t) {
            throw Libc.unexpected(t);
        } finally {
            Libc.giveBack(errno);
        }
    }

    static long seekEnd(int fd) {
        return seek(fd, 0, SEEK_END);
    }

    /** Where the next data is, from an offset on; -ENXIO if there is none up to the end. */
    static long seekData(int fd, long offset) {
        return seek(fd, offset, SEEK_DATA);
    }

    /** Where the next hole is, from an offset on, if only that at the end; -ENXIO behind the end. */
    static long seekHole(int fd, long offset) {
        return seek(fd, offset, SEEK_HOLE);
    }

    private static long seek(int fd, long offset, int whence) {
        MemorySegment errno = Libc.borrowErrno();
        try {
            return Libc.result((long) LSEEK.invokeExact(errno, fd, offset, whence), errno);
        } catch (Throwable t) {
            throw Libc.unexpected(t);
        } finally {
            Libc.giveBack(errno);
        }
    }

    /** Waits until there is something to be read, at most so long, in whole milliseconds: 1, or 0, or a negative errno. */
    static int awaitReadable(int fd, long timeoutNanos) {
        MemorySegment errno = Libc.borrowErrno();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment pollfd = arena.allocate(POLLFD);
            pollfd.set(INT, Libc.offset(POLLFD, "fd"), fd);
            pollfd.set(ValueLayout.JAVA_SHORT, Libc.offset(POLLFD, "events"), POLLIN);
            int millis = (int) Math.min(Math.ceilDiv(Math.max(timeoutNanos, 0), 1_000_000L), Integer.MAX_VALUE);
            return (int) Libc.result((int) POLL.invokeExact(errno, pollfd.address(), 1L, millis), errno);
        } catch (Throwable t) {
            throw Libc.unexpected(t);
        } finally {
            Libc.giveBack(errno);
        }
    }

    /** Sets or takes off an open file description lock on the whole file; the process's number must be 0 for it. */
    static int lock(int fd, int type) {
        return lock(fd, type, 0, Long.MAX_VALUE);
    }

    /** The same of a range; one that ends at the largest offset has no end. */
    static int lock(int fd, int type, long position, long bytes) {
        MemorySegment errno = Libc.borrowErrno();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment flock = arena.allocate(FLOCK);
            flock.set(ValueLayout.JAVA_SHORT, Libc.offset(FLOCK, "l_type"), (short) type);
            flock.set(LONG, Libc.offset(FLOCK, "l_start"), position);
            // 0 for all that follows.
            flock.set(LONG, Libc.offset(FLOCK, "l_len"), bytes == Long.MAX_VALUE - position ? 0 : bytes);
            return (int) Libc.result((int) FCNTL.invokeExact(errno, fd, F_OFD_SETLK, flock.address()), errno);
        } catch (Throwable t) {
            throw Libc.unexpected(t);
        } finally {
            Libc.giveBack(errno);
        }
    }

    /**
     * Lets a file say by O_NONBLOCK that its I/O does not wait: 0, or a negative errno. The other flags stay: setting
     * them without O_DIRECT would take it off.
     */
    static int setNonBlocking(int fd) {
        MemorySegment errno = Libc.borrowErrno();
        try {
            long flags = Libc.result((int) FCNTL.invokeExact(errno, fd, F_GETFL, 0L), errno);
            return (int) (flags < 0
                    ? flags
                    : Libc.result((int) FCNTL.invokeExact(errno, fd, F_SETFL, flags | O_NONBLOCK), errno));
        } catch (Throwable t) {
            throw Libc.unexpected(t);
        } finally {
            Libc.giveBack(errno);
        }
    }

    /** How a descriptor was opened: flags, or a negative errno. */
    static int flags(int fd) {
        return control(fd, F_GETFL);
    }

    /** Another descriptor of the same open file, or a negative errno. */
    static int duplicate(int fd) {
        return control(fd, F_DUPFD_CLOEXEC);
    }

    private static int control(int fd, int command) {
        MemorySegment errno = Libc.borrowErrno();
        try {
            return (int) Libc.result((int) FCNTL.invokeExact(errno, fd, command, 0L), errno);
        } catch (Throwable t) {
            throw Libc.unexpected(t);
        } finally {
            Libc.giveBack(errno);
        }
    }

    /**
     * What {@code fstatfs} says of the file system that a file is on.
     *
     * @param blockBytes its block, or a negative errno
     * @param inMemory whether it is a tmpfs
     */
    record FileSystem(long blockBytes, boolean inMemory) {}

    static FileSystem fileSystem(int fd) {
        MemorySegment errno = Libc.borrowErrno();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment statfs = arena.allocate(STATFS);
            long result = Libc.result((int) FSTATFS.invokeExact(errno, fd, statfs.address()), errno);
            return result < 0
                    ? new FileSystem(result, false)
                    : new FileSystem(statfs.get(LONG, Libc.offset(STATFS, "f_bsize")),
                            statfs.get(LONG, Libc.offset(STATFS, "f_type")) == TMPFS_MAGIC);
        } catch (Throwable t) {
            throw Libc.unexpected(t);
        } finally {
            Libc.giveBack(errno);
        }
    }
}
