package io.blkmq.testkit.tree;

/** A file, a directory or a symbolic link, without its names. Guarded by the lock of the tree; read-only once it is shared by two trees. */
abstract sealed class Inode permits RegularFile, Directory, SymbolicLink {
    static final int MODE_MASK = 07777;

    final Owner owner;
    final long number;
    int mode;
    int uid;
    int gid;
    int nlink;
    long accessedNanos;
    long modifiedNanos;
    long changedNanos;
    final long createdNanos;

    Inode(Owner owner, long number, int mode, long nowNanos) {
        this.owner = owner;
        this.number = number;
        this.mode = mode & MODE_MASK;
        this.accessedNanos = nowNanos;
        this.modifiedNanos = nowNanos;
        this.changedNanos = nowNanos;
        this.createdNanos = nowNanos;
    }

    Inode(Owner owner, Inode other) {
        this.owner = owner;
        this.number = other.number;
        this.mode = other.mode;
        this.uid = other.uid;
        this.gid = other.gid;
        this.nlink = other.nlink;
        this.accessedNanos = other.accessedNanos;
        this.modifiedNanos = other.modifiedNanos;
        this.changedNanos = other.changedNanos;
        this.createdNanos = other.createdNanos;
    }

    /** A copy that an owner may modify. */
    abstract Inode copyFor(Owner modifier);

    abstract Kind kind();

    abstract long size();

    /** What it is, without its names. */
    abstract Fingerprint identity();

    /** How many pages it takes of the capacity. */
    long pages() {
        return 0;
    }

    void modifiedAt(long nowNanos) {
        modifiedNanos = nowNanos;
        changedNanos = nowNanos;
    }

    Attributes attributes() {
        return new Attributes(number, kind(), mode, uid, gid, nlink, size(), pages() * Page.BYTES, accessedNanos,
                modifiedNanos, changedNanos, createdNanos);
    }

    @Override
    public String toString() {
        return kind() + " " + number;
    }
}
