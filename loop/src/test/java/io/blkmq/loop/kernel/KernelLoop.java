package io.blkmq.loop.kernel;

import io.blkmq.testing.Eventually;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;

/** The kernel's loop device: one that is added for a test, of an index that nobody else asks for, and removed after it. */
final class KernelLoop implements LoopNode {
    private static final Path CONTROL = Path.of("/dev/loop-control");
    /** Below are those that losetup finds free. */
    private static final int INDEX_MIN = 1000;
    private static final long LOOP_CLR_FD = 0x4C01;
    private static final long LOOP_SET_STATUS64 = 0x4C04;
    private static final long LOOP_GET_STATUS64 = 0x4C05;
    private static final long LOOP_CHANGE_FD = 0x4C06;
    private static final long LOOP_SET_CAPACITY = 0x4C07;
    private static final long LOOP_SET_DIRECT_IO = 0x4C08;
    private static final long LOOP_SET_BLOCK_SIZE = 0x4C09;
    private static final long LOOP_CONFIGURE = 0x4C0A;
    private static final long LOOP_CTL_ADD = 0x4C80;
    private static final long LOOP_CTL_REMOVE = 0x4C81;
    private static final long BLKFLSBUF = 0x1261;
    private static final long BLKSSZGET = 0x1268;
    private static final long BLKGETSIZE64 = 0x8008_1272L;
    private static final long BLKDISCARD = 0x1277;
    private static final long BLKZEROOUT = 0x127f;
    private static final int PUNCH_HOLE_KEEP_SIZE = 2 | 1;

    /** struct loop_info64: offsets of lo_offset, lo_sizelimit, lo_flags; and its size. */
    private static final int INFO_OFFSET = 24;
    private static final int INFO_LIMIT = 32;
    private static final int INFO_FLAGS = 52;
    private static final int INFO_BYTES = 232;
    /** struct loop_config: fd, block_size, info, and 64 bytes that are reserved. */
    private static final int CONFIG_INFO = 8;
    private static final int CONFIG_BYTES = CONFIG_INFO + INFO_BYTES + 64;

    private final int index;
    private final Path node;
    private final Path[] files;
    private final Arena arena = Arena.ofShared();
    private final MemorySegment argument = arena.allocate(CONFIG_BYTES, 8);
    private int fd = -1;

    private KernelLoop(int index, Path... files) {
        this.index = index;
        this.node = Path.of("/dev/loop" + index);
        this.files = files;
    }

    /** Why there is none here, if there is none. */
    static Optional<String> unavailable() {
        if (!Files.exists(CONTROL)) {
            return Optional.of("no " + CONTROL);
        }
        int control = KernelCalls.open(CONTROL, KernelCalls.O_RDWR);
        if (control < 0) {
            return Optional.of(CONTROL + " cannot be opened: errno " + -control);
        }
        KernelCalls.close(control);
        return Optional.empty();
    }

    /** Adds a device, for these files. */
    static KernelLoop add(Path... files) {
        for (int index = INDEX_MIN;; index++) {
            long added = control(LOOP_CTL_ADD, index);
            if (added == index) {
                KernelLoop loop = new KernelLoop(index, files);
                loop.reopen();
                return loop;
            }
            if (added != -17) {
                throw new AssertionError("LOOP_CTL_ADD " + index + ": " + added);
            }
        }
    }

    private static long control(long request, long value) {
        int control = KernelCalls.open(CONTROL, KernelCalls.O_RDWR);
        try {
            return KernelCalls.ioctl(control, request, value);
        } finally {
            KernelCalls.close(control);
        }
    }

    /** Its node, as a file for others. */
    Path node() {
        return node;
    }

    /** Where its attributes are. */
    Path sysfs() {
        return Path.of("/sys/block/loop" + index);
    }

    /** The value of an attribute. */
    String attribute(String name) throws IOException {
        return Files.readString(sysfs().resolve(name)).strip();
    }

    /** Writes an attribute: 0, or the negative errno. */
    long setAttribute(String name, String value) {
        int opened = KernelCalls.open(sysfs().resolve(name), KernelCalls.O_WRONLY);
        if (opened < 0) {
            return opened;
        }
        try (Arena text = Arena.ofConfined()) {
            byte[] bytes = value.getBytes(StandardCharsets.UTF_8);
            MemorySegment memory = text.allocate(Math.max(1, bytes.length)).asSlice(0, bytes.length);
            memory.copyFrom(MemorySegment.ofArray(bytes));
            return Math.min(0, KernelCalls.pwrite(opened, memory, 0));
        } finally {
            KernelCalls.close(opened);
        }
    }

    private void reopen() {
        if (fd >= 0) {
            KernelCalls.close(fd);
        }
        fd = KernelCalls.open(node, KernelCalls.O_RDWR);
        // Right after it was closed by somebody else, a detached device may still be on its way.
        Eventually.until(node + " can be opened", () -> {
            fd = fd < 0 ? KernelCalls.open(node, KernelCalls.O_RDWR) : fd;
            return fd >= 0;
        });
    }

    private MemorySegment info(long offset, long limit, int flags) {
        return putInfo(argument.fill((byte) 0), offset, limit, flags);
    }

    private static MemorySegment putInfo(MemorySegment info, long offset, long limit, int flags) {
        info.set(ValueLayout.JAVA_LONG, INFO_OFFSET, offset);
        info.set(ValueLayout.JAVA_LONG, INFO_LIMIT, limit);
        info.set(ValueLayout.JAVA_INT, INFO_FLAGS, flags);
        return info;
    }

    @Override
    public long configure(int file, boolean openReadOnly, int blockBytes, long offset, long limit, int flags) {
        int opened = KernelCalls.open(files[file], openReadOnly ? KernelCalls.O_RDONLY : KernelCalls.O_RDWR);
        try {
            argument.fill((byte) 0);
            argument.set(ValueLayout.JAVA_INT, 0, opened);
            argument.set(ValueLayout.JAVA_INT, 4, blockBytes);
            putInfo(argument.asSlice(CONFIG_INFO), offset, limit, flags);
            return KernelCalls.ioctl(fd, LOOP_CONFIGURE, argument.address());
        } finally {
            KernelCalls.close(opened);
        }
    }

    @Override
    public long detach() {
        long result = KernelCalls.ioctl(fd, LOOP_CLR_FD, 0);
        if (result == 0) {
            reopen();
            // Where somebody else looks at new devices, the last to close it may be he.
            Eventually.until(node + " is detached", () -> {
                boolean detached = status().startsWith("-");
                if (!detached) {
                    reopen();
                }
                return detached;
            });
        }
        return result;
    }

    @Override
    public long setStatus(long offset, long limit, int flags) {
        return KernelCalls.ioctl(fd, LOOP_SET_STATUS64, info(offset, limit, flags).address());
    }

    @Override
    public String status() {
        long result = KernelCalls.ioctl(fd, LOOP_GET_STATUS64, argument.fill((byte) 0).address());
        return result < 0
                ? Long.toString(result)
                : argument.get(ValueLayout.JAVA_LONG, INFO_OFFSET) + " "
                        + argument.get(ValueLayout.JAVA_LONG, INFO_LIMIT) + " "
                        + argument.get(ValueLayout.JAVA_INT, INFO_FLAGS);
    }

    @Override
    public long setCapacity() {
        return KernelCalls.ioctl(fd, LOOP_SET_CAPACITY, 0);
    }

    @Override
    public long setDirect(boolean direct) {
        return KernelCalls.ioctl(fd, LOOP_SET_DIRECT_IO, direct ? 1 : 0);
    }

    @Override
    public long setBlock(long bytes) {
        return KernelCalls.ioctl(fd, LOOP_SET_BLOCK_SIZE, bytes);
    }

    @Override
    public long change(int file) {
        int opened = KernelCalls.open(files[file], KernelCalls.O_RDONLY);
        try {
            return KernelCalls.ioctl(fd, LOOP_CHANGE_FD, opened);
        } finally {
            KernelCalls.close(opened);
        }
    }

    @Override
    public long size() {
        long result = KernelCalls.ioctl(fd, BLKGETSIZE64, argument.address());
        return result < 0 ? result : argument.get(ValueLayout.JAVA_LONG, 0);
    }

    @Override
    public int block() {
        long result = KernelCalls.ioctl(fd, BLKSSZGET, argument.address());
        return result < 0 ? (int) result : argument.get(ValueLayout.JAVA_INT, 0);
    }

    private void mode(boolean direct) {
        KernelCalls.setFlags(fd, direct ? KernelCalls.O_DIRECT : 0);
    }

    @Override
    public long read(boolean direct, long offset, MemorySegment memory) {
        mode(direct);
        if (!direct) {
            KernelCalls.ioctl(fd, BLKFLSBUF, 0);
        }
        return KernelCalls.pread(fd, memory, offset);
    }

    @Override
    public long write(boolean direct, long offset, MemorySegment memory) {
        mode(direct);
        long written = KernelCalls.pwrite(fd, memory, offset);
        if (!direct) {
            KernelCalls.fsync(fd);
            KernelCalls.ioctl(fd, BLKFLSBUF, 0);
        }
        return written;
    }

    private long range(long request, long offset, long bytes) {
        argument.set(ValueLayout.JAVA_LONG, 0, offset);
        argument.set(ValueLayout.JAVA_LONG, 8, bytes);
        return KernelCalls.ioctl(fd, request, argument.address());
    }

    @Override
    public long discard(long offset, long bytes) {
        return range(BLKDISCARD, offset, bytes);
    }

    @Override
    public long zero(long offset, long bytes) {
        return range(BLKZEROOUT, offset, bytes);
    }

    @Override
    public long punch(long offset, long bytes) {
        return KernelCalls.fallocate(fd, PUNCH_HOLE_KEEP_SIZE, offset, bytes);
    }

    @Override
    public long flush() {
        return KernelCalls.fsync(fd);
    }

    @Override
    public void close() {
        KernelCalls.ioctl(fd, LOOP_CLR_FD, 0);
        KernelCalls.close(fd);
        arena.close();
        Eventually.until(node + " is removed", () -> {
            long removed = control(LOOP_CTL_REMOVE, index);
            if (removed < 0 && removed != -16) {
                throw new AssertionError("LOOP_CTL_REMOVE " + index + ": " + removed);
            }
            return removed >= 0;
        });
    }
}
