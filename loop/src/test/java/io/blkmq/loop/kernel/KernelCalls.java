package io.blkmq.loop.kernel;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.VarHandle;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** The system calls that a test needs to use the kernel's loop device: each returns what the call returns, or a negative errno. */
final class KernelCalls {
    static final int O_RDONLY = 0;
    static final int O_WRONLY = 1;
    static final int O_RDWR = 2;
    static final int O_DIRECT = 0x4000;
    private static final int O_CLOEXEC = 0x80000;
    private static final int F_SETFL = 4;
    private static final int SEEK_DATA = 3;
    private static final int SEEK_HOLE = 4;
    private static final int ENXIO = 6;

    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT;
    private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG;
    private static final MemoryLayout STATE = Linker.Option.captureStateLayout();
    private static final VarHandle ERRNO = STATE.varHandle(MemoryLayout.PathElement.groupElement("errno"));
    /** Of each thread, which reads its own errno there. */
    private static final ThreadLocal<MemorySegment> STATE_MEMORY = ThreadLocal
            .withInitial(() -> Arena.ofAuto().allocate(STATE));

    private static final MethodHandle OPEN = call("open", FunctionDescriptor.of(INT, ValueLayout.ADDRESS, INT, INT), 2);
    private static final MethodHandle CLOSE = call("close", FunctionDescriptor.of(INT, INT), -1);
    private static final MethodHandle IOCTL = call("ioctl", FunctionDescriptor.of(INT, INT, LONG, LONG), 2);
    private static final MethodHandle FCNTL = call("fcntl", FunctionDescriptor.of(INT, INT, INT, LONG), 2);
    private static final MethodHandle PREAD = call("pread", FunctionDescriptor.of(LONG, INT, LONG, LONG, LONG), -1);
    private static final MethodHandle PWRITE = call("pwrite", FunctionDescriptor.of(LONG, INT, LONG, LONG, LONG), -1);
    private static final MethodHandle FSYNC = call("fsync", FunctionDescriptor.of(INT, INT), -1);
    private static final MethodHandle FALLOCATE = call("fallocate", FunctionDescriptor.of(INT, INT, INT, LONG, LONG),
            -1);
    private static final MethodHandle LSEEK = call("lseek", FunctionDescriptor.of(LONG, INT, LONG, INT), -1);
    private static final MethodHandle FTRUNCATE = call("ftruncate", FunctionDescriptor.of(INT, INT, LONG), -1);

    private KernelCalls() {}

    @SuppressWarnings("restricted")
    private static MethodHandle call(String name, FunctionDescriptor type, int firstVariadic) {
        Linker linker = Linker.nativeLinker();
        MemorySegment address = linker.defaultLookup().find(name).orElseThrow();
        Linker.Option errno = Linker.Option.captureCallState("errno");
        return firstVariadic < 0
                ? linker.downcallHandle(address, type, errno)
                : linker.downcallHandle(address, type, errno, Linker.Option.firstVariadicArg(firstVariadic));
    }

    private static long result(long returned) {
        return returned == -1 ? -(int) ERRNO.get(STATE_MEMORY.get(), 0L) : returned;
    }

    private static AssertionError unexpected(Throwable t) {
        return new AssertionError("a system call could not be made", t);
    }

    static int open(Path path, int flags) {
        try (Arena arena = Arena.ofConfined()) {
            return (int) result((int) OPEN.invokeExact(STATE_MEMORY.get(), arena.allocateFrom(path.toString()),
                    flags | O_CLOEXEC, 0));
        } catch (Throwable t) {
            throw unexpected(t);
        }
    }

    static long close(int fd) {
        try {
            return result((int) CLOSE.invokeExact(STATE_MEMORY.get(), fd));
        } catch (Throwable t) {
            throw unexpected(t);
        }
    }

    static long ioctl(int fd, long request, long argument) {
        try {
            return result((int) IOCTL.invokeExact(STATE_MEMORY.get(), fd, request, argument));
        } catch (Throwable t) {
            throw unexpected(t);
        }
    }

    static long setFlags(int fd, int flags) {
        try {
            return result((int) FCNTL.invokeExact(STATE_MEMORY.get(), fd, F_SETFL, (long) flags));
        } catch (Throwable t) {
            throw unexpected(t);
        }
    }

    static long pread(int fd, MemorySegment memory, long offset) {
        try {
            return result(
                    (long) PREAD.invokeExact(STATE_MEMORY.get(), fd, memory.address(), memory.byteSize(), offset));
        } catch (Throwable t) {
            throw unexpected(t);
        }
    }

    static long pwrite(int fd, MemorySegment memory, long offset) {
        try {
            return result(
                    (long) PWRITE.invokeExact(STATE_MEMORY.get(), fd, memory.address(), memory.byteSize(), offset));
        } catch (Throwable t) {
            throw unexpected(t);
        }
    }

    static long fsync(int fd) {
        try {
            return result((int) FSYNC.invokeExact(STATE_MEMORY.get(), fd));
        } catch (Throwable t) {
            throw unexpected(t);
        }
    }

    static long fallocate(int fd, int mode, long offset, long bytes) {
        try {
            return result((int) FALLOCATE.invokeExact(STATE_MEMORY.get(), fd, mode, offset, bytes));
        } catch (Throwable t) {
            throw unexpected(t);
        }
    }

    static long ftruncate(int fd, long bytes) {
        try {
            return result((int) FTRUNCATE.invokeExact(STATE_MEMORY.get(), fd, bytes));
        } catch (Throwable t) {
            throw unexpected(t);
        }
    }

    private static long seek(int fd, long offset, int whence) {
        try {
            return result((long) LSEEK.invokeExact(STATE_MEMORY.get(), fd, offset, whence));
        } catch (Throwable t) {
            throw unexpected(t);
        }
    }

    /** Where a file has data, as "from-to" in bytes; between them are holes. */
    static List<String> dataOf(int fd) {
        List<String> data = new ArrayList<>();
        for (long at = seek(fd, 0, SEEK_DATA); at >= 0;) {
            long end = seek(fd, at, SEEK_HOLE);
            data.add(at + "-" + end);
            at = seek(fd, end, SEEK_DATA);
            if (at < 0 && at != -ENXIO) {
                throw new AssertionError("SEEK_DATA: errno " + -at);
            }
        }
        return data;
    }
}
