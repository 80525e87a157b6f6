package io.blkmq.testkit.fuse;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.VarHandle;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;

/**
 * The functions of the C library that a server needs; each returns what the function returns, or a negated errno. Only on Linux; any
 * thread may call them. Initialising this class fails in a JVM that denies native access.
 */
@SuppressWarnings("restricted")
final class Libc {
    static final int O_RDONLY = 0;
    static final int O_RDWR = 2;
    static final int O_CLOEXEC = 0x80000;
    static final long MS_NOSUID = 2;
    static final long MS_NODEV = 4;
    /** Detaches a mount at once, though files on it are in use. */
    static final int MNT_DETACH = 2;
    static final int UMOUNT_NOFOLLOW = 8;

    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT;
    private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG;
    private static final Linker LINKER = Linker.nativeLinker();
    private static final MemoryLayout STATE = Linker.Option.captureStateLayout();
    private static final VarHandle ERRNO = STATE.varHandle(MemoryLayout.PathElement.groupElement("errno"));
    /** Of each thread: a call leaves its errno there. */
    private static final ThreadLocal<MemorySegment> STATE_MEMORY = ThreadLocal
            .withInitial(() -> Arena.ofAuto().allocate(STATE));
    /** Of file names, as the JVM itself encodes them. */
    private static final Charset PATH_CHARSET = Charset.forName(System.getProperty("sun.jnu.encoding", "UTF-8"),
            StandardCharsets.UTF_8);

    /** Functions of one shape share what the JVM makes for them, which is most of what the first call costs: so there are few shapes. */
    private static final FunctionDescriptor OF_PATH = FunctionDescriptor.of(INT, LONG, INT);
    private static final FunctionDescriptor OF_FILE = FunctionDescriptor.of(INT, INT);
    private static final FunctionDescriptor OF_TRANSFER = FunctionDescriptor.of(LONG, INT, LONG, LONG);

    /** Its third argument, after the flags, is for files that it creates. */
    private static final MethodHandle OPEN = function("open", OF_PATH);
    private static final MethodHandle ACCESS = function("access", OF_PATH);
    private static final MethodHandle UMOUNT = function("umount2", OF_PATH);
    private static final MethodHandle CLOSE = function("close", OF_FILE);
    private static final MethodHandle SYNCFS = function("syncfs", OF_FILE);
    private static final MethodHandle READ = function("read", OF_TRANSFER);
    private static final MethodHandle WRITE = function("write", OF_TRANSFER);
    private static final MethodHandle MOUNT = function("mount",
            FunctionDescriptor.of(INT, LONG, LONG, LONG, LONG, LONG));

    private Libc() {}

    /** A handle for a function, which leaves its errno in its first argument: {@link #state}. */
    static MethodHandle function(String name, FunctionDescriptor type) {
        return LINKER.downcallHandle(LINKER.defaultLookup().findOrThrow(name), type,
                Linker.Option.captureCallState("errno"));
    }

    /** A call by a handle. */
    @FunctionalInterface
    interface Call {
        long make() throws Throwable;
    }

    /** Where the calls of this thread leave their errno. */
    static MemorySegment state() {
        return STATE_MEMORY.get();
    }

    /** Makes a call; returns what it returns, or its negated errno if that is -1. */
    static long call(Call call) {
        try {
            return result(call.make(), state());
        } catch (Throwable t) {
            throw unexpected(t);
        }
    }

    private static long result(long returned, MemorySegment state) {
        return returned == -1 ? -(int) ERRNO.get(state, 0L) : returned;
    }

    /** A downcall handle declares Throwable and throws nothing of its own. */
    private static AssertionError unexpected(Throwable t) {
        return new AssertionError("a call of the C library threw", t);
    }

    /** A string for a call, as the JVM encodes file names. */
    static MemorySegment string(Arena arena, String string) {
        return arena.allocateFrom(string, PATH_CHARSET);
    }

    /** Calls a function of a path and flags. */
    private static int ofPath(MethodHandle function, String path, int flags) {
        MemorySegment state = STATE_MEMORY.get();
        try (Arena arena = Arena.ofConfined()) {
            long address = string(arena, path).address();
            return (int) result((int) function.invokeExact(state, address, flags), state);
        } catch (Throwable t) {
            throw unexpected(t);
        }
    }

    /** A descriptor that no child inherits. */
    static int open(String path, int flags) {
        return ofPath(OPEN, path, flags | O_CLOEXEC);
    }

    /** Whether a file is there: 0, or a negated errno. */
    static int access(String path) {
        return ofPath(ACCESS, path, 0);
    }

    static int umount(String folder, int flags) {
        return ofPath(UMOUNT, folder, flags);
    }

    static int close(int fd) {
        MemorySegment state = STATE_MEMORY.get();
        try {
            return (int) result((int) CLOSE.invokeExact(state, fd), state);
        } catch (Throwable t) {
            throw unexpected(t);
        }
    }

    static int syncfs(int fd) {
        MemorySegment state = STATE_MEMORY.get();
        try {
            return (int) result((int) SYNCFS.invokeExact(state, fd), state);
        } catch (Throwable t) {
            throw unexpected(t);
        }
    }

    static long read(int fd, MemorySegment memory) {
        MemorySegment state = STATE_MEMORY.get();
        try {
            return result((long) READ.invokeExact(state, fd, memory.address(), memory.byteSize()), state);
        } catch (Throwable t) {
            throw unexpected(t);
        }
    }

    static long write(int fd, MemorySegment memory, long bytes) {
        MemorySegment state = STATE_MEMORY.get();
        try {
            return result((long) WRITE.invokeExact(state, fd, memory.address(), bytes), state);
        } catch (Throwable t) {
            throw unexpected(t);
        }
    }

    static int mount(String source, String folder, String type, long flags, String options) {
        MemorySegment state = STATE_MEMORY.get();
        try (Arena arena = Arena.ofConfined()) {
            return (int) result((int) MOUNT.invokeExact(state, arena.allocateFrom(source).address(),
                    string(arena, folder).address(), arena.allocateFrom(type).address(), flags,
                    arena.allocateFrom(options).address()), state);
        } catch (Throwable t) {
            throw unexpected(t);
        }
    }
}
