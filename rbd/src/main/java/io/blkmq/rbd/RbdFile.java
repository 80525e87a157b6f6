package io.blkmq.rbd;

import io.blkmq.aio.AioFile;
import io.blkmq.aio.AioOperation;
import io.blkmq.aio.DrivenFile;
import io.blkmq.aio.Errno;
import io.blkmq.rbd.ceph.Rbd;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.Path;
import java.util.Set;

/**
 * One open of an image. Several share the image, and its lock: those that {@link #reopen} has made. The blocking forms wait for Ceph, however long that
 * takes; nobody can hasten them.
 */
final class RbdFile extends DrivenFile {
    /** What an OSD keeps apart, by default. */
    private static final int BLOCK_BYTES = 4096;

    private final RbdImage image;
    private final boolean durable;

    /** The image has been told of one more open. */
    private RbdFile(Path path, Access access, boolean direct, boolean durable, RbdImage image) {
        super(path, access, direct, 1, BLOCK_BYTES);
        this.image = image;
        this.durable = durable;
    }

    static RbdFile open(Path path, Access access, boolean direct, Set<AioFile.Option> options) throws IOException {
        RbdAddress address;
        try {
            address = RbdAddress.parse(path.toString());
        } catch (IllegalArgumentException e) {
            FileSystemException wrong = new FileSystemException(RbdAddress.shown(path.toString()), null,
                    "is no name of an image: " + e.getMessage());
            wrong.initCause(e);
            throw wrong;
        }
        if (access != Access.READ_ONLY && address.snapshot() != null) {
            throw new FileSystemException(RbdAddress.shown(path.toString()), null,
                    "is a snapshot, which can only be read");
        }
        RbdImage image = RbdOpening.open(address, access);
        if (options.contains(Option.CREATE_NEW)) {
            image.closeOpen();
            throw new FileAlreadyExistsException(RbdAddress.shown(path.toString()), null, "the image exists");
        }
        return new RbdFile(path, access, direct, options.contains(Option.DSYNC) || options.contains(Option.SYNC),
                image);
    }

    RbdImage image() {
        return image;
    }

    /** Whether each write is flushed before it ends. */
    boolean isDurable() {
        return durable;
    }

    @Override
    public long size() throws IOException {
        if (isClosed()) {
            throw closed();
        }
        return image.size();
    }

    private FileSystemException closed() {
        return new FileSystemException(RbdAddress.shown(path().toString()), null, "is closed");
    }

    @Override
    public int optimalBytes() {
        return image.optimalBytes();
    }

    @Override
    public boolean supports(AioOperation operation) {
        return switch (operation) {
            case READ, FSYNC, FDATASYNC -> true;
            case WRITE, PUNCH_HOLE, ZERO_RANGE -> isWritable();
            case ALLOCATE -> false;
        };
    }

    // Blocking I/O.

    @Override
    public long read(long offset, MemorySegment memory) {
        requireNative(offset, memory);
        if (!enter()) {
            return -Errno.EBADF;
        }
        try {
            long bytes = image.readable(offset, memory.byteSize());
            return bytes == 0 ? 0 : image.readResult(offset, Rbd.read(image.handle(), offset, bytes, memory.address()));
        } finally {
            leave();
        }
    }

    @Override
    public long write(long offset, MemorySegment memory) {
        requireNative(offset, memory);
        if (!isWritable() || !enter()) {
            return -Errno.EBADF;
        }
        try {
            long bytes = memory.byteSize();
            if (!image.contains(offset, bytes)) {
                return -Errno.ENOSPC;
            }
            long written = bytes == 0
                    ? 0
                    : image.writeResult(offset, bytes, Rbd.write(image.handle(), offset, bytes, memory.address()));
            int flushed = written < 0 || !durable ? 0 : image.flush();
            return flushed < 0 ? flushed : written;
        } finally {
            leave();
        }
    }

    private static void requireNative(long offset, MemorySegment memory) {
        if (!memory.isNative()) {
            throw new IllegalArgumentException("heap memory cannot be given to librbd: " + memory);
        }
        if (offset < 0) {
            throw new IllegalArgumentException("offset " + offset + " must not be negative");
        }
    }

    @Override
    public int sync(boolean dataOnly) {
        if (!enter()) {
            return -Errno.EBADF;
        }
        try {
            return image.flush();
        } finally {
            leave();
        }
    }

    @Override
    public int punchHole(long offset, long bytes) {
        return zeroes(offset, bytes, true, 0);
    }

    @Override
    public int zeroRange(long offset, long bytes, boolean keepSize) {
        return zeroes(offset, bytes, keepSize, Rbd.THICK);
    }

    private int zeroes(long offset, long bytes, boolean keepSize, int flags) {
        if (offset < 0 || bytes <= 0) {
            return -Errno.EINVAL;
        }
        if (!isWritable() || !enter()) {
            return -Errno.EBADF;
        }
        try {
            if (!keepSize && !image.contains(offset, bytes)) {
                return -Errno.ENOSPC;
            }
            long within = image.readable(offset, bytes);
            return within == 0
                    ? 0
                    : (int) Math.min(0, image.failure(Rbd.writeZeroes(image.handle(), offset, within, flags)));
        } finally {
            leave();
        }
    }

    // What else there is to a file.

    @Override
    public int setSize(long bytes) {
        if (bytes < 0) {
            throw new IllegalArgumentException("size " + bytes + " must not be negative");
        }
        if (!isWritable() || !enter()) {
            return -Errno.EBADF;
        }
        try {
            return image.resize(bytes);
        } finally {
            leave();
        }
    }

    /**
     * An image that was opened {@link io.blkmq.aio.AioFile.Access#READ_WRITE} is locked since then. One that is opened for reading is not locked: this says
     * whether a writer has the lock now. Writers that share do not lock each other out.
     */
    @Override
    public boolean tryLock(boolean exclusive) throws IOException {
        if (!enter()) {
            throw closed();
        }
        try {
            if (exclusive && !isWritable()) {
                throw new FileSystemException(RbdAddress.shown(path().toString()), null,
                        "cannot be locked exclusively: not open for writing");
            }
            return isWritable() || image.isSnapshot() || Rbd.lockOwners(image.handle()).isEmpty();
        } finally {
            leave();
        }
    }

    @Override
    public boolean isSameFile(AioFile other) {
        return other instanceof RbdFile file && file.image.isSame(image);
    }

    @Override
    public AioFile reopen(boolean direct) throws IOException {
        if (!enter()) {
            throw closed();
        }
        try {
            image.open();
            return new RbdFile(path(), isWritable() ? Access.READ_WRITE_SHARED : Access.READ_ONLY, direct, durable,
                    image);
        } finally {
            leave();
        }
    }

    @Override
    public void hasten() {
        image.hasten();
    }

    @Override
    protected void closeStorage() {
        image.closeOpen();
    }
}
