package io.blkmq.aio;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;

/**
 * An eventfd: any thread raises it, and a ring reads it, which is how a thread that alone may enter a ring is woken
 * while it sleeps there.
 */
final class WakeEvent {

    /**
     * Where every ring's read of its event goes, and nobody looks. It is never given back: a ring that is being closed
     * may still be reading.
     */
    static final MemorySegment SINK = Arena.global().allocate(8, 8);

    private static final MemorySegment ONE = Arena.global().allocateFrom(ValueLayout.JAVA_LONG, 1);

    private static final MethodHandle EVENTFD = Libc.function("eventfd",
            FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.JAVA_INT, ValueLayout.JAVA_INT));
    private static final FunctionDescriptor OF_WRITE = FunctionDescriptor.of(ValueLayout.JAVA_LONG,
            ValueLayout.JAVA_INT, ValueLayout.JAVA_LONG, ValueLayout.JAVA_LONG);
    private static final MethodHandle WRITE = Libc.function("write", OF_WRITE);
    private static final MethodHandle QUICK_WRITE = Libc.quickFunction("write", OF_WRITE);

    private static final MethodHandle QUICK_READ = Libc.quickFunction("read", OF_WRITE);

    private final int fd;

    private WakeEvent(int fd) {
        this.fd = fd;
    }

    /** For a ring that reads it, and waits there. */
    static WakeEvent open() throws IOException {
        return open(0);
    }

    /** For who waits elsewhere, and {@linkplain #drain drains} it. */
    static WakeEvent openNonBlocking() throws IOException {
        return open(FileCalls.O_NONBLOCK);
    }

    private static WakeEvent open(int flags) throws IOException {
        MemorySegment errno = Libc.borrowErrno();
        try {
            // EFD_CLOEXEC is O_CLOEXEC, and EFD_NONBLOCK O_NONBLOCK.
            int fd = (int) Libc.result((int) EVENTFD.invokeExact(errno, 0, FileCalls.O_CLOEXEC | flags), errno);
            if (fd < 0) {
                throw new IOException("no eventfd (" + Errno.name(fd) + ")");
            }
            return new WakeEvent(fd);
        } catch (IOException e) {
            throw e;
        } catch (Throwable t) {
            throw Libc.unexpected(t);
        } finally {
            Libc.giveBack(errno);
        }
    }

    int fd() {
        return fd;
    }

    void raise() {
        if (!raised()) {
            raiseAgain();
        }
    }

    private boolean raised() {
        try {
            return (long) QUICK_WRITE.invokeExact(fd, ONE.address(), 8L) == 8;
        } catch (Throwable t) {
            throw Libc.unexpected(t);
        }
    }

    /** After an error, by which nothing was written. */
    private void raiseAgain() {
        MemorySegment errno = Libc.borrowErrno();
        try {
            long written;
            do {
                written = Libc.result((long) WRITE.invokeExact(errno, fd, ONE.address(), 8L), errno);
            } while (written == -Errno.EINTR);
            assert written == 8 : "an eventfd refused: " + written;
        } catch (Throwable t) {
            throw Libc.unexpected(t);
        } finally {
            Libc.giveBack(errno);
        }
    }

    /** Takes back that it was raised. Only of one that does not block. */
    void drain() {
        try {
            // It does not matter what it finds.
            long _ = (long) QUICK_READ.invokeExact(fd, SINK.address(), 8L);
        } catch (Throwable t) {
            throw Libc.unexpected(t);
        }
    }

    void close() {
        FileCalls.close(fd);
    }
}
