package io.blkmq.testkit.provider;

import io.blkmq.testkit.tree.Attributes;
import io.blkmq.testkit.tree.Kind;
import java.nio.file.attribute.FileTime;
import java.nio.file.attribute.GroupPrincipal;
import java.nio.file.attribute.PosixFileAttributes;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.UserPrincipal;
import java.util.EnumSet;
import java.util.Set;

/** What a file's inode told when it was asked. Immutable. */
final class TreeAttributes implements PosixFileAttributes {
    private final TreeFileSystem fileSystem;
    private final Attributes inode;

    TreeAttributes(TreeFileSystem fileSystem, Attributes inode) {
        this.fileSystem = fileSystem;
        this.inode = inode;
    }

    /** Equal for names of one file of one file system. */
    private record FileKey(TreeFileSystem fileSystem, long inode) {
        @Override
        public String toString() {
            return "(" + fileSystem + ", inode " + inode + ")";
        }
    }

    /** The permissions that a mode grants. The constants of the enumeration stand in the order of the bits, from the highest. */
    static Set<PosixFilePermission> permissions(int mode) {
        Set<PosixFilePermission> granted = EnumSet.noneOf(PosixFilePermission.class);
        for (PosixFilePermission permission : PosixFilePermission.values()) {
            if ((mode & bit(permission)) != 0) {
                granted.add(permission);
            }
        }
        return granted;
    }

    /** The mode that grants some permissions. */
    static int mode(Set<PosixFilePermission> permissions) {
        return permissions.stream().mapToInt(TreeAttributes::bit).sum();
    }

    @SuppressWarnings("EnumOrdinal") // see permissions(int)
    private static int bit(PosixFilePermission permission) {
        return 0400 >>> permission.ordinal();
    }

    Attributes inode() {
        return inode;
    }

    @Override
    public UserPrincipal owner() {
        return Principals.user(inode.uid());
    }

    @Override
    public GroupPrincipal group() {
        return Principals.group(inode.gid());
    }

    @Override
    public Set<PosixFilePermission> permissions() {
        return permissions(inode.mode());
    }

    @Override
    public FileTime lastModifiedTime() {
        return FileTimes.of(inode.modifiedNanos());
    }

    @Override
    public FileTime lastAccessTime() {
        return FileTimes.of(inode.accessedNanos());
    }

    @Override
    public FileTime creationTime() {
        return FileTimes.of(inode.createdNanos());
    }

    @Override
    public boolean isRegularFile() {
        return inode.kind() == Kind.FILE;
    }

    @Override
    public boolean isDirectory() {
        return inode.kind() == Kind.DIRECTORY;
    }

    @Override
    public boolean isSymbolicLink() {
        return inode.kind() == Kind.SYMLINK;
    }

    @Override
    public boolean isOther() {
        return false;
    }

    @Override
    public long size() {
        return inode.size();
    }

    @Override
    public Object fileKey() {
        return new FileKey(fileSystem, inode.inode());
    }
}
