package io.blkmq.loop;

import io.blkmq.core.BlockIOException;
import io.blkmq.core.Disk;
import io.blkmq.core.DiskBusyException;
import io.blkmq.core.Status;
import io.blkmq.runtime.log.FailureLog;
import java.io.IOException;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;

/**
 * What becomes of a device's partitions when something else may be on the disk: they are read again by itself with the PARTSCAN flag;
 * without it, and on a polled device, those of a table that is not there any more are removed. The kernel's counterpart is
 * {@code loop_reread_partitions}; like that it never fails what it is a part of.
 */
final class LoopPartitions {
    private static final System.Logger LOG = System.getLogger(LoopPartitions.class.getName());

    private final Disk disk;
    /**
     * What could not be done since partitions are in use; null if nothing. Written before the try, so that who closes the last of them
     * finds it. Who has done what was to be done takes that away, and not the next change, of another thread or of a listener.
     */
    private final AtomicReference<@Nullable Change> putOff = new AtomicReference<>();

    /**
     * What has happened to the disk.
     *
     * @param why in words, for the log
     * @param otherTable whether what the table said holds no more
     * @param scan whether the device reads its table by itself
     */
    record Change(String why, boolean otherTable, boolean scan) {}

    LoopPartitions(Disk disk) {
        this.disk = disk;
    }

    /**
     * There may be another table now: after the attachment, another backing file, another size or block. Where partitions are in use
     * the old ones stay until they are not, which is logged. Without the device's lock.
     */
    void after(Change change) {
        // The owner of a polled device's ring has to read.
        boolean reads = change.scan && !disk.queue().isPolled();
        if (!reads && !change.otherTable) {
            FailureLog.log(LOG, System.Logger.Level.DEBUG,
                    () -> disk.name() + ": the owner of its ring has to read its partitions after " + change.why, null);
            return;
        }
        putOff.set(change);
        try {
            if (reads) {
                rescan();
            } else {
                disk.partitions().removeAll();
            }
        } catch (DiskBusyException e) {
            FailureLog.log(LOG, System.Logger.Level.WARNING,
                    () -> e.getMessage() + " after " + change.why + "; they stay as they were until then", null);
            return;
        } catch (IOException e) {
            FailureLog.log(LOG, System.Logger.Level.WARNING,
                    () -> disk.name() + ": no partitions, since they cannot be read after " + change.why, e);
        } catch (Throwable t) {
            // If it was detached meanwhile it has none.
            if (!disk.isClosed()) {
                FailureLog.log(LOG, System.Logger.Level.ERROR,
                        () -> disk.name() + ": what becomes of its partitions after " + change.why + " is not known",
                        t);
            }
        }
        boolean _ = putOff.compareAndSet(change, null);
    }

    /** The change has been made, and whoever made it is not to keep the old partitions by an interrupt, which stays. */
    private void rescan() throws IOException {
        boolean interrupted = Thread.interrupted();
        try {
            while (true) {
                try {
                    var _ = disk.partitions().rescan();
                    return;
                } catch (BlockIOException e) {
                    if (e.status() != Status.INTR || !Thread.interrupted()) {
                        throw e;
                    }
                    interrupted = true;
                }
            }
        } finally {
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }

    /** What is still to be done, now that no partition is in use; null for nothing. */
    @Nullable
    Change putOff() {
        return putOff.get();
    }

    /** There is no medium any more, whoever uses it. */
    void gone() {
        disk.partitions().mediumGone();
        putOff.set(null);
    }
}
