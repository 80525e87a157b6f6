package io.blkmq.loop;

import io.blkmq.core.Disk;
import io.blkmq.core.DiskBusyException;
import java.io.IOException;

/**
 * When a device reads its partition table by itself: with the PARTSCAN flag, and whenever something else may be on the disk. The
 * kernel's counterpart is {@code loop_reread_partitions}; like that it never fails what it is a part of.
 */
final class LoopPartitions {
    private static final System.Logger LOG = System.getLogger(LoopPartitions.class.getName());

    private final Disk disk;

    LoopPartitions(Disk disk) {
        this.disk = disk;
    }

    /**
     * There may be another table now: after the attachment, another backing file, another size or block. Where partitions are in use
     * the old ones stay, which is logged. Without the device's lock.
     *
     * @param why what has changed, for the log
     */
    void mediumChanged(String why) {
        if (disk.queue().isPolled()) {
            LOG.log(System.Logger.Level.DEBUG, "{0}: the owner of its ring has to read its partitions after {1}",
                    disk.name(), why);
            return;
        }
        try {
            disk.partitions().rescan();
        } catch (DiskBusyException e) {
            LOG.log(System.Logger.Level.WARNING, "{0} after {1}; they stay as they were", e.getMessage(), why);
        } catch (IOException e) {
            LOG.log(System.Logger.Level.WARNING,
                    disk.name() + ": no partitions, since they cannot be read after " + why, e);
        } catch (IllegalStateException e) {
            if (!disk.isClosed()) {
                throw e;
            }
            // Detached meanwhile.
            LOG.log(System.Logger.Level.DEBUG, "{0} is detached, and its partitions are not read", disk.name());
        }
    }
}
