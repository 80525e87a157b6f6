package io.blkmq.aio;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.file.FileSystemException;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import org.jspecify.annotations.Nullable;

/**
 * One open of a file of a {@code memory} engine. Opened direct, it insists on sectors as a disk would, so that what
 * works here works there.
 */
final class MemoryFile extends AioFile {

    /** What direct I/O must be aligned to. */
    private static final int SECTOR = 512;

    /** A file of an engine, whoever has it open. */
    static final class Content {
        final SparseBytes bytes;
        /** Number of shared locks; -1 for an exclusive one. Guarded by this. */
        private int locks;
        /** How many have it open. Guarded by this. */
        private int opens;
        /** Whether it has no name any more. Guarded by this. */
        private boolean unlinked;

        Content(SparseBytes bytes) {
            this.bytes = bytes;
        }

        /** Counts one who has it open; false if its memory has been given back. */
        private synchronized boolean enter() {
            if (unlinked && opens == 0) {
                return false;
            }
            opens++;
            return true;
        }

        private synchronized void leave() {
            opens--;
            giveBackIfUnreachable();
        }

        /** Its name has been taken away: its memory goes with the last who has it open. */
        synchronized void unlink() {
            unlinked = true;
            giveBackIfUnreachable();
        }

        private void giveBackIfUnreachable() {
            if (unlinked && opens == 0) {
                bytes.punch(0, SparseBytes.SIZE_MAX);
            }
        }

        /** Reads a file of the file system; what is zero in it takes no memory. */
        static Content load(Path path, SparseBytes.Quota quota) throws IOException {
            requireFile(path);
            try (FileChannel channel = FileChannel.open(path, StandardOpenOption.READ);
                    NativeFile holes = NativeAccess.refusal() != null
                            || !path.getFileSystem().equals(FileSystems.getDefault())
                                    ? null
                                    : NativeFile.open(path, Access.READ_ONLY, false)) {
                long size = channel.size();
                if (size > SparseBytes.SIZE_MAX) {
                    throw new FileSystemException(path.toString(), null,
                            "has " + size + " bytes, over the limit of " + SparseBytes.SIZE_MAX);
                }
                SparseBytes bytes = new SparseBytes(quota, size);
                boolean good = false;
                try {
                    copy(path, channel, holes, bytes);
                    good = true;
                } finally {
                    if (!good) {
                        bytes.punch(0, SparseBytes.SIZE_MAX);
                    }
                }
                return new Content(bytes);
            }
        }

        private static void copy(Path path, FileChannel channel, @Nullable NativeFile holes, SparseBytes bytes)
                throws IOException {
            long size = bytes.size();
            MemorySegment part = MemorySegment.ofArray(new byte[SparseBytes.CHUNK_BYTES]);
            MemorySegment zeroes = MemorySegment.ofArray(new byte[SparseBytes.CHUNK_BYTES]);
            for (long at = nextChunk(holes, 0, size); at < size; at = nextChunk(holes, at + SparseBytes.CHUNK_BYTES,
                    size)) {
                long length = Math.min(SparseBytes.CHUNK_BYTES, size - at);
                var buffer = part.asByteBuffer().limit((int) length);
                while (buffer.hasRemaining() && channel.read(buffer, at + buffer.position()) > 0) {
                    // On to the rest; a file that has been shortened meanwhile ends in zeroes.
                }
                long read = buffer.position();
                if (MemorySegment.mismatch(part, 0, read, zeroes, 0, read) >= 0
                        && bytes.write(at, part, 0, read) != read) {
                    throw new FileSystemException(path.toString(), null, "is over the engine's memory quota");
                }
            }
        }

        /** The chunk from an offset on that has data in it, as far as the system can tell; the size if there is none. */
        private static long nextChunk(@Nullable NativeFile holes, long from, long size) {
            if (holes == null || from >= size) {
                return from;
            }
            long data = holes.nextData(from);
            // What cannot be told is taken for data.
            return data == -Errno.ENXIO
                    ? size
                    : data < 0 ? from : data / SparseBytes.CHUNK_BYTES * SparseBytes.CHUNK_BYTES;
        }

        /** Refuses what is no regular file of the file system. */
        static void requireFile(Path path) throws IOException {
            if (!Files.exists(path)) {
                throw new NoSuchFileException(path.toString());
            }
            if (Files.isDirectory(path)) {
                throw new FileSystemException(path.toString(), null, "is a directory");
            }
            if (!Files.isRegularFile(path)) {
                throw new FileSystemException(path.toString(), null, "is not a regular file");
            }
        }
    }

    private final Content content;
    /** The lock that this open holds: 0, 1 shared, -1 exclusive. Guarded by the content. */
    private int held;

    /** The caller has counted itself. */
    private MemoryFile(Opening opening, Content content) {
        super(opening, new Units(alignment(opening), alignment(opening), SparseBytes.CHUNK_BYTES));
        this.content = content;
    }

    /** Opens what has a name, which the caller holds. */
    static MemoryFile open(Opening opening, Content content) {
        boolean there = content.enter();
        assert there : "opened without a name: " + opening.path();
        return new MemoryFile(opening, content);
    }

    private static int alignment(Opening opening) {
        return opening.direct() ? SECTOR : 1;
    }

    @Override
    public long size() throws IOException {
        if (isClosed()) {
            throw closedFailure();
        }
        return content.bytes.size();
    }

    @Override
    boolean hasDescriptor() {
        return true;
    }

    @Override
    Object identity() {
        return content;
    }

    /** Nobody outside of this process has the file. */
    @Override
    boolean tryLockRange(long position, long bytes, boolean shared) {
        return true;
    }

    @Override
    void unlockRange(long position, long bytes) {
        // Nothing to do.
    }

    @Override
    public boolean supports(AioOperation operation) {
        return isWritable() || !operation.needsWriteAccess();
    }

    /** Carries out an operation. The caller has acquired the file. */
    long carryOut(Kiocb kiocb) {
        return switch (kiocb.operation()) {
            case READ -> transfer(kiocb, false);
            case WRITE -> transfer(kiocb, true);
            case FSYNC, FDATASYNC -> 0;
            case PUNCH_HOLE, ZERO_RANGE, ALLOCATE ->
                allocate(kiocb.operation(), kiocb.offset(), kiocb.bytes(), kiocb.keepsSize());
        };
    }

    private long transfer(Kiocb kiocb, boolean write) {
        if (!isAligned(kiocb)) {
            return -Errno.EINVAL;
        }
        long done = 0;
        for (int i = 0; i < kiocb.segments(); i++) {
            MemorySegment memory = ChannelFile.usable(kiocb.memory(i));
            long from = kiocb.partOffset(i);
            long bytes = kiocb.partBytes(i);
            long moved;
            try {
                moved = write
                        ? content.bytes.write(kiocb.offset() + done, memory, from, bytes)
                        : content.bytes.read(kiocb.offset() + done, memory, from, bytes);
            } catch (IllegalStateException e) {
                // Memory whose arena was closed under the operation.
                return -Errno.EFAULT;
            }
            if (moved < 0) {
                return moved;
            }
            if (moved < bytes) {
                return write ? -Errno.ENOSPC : done + moved;
            }
            done += moved;
        }
        return done;
    }

    private boolean isAligned(Kiocb kiocb) {
        long all = kiocb.offset();
        for (int i = 0; offsetAlignment() > 1 && i < kiocb.segments(); i++) {
            all |= kiocb.memory(i).address() + kiocb.partOffset(i) | kiocb.partBytes(i);
        }
        return (all & (offsetAlignment() - 1)) == 0;
    }

    private int allocate(AioOperation operation, long offset, long bytes, boolean keepSize) {
        if (bytes == 0) {
            return -Errno.EINVAL;
        }
        if (offset > Long.MAX_VALUE - bytes) {
            return -Errno.EFBIG;
        }
        if (operation == AioOperation.PUNCH_HOLE) {
            content.bytes.punch(offset, Math.min(bytes, SparseBytes.SIZE_MAX));
            return 0;
        }
        return content.bytes.allocate(offset, bytes, operation == AioOperation.ZERO_RANGE, keepSize);
    }

    @Override
    public long read(long offset, MemorySegment memory) {
        return transfer(offset, memory, false);
    }

    @Override
    public long write(long offset, MemorySegment memory) {
        return transfer(offset, memory, true);
    }

    private long transfer(long offset, MemorySegment memory, boolean write) {
        requireNative(offset, memory);
        if ((write && !isWritable()) || !acquire()) {
            return -Errno.EBADF;
        }
        try {
            if (((offset | memory.address() | memory.byteSize()) & (offsetAlignment() - 1)) != 0) {
                return -Errno.EINVAL;
            }
            if (!write) {
                return content.bytes.read(offset, memory, 0, memory.byteSize());
            }
            long moved = content.bytes.write(offset, memory, 0, memory.byteSize());
            return moved >= 0 && moved < memory.byteSize() ? -Errno.ENOSPC : moved;
        } finally {
            release();
        }
    }

    @Override
    public int sync(boolean dataOnly) {
        return isClosed() ? -Errno.EBADF : 0;
    }

    @Override
    public long nextHole(long offset) {
        return -Errno.EOPNOTSUPP;
    }

    @Override
    public int setSize(long bytes) {
        requireSize(bytes);
        if (!isWritable() || !acquire()) {
            return -Errno.EBADF;
        }
        try {
            return content.bytes.setSize(bytes);
        } finally {
            release();
        }
    }

    @Override
    public int punchHole(long offset, long bytes) {
        return range(AioOperation.PUNCH_HOLE, offset, bytes, true);
    }

    @Override
    public int zeroRange(long offset, long bytes, boolean keepSize) {
        return range(AioOperation.ZERO_RANGE, offset, bytes, keepSize);
    }

    @Override
    public int allocate(long offset, long bytes, boolean keepSize) {
        return range(AioOperation.ALLOCATE, offset, bytes, keepSize);
    }

    private int range(AioOperation operation, long offset, long bytes, boolean keepSize) {
        if (offset < 0 || bytes < 0) {
            return -Errno.EINVAL;
        }
        if (!isWritable() || !acquire()) {
            return -Errno.EBADF;
        }
        try {
            return allocate(operation, offset, bytes, keepSize);
        } finally {
            release();
        }
    }

    @Override
    public int advise(Advice advice, long offset, long bytes) {
        requireRange(offset, bytes);
        return isClosed() ? -Errno.EBADF : 0;
    }

    @Override
    public int dropPageCache() {
        return isClosed() ? -Errno.EBADF : 0;
    }

    @Override
    public boolean tryLock(boolean exclusive) throws IOException {
        if (!acquire()) {
            throw closedFailure();
        }
        try {
            if (exclusive && !isWritable()) {
                throw new FileSystemException(path().toString(), null,
                        "cannot be locked exclusively: not open for writing");
            }
            return tryLockAcquired(exclusive);
        } finally {
            release();
        }
    }

    private boolean tryLockAcquired(boolean exclusive) {
        synchronized (content) {
            int others = content.locks - held;
            if (exclusive ? others != 0 : others < 0) {
                return false;
            }
            held = exclusive ? -1 : 1;
            content.locks = others + held;
            return true;
        }
    }

    @Override
    public MemoryFile reopen(boolean direct) throws IOException {
        // Closed meanwhile by another thread, its content may be gone.
        if (isClosed() || !content.enter()) {
            throw closedFailure();
        }
        return new MemoryFile(openingAgain(direct), content);
    }

    @Override
    public boolean isSameFile(AioFile other) {
        return other instanceof MemoryFile file && file.content.equals(content);
    }

    @Override
    int closeNow() {
        synchronized (content) {
            content.locks -= held;
            held = 0;
        }
        content.leave();
        return 0;
    }
}
