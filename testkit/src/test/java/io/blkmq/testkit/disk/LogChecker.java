package io.blkmq.testkit.disk;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.core.Bio;
import io.blkmq.core.Operation;
import io.blkmq.core.QueueLimits;
import io.blkmq.core.Status;
import io.blkmq.sim.DurabilityChecker;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Objects;

/** Tells a {@link DurabilityChecker} what stands in the log of a disk: what the disk has really done, and what submitters were told. */
final class LogChecker {
    private final DurabilityChecker checker;
    private final Map<Long, DurabilityChecker.Submission> submissions = new HashMap<>();
    private final Map<Long, DiskEvent.Received> received = new HashMap<>();
    private final Map<Long, Long> flushes = new HashMap<>();

    LogChecker(QueueLimits limits) {
        this.checker = new DurabilityChecker(limits.hasWriteCache(), limits.hasFua());
    }

    /**
     * Goes through a log, and checks besides that it explains itself: a power cut leaves what was optional, and the content in the end is
     * what the log says.
     */
    DurabilityChecker read(DiskLog log, DiskImage end) {
        LogCursor cursor = new LogCursor(log);
        while (cursor.hasNext()) {
            DiskEvent event = log.events().get(cursor.position());
            if (event instanceof DiskEvent.PowerLost lost) {
                assertThat(new HashSet<>(cursor.optional())).containsAll(lost.survivors());
            }
            tell(event);
            assertThat(cursor.next()).isSameAs(event);
        }
        assertThat(cursor.lose(cursor.optional())).isEqualTo(end);
        return checker;
    }

    private void tell(DiskEvent event) {
        switch (event) {
            case DiskEvent.Submitted bio when bio.operation() == Operation.FLUSH ->
                submissions.put(bio.bio(), checker.flush());
            case DiskEvent.Submitted bio when bio.operation() != Operation.READ ->
                submissions.put(bio.bio(), checker.write(bio.offset() / 512, bio.bytes() / 512,
                        (bio.flags() & Bio.PREFLUSH) != 0, (bio.flags() & Bio.FUA) != 0));
            case DiskEvent.Told told -> {
                DurabilityChecker.Submission submission = submissions.remove(told.bio());
                if (submission != null) {
                    checker.ended(submission, told.status() == Status.OK);
                }
            }
            case DiskEvent.Received request when request.operation() != Operation.FLUSH
                    && request.operation() != Operation.READ -> {
                received.put(request.request(), request);
                checker.received(request.offset() / 512, request.bytes() / 512, isFua(request));
            }
            case DiskEvent.Written written -> written(written.piece(), written.through());
            case DiskEvent.FlushBegun flush -> flushes.put(flush.request(), checker.flushBegins());
            case DiskEvent.FlushEnded flush -> {
                long begun = Objects.requireNonNull(flushes.remove(flush.request()));
                if (flush.effective()) {
                    checker.flushed(begun);
                } else {
                    checker.flushFailed(begun);
                }
            }
            case DiskEvent.PowerLost _ -> {
                checker.powerCut();
                flushes.clear();
            }
            default -> {
            }
        }
    }

    /** What went elsewhere than it was sent to was not written. */
    private void written(VolatilePiece piece, boolean through) {
        DiskEvent.Received request = received.get(piece.request());
        if (request != null && piece.offset() >= request.offset()
                && piece.offset() + piece.bytes() <= request.offset() + request.bytes()) {
            checker.written(piece.offset() / 512, piece.bytes() / 512, through);
        }
    }

    private static boolean isFua(DiskEvent.Received request) {
        return (request.flags() & Bio.FUA) != 0;
    }
}
