package io.blkmq.testkit.tree;

/**
 * What statfs(2) tells.
 *
 * @param capacityBytes of data that fit
 * @param usedBytes by pages of files
 * @param inodes that exist
 */
public record Usage(long capacityBytes, long usedBytes, long inodes) {
    /**
     * What is left.
     *
     * @return at least 0
     */
    public long freeBytes() {
        return Math.max(0, capacityBytes - usedBytes);
    }
}
