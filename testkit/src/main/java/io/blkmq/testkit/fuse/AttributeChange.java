package io.blkmq.testkit.fuse;

import io.blkmq.testkit.tree.FileTree;
import io.blkmq.testkit.tree.TreeException;
import java.util.concurrent.TimeUnit;

/**
 * What a SETATTR changes: only what {@code valid} names.
 *
 * @param accessedNanos as {@link FileTree#setTimes} takes it
 * @param modifiedNanos as {@link FileTree#setTimes} takes it
 */
record AttributeChange(int valid, int mode, int uid, int gid, long size, long accessedNanos, long modifiedNanos) {
    private static final int MODE = 1;
    private static final int UID = 1 << 1;
    private static final int GID = 1 << 2;
    private static final int SIZE = 1 << 3;
    private static final int ATIME = 1 << 4;
    private static final int MTIME = 1 << 5;
    private static final int ATIME_NOW = 1 << 7;
    private static final int MTIME_NOW = 1 << 8;
    private static final int KEPT = -1;

    static AttributeChange of(FuseRequest request) {
        int valid = request.intAt(offset("valid"));
        return new AttributeChange(valid, request.intAt(offset("mode")), request.intAt(offset("uid")),
                request.intAt(offset("gid")), request.longAt(offset("size")),
                time(request, valid & ATIME, valid & ATIME_NOW, "atime", "atimensec"),
                time(request, valid & MTIME, valid & MTIME_NOW, "mtime", "mtimensec"));
    }

    private static long offset(String member) {
        return FuseAbi.offset(FuseAbi.SETATTR_IN, member);
    }

    private static long time(FuseRequest request, int set, int now, String seconds, String nanos) {
        if (set == 0) {
            return FileTree.TIME_KEPT;
        }
        return now != 0
                ? FileTree.TIME_NOW
                : TimeUnit.SECONDS.toNanos(request.longAt(offset(seconds))) + request.intAt(offset(nanos));
    }

    private boolean has(int bits) {
        return (valid & bits) != 0;
    }

    /** The size comes first: it is what may fail. */
    void apply(FileTree tree, long inode) throws TreeException {
        if (has(SIZE)) {
            tree.truncate(inode, size);
        }
        if (has(MODE)) {
            tree.setMode(inode, mode);
        }
        if (has(UID | GID)) {
            tree.setOwner(inode, has(UID) ? uid : KEPT, has(GID) ? gid : KEPT);
        }
        if (has(ATIME | MTIME)) {
            tree.setTimes(inode, accessedNanos, modifiedNanos);
        }
    }
}
