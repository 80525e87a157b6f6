package io.blkmq.rbd.ceph;

import static io.blkmq.rbd.ceph.Library.BRIEF;
import static io.blkmq.rbd.ceph.Library.INT;
import static io.blkmq.rbd.ceph.Library.LONG;

import io.blkmq.runtime.log.FailureLog;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/**
 * The functions of librbd that are used, by the names of its header {@code rbd/librbd.h}. Results are those of the library: 0 or more, or a negative
 * errno. An image and a completion are addresses, which nobody checks. Any thread may call it.
 */
@SuppressWarnings("restricted")
public final class Rbd {
    /** {@code RBD_FEATURE_EXCLUSIVE_LOCK}. */
    public static final long FEATURE_EXCLUSIVE_LOCK = 1 << 2;
    /** {@code RBD_WRITE_ZEROES_FLAG_THICK_PROVISION}: the range is allocated. */
    public static final int THICK = 1;

    private static final int EVENT_TYPE_EVENTFD = 2;
    private static final int LOCK_MODE_EXCLUSIVE = 0;
    private static final int OWNERS_MAX = 8;
    private static final int WATCHERS_MAX = 256;
    private static final int OPTIONS_MAX = 512;
    /** {@code rbd_image_watcher_t}: the address of a name, a number, a cookie; and {@code rbd_config_option_t}: the addresses of a name and a value, a source. */
    private static final int ENTRY_BYTES = 24;
    private static final int STAT_BYTES = 256;

    private static final Library LIBRARY = new Library("librbd.so.1", "io.blkmq.rbd.librbd");
    private static final MethodHandle VERSION = of("rbd_version", FunctionDescriptor.ofVoid(LONG, LONG, LONG));
    private static final MethodHandle OPEN = of("rbd_open", FunctionDescriptor.of(INT, LONG, LONG, LONG, LONG));
    private static final MethodHandle OPEN_READ_ONLY = of("rbd_open_read_only",
            FunctionDescriptor.of(INT, LONG, LONG, LONG, LONG));
    private static final MethodHandle CLOSE = of("rbd_close", FunctionDescriptor.of(INT, LONG));
    private static final MethodHandle GET_SIZE = of("rbd_get_size", FunctionDescriptor.of(INT, LONG, LONG));
    private static final MethodHandle GET_FEATURES = of("rbd_get_features", FunctionDescriptor.of(INT, LONG, LONG));
    private static final MethodHandle GET_STRIPE_UNIT = of("rbd_get_stripe_unit",
            FunctionDescriptor.of(INT, LONG, LONG));
    private static final MethodHandle GET_STRIPE_COUNT = of("rbd_get_stripe_count",
            FunctionDescriptor.of(INT, LONG, LONG));
    private static final MethodHandle STAT = of("rbd_stat", FunctionDescriptor.of(INT, LONG, LONG, LONG));
    private static final MethodHandle RESIZE = of("rbd_resize", FunctionDescriptor.of(INT, LONG, LONG));
    private static final MethodHandle LOCK_ACQUIRE = of("rbd_lock_acquire", FunctionDescriptor.of(INT, LONG, INT));
    private static final MethodHandle LOCK_RELEASE = of("rbd_lock_release", FunctionDescriptor.of(INT, LONG));
    private static final MethodHandle LOCK_GET_OWNERS = of("rbd_lock_get_owners",
            FunctionDescriptor.of(INT, LONG, LONG, LONG, LONG));
    private static final MethodHandle LOCK_GET_OWNERS_CLEANUP = of("rbd_lock_get_owners_cleanup",
            FunctionDescriptor.ofVoid(LONG, LONG));
    private static final MethodHandle WATCHERS_LIST = of("rbd_watchers_list",
            FunctionDescriptor.of(INT, LONG, LONG, LONG));
    private static final MethodHandle WATCHERS_LIST_CLEANUP = of("rbd_watchers_list_cleanup",
            FunctionDescriptor.ofVoid(LONG, LONG));
    private static final MethodHandle CONFIG_IMAGE_LIST = of("rbd_config_image_list",
            FunctionDescriptor.of(INT, LONG, LONG, LONG));
    private static final MethodHandle CONFIG_IMAGE_LIST_CLEANUP = of("rbd_config_image_list_cleanup",
            FunctionDescriptor.ofVoid(LONG, INT));
    private static final MethodHandle SET_IMAGE_NOTIFICATION = of("rbd_set_image_notification",
            FunctionDescriptor.of(INT, LONG, INT, INT));
    private static final MethodHandle POLL_IO_EVENTS = of("rbd_poll_io_events",
            FunctionDescriptor.of(INT, LONG, LONG, INT));
    private static final MethodHandle CREATE_COMPLETION = of("rbd_aio_create_completion",
            FunctionDescriptor.of(INT, LONG, LONG, LONG));
    private static final MethodHandle GET_RETURN_VALUE = LIBRARY.function("rbd_aio_get_return_value",
            FunctionDescriptor.of(LONG, LONG), BRIEF);
    private static final MethodHandle GET_ARG = LIBRARY.function("rbd_aio_get_arg", FunctionDescriptor.of(LONG, LONG),
            BRIEF);
    private static final MethodHandle RELEASE = of("rbd_aio_release", FunctionDescriptor.ofVoid(LONG));
    private static final MethodHandle AIO_READ = of("rbd_aio_read",
            FunctionDescriptor.of(INT, LONG, LONG, LONG, LONG, LONG));
    private static final MethodHandle AIO_WRITE = of("rbd_aio_write",
            FunctionDescriptor.of(INT, LONG, LONG, LONG, LONG, LONG));
    private static final MethodHandle AIO_WRITE_ZEROES = of("rbd_aio_write_zeroes",
            FunctionDescriptor.of(INT, LONG, LONG, LONG, LONG, INT, INT));
    private static final MethodHandle AIO_FLUSH = of("rbd_aio_flush", FunctionDescriptor.of(INT, LONG, LONG));
    private static final MethodHandle READ = of("rbd_read", FunctionDescriptor.of(LONG, LONG, LONG, LONG, LONG));
    private static final MethodHandle WRITE = of("rbd_write", FunctionDescriptor.of(LONG, LONG, LONG, LONG, LONG));
    private static final MethodHandle WRITE_ZEROES = of("rbd_write_zeroes",
            FunctionDescriptor.of(LONG, LONG, LONG, LONG, INT, INT));
    private static final MethodHandle FLUSH = of("rbd_flush", FunctionDescriptor.of(INT, LONG));
    private static final MethodHandle UPDATE_WATCH = of("rbd_update_watch",
            FunctionDescriptor.of(INT, LONG, LONG, LONG, LONG));
    private static final MethodHandle UPDATE_UNWATCH = of("rbd_update_unwatch", FunctionDescriptor.of(INT, LONG, LONG));

    /** Who is told of changes, by the number that librbd hands back. */
    private static final Map<Long, Runnable> WATCHERS = new ConcurrentHashMap<>();
    private static final AtomicLong WATCHER_NUMBERS = new AtomicLong();
    private static final MemorySegment CHANGED = changedStub();

    private Rbd() {}

    private static MethodHandle of(String name, FunctionDescriptor descriptor) {
        return LIBRARY.function(name, descriptor);
    }

    private static MemorySegment changedStub() {
        try {
            return Linker.nativeLinker().upcallStub(
                    MethodHandles.lookup().findStatic(Rbd.class, "changed",
                            MethodType.methodType(void.class, long.class)),
                    FunctionDescriptor.ofVoid(LONG), Arena.global());
        } catch (ReflectiveOperationException e) {
            throw new ExceptionInInitializerError(e);
        }
    }

    /** By a thread of librbd, which an exception would end with the process. */
    @SuppressWarnings("unused")
    private static void changed(long number) {
        try {
            Runnable watcher = WATCHERS.get(number);
            if (watcher != null) {
                watcher.run();
            }
        } catch (Throwable t) {
            FailureLog.log(System.getLogger("io.blkmq.rbd"), System.Logger.Level.WARNING,
                    () -> "a change of an image was not noted", t);
        }
    }

    /**
     * The version of the library.
     *
     * @param major the first number
     * @param minor the second; 16 came with Ceph 16
     * @param extra the third
     */
    public record Version(int major, int minor, int extra) {
        @Override
        public String toString() {
            return major + "." + minor + "." + extra;
        }
    }

    public static Version version() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment numbers = arena.allocate(INT, 3);
            VERSION.invokeExact(numbers.address(), numbers.address() + 4, numbers.address() + 8);
            return new Version(numbers.get(INT, 0), numbers.get(INT, 4), numbers.get(INT, 8));
        } catch (Throwable t) {
            throw Library.unexpected(t);
        }
    }

    // An image.

    /**
     * Opens an image.
     *
     * @param snapshot null for what it is now
     * @param readOnly whether it is opened without a watch, for which a client needs no right to write
     */
    public static Rados.Made open(long pool, String image, @Nullable String snapshot, boolean readOnly) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment out = arena.allocate(LONG);
            long name = arena.allocateFrom(image).address();
            long snap = snapshot == null ? 0 : arena.allocateFrom(snapshot).address();
            int result = readOnly
                    ? (int) OPEN_READ_ONLY.invokeExact(pool, name, out.address(), snap)
                    : (int) OPEN.invokeExact(pool, name, out.address(), snap);
            return new Rados.Made(result, out.get(LONG, 0));
        } catch (Throwable t) {
            throw Library.unexpected(t);
        }
    }

    /** Closes an image; waits for what is in flight. */
    public static int close(long image) {
        try {
            return (int) CLOSE.invokeExact(image);
        } catch (Throwable t) {
            throw Library.unexpected(t);
        }
    }

    /** Its size in bytes, or a negative errno. */
    public static long size(long image) {
        return number(GET_SIZE, image);
    }

    /** The bits {@code RBD_FEATURE_...} that it has, or a negative errno. */
    public static long features(long image) {
        return number(GET_FEATURES, image);
    }

    /** How many bytes lie together in an object before the next object follows, or a negative errno. */
    public static long stripeUnit(long image) {
        return number(GET_STRIPE_UNIT, image);
    }

    /** How many objects take turns, or a negative errno. */
    public static long stripeCount(long image) {
        return number(GET_STRIPE_COUNT, image);
    }

    /** The size of its objects in bytes, or a negative errno. */
    public static long objectBytes(long image) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment stat = arena.allocate(STAT_BYTES, 8);
            int result = (int) STAT.invokeExact(image, stat.address(), (long) STAT_BYTES);
            // rbd_image_info_t: size, obj_size, ...
            return result < 0 ? result : stat.get(LONG, 8);
        } catch (Throwable t) {
            throw Library.unexpected(t);
        }
    }

    private static long number(MethodHandle function, long image) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment out = arena.allocate(LONG);
            int result = (int) function.invokeExact(image, out.address());
            return result < 0 ? result : out.get(LONG, 0);
        } catch (Throwable t) {
            throw Library.unexpected(t);
        }
    }

    public static int resize(long image, long bytes) {
        try {
            return (int) RESIZE.invokeExact(image, bytes);
        } catch (Throwable t) {
            throw Library.unexpected(t);
        }
    }

    /** Takes the exclusive lock, and keeps it from any other client; -EROFS if another has it. */
    public static int lock(long image) {
        try {
            return (int) LOCK_ACQUIRE.invokeExact(image, LOCK_MODE_EXCLUSIVE);
        } catch (Throwable t) {
            throw Library.unexpected(t);
        }
    }

    public static int unlock(long image) {
        try {
            return (int) LOCK_RELEASE.invokeExact(image);
        } catch (Throwable t) {
            throw Library.unexpected(t);
        }
    }

    /**
     * The addresses of the clients that have the exclusive lock, and live: a client that has died has it until another breaks it, but watches the image no longer
     * than some 30 seconds. Empty if none has, or that cannot be found out.
     */
    public static List<String> lockOwners(long image) {
        List<String> owners = recordedOwners(image);
        if (owners.isEmpty()) {
            return owners;
        }
        Set<String> living = watchers(image);
        return living == null ? owners : owners.stream().filter(living::contains).toList();
    }

    private static List<String> recordedOwners(long image) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment mode = arena.allocate(INT);
            MemorySegment owners = arena.allocate(LONG, OWNERS_MAX);
            MemorySegment count = arena.allocate(LONG);
            count.set(LONG, 0, OWNERS_MAX);
            int result = (int) LOCK_GET_OWNERS.invokeExact(image, mode.address(), owners.address(), count.address());
            List<String> found = new ArrayList<>();
            if (result >= 0) {
                for (int i = 0; i < Math.min(count.get(LONG, 0), OWNERS_MAX); i++) {
                    found.add(string(owners.getAtIndex(LONG, i)));
                }
                LOCK_GET_OWNERS_CLEANUP.invokeExact(owners.address(), count.get(LONG, 0));
            }
            return found;
        } catch (Throwable t) {
            throw Library.unexpected(t);
        }
    }

    /** The addresses of the clients that watch an image, as each does that has it open for writing; null if that cannot be found out. */
    public static @Nullable Set<String> watchers(long image) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment watchers = arena.allocate((long) ENTRY_BYTES * WATCHERS_MAX, 8);
            MemorySegment count = arena.allocate(LONG);
            count.set(LONG, 0, WATCHERS_MAX);
            int result = (int) WATCHERS_LIST.invokeExact(image, watchers.address(), count.address());
            if (result < 0) {
                return null;
            }
            Set<String> found = new HashSet<>();
            for (int i = 0; i < count.get(LONG, 0); i++) {
                found.add(string(watchers.get(LONG, (long) ENTRY_BYTES * i)));
            }
            WATCHERS_LIST_CLEANUP.invokeExact(watchers.address(), count.get(LONG, 0));
            return found;
        } catch (Throwable t) {
            throw Library.unexpected(t);
        }
    }

    /** The value of an option for an image, where that of the image itself and of its pool are more than those of the client; null if that cannot be found out. */
    public static @Nullable String option(long image, String name) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment options = arena.allocate((long) ENTRY_BYTES * OPTIONS_MAX, 8);
            MemorySegment count = arena.allocate(INT);
            count.set(INT, 0, OPTIONS_MAX);
            int result = (int) CONFIG_IMAGE_LIST.invokeExact(image, options.address(), count.address());
            if (result < 0) {
                return null;
            }
            String found = null;
            for (int i = 0; i < count.get(INT, 0); i++) {
                if (string(options.get(LONG, (long) ENTRY_BYTES * i)).equals(name)) {
                    found = string(options.get(LONG, (long) ENTRY_BYTES * i + 8));
                }
            }
            CONFIG_IMAGE_LIST_CLEANUP.invokeExact(options.address(), count.get(INT, 0));
            return found;
        } catch (Throwable t) {
            throw Library.unexpected(t);
        }
    }

    private static String string(long address) {
        return MemorySegment.ofAddress(address).reinterpret(Short.MAX_VALUE).getString(0);
    }

    /** A watch for changes of an image's size, and of what else its header says. */
    public static final class Watch {
        private final long image;
        private final long number;
        private final long handle;

        private Watch(long image, long number, long handle) {
            this.image = image;
            this.number = number;
            this.handle = handle;
        }

        /** Ends it: the watcher is not called any more when this returns. */
        public void close() {
            try {
                int _ = (int) UPDATE_UNWATCH.invokeExact(image, handle);
            } catch (Throwable t) {
                throw Library.unexpected(t);
            } finally {
                WATCHERS.remove(number);
            }
        }
    }

    /** Has a thread of librbd call a watcher when an image has changed; null where the image cannot be watched. */
    public static @Nullable Watch watch(long image, Runnable watcher) {
        long number = WATCHER_NUMBERS.incrementAndGet();
        WATCHERS.put(number, watcher);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment handle = arena.allocate(LONG);
            int result = (int) UPDATE_WATCH.invokeExact(image, handle.address(), CHANGED.address(), number);
            if (result >= 0) {
                return new Watch(image, number, handle.get(LONG, 0));
            }
            WATCHERS.remove(number);
            return null;
        } catch (Throwable t) {
            throw Library.unexpected(t);
        }
    }

    // Blocking I/O.

    public static long read(long image, long offset, long bytes, long memory) {
        try {
            return (long) READ.invokeExact(image, offset, bytes, memory);
        } catch (Throwable t) {
            throw Library.unexpected(t);
        }
    }

    public static long write(long image, long offset, long bytes, long memory) {
        try {
            return (long) WRITE.invokeExact(image, offset, bytes, memory);
        } catch (Throwable t) {
            throw Library.unexpected(t);
        }
    }

    public static long writeZeroes(long image, long offset, long bytes, int flags) {
        try {
            return (long) WRITE_ZEROES.invokeExact(image, offset, bytes, flags, 0);
        } catch (Throwable t) {
            throw Library.unexpected(t);
        }
    }

    public static int flush(long image) {
        try {
            return (int) FLUSH.invokeExact(image);
        } catch (Throwable t) {
            throw Library.unexpected(t);
        }
    }

    // Completions. What an image has ended it says through its event, and hands out.

    /** Has an image raise an event with each completion. Before its first I/O. */
    public static int notify(long image, int event) {
        try {
            return (int) SET_IMAGE_NOTIFICATION.invokeExact(image, event, EVENT_TYPE_EVENTFD);
        } catch (Throwable t) {
            throw Library.unexpected(t);
        }
    }

    /**
     * Takes completions of operations that have ended. Several threads may.
     *
     * @param completions where their addresses go
     * @param count how many at the most
     * @return how many
     */
    public static int poll(long image, long completions, int count) {
        try {
            return (int) POLL_IO_EVENTS.invokeExact(image, completions, count);
        } catch (Throwable t) {
            throw Library.unexpected(t);
        }
    }

    /** Makes a completion, for one operation, whose address goes to memory. */
    public static int createCompletion(long argument, long out) {
        try {
            return (int) CREATE_COMPLETION.invokeExact(argument, 0L, out);
        } catch (Throwable t) {
            throw Library.unexpected(t);
        }
    }

    /** The result of an operation that has ended: bytes of a read, else 0; or a negative errno. */
    public static long result(long completion) {
        try {
            return (long) GET_RETURN_VALUE.invokeExact(completion);
        } catch (Throwable t) {
            throw Library.unexpected(t);
        }
    }

    /** What the completion was made with. */
    public static long argument(long completion) {
        try {
            return (long) GET_ARG.invokeExact(completion);
        } catch (Throwable t) {
            throw Library.unexpected(t);
        }
    }

    public static void release(long completion) {
        try {
            RELEASE.invokeExact(completion);
        } catch (Throwable t) {
            throw Library.unexpected(t);
        }
    }

    // I/O.

    public static int aioRead(long image, long offset, long bytes, long memory, long completion) {
        try {
            return (int) AIO_READ.invokeExact(image, offset, bytes, memory, completion);
        } catch (Throwable t) {
            throw Library.unexpected(t);
        }
    }

    public static int aioWrite(long image, long offset, long bytes, long memory, long completion) {
        try {
            return (int) AIO_WRITE.invokeExact(image, offset, bytes, memory, completion);
        } catch (Throwable t) {
            throw Library.unexpected(t);
        }
    }

    public static int aioWriteZeroes(long image, long offset, long bytes, int flags, long completion) {
        try {
            return (int) AIO_WRITE_ZEROES.invokeExact(image, offset, bytes, completion, flags, 0);
        } catch (Throwable t) {
            throw Library.unexpected(t);
        }
    }

    public static int aioFlush(long image, long completion) {
        try {
            return (int) AIO_FLUSH.invokeExact(image, completion);
        } catch (Throwable t) {
            throw Library.unexpected(t);
        }
    }
}
