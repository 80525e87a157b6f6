package io.blkmq.testkit.tree;

import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/**
 * A file system's tree in memory: directories, files and symbolic links, addressed by inode numbers that are never used again. The root
 * has number {@value #ROOT}. It knows no paths, no open files and no permissions: whoever asks resolves paths by {@link #find}, keeps
 * what is open alive by {@link #hold}, and checks modes. Failures are {@link TreeException}s, after which nothing has changed.
 *
 * <p>Thread-safe by the tree's own monitor: each operation happens at one instant, and the {@link ChangeLog} has that order.
 *
 * <p>A {@link #fork} shares everything with its original until one of them changes it. A fork can also be changed by single effects
 * without checks: {@link #restore}, {@link #putEntry}, {@link #removeEntry}, {@link #poke}, {@link #setSize}, and then
 * {@link #settle}, which makes a sound tree of what is there, as a check of the file system after a crash does.
 */
public final class FileTree {
    /** The inode of the directory that has no other above it. */
    public static final long ROOT = 1;
    /** No name has a smaller cookie; smaller ones are free for what a reader of directories adds. */
    public static final long FIRST_COOKIE = 16;
    /** A name has at most so many bytes in UTF-8. */
    public static final int NAME_BYTES_MAX = 255;
    /** A target of a symbolic link has at most so many bytes in UTF-8. */
    public static final int TARGET_BYTES_MAX = 4095;
    /** A file is at most so large. */
    public static final long FILE_BYTES_MAX = 1L << 44;
    /** A tree has at most so much capacity. */
    public static final long CAPACITY_BYTES_MAX = 1L << 40;
    /** Data is kept in pages of so many bytes. */
    public static final int PAGE_BYTES = Page.BYTES;
    /** A time that {@link #setTimes} does not set. */
    public static final long TIME_KEPT = Long.MIN_VALUE;
    /** A time that {@link #setTimes} sets to the clock's. */
    public static final long TIME_NOW = Long.MIN_VALUE + 1;

    private static final int ROOT_MODE = 0755;

    private final long capacityBytes;
    private final LongSupplier clock;
    private final Inodes inodes;
    private final Namespace names;
    private final Map<Long, Integer> holds = new HashMap<>();
    private @Nullable ChangeLog log;
    private boolean readOnly;

    /**
     * An empty tree, whose root belongs to user and group 0 and has mode 0755.
     *
     * @param capacityBytes of data, in pages; names cost nothing
     * @param clock nanoseconds since 1970; called with the tree's lock held
     * @throws IllegalArgumentException if the capacity is negative or more than {@link #CAPACITY_BYTES_MAX}
     */
    public FileTree(long capacityBytes, LongSupplier clock) {
        this(capacityBytes, clock, 0, 0);
    }

    /**
     * An empty tree, whose root has mode 0755.
     *
     * @param capacityBytes of data, in pages; names cost nothing
     * @param clock nanoseconds since 1970; called with the tree's lock held
     * @param uid the owner of the root
     * @param gid the group of the root
     * @throws IllegalArgumentException if the capacity is negative or more than {@link #CAPACITY_BYTES_MAX}
     */
    public FileTree(long capacityBytes, LongSupplier clock, int uid, int gid) {
        if (capacityBytes < 0 || capacityBytes > CAPACITY_BYTES_MAX) {
            throw new IllegalArgumentException(
                    "capacityBytes " + capacityBytes + ": 0 to " + CAPACITY_BYTES_MAX + " are possible");
        }
        this.capacityBytes = capacityBytes;
        this.clock = clock;
        this.inodes = new Inodes();
        this.names = new Namespace(inodes, clock);
        Directory root = new Directory(inodes.owner(), inodes.newNumber(), ROOT_MODE, ROOT, clock.getAsLong());
        root.nlink = 2;
        root.uid = uid;
        root.gid = gid;
        inodes.add(root);
    }

    private FileTree(FileTree original) {
        this.capacityBytes = original.capacityBytes;
        this.clock = original.clock;
        this.inodes = original.inodes.fork();
        this.names = new Namespace(inodes, clock);
    }

    /**
     * An independent copy of the tree as it is now. It costs nothing until one of the two changes. In the copy nothing is held, so files
     * without a name are not in it; it can be written and has no log.
     *
     * @return the copy
     */
    public synchronized FileTree fork() {
        FileTree copy = new FileTree(this);
        for (long held : holds.keySet()) {
            copy.reclaim(held);
        }
        return copy;
    }

    /**
     * Begins to record changes.
     *
     * @return the log, with this tree as it is now
     * @throws IllegalStateException if there is a log already
     */
    public synchronized ChangeLog startLog() {
        if (log != null) {
            throw new IllegalStateException("the tree has a log already, of " + log.size() + " changes");
        }
        log = new ChangeLog(fork());
        return log;
    }

    /** Ends recording: the log gets no more changes. Without a log nothing happens. */
    public synchronized void stopLog() {
        log = null;
    }

    /**
     * Forbids changes, or allows them again. Syncs and holding are no changes.
     *
     * @param forbidden whether changes fail with {@link Errno#EROFS}
     */
    public synchronized void setReadOnly(boolean forbidden) {
        this.readOnly = forbidden;
    }

    /**
     * Whether changes are forbidden.
     *
     * @return so
     */
    public synchronized boolean isReadOnly() {
        return readOnly;
    }

    /**
     * The inode that has a name.
     *
     * @param directory where
     * @param name also "." and ".."
     * @return its number
     * @throws TreeException ENOENT, ENOTDIR, ENAMETOOLONG
     */
    public synchronized long lookup(long directory, String name) throws TreeException {
        long found = find(directory, name);
        if (found == 0) {
            throw new TreeException(Errno.ENOENT, "no '" + name + "' in " + inodes.directory(directory));
        }
        return found;
    }

    /**
     * The inode that has a name, if there is one.
     *
     * @param directory where
     * @param name also "." and ".."
     * @return its number, 0 for none
     * @throws TreeException ENOTDIR, ENAMETOOLONG; ENOENT if the directory does not exist
     */
    public synchronized long find(long directory, String name) throws TreeException {
        return names.find(directory, name);
    }

    /**
     * What is known of an inode.
     *
     * @param inode its number
     * @return as of now
     * @throws TreeException ENOENT
     */
    public synchronized Attributes attributes(long inode) throws TreeException {
        return inodes.get(inode).attributes();
    }

    /**
     * What an inode is.
     *
     * @param inode its number
     * @return which does not change
     * @throws TreeException ENOENT
     */
    public synchronized Kind kind(long inode) throws TreeException {
        return inodes.get(inode).kind();
    }

    /**
     * The target of a symbolic link.
     *
     * @param inode of the link
     * @return as it was given
     * @throws TreeException ENOENT, EINVAL if it is no link
     */
    public synchronized String readlink(long inode) throws TreeException {
        if (inodes.get(inode) instanceof SymbolicLink link) {
            return link.target;
        }
        throw new TreeException(Errno.EINVAL, inodes.get(inode) + " is no symbolic link");
    }

    /**
     * The names of a directory, without "." and "..".
     *
     * @param directory which
     * @return in the order of their cookies
     * @throws TreeException ENOENT, ENOTDIR
     */
    public List<DirectoryEntry> list(long directory) throws TreeException {
        return list(directory, 0, Integer.MAX_VALUE);
    }

    /**
     * Some names of a directory, without "." and "..".
     *
     * @param directory which
     * @param afterCookie of the last name that is known already, 0 for none
     * @param max how many at most
     * @return in the order of their cookies
     * @throws TreeException ENOENT, ENOTDIR
     */
    public synchronized List<DirectoryEntry> list(long directory, long afterCookie, int max) throws TreeException {
        List<DirectoryEntry> entries = new ArrayList<>();
        inodes.directory(directory).forEach(Math.max(0, afterCookie + 1), (cookie, name) -> {
            Inode inode = inodes.find(name.inode);
            if (entries.size() < max && inode != null) {
                entries.add(new DirectoryEntry(name.text, name.inode, inode.kind(), cookie));
            }
            return entries.size() < max;
        });
        return entries;
    }

    /**
     * Sets the permissions.
     *
     * @param inode of what
     * @param mode of which twelve bits count
     * @throws TreeException ENOENT, EROFS
     */
    public synchronized void setMode(long inode, int mode) throws TreeException {
        Inode own = changing(inode);
        own.mode = mode & Inode.MODE_MASK;
        own.changedNanos = now();
    }

    /**
     * Sets the owner.
     *
     * @param inode of what
     * @param uid the user, -1 to keep it
     * @param gid the group, -1 to keep it
     * @throws TreeException ENOENT, EROFS
     */
    public synchronized void setOwner(long inode, int uid, int gid) throws TreeException {
        Inode own = changing(inode);
        own.uid = uid == -1 ? own.uid : uid;
        own.gid = gid == -1 ? own.gid : gid;
        own.changedNanos = now();
    }

    /**
     * Sets times.
     *
     * @param inode of what
     * @param accessedNanos since 1970, or {@link #TIME_KEPT} or {@link #TIME_NOW}
     * @param modifiedNanos likewise
     * @throws TreeException ENOENT, EROFS
     */
    public synchronized void setTimes(long inode, long accessedNanos, long modifiedNanos) throws TreeException {
        Inode own = changing(inode);
        long now = now();
        own.accessedNanos = time(accessedNanos, own.accessedNanos, now);
        own.modifiedNanos = time(modifiedNanos, own.modifiedNanos, now);
        own.changedNanos = now;
    }

    private static long time(long given, long before, long now) {
        return given == TIME_KEPT ? before : given == TIME_NOW ? now : given;
    }

    /**
     * Makes an empty file.
     *
     * @param directory where
     * @param name of the file
     * @param mode its permissions
     * @param uid its owner
     * @param gid its group, unless the directory hands its own on
     * @return its inode
     * @throws TreeException EEXIST, ENOENT, ENOTDIR, EINVAL, ENAMETOOLONG, EROFS
     */
    public synchronized long create(long directory, String name, int mode, int uid, int gid) throws TreeException {
        requireWritable();
        return recorded(names.create(directory, name, mode, uid, gid)).inode();
    }

    /**
     * Makes a directory.
     *
     * @param directory where
     * @param name of the new one
     * @param mode its permissions
     * @param uid its owner
     * @param gid its group, unless the directory above hands its own on
     * @return its inode
     * @throws TreeException EEXIST, ENOENT, ENOTDIR, EINVAL, ENAMETOOLONG, EROFS
     */
    public synchronized long mkdir(long directory, String name, int mode, int uid, int gid) throws TreeException {
        requireWritable();
        return recorded(names.mkdir(directory, name, mode, uid, gid)).inode();
    }

    /**
     * Makes a symbolic link.
     *
     * @param directory where
     * @param name of the link
     * @param target any path, which need not exist
     * @param uid its owner
     * @param gid its group, unless the directory hands its own on
     * @return its inode
     * @throws TreeException EEXIST, ENOENT (also for an empty target), ENOTDIR, EINVAL, ENAMETOOLONG, EROFS
     */
    public synchronized long symlink(long directory, String name, String target, int uid, int gid)
            throws TreeException {
        requireWritable();
        return recorded(names.symlink(directory, name, target, uid, gid)).inode();
    }

    /**
     * Gives a file or a symbolic link another name.
     *
     * @param inode of the file
     * @param directory where the name is to be
     * @param name which is free
     * @throws TreeException EPERM for a directory; ENOENT, also if the file has no name any more; EEXIST, ENOTDIR, EINVAL,
     *             ENAMETOOLONG, EROFS
     */
    public synchronized void link(long inode, long directory, String name) throws TreeException {
        requireWritable();
        record(names.link(inode, directory, name));
    }

    /**
     * Takes a name from a file or a symbolic link, which is gone with its last name unless it is held.
     *
     * @param directory where the name is
     * @param name which
     * @throws TreeException ENOENT, ENOTDIR, EISDIR for a directory, EINVAL, EROFS
     */
    public synchronized void unlink(long directory, String name) throws TreeException {
        requireWritable();
        reclaim(recorded(names.unlink(directory, name)).inode());
    }

    /**
     * Removes an empty directory.
     *
     * @param directory where it is
     * @param name its own
     * @throws TreeException ENOTEMPTY, ENOENT, ENOTDIR, EINVAL, EROFS
     */
    public synchronized void rmdir(long directory, String name) throws TreeException {
        requireWritable();
        reclaim(recorded(names.rmdir(directory, name)).inode());
    }

    /** Drops an inode that has no name and is not held. */
    private void reclaim(long number) {
        Inode inode = inodes.find(number);
        if (inode != null && inode.nlink == 0 && !holds.containsKey(number)) {
            inodes.drop(inode);
        }
    }

    /**
     * Moves a name, or lets two change places, atomically. Names of one and the same file stay both, and nothing happens.
     *
     * @param fromDirectory where the name is
     * @param fromName which
     * @param toDirectory where it is to be
     * @param toName as which
     * @param mode what happens to a file that has the new name
     * @throws TreeException ENOENT, EEXIST, ENOTDIR, EISDIR, ENOTEMPTY, EINVAL (also for a directory that would come into itself),
     *             ENAMETOOLONG, EROFS
     */
    public synchronized void rename(long fromDirectory, String fromName, long toDirectory, String toName,
            RenameMode mode) throws TreeException {
        requireWritable();
        Change change = names.rename(fromDirectory, fromName, toDirectory, toName, mode);
        if (change != null) {
            record(change);
        }
        if (change instanceof Change.Rename rename) {
            reclaim(rename.replaced());
        }
    }

    /**
     * Reads.
     *
     * @param inode of a file
     * @param offset in bytes
     * @param target gets the data
     * @return how many bytes there were for it: fewer than it has at the end of the file, 0 beyond
     * @throws TreeException ENOENT, EISDIR, EINVAL for a negative offset
     */
    public synchronized long read(long inode, long offset, MemorySegment target) throws TreeException {
        RegularFile file = inodes.file(inode);
        requireNotNegative("offset", offset);
        return file.content.read(offset, target);
    }

    /**
     * Reads.
     *
     * @param inode of a file
     * @param offset in bytes
     * @param target gets the data from its position on, which advances
     * @return how many bytes there were, 0 at the end of the file
     * @throws TreeException ENOENT, EISDIR, EINVAL for a negative offset
     */
    public int read(long inode, long offset, ByteBuffer target) throws TreeException {
        int count = (int) read(inode, offset, MemorySegment.ofBuffer(target));
        target.position(target.position() + count);
        return count;
    }

    /**
     * Writes. The file grows where that ends beyond its size.
     *
     * @param inode of a file
     * @param offset in bytes
     * @param source the data
     * @return how much was written: less than there is if the capacity or the largest size of a file does not suffice for all of it
     * @throws TreeException ENOSPC or EFBIG if nothing could be written; ENOENT, EISDIR, EINVAL for a negative offset, EROFS
     */
    public synchronized long write(long inode, long offset, MemorySegment source) throws TreeException {
        requireWritable();
        RegularFile file = inodes.file(inode);
        requireNotNegative("offset", offset);
        long length = Math.min(source.byteSize(), Math.max(0, FILE_BYTES_MAX - offset));
        if (length == 0 && source.byteSize() > 0) {
            throw new TreeException(Errno.EFBIG,
                    "offset " + offset + ": a file has at most " + FILE_BYTES_MAX + " bytes");
        }
        length = fitting(file, offset, length);
        if (length == 0) {
            return 0;
        }
        long sizeBefore = file.size();
        RegularFile own = inodes.own(file);
        place(own, offset, source, 0, length);
        own.modifiedAt(now());
        if (log != null) {
            byte[] copy = new byte[Math.toIntExact(length)];
            MemorySegment.copy(source, 0, MemorySegment.ofArray(copy), 0, length);
            log.add(new Change.Write(inode, offset, copy, sizeBefore));
        }
        return length;
    }

    private long fitting(RegularFile file, long offset, long length) throws TreeException {
        long free = Math.max(0, capacityBytes / PAGE_BYTES - inodes.pages());
        if (length <= free * PAGE_BYTES - PAGE_BYTES) {
            return length;
        }
        long fitting = file.content.writable(offset, length, free);
        if (fitting == 0 && length > 0) {
            throw full(length);
        }
        return fitting;
    }

    private TreeException full(long length) {
        return new TreeException(Errno.ENOSPC,
                length + " bytes: " + inodes.pages() * PAGE_BYTES + " of " + capacityBytes + " bytes are used");
    }

    private void place(RegularFile file, long offset, MemorySegment source, long from, long length) {
        long pagesBefore = file.pages();
        file.content.write(inodes.owner(), offset, source, from, length);
        inodes.pagesChanged(file.pages() - pagesBefore);
    }

    /**
     * Writes.
     *
     * @param inode of a file
     * @param offset in bytes
     * @param source the data, from its position on, which advances
     * @return how much was written: less than there is if the capacity or the largest size of a file does not suffice for all of it
     * @throws TreeException ENOSPC or EFBIG if nothing could be written; ENOENT, EISDIR, EINVAL for a negative offset, EROFS
     */
    public int write(long inode, long offset, ByteBuffer source) throws TreeException {
        int count = (int) write(inode, offset, MemorySegment.ofBuffer(source));
        source.position(source.position() + count);
        return count;
    }

    /**
     * Writes at the end of a file.
     *
     * @param inode of a file
     * @param source the data, from its position on, which advances
     * @return the size of the file after it
     * @throws TreeException as {@link #write(long, long, ByteBuffer)}
     */
    public synchronized long append(long inode, ByteBuffer source) throws TreeException {
        long end = inodes.file(inode).size();
        return end + write(inode, end, source);
    }

    /**
     * Sets the size of a file: what is beyond is gone, what is new reads as zeroes and takes no space.
     *
     * @param inode of the file
     * @param size in bytes
     * @throws TreeException ENOENT, EISDIR, EINVAL for a negative size, EFBIG, EROFS
     */
    public synchronized void truncate(long inode, long size) throws TreeException {
        requireWritable();
        RegularFile file = inodes.file(inode);
        requireSize(size);
        RegularFile own = inodes.own(file);
        long before = own.size();
        own.modifiedAt(now());
        resize(own, size);
        if (size != before) {
            record(new Change.Truncate(inode, size, before));
        }
    }

    private void resize(RegularFile file, long size) {
        long pagesBefore = file.pages();
        file.content.resize(inodes.owner(), size);
        inodes.pagesChanged(file.pages() - pagesBefore);
    }

    /**
     * Reserves space for a range of a file, which reads as before. The log sees no more of it than the file's new size.
     *
     * @param inode of the file
     * @param offset in bytes
     * @param length in bytes, at least 1
     * @param keepSize whether the file keeps its size if the range ends beyond
     * @throws TreeException ENOSPC, ENOENT, EISDIR, EINVAL, EFBIG, EROFS
     */
    public synchronized void allocate(long inode, long offset, long length, boolean keepSize) throws TreeException {
        requireWritable();
        RegularFile file = inodes.file(inode);
        requireRange(offset, length);
        requireSize(offset + length);
        long free = capacityBytes / PAGE_BYTES - inodes.pages();
        if (length / PAGE_BYTES > free + file.pages() || file.content.missing(offset, length) > free) {
            throw full(length);
        }
        RegularFile own = inodes.own(file);
        long pagesBefore = own.pages();
        own.content.reserve(inodes.owner(), offset, length);
        inodes.pagesChanged(own.pages() - pagesBefore);
        own.changedNanos = now();
        if (!keepSize && offset + length > own.size()) {
            truncate(inode, offset + length);
        }
    }

    /**
     * Makes a range of a file read as zeroes and gives its whole pages back. The size stays.
     *
     * @param inode of the file
     * @param offset in bytes
     * @param length in bytes, at least 1; what is beyond the size does not count
     * @throws TreeException ENOENT, EISDIR, EINVAL, EROFS
     */
    public synchronized void punch(long inode, long offset, long length) throws TreeException {
        requireWritable();
        RegularFile file = inodes.file(inode);
        requireRange(offset, length);
        long within = Math.min(length, file.size() - offset);
        if (within <= 0) {
            return;
        }
        RegularFile own = inodes.own(file);
        long pagesBefore = own.pages();
        own.content.zero(inodes.owner(), offset, within);
        inodes.pagesChanged(own.pages() - pagesBefore);
        own.modifiedAt(now());
        record(new Change.Punch(inode, offset, within));
    }

    /**
     * Where data begins: lseek(2) with SEEK_DATA, in pages.
     *
     * @param inode of a file
     * @param offset from which on
     * @return at least the offset
     * @throws TreeException ENXIO if there is no data from there on; ENOENT, EISDIR, EINVAL
     */
    public synchronized long nextData(long inode, long offset) throws TreeException {
        RegularFile file = inodes.file(inode);
        requireWithin(file, offset);
        long found = file.content.nextData(offset);
        if (found < 0) {
            throw new TreeException(Errno.ENXIO, "no data from offset " + offset + " on");
        }
        return found;
    }

    /**
     * Where a hole begins: lseek(2) with SEEK_HOLE, in pages. The end of the file counts as one.
     *
     * @param inode of a file
     * @param offset from which on
     * @return at least the offset
     * @throws TreeException ENXIO if the offset is not within the file; ENOENT, EISDIR, EINVAL
     */
    public synchronized long nextHole(long inode, long offset) throws TreeException {
        RegularFile file = inodes.file(inode);
        requireWithin(file, offset);
        return file.content.nextHole(offset);
    }

    private static void requireWithin(RegularFile file, long offset) throws TreeException {
        requireNotNegative("offset", offset);
        if (offset >= file.size()) {
            throw new TreeException(Errno.ENXIO, "offset " + offset + ": the file has " + file.size() + " bytes");
        }
    }

    /**
     * A request to make a file or a directory durable, of which the log learns. Everything is in memory, so nothing else happens.
     *
     * @param inode of what
     * @param dataOnly whether it is fdatasync(2)
     * @throws TreeException ENOENT
     */
    public synchronized void sync(long inode, boolean dataOnly) throws TreeException {
        var _ = inodes.get(inode);
        record(new Change.Sync(inode, dataOnly));
    }

    /** A request to make all durable, of which the log learns. */
    public synchronized void syncAll() {
        record(new Change.SyncAll());
    }

    /**
     * Tells the log that the workload has acknowledged something.
     *
     * @param count how many acknowledgements there are with this one
     */
    public synchronized void acknowledge(int count) {
        record(new Change.Acknowledge(count));
    }

    /**
     * How full the tree is.
     *
     * @return as of now
     */
    public synchronized Usage statfs() {
        return new Usage(capacityBytes, inodes.pages() * PAGE_BYTES, inodes.size());
    }

    /**
     * Keeps an inode alive when it loses its last name, as an open file does. Each has to be released once.
     *
     * @param inode which
     * @throws TreeException ENOENT
     */
    public synchronized void hold(long inode) throws TreeException {
        var _ = inodes.get(inode);
        holds.merge(inode, 1, Integer::sum);
    }

    /**
     * Takes a {@link #hold} back. A file without names is gone with its last.
     *
     * @param inode which
     * @throws IllegalStateException if it is not held
     */
    public synchronized void release(long inode) {
        Integer count = holds.get(inode);
        if (count == null) {
            throw new IllegalStateException("inode " + inode + " is not held");
        }
        if (count > 1) {
            holds.put(inode, count - 1);
        } else {
            holds.remove(inode);
            reclaim(inode);
        }
    }

    /**
     * What is held.
     *
     * @return how often, by inode
     */
    public synchronized Map<Long, Integer> heldFiles() {
        return new TreeMap<>(holds);
    }

    /**
     * A path that leads to an inode, for messages. Looks at the whole tree.
     *
     * @param inode which
     * @return from the root, or text that says that there is none
     */
    public synchronized String pathOf(long inode) {
        return new TreeWalk(inodes).pathOf(inode);
    }

    /**
     * Makes an inode without a name: a single effect without checks.
     *
     * @param inode its number, which need not be new
     * @param kind of it
     * @param target of a symbolic link; otherwise it does not count
     * @param mode its permissions
     */
    public synchronized void restore(long inode, Kind kind, String target, int mode) {
        Inode before = inodes.find(inode);
        if (before != null) {
            inodes.drop(before);
        }
        Owner owner = inodes.owner();
        inodes.add(switch (kind) {
            case FILE -> new RegularFile(owner, inode, mode, now());
            case DIRECTORY -> new Directory(owner, inode, mode, ROOT, now());
            case SYMLINK -> new SymbolicLink(owner, inode, target, now());
        });
    }

    /**
     * Sets a name: a single effect without checks. Who had the name loses it.
     *
     * @param directory where; if it is gone, nothing happens
     * @param name which
     * @param inode who gets it, which need not exist yet
     */
    public synchronized void putEntry(long directory, String name, long inode) {
        if (existing(directory) instanceof Directory found) {
            inodes.own(found).put(name, inode);
        }
    }

    /**
     * Removes a name: a single effect without checks.
     *
     * @param directory where; if it is gone, nothing happens
     * @param name which may be missing
     */
    public synchronized void removeEntry(long directory, String name) {
        if (existing(directory) instanceof Directory found) {
            inodes.own(found).remove(name);
        }
    }

    /**
     * Sets bytes of a file: a single effect without checks. The size stays; what lies beyond it is there if {@link #setSize} makes the file
     * larger, and gone when the tree is settled or the file gets smaller.
     *
     * @param inode of the file; if it is gone, nothing happens
     * @param offset in the file
     * @param data has the bytes
     * @param from where they begin
     * @param length how many
     */
    public synchronized void poke(long inode, long offset, byte[] data, int from, int length) {
        if (existing(inode) instanceof RegularFile file) {
            RegularFile own = inodes.own(file);
            long pagesBefore = own.pages();
            own.content.poke(inodes.owner(), offset, MemorySegment.ofArray(data), from, length);
            inodes.pagesChanged(own.pages() - pagesBefore);
        }
    }

    /**
     * Sets the size of a file: a single effect without checks.
     *
     * @param inode of the file; if it is gone, nothing happens
     * @param size in bytes; what is new reads as zeroes
     */
    public synchronized void setSize(long inode, long size) {
        if (existing(inode) instanceof RegularFile file && (file.size() != size || file.content.isBeyond())) {
            resize(inodes.own(file), size);
        }
    }

    private @Nullable Inode existing(long inode) {
        if (!inodes.everHad(inode)) {
            throw new IllegalArgumentException("inode " + inode + " has never been there");
        }
        return inodes.find(inode);
    }

    /**
     * Makes a sound tree of one that was changed by single effects: data beyond the size of a file is gone; names without an inode are removed; of several names of a directory
     * the one nearest to the root stays, and of equally near ones the one with the smaller cookies; numbers of links are counted;
     * inodes that cannot be reached from the root are dropped.
     */
    public synchronized void settle() {
        new TreeWalk(inodes).settle();
    }

    /**
     * The identity of all that can be reached from the root: names, kinds, sizes, data (a hole equals zeroes), targets, and which names
     * belong to one file. Not of times, modes, owners and inode numbers. What has not changed since an earlier call, here or in a tree
     * that shares it, is not looked at again.
     *
     * @return 128 bits
     * @throws IllegalStateException if the tree has been changed by single effects and not been settled, so that there is no end to it
     */
    public synchronized Fingerprint fingerprint() {
        return new TreeWalk(inodes).fingerprint();
    }

    /**
     * Tells what makes this tree of an earlier one: the same effects, applied to a fork of that, make a tree like this. What the two share
     * is not looked at.
     *
     * @param earlier any tree
     * @param edits takes the effects
     */
    public void difference(FileTree earlier, TreeEdits edits) {
        new TreeDifference(earlier.fork().inodes, fork().inodes, edits).tell();
    }

    private Inode changing(long inode) throws TreeException {
        requireWritable();
        return inodes.own(inodes.get(inode));
    }

    private void requireWritable() throws TreeException {
        if (readOnly) {
            throw new TreeException(Errno.EROFS, "the file system is read-only");
        }
    }

    private static void requireNotNegative(String what, long value) throws TreeException {
        if (value < 0) {
            throw new TreeException(Errno.EINVAL, what + " " + value + ": at least 0 is possible");
        }
    }

    private static void requireSize(long size) throws TreeException {
        requireNotNegative("size", size);
        if (size > FILE_BYTES_MAX) {
            throw new TreeException(Errno.EFBIG, "size " + size + ": a file has at most " + FILE_BYTES_MAX + " bytes");
        }
    }

    private static void requireRange(long offset, long length) throws TreeException {
        requireNotNegative("offset", offset);
        if (length < 1 || offset + length < 0) {
            throw new TreeException(Errno.EINVAL, "length " + length + " at offset " + offset + " is no range");
        }
    }

    private <C extends Change> C recorded(C change) {
        record(change);
        return change;
    }

    private void record(Change change) {
        if (log != null) {
            log.add(change);
        }
    }

    private long now() {
        return clock.getAsLong();
    }
}
