package io.blkmq.testkit.tree;

import java.nio.charset.StandardCharsets;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/**
 * The names of a tree: what gives, moves and takes them. Each operation checks everything before it changes anything, and returns what
 * it has changed. An inode that loses its last name stays; whether it is dropped is the tree's business. Guarded by the tree's lock.
 */
final class Namespace {
    private static final int SET_GID = 02000;
    /** A char of a string has at most so many bytes in UTF-8. */
    private static final int BYTES_OF_CHAR_MAX = 3;

    private final Inodes inodes;
    private final LongSupplier clock;

    Namespace(Inodes inodes, LongSupplier clock) {
        this.inodes = inodes;
        this.clock = clock;
    }

    long find(long directory, String name) throws TreeException {
        Directory parent = inodes.directory(directory);
        return switch (name) {
            case "." -> directory;
            case ".." -> parent.parent;
            default -> {
                requireLength(name);
                yield parent.find(name);
            }
        };
    }

    Change.Create create(long directory, String name, int mode, int uid, int gid) throws TreeException {
        requireFree(directory, name);
        return add(directory, name, new RegularFile(inodes.owner(), inodes.newNumber(), mode, now()), uid, gid);
    }

    Change.Create mkdir(long directory, String name, int mode, int uid, int gid) throws TreeException {
        requireFree(directory, name);
        int inherited = inodes.directory(directory).mode & SET_GID;
        return add(directory, name,
                new Directory(inodes.owner(), inodes.newNumber(), mode | inherited, directory, now()), uid, gid);
    }

    Change.Create symlink(long directory, String name, String target, int uid, int gid) throws TreeException {
        requireFree(directory, name);
        if (target.isEmpty()) {
            throw new TreeException(Errno.ENOENT, "the target of '" + name + "' is empty");
        }
        if (target.getBytes(StandardCharsets.UTF_8).length > FileTree.TARGET_BYTES_MAX) {
            throw new TreeException(Errno.ENAMETOOLONG,
                    "the target of '" + name + "' has more than " + FileTree.TARGET_BYTES_MAX + " bytes");
        }
        return add(directory, name, new SymbolicLink(inodes.owner(), inodes.newNumber(), target, now()), uid, gid);
    }

    private Change.Create add(long directory, String name, Inode inode, int uid, int gid) throws TreeException {
        Directory parent = inodes.own(inodes.directory(directory));
        boolean isDirectory = inode instanceof Directory;
        inode.uid = uid;
        inode.gid = (parent.mode & SET_GID) != 0 ? parent.gid : gid;
        inode.nlink = isDirectory ? 2 : 1;
        inodes.add(inode);
        parent.put(name, inode.number);
        parent.nlink += isDirectory ? 1 : 0;
        parent.modifiedAt(inode.createdNanos);
        String target = inode instanceof SymbolicLink link ? link.target : "";
        return new Change.Create(directory, name, inode.number, inode.kind(), target);
    }

    Change link(long inode, long directory, String name) throws TreeException {
        requireFree(directory, name);
        Inode found = inodes.get(inode);
        if (found instanceof Directory) {
            throw new TreeException(Errno.EPERM, found + " cannot have a second name");
        }
        if (found.nlink == 0) {
            throw new TreeException(Errno.ENOENT, found + " has no name any more");
        }
        Inode linked = inodes.own(found);
        Directory parent = inodes.own(inodes.directory(directory));
        long now = now();
        linked.nlink++;
        linked.changedNanos = now;
        parent.put(name, inode);
        parent.modifiedAt(now);
        return new Change.Link(directory, name, inode);
    }

    Change.Unlink unlink(long directory, String name) throws TreeException {
        Inode inode = named(directory, name);
        if (inode instanceof Directory) {
            throw new TreeException(Errno.EISDIR, "'" + name + "' is " + inode);
        }
        return takeAway(directory, name, inode);
    }

    Change.Unlink rmdir(long directory, String name) throws TreeException {
        if (!(named(directory, name) instanceof Directory removed)) {
            throw new TreeException(Errno.ENOTDIR, "'" + name + "' is no directory");
        }
        requireEmpty(name, removed);
        return takeAway(directory, name, removed);
    }

    private Change.Unlink takeAway(long directory, String name, Inode inode) throws TreeException {
        Directory parent = inodes.own(inodes.directory(directory));
        parent.remove(name);
        parent.modifiedAt(now());
        loseName(parent, inode);
        return new Change.Unlink(directory, name, inode.number);
    }

    private void loseName(Directory parent, Inode inode) {
        Inode own = inodes.own(inode);
        if (own instanceof Directory) {
            own.nlink = 0;
            parent.nlink--;
        } else {
            own.nlink--;
        }
        own.changedNanos = now();
    }

    /** Returns null if both names are of one file, and so nothing happens. */
    @Nullable
    Change rename(long fromDirectory, String fromName, long toDirectory, String toName, RenameMode mode)
            throws TreeException {
        Inode moved = named(fromDirectory, fromName);
        requireName(toName);
        Directory to = inodes.directory(toDirectory);
        long there = to.find(toName);
        Inode other = there == 0 ? null : inodes.get(there);
        if (other != null && mode == RenameMode.NO_REPLACE) {
            throw new TreeException(Errno.EEXIST, "'" + toName + "' in " + to);
        }
        if (other == null && (mode == RenameMode.EXCHANGE || to.nlink == 0)) {
            throw new TreeException(Errno.ENOENT, "no '" + toName + "' in " + to);
        }
        requireOutside(moved, toDirectory, Errno.EINVAL);
        if (other == null) {
            return move(fromDirectory, fromName, toDirectory, toName, moved, null);
        }
        requireOutside(other, fromDirectory, mode == RenameMode.EXCHANGE ? Errno.EINVAL : Errno.ENOTEMPTY);
        if (other.number == moved.number) {
            return null;
        }
        if (mode == RenameMode.EXCHANGE) {
            return exchange(fromDirectory, fromName, moved, toDirectory, toName, other);
        }
        requireReplaceable(toName, moved, other);
        return move(fromDirectory, fromName, toDirectory, toName, moved, other);
    }

    /** Fails unless a directory is outside of an inode. */
    private void requireOutside(Inode inode, long directory, Errno otherwise) throws TreeException {
        if (!(inode instanceof Directory)) {
            return;
        }
        for (long at = directory; at != FileTree.ROOT; at = inodes.directory(at).parent) {
            if (at == inode.number) {
                throw new TreeException(otherwise, inode + " has the other name in it");
            }
        }
    }

    private static void requireReplaceable(String name, Inode moved, Inode other) throws TreeException {
        if (moved instanceof Directory) {
            if (!(other instanceof Directory directory)) {
                throw new TreeException(Errno.ENOTDIR, "'" + name + "' is " + other + " and cannot become " + moved);
            }
            requireEmpty(name, directory);
        } else if (other instanceof Directory) {
            throw new TreeException(Errno.EISDIR, "'" + name + "' is " + other + " and cannot become " + moved);
        }
    }

    private Change move(long fromDirectory, String fromName, long toDirectory, String toName, Inode moved,
            @Nullable Inode replaced) throws TreeException {
        Directory from = inodes.own(inodes.directory(fromDirectory));
        Directory to = inodes.own(inodes.directory(toDirectory));
        from.remove(fromName);
        to.put(toName, moved.number);
        if (replaced != null) {
            loseName(to, replaced);
        }
        comesInto(moved, from, to);
        return new Change.Rename(fromDirectory, fromName, toDirectory, toName, moved.number,
                replaced == null ? 0 : replaced.number);
    }

    private Change exchange(long oneDirectory, String oneName, Inode one, long otherDirectory, String otherName,
            Inode other) throws TreeException {
        Directory ofOne = inodes.own(inodes.directory(oneDirectory));
        Directory ofOther = inodes.own(inodes.directory(otherDirectory));
        ofOne.put(oneName, other.number);
        ofOther.put(otherName, one.number);
        comesInto(one, ofOne, ofOther);
        comesInto(other, ofOther, ofOne);
        return new Change.Exchange(oneDirectory, oneName, one.number, otherDirectory, otherName, other.number);
    }

    /** What a move changes beside the names. */
    private void comesInto(Inode moved, Directory from, Directory to) {
        long now = now();
        Inode own = inodes.own(moved);
        own.changedNanos = now;
        if (own instanceof Directory directory) {
            directory.parent = to.number;
            from.nlink--;
            to.nlink++;
        }
        from.modifiedAt(now);
        to.modifiedAt(now);
    }

    private Inode named(long directory, String name) throws TreeException {
        Directory parent = inodes.directory(directory);
        requireName(name);
        long number = parent.find(name);
        if (number == 0) {
            throw new TreeException(Errno.ENOENT, "no '" + name + "' in " + parent);
        }
        return inodes.get(number);
    }

    private void requireFree(long directory, String name) throws TreeException {
        Directory parent = inodes.directory(directory);
        requireName(name);
        if (parent.find(name) != 0) {
            throw new TreeException(Errno.EEXIST, "'" + name + "' in " + parent);
        }
        if (parent.nlink == 0) {
            throw new TreeException(Errno.ENOENT, parent + " is removed");
        }
    }

    private static void requireEmpty(String name, Directory directory) throws TreeException {
        if (!directory.isEmpty()) {
            throw new TreeException(Errno.ENOTEMPTY, "'" + name + "' is " + directory);
        }
    }

    private static void requireName(String name) throws TreeException {
        if (name.isEmpty() || name.equals(".") || name.equals("..") || name.indexOf('/') >= 0
                || name.indexOf('\0') >= 0) {
            throw new TreeException(Errno.EINVAL, "'" + name + "' cannot be a name");
        }
        requireLength(name);
    }

    private static void requireLength(String name) throws TreeException {
        if (name.length() * BYTES_OF_CHAR_MAX > FileTree.NAME_BYTES_MAX
                && name.getBytes(StandardCharsets.UTF_8).length > FileTree.NAME_BYTES_MAX) {
            throw new TreeException(Errno.ENAMETOOLONG,
                    "'" + name + "' has more than " + FileTree.NAME_BYTES_MAX + " bytes");
        }
    }

    private long now() {
        return clock.getAsLong();
    }
}
