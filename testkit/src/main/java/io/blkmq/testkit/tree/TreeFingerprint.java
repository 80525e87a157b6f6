package io.blkmq.testkit.tree;

import java.util.ArrayDeque;
import java.util.HashMap;
import java.util.Map;

/**
 * Computes the fingerprint of a tree: the sum over all inodes of the fingerprint of what each is, mixed with those of the paths that
 * lead to it. So the order of the walk does not matter, and two names of one file differ from two files that are alike. Used once, with
 * the lock of the tree held. It is computed for each state that a crash may leave, and so makes no objects for an entry.
 */
final class TreeFingerprint implements LongTrie.Visitor<Directory.Name> {
    private static final Fingerprint ROOT_PATH = Fingerprint.ofText("/");

    private final Inodes inodes;
    private final ArrayDeque<Pending> pending = new ArrayDeque<>();
    private final Map<Long, Fingerprint> pathsOfLinked = new HashMap<>();
    private Fingerprint path = ROOT_PATH;
    private long high;
    private long low;

    TreeFingerprint(Inodes inodes) {
        this.inodes = inodes;
    }

    /** A directory that has been found and not been looked into. */
    private record Pending(Directory directory, Fingerprint path) {}

    Fingerprint compute(Directory root) {
        pending.add(new Pending(root, ROOT_PATH));
        for (long directories = 1; !pending.isEmpty(); directories++) {
            if (directories > inodes.size()) {
                throw new IllegalStateException("a directory has several names: the tree has to be settled first");
            }
            Pending next = pending.remove();
            path = next.path;
            next.directory.forEach(0, this);
        }
        pathsOfLinked.forEach((number, paths) -> {
            Inode inode = inodes.find(number);
            if (inode != null) {
                add(paths.high(), paths.low(), inode.identity());
            }
        });
        return new Fingerprint(high, low);
    }

    @Override
    public boolean visit(long cookie, Directory.Name name) {
        Inode inode = inodes.find(name.inode);
        if (inode == null) {
            return true;
        }
        Fingerprint text = name.digest();
        long pathHigh = Fingerprint.mix(path.high(), text.high());
        long pathLow = Fingerprint.mix(path.low(), text.low());
        if (inode instanceof Directory directory) {
            pending.add(new Pending(directory, new Fingerprint(pathHigh, pathLow)));
            add(pathHigh, pathLow, inode.identity());
        } else if (inode.nlink > 1) {
            pathsOfLinked.merge(inode.number, new Fingerprint(pathHigh, pathLow), Fingerprint::plus);
        } else {
            add(pathHigh, pathLow, inode.identity());
        }
        return true;
    }

    private void add(long pathHigh, long pathLow, Fingerprint identity) {
        high += Fingerprint.mix(pathHigh, identity.high());
        low += Fingerprint.mix(pathLow, identity.low());
    }
}
