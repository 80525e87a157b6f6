package io.blkmq.testkit.fuse;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.util.function.Consumer;

/**
 * An open {@code /dev/fuse} that belongs to a mount: a thread reads requests from it, has them answered and writes the replies.
 *
 * <p><b>Caching.</b> The kernel keeps pages and sends each write(2) at once, in pieces of {@value #WRITE_BYTES_MAX} bytes at the most;
 * memory that is mapped comes when the kernel writes it back, at the latest with msync, fsync or the end of the mapping. It has to be so
 * (no FUSE_WRITEBACK_CACHE), or the order of writes would not be seen.
 *
 * <p>One thread calls {@link #serve}. Notices may be sent by any other, one at a time.
 */
final class FuseDevice {
    /** The most data of one write or read. */
    static final int WRITE_BYTES_MAX = 1 << 20;

    private static final int PAGE_BYTES = 4096;
    /** Room for a header and whatever an operation has beside its data. */
    private static final int HEADER_ROOM = PAGE_BYTES;
    /** The oldest protocol with all that is used here, of Linux 4.20. */
    private static final int MINOR_MIN = 28;
    /** Releases of files are in the background: with few of these, an open file would be told for long after its end. */
    private static final int BACKGROUND_MAX = 1024;

    private static final int FUSE_ASYNC_READ = 1;
    private static final int FUSE_ATOMIC_O_TRUNC = 1 << 3;
    private static final int FUSE_BIG_WRITES = 1 << 5;
    private static final int FUSE_DO_READDIRPLUS = 1 << 13;
    private static final int FUSE_READDIRPLUS_AUTO = 1 << 14;
    private static final int FUSE_PARALLEL_DIROPS = 1 << 18;
    private static final int FUSE_ABORT_ERROR = 1 << 21;
    private static final int FUSE_MAX_PAGES = 1 << 22;
    private static final int FUSE_CACHE_SYMLINKS = 1 << 23;
    private static final int FUSE_EXPLICIT_INVAL_DATA = 1 << 25;
    private static final int WANTED = FUSE_ASYNC_READ | FUSE_ATOMIC_O_TRUNC | FUSE_BIG_WRITES | FUSE_DO_READDIRPLUS
            | FUSE_READDIRPLUS_AUTO | FUSE_PARALLEL_DIROPS | FUSE_ABORT_ERROR | FUSE_MAX_PAGES | FUSE_CACHE_SYMLINKS
            | FUSE_EXPLICIT_INVAL_DATA;

    private static final int NOTIFY_INVAL_INODE = 2;
    private static final int NOTIFY_INVAL_ENTRY = 3;

    private final int fd;
    private final FuseReply.Owner owner;
    private final FileService service;
    private final Consumer<String> failed;
    private boolean closed;

    /**
     * A connection to the kernel.
     *
     * @param fd an open {@code /dev/fuse}, which {@link #serve} closes
     * @param owner who has mounted
     * @param failed is told of what should not happen
     */
    FuseDevice(int fd, FuseReply.Owner owner, FileService service, Consumer<String> failed) {
        this.fd = fd;
        this.owner = owner;
        this.service = service;
        this.failed = failed;
    }

    /** Answers requests until nothing uses the mount any more. */
    void serve() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment in = arena.allocate(WRITE_BYTES_MAX + HEADER_ROOM, PAGE_BYTES);
            FuseRequest request = new FuseRequest(in);
            FuseReply reply = new FuseReply(arena.allocate(WRITE_BYTES_MAX + HEADER_ROOM, PAGE_BYTES), owner);
            while (true) {
                long read = Libc.read(fd, in);
                if (read < 0 ? isEnd((int) read) : !answer(request, read, reply)) {
                    return;
                }
            }
        } finally {
            close();
        }
    }

    private synchronized void close() {
        closed = true;
        var _ = Libc.close(fd);
    }

    private boolean isEnd(int errno) {
        return switch (-errno) {
            // The request was taken back before it came here; or a signal came.
            case KernelError.ENOENT, KernelError.EINTR, KernelError.EAGAIN -> false;
            case KernelError.ENODEV, KernelError.ECONNABORTED -> true;
            default -> {
                failed.accept("reading from /dev/fuse: " + KernelError.meaning(errno));
                yield true;
            }
        };
    }

    /** Returns whether there may be more; behind bytes that are no request nothing can be understood. */
    private boolean answer(FuseRequest request, long read, FuseReply reply) {
        if (!request.take(read)) {
            failed.accept("the kernel sent " + read + " bytes that are no request");
            return false;
        }
        long bytes = request.opcode() == Opcode.INIT ? greet(request, reply) : service.answer(request, reply);
        if (bytes == FileService.NO_REPLY) {
            return true;
        }
        long written = Libc.write(fd, reply.buffer(), bytes);
        // Who asked may be gone, with the whole mount. Any other refusal would leave it waiting.
        if (written < 0 && written != -KernelError.ENOENT && written != -KernelError.ENODEV) {
            failed.accept("the reply to " + request + " was refused: " + KernelError.meaning((int) written));
            var _ = Libc.write(fd, reply.buffer(), reply.end(request.unique(), -KernelError.EIO, 0));
        }
        return true;
    }

    /** Agrees with the kernel on the protocol. */
    private long greet(FuseRequest request, FuseReply reply) {
        int major = request.intAt(FuseAbi.offset(FuseAbi.INIT_IN, "major"));
        int minor = request.intAt(FuseAbi.offset(FuseAbi.INIT_IN, "minor"));
        reply.clear(0, FuseAbi.INIT_OUT.byteSize());
        set(reply, "major", FuseAbi.MAJOR);
        set(reply, "minor", FuseAbi.MINOR);
        if (major > FuseAbi.MAJOR) {
            // It asks again, in our version.
            return reply.end(request.unique(), 0, FuseAbi.INIT_OUT.byteSize());
        }
        if (major < FuseAbi.MAJOR || minor < MINOR_MIN) {
            failed.accept("the kernel speaks FUSE " + major + "." + minor + ", and " + FuseAbi.MAJOR + "." + MINOR_MIN
                    + " is needed");
            return reply.end(request.unique(), -KernelError.EPROTO, 0);
        }
        set(reply, "max_readahead", request.intAt(FuseAbi.offset(FuseAbi.INIT_IN, "max_readahead")));
        set(reply, "flags", request.intAt(FuseAbi.offset(FuseAbi.INIT_IN, "flags")) & WANTED);
        set(reply, "max_write", WRITE_BYTES_MAX);
        set(reply, "time_gran", 1);
        reply.setShort(FuseAbi.offset(FuseAbi.INIT_OUT, "max_background"), BACKGROUND_MAX);
        reply.setShort(FuseAbi.offset(FuseAbi.INIT_OUT, "congestion_threshold"), BACKGROUND_MAX);
        reply.setShort(FuseAbi.offset(FuseAbi.INIT_OUT, "max_pages"), WRITE_BYTES_MAX / PAGE_BYTES);
        return reply.end(request.unique(), 0, FuseAbi.INIT_OUT.byteSize());
    }

    private static void set(FuseReply reply, String member, int value) {
        reply.setInt(FuseAbi.offset(FuseAbi.INIT_OUT, member), value);
    }

    // ---- notices

    /**
     * Has the kernel forget a name, and all it knows below: a process that looks at the name finds what is there now. Waits for requests in
     * flight that have to do with the directory, so it must not be called by the thread that serves, nor with a lock held that serving
     * takes.
     *
     * @param directory the node in which the name is
     */
    void forgetName(long directory, String name) {
        byte[] encoded = name.getBytes(StandardCharsets.UTF_8);
        long bytes = FuseAbi.INVAL_ENTRY_OUT.byteSize() + encoded.length + 1;
        try (Arena arena = Arena.ofConfined()) {
            FuseReply notice = new FuseReply(arena.allocate(PAGE_BYTES, Long.BYTES), owner);
            notice.clear(0, bytes);
            notice.setLong(FuseAbi.offset(FuseAbi.INVAL_ENTRY_OUT, "parent"), directory);
            notice.setInt(FuseAbi.offset(FuseAbi.INVAL_ENTRY_OUT, "namelen"), encoded.length);
            MemorySegment.copy(encoded, 0, notice.body(), ValueLayout.JAVA_BYTE, FuseAbi.INVAL_ENTRY_OUT.byteSize(),
                    encoded.length);
            send(notice, NOTIFY_INVAL_ENTRY, bytes);
        }
    }

    /** Has the kernel forget the attributes of the root. */
    void forgetRootAttributes() {
        try (Arena arena = Arena.ofConfined()) {
            FuseReply notice = new FuseReply(arena.allocate(PAGE_BYTES, Long.BYTES), owner);
            notice.clear(0, FuseAbi.INVAL_INODE_OUT.byteSize());
            notice.setLong(FuseAbi.offset(FuseAbi.INVAL_INODE_OUT, "ino"), FuseAbi.ROOT);
            // A negative offset stands for the attributes alone.
            notice.setLong(FuseAbi.offset(FuseAbi.INVAL_INODE_OUT, "off"), -1);
            send(notice, NOTIFY_INVAL_INODE, FuseAbi.INVAL_INODE_OUT.byteSize());
        }
    }

    /** The monitor keeps the descriptor open meanwhile. */
    private synchronized void send(FuseReply notice, int code, long bytes) {
        if (closed) {
            return;
        }
        long written = Libc.write(fd, notice.buffer(), notice.end(0, code, bytes));
        // What the kernel does not know it need not forget.
        if (written < 0 && written != -KernelError.ENOENT && written != -KernelError.ENODEV) {
            failed.accept("a notice was refused: " + KernelError.meaning((int) written));
        }
    }
}
