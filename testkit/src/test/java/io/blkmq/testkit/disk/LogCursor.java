package io.blkmq.testkit.disk;

import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * A position in a log: between two events, before the first one to begin with. What it says of a position holds for a power cut
 * there. For one thread.
 */
final class LogCursor {
    private final List<DiskEvent> events;
    private final CachedContent content;
    /** By flush, what it covers. */
    private final Map<Long, Long> flushes = new LinkedHashMap<>();
    /** By request, the pieces that have been received and not written. */
    private final Map<Long, Set<VolatilePiece>> received = new LinkedHashMap<>();
    private int position;
    private int acknowledged;

    LogCursor(DiskLog log) {
        this.events = log.events();
        this.content = new CachedContent(log.base());
    }

    /** How many events lie behind it. */
    int position() {
        return position;
    }

    boolean hasNext() {
        return position < events.size();
    }

    /** Goes over one event, which is returned. */
    DiskEvent next() {
        DiskEvent event = events.get(position++);
        switch (event) {
            case DiskEvent.Received begun -> {
                if (!begun.pieces().isEmpty()) {
                    received.put(begun.request(), new LinkedHashSet<>(begun.pieces()));
                }
            }
            case DiskEvent.Written written -> write(written.piece(), written.through());
            case DiskEvent.FlushBegun flush -> flushes.put(flush.request(), content.mark());
            case DiskEvent.FlushEnded flush -> {
                Long mark = flushes.remove(flush.request());
                if (flush.effective() && mark != null) {
                    content.flush(mark);
                }
            }
            case DiskEvent.Completed completed -> received.remove(completed.request());
            case DiskEvent.PowerLost lost -> become(lose(lost.survivors()));
            case DiskEvent.Exchanged exchanged -> become(exchanged.image());
            case DiskEvent.Acknowledged marked -> acknowledged = marked.count();
            case DiskEvent.Submitted _,DiskEvent.Told _ -> {
            }
        }
        return event;
    }

    private void write(VolatilePiece piece, boolean through) {
        Set<VolatilePiece> left = received.get(piece.request());
        if (left != null) {
            left.remove(piece);
        }
        if (through) {
            content.writeThrough(piece);
        } else {
            content.write(piece);
        }
    }

    private void become(DiskImage image) {
        content.become(image);
        flushes.clear();
        received.clear();
    }

    /** How many acknowledgements there were. */
    int acknowledged() {
        return acknowledged;
    }

    /** What is durable: what a power cut leaves if nothing else survives. */
    DiskImage durable() {
        return content.surviving(_ -> false, List.of());
    }

    /** What a power cut may leave or not, each piece for itself; a later one for the same place replaces an earlier one. */
    List<VolatilePiece> optional() {
        List<VolatilePiece> pieces = content.pending();
        received.values().forEach(pieces::addAll);
        return pieces;
    }

    /** What a power cut leaves if some optional pieces survive. */
    DiskImage lose(List<VolatilePiece> survivors) {
        return content.surviving(new HashSet<>(survivors)::contains,
                received.values().stream().flatMap(Set::stream).toList());
    }
}
