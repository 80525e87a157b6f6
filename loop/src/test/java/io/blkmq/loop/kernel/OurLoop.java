package io.blkmq.loop.kernel;

import io.blkmq.aio.Errno;
import io.blkmq.core.Bio;
import io.blkmq.core.BlockIOException;
import io.blkmq.core.Disk;
import io.blkmq.core.Operation;
import io.blkmq.core.Status;
import io.blkmq.loop.LoopConfig;
import io.blkmq.loop.LoopControl;
import io.blkmq.loop.LoopDevice;
import io.blkmq.loop.LoopException;
import io.blkmq.loop.LoopFlag;
import io.blkmq.loop.LoopHandle;
import io.blkmq.loop.LoopParameters;
import io.blkmq.loop.LoopState;
import io.blkmq.loop.LoopStatus;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.util.EnumSet;
import java.util.Set;
import java.util.concurrent.CountDownLatch;

/** Our loop device behind the rules of a node: end of device, whole blocks, and what is not for a read-only one. */
final class OurLoop implements LoopNode {
    private final LoopControl control;
    private final LoopDevice device;
    private final Path[] files;
    private LoopHandle handle;

    private interface Action {
        void run() throws IOException;
    }

    OurLoop(LoopParameters parameters, Path... files) throws IOException {
        this.files = files;
        this.control = LoopControl.open(parameters);
        this.device = control.add();
        this.handle = device.open();
    }

    LoopDevice device() {
        return device;
    }

    /** Writes an attribute: 0, or the negative errno. */
    long setAttribute(String name, String value) {
        return result(() -> device.attributes().set(name, value));
    }

    private static long result(Action action) {
        try {
            action.run();
            return 0;
        } catch (LoopException e) {
            return -e.errno();
        } catch (BlockIOException e) {
            return -e.status().errno();
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    @Override
    public long configure(int file, boolean openReadOnly, int blockBytes, long offset, long limit, int flags) {
        return result(() -> {
            try {
                device.configure(LoopConfig.builder(files[file]).readOnly(openReadOnly || (flags & READ_ONLY) != 0)
                        .blockBytes(blockBytes).offsetBytes(offset).sizeLimitBytes(limit)
                        .autoclear((flags & AUTOCLEAR) != 0).direct((flags & DIRECT_IO) != 0).build());
            } catch (IllegalArgumentException e) {
                // Refused when it was built. The kernel looks at the device first.
                throw new BlockIOException("builder", Operation.READ, 0, 0,
                        device.state() == LoopState.UNBOUND ? Status.INVAL : Status.DEV_RESOURCE, e);
            }
            if ((flags & PARTSCAN) != 0) {
                device.setStatus(device.status().with(LoopFlag.PARTSCAN, true));
            }
        });
    }

    @Override
    public long detach() {
        long result = result(handle::detach);
        if (result == 0) {
            handle.close();
            try {
                handle = device.open();
            } catch (LoopException e) {
                throw new AssertionError(e);
            }
        }
        return result;
    }

    @Override
    public long setStatus(long offset, long limit, int flags) {
        Set<LoopFlag> set = EnumSet.noneOf(LoopFlag.class);
        for (LoopFlag flag : LoopFlag.values()) {
            if ((flags & flag.bit()) != 0) {
                set.add(flag);
            }
        }
        return result(() -> device.setStatus(new LoopStatus(offset, limit, set, "")));
    }

    @Override
    public String status() {
        try {
            LoopStatus status = device.status();
            return status.offsetBytes() + " " + status.sizeLimitBytes() + " " + status.flagBits();
        } catch (LoopException e) {
            return Long.toString(-e.errno());
        }
    }

    @Override
    public long setCapacity() {
        return result(device::refreshCapacity);
    }

    @Override
    public long setDirect(boolean direct) {
        return result(() -> device.setDirect(direct));
    }

    @Override
    public long setBlock(long bytes) {
        return result(() -> device.setBlockBytes((int) bytes));
    }

    @Override
    public long change(int file) {
        return result(() -> device.changeBackingFile(files[file]));
    }

    @Override
    public long size() {
        return disk().sizeBytes();
    }

    @Override
    public int block() {
        return disk().limits().logicalBlockBytes();
    }

    private Disk disk() {
        return device.disk();
    }

    @Override
    public long read(boolean direct, long offset, MemorySegment memory) {
        if (offset < 0) {
            return -Errno.EINVAL;
        }
        if (memory.byteSize() == 0 || offset >= size()) {
            return 0;
        }
        long bytes = Math.min(memory.byteSize(), size() - offset);
        if (!direct) {
            return throughChannel(channel -> channel.read(memory.asSlice(0, bytes).asByteBuffer(), offset));
        }
        if (((offset | bytes) & (block() - 1)) != 0) {
            return -Errno.EINVAL;
        }
        long result = result(() -> disk().read(offset, memory.asSlice(0, bytes)));
        return result < 0 ? result : bytes;
    }

    @Override
    public long write(boolean direct, long offset, MemorySegment memory) {
        if (offset < 0) {
            return -Errno.EINVAL;
        }
        if (disk().limits().isReadOnly()) {
            return -Errno.EPERM;
        }
        if (memory.byteSize() == 0) {
            return 0;
        }
        if (offset >= size()) {
            return -Errno.ENOSPC;
        }
        long bytes = Math.min(memory.byteSize(), size() - offset);
        if (!direct) {
            return throughChannel(channel -> channel.write(memory.asSlice(0, bytes).asByteBuffer(), offset));
        }
        if (((offset | bytes) & (block() - 1)) != 0) {
            return -Errno.EINVAL;
        }
        long result = result(() -> disk().write(offset, memory.asSlice(0, bytes)));
        return result < 0 ? result : bytes;
    }

    private interface ChannelIo {
        int move(FileChannel channel) throws IOException;
    }

    private long throughChannel(ChannelIo io) {
        long[] moved = new long[1];
        long result = result(() -> {
            try (FileChannel channel = disk().openChannel()) {
                moved[0] = io.move(channel);
            }
        });
        return result < 0 ? result : moved[0];
    }

    /** What a node refuses before there is a request: a range that is not possible, and any on a read-only device. */
    private long refusal(long offset, long bytes) {
        boolean whole = ((offset | bytes) & (block() - 1)) == 0 && offset >= 0 && bytes > 0;
        if (!whole || bytes > size() || offset > size() - bytes) {
            return -Errno.EINVAL;
        }
        return disk().limits().isReadOnly() ? -Errno.EPERM : 0;
    }

    @Override
    public long discard(long offset, long bytes) {
        if (disk().limits().isReadOnly()) {
            return -Errno.EPERM;
        }
        long refusal = refusal(offset, bytes);
        return refusal < 0 ? refusal : result(() -> disk().discard(offset, bytes));
    }

    @Override
    public long zero(long offset, long bytes) {
        long refusal = refusal(offset, bytes);
        return refusal < 0 ? refusal : result(() -> disk().writeZeroes(offset, bytes, true));
    }

    @Override
    public long punch(long offset, long bytes) {
        long whole = offset >= 0 && offset < size() ? Math.min(bytes, size() - offset) : bytes;
        long refusal = refusal(offset, whole);
        if (refusal < 0) {
            return refusal;
        }
        // Not by writeZeroes, which would write where it cannot make a hole.
        CountDownLatch ended = new CountDownLatch(1);
        Bio bio = new Bio(0).reset(Operation.WRITE_ZEROES, offset / 512).length(whole).onEnd(_ -> ended.countDown());
        disk().submit(bio);
        try {
            ended.await();
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
        return -bio.status().errno();
    }

    @Override
    public long flush() {
        return result(() -> disk().flush());
    }

    @Override
    public void close() {
        handle.close();
        control.close();
    }
}
