package io.blkmq.core.elevator;

import io.blkmq.core.elevator.SectorTree.Node;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * Requests in the order of their sectors; those that begin at the same one in the order of insertion. Guarded by the elevator's lock.
 *
 * <p>A device that keeps up with its submitters is given what a plug has brought before the next plug comes. So the last few that were
 * inserted stand apart, and are sorted together when the next one by sector is asked for; only when they become too many, as they do
 * where requests pile up, do they go to a {@link SectorTree}.
 *
 * <p>A {@link SectorFilter} spares most searches for a neighbour.
 */
final class SectorOrder {
    private static final int SLOT_BITS = 5;
    private static final int FRESH_MAX = 1 << SLOT_BITS;
    private static final int SLOT_MASK = FRESH_MAX - 1;
    /** The slot of one that stands in the tree. */
    private static final int IN_TREE = -1;

    private final SectorTree tree = new SectorTree();
    /** How many stand here. */
    private int size;
    /**
     * The last few, by slot, null where one has gone; and their sectors with the slots in the lowest bits, so that to sort them as numbers
     * keeps the order of insertion. A sector has at most 54 bits.
     */
    private final @Nullable Node[] fresh = new Node[FRESH_MAX];
    private final long[] keys = new long[FRESH_MAX];
    private int used;
    private int freshSize;
    /** Whether the keys are in order; then all before {@link #at} are of requests that have gone or begin before {@link #lookedFrom}. */
    private boolean sorted = true;
    private int at;
    private long lookedFrom;

    private final SectorFilter filter = new SectorFilter();

    boolean isEmpty() {
        return size == 0;
    }

    void insert(Node node) {
        long sector = node.request.sector();
        node.sector = sector;
        size++;
        filter.add(sector, node.endSector());
        if (used == FRESH_MAX) {
            spill();
        }
        node.slot = used;
        fresh[used] = node;
        keys[used++] = sector << SLOT_BITS | node.slot;
        freshSize++;
        sorted = false;
    }

    /** What stands here has grown at its end. */
    void grown(Node node) {
        filter.addEnd(node.endSector());
    }

    void remove(Node node) {
        int slot = node.slot;
        if (slot == IN_TREE) {
            tree.remove(node);
        } else {
            fresh[slot] = null;
            if (--freshSize == 0) {
                clearFresh();
            }
        }
        if (--size == 0) {
            filter.clear();
        }
    }

    private void clearFresh() {
        used = 0;
        at = 0;
        sorted = true;
    }

    /** The last few have become too many. */
    private void spill() {
        for (int slot = 0; slot < used; slot++) {
            Node node = fresh[slot];
            if (node != null) {
                fresh[slot] = null;
                node.slot = IN_TREE;
                tree.insert(node);
            }
        }
        freshSize = 0;
        clearFresh();
    }

    /** The first that begins at a sector or behind it. For who goes on from sector to sector. */
    @Nullable
    Node from(long sector) {
        Node best = tree.from(sector);
        if (freshSize > 0) {
            Node node = freshFrom(sector);
            // Of two at the same sector the one in the tree came first.
            if (best == null || (node != null && node.sector < best.sector)) {
                best = node;
            }
        }
        return best;
    }

    private @Nullable Node freshFrom(long sector) {
        if (!sorted) {
            Arrays.sort(keys, 0, used);
            sorted = true;
            at = 0;
        } else if (sector < lookedFrom) {
            at = 0;
        }
        lookedFrom = sector;
        for (; at < used; at++) {
            Node node = fresh[(int) keys[at] & SLOT_MASK];
            if (node != null && node.sector >= sector) {
                return node;
            }
        }
        return null;
    }

    /** The first of those that begin at a sector; null if none does. */
    @Nullable
    Node beginningAt(long sector) {
        if (!filter.mayBegin(sector)) {
            return null;
        }
        Node best = tree.from(sector);
        if (best != null && best.sector == sector) {
            return best;
        }
        for (int slot = 0; slot < used; slot++) {
            Node node = fresh[slot];
            if (node != null && node.sector == sector) {
                return node;
            }
        }
        return null;
    }

    /** The last of those that begin before a sector, if it ends there. */
    @Nullable
    Node endingAt(long sector) {
        if (!filter.mayEnd(sector)) {
            return null;
        }
        Node best = tree.lastBefore(sector);
        for (int slot = 0; slot < used; slot++) {
            Node node = fresh[slot];
            if (node != null && node.sector < sector && (best == null || node.sector >= best.sector)) {
                best = node;
            }
        }
        return best != null && best.endSector() == sector ? best : null;
    }
}
