package io.blkmq.core;

import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;

/** Several pieces of memory that stand for one range of the disk, one behind the other: scatter and gather. Immutable. */
final class MemoryRow {
    /** As many as the kernel takes (IOV_MAX). */
    static final int PIECES_MAX = 1024;

    private final List<MemorySegment> pieces;
    private final long bytes;

    private MemoryRow(List<MemorySegment> pieces) {
        this.pieces = pieces;
        this.bytes = pieces.stream().mapToLong(MemorySegment::byteSize).sum();
    }

    /**
     * Of segments.
     *
     * @throws IllegalArgumentException if there are too many, one is empty, or one cannot be read into or overlaps another and is to be
     */
    static MemoryRow of(Operation operation, List<MemorySegment> memory) {
        List<MemorySegment> pieces = List.copyOf(memory);
        if (pieces.size() > PIECES_MAX) {
            throw new IllegalArgumentException(operation + " with " + pieces.size() + " pieces of memory: at most "
                    + PIECES_MAX + " are possible");
        }
        for (int i = 0; i < pieces.size(); i++) {
            if (pieces.get(i).byteSize() == 0) {
                throw new IllegalArgumentException(operation + ": piece " + i + " of the memory is empty");
            }
            if (operation == Operation.READ) {
                requireReadableInto(pieces, i);
            }
        }
        return new MemoryRow(pieces);
    }

    /** Of buffers, from each one's position to its limit; those without a rest are left out. */
    static MemoryRow of(Operation operation, ByteBuffer[] buffers) {
        List<MemorySegment> pieces = new ArrayList<>(buffers.length);
        for (ByteBuffer buffer : buffers) {
            if (buffer.hasRemaining()) {
                pieces.add(MemorySegment.ofBuffer(buffer));
            }
        }
        return of(operation, pieces);
    }

    private static void requireReadableInto(List<MemorySegment> pieces, int index) {
        MemorySegment piece = pieces.get(index);
        if (piece.isReadOnly()) {
            throw new IllegalArgumentException(
                    "piece " + index + " of the memory is read-only: nothing can be read into it");
        }
        for (int i = 0; i < index; i++) {
            if (pieces.get(i).asOverlappingSlice(piece).isPresent()) {
                throw new IllegalArgumentException("pieces " + i + " and " + index
                        + " of the memory overlap: what is read into one would be lost in the other");
            }
        }
    }

    long bytes() {
        return bytes;
    }

    /** Whether threads other than the caller's can use all of it. */
    boolean isShared() {
        for (MemorySegment piece : pieces) {
            if (!piece.isAccessibleBy(BioVec.ANOTHER)) {
                return false;
            }
        }
        return true;
    }

    Bio bio(Operation operation, long sector, int flags) {
        Bio bio = new Bio(pieces.size()).reset(operation, sector);
        pieces.forEach(bio::add);
        return bio.flags(flags);
    }

    /** Fills a segment with what stands from an offset on. */
    void copyTo(long from, MemorySegment target) {
        copy(from, target, false);
    }

    /** Puts a segment's content where an offset points to. */
    void copyFrom(long to, MemorySegment source) {
        copy(to, source, true);
    }

    private void copy(long offset, MemorySegment other, boolean into) {
        long skip = offset;
        long done = 0;
        for (MemorySegment piece : pieces) {
            long size = piece.byteSize();
            if (skip >= size) {
                skip -= size;
                continue;
            }
            long length = Math.min(size - skip, other.byteSize() - done);
            if (into) {
                MemorySegment.copy(other, done, piece, skip, length);
            } else {
                MemorySegment.copy(piece, skip, other, done, length);
            }
            skip = 0;
            done += length;
            if (done == other.byteSize()) {
                return;
            }
        }
    }
}
