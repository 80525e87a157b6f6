package io.blkmq.testkit.fuse;

import io.blkmq.testkit.tree.ChangeLog;
import io.blkmq.testkit.tree.DirectoryEntry;
import io.blkmq.testkit.tree.FileTree;
import io.blkmq.testkit.tree.Kind;
import io.blkmq.testkit.tree.TreeException;
import java.util.ArrayDeque;
import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * A tree that a mount shows as a directory of its root, or has shown: it lives on without a name as long as the kernel knows a file of it,
 * because it is open or mapped. Each tree that is shown has a number of its own, and so its files are other files to the kernel than those
 * of any other tree, whatever their names: nothing that is cached, locked or mapped of one is ever taken for the other's.
 *
 * <pre>
 *   node of the kernel   [ number of the tree | inode in the tree ]     1 is the root of the mount
 *                          27 bits              36 bits
 * </pre>
 *
 * <p>Guarded by the lock of its {@link FileService}.
 */
final class ShownTree {
    private static final int INODE_BITS = 36;
    private static final long INODE_MAX = (1L << INODE_BITS) - 1;
    private static final long NUMBER_MAX = (1L << (Long.SIZE - 1 - INODE_BITS)) - 1;

    /** More than a program asks for in one call. */
    private static final int MISSED_MAX = 32;

    /** A name that is not there. */
    private record Missed(long directory, String name) {}

    private final long number;
    private final String name;
    private final FileTree image;
    private final FileTree tree;
    private final Map<Long, Long> lookups = new HashMap<>();
    private final ArrayDeque<Missed> missed = new ArrayDeque<>();
    private int handles;
    private int acknowledged;
    private @Nullable ChangeLog log;

    /**
     * Shows a copy of an image.
     *
     * @param number not used before in the mount
     * @param name that it has, or had
     * @param image stays as it is
     */
    ShownTree(long number, String name, FileTree image) {
        if (number > NUMBER_MAX) {
            throw new IllegalStateException("a mount cannot show more than " + NUMBER_MAX + " trees");
        }
        this.number = number;
        this.name = name;
        this.image = image;
        this.tree = image.fork();
    }

    /** The number of the tree that a node belongs to; 0 for the root of the mount. */
    static long numberOf(long node) {
        return node >>> INODE_BITS;
    }

    /** The inode of a node in its tree. */
    static long inodeOf(long node) {
        return node & INODE_MAX;
    }

    long number() {
        return number;
    }

    String name() {
        return name;
    }

    /** What it was when it was shown. */
    FileTree image() {
        return image;
    }

    /** What it is. */
    FileTree tree() {
        return tree;
    }

    long nodeOf(long inode) {
        if (inode > INODE_MAX) {
            throw new IllegalStateException("inode " + inode + ": a tree that is shown has at most " + INODE_MAX);
        }
        return number << INODE_BITS | inode;
    }

    /** The kernel learns once more of an inode, which stays until it forgets it as often. */
    void lookedUp(long inode) throws TreeException {
        if (!lookups.containsKey(inode)) {
            tree.hold(inode);
        }
        lookups.merge(inode, 1L, Long::sum);
    }

    /** The kernel forgets an inode so many times. */
    void forgotten(long inode, long times) {
        Long known = lookups.get(inode);
        if (known == null) {
            return;
        }
        if (known > times) {
            lookups.put(inode, known - times);
        } else {
            lookups.remove(inode);
            tree.release(inode);
        }
    }

    void opened() {
        handles++;
    }

    void closed() {
        handles--;
    }

    /** Whether a file of it is open. */
    boolean isOpen() {
        return handles > 0;
    }

    /** Whether the kernel knows nothing of it. */
    boolean isForgotten() {
        return lookups.isEmpty() && handles == 0;
    }

    /** The kernel learns that there is no such name, and remembers it, too, though it asks again each time. */
    void missed(long directory, String name) {
        missed.addLast(new Missed(directory, name));
        if (missed.size() > MISSED_MAX) {
            missed.removeFirst();
        }
    }

    /** Takes a name in a directory. */
    @FunctionalInterface
    interface NameTaker {
        void take(long directory, String name);
    }

    /** Tells the names that the kernel may know: those of files that it knows, and the last ones that it has looked for in vain. */
    void eachKnownName(NameTaker taker) {
        missed.forEach(name -> taker.take(name.directory, name.name));
        for (long inode : lookups.keySet()) {
            try {
                if (tree.attributes(inode).kind() == Kind.DIRECTORY) {
                    for (DirectoryEntry entry : tree.list(inode)) {
                        if (lookups.containsKey(entry.inode())) {
                            taker.take(inode, entry.name());
                        }
                    }
                }
            } catch (TreeException e) {
                throw new IllegalStateException("inode " + inode + " is held, and not there", e);
            }
        }
    }

    /** Begins a new log. */
    ChangeLog record() {
        tree.stopLog();
        ChangeLog started = tree.startLog();
        log = started;
        acknowledged = 0;
        return started;
    }

    /** The log, also when no more is added to it; null if there is none. */
    @Nullable
    ChangeLog log() {
        return log;
    }

    /** Ends the log, which stays to be read. */
    void stop() {
        tree.stopLog();
    }

    /** Adds an acknowledgement to the log; returns how many there are. */
    int acknowledge() {
        tree.acknowledge(++acknowledged);
        return acknowledged;
    }
}
