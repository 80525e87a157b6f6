package io.blkmq.aio;

import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * The registered memory of one ring: pinned once, so that an operation in it costs the kernel no look-up of pages. A
 * slab takes one place of the kernel's sparse table for each GiB, which is the most that one place may have.
 *
 * <p>The kernel goes on using the pages that it pinned, also when the arena has been closed and the addresses belong
 * to other memory. So an operation is taken for registered only if its memory is of the same scope as the slab, not
 * by its address alone; and places of slabs whose arena has been closed are given back when room is wanted.
 *
 * <p>All of it runs where the ring may be registered with: one call at a time.
 */
final class MemoryTable {

    /** Slabs of one ring that can be registered at a time. */
    static final int SLABS_MAX = 64;

    private static final long PLACE_BYTES = 1L << 30;
    private static final int PLACES_MAX = 4 * SLABS_MAX;

    private final Uring ring;
    private final @Nullable MemorySegment[] slabs = new MemorySegment[PLACES_MAX];
    private final long[] starts = new long[PLACES_MAX];
    private final long[] ends = new long[PLACES_MAX];
    /** Places from here on are free. */
    private int limit;
    private int slabCount;
    /** Where the last search succeeded. */
    private int last;
    private boolean tableMade;
    private boolean refused;

    MemoryTable(Uring ring) {
        this.ring = ring;
    }

    /** Registers a slab; false if it cannot be. A slab that is registered already stays so. */
    boolean add(MemorySegment slab) {
        if (slab.byteSize() == 0 || !makeTable()) {
            return false;
        }
        // First: the addresses of a closed arena may be this slab's now.
        dropDead();
        if (contains(slab)) {
            return true;
        }
        if (slabCount == SLABS_MAX) {
            return false;
        }
        for (long at = 0; at < slab.byteSize(); at += PLACE_BYTES) {
            int place = freePlace();
            long bytes = Math.min(PLACE_BYTES, slab.byteSize() - at);
            if (place < 0 || ring.updateMemory(place, slab.address() + at, bytes) < 0) {
                removePlaces(slab);
                return false;
            }
            slabs[place] = slab;
            starts[place] = slab.address() + at;
            ends[place] = starts[place] + bytes;
            limit = Math.max(limit, place + 1);
        }
        slabCount++;
        return true;
    }

    /** Gives back the places of a slab; false if it has none. */
    boolean remove(MemorySegment slab) {
        if (!removePlaces(slab)) {
            return false;
        }
        slabCount--;
        return true;
    }

    /** The place that memory lies in wholly, or -1. */
    int find(MemorySegment memory, long address, long bytes) {
        if (limit == 0) {
            return -1;
        }
        if (isIn(last, memory, address, bytes)) {
            return last;
        }
        for (int place = 0; place < limit; place++) {
            if (isIn(place, memory, address, bytes)) {
                last = place;
                return place;
            }
        }
        return -1;
    }

    private boolean isIn(int place, MemorySegment memory, long address, long bytes) {
        if (address < starts[place] || bytes > ends[place] - address) {
            return false;
        }
        MemorySegment slab = slabs[place];
        return slab != null && slab.scope().equals(memory.scope());
    }

    private boolean makeTable() {
        if (!tableMade && !refused) {
            tableMade = ring.registerSparseMemory(PLACES_MAX);
            refused = !tableMade;
        }
        return tableMade;
    }

    private boolean contains(MemorySegment slab) {
        for (int place = 0; place < limit; place++) {
            if (slab.equals(slabs[place])) {
                return true;
            }
        }
        return false;
    }

    private int freePlace() {
        for (int place = 0; place < PLACES_MAX; place++) {
            if (slabs[place] == null) {
                return place;
            }
        }
        return -1;
    }

    private void dropDead() {
        for (int place = 0; place < limit; place++) {
            MemorySegment slab = slabs[place];
            if (slab != null && !slab.scope().isAlive()) {
                boolean _ = remove(slab);
            }
        }
    }

    private boolean removePlaces(MemorySegment slab) {
        boolean any = false;
        for (int place = 0; place < limit; place++) {
            if (slab.equals(slabs[place])) {
                slabs[place] = null;
                starts[place] = 0;
                ends[place] = 0;
                int _ = ring.updateMemory(place, 0, 0);
                any = true;
            }
        }
        return any;
    }
}
