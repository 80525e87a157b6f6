package io.blkmq.testkit.provider;

import io.blkmq.testkit.tree.Attributes;
import io.blkmq.testkit.tree.Kind;
import io.blkmq.testkit.tree.TreeException;
import java.io.IOException;
import java.nio.file.AtomicMoveNotSupportedException;
import java.nio.file.ClosedFileSystemException;
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
    /** Whether the target is this one's. */
    private boolean isMade;

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

    /** What cannot be copied as a whole leaves no target, as with the JDK. */
    private void copy(Attributes from) throws IOException {
        boolean complete = false;
        try {
            make(from);
            if (copiesAttributes) {
                copyAttributes(from);
            }
            complete = true;
        } finally {
            if (!complete && isMade) {
                removeTarget();
            }
        }
    }

    private void make(Attributes from) throws IOException {
        switch (from.kind()) {
            case DIRECTORY -> target.getFileSystem().createDirectory(target, from.mode());
            case SYMLINK ->
                target.getFileSystem().createSymbolicLink(target, source.getFileSystem().readSymbolicLink(source));
            case FILE -> copyData(from.mode());
        }
        isMade = true;
    }

    /** As the JDK does: whoever may not give the owner keeps the file, with the mode that it was made with; links keep their times. */
    private void copyAttributes(Attributes from) throws IOException {
        TreeFileSystem of = target.getFileSystem();
        boolean isLink = from.kind() == Kind.SYMLINK;
        try {
            of.setOwner(target, false, from.uid(), from.gid());
            if (!isLink) {
                of.setMode(target, false, from.mode());
            }
        } catch (FileSystemException _) {
            // The times are copied all the same.
        }
        if (!isLink) {
            of.setTimes(target, false, from.accessedNanos(), from.modifiedNanos());
        }
    }

    private void removeTarget() {
        try {
            target.getFileSystem().delete(target);
        } catch (IOException | ClosedFileSystemException _) {
            // Then it stays. What is told is why it was to go.
        }
    }

    /** By streams, since an interrupt does not end a copy. */
    private void copyData(int mode) throws IOException {
        TreeFileSystem of = source.getFileSystem();
        TreeFileSystem to = target.getFileSystem();
        try (TreeInputStream in = of.opened(new TreeInputStream(of.open(source, READING, 0)));
                TreeOutputStream out = to.opened(new TreeOutputStream(to.open(target, CREATING, mode)))) {
            isMade = true;
            copyData(in, out);
        }
    }

    private void copyData(TreeInputStream in, TreeOutputStream out) throws IOException {
        byte[] chunk = new byte[CHUNK_BYTES];
        try {
            for (int count = in.read(chunk); count > 0; count = in.read(chunk)) {
                out.write(chunk, 0, count);
            }
        } catch (IOException e) {
            throw e.getCause() instanceof TreeException refused ? Refusal.of(refused, source, target) : e;
        }
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
            deleteSource();
        }
    }

    /** A source that cannot be deleted has not been moved: the target goes again. */
    private void deleteSource() throws IOException {
        boolean complete = false;
        try {
            source.getFileSystem().delete(source);
            complete = true;
        } finally {
            if (!complete) {
                removeTarget();
            }
        }
    }

    /** A name for messages. */
    @Override
    public String toString() {
        return source + " to " + target;
    }
}
