package io.blkmq.testkit.fuse;

import java.lang.foreign.MemoryLayout;
import java.lang.foreign.StructLayout;
import java.lang.foreign.ValueLayout;
import java.util.List;

/**
 * The structures that the kernel and a FUSE server exchange over {@code /dev/fuse}, named as in {@code linux/fuse.h}, of protocol 7.31.
 *
 * <pre>
 *   request   fuse_in_header, the operation's *_in, names that end with a zero byte, data
 *   reply     fuse_out_header, the operation's *_out, data
 *   notice    fuse_out_header with unique = 0 and error = its code, a fuse_notify_*_out, a name
 * </pre>
 *
 * <p>All integers have the machine's byte order, and each structure is a multiple of eight bytes long.
 */
final class FuseAbi {
    /** The protocol that this server speaks. */
    static final int MAJOR = 7;
    static final int MINOR = 31;
    /** The node of the mount's root directory. */
    static final long ROOT = 1;
    /** The longest name, encoded. */
    static final int NAME_BYTES_MAX = 255;

    private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG;
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT;
    private static final ValueLayout.OfShort SHORT = ValueLayout.JAVA_SHORT;

    static final StructLayout IN_HEADER = struct("fuse_in_header", INT.withName("len"), INT.withName("opcode"),
            LONG.withName("unique"), LONG.withName("nodeid"), INT.withName("uid"), INT.withName("gid"),
            INT.withName("pid"), MemoryLayout.paddingLayout(4));
    static final StructLayout OUT_HEADER = struct("fuse_out_header", INT.withName("len"), INT.withName("error"),
            LONG.withName("unique"));
    static final StructLayout ATTR = struct("fuse_attr", LONG.withName("ino"), LONG.withName("size"),
            LONG.withName("blocks"), LONG.withName("atime"), LONG.withName("mtime"), LONG.withName("ctime"),
            INT.withName("atimensec"), INT.withName("mtimensec"), INT.withName("ctimensec"), INT.withName("mode"),
            INT.withName("nlink"), INT.withName("uid"), INT.withName("gid"), INT.withName("rdev"),
            INT.withName("blksize"), MemoryLayout.paddingLayout(4));
    static final StructLayout ENTRY_OUT = struct("fuse_entry_out", LONG.withName("nodeid"), LONG.withName("generation"),
            LONG.withName("entry_valid"), LONG.withName("attr_valid"), INT.withName("entry_valid_nsec"),
            INT.withName("attr_valid_nsec"), ATTR.withName("attr"));
    static final StructLayout ATTR_OUT = struct("fuse_attr_out", LONG.withName("attr_valid"),
            INT.withName("attr_valid_nsec"), INT.withName("dummy"), ATTR.withName("attr"));
    static final StructLayout KSTATFS = struct("fuse_kstatfs", LONG.withName("blocks"), LONG.withName("bfree"),
            LONG.withName("bavail"), LONG.withName("files"), LONG.withName("ffree"), INT.withName("bsize"),
            INT.withName("namelen"), INT.withName("frsize"), MemoryLayout.paddingLayout(28));
    /** Kernels before 7.36 send no more of it than its members here. */
    static final StructLayout INIT_IN = struct("fuse_init_in", INT.withName("major"), INT.withName("minor"),
            INT.withName("max_readahead"), INT.withName("flags"), MemoryLayout.paddingLayout(48));
    static final StructLayout INIT_OUT = struct("fuse_init_out", INT.withName("major"), INT.withName("minor"),
            INT.withName("max_readahead"), INT.withName("flags"), SHORT.withName("max_background"),
            SHORT.withName("congestion_threshold"), INT.withName("max_write"), INT.withName("time_gran"),
            SHORT.withName("max_pages"), SHORT.withName("map_alignment"), MemoryLayout.paddingLayout(32));
    static final StructLayout FORGET_IN = struct("fuse_forget_in", LONG.withName("nlookup"));
    static final StructLayout BATCH_FORGET_IN = struct("fuse_batch_forget_in", INT.withName("count"),
            INT.withName("dummy"));
    static final StructLayout FORGET_ONE = struct("fuse_forget_one", LONG.withName("nodeid"), LONG.withName("nlookup"));
    static final StructLayout SETATTR_IN = struct("fuse_setattr_in", INT.withName("valid"), INT.withName("padding"),
            LONG.withName("fh"), LONG.withName("size"), LONG.withName("lock_owner"), LONG.withName("atime"),
            LONG.withName("mtime"), LONG.withName("ctime"), INT.withName("atimensec"), INT.withName("mtimensec"),
            INT.withName("ctimensec"), INT.withName("mode"), INT.withName("unused4"), INT.withName("uid"),
            INT.withName("gid"), INT.withName("unused5"));
    static final StructLayout MKNOD_IN = struct("fuse_mknod_in", INT.withName("mode"), INT.withName("rdev"),
            INT.withName("umask"), INT.withName("padding"));
    static final StructLayout MKDIR_IN = struct("fuse_mkdir_in", INT.withName("mode"), INT.withName("umask"));
    static final StructLayout RENAME_IN = struct("fuse_rename_in", LONG.withName("newdir"));
    static final StructLayout RENAME2_IN = struct("fuse_rename2_in", LONG.withName("newdir"), INT.withName("flags"),
            INT.withName("padding"));
    static final StructLayout LINK_IN = struct("fuse_link_in", LONG.withName("oldnodeid"));
    static final StructLayout OPEN_IN = struct("fuse_open_in", INT.withName("flags"), MemoryLayout.paddingLayout(4));
    static final StructLayout CREATE_IN = struct("fuse_create_in", INT.withName("flags"), INT.withName("mode"),
            INT.withName("umask"), MemoryLayout.paddingLayout(4));
    static final StructLayout OPEN_OUT = struct("fuse_open_out", LONG.withName("fh"), INT.withName("open_flags"),
            MemoryLayout.paddingLayout(4));
    static final StructLayout RELEASE_IN = struct("fuse_release_in", LONG.withName("fh"), INT.withName("flags"),
            INT.withName("release_flags"), LONG.withName("lock_owner"));
    static final StructLayout READ_IN = struct("fuse_read_in", LONG.withName("fh"), LONG.withName("offset"),
            INT.withName("size"), INT.withName("read_flags"), LONG.withName("lock_owner"), INT.withName("flags"),
            INT.withName("padding"));
    static final StructLayout WRITE_IN = struct("fuse_write_in", LONG.withName("fh"), LONG.withName("offset"),
            INT.withName("size"), INT.withName("write_flags"), LONG.withName("lock_owner"), INT.withName("flags"),
            INT.withName("padding"));
    static final StructLayout WRITE_OUT = struct("fuse_write_out", INT.withName("size"), INT.withName("padding"));
    static final StructLayout FSYNC_IN = struct("fuse_fsync_in", LONG.withName("fh"), INT.withName("fsync_flags"),
            INT.withName("padding"));
    static final StructLayout FALLOCATE_IN = struct("fuse_fallocate_in", LONG.withName("fh"), LONG.withName("offset"),
            LONG.withName("length"), INT.withName("mode"), INT.withName("padding"));
    static final StructLayout LSEEK_IN = struct("fuse_lseek_in", LONG.withName("fh"), LONG.withName("offset"),
            INT.withName("whence"), INT.withName("padding"));
    static final StructLayout LSEEK_OUT = struct("fuse_lseek_out", LONG.withName("offset"));
    /** The name follows at once; the whole is padded to eight bytes. */
    static final StructLayout DIRENT = struct("fuse_dirent", LONG.withName("ino"), LONG.withName("off"),
            INT.withName("namelen"), INT.withName("type"));
    static final StructLayout INVAL_INODE_OUT = struct("fuse_notify_inval_inode_out", LONG.withName("ino"),
            LONG.withName("off"), LONG.withName("len"));
    static final StructLayout INVAL_ENTRY_OUT = struct("fuse_notify_inval_entry_out", LONG.withName("parent"),
            INT.withName("namelen"), MemoryLayout.paddingLayout(4));

    /** All of them, to be compared with the machine's header. */
    static final List<StructLayout> STRUCTURES = List.of(IN_HEADER, OUT_HEADER, ATTR, ENTRY_OUT, ATTR_OUT, KSTATFS,
            INIT_IN, INIT_OUT, FORGET_IN, BATCH_FORGET_IN, FORGET_ONE, SETATTR_IN, MKNOD_IN, MKDIR_IN, RENAME_IN,
            RENAME2_IN, LINK_IN, OPEN_IN, CREATE_IN, OPEN_OUT, RELEASE_IN, READ_IN, WRITE_IN, WRITE_OUT, FSYNC_IN,
            FALLOCATE_IN, LSEEK_IN, LSEEK_OUT, DIRENT, INVAL_INODE_OUT, INVAL_ENTRY_OUT);

    private FuseAbi() {}

    private static StructLayout struct(String name, MemoryLayout... members) {
        return MemoryLayout.structLayout(members).withName(name);
    }

    /** Where a member of a structure is, in bytes from its beginning. */
    static long offset(StructLayout struct, String member) {
        return struct.byteOffset(MemoryLayout.PathElement.groupElement(member));
    }
}
