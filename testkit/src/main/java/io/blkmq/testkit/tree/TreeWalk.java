package io.blkmq.testkit.tree;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;

/** Goes once over all that can be reached from the root. Used with the lock of the tree held. */
final class TreeWalk {
    private final Inodes inodes;

    TreeWalk(Inodes inodes) {
        this.inodes = inodes;
    }

    /** See {@link FileTree#fingerprint}. */
    Fingerprint fingerprint() {
        return new TreeFingerprint(inodes).compute(root());
    }

    /** See {@link FileTree#settle}. */
    void settle() {
        LinkCounts counts = new LinkCounts(inodes.size());
        List<Runnable> repairs = new ArrayList<>();
        ArrayDeque<Directory> pending = new ArrayDeque<>();
        pending.add(root());
        counts.add(FileTree.ROOT, 2);
        while (!pending.isEmpty()) {
            Directory directory = pending.remove();
            directory.forEach(0, (_, name) -> {
                Inode inode = inodes.find(name.inode);
                if (inode == null || (inode instanceof Directory && counts.get(name.inode) != 0)) {
                    repairs.add(() -> own(directory.number).remove(name.text));
                } else if (inode instanceof Directory below) {
                    pending.add(below);
                    counts.add(name.inode, 2);
                    counts.add(directory.number, 1);
                    if (below.parent != directory.number) {
                        repairs.add(() -> own(below.number).parent = directory.number);
                    }
                } else {
                    counts.add(name.inode, 1);
                }
                return true;
            });
        }
        inodes.forEach((number, inode) -> {
            int count = counts.get(number);
            if (count == 0) {
                repairs.add(() -> inodes.drop(inode));
            } else if (count != inode.nlink) {
                repairs.add(() -> setLinks(number, count));
            }
            if (count != 0 && inode instanceof RegularFile file && file.content.isBeyond()) {
                repairs.add(() -> trim(number));
            }
            return true;
        });
        repairs.forEach(Runnable::run);
    }

    private Directory own(long number) {
        if (inodes.find(number) instanceof Directory directory) {
            return inodes.own(directory);
        }
        throw new AssertionError("inode " + number + " was a directory");
    }

    private void trim(long number) {
        if (inodes.find(number) instanceof RegularFile file) {
            RegularFile own = inodes.own(file);
            long pagesBefore = own.pages();
            own.content.trim(inodes.owner());
            inodes.pagesChanged(own.pages() - pagesBefore);
        }
    }

    private void setLinks(long number, int count) {
        Inode inode = inodes.find(number);
        if (inode != null) {
            inodes.own(inode).nlink = count;
        }
    }

    /** A directory that has been found and not been looked into, with its path that ends in a slash. */
    private record Named(Directory directory, String path) {}

    String pathOf(long wanted) {
        String[] found = {wanted == FileTree.ROOT ? "/" : "inode " + wanted + ", which has no name"};
        boolean[] searching = {wanted != FileTree.ROOT};
        ArrayDeque<Named> pending = new ArrayDeque<>();
        pending.add(new Named(root(), "/"));
        for (long directories = 0; !pending.isEmpty() && searching[0] && directories < inodes.size(); directories++) {
            Named next = pending.remove();
            next.directory.forEach(0, (_, name) -> {
                if (name.inode == wanted) {
                    found[0] = next.path + name.text;
                    searching[0] = false;
                } else if (inodes.find(name.inode) instanceof Directory below) {
                    pending.add(new Named(below, next.path + name.text + "/"));
                }
                return searching[0];
            });
        }
        return found[0];
    }

    private Directory root() {
        if (inodes.find(FileTree.ROOT) instanceof Directory root) {
            return root;
        }
        throw new AssertionError("the root is no directory any more");
    }
}
