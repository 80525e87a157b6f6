package io.blkmq.aio;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.ref.Reference;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystemException;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.ProviderMismatchException;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** A file by its descriptor, for the engines that talk to the kernel themselves. */
final class NativeFile extends AioFile {

    /** The most that one call moves (MAX_RW_COUNT): a multiple of every alignment that direct I/O needs. */
    static final int TRANSFER_MAX = 0x7ffff000;

    /** Segments that one call can have (UIO_MAXIOV); what is over is a short transfer, to be continued. */
    static final int SEGMENTS_MAX = 1024;

    /** Flags of a write that ends when it is durable, with the metadata that is needed to find it, and with all. */
    static final int RWF_DSYNC = 2;
    static final int RWF_SYNC = 4;

    /** The smallest logical block that Linux has. */
    private static final int SECTOR = 512;
    /** The largest alignment that is believed without the kernel's word: a block fits into a piece of {@link BlockIo}. */
    private static final int ALIGNMENT_MAX = 1 << 20;

    /** How far behind the end modes of fallocate are tried: where nobody is going to append soon. */
    private static final long TRIAL_BLOCKS_BEHIND = 1 << 20;

    /** A place in the table of registered files of a ring. */
    record Registration(FileTable table, int index) {}

    /** A file of the system's. */
    private record Identity(boolean isDevice, long device, long inode) {}

    private final int fd;
    /** Replaced as a whole, by {@link #registered} and {@link #unregistered}, which hold the monitor. */
    private volatile Registration[] registrations = {};
    /** What the file has in the rings that it is used by. Replaced as a whole, by who holds the monitor. */
    private volatile FileLane[] lanes = {};
    private volatile boolean locked;
    /** Whether kernel and file have refused a write with such a flag. */
    private volatile boolean cannotWriteThrough;
    private final boolean blockDevice;
    private final boolean inMemory;
    private final boolean syncsWrites;
    private final long device;
    private final Identity identity;
    /** Modes of fallocate that have been tried. Guarded by itself. */
    private final Map<Integer, Boolean> tried = new HashMap<>();

    private NativeFile(Opening opening, int fd, FileFacts facts) throws IOException {
        this(opening, fd, facts, FileCalls.fileSystem(fd));
    }

    private NativeFile(Opening opening, int fd, FileFacts facts, FileCalls.FileSystem system) throws IOException {
        super(opening, units(opening.path(), opening.direct(), fd, facts, system));
        this.fd = fd;
        blockDevice = facts.isBlockDevice();
        device = facts.representedDevice();
        identity = identity(facts);
        inMemory = system.inMemory() && !facts.isBlockDevice();
        syncsWrites = opening.has(Option.SYNC) || opening.has(Option.DSYNC);
    }

    /** All nodes of a device are one file. */
    private static Identity identity(FileFacts facts) {
        return facts.isBlockDevice()
                ? new Identity(true, facts.representedDevice(), 0)
                : new Identity(false, facts.device(), facts.inode());
    }

    private static Units units(Path path, boolean direct, int fd, FileFacts facts, FileCalls.FileSystem system)
            throws DirectUnsupportedException {
        long preferred = facts.isBlockDevice() ? facts.preferredBlock() : system.blockBytes();
        int block = preferred > 0 && preferred <= 1 << 30 ? (int) preferred : 4096;
        if (!direct) {
            return new Units(1, 1, block);
        }
        if (facts.directKnown()) {
            if (facts.directOffset() == 0) {
                throw new DirectUnsupportedException(path);
            }
            return new Units(facts.directMemory(), facts.directOffset(), block);
        }
        // A tmpfs does not tell, and takes anything; on an empty file there would be nothing to try.
        int alignment = system.inMemory() ? SECTOR : triedAlignment(fd, facts);
        return new Units(alignment, alignment, block);
    }

    /** Opens a regular file or block device; see {@link AioEngine#open}. */
    static NativeFile open(Path path, Access access, boolean direct) throws IOException {
        return open(Opening.of(path, access, direct));
    }

    static NativeFile open(Opening opening) throws IOException {
        requireOfDefault(opening.path());
        return truncated(opening, open(opening, opening.path()));
    }

    /** Cuts a file that has just been opened, if that is asked for. */
    static NativeFile truncated(Opening opening, NativeFile file) throws IOException {
        if (opening.has(Option.TRUNCATE_EXISTING) && !file.blockDevice) {
            boolean good = false;
            try {
                file.check(file.setSize(0), "truncate");
                good = true;
            } finally {
                if (!good) {
                    file.close();
                }
            }
        }
        return file;
    }

    /** Refuses paths that mean nothing to the system. */
    static void requireOfDefault(Path path) {
        if (!path.getFileSystem().equals(FileSystems.getDefault())) {
            throw new ProviderMismatchException(path + " is a path of the provider "
                    + path.getFileSystem().provider().getScheme() + " (" + path.getClass().getName()
                    + "), and the system opens those of the default file system alone");
        }
    }

    /** Opens what is under a name now, which may be another than that by which the file goes. */
    private static NativeFile open(Opening opening, Path nameNow) throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment name = PathName.of(nameNow, arena);
            int fd = openOrMake(opening, name, false);
            if (fd == -Errno.ENOENT && opening.creates()) {
                // There when it was looked at, and deleted since.
                fd = openOrMake(opening, name, true);
            }
            if (fd < 0) {
                throw refused(opening, fd);
            }
            return opened(opening, fd, FileFacts.ofDescriptor(fd), false);
        }
    }

    /** A descriptor, or a negative errno. */
    private static int openOrMake(Opening opening, MemorySegment name, boolean comesAndGoes) throws IOException {
        // Before opening: opening a FIFO waits for its other end.
        FileFacts facts = FileFacts.ofPath(name);
        return isInTheWay(opening, facts)
                ? -Errno.EEXIST
                : FileCalls.open(name, flagsToOpen(opening, facts, comesAndGoes));
    }

    /** Whether a name is there that is to be made. */
    static boolean isInTheWay(Opening opening, FileFacts facts) {
        return opening.has(Option.CREATE_NEW) && facts.result() >= 0;
    }

    /**
     * The flags to open a name with, {@code O_...}.
     *
     * @param facts of the name
     * @param comesAndGoes whether it was there when it was looked at before, and deleted since
     * @throws IOException if it is there, and not to be opened
     */
    static int flagsToOpen(Opening opening, FileFacts facts, boolean comesAndGoes) throws IOException {
        Access access = opening.access();
        boolean missing = facts.result() == -Errno.ENOENT;
        if (!missing || !opening.creates()) {
            requireFile(opening, facts);
        }
        int flags = FileCalls.O_CLOEXEC | (access == Access.READ_ONLY ? FileCalls.O_RDONLY : FileCalls.O_RDWR)
                | (opening.direct() ? Platform.CURRENT.openDirect : 0)
                | (opening.has(Option.SYNC) ? FileCalls.O_SYNC : opening.has(Option.DSYNC) ? FileCalls.O_DSYNC : 0);
        if (opening.has(Option.CREATE_NEW)) {
            flags |= FileCalls.O_CREAT | FileCalls.O_EXCL;
        } else if (missing || (comesAndGoes && !facts.isBlockDevice())) {
            flags |= FileCalls.O_CREAT;
        } else if (access == Access.READ_WRITE && facts.isBlockDevice()) {
            flags |= FileCalls.O_EXCL;
        }
        return flags;
    }

    /** Takes a file by its descriptor, which is duplicated; see {@link AioEngine#adopt}. */
    static NativeFile adopt(int descriptor, Path name) throws IOException {
        int flags = FileCalls.flags(descriptor);
        int fd = flags < 0 ? flags : FileCalls.duplicate(descriptor);
        if (fd < 0) {
            throw AioException.of(fd, name, "adoption of descriptor " + descriptor);
        }
        int access = flags & FileCalls.O_ACCMODE;
        if (access == FileCalls.O_WRONLY || (flags & FileCalls.O_APPEND) != 0) {
            FileCalls.close(fd);
            throw new FileSystemException(name.toString(), null,
                    "descriptor " + descriptor
                            + (access == FileCalls.O_WRONLY
                                    ? " can only be written, and a file has to be readable"
                                    : " appends, and an operation has its offset"));
        }
        Set<Option> options = EnumSet.noneOf(Option.class);
        if ((flags & FileCalls.O_SYNC) == FileCalls.O_SYNC) {
            options.add(Option.SYNC);
        } else if ((flags & FileCalls.O_DSYNC) != 0) {
            options.add(Option.DSYNC);
        }
        return opened(new Opening(name, access == FileCalls.O_RDONLY ? Access.READ_ONLY : Access.READ_WRITE_SHARED,
                (flags & Platform.CURRENT.openDirect) != 0, options), fd, FileFacts.ofDescriptor(fd), true);
    }

    /** Opens a device that reads as nothing, for an engine's own use. */
    static NativeFile openNothing(Path device) throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            int fd = FileCalls.open(arena.allocateFrom(device.toString()), FileCalls.O_CLOEXEC | FileCalls.O_RDONLY);
            if (fd < 0) {
                throw refused(Opening.of(device, Access.READ_ONLY, false), fd);
            }
            boolean good = false;
            try {
                NativeFile file = new NativeFile(Opening.of(device, Access.READ_ONLY, false), fd,
                        FileFacts.ofDescriptor(fd));
                good = true;
                return file;
            } finally {
                if (!good) {
                    FileCalls.close(fd);
                }
            }
        }
    }

    /** The file of a descriptor with these facts, which is closed if it is none. */
    static NativeFile opened(Opening opening, int fd, FileFacts facts, boolean ofAnother) throws IOException {
        boolean good = false;
        try {
            requireFile(opening, facts);
            NativeFile file = new NativeFile(opening, fd, facts);
            if (file.inMemory && !ofAnother) {
                // io_uring hands the I/O of a file to worker threads unless the file says that it can do without waiting.
                // Those of a tmpfs do not say so, and never wait. Should the system refuse, I/O is slower, and right.
                // Not where the open has another owner, whose flags they are, too.
                int _ = FileCalls.setNonBlocking(fd);
            }
            good = true;
            return file;
        } finally {
            if (!good) {
                FileCalls.close(fd);
            }
        }
    }

    private static void requireFile(Opening opening, FileFacts facts) throws IOException {
        Path path = opening.path();
        if (facts.result() < 0) {
            throw refused(opening, facts.result());
        }
        if (facts.isDirectory()) {
            throw new FileSystemException(path.toString(), null, "is a directory");
        }
        if (!facts.isRegularOrBlockDevice()) {
            throw new FileSystemException(path.toString(), null, "is neither a regular file nor a block device");
        }
    }

    static IOException refused(Opening opening, int errno) {
        String name = opening.path().toString();
        return switch (-errno) {
            case Errno.EACCES, Errno.EPERM ->
                new AccessDeniedException(name, null, "cannot be opened " + opening.access());
            case Errno.EROFS -> new AccessDeniedException(name, null, "is on a read-only file system");
            case Errno.EBUSY -> new FileSystemException(name, null,
                    "is in use: it is mounted, or another has opened it exclusively (EBUSY)");
            case Errno.EISDIR -> new FileSystemException(name, null, "is a directory");
            case Errno.EINVAL -> opening.direct()
                    ? new DirectUnsupportedException(opening.path())
                    : AioException.of(errno, opening.path(), "open");
            default -> AioException.of(errno, opening.path(), "open");
        };
    }

    /**
     * What direct I/O needs when the kernel does not say: one sector, if reading one into memory aligned to no more
     * than that works; else the preferred block, which is always enough.
     */
    static int triedAlignment(int fd, FileFacts facts) {
        // A file system may prefer more than a transfer of parts of blocks has room for, but needs no more.
        int safe = Math.clamp(Integer.highestOneBit(facts.preferredBlock()), 4096, ALIGNMENT_MAX);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment odd = arena.allocate(2 * 4096, 4096).asSlice(SECTOR, SECTOR);
            return FileCalls.pread(fd, odd.address(), SECTOR, 0) == SECTOR ? SECTOR : safe;
        }
    }

    /** Why completions of the file's operations cannot be found by asking its device; null if nothing is known against it. */
    @Nullable
    String pollingObstacle() {
        if (!isDirect()) {
            return "is not open for direct I/O";
        }
        FileFacts facts = facts();
        return facts != null && facts.cannotBePolled()
                ? "is on a device without queues for polling (its queue/io_poll in sysfs is 0)"
                : null;
    }

    /**
     * Whether a write that is to be durable goes to the kernel as one operation. Not through the page cache: the kernel does buffered
     * writes to a file one after the other, and each would hold up the next for its sync.
     */
    boolean writesThrough() {
        return isDirect() && !cannotWriteThrough;
    }

    /** The kernel has refused a write for no other reason than that. */
    void cannotWriteThrough() {
        cannotWriteThrough = true;
    }

    boolean isBlockDevice() {
        return blockDevice;
    }

    /** The descriptor; valid for who has {@link #acquire acquired} the file. */
    int fd() {
        return fd;
    }

    /** The file's place in a ring's table, or -1. */
    int index(FileTable table) {
        for (Registration registration : registrations) {
            if (registration.table == table) {
                return registration.index;
            }
        }
        return -1;
    }

    /** What the file has in a ring, always the same. */
    FileLane lane(Slots ring) {
        for (FileLane lane : lanes) {
            if (lane.slots == ring) {
                return lane;
            }
        }
        return newLane(ring);
    }

    /** How many rings it remembers; for tests. */
    int ringsKnown() {
        return lanes.length;
    }

    private synchronized FileLane newLane(Slots ring) {
        for (FileLane lane : lanes) {
            if (lane.slots == ring) {
                return lane;
            }
        }
        FileLane lane = new FileLane(ring);
        // A file may outlive many rings.
        lanes = Stream.concat(Arrays.stream(lanes).filter(other -> !other.slots.isRetired()), Stream.of(lane))
                .toArray(FileLane[]::new);
        ring.fileCame();
        return lane;
    }

    /** Remembers the file's place in a ring's table; the caller has acquired the file. */
    synchronized void registered(FileTable table, int index) {
        Registration[] more = Arrays.copyOf(registrations, registrations.length + 1);
        more[more.length - 1] = new Registration(table, index);
        registrations = more;
    }

    /** The ring is gone. */
    synchronized void unregistered(FileTable table) {
        registrations = Arrays.stream(registrations).filter(registration -> registration.table != table)
                .toArray(Registration[]::new);
    }

    @Override
    public long size() throws IOException {
        if (!acquire()) {
            throw new FileSystemException(path().toString(), null, "is closed");
        }
        try {
            FileFacts facts = FileFacts.ofDescriptor(fd);
            long size = facts.result() < 0
                    ? facts.result()
                    : facts.isBlockDevice() ? FileCalls.seekEnd(fd) : facts.size();
            if (size < 0) {
                throw new FileSystemException(path().toString(), null, "has no size (" + Errno.name(size) + ")");
            }
            return size;
        } finally {
            release();
        }
    }

    /** Where the next data is, from an offset on; -ENXIO if there is none up to the end, another negative errno otherwise. */
    long nextData(long offset) {
        if (!acquire()) {
            return -Errno.EBADF;
        }
        try {
            return FileCalls.seekData(fd, offset);
        } finally {
            release();
        }
    }

    @Override
    public AtomicWrites atomicWrites() {
        FileFacts facts = isDirect() ? facts() : null;
        return facts == null ? AtomicWrites.NONE : facts.atomicWrites();
    }

    @Override
    public long nextHole(long offset) {
        if (!acquire()) {
            return -Errno.EBADF;
        }
        try {
            return FileCalls.seekHole(fd, offset);
        } finally {
            release();
        }
    }

    @Override
    public long read(long offset, MemorySegment memory) {
        requireNative(offset, memory);
        return transfer(offset, memory, 0, memory.byteSize(), false);
    }

    @Override
    public long read(long offset, MemorySegment memory, long from, long bytes) {
        requireNative(offset, memory);
        Objects.checkFromIndexSize(from, bytes, memory.byteSize());
        return transfer(offset, memory, from, bytes, false);
    }

    @Override
    public boolean isInMemory() {
        return inMemory;
    }

    @Override
    public long write(long offset, MemorySegment memory) {
        requireNative(offset, memory);
        return isWritable() ? transfer(offset, memory, 0, memory.byteSize(), true) : -Errno.EBADF;
    }

    @Override
    public long write(long offset, MemorySegment memory, long from, long bytes) {
        requireNative(offset, memory);
        Objects.checkFromIndexSize(from, bytes, memory.byteSize());
        return isWritable() ? transfer(offset, memory, from, bytes, true) : -Errno.EBADF;
    }

    private long transfer(long offset, MemorySegment memory, long from, long bytes, boolean write) {
        if (!acquire()) {
            return -Errno.EBADF;
        }
        try {
            if (!memory.scope().isAlive()) {
                // Its address may be another's by now.
                return -Errno.EFAULT;
            }
            long done = 0;
            while (true) {
                long moved = transferOnce(offset + done, memory.address() + from + done, bytes - done, write);
                if (moved == -Errno.EINTR) {
                    continue;
                }
                if (moved < 0) {
                    return moved;
                }
                done += moved;
                if (done == bytes) {
                    return done;
                }
                if (moved == 0 || !isAligned(offset + done)) {
                    return write ? -Errno.EIO : done;
                }
            }
        } finally {
            Reference.reachabilityFence(memory);
            release();
        }
    }

    private long transferOnce(long offset, long address, long bytes, boolean write) {
        long part = Math.min(bytes, TRANSFER_MAX);
        if (!write) {
            return FileCalls.pread(fd, address, part, offset);
        }
        return syncsWrites
                ? FileCalls.pwriteOnce(fd, address, part, offset)
                : FileCalls.pwrite(fd, address, part, offset);
    }

    /**
     * Whether a transfer can go on from here. A direct one that stopped elsewhere has met the end of the file: the
     * kernel would refuse to go on from there, and there is nothing.
     */
    boolean isAligned(long offset) {
        return (offset & (offsetAlignment() - 1)) == 0;
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
        return FileCalls.sync(fd, dataOnly);
    }

    @Override
    public int setSize(long bytes) {
        requireSize(bytes);
        if (!isWritable() || !acquire()) {
            return -Errno.EBADF;
        }
        try {
            int result;
            do {
                result = FileCalls.setSize(fd, bytes);
            } while (result == -Errno.EINTR);
            return result;
        } finally {
            release();
        }
    }

    @Override
    public int punchHole(long offset, long bytes) {
        return fallocate(FileCalls.FALLOC_PUNCH_HOLE | FileCalls.FALLOC_KEEP_SIZE, offset, bytes);
    }

    @Override
    public int zeroRange(long offset, long bytes, boolean keepSize) {
        return fallocate(FileCalls.FALLOC_ZERO_RANGE | (keepSize ? FileCalls.FALLOC_KEEP_SIZE : 0), offset, bytes);
    }

    @Override
    public int allocate(long offset, long bytes, boolean keepSize) {
        return fallocate(keepSize ? FileCalls.FALLOC_KEEP_SIZE : 0, offset, bytes);
    }

    @Override
    public boolean supports(AioOperation operation) {
        if (!isWritable() && operation.needsWriteAccess()) {
            return false;
        }
        return switch (operation) {
            case READ, WRITE, FSYNC, FDATASYNC -> true;
            case PUNCH_HOLE -> isTried(FileCalls.FALLOC_PUNCH_HOLE);
            case ZERO_RANGE -> isTried(FileCalls.FALLOC_ZERO_RANGE);
            case ALLOCATE -> isTried(0);
        };
    }

    /**
     * Whether a mode of fallocate works, by trying it. Of a block device, on which nothing can be tried, only holes and
     * zeroes are known, and those are what the system says that the device can do.
     */
    private boolean isTried(int mode) {
        if (blockDevice) {
            return mode != 0 && FileFacts.canZero(device);
        }
        synchronized (tried) {
            Boolean known = tried.get(mode);
            if (known == null) {
                int result = tryBeside(mode);
                known = isPossible(result == -Errno.ENODEV ? tryBehindTheEnd(mode) : result);
                tried.put(mode, known);
            }
            return known;
        }
    }

    private static boolean isPossible(int result) {
        // Too far, or too full: it can be done in principle.
        return result == 0 || result == -Errno.EFBIG || result == -Errno.ENOSPC || result == -Errno.EDQUOT;
    }

    /**
     * Tries a mode on a file without a name in the same directory, which leaves no trace; ENODEV if none can be made
     * there, or it is on another file system.
     */
    private int tryBeside(int mode) {
        FileFacts mine = facts();
        if (mine == null || !isWritable() || !acquire()) {
            return -Errno.EBADF;
        }
        int beside = -1;
        try (Arena arena = Arena.ofConfined()) {
            // Where it is now; if it has no name any more, where it was.
            Path directory = Files.readSymbolicLink(Path.of("/proc/self/fd/" + fd)).getParent();
            if (directory == null) {
                return -Errno.ENODEV;
            }
            MemorySegment name = PathName.of(directory, arena);
            beside = FileCalls.open(name, FileCalls.O_CLOEXEC | FileCalls.O_RDWR | Platform.CURRENT.openTemporary);
            if (beside < 0 || FileFacts.ofDescriptor(beside).device() != mine.device()) {
                return -Errno.ENODEV;
            }
            return allocateOf(beside, mode | FileCalls.FALLOC_KEEP_SIZE, 0, blockBytes());
        } catch (IOException e) {
            return -Errno.ENODEV;
        } finally {
            if (beside >= 0) {
                FileCalls.close(beside);
            }
            release();
        }
    }

    /**
     * Tries a mode on a block far behind the end, and gives the block back. Not the first choice: ext4 frees nothing that
     * lies behind the end, and keeps the block until the file is truncated.
     */
    int tryBehindTheEnd(int mode) {
        if (!isWritable() || !acquire()) {
            return -Errno.EBADF;
        }
        // To the end, also if the file is closed meanwhile: the block has to be given back.
        try {
            long behind = (size() / blockBytes() + TRIAL_BLOCKS_BEHIND) * blockBytes();
            int result = allocateOf(fd, mode | FileCalls.FALLOC_KEEP_SIZE, behind, blockBytes());
            if (result == 0 && mode != FileCalls.FALLOC_PUNCH_HOLE) {
                int _ = allocateOf(fd, FileCalls.FALLOC_PUNCH_HOLE | FileCalls.FALLOC_KEEP_SIZE, behind, blockBytes());
            }
            return result;
        } catch (IOException e) {
            return -Errno.EBADF;
        } finally {
            release();
        }
    }

    private int fallocate(int mode, long offset, long bytes) {
        if (!isWritable() || !acquire()) {
            return -Errno.EBADF;
        }
        try {
            return allocateOf(fd, mode, offset, bytes);
        } finally {
            release();
        }
    }

    private static int allocateOf(int fd, int mode, long offset, long bytes) {
        int result;
        do {
            result = FileCalls.fallocate(fd, mode, offset, bytes);
        } while (result == -Errno.EINTR);
        return result;
    }

    @Override
    public int advise(Advice advice, long offset, long bytes) {
        requireRange(offset, bytes);
        if (!acquire()) {
            return -Errno.EBADF;
        }
        try {
            return FileCalls.advise(fd, offset, bytes, advice.number);
        } finally {
            release();
        }
    }

    @Override
    public int dropPageCache() {
        if (!acquire()) {
            return -Errno.EBADF;
        }
        try {
            int synced = FileCalls.sync(fd, false);
            return synced < 0 ? synced : FileCalls.advise(fd, 0, 0, Advice.DONT_NEED.number);
        } finally {
            release();
        }
    }

    @Override
    public boolean tryLock(boolean exclusive) throws IOException {
        if (!acquire()) {
            throw new FileSystemException(path().toString(), null, "is closed");
        }
        try {
            int result = FileCalls.lock(fd, exclusive ? FileCalls.F_WRLCK : FileCalls.F_RDLCK);
            if (result == -Errno.EAGAIN || result == -Errno.EACCES) {
                return false;
            }
            if (result < 0) {
                throw new FileSystemException(path().toString(), null,
                        (exclusive ? "cannot be locked exclusively (" : "cannot be locked (") + Errno.name(result)
                                + ")");
            }
            locked = true;
            return true;
        } finally {
            release();
        }
    }

    @Override
    boolean hasDescriptor() {
        return true;
    }

    @Override
    Object identity() {
        return identity;
    }

    @Override
    boolean tryLockRange(long position, long bytes, boolean shared) throws IOException {
        if (!acquire()) {
            throw closedFailure();
        }
        try {
            int result = FileCalls.lock(fd, shared ? FileCalls.F_RDLCK : FileCalls.F_WRLCK, position, bytes);
            if (result == -Errno.EAGAIN || result == -Errno.EACCES) {
                return false;
            }
            long _ = check(result, "lock of " + bytes + " bytes at " + position);
            locked = true;
            return true;
        } finally {
            release();
        }
    }

    @Override
    void unlockRange(long position, long bytes) throws IOException {
        if (acquire()) {
            try {
                long _ = check(FileCalls.lock(fd, FileCalls.F_UNLCK, position, bytes),
                        "release of a lock of " + bytes + " bytes at " + position);
            } finally {
                release();
            }
        }
    }

    @Override
    public boolean isSameFile(AioFile other) {
        NativeFile there = switch (other) {
            case NativeFile file -> file;
            case ChannelFile file -> file.companion();
            case MemoryFile _,DrivenFile _ -> null;
        };
        return there != null && isSameNative(there);
    }

    @Override
    public NativeFile reopen(boolean direct) throws IOException {
        if (!acquire()) {
            throw closedFailure();
        }
        try {
            Path link = Path.of("/proc/self/fd/" + fd);
            NativeFile opened = open(openingAgain(direct), Files.exists(link) ? link : path());
            if (!isSameNative(opened)) {
                opened.close();
                throw anotherFailure();
            }
            return opened;
        } finally {
            release();
        }
    }

    private boolean isSameNative(NativeFile other) {
        if (this == other) {
            return true;
        }
        FileFacts mine = facts();
        FileFacts others = other.facts();
        return mine != null && others != null && mine.isSame(others);
    }

    private @Nullable FileFacts facts() {
        if (!acquire()) {
            return null;
        }
        try {
            FileFacts facts = FileFacts.ofDescriptor(fd);
            return facts.result() < 0 ? null : facts;
        } finally {
            release();
        }
    }

    /** Whether it may hold a lock: to give that up may ask a server. */
    boolean isLocked() {
        return locked;
    }

    /**
     * No ring has anything of the file any more: a table that had it would keep a lock alive after the descriptor is closed. Nobody uses
     * it.
     */
    void leaveRings() {
        Registration[] places;
        FileLane[] known;
        synchronized (this) {
            places = registrations;
            known = lanes;
            registrations = new Registration[0];
            lanes = new FileLane[0];
        }
        for (Registration registration : places) {
            registration.table.forget(registration.index);
        }
        for (FileLane lane : known) {
            lane.slots.fileWent();
        }
    }

    @Override
    int closeNow() {
        if (locked) {
            FileCalls.lock(fd, FileCalls.F_UNLCK);
        }
        leaveRings();
        return FileCalls.close(fd);
    }

    /** Closes the descriptor, unless it has been closed, and may be another file's: 0, or a negative errno. Nobody uses the file. */
    int closeIfItsOwn() {
        FileFacts facts = FileFacts.ofDescriptor(fd);
        return facts.result() >= 0 && identity.equals(identity(facts)) ? FileCalls.close(fd) : 0;
    }
}
