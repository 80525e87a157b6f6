package io.blkmq.testkit.tree;

import java.util.ArrayList;
import java.util.List;

/** What has happened to a {@link FileTree} since a moment. Thread-safe. */
public final class ChangeLog {
    private final FileTree base;
    private final List<Change> changes = new ArrayList<>();
    private long dataBytes;

    ChangeLog(FileTree base) {
        this.base = base;
    }

    /**
     * The tree as it was at that moment, to be forked.
     *
     * @return the same each time; nobody should change it
     */
    public FileTree base() {
        return base;
    }

    /**
     * The changes in the order in which they took effect.
     *
     * @return those until now
     */
    public synchronized List<Change> changes() {
        return List.copyOf(changes);
    }

    /**
     * How many changes there are.
     *
     * @return until now
     */
    public synchronized int size() {
        return changes.size();
    }

    /**
     * How much data the writes hold.
     *
     * @return bytes
     */
    public synchronized long dataBytes() {
        return dataBytes;
    }

    synchronized void add(Change change) {
        changes.add(change);
        if (change instanceof Change.Write write) {
            dataBytes += write.data().length;
        }
    }
}
