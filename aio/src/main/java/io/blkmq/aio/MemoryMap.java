package io.blkmq.aio;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;

/** {@code mmap} and {@code munmap}, for the memory that rings share with the kernel. */
@SuppressWarnings("restricted")
final class MemoryMap {

    private static final int PROT_READ_WRITE = 0x1 | 0x2;
    private static final int MAP_SHARED_POPULATE = 0x1 | 0x8000;

    private static final MethodHandle MMAP = Libc.function("mmap",
            FunctionDescriptor.of(ValueLayout.JAVA_LONG, ValueLayout.JAVA_LONG, ValueLayout.JAVA_LONG,
                    ValueLayout.JAVA_INT, ValueLayout.JAVA_INT, ValueLayout.JAVA_INT, ValueLayout.JAVA_LONG));
    private static final MethodHandle MUNMAP = Libc.function("munmap",
            FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.JAVA_LONG, ValueLayout.JAVA_LONG));

    private MemoryMap() {}

    /** Maps shared memory of a descriptor: its address, or a negative errno. */
    static long map(int fd, long offset, long bytes) {
        MemorySegment errno = Libc.borrowErrno();
        try {
            return Libc.result(
                    (long) MMAP.invokeExact(errno, 0L, bytes, PROT_READ_WRITE, MAP_SHARED_POPULATE, fd, offset), errno);
        } catch (Throwable t) {
            throw Libc.unexpected(t);
        } finally {
            Libc.giveBack(errno);
        }
    }

    /** What has been mapped, as memory of an arena. It is unmapped when the arena is closed; an access after that throws. */
    static MemorySegment memory(long address, long bytes, Arena arena) {
        return MemorySegment.ofAddress(address).reinterpret(bytes, arena, mapped -> unmap(mapped.address(), bytes));
    }

    private static void unmap(long address, long bytes) {
        MemorySegment errno = Libc.borrowErrno();
        try {
            int returned = (int) MUNMAP.invokeExact(errno, address, bytes);
            assert returned == 0 : "munmap failed";
        } catch (Throwable t) {
            throw Libc.unexpected(t);
        } finally {
            Libc.giveBack(errno);
        }
    }
}
