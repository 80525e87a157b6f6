package io.blkmq.testkit.disk;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.function.BiConsumer;
import java.util.function.Predicate;

/**
 * What a device with a volatile write cache holds: what is durable, what a read sees, and the pieces that make the difference, in the
 * order in which they took effect.
 *
 * <pre>
 *   write ─────────▶ current, and pending
 *   write through ─▶ current, and durable; and pending too if there is something, so that no older piece goes over it later
 *   flush ─────────▶ the oldest pending go to durable
 *   power cut ─────▶ the survivors of pending go to durable, which is current then
 * </pre>
 *
 * <p>Guarded by its owner's lock.
 */
final class CachedContent {
    /** A piece that took effect, and whether it is durable already. */
    private record Entry(VolatilePiece piece, boolean through) {}

    private final BlockTree durable;
    private final BlockTree current;
    private final ArrayDeque<Entry> pending = new ArrayDeque<>();
    /** Of those that are not durable. */
    private long pendingBytes;
    private int pendingThrough;
    /** How many entries have ever left {@link #pending}. */
    private long left;

    CachedContent(DiskImage image) {
        this.durable = image.tree().copy();
        this.current = image.tree().copy();
    }

    /** All of another image, and nothing pending. */
    void become(DiskImage image) {
        durable.become(image.tree());
        current.become(image.tree());
        forgetPending();
    }

    private void forgetPending() {
        left += pending.size();
        pending.clear();
        pendingBytes = 0;
        pendingThrough = 0;
    }

    /** What a read sees. */
    BlockTree current() {
        return current;
    }

    long pendingBytes() {
        return pendingBytes;
    }

    void write(VolatilePiece piece) {
        piece.applyTo(current);
        pending.addLast(new Entry(piece, false));
        pendingBytes += piece.bytes();
    }

    void writeThrough(VolatilePiece piece) {
        piece.applyTo(current);
        if (pending.isEmpty()) {
            durable.become(current);
            return;
        }
        piece.applyTo(durable);
        pending.addLast(new Entry(piece, true));
        pendingThrough++;
    }

    /** What a flush that begins now has to make durable: for {@link #flush}. */
    long mark() {
        return left + pending.size();
    }

    /** Everything that took effect before a mark is durable. */
    void flush(long mark) {
        if (mark >= mark()) {
            durable.become(current);
            forgetPending();
            return;
        }
        while (left < mark) {
            Entry oldest = pending.removeFirst();
            left++;
            // Also what went through: an older piece has perhaps just gone over it.
            oldest.piece.applyTo(durable);
            if (oldest.through) {
                pendingThrough--;
            } else {
                pendingBytes -= oldest.piece.bytes();
            }
        }
        if (pendingThrough > 0) {
            // They are newer than what has just been written over them.
            for (Entry entry : pending) {
                if (entry.through) {
                    entry.piece.applyTo(durable);
                }
            }
        }
    }

    /** Makes the older half of the entries durable: the cache is full. */
    void writeBack() {
        flush(left + (pending.size() + 1) / 2);
    }

    /** The pieces that a power cut may take away, in the order in which they took effect. */
    List<VolatilePiece> pending() {
        List<VolatilePiece> pieces = new ArrayList<>(pending.size() - pendingThrough);
        for (Entry entry : pending) {
            if (!entry.through) {
                pieces.add(entry.piece);
            }
        }
        return pieces;
    }

    /** Shows all that took effect since the oldest piece that is not durable, and whether it went through. */
    void forEachPending(BiConsumer<VolatilePiece, Boolean> visitor) {
        pending.forEach(entry -> visitor.accept(entry.piece, entry.through));
    }

    /** Whether nothing of a range is pending. */
    boolean isDurable(long offset, long bytes) {
        return pending.stream().noneMatch(entry -> !entry.through && entry.piece.overlaps(offset, bytes));
    }

    /** What there would be after a power cut. The pieces are asked about in the order in which they took effect. */
    DiskImage surviving(Predicate<VolatilePiece> survives, List<VolatilePiece> received) {
        BlockTree tree = durable.copy();
        boolean over = false;
        for (Entry entry : pending) {
            boolean stays = entry.through || survives.test(entry.piece);
            // A piece that was written through is there already, unless an older one has just gone over it.
            if (stays && (over || !entry.through)) {
                entry.piece.applyTo(tree);
                over = true;
            }
        }
        for (VolatilePiece piece : received) {
            if (survives.test(piece)) {
                piece.applyTo(tree);
            }
        }
        return new DiskImage(tree);
    }

    DiskImage snapshot() {
        return new DiskImage(current.copy());
    }
}
