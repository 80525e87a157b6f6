package io.blkmq.rbd.ceph;

import static io.blkmq.rbd.ceph.Library.INT;
import static io.blkmq.rbd.ceph.Library.LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import org.jspecify.annotations.Nullable;

/**
 * The functions of librados that lead to a pool, by the names of its header {@code rados/librados.h}. Results are those of the library: 0 or more, or a
 * negative errno. A cluster and a pool are addresses, which nobody checks. Any thread may call it.
 */
public final class Rados {
    private static final int VALUE_BYTES = 4096;

    private static final Library LIBRARY = new Library("librados.so.2", "io.blkmq.rbd.librados");
    private static final MethodHandle CREATE = LIBRARY.function("rados_create", FunctionDescriptor.of(INT, LONG, LONG));
    private static final MethodHandle CONF_READ_FILE = LIBRARY.function("rados_conf_read_file",
            FunctionDescriptor.of(INT, LONG, LONG));
    private static final MethodHandle CONF_PARSE_ENV = LIBRARY.function("rados_conf_parse_env",
            FunctionDescriptor.of(INT, LONG, LONG));
    private static final MethodHandle CONF_SET = LIBRARY.function("rados_conf_set",
            FunctionDescriptor.of(INT, LONG, LONG, LONG));
    private static final MethodHandle CONF_GET = LIBRARY.function("rados_conf_get",
            FunctionDescriptor.of(INT, LONG, LONG, LONG, LONG));
    private static final MethodHandle CONNECT = LIBRARY.function("rados_connect", FunctionDescriptor.of(INT, LONG));
    private static final MethodHandle SHUTDOWN = LIBRARY.function("rados_shutdown", FunctionDescriptor.ofVoid(LONG));
    private static final MethodHandle IOCTX_CREATE = LIBRARY.function("rados_ioctx_create",
            FunctionDescriptor.of(INT, LONG, LONG, LONG));
    private static final MethodHandle IOCTX_SET_NAMESPACE = LIBRARY.function("rados_ioctx_set_namespace",
            FunctionDescriptor.ofVoid(LONG, LONG));
    private static final MethodHandle SET_POOL_FULL_TRY = LIBRARY.function("rados_set_pool_full_try",
            FunctionDescriptor.ofVoid(LONG));
    private static final MethodHandle IOCTX_DESTROY = LIBRARY.function("rados_ioctx_destroy",
            FunctionDescriptor.ofVoid(LONG));

    private Rados() {}

    /** A result and, if it is not negative, an address. */
    public record Made(int result, long address) {}

    /** Makes the handle of a cluster, for a user as {@code admin}. */
    public static Made create(String user) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment out = arena.allocate(LONG);
            int result = (int) CREATE.invokeExact(out.address(), arena.allocateFrom(user).address());
            return new Made(result, out.get(LONG, 0));
        } catch (Throwable t) {
            throw Library.unexpected(t);
        }
    }

    /** Reads a file of options; null for the first of those that Ceph looks for. */
    public static int readConf(long cluster, @Nullable String file) {
        try (Arena arena = Arena.ofConfined()) {
            return (int) CONF_READ_FILE.invokeExact(cluster, file == null ? 0 : arena.allocateFrom(file).address());
        } catch (Throwable t) {
            throw Library.unexpected(t);
        }
    }

    /** Takes options from the variable CEPH_ARGS. */
    public static int readEnvironment(long cluster) {
        try {
            return (int) CONF_PARSE_ENV.invokeExact(cluster, 0L);
        } catch (Throwable t) {
            throw Library.unexpected(t);
        }
    }

    /** Sets an option; -ENOENT if there is none of that name. */
    public static int set(long cluster, String option, String value) {
        try (Arena arena = Arena.ofConfined()) {
            return (int) CONF_SET.invokeExact(cluster, arena.allocateFrom(option).address(),
                    arena.allocateFrom(value).address());
        } catch (Throwable t) {
            throw Library.unexpected(t);
        }
    }

    /** The value of an option; empty if there is none, or it is very long. */
    public static String get(long cluster, String option) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment value = arena.allocate(VALUE_BYTES);
            int result = (int) CONF_GET.invokeExact(cluster, arena.allocateFrom(option).address(), value.address(),
                    (long) VALUE_BYTES);
            return result < 0 ? "" : value.getString(0);
        } catch (Throwable t) {
            throw Library.unexpected(t);
        }
    }

    /** Connects to a monitor; waits for it as long as the option {@code client_mount_timeout} says. */
    public static int connect(long cluster) {
        try {
            return (int) CONNECT.invokeExact(cluster);
        } catch (Throwable t) {
            throw Library.unexpected(t);
        }
    }

    /** Ends a connection, if there is one, and the handle. */
    public static void shutdown(long cluster) {
        try {
            SHUTDOWN.invokeExact(cluster);
        } catch (Throwable t) {
            throw Library.unexpected(t);
        }
    }

    /** Opens a pool. */
    public static Made openPool(long cluster, String pool) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment out = arena.allocate(LONG);
            int result = (int) IOCTX_CREATE.invokeExact(cluster, arena.allocateFrom(pool).address(), out.address());
            return new Made(result, out.get(LONG, 0));
        } catch (Throwable t) {
            throw Library.unexpected(t);
        }
    }

    /** What follows goes to a namespace of the pool. */
    public static void setNamespace(long pool, String namespace) {
        try (Arena arena = Arena.ofConfined()) {
            IOCTX_SET_NAMESPACE.invokeExact(pool, arena.allocateFrom(namespace).address());
        } catch (Throwable t) {
            throw Library.unexpected(t);
        }
    }

    /** Writes to a pool that is full end with an error, and do not wait until there is room. */
    public static void failWhenFull(long pool) {
        try {
            SET_POOL_FULL_TRY.invokeExact(pool);
        } catch (Throwable t) {
            throw Library.unexpected(t);
        }
    }

    public static void closePool(long pool) {
        try {
            IOCTX_DESTROY.invokeExact(pool);
        } catch (Throwable t) {
            throw Library.unexpected(t);
        }
    }
}
