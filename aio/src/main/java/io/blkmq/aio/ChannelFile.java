package io.blkmq.aio;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.NonWritableChannelException;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.FileSystemException;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.OpenOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.FileTime;
import java.util.HashSet;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.function.ToLongFunction;
import java.util.function.UnaryOperator;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * A file by a {@link FileChannel}, for engines that work on every system.
 *
 * <p>A channel closes itself when a thread that uses it is interrupted. Here it is opened again, and the transfer
 * goes on; on Linux through {@code /proc/self/fd}, so that it is the same file even if its name has gone. On Linux a
 * buffered {@link NativeFile} of the same file, the companion, does what a channel cannot: holes, locks against other
 * opens in this process, the errno of a failed sync.
 */
final class ChannelFile extends AioFile {

    /** The most that one call moves; the JDK's own limits are higher on every system. A multiple of every alignment. */
    private static final int TRANSFER_MAX = 1 << 30;
    private static final int STORE_BLOCK_MAX = 1 << 20;

    private final @Nullable NativeFile companion;
    private final Path reopenPath;
    private final Set<OpenOption> options;
    /** What tells the file from another at its path, where there is no companion. */
    private final @Nullable Identity identity;

    /** Replaced under the monitor. */
    private volatile FileChannel channel;
    /** Taken only where there is no companion. Guarded by the monitor. */
    private @Nullable FileLock lock;
    /** A lock that the file's user believes to hold, and that is lost. Written under the monitor. */
    private volatile Missed missed = Missed.NONE;

    private enum Missed {
        NONE, SHARED, EXCLUSIVE
    }

    private ChannelFile(Opening opening, @Nullable NativeFile companion, Set<OpenOption> options, Path reopenPath,
            FileChannel channel, int alignment, @Nullable Identity identity) {
        super(opening, new Units(alignment, alignment,
                companion != null ? companion.blockBytes() : Math.max(alignment, 4096)));
        this.companion = companion;
        this.options = options;
        this.reopenPath = reopenPath;
        this.channel = channel;
        this.identity = identity;
    }

    /**
     * What tells a file from another that takes its path.
     *
     * @param key the file system's; null where it has none (Windows)
     * @param created where there is no key, the time of its creation
     */
    private record Identity(@Nullable Object key, @Nullable FileTime created) {
        static Identity of(Path path) throws IOException {
            BasicFileAttributes now = Files.readAttributes(path, BasicFileAttributes.class);
            Object key = now.fileKey();
            return new Identity(key, key == null ? now.creationTime() : null);
        }
    }

    /** Opens a file; see {@link AioEngine#open}. */
    static ChannelFile open(Path path, Access access, boolean direct) throws IOException {
        return open(Opening.of(path, access, direct));
    }

    static ChannelFile open(Opening opening) throws IOException {
        boolean ofDefault = opening.path().getFileSystem().equals(FileSystems.getDefault());
        NativeFile companion = !ofDefault || NativeAccess.refusal() != null
                ? null
                : NativeFile.open(new Opening(opening.path(), opening.access(), false, opening.options())
                        .without(Option.TRUNCATE_EXISTING));
        try {
            ChannelFile opened = open(opening, companion);
            companion = null;
            return opened;
        } finally {
            if (companion != null) {
                companion.close();
            }
        }
    }

    /** Takes a file by its descriptor; see {@link AioEngine#adopt}. */
    static ChannelFile adopt(int descriptor, Path name) throws IOException {
        String refusal = NativeAccess.refusal();
        if (refusal != null) {
            throw new UnsupportedOperationException("descriptor " + descriptor + " cannot be adopted: " + refusal);
        }
        NativeFile companion = NativeFile.adopt(descriptor, name);
        try {
            // The channel is an open of its own, since the JDK makes none of a descriptor.
            ChannelFile opened = open(new Opening(name, companion.opening().access(), companion.isDirect(),
                    companion.opening().options()), companion);
            companion = null;
            return opened;
        } finally {
            if (companion != null) {
                companion.close();
            }
        }
    }

    /** Opens a file, as it is done on systems other than Linux if there is no companion. */
    static ChannelFile open(Path path, Access access, boolean direct, @Nullable NativeFile companion)
            throws IOException {
        return open(Opening.of(path, access, direct), companion);
    }

    static ChannelFile open(Opening opening, @Nullable NativeFile companion) throws IOException {
        return open(opening, companion, 1);
    }

    /** Opens a file, of whose store a block has so many bytes at least: for tests of stores that have larger ones than any here. */
    static ChannelFile open(Opening opening, @Nullable NativeFile companion, int storeBlockMin) throws IOException {
        Path path = opening.path();
        boolean direct = opening.direct();
        Set<OpenOption> options = options(opening);
        Set<OpenOption> first = new HashSet<>(options);
        if (companion == null) {
            if (opening.has(Option.CREATE_NEW)) {
                if (Files.exists(path)) {
                    throw AioException.of(Errno.EEXIST, path, "open");
                }
                first.add(StandardOpenOption.CREATE_NEW);
            } else if (!opening.creates() || Files.exists(path)) {
                requireFile(path);
            }
            if (opening.creates()) {
                // Also of a file that is there: it may be deleted before it is opened.
                first.add(StandardOpenOption.CREATE);
            }
        }
        Path link = companion == null ? null : Path.of("/proc/self/fd/" + companion.fd());
        Path reopenPath = link != null && Files.exists(link) ? link : path;
        boolean isThere = companion == null && Files.exists(path);
        Identity identity = isThere ? Identity.of(path) : null;
        FileChannel channel = openChannel(path, reopenPath, first, direct);
        ChannelFile opened = null;
        try {
            if (identity != null && !identity.equals(Identity.of(path))) {
                throw new FileSystemException(path.toString(), null, "became another file while it was opened");
            }
            if (companion == null && identity == null) {
                identity = Identity.of(path);
            }
            // What the JDK insists on is the block of the file store, which may be more than the file needs.
            int alignment = direct ? Math.clamp(storeBlock(path, companion), storeBlockMin, STORE_BLOCK_MAX) : 1;
            ChannelFile file = new ChannelFile(opening, companion, options, reopenPath, channel, alignment, identity);
            if (opening.has(Option.TRUNCATE_EXISTING)) {
                file.truncate();
            }
            opened = file;
            return opened;
        } finally {
            if (opened == null) {
                channel.close();
            }
        }
    }

    /** How a channel of the file is opened, and opened again. */
    private static Set<OpenOption> options(Opening opening) throws DirectUnsupportedException {
        Set<OpenOption> options = new HashSet<>();
        options.add(StandardOpenOption.READ);
        if (opening.access() != Access.READ_ONLY) {
            options.add(StandardOpenOption.WRITE);
        }
        if (opening.has(Option.SYNC)) {
            options.add(StandardOpenOption.SYNC);
        } else if (opening.has(Option.DSYNC)) {
            options.add(StandardOpenOption.DSYNC);
        }
        if (opening.direct()) {
            options.add(directOption(opening.path()));
        }
        return options;
    }

    private void truncate() throws IOException {
        if (companion == null || !companion.isBlockDevice()) {
            check(setSize(0), "truncate");
        }
    }

    private static long storeBlock(Path path, @Nullable NativeFile companion) throws IOException {
        try {
            return Files.getFileStore(path).getBlockSize();
        } catch (NoSuchFileException e) {
            // A file that has lost its name is on no file store.
            if (companion == null) {
                throw e;
            }
            return companion.blockBytes();
        }
    }

    /**
     * {@code com.sun.nio.file.ExtendedOpenOption.DIRECT}, by name: supported, but the compiler warns of it as internal.
     */
    private static OpenOption directOption(Path path) throws DirectUnsupportedException {
        try {
            for (Object option : Class.forName("com.sun.nio.file.ExtendedOpenOption").getEnumConstants()) {
                if (option.toString().equals("DIRECT")) {
                    return (OpenOption) option;
                }
            }
            throw new DirectUnsupportedException(path);
        } catch (ClassNotFoundException e) {
            throw unsupported(path, e);
        }
    }

    private static void requireFile(Path path) throws IOException {
        if (!Files.exists(path)) {
            throw new NoSuchFileException(path.toString());
        }
        if (!Files.isRegularFile(path)) {
            throw new FileSystemException(path.toString(), null,
                    Files.isDirectory(path) ? "is a directory" : "is not a regular file");
        }
    }

    private static FileChannel openChannel(Path path, Path openPath, Set<OpenOption> options, boolean direct)
            throws IOException {
        try {
            return FileChannel.open(openPath, options);
        } catch (UnsupportedOperationException e) {
            throw unsupported(path, e);
        } catch (FileSystemException e) {
            if (direct && e.getClass() == FileSystemException.class) {
                throw unsupported(path, e);
            }
            throw e;
        }
    }

    private static DirectUnsupportedException unsupported(Path path, Exception cause) {
        DirectUnsupportedException unsupported = new DirectUnsupportedException(path);
        unsupported.initCause(cause);
        return unsupported;
    }

    @Nullable
    NativeFile companion() {
        return companion;
    }

    @Override
    public long size() throws IOException {
        if (!acquire()) {
            throw closedFailure();
        }
        try {
            return companion != null ? companion.size() : use(null, FileChannel::size);
        } finally {
            release();
        }
    }

    @Override
    public long read(long offset, MemorySegment memory) {
        requireNative(offset, memory);
        return guarded(offset, memory, false);
    }

    @Override
    public long write(long offset, MemorySegment memory) {
        requireNative(offset, memory);
        return isWritable() ? guarded(offset, memory, true) : -Errno.EBADF;
    }

    private long guarded(long offset, MemorySegment memory, boolean write) {
        if (!acquire()) {
            return -Errno.EBADF;
        }
        try {
            return transfer(offset, memory, 0, memory.byteSize(), write);
        } finally {
            release();
        }
    }

    /** Moves all of a part of some memory, as far as the file goes. The caller has acquired the file. */
    long transfer(long offset, MemorySegment memory, long from, long bytes, boolean write) {
        if (((offset | bytes | memory.address() + from) & (offsetAlignment() - 1)) != 0) {
            return -Errno.EINVAL;
        }
        MemorySegment usable = usable(memory);
        long done = 0;
        while (done < bytes) {
            ByteBuffer part = part(usable, from + done, (int) Math.min(bytes - done, TRANSFER_MAX));
            long moved = transferOnce(offset + done, part, write);
            if (moved < 0) {
                return moved;
            }
            done += moved;
            if (moved == 0 || (part.hasRemaining() && (offset + done & (offsetAlignment() - 1)) != 0)) {
                return write ? -Errno.EIO : done;
            }
        }
        return done;
    }

    /** A view, which is what this engine makes for each operation: a channel knows no other form of memory. */
    private static ByteBuffer part(MemorySegment memory, long from, int bytes) {
        if (memory.byteSize() <= Integer.MAX_VALUE) {
            return memory.asByteBuffer().limit((int) from + bytes).position((int) from);
        }
        return memory.asSlice(from, bytes).asByteBuffer();
    }

    /**
     * Memory that is confined to its owner is used by address: the operation has it, and its owner waits for the
     * completion.
     */
    @SuppressWarnings("restricted")
    static MemorySegment usable(MemorySegment memory) {
        return memory.isAccessibleBy(Thread.currentThread())
                ? memory
                : MemorySegment.ofAddress(memory.address()).reinterpret(memory.byteSize());
    }

    /** One call of the channel. Returns bytes, 0 at the end of the file, or -errno. */
    private long transferOnce(long offset, ByteBuffer part, boolean write) {
        try {
            return Math.max(0, use(part, open -> write ? open.write(part, offset) : open.read(part, offset)));
        } catch (IOException e) {
            return -errno(e);
        } catch (IllegalStateException | IllegalArgumentException e) {
            // Memory whose arena was closed under the operation.
            return -Errno.EFAULT;
        }
    }

    /** What is done with the channel. */
    @FunctionalInterface
    private interface Use {
        long of(FileChannel open) throws IOException;
    }

    /**
     * Uses the channel, which is opened again as often as an interrupt of this thread or of another closes it. An interrupt that comes
     * after bytes have moved hides their number; then the buffer's position tells it, and they do not move again.
     *
     * @param part what moves, null if nothing does
     */
    private long use(@Nullable ByteBuffer part, Use use) throws IOException {
        boolean interrupted = Thread.interrupted();
        int start = part == null ? 0 : part.position();
        try {
            while (true) {
                requireLock();
                FileChannel used = channel;
                try {
                    return use.of(used);
                } catch (ClosedChannelException e) {
                    interrupted |= Thread.interrupted();
                    if (part != null && part.position() > start) {
                        return (long) part.position() - start;
                    }
                    reopen(used);
                }
            }
        } finally {
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }

    /** Puts a channel around the channel, for tests of what channels do. */
    synchronized void wrapChannel(UnaryOperator<FileChannel> wrapper) {
        channel = wrapper.apply(channel);
    }

    private synchronized void reopen(FileChannel closed) throws IOException {
        if (!channel.equals(closed)) {
            return;
        }
        FileChannel again = FileChannel.open(reopenPath, options);
        boolean good = false;
        try {
            requireSame();
            channel = again;
            relockAfterClose();
            good = true;
        } finally {
            if (!good) {
                // The next call finds it closed, and tries again.
                again.close();
            }
        }
    }

    /** Refuses another file that has taken the path. */
    private void requireSame() throws IOException {
        if (identity != null && !identity.equals(Identity.of(reopenPath))) {
            throw anotherFailure();
        }
    }

    /** The system has dropped the lock of whoever holds it with the descriptor that was closed. The caller holds the monitor. */
    private void relockAfterClose() throws IOException {
        if (lock != null) {
            relock();
        } else if (identity != null && identity.key != null) {
            ChannelFile holder = ProcessLocks.held().holder(identity.key);
            if (holder != null && holder.acquire()) {
                // Not one that has been closed meanwhile: its lock is nobody's any more.
                try {
                    holder.relock();
                } finally {
                    holder.release();
                }
            }
        }
    }

    /** Takes a lock again that the system has dropped because a channel of the file was closed. */
    private synchronized void relock() throws IOException {
        FileLock before = lock;
        if (before == null) {
            return;
        }
        lock = null;
        if (before.isValid()) {
            before.release();
        }
        if (!takeLockAgain(before.isShared())) {
            throw lostLock();
        }
    }

    private FileSystemException lostLock() {
        return new FileSystemException(path().toString(), null,
                "has lost its lock to another process when an interrupt closed its channel");
    }

    /**
     * Uses no file without a lock that it is believed to have: takes it once more, this one's or that of another open of the file. The caller
     * does not hold the monitor, which goes after that of the other.
     */
    private void requireLock() throws IOException {
        if (missed != Missed.NONE) {
            takeMissed();
        } else if (identity != null && identity.key != null) {
            ChannelFile owner = ProcessLocks.held().owner(identity.key);
            // Once it is closed, nobody wants its lock.
            if (owner != null && owner.acquire()) {
                try {
                    owner.takeMissed();
                } finally {
                    owner.release();
                }
            }
        }
    }

    private synchronized void takeMissed() throws IOException {
        Missed wanted = missed;
        if (wanted == Missed.NONE) {
            return;
        }
        if (!channel.isOpen()) {
            reopen(channel);
        }
        if (!takeLock(wanted == Missed.SHARED)) {
            throw lostLock();
        }
    }

    /** The JDK keeps the error's text only, which is in the language of the process. */
    static int errno(IOException e) {
        String message = String.valueOf(e.getMessage());
        for (Map.Entry<String, Integer> known : Texts.ERRNOS.entrySet()) {
            if (message.contains(known.getKey())) {
                return known.getValue();
            }
        }
        return Errno.EIO;
    }

    /** The texts of the errors that a transfer or a sync may end with. */
    private static final class Texts {
        static final Map<String, Integer> ERRNOS = NativeAccess.refusal() != null
                ? Map.of("No space left", Errno.ENOSPC, "File too large", Errno.EFBIG, "uota exceeded", Errno.EDQUOT,
                        "Invalid argument", Errno.EINVAL)
                : IntStream
                        .of(Errno.ENOSPC, Errno.EFBIG, Errno.EDQUOT, Errno.EINVAL, Errno.EFAULT, Errno.EROFS,
                                Errno.EPERM, Errno.ENXIO, Errno.ENODEV, Errno.ENOMEM, Errno.EOVERFLOW, Errno.EOPNOTSUPP)
                        .boxed().collect(Collectors.toUnmodifiableMap(Libc::text, errno -> errno, (first, _) -> first));
    }

    @Override
    public int sync(boolean dataOnly) {
        if (!acquire()) {
            return -Errno.EBADF;
        }
        try {
            return syncAcquired(dataOnly);
        } finally {
            release();
        }
    }

    /** {@link #sync} for who has acquired the file. */
    int syncAcquired(boolean dataOnly) {
        return companion != null ? companion.sync(dataOnly) : force(!dataOnly);
    }

    @Override
    public int setSize(long bytes) {
        requireSize(bytes);
        if (!isWritable() || !acquire()) {
            return -Errno.EBADF;
        }
        try {
            if (companion != null) {
                return companion.setSize(bytes);
            }
            long before = use(null, FileChannel::size);
            if (before < bytes) {
                return grow(bytes);
            }
            return (int) use(null, open -> {
                open.truncate(bytes);
                return 0;
            });
        } catch (IOException e) {
            return -errno(e);
        } finally {
            release();
        }
    }

    /**
     * A channel only cuts: it would grow by a byte that is written at the end, which may be there already by another thread, and which direct
     * I/O refuses.
     */
    private int grow(long bytes) throws IOException {
        if (!path().getFileSystem().equals(FileSystems.getDefault())) {
            return isDirect()
                    ? -Errno.EOPNOTSUPP
                    : (int) use(null, open -> Math.min(0, open.write(ByteBuffer.allocate(1), bytes - 1) - 1));
        }
        return growByName(bytes);
    }

    private synchronized int growByName(long bytes) throws IOException {
        try (RandomAccessFile same = new RandomAccessFile(reopenPath.toFile(), "rw")) {
            requireSame();
            same.setLength(bytes);
        } finally {
            relockAfterClose();
        }
        return 0;
    }

    private int force(boolean metadata) {
        try {
            return (int) use(null, open -> {
                open.force(metadata);
                return 0;
            });
        } catch (IOException e) {
            return -errno(e);
        }
    }

    /** What the companion says, which is open for as long as the file has a user; without one there is nobody to ask. */
    private long ofCompanion(ToLongFunction<NativeFile> question) {
        if (companion == null) {
            return -Errno.EOPNOTSUPP;
        }
        if (!acquire()) {
            return -Errno.EBADF;
        }
        try {
            return question.applyAsLong(companion);
        } finally {
            release();
        }
    }

    @Override
    public long nextHole(long offset) {
        return ofCompanion(there -> there.nextHole(offset));
    }

    @Override
    public int punchHole(long offset, long bytes) {
        return (int) ofCompanion(there -> there.punchHole(offset, bytes));
    }

    @Override
    public int zeroRange(long offset, long bytes, boolean keepSize) {
        return (int) ofCompanion(there -> there.zeroRange(offset, bytes, keepSize));
    }

    @Override
    public int allocate(long offset, long bytes, boolean keepSize) {
        return (int) ofCompanion(there -> there.allocate(offset, bytes, keepSize));
    }

    /** Frees, zeroes or allocates a range for who has acquired the file. */
    int rangeAcquired(AioOperation operation, long offset, long bytes, boolean keepSize) {
        if (companion == null) {
            return -Errno.EOPNOTSUPP;
        }
        return switch (operation) {
            case PUNCH_HOLE -> companion.punchHole(offset, bytes);
            case ZERO_RANGE -> companion.zeroRange(offset, bytes, keepSize);
            case ALLOCATE -> companion.allocate(offset, bytes, keepSize);
            case READ, WRITE, FSYNC, FDATASYNC -> throw new AssertionError(operation);
        };
    }

    @Override
    public boolean supports(AioOperation operation) {
        if (companion != null) {
            return companion.supports(operation);
        }
        return !operation.isAllocation() && (isWritable() || !operation.needsWriteAccess());
    }

    @Override
    public int advise(Advice advice, long offset, long bytes) {
        requireRange(offset, bytes);
        boolean ofRange = advice == Advice.WILL_NEED || advice == Advice.DONT_NEED;
        if (isClosed()) {
            return -Errno.EBADF;
        }
        return ofRange ? (int) ofCompanion(there -> there.advise(advice, offset, bytes)) : -Errno.EOPNOTSUPP;
    }

    @Override
    public int dropPageCache() {
        return (int) ofCompanion(NativeFile::dropPageCache);
    }

    @Override
    public boolean tryLock(boolean exclusive) throws IOException {
        if (!acquire()) {
            throw closedFailure();
        }
        try {
            return companion != null ? companion.tryLock(exclusive) : tryChannelLock(exclusive);
        } finally {
            release();
        }
    }

    @Override
    boolean hasDescriptor() {
        return companion != null;
    }

    @Override
    Object identity() {
        if (companion != null) {
            return companion.identity();
        }
        return identity != null && identity.key != null ? identity.key : path().toAbsolutePath().normalize();
    }

    @Override
    boolean tryLockRange(long position, long bytes, boolean shared) throws IOException {
        if (companion == null) {
            throw new UnsupportedOperationException(
                    path() + " cannot be locked in ranges: the engine has no descriptor of it");
        }
        if (!acquire()) {
            throw closedFailure();
        }
        try {
            return companion.tryLockRange(position, bytes, shared);
        } finally {
            release();
        }
    }

    @Override
    void unlockRange(long position, long bytes) throws IOException {
        if (companion != null) {
            companion.unlockRange(position, bytes);
        }
    }

    private synchronized boolean tryChannelLock(boolean exclusive) throws IOException {
        if (exclusive && !isWritable()) {
            throw new FileSystemException(path().toString(), null,
                    "cannot be locked exclusively: not open for writing");
        }
        if (!channel.isOpen()) {
            // By an interrupt; a lock that went with it is taken again.
            reopen(channel);
        }
        FileLock before = lock;
        if (before == null) {
            return takeLock(!exclusive);
        }
        if (before.isShared() == !exclusive) {
            return true;
        }
        // A channel cannot change a lock: give it up, and take it back if the other kind is not to be had.
        boolean taken = false;
        lock = null;
        try {
            before.release();
            taken = takeLock(!exclusive);
        } finally {
            if (!taken) {
                boolean _ = takeLockAgain(before.isShared());
            }
        }
        return taken;
    }

    /** Takes a lock, where none is held; whether there is one now. The caller holds the monitor. */
    private boolean takeLock(boolean shared) throws IOException {
        FileLock taken = channelLock(shared);
        lock = taken;
        if (taken != null) {
            missed = Missed.NONE;
            if (identity != null && identity.key != null) {
                ProcessLocks.held().locked(identity.key, this);
                ProcessLocks.held().missesNoMore(identity.key, this);
            }
        }
        return taken != null;
    }

    /**
     * Takes a lock that has been given up, or that the system has dropped. If that fails, it is missed, and no channels of others are kept any
     * more for it.
     */
    private boolean takeLockAgain(boolean shared) throws IOException {
        boolean taken = false;
        try {
            taken = takeLock(shared);
        } finally {
            if (!taken) {
                missed = shared ? Missed.SHARED : Missed.EXCLUSIVE;
                if (identity != null && identity.key != null) {
                    ProcessLocks.held().misses(identity.key, this);
                    ProcessLocks.held().unlocked(identity.key, this).forEach(this::close);
                }
            }
        }
        return taken;
    }

    private @Nullable FileLock channelLock(boolean shared) throws IOException {
        try {
            return channel.tryLock(0, Long.MAX_VALUE, shared);
        } catch (OverlappingFileLockException e) {
            // The JDK's own table of the locks of this process.
            return null;
        } catch (NonWritableChannelException e) {
            throw new FileSystemException(path().toString(), null,
                    "cannot be locked exclusively: not open for writing");
        }
    }

    @Override
    public ChannelFile reopen(boolean direct) throws IOException {
        if (!acquire()) {
            throw closedFailure();
        }
        NativeFile another = null;
        try {
            another = companion == null ? null : companion.reopen(false);
            ChannelFile opened = open(openingAgain(direct), another);
            another = null;
            if (companion == null && !Objects.equals(identity, opened.identity)) {
                opened.close();
                throw anotherFailure();
            }
            return opened;
        } finally {
            if (another != null) {
                another.close();
            }
            release();
        }
    }

    @Override
    public boolean isSameFile(AioFile other) {
        if (companion != null) {
            return companion.isSameFile(other);
        }
        try {
            return Files.isSameFile(path(), other.path());
        } catch (IOException e) {
            return false;
        }
    }

    @Override
    int closeNow() {
        Object key = identity == null ? null : identity.key;
        if (key != null) {
            ProcessLocks.held().missesNoMore(key, this);
        }
        if (key != null && ProcessLocks.held().keep(key, this, channel)) {
            return 0;
        }
        close(channel);
        if (key != null) {
            // The lock has gone with the channel.
            ProcessLocks.held().unlocked(key, this).forEach(this::close);
        }
        if (companion != null) {
            companion.close();
        }
        return 0;
    }

    private void close(FileChannel done) {
        try {
            done.close();
        } catch (IOException e) {
            CompletionDelivery.log("closing " + path() + " failed", e);
        }
    }
}
