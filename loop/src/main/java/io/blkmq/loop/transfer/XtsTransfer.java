package io.blkmq.loop.transfer;

import io.blkmq.loop.shelf.Shelf;
import java.lang.foreign.MemorySegment;

/**
 * AES-XTS over the workplaces of threads. A thread that transforms takes a workplace from the {@link Shelf}, or makes one, and puts it
 * back. A workplace is one thread's, or lies on the shelf, or is wiped: one that finds no room there at once, all others at the end.
 *
 * @param <W> workplaces
 */
abstract sealed class XtsTransfer<W extends XtsTransfer.Workplace> implements Transfer permits AesXts, OpenSslXts {
    /** What one thread needs at a time. */
    interface Workplace {
        /** Overwrites all that a key or data could be told from. Called once, when nobody uses it any more. */
        void wipe();
    }

    final int unitBytes;
    private final Shelf<W> shelf = new Shelf<>();
    private volatile boolean closed;

    /**
     * Begins.
     *
     * @param unitBytes the length of a data unit, in whole blocks
     */
    XtsTransfer(int unitBytes) {
        this.unitBytes = unitBytes;
    }

    /** Makes the first workplace, by which it shows whether there is such an AES and whether it takes the key. */
    final void begin() {
        try {
            putDown(newWorkplace());
        } catch (Throwable t) {
            close();
            throw t;
        }
    }

    abstract W newWorkplace();

    /** Transforms units at a workplace that is the calling thread's. The bytes are a number of units. */
    abstract void transform(W work, long unit, MemorySegment from, long fromOffset, MemorySegment to, long toOffset,
            long bytes, boolean encrypt);

    /** Overwrites the keys that are ours. */
    abstract void destroyKeys();

    @Override
    public final void toFile(long sector, MemorySegment from, long fromOffset, MemorySegment to, long toOffset,
            long bytes) {
        transform(sector, from, fromOffset, to, toOffset, bytes, true);
    }

    @Override
    public final void fromFile(long sector, MemorySegment from, long fromOffset, MemorySegment to, long toOffset,
            long bytes) {
        transform(sector, from, fromOffset, to, toOffset, bytes, false);
    }

    private void transform(long unit, MemorySegment from, long fromOffset, MemorySegment to, long toOffset, long bytes,
            boolean encrypt) {
        if (bytes % unitBytes != 0) {
            throw new IllegalArgumentException(bytes + " bytes: not a number of units of " + unitBytes + " bytes");
        }
        W work = takeUp();
        try {
            transform(work, unit, from, fromOffset, to, toOffset, bytes, encrypt);
        } finally {
            putDown(work);
        }
    }

    /** A workplace for the calling thread alone. */
    final W takeUp() {
        W work = shelf.take(Thread.currentThread().threadId());
        return work != null ? work : newWorkplace();
    }

    /** The calling thread does not need it any more. */
    final void putDown(W work) {
        if (!shelf.give(Thread.currentThread().threadId(), work)) {
            work.wipe();
        }
    }

    final boolean isClosed() {
        return closed;
    }

    @Override
    public final void close() {
        closed = true;
        destroyKeys();
        shelf.close().forEach(Workplace::wipe);
    }
}
