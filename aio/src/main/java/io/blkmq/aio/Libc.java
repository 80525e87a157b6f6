package io.blkmq.aio;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.StructLayout;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.NoSuchElementException;
import org.jctools.queues.varhandle.MpmcVarHandleArrayQueue;

/**
 * How the C library is called: handles for its functions, which take as their first argument the memory that
 * {@code errno} is saved to, and a pool of such memory, so that a call allocates nothing. Only on Linux; any thread
 * may call it.
 */
@SuppressWarnings("restricted")
final class Libc {

    private static final Linker LINKER = Linker.nativeLinker();
    private static final MemoryLayout STATE = Linker.Option.captureStateLayout();
    private static final long ERRNO_OFFSET = STATE.byteOffset(MemoryLayout.PathElement.groupElement("errno"));
    /** As many as calls overlap; a thread that finds none makes one. */
    private static final MpmcVarHandleArrayQueue<MemorySegment> IDLE = new MpmcVarHandleArrayQueue<>(256);

    private static final FunctionDescriptor OF_SYSCALL = FunctionDescriptor.of(ValueLayout.JAVA_LONG,
            ValueLayout.JAVA_LONG, ValueLayout.JAVA_LONG, ValueLayout.JAVA_LONG, ValueLayout.JAVA_LONG,
            ValueLayout.JAVA_LONG, ValueLayout.JAVA_LONG, ValueLayout.JAVA_LONG);
    private static final MethodHandle SYSCALL = function("syscall", OF_SYSCALL, Linker.Option.firstVariadicArg(1));
    private static final MethodHandle QUICK_SYSCALL = quickFunction("syscall", OF_SYSCALL,
            Linker.Option.firstVariadicArg(1));

    private static final MethodHandle STRERROR = function("strerror",
            FunctionDescriptor.of(ValueLayout.ADDRESS, ValueLayout.JAVA_INT));

    /** The longest text of an error that is read. */
    private static final int TEXT_MAX = 256;

    private Libc() {}

    /** A handle for a function; {@code errno} is captured into its first argument. */
    static MethodHandle function(String name, FunctionDescriptor descriptor, Linker.Option... more) {
        List<Linker.Option> options = new ArrayList<>(List.of(more));
        options.add(Linker.Option.captureCallState("errno"));
        return LINKER.downcallHandle(symbol(name), descriptor, options.toArray(new Linker.Option[0]));
    }

    /**
     * A handle for a function whose {@code errno} is lost. A call allocates nothing, however it is compiled; with {@code errno} the JDK's
     * adapter makes a view of the memory that it is saved to, of 40 bytes, unless C2 sees that nobody keeps it.
     */
    static MethodHandle quickFunction(String name, FunctionDescriptor descriptor, Linker.Option... options) {
        return LINKER.downcallHandle(symbol(name), descriptor, options);
    }

    private static MemorySegment symbol(String name) {
        return LINKER.defaultLookup().find(name).orElseThrow(() -> new NoSuchElementException(name));
    }

    /** Where a member of a struct is, in bytes. */
    static long offset(StructLayout struct, String member) {
        return struct.byteOffset(MemoryLayout.PathElement.groupElement(member));
    }

    /** Memory for one call's {@code errno}; to be given back. */
    static MemorySegment borrowErrno() {
        MemorySegment idle = IDLE.poll();
        return idle != null ? idle : Arena.ofAuto().allocate(STATE);
    }

    static void giveBack(MemorySegment errno) {
        // Refused when enough are idle: then it goes with the garbage collector.
        boolean _ = IDLE.offer(errno);
    }

    /** What a call returned, or its negated errno if that was -1. */
    static long result(long returned, MemorySegment errno) {
        return returned == -1 ? -errno.get(ValueLayout.JAVA_INT, ERRNO_OFFSET) : returned;
    }

    /** What the C library calls an error, in the language of the process. */
    static synchronized String text(int error) {
        MemorySegment errno = borrowErrno();
        try {
            MemorySegment text = (MemorySegment) STRERROR.invokeExact(errno, error);
            return text.reinterpret(TEXT_MAX).getString(0, textCharset());
        } catch (Throwable t) {
            throw unexpected(t);
        } finally {
            giveBack(errno);
        }
    }

    /** The encoding of the process's locale, which the JDK decodes such texts with, too. */
    private static Charset textCharset() {
        return Charset.forName(System.getProperty("sun.jnu.encoding", "UTF-8"), StandardCharsets.UTF_8);
    }

    /** A system call by number: what it returned, or its negated errno. Unused arguments are 0. */
    static long syscall(int number, long a, long b, long c, long d, long e, long f) {
        MemorySegment errno = borrowErrno();
        try {
            return result((long) SYSCALL.invokeExact(errno, (long) number, a, b, c, d, e, f), errno);
        } catch (Throwable t) {
            throw unexpected(t);
        } finally {
            giveBack(errno);
        }
    }

    /**
     * A system call by number: what it returned, or -1 for an error of which nothing more is known. So it is for calls that may be made once
     * more by {@link #syscall}, which then says what is the matter, or succeeds. A sync is none of them: its error is told but once.
     */
    static long quickSyscall(int number, long a, long b, long c, long d, long e, long f) {
        try {
            return (long) QUICK_SYSCALL.invokeExact((long) number, a, b, c, d, e, f);
        } catch (Throwable t) {
            throw unexpected(t);
        }
    }

    /** A downcall handle declares Throwable and throws nothing of its own. */
    static AssertionError unexpected(Throwable t) {
        return new AssertionError("a call of the C library threw", t);
    }
}
