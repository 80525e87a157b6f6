package io.blkmq.core.counters.layout;

import java.lang.foreign.MemorySegment;
import java.lang.invoke.VarHandle;

/**
 * The number that tells a reader whether the figures of a slot are of one time: odd while they are being written. One writer, any number of
 * readers, which may be in other processes; no reader keeps the writer from anything.
 *
 * <pre>
 *   writer   number odd    ─ store fence ─▶ figures ─ release ─▶ number even
 *   reader   number (acquire) ─▶ figures ─ load fence ─▶ number again: the same, and even?
 * </pre>
 *
 * <p>The store fence pairs with the reader's load fence: a reader that has seen one of the new figures finds the odd number, or a later one. The release pairs with the
 * acquire: a reader that begins with the new number finds all of the new figures.
 */
public final class SlotSequence {
    private SlotSequence() {}

    /**
     * The figures change next.
     *
     * @param memory where the slot is
     * @param at the offset of its number
     */
    public static void begin(MemorySegment memory, long at) {
        long now = (long) CountersLayout.ORDERED.getOpaque(memory, at);
        CountersLayout.ORDERED.setOpaque(memory, at, now | 1);
        VarHandle.storeStoreFence();
    }

    /**
     * The figures have changed.
     *
     * @param memory where the slot is
     * @param at the offset of its number
     */
    public static void end(MemorySegment memory, long at) {
        long now = (long) CountersLayout.ORDERED.getOpaque(memory, at);
        CountersLayout.ORDERED.setRelease(memory, at, now + 1);
    }

    /**
     * The number, before the figures are read.
     *
     * @param memory where the slot is
     * @param at the offset of its number
     * @return odd if they are being written
     */
    public static long beforeReading(MemorySegment memory, long at) {
        return (long) CountersLayout.ORDERED.getAcquire(memory, at);
    }

    /**
     * Whether what has been read is of one time.
     *
     * @param memory where the slot is
     * @param at the offset of its number
     * @param before the number before
     * @return false if it has to be read again
     */
    public static boolean isUnchanged(MemorySegment memory, long at, long before) {
        VarHandle.loadLoadFence();
        return (before & 1) == 0 && (long) CountersLayout.ORDERED.getOpaque(memory, at) == before;
    }
}
