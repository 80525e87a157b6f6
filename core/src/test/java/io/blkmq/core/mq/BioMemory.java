package io.blkmq.core.mq;

import io.blkmq.core.mq.BioStep.Memory;
import io.blkmq.core.mq.BioStep.Piece;
import io.blkmq.runtime.IoBuffer;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.EnumMap;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * The memory of a program's bios: one range of each kind, that pieces are cut from one behind the other, with bytes around each that
 * nobody may write to. The ranges begin at multiples of their own size, so that a program meets the same boundaries each time.
 */
final class BioMemory {
    private static final int RANGE_BYTES = 4 << 20;
    private static final int GUARD_BYTES = 16;
    private static final byte GUARD = (byte) 0xa5;
    /** What nothing has been read into. */
    private static final byte UNREAD = (byte) 0xee;
    private static final MemorySegment GUARDS = MemorySegment.ofArray(new byte[GUARD_BYTES]).fill(GUARD);

    private static final Map<Memory, MemorySegment> RANGES = ranges();

    private final Map<Memory, Long> used = new EnumMap<>(Memory.class);

    /** A piece in its place. */
    record Place(Piece piece, MemorySegment range, long offset) {
        MemorySegment memory() {
            return range.asSlice(offset, piece.bytes());
        }
    }

    private static Map<Memory, MemorySegment> ranges() {
        Map<Memory, MemorySegment> ranges = new EnumMap<>(Memory.class);
        // Never given back: it serves all programs.
        MemorySegment pooled = IoBuffer.allocate(2L * RANGE_BYTES).memory();
        ranges.put(Memory.POOL, pooled.asSlice(-pooled.address() & (RANGE_BYTES - 1), RANGE_BYTES));
        ranges.put(Memory.NATIVE, Arena.global().allocate(RANGE_BYTES, RANGE_BYTES));
        ranges.put(Memory.HEAP, MemorySegment.ofArray(new byte[RANGE_BYTES]));
        ranges.put(Memory.READ_ONLY, Arena.global().allocate(RANGE_BYTES, RANGE_BYTES));
        return ranges;
    }

    /** A place for a piece, with its guards; null if there is no room left. */
    @Nullable
    Place place(Piece piece) {
        MemorySegment range = Objects.requireNonNull(RANGES.get(piece.memory()));
        long from = used.getOrDefault(piece.memory(), 0L) + GUARD_BYTES;
        long at = (from + piece.unit() - 1) / piece.unit() * piece.unit() + piece.offset();
        if (at + piece.bytes() + GUARD_BYTES > RANGE_BYTES) {
            return null;
        }
        used.put(piece.memory(), at + piece.bytes() + GUARD_BYTES);
        MemorySegment.copy(GUARDS, 0, range, at - GUARD_BYTES, GUARD_BYTES);
        MemorySegment.copy(GUARDS, 0, range, at + piece.bytes(), GUARD_BYTES);
        range.asSlice(at, piece.bytes()).fill(UNREAD);
        return new Place(piece, range, at);
    }

    static boolean isGuarded(Place place) {
        return isGuard(place, place.offset - GUARD_BYTES) && isGuard(place, place.offset + place.piece.bytes());
    }

    private static boolean isGuard(Place place, long at) {
        return MemorySegment.mismatch(GUARDS, 0, GUARD_BYTES, place.range, at, at + GUARD_BYTES) < 0;
    }

    /** What the bio is given: read-only memory is written by its owner and by nobody else. */
    static MemorySegment asGiven(Place place) {
        return place.piece.memory() == Memory.READ_ONLY ? place.range.asReadOnly() : place.range;
    }

    /** Fills pieces with bytes that tell the bio and the place in it. */
    static void fill(MemorySegment memory, long salt) {
        long bytes = memory.byteSize();
        long x = salt * 0x9e3779b97f4a7c15L;
        long at = 0;
        for (; at + 8 <= bytes; at += 8) {
            x += 0x632be59bd9b4e019L;
            memory.set(ValueLayout.JAVA_LONG_UNALIGNED, at, x ^ x >>> 29);
        }
        for (; at < bytes; at++) {
            memory.set(ValueLayout.JAVA_BYTE, at, (byte) (x >>> (at % 8 * 8)));
        }
    }
}
