package io.blkmq.testkit.provider;

import io.blkmq.testkit.tree.Attributes;
import io.blkmq.testkit.tree.Kind;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.AtomicMoveNotSupportedException;
import java.nio.file.CopyOption;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.LinkOption;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.Objects;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Copies and moves a file, in the steps in which the JDK's file system of Linux does it: what is replaced is deleted first, unless the
 * move is to be atomic. So a crash between the two steps can be seen.
 */
final class Transfer {
    private static final int CHUNK_BYTES = 64 << 10;
    private static final OpenOptions READING = new OpenOptions(Set.of(StandardOpenOption.READ));
    private static final OpenOptions CREATING = new OpenOptions(
            Set.of(StandardOpenOption.WRITE, StandardOpenOption.CREATE_NEW));

    private final TreePath source;
    private final TreePath target;
    private boolean replaces;
    private boolean copiesAttributes;
    private boolean isAtomic;
    private boolean follows = true;

    /**
     * Of one file to a name.
     *
     * @throws UnsupportedOperationException if an option is unknown
     */
    Transfer(TreePath source, TreePath target, CopyOption... options) {
        this.source = source;
        this.target = target;
        for (CopyOption option : options) {
            switch (Objects.requireNonNull(option, "a copy option is null")) {
                case StandardCopyOption.REPLACE_EXISTING -> replaces = true;
                case StandardCopyOption.COPY_ATTRIBUTES -> copiesAttributes = true;
                case StandardCopyOption.ATOMIC_MOVE -> isAtomic = true;
                case LinkOption.NOFOLLOW_LINKS -> follows = false;
                default -> throw new UnsupportedOperationException("copy option " + option + " is not known here");
            }
        }
    }

    void copy() throws IOException {
        if (isAtomic) {
            throw new UnsupportedOperationException("a copy cannot be ATOMIC_MOVE");
        }
        Attributes from = source.getFileSystem().attributes(source, follows);
        if (from.kind() != Kind.SYMLINK) {
            // What cannot be read replaces nothing.
            source.getFileSystem().checkAccess(source, Credentials.READ);
        }
        if (makeRoom(from)) {
            copy(from);
        }
    }

    /** Deletes what is to be replaced; returns false if that is the source itself, so that there is nothing to do. */
    private boolean makeRoom(Attributes from) throws IOException {
        Attributes to = attributesOfTarget();
        if (to == null) {
            return true;
        }
        if (source.getFileSystem() == target.getFileSystem() && to.inode() == from.inode()) {
            return false;
        }
        if (!replaces) {
            throw new FileAlreadyExistsException(target.toString());
        }
        target.getFileSystem().delete(target);
        return true;
    }

    private @Nullable Attributes attributesOfTarget() throws IOException {
        try {
            return target.getFileSystem().attributesIfExists(target, false);
        } catch (FileSystemException e) {
            return null; // what is done with the target then says why
        }
    }

    private void copy(Attributes from) throws IOException {
        switch (from.kind()) {
            case DIRECTORY -> target.getFileSystem().createDirectory(target, from.mode());
            case SYMLINK ->
                target.getFileSystem().createSymbolicLink(target, source.getFileSystem().readSymbolicLink(source));
            case FILE -> copyData(from.mode());
        }
        if (copiesAttributes) {
            TreeFileSystem of = target.getFileSystem();
            of.setOwner(target, false, from.uid(), from.gid());
            if (from.kind() != Kind.SYMLINK) {
                of.setMode(target, false, from.mode());
            }
            of.setTimes(target, false, from.accessedNanos(), from.modifiedNanos());
        }
    }

    private void copyData(int mode) throws IOException {
        try (TreeFileChannel from = channel(source, READING, 0); TreeFileChannel to = channel(target, CREATING, mode)) {
            ByteBuffer chunk = ByteBuffer.allocate(CHUNK_BYTES);
            while (from.read(chunk) > 0) {
                chunk.flip();
                while (chunk.hasRemaining()) {
                    to.write(chunk);
                }
                chunk.clear();
            }
        }
    }

    private static TreeFileChannel channel(TreePath path, OpenOptions options, int mode) throws IOException {
        return path.getFileSystem().opened(new TreeFileChannel(path.getFileSystem().open(path, options, mode)));
    }

    void move() throws IOException {
        if (copiesAttributes) {
            throw new UnsupportedOperationException(
                    "a move keeps the attributes, so COPY_ATTRIBUTES is no option of it");
        }
        boolean isWithin = source.getFileSystem() == target.getFileSystem();
        if (isAtomic) {
            if (!isWithin) {
                throw new AtomicMoveNotSupportedException(source.toString(), target.toString(),
                        "they are in different file systems");
            }
            source.getFileSystem().rename(source, target);
            return;
        }
        Attributes from = source.getFileSystem().attributes(source, false);
        if (from.kind() == Kind.DIRECTORY) {
            // It may have to be written, for its ".." becomes another one.
            source.getFileSystem().checkAccess(source, Credentials.WRITE);
        }
        if (!makeRoom(from)) {
            return;
        }
        if (isWithin) {
            source.getFileSystem().rename(source, target);
        } else {
            copiesAttributes = true;
            copy(from);
            source.getFileSystem().delete(source);
        }
    }

    /** A name for messages. */
    @Override
    public String toString() {
        return source + " to " + target;
    }
}
