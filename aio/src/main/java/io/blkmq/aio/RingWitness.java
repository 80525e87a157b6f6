package io.blkmq.aio;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;

/**
 * Knows when the kernel has done with a ring that nobody can enter any more, because the thread it belonged to has
 * ended.
 *
 * <p>Closing such a ring returns before the operations in it have ended, and their memory must not be given back
 * until they have. The kernel lets go of the files registered with a ring after the last of its operations. So the
 * writing end of a pipe is registered, and kept nowhere else: when the reading end says that there are no writers
 * left, the ring is gone.
 */
final class RingWitness {

    private static final int O_CLOEXEC = FileCalls.O_CLOEXEC;

    private static final MethodHandle PIPE2 = Libc.function("pipe2",
            FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.JAVA_LONG, ValueLayout.JAVA_INT));
    private static final MethodHandle READ = Libc.function("read", FunctionDescriptor.of(ValueLayout.JAVA_LONG,
            ValueLayout.JAVA_INT, ValueLayout.JAVA_LONG, ValueLayout.JAVA_LONG));

    private final int reading;

    private RingWitness(int reading) {
        this.reading = reading;
    }

    /** Registers a witness with a ring, at a place of its table of files. */
    static RingWitness of(Uring ring, int place) throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment ends = arena.allocate(8, 4);
            int made = pipe(ends);
            if (made < 0) {
                throw new IOException("no pipe for an io_uring (" + Errno.name(made) + ")");
            }
            int reading = ends.get(ValueLayout.JAVA_INT, 0);
            int writing = ends.get(ValueLayout.JAVA_INT, 4);
            boolean registered = false;
            try {
                registered = ring.updateFile(place, writing);
            } finally {
                FileCalls.close(writing);
                if (!registered) {
                    FileCalls.close(reading);
                }
            }
            if (!registered) {
                throw new IOException("no file can be registered with an io_uring");
            }
            return new RingWitness(reading);
        }
    }

    private static int pipe(MemorySegment ends) {
        MemorySegment errno = Libc.borrowErrno();
        try {
            return (int) Libc.result((int) PIPE2.invokeExact(errno, ends.address(), O_CLOEXEC), errno);
        } catch (Throwable t) {
            throw Libc.unexpected(t);
        } finally {
            Libc.giveBack(errno);
        }
    }

    /** Waits until the ring, which has been closed, is gone. No interrupt ends the wait. */
    void awaitEnd() {
        MemorySegment errno = Libc.borrowErrno();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment nothing = arena.allocate(1);
            long read;
            do {
                read = Libc.result((long) READ.invokeExact(errno, reading, nothing.address(), 1L), errno);
            } while (read == -Errno.EINTR);
            assert read == 0 : "somebody wrote into the pipe, or it failed: " + read;
        } catch (Throwable t) {
            throw Libc.unexpected(t);
        } finally {
            Libc.giveBack(errno);
        }
    }

    void close() {
        FileCalls.close(reading);
    }
}
