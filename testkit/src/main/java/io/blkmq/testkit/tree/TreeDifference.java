package io.blkmq.testkit.tree;

import org.jspecify.annotations.Nullable;

/**
 * What makes a tree of an earlier one. Whatever the two share is not looked at; names and data that are equal are not told, also where
 * they are not shared. For two trees that nobody else uses.
 */
final class TreeDifference {
    private final Inodes earlier;
    private final Inodes later;
    private final TreeEdits edits;

    TreeDifference(Inodes earlier, Inodes later, TreeEdits edits) {
        this.earlier = earlier;
        this.later = later;
        this.edits = edits;
    }

    /** Tells it: first the inodes, then what is in them, then their attributes, which that would change. */
    void tell() {
        each((inode, before) -> {
            if (before == null || before.kind() != inode.kind() || isOtherLink(inode, before)) {
                edits.restore(inode.number, inode.kind(), inode instanceof SymbolicLink link ? link.target : "",
                        inode.mode);
            }
        });
        each((inode, before) -> {
            switch (inode) {
                case RegularFile file -> file.content.difference(file.number,
                        before instanceof RegularFile known ? known.content : new Content(), edits);
                case Directory directory -> names(directory, before instanceof Directory known ? known : null);
                case SymbolicLink _ -> {
                    // All of it was said with the inode.
                }
            }
        });
        each((inode, _) -> edits.describe(inode.number, inode.mode, inode.uid, inode.gid, inode.accessedNanos,
                inode.modifiedNanos));
    }

    @FunctionalInterface
    private interface Step {
        void take(Inode inode, @Nullable Inode before);
    }

    private void each(Step step) {
        later.forEach((number, inode) -> {
            Inode before = earlier.find(number);
            if (before != inode) {
                step.take(inode, before);
            }
            return true;
        });
    }

    private static boolean isOtherLink(Inode inode, Inode before) {
        return inode instanceof SymbolicLink link && before instanceof SymbolicLink known
                && !link.target.equals(known.target);
    }

    private void names(Directory directory, @Nullable Directory before) {
        if (before != null) {
            before.forEach(0, (_, name) -> {
                if (directory.find(name.text) == 0) {
                    edits.removeEntry(directory.number, name.text);
                }
                return true;
            });
        }
        directory.forEach(0, (_, name) -> {
            if (before == null || before.find(name.text) != name.inode) {
                edits.putEntry(directory.number, name.text, name.inode);
            }
            return true;
        });
    }
}
