package io.blkmq.core.mq;

import io.blkmq.core.Bio;
import io.blkmq.core.BioCompletion;
import io.blkmq.core.Disk;
import io.blkmq.core.Operation;
import io.blkmq.core.Status;
import io.blkmq.runtime.IoBuffer;
import java.util.ArrayList;
import java.util.List;

/** Remembers which bios have ended, and how. Thread-safe. */
final class Told implements BioCompletion {
    private static final IoBuffer MEMORY = IoBuffer.allocate(4096);

    private final List<String> ends = new ArrayList<>();

    @Override
    public synchronized void ended(Bio bio) {
        ends.add(bio.operation() + (bio.operation().hasRange() ? " " + bio.sector() : "") + " " + bio.status());
    }

    /** What has ended since this was asked last, in order. */
    synchronized List<String> ends() {
        List<String> copy = List.copyOf(ends);
        ends.clear();
        return copy;
    }

    synchronized int count() {
        return ends.size();
    }

    /** A bio of one block of pooled memory, which tells this. */
    Bio bio(Operation operation, long sector) {
        Bio bio = new Bio(1).reset(operation, sector).onEnd(this);
        if (operation.hasData()) {
            bio.add(MEMORY.memory(), 0, 512);
        } else if (operation.hasRange()) {
            bio.length(512);
        }
        return bio;
    }

    Bio read(long sector) {
        return bio(Operation.READ, sector);
    }

    Bio write(long sector) {
        return bio(Operation.WRITE, sector);
    }

    Bio flush() {
        return bio(Operation.FLUSH, 0);
    }

    /** Submits reads of sectors in a row. */
    void submitReads(Disk disk, int from, int to) {
        for (int sector = from; sector < to; sector++) {
            disk.submit(read(sector));
        }
    }

    static String ok(int sector) {
        return "READ " + sector + " " + Status.OK;
    }
}
