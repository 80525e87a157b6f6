package io.blkmq.core.nullblk;

import io.blkmq.core.Disk;
import io.blkmq.core.QueueLimits;
import io.blkmq.core.driver.RequestQueue;
import io.blkmq.core.driver.TagSet;
import io.blkmq.runtime.IoRuntime;
import java.io.IOException;

/**
 * Tags that null block devices share: any number of disks, made and closed while others are in use, each with data of its own. The
 * kernel's counterpart is {@code null_blk} with {@code shared_tags}. Thread-safe.
 *
 * @since 0.1.0
 */
public final class NullTags implements AutoCloseable {
    private final TagSet set;
    private final NullBlk.Builder shape;
    private final QueueLimits limits;

    NullTags(TagSet set, NullBlk.Builder shape, QueueLimits limits) {
        this.set = set;
        this.shape = shape;
        this.limits = limits;
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
        IoRuntime runtime = set.runtime();
        Medium medium = !shape.memoryBacked
                ? null
                : shape.cacheBytes == 0
                        ? new SparseMemory()
                        : new CachedMemory(shape.blockBytes, shape.cacheBytes, runtime);
        Throttle throttle = shape.bytesPerSecond == 0 ? null : new Throttle(shape.bytesPerSecond, runtime.nanoTime());
        return set.newQueue(name, limits, shape.capacityBytes / QueueLimits.SECTOR_BYTES,
                new NullDevice(medium, throttle));
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
