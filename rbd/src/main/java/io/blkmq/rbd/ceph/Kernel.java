package io.blkmq.rbd.ceph;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;

/** What is asked of the system: events that a thread can wait for, and memory that outlives whoever asked for it. */
@SuppressWarnings("restricted")
public final class Kernel {
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT;
    private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG;

    private static final MethodHandle EVENTFD = function("eventfd", FunctionDescriptor.of(INT, INT, INT));
    private static final MethodHandle READ = function("read", FunctionDescriptor.of(LONG, INT, LONG, LONG));
    private static final MethodHandle WRITE = function("write", FunctionDescriptor.of(LONG, INT, LONG, LONG));
    private static final MethodHandle CLOSE = function("close", FunctionDescriptor.of(INT, INT));
    private static final MethodHandle PPOLL = function("ppoll", FunctionDescriptor.of(INT, LONG, LONG, LONG, LONG));
    private static final MethodHandle MALLOC = function("malloc", FunctionDescriptor.of(LONG, LONG));
    private static final MethodHandle FREE = function("free", FunctionDescriptor.ofVoid(LONG));

    /** EFD_CLOEXEC and EFD_NONBLOCK, by eventfd(2); the numbers are the same on all architectures with this libc. */
    private static final int CLOEXEC_NONBLOCK = 0x80000 | 0x800;
    private static final short POLLIN = 1;
    /** {@code struct pollfd}: a descriptor, what is waited for, what has come. */
    private static final int POLLFD_BYTES = 8;

    private static final MemorySegment ONE = Arena.global().allocateFrom(LONG, 1);
    /** Where the counts of events go, and nobody looks. */
    private static final MemorySegment SINK = Arena.global().allocate(8, 8);

    private Kernel() {}

    private static MethodHandle function(String name, FunctionDescriptor descriptor) {
        Linker linker = Linker.nativeLinker();
        return linker.downcallHandle(linker.defaultLookup().find(name)
                .orElseThrow(() -> new UnsatisfiedLinkError("the C library has no function " + name)), descriptor);
    }

    /** Makes an event: a descriptor that can be read when it has been {@linkplain #raise raised}. */
    public static int event() throws IOException {
        int fd;
        try {
            fd = (int) EVENTFD.invokeExact(0, CLOEXEC_NONBLOCK);
        } catch (Throwable t) {
            throw Library.unexpected(t);
        }
        if (fd < 0) {
            throw new IOException("no eventfd for an image: too many open files");
        }
        return fd;
    }

    /** Raises an event. Any thread. It is raised already where this fails. */
    public static void raise(int event) {
        try {
            long _ = (long) WRITE.invokeExact(event, ONE.address(), 8L);
        } catch (Throwable t) {
            throw Library.unexpected(t);
        }
    }

    /** Takes an event back, if it has been raised. */
    public static void clear(int event) {
        try {
            long _ = (long) READ.invokeExact(event, SINK.address(), 8L);
        } catch (Throwable t) {
            throw Library.unexpected(t);
        }
    }

    public static void close(int event) {
        try {
            int _ = (int) CLOSE.invokeExact(event);
        } catch (Throwable t) {
            throw Library.unexpected(t);
        }
    }

    /** Memory of the heap of C, for the caller to {@link #free}. */
    public static MemorySegment allocate(long bytes) {
        long address;
        try {
            address = (long) MALLOC.invokeExact(bytes);
        } catch (Throwable t) {
            throw Library.unexpected(t);
        }
        if (address == 0) {
            throw new OutOfMemoryError("no native memory for " + bytes + " bytes");
        }
        return MemorySegment.ofAddress(address).reinterpret(bytes);
    }

    public static void free(MemorySegment memory) {
        try {
            FREE.invokeExact(memory.address());
        } catch (Throwable t) {
            throw Library.unexpected(t);
        }
    }

    /** Some events that one thread waits for together. */
    public static final class Events {
        private final MemorySegment fds;
        private final MemorySegment time = Arena.ofAuto().allocate(16, 8);
        private final int count;

        /** For these, in this order. */
        public Events(int... events) {
            count = events.length;
            fds = Arena.ofAuto().allocate((long) POLLFD_BYTES * count, 8);
            for (int i = 0; i < count; i++) {
                fds.set(INT, (long) POLLFD_BYTES * i, events[i]);
                fds.set(ValueLayout.JAVA_SHORT, (long) POLLFD_BYTES * i + 4, POLLIN);
            }
        }

        /** Waits until one has been raised, a signal comes, or the time is over. */
        public void await(long timeoutNanos) {
            long limit = 0;
            if (timeoutNanos != Long.MAX_VALUE) {
                long nanos = Math.max(timeoutNanos, 0);
                time.set(LONG, 0, nanos / 1_000_000_000L);
                time.set(LONG, 8, nanos % 1_000_000_000L);
                limit = time.address();
            }
            for (int i = 0; i < count; i++) {
                fds.set(ValueLayout.JAVA_SHORT, (long) POLLFD_BYTES * i + 6, (short) 0);
            }
            try {
                int _ = (int) PPOLL.invokeExact(fds.address(), (long) count, limit, 0L);
            } catch (Throwable t) {
                throw Library.unexpected(t);
            }
        }

        /** Whether one of them had been raised at the end of the wait. */
        public boolean isRaised(int event) {
            return (fds.get(ValueLayout.JAVA_SHORT, (long) POLLFD_BYTES * event + 6) & POLLIN) != 0;
        }
    }
}
