package io.blkmq.core;

/**
 * Told which partitions come and go: what user space learns by uevents.
 *
 * @since 0.1.0
 */
public interface PartitionListener {
    /**
     * A partition is there.
     *
     * @param disk the whole disk
     * @param partition the new one
     */
    void partitionAdded(Disk disk, Partition partition);

    /**
     * A partition is gone, or is another now; that is told as added after this.
     *
     * @param disk the whole disk
     * @param partition as it was
     */
    void partitionRemoved(Disk disk, Partition partition);
}
