package io.blkmq.tools.run;

import io.blkmq.tools.job.FileService;
import java.util.BitSet;

/** Which part of a job's files or devices the next operation goes to. For one thread. */
final class PartOrder {
    private final FileService service;
    private final int parts;
    private final XorShift random;
    private final BitSet finished = new BitSet();
    private int part;
    private int operations;

    PartOrder(FileService service, int parts, XorShift random) {
        this.service = service;
        this.parts = parts;
        this.random = random;
    }

    /** A part that is not finished; any, if all are. */
    int next() {
        boolean stays = operations > 0
                && (service.order() == FileService.Order.SEQUENTIAL || operations < service.operations());
        if (!stays) {
            if (operations > 0 || service.order() == FileService.Order.RANDOM) {
                part = service.order() == FileService.Order.RANDOM ? (int) random.below(parts) : (part + 1) % parts;
            }
            operations = 0;
        }
        if (finished.get(part)) {
            int free = finished.nextClearBit(part);
            part = free < parts ? free : finished.nextClearBit(0) % parts;
            operations = 0;
        }
        operations++;
        return part;
    }

    void finished(int which) {
        finished.set(which);
    }

    boolean areAllFinished() {
        return finished.cardinality() == parts;
    }

    void restart() {
        finished.clear();
    }
}
