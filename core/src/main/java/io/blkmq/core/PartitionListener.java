package io.blkmq.core;

/**
 * Is told of partitions that come and go. The kernel tells user space by uevents.
 *
 * @since 0.1.0
 */
public interface PartitionListener {
    /**
     * A partition has appeared.
     *
     * @param disk the whole disk
     * @param partition the new one
     */
    void partitionAdded(Disk disk, Partition partition);

    /**
     * A partition is gone, or has changed; a changed one is added again after this.
     *
     * @param disk the whole disk
     * @param partition as it was
     */
    void partitionRemoved(Disk disk, Partition partition);
}
