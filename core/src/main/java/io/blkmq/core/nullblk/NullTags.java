package io.blkmq.core.nullblk;

import io.blkmq.core.Disk;
import io.blkmq.core.QueueLimits;
import io.blkmq.core.driver.RequestQueue;
import io.blkmq.core.driver.TagSet;
import java.io.IOException;
import java.util.function.Supplier;

/**
 * Tags that null block devices share: any number of disks, made and closed while others are in use, each with data of its own. The
 * kernel's counterpart is {@code null_blk} with {@code shared_tags}. Thread-safe.
 *
 * @since 0.1.0
 */
public final class NullTags implements AutoCloseable {
    private final TagSet set;
    private final QueueLimits limits;
    private final long capacitySectors;
    private final Supplier<NullDevice> newDevice;

    /**
     * Makes them.
     *
     * @param newDevice what a disk has of its own
     */
    NullTags(TagSet set, QueueLimits limits, long capacitySectors, Supplier<NullDevice> newDevice) {
        this.set = set;
        this.limits = limits;
        this.capacitySectors = capacitySectors;
        this.newDevice = newDevice;
    }

    /**
     * Makes a disk of these tags, of the builder's shape.
     *
     * @param name for people
     * @return the disk, to be closed by the caller
     * @throws IOException if it could not be prepared
     * @throws IllegalStateException if the tags are closed
     */
    public Disk newDisk(String name) throws IOException {
        return Disk.of(newQueue(name), null);
    }

    RequestQueue newQueue(String name) throws IOException {
        return set.newQueue(name, limits, capacitySectors, newDevice.get());
    }

    /**
     * The tag set, for changes of it.
     *
     * @return always the same
     */
    public TagSet tagSet() {
        return set;
    }

    /**
     * Frees the requests.
     *
     * @throws IllegalStateException if a disk of these tags is open
     */
    @Override
    public void close() {
        set.close();
    }
}
