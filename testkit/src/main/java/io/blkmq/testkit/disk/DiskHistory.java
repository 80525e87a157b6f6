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
 * it. Of several pieces for one place that survive, the one that took effect last is seen there.
 *
 * <p>A crash shows durable effects first, and pending ones over them. So when a piece is written through over one that stands in the cache,
 * the older effect is gone from then on, and another one takes its place: of what has not been written over. All that stands above it is
 * taken up again, too.
 *
 * <p>For one thread.
 */
final class DiskHistory {
    private final History.Builder history = History.builder();
    /** What each effect writes: a piece, or what is left of it. */
    private final List<List<VolatilePiece>> parts = new ArrayList<>();
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
    /** By an effect that is gone, the one that has taken its place. */
    private final Map<Integer, Integer> successors = new HashMap<>();
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
        return new DiskCrashes(reader.history.build(), new DiskMedium(log.base(), reader.parts, log.events()));
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
                    List<Integer> now = covered.stream().map(this::present).toList();
                    now.forEach(history::durable);
                    cached.removeAll(now);
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
        return effect(List.of(piece), hiddenBy(piece));
    }

    private int effect(List<VolatilePiece> what, Set<Integer> requires) {
        parts.add(what);
        required.add(requires);
        return history.effect(requires.stream().mapToInt(Integer::intValue).toArray());
    }

    /** The last effects on the places of a piece. */
    private Set<Integer> before(VolatilePiece piece) {
        long end = piece.offset() + piece.bytes();
        Map.Entry<Long, Placed> first = places.floorEntry(piece.offset());
        long from = first != null && first.getValue().end > piece.offset() ? first.getKey() : piece.offset();
        return places.subMap(from, true, end, false).values().stream().map(Placed::effect).collect(Collectors.toSet());
    }

    /** Those of them of which nothing is seen beside the piece: it may as well require them, and there are fewer states. */
    private Set<Integer> hiddenBy(VolatilePiece piece) {
        return before(piece).stream().filter(effect -> isHidden(effect, piece)).collect(Collectors.toSet());
    }

    private boolean isHidden(int effect, VolatilePiece by) {
        return parts.get(effect).stream().allMatch(
                part -> part.offset() >= by.offset() && part.offset() + part.bytes() <= by.offset() + by.bytes());
    }

    private boolean overlaps(int effect, VolatilePiece other) {
        return parts.get(effect).stream().anyMatch(part -> part.overlaps(other.offset(), other.bytes()));
    }

    /** An effect, or the one that has taken its place. */
    private int present(int effect) {
        int last = effect;
        for (Integer next = successors.get(last); next != null; next = successors.get(last)) {
            last = next;
        }
        return last;
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
        Set<Integer> earlier = before(piece);
        int born = effect;
        if (earlier.stream().anyMatch(each -> each > born) || !required.get(effect).containsAll(hiddenBy(piece))) {
            // Another request has been written since this one was received: this one takes effect after it.
            history.gone(effect);
            effect = effect(piece);
            effects.put(piece, effect);
        }
        place(piece, effect);
        if (through) {
            history.durable(effect);
            goneOver(piece);
        } else {
            cached.add(effect);
        }
    }

    /** A piece has been written through: what stands in the cache does not go over it any more. */
    private void goneOver(VolatilePiece through) {
        List<VolatilePiece> again = new ArrayList<>();
        for (int i = 0; i < cached.size(); i++) {
            int effect = cached.get(i);
            if (isHidden(effect, through)) {
                // Whether it is there is not seen.
                history.durable(effect);
            } else if (overlaps(effect, through) || again.stream().anyMatch(each -> overlaps(effect, each))) {
                int next = succeed(effect, rest(effect, through));
                cached.set(i, next);
                again.addAll(parts.get(next));
            }
        }
        cached.removeIf(effect -> isHidden(effect, through));
        if (!again.isEmpty()) {
            places.replaceAll((_, placed) -> new Placed(placed.end, present(placed.effect)));
            for (List<VolatilePiece> pieces : received.values()) {
                for (VolatilePiece piece : pieces) {
                    if (again.stream().anyMatch(each -> each.overlaps(piece.offset(), piece.bytes()))) {
                        effects.put(piece, succeed(effectOf(piece), List.of(piece)));
                    }
                }
            }
        }
    }

    /** Another effect takes the place of one. */
    private int succeed(int effect, List<VolatilePiece> what) {
        history.gone(effect);
        int next = effect(what, required.get(effect).stream().map(this::present).collect(Collectors.toSet()));
        successors.put(effect, next);
        return next;
    }

    /** What an effect writes beside a piece. */
    private List<VolatilePiece> rest(int effect, VolatilePiece beside) {
        List<VolatilePiece> rest = new ArrayList<>();
        for (VolatilePiece part : parts.get(effect)) {
            long end = part.offset() + part.bytes();
            if (part.overlaps(beside.offset(), beside.bytes())) {
                addPart(rest, part, part.offset(), beside.offset());
                addPart(rest, part, beside.offset() + beside.bytes(), end);
            } else {
                rest.add(part);
            }
        }
        return rest;
    }

    private static void addPart(List<VolatilePiece> to, VolatilePiece of, long from, long end) {
        if (from < end) {
            to.add(of.part(from, end));
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
