package io.blkmq.core;

import io.blkmq.runtime.IoBuffer;
import java.lang.foreign.MemorySegment;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;

/**
 * Makes a range read as zeroes: by the device's own operation, and where it has none, or says so, by writing zeroes. The kernel's
 * counterpart is {@code blkdev_issue_zeroout}.
 */
final class ZeroOut implements BioCompletion {
    private static final int PIECE_BYTES = 256 << 10;

    /** A source of zeroes; null until it is needed, and while there was no memory for it. */
    private static final AtomicReference<@Nullable IoBuffer> ZEROES = new AtomicReference<>();

    /** Zeroes, to compare with or to write; never written to. Throws what the pool throws if there is no memory for them now. */
    static MemorySegment zeroes() {
        IoBuffer now = ZEROES.get();
        if (now != null) {
            return now.memory();
        }
        IoBuffer made = IoBuffer.allocate(PIECE_BYTES);
        made.memory().fill((byte) 0);
        if (ZEROES.compareAndSet(null, made)) {
            return made.memory();
        }
        made.close();
        return Objects.requireNonNull(ZEROES.get()).memory();
    }

    private final DiskSectors disk;
    private final IoCompletion completion;
    private final Bio bio = new Bio(1);
    private final long endSector;
    private long nextSector;
    private boolean writing;

    private ZeroOut(DiskSectors disk, long firstSector, long endSector, IoCompletion completion) {
        this.disk = disk;
        this.nextSector = firstSector;
        this.endSector = endSector;
        this.completion = completion;
        bio.onEnd(this);
    }

    static void start(DiskSectors disk, long offset, long bytes, int flags, IoCompletion completion) {
        long sector = disk.sector(Operation.WRITE_ZEROES, offset);
        // The device's own operation also checks the range, whether the device has it or not.
        ZeroOut zero = new ZeroOut(disk, sector, sector + bytes / QueueLimits.SECTOR_BYTES, completion);
        disk.submit(zero.bio.reset(Operation.WRITE_ZEROES, sector).length(bytes).flags(flags));
    }

    @Override
    public void ended(Bio ended) {
        if (!writing && ended.status() == Status.NOTSUPP) {
            writing = true;
        } else if (!writing || ended.status() != Status.OK || nextSector == endSector) {
            Bio.countEnded();
            completion.ended(ended.status());
            return;
        }
        writeNext();
    }

    private void writeNext() {
        long bytes = Math.min(PIECE_BYTES, (endSector - nextSector) * QueueLimits.SECTOR_BYTES);
        try {
            bio.reset(Operation.WRITE, nextSector).add(zeroes(), 0, bytes);
            nextSector += bytes / QueueLimits.SECTOR_BYTES;
            disk.submit(bio);
        } catch (RuntimeException | Error e) {
            // Within a completion, so nothing has been submitted. The disk was closed or made smaller meanwhile, or there
            // is no memory for the zeroes.
            Bio.countEnded();
            completion.ended(disk.isClosed() ? Status.NODEV : Status.IOERR);
        }
    }
}
