package io.blkmq.nbd;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.StructLayout;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.nio.file.Path;

/** Holes of a file, by lseek(2). Opens the file for each look: looks are rare, and the file may be another one by then. */
@SuppressWarnings("restricted")
final class FileAllocation implements AllocationMap {
    private static final int O_CLOEXEC = 0x80000;
    private static final int SEEK_DATA = 3;
    private static final int SEEK_HOLE = 4;
    private static final int ENXIO = 6;
    private static final int EINVAL = 22;

    /** How the C library is called. Initialised with the first look, and only on Linux. */
    private static final class Libc {
        private static final Linker LINKER = Linker.nativeLinker();
        private static final StructLayout STATE = Linker.Option.captureStateLayout();
        private static final long ERRNO = STATE.byteOffset(MemoryLayout.PathElement.groupElement("errno"));
        private static final MethodHandle OPEN = function("open",
                FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.ADDRESS, ValueLayout.JAVA_INT),
                Linker.Option.firstVariadicArg(2));
        private static final MethodHandle CLOSE = function("close",
                FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.JAVA_INT));
        private static final MethodHandle LSEEK = function("lseek", FunctionDescriptor.of(ValueLayout.JAVA_LONG,
                ValueLayout.JAVA_INT, ValueLayout.JAVA_LONG, ValueLayout.JAVA_INT));

        private static MethodHandle function(String name, FunctionDescriptor descriptor, Linker.Option... more) {
            Linker.Option[] options = java.util.Arrays.copyOf(more, more.length + 1);
            options[more.length] = Linker.Option.captureCallState("errno");
            return LINKER.downcallHandle(LINKER.defaultLookup().findOrThrow(name), descriptor, options);
        }
    }

    private final Path file;
    private final long offsetBytes;

    FileAllocation(Path file, long offsetBytes) {
        this.file = file;
        this.offsetBytes = offsetBytes;
    }

    @Override
    public Extent at(long offset, long bytes) throws IOException {
        if (!System.getProperty("os.name", "").startsWith("Linux")) {
            return new Extent(bytes, true, false);
        }
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment errno = arena.allocate(Libc.STATE);
            int fd = (int) Libc.OPEN.invokeExact(errno, arena.allocateFrom(file.toString()), O_CLOEXEC);
            if (fd < 0) {
                throw new IOException(file + " cannot be opened: errno " + errno.get(ValueLayout.JAVA_INT, Libc.ERRNO));
            }
            try {
                return look(errno, fd, offsetBytes + offset, bytes);
            } finally {
                int _ = (int) Libc.CLOSE.invokeExact(errno, fd);
            }
        } catch (IOException | RuntimeException | Error e) {
            throw e;
        } catch (Throwable t) {
            throw new AssertionError("a call of the C library threw", t);
        }
    }

    private Extent look(MemorySegment errno, int fd, long from, long bytes) throws Throwable {
        long data = seek(errno, fd, from, SEEK_DATA);
        if (data == -ENXIO) {
            return new Extent(bytes, false, true);
        }
        if (data == -EINVAL) {
            // The file system does not tell.
            return new Extent(bytes, true, false);
        }
        if (data < 0) {
            throw new IOException(file + ": lseek: errno " + -data);
        }
        if (data > from) {
            return new Extent(Math.min(data - from, bytes), false, true);
        }
        long hole = seek(errno, fd, from, SEEK_HOLE);
        return new Extent(hole > from ? Math.min(hole - from, bytes) : bytes, true, false);
    }

    private static long seek(MemorySegment errno, int fd, long offset, int whence) throws Throwable {
        long found = (long) Libc.LSEEK.invokeExact(errno, fd, offset, whence);
        return found < 0 ? -errno.get(ValueLayout.JAVA_INT, Libc.ERRNO) : found;
    }
}
