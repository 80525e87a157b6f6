package io.blkmq.core.mq;

import io.blkmq.core.Status;
import java.io.IOException;
import org.jspecify.annotations.Nullable;

/** A flush machine with a defect. */
final class BrokenFlushQueue extends FlushQueue {
    /** What is wrong with it. */
    enum Defect {
        /** A flush begins while data of a sequence is in flight. */
        C2_DROPPED,
        /** Who came during a flush is told by it, too: the list is toggled when it ends. */
        LIST_TOGGLED_LATE,
        /** A write whose PREFLUSH has failed goes on, and without a POSTFLUSH. */
        FAILED_PREFLUSH_IGNORED,
        /** An empty flush now and then is told before any flush of the device. */
        ONE_FLUSH_TOLD_EARLY,
        /** A write whose POSTFLUSH has failed is told that all is well. */
        FAILED_POSTFLUSH_IGNORED
    }

    private final Defect defect;
    private int flushes;

    BrokenFlushQueue(DispatchContext hctx, Defect defect) throws IOException {
        super(hctx.queue(), hctx.tags, hctx.index(), (rq, batch) -> hctx.issue(rq, false, batch));
        this.defect = defect;
    }

    @Override
    void submit(TagRequest rq, int steps, Trampoline batch) {
        if (defect == Defect.ONE_FLUSH_TOLD_EARLY && steps == FlushSequence.PREFLUSH && ++flushes % 3 == 0) {
            rq.noteStatus(Status.OK);
            tell(rq, batch);
        } else {
            super.submit(rq, steps, batch);
        }
    }

    @Override
    boolean isPutOff() {
        return defect != Defect.C2_DROPPED && super.isPutOff();
    }

    @Override
    @Nullable
    TagRequest takeTold() {
        TagRequest told = super.takeTold();
        if (defect == Defect.LIST_TOGGLED_LATE && told != null) {
            TagRequest last = told;
            while (last.next != null) {
                last = last.next;
            }
            last.next = takePending();
        }
        return told;
    }

    @Override
    void stepEnded(TagRequest rq, Status status, Trampoline batch) {
        int step = FlushSequence.next(rq.flush);
        if (status != Status.OK && defect == Defect.FAILED_PREFLUSH_IGNORED && step == FlushSequence.PREFLUSH) {
            rq.flush &= ~FlushSequence.POSTFLUSH;
            super.stepEnded(rq, Status.OK, batch);
        } else if (defect == Defect.FAILED_POSTFLUSH_IGNORED && step == FlushSequence.POSTFLUSH) {
            super.stepEnded(rq, Status.OK, batch);
        } else {
            super.stepEnded(rq, status, batch);
        }
    }
}
