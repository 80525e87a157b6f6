package io.blkmq.testkit.tree;

/** Counts by inode number. A table with open addressing, as boxes would cost more than the walk that counts. */
final class LinkCounts {
    private final long[] numbers;
    private final int[] counts;

    /** For so many inodes at most. */
    LinkCounts(long inodes) {
        int slots = Integer.highestOneBit(Math.toIntExact(inodes + 1)) << 2;
        this.numbers = new long[slots];
        this.counts = new int[slots];
    }

    int get(long inode) {
        return counts[slot(inode)];
    }

    void add(long inode, int more) {
        int slot = slot(inode);
        numbers[slot] = inode;
        counts[slot] += more;
    }

    /** Where an inode is, or may come: there is always a free slot. */
    private int slot(long inode) {
        int slot = (int) ((inode * 0x9e37_79b9_7f4a_7c15L) >>> 40) & (numbers.length - 1);
        while (counts[slot] != 0 && numbers[slot] != inode) {
            slot = (slot + 1) & (numbers.length - 1);
        }
        return slot;
    }
}
