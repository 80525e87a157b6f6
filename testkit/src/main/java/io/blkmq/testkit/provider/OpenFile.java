package io.blkmq.testkit.provider;

import io.blkmq.testkit.tree.Attributes;
import io.blkmq.testkit.tree.FileTree;
import io.blkmq.testkit.tree.TreeException;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.ClosedChannelException;

/**
 * A file that is open, or a directory: what a file descriptor is. It has no position. Thread-safe by its own monitor, so that nothing
 * happens to the file after {@link #close} has returned.
 */
final class OpenFile {
    private final TreeFileSystem fileSystem;
    private final TreePath path;
    private final OpenOptions options;
    private final FileTree tree;
    private final long inode;
    private boolean closed;

    /** Of an inode that is held for it already. */
    OpenFile(TreeFileSystem fileSystem, TreePath path, OpenOptions options, long inode) {
        this.fileSystem = fileSystem;
        this.path = path;
        this.options = options;
        this.tree = fileSystem.tree();
        this.inode = inode;
    }

    TreeFileSystem fileSystem() {
        return fileSystem;
    }

    OpenOptions options() {
        return options;
    }

    long inode() {
        return inode;
    }

    /** Reads at a position; -1 at the end of the file. */
    synchronized int read(long position, ByteBuffer target) throws IOException {
        try {
            requireOpen();
            if (!target.hasRemaining()) {
                return 0; // also of a directory
            }
            int count = tree.read(inode, position, target);
            return count == 0 ? -1 : count;
        } catch (TreeException e) {
            throw Refusal.of(e);
        }
    }

    /** Reads into a segment what there is of it; returns how much that is. */
    synchronized long read(long position, MemorySegment target) throws IOException {
        try {
            requireOpen();
            return tree.read(inode, position, target);
        } catch (TreeException e) {
            throw Refusal.of(e);
        }
    }

    /** Writes at a position, or at the end of a file that was opened to append. */
    synchronized int write(long position, ByteBuffer source) throws IOException {
        try {
            requireOpen();
            int before = source.remaining();
            if (options.appends()) {
                tree.append(inode, source);
            } else {
                tree.write(inode, position, source);
            }
            if (options.syncs()) {
                tree.sync(inode, options.syncsDataOnly());
            }
            return before - source.remaining();
        } catch (TreeException e) {
            throw Refusal.of(e);
        }
    }

    synchronized long size() throws IOException {
        return attributes().size();
    }

    synchronized Attributes attributes() throws IOException {
        try {
            requireOpen();
            return tree.attributes(inode);
        } catch (TreeException e) {
            throw Refusal.of(e);
        }
    }

    synchronized void truncate(long size) throws IOException {
        try {
            requireOpen();
            tree.truncate(inode, size);
        } catch (TreeException e) {
            throw Refusal.of(e);
        }
    }

    /** Syncs. */
    synchronized void force(boolean metaData) throws IOException {
        try {
            requireOpen();
            tree.sync(inode, !metaData);
        } catch (TreeException e) {
            throw Refusal.of(e);
        }
    }

    synchronized void close() {
        if (!closed) {
            closed = true;
            tree.release(inode);
        }
    }

    private void requireOpen() throws ClosedChannelException {
        if (closed) {
            throw new ClosedChannelException();
        }
    }

    @Override
    public String toString() {
        return path + " " + options;
    }
}
