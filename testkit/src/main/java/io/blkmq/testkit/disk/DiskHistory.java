package io.blkmq.testkit.disk;

import io.blkmq.testkit.crash.History;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Collectors;

/**
 * Reads the log of a simulated disk as a history of effects. Each piece of a write is an effect: born when the device receives the
 * request, durable when it was written through or a flush has ended that began after it was written, and gone if the request ends without
 * it. Pieces for one place survive in the order in which they took effect. For one thread.
 */
final class DiskHistory {
    private final History.Builder history = History.builder();
    private final List<VolatilePiece> pieces = new ArrayList<>();
    /** The effect of each piece that has been received. */
    private final Map<VolatilePiece, Integer> effects = new HashMap<>();
    /** What each effect requires itself. */
    private final List<Set<Integer>> required = new ArrayList<>();
    /** By request, its pieces that have not been written. */
    private final Map<Long, List<VolatilePiece>> received = new HashMap<>();
    /** The last effect on each place that was written, by where it begins. */
    private final TreeMap<Long, Placed> places = new TreeMap<>();
    /** What stands in the cache, oldest first. */
    private final List<Integer> cached = new ArrayList<>();
    /** By flush, how much of that it covers. */
    private final Map<Long, List<Integer>> flushes = new HashMap<>();

    private record Placed(long end, int effect) {}

    private DiskHistory() {}

    /**
     * Reads a log.
     *
     * @throws IllegalStateException if the workload has done what cannot be explored
     */
    static DiskCrashes read(DiskLog log) {
        DiskHistory reader = new DiskHistory();
        for (DiskEvent event : log.events()) {
            reader.history.event();
            reader.read(event);
        }
        return new DiskCrashes(reader.history.build(), new DiskMedium(log.base(), reader.pieces, log.events()));
    }

    /**
     * The crashes of a disk.
     *
     * @param history which pieces a power cut may leave
     * @param medium what they are
     */
    record DiskCrashes(History history, DiskMedium medium) {}

    private void read(DiskEvent event) {
        switch (event) {
            case DiskEvent.Received e -> {
                received.put(e.request(), new ArrayList<>(e.pieces()));
                e.pieces().forEach(piece -> effects.put(piece, effect(piece)));
            }
            case DiskEvent.Written e -> written(e.piece(), e.through());
            case DiskEvent.FlushBegun e -> flushes.put(e.request(), List.copyOf(cached));
            case DiskEvent.FlushEnded e -> {
                List<Integer> covered = flushes.remove(e.request());
                if (e.effective() && covered != null) {
                    covered.forEach(history::durable);
                    cached.removeAll(covered);
                }
            }
            case DiskEvent.Completed e -> {
                List<VolatilePiece> never = received.remove(e.request());
                if (never != null) {
                    never.forEach(piece -> history.gone(effectOf(piece)));
                }
            }
            case DiskEvent.Acknowledged _ -> history.acknowledged();
            case DiskEvent.Submitted _,DiskEvent.Told _ -> {
            }
            case DiskEvent.PowerLost _,DiskEvent.Exchanged _ -> throw new IllegalStateException(
                    "the workload has cut the power or loaded an image: crashes are the explorer's to make");
        }
    }

    private int effect(VolatilePiece piece) {
        Set<Integer> earlier = before(piece);
        pieces.add(piece);
        required.add(earlier);
        return history.effect(earlier.stream().mapToInt(Integer::intValue).toArray());
    }

    /** The last effects on the places of a piece. */
    private Set<Integer> before(VolatilePiece piece) {
        long end = piece.offset() + piece.bytes();
        Map.Entry<Long, Placed> first = places.floorEntry(piece.offset());
        long from = first != null && first.getValue().end > piece.offset() ? first.getKey() : piece.offset();
        return places.subMap(from, true, end, false).values().stream().map(Placed::effect).collect(Collectors.toSet());
    }

    private int effectOf(VolatilePiece piece) {
        Integer effect = effects.get(piece);
        if (effect == null) {
            throw new IllegalStateException(piece + " was never received");
        }
        return effect;
    }

    private void written(VolatilePiece piece, boolean through) {
        List<VolatilePiece> left = received.get(piece.request());
        if (left != null) {
            left.remove(piece);
        }
        int effect = effectOf(piece);
        if (!required.get(effect).containsAll(before(piece))) {
            // Another request has been written since this one was received: this one takes effect after it.
            history.gone(effect);
            effect = effect(piece);
            effects.put(piece, effect);
        }
        place(piece, effect);
        if (through) {
            history.durable(effect);
        } else {
            cached.add(effect);
        }
    }

    /** What was placed before keeps the ends that stick out. */
    private void place(VolatilePiece piece, int effect) {
        long end = piece.offset() + piece.bytes();
        Map.Entry<Long, Placed> before = places.lowerEntry(piece.offset());
        if (before != null && before.getValue().end > piece.offset()) {
            places.put(before.getKey(), new Placed(piece.offset(), before.getValue().effect));
            if (before.getValue().end > end) {
                places.put(end, before.getValue());
            }
        }
        for (Map.Entry<Long, Placed> each = places.ceilingEntry(piece.offset()); each != null
                && each.getKey() < end; each = places.ceilingEntry(piece.offset())) {
            places.remove(each.getKey());
            if (each.getValue().end > end) {
                places.put(end, each.getValue());
            }
        }
        places.put(piece.offset(), new Placed(end, effect));
    }
}
