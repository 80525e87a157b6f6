package io.blkmq.testkit.fuse;

import io.blkmq.testkit.tree.Attributes;
import io.blkmq.testkit.tree.Kind;
import io.blkmq.testkit.tree.Usage;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.concurrent.TimeUnit;

/**
 * The buffer in which replies are built, one after another: a header, and a body whose parts the methods here lay out. Each of them
 * returns the offset behind what it has put.
 */
final class FuseReply {
    /** How long the kernel may remember names and attributes. All changes pass it, and a switch of trees tells it to forget. */
    private static final long VALID_SECONDS = TimeUnit.DAYS.toSeconds(1);
    private static final int BLOCK_BYTES = 4096;
    private static final int STAT_BLOCK_BYTES = 512;
    private static final long NANOS = TimeUnit.SECONDS.toNanos(1);

    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT;
    private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG;
    private static final long HEADER_BYTES = FuseAbi.OUT_HEADER.byteSize();
    private static final long LEN = FuseAbi.offset(FuseAbi.OUT_HEADER, "len");
    private static final long ERROR = FuseAbi.offset(FuseAbi.OUT_HEADER, "error");
    private static final long UNIQUE = FuseAbi.offset(FuseAbi.OUT_HEADER, "unique");
    private static final long ENTRY_NODE = FuseAbi.offset(FuseAbi.ENTRY_OUT, "nodeid");
    private static final long ENTRY_VALID = FuseAbi.offset(FuseAbi.ENTRY_OUT, "entry_valid");
    private static final long ENTRY_ATTR_VALID = FuseAbi.offset(FuseAbi.ENTRY_OUT, "attr_valid");
    private static final long ENTRY_ATTR = FuseAbi.offset(FuseAbi.ENTRY_OUT, "attr");
    private static final long ATTR_VALID = FuseAbi.offset(FuseAbi.ATTR_OUT, "attr_valid");
    private static final long ATTR = FuseAbi.offset(FuseAbi.ATTR_OUT, "attr");
    private static final long INO = FuseAbi.offset(FuseAbi.ATTR, "ino");
    private static final long SIZE = FuseAbi.offset(FuseAbi.ATTR, "size");
    private static final long BLOCKS = FuseAbi.offset(FuseAbi.ATTR, "blocks");
    private static final long ATIME = FuseAbi.offset(FuseAbi.ATTR, "atime");
    private static final long MTIME = FuseAbi.offset(FuseAbi.ATTR, "mtime");
    private static final long CTIME = FuseAbi.offset(FuseAbi.ATTR, "ctime");
    private static final long ATIME_NANOS = FuseAbi.offset(FuseAbi.ATTR, "atimensec");
    private static final long MTIME_NANOS = FuseAbi.offset(FuseAbi.ATTR, "mtimensec");
    private static final long CTIME_NANOS = FuseAbi.offset(FuseAbi.ATTR, "ctimensec");
    private static final long MODE = FuseAbi.offset(FuseAbi.ATTR, "mode");
    private static final long NLINK = FuseAbi.offset(FuseAbi.ATTR, "nlink");
    private static final long UID = FuseAbi.offset(FuseAbi.ATTR, "uid");
    private static final long GID = FuseAbi.offset(FuseAbi.ATTR, "gid");
    private static final long BLKSIZE = FuseAbi.offset(FuseAbi.ATTR, "blksize");
    private static final long OPEN_HANDLE = FuseAbi.offset(FuseAbi.OPEN_OUT, "fh");
    private static final long OPEN_FLAGS = FuseAbi.offset(FuseAbi.OPEN_OUT, "open_flags");
    private static final long DIRENT_INO = FuseAbi.offset(FuseAbi.DIRENT, "ino");
    private static final long DIRENT_OFF = FuseAbi.offset(FuseAbi.DIRENT, "off");
    private static final long DIRENT_NAMELEN = FuseAbi.offset(FuseAbi.DIRENT, "namelen");
    private static final long DIRENT_TYPE = FuseAbi.offset(FuseAbi.DIRENT, "type");
    private static final int DT_REG = 8;
    private static final int DT_DIR = 4;
    private static final int DT_LNK = 10;

    private final MemorySegment buffer;
    private final MemorySegment body;
    private final Owner owner;

    /**
     * Who has mounted. What belongs to user 0 in a tree, as all does that no user has made there, is his on the mount: else only root could
     * use it.
     */
    record Owner(int uid, int gid) {
        static final Owner ROOT = new Owner(0, 0);
    }

    FuseReply(MemorySegment buffer, Owner owner) {
        this.owner = owner;
        this.buffer = buffer;
        this.body = buffer.asSlice(HEADER_BYTES);
    }

    /** The whole reply, as far as {@link #end} says that it goes. */
    MemorySegment buffer() {
        return buffer;
    }

    /** Where data of a reply goes. */
    MemorySegment body() {
        return body;
    }

    /**
     * Writes the header.
     *
     * @param unique of the request, 0 for a notice
     * @param error 0, or a negated errno, with which there is no body, or the code of a notice
     * @return how long the whole is
     */
    long end(long unique, int error, long bodyBytes) {
        long bytes = HEADER_BYTES + (error < 0 ? 0 : bodyBytes);
        buffer.set(INT, LEN, (int) bytes);
        buffer.set(INT, ERROR, error);
        buffer.set(LONG, UNIQUE, unique);
        return bytes;
    }

    /** Zeroes what a structure does not set. */
    void clear(long offset, long bytes) {
        body.asSlice(offset, bytes).fill((byte) 0);
    }

    void setInt(long offset, int value) {
        body.set(INT, offset, value);
    }

    void setLong(long offset, long value) {
        body.set(LONG, offset, value);
    }

    void setShort(long offset, int value) {
        body.set(ValueLayout.JAVA_SHORT, offset, (short) value);
    }

    /** A {@code fuse_entry_out}. Node 0 stands for a name of which nothing more is said. */
    long entry(long at, long node, Attributes attributes) {
        clear(at, FuseAbi.ENTRY_OUT.byteSize());
        body.set(LONG, at + ENTRY_NODE, node);
        body.set(LONG, at + ENTRY_VALID, VALID_SECONDS);
        body.set(LONG, at + ENTRY_ATTR_VALID, VALID_SECONDS);
        attributes(at + ENTRY_ATTR, node, attributes);
        return at + FuseAbi.ENTRY_OUT.byteSize();
    }

    /** A {@code fuse_entry_out} with node 0, in a listing. */
    long noEntry(long at) {
        clear(at, FuseAbi.ENTRY_OUT.byteSize());
        return at + FuseAbi.ENTRY_OUT.byteSize();
    }

    /** A {@code fuse_attr_out}. */
    long attributes(long node, Attributes attributes) {
        clear(0, FuseAbi.ATTR_OUT.byteSize());
        body.set(LONG, ATTR_VALID, VALID_SECONDS);
        attributes(ATTR, node, attributes);
        return FuseAbi.ATTR_OUT.byteSize();
    }

    private void attributes(long at, long node, Attributes attributes) {
        body.set(LONG, at + INO, node);
        body.set(LONG, at + SIZE, attributes.size());
        body.set(LONG, at + BLOCKS, attributes.allocatedBytes() / STAT_BLOCK_BYTES);
        time(at + ATIME, at + ATIME_NANOS, attributes.accessedNanos());
        time(at + MTIME, at + MTIME_NANOS, attributes.modifiedNanos());
        time(at + CTIME, at + CTIME_NANOS, attributes.changedNanos());
        body.set(INT, at + MODE, attributes.unixMode());
        body.set(INT, at + NLINK, attributes.nlink());
        body.set(INT, at + UID, attributes.uid() == 0 ? owner.uid : attributes.uid());
        body.set(INT, at + GID, attributes.gid() == 0 ? owner.gid : attributes.gid());
        body.set(INT, at + BLKSIZE, BLOCK_BYTES);
    }

    private void time(long seconds, long nanos, long sinceEpoch) {
        body.set(LONG, seconds, Math.floorDiv(sinceEpoch, NANOS));
        body.set(INT, nanos, (int) Math.floorMod(sinceEpoch, NANOS));
    }

    /** A {@code fuse_open_out}. */
    long opened(long at, long handle, int flags) {
        clear(at, FuseAbi.OPEN_OUT.byteSize());
        body.set(LONG, at + OPEN_HANDLE, handle);
        body.set(INT, at + OPEN_FLAGS, flags);
        return at + FuseAbi.OPEN_OUT.byteSize();
    }

    /** How much a name takes in a listing. */
    static long nameBytes(byte[] name) {
        return Math.ceilDiv(FuseAbi.DIRENT.byteSize() + name.length, (long) Long.BYTES) * Long.BYTES;
    }

    /** A {@code fuse_dirent} with its name. */
    long name(long at, long node, long cookie, Kind kind, byte[] name) {
        long end = at + nameBytes(name);
        body.set(LONG, end - Long.BYTES, 0);
        body.set(LONG, at + DIRENT_INO, node);
        body.set(LONG, at + DIRENT_OFF, cookie);
        body.set(INT, at + DIRENT_NAMELEN, name.length);
        body.set(INT, at + DIRENT_TYPE, switch (kind) {
            case FILE -> DT_REG;
            case DIRECTORY -> DT_DIR;
            case SYMLINK -> DT_LNK;
        });
        MemorySegment.copy(name, 0, body, ValueLayout.JAVA_BYTE, at + FuseAbi.DIRENT.byteSize(), name.length);
        return end;
    }

    /** A {@code fuse_statfs_out}. */
    long usage(Usage usage) {
        clear(0, FuseAbi.KSTATFS.byteSize());
        long free = usage.freeBytes() / BLOCK_BYTES;
        setLong(FuseAbi.offset(FuseAbi.KSTATFS, "blocks"), usage.capacityBytes() / BLOCK_BYTES);
        setLong(FuseAbi.offset(FuseAbi.KSTATFS, "bfree"), free);
        setLong(FuseAbi.offset(FuseAbi.KSTATFS, "bavail"), free);
        setLong(FuseAbi.offset(FuseAbi.KSTATFS, "files"), usage.inodes() + Integer.MAX_VALUE);
        setLong(FuseAbi.offset(FuseAbi.KSTATFS, "ffree"), Integer.MAX_VALUE);
        setInt(FuseAbi.offset(FuseAbi.KSTATFS, "bsize"), BLOCK_BYTES);
        setInt(FuseAbi.offset(FuseAbi.KSTATFS, "frsize"), BLOCK_BYTES);
        setInt(FuseAbi.offset(FuseAbi.KSTATFS, "namelen"), FuseAbi.NAME_BYTES_MAX);
        return FuseAbi.KSTATFS.byteSize();
    }
}
