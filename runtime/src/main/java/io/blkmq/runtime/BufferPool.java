package io.blkmq.runtime;

import io.blkmq.runtime.log.FailureLog;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * The pool of {@link IoBuffer}. One automatic arena owns all of its memory, so a segment's scope tells whether it is the pool's. All
 * state is guarded by the lock. Thread-safe.
 *
 * <p>It is a buddy allocator. Memory comes in slabs, and a slab of a power of two is one block. A block is cut in halves, and one of
 * these again, until it is as small as what is asked for; two halves of one block that are free are joined again. So a slab whose
 * buffers are all closed is one block again, whatever its buffers were. Slabs are not joined, but they grow with the pool: each new one
 * is a quarter of what there is, so the largest block of a pool in which nothing is in use is an eighth of it at least.
 *
 * <pre>
 *   in use    ── give ──▶  loose: joined with nothing, by size        next of that size takes it as it is
 *   loose     ── join ──▶  free: joined with its other half, if that is free, and so on
 *   free      ── take ──▶  in use, after cutting
 * </pre>
 *
 * <p>Joining is put off because most of what is closed is soon wanted again in the same size: then nothing is joined only to be cut. When
 * no free block is large enough, all that is loose is joined, and only after that a slab is made. Each block that was given is
 * joined once, so the cost of joining is that of giving.
 */
final class BufferPool {
    private static final System.Logger LOG = System.getLogger(BufferPool.class.getName());
    static final long BLOCK_BYTES_MAX = 1L << 30;
    private static final int UNIT_SHIFT = 12;
    private static final long SLAB_BYTES_MIN = 2L << 20;
    /** Blocks are of 2^0 to 2^18 units. */
    private static final int ORDERS = Long.numberOfTrailingZeros(BLOCK_BYTES_MAX) - UNIT_SHIFT + 1;

    private final Arena arena = Arena.ofAuto();
    private final MemorySegment.Scope scope = arena.scope();
    private final ReentrantLock lock = new ReentrantLock();
    private final List<MemorySegment> slabs = new ArrayList<>();
    private final List<Consumer<MemorySegment>> observers = new ArrayList<>();
    private final long limitBytes;
    /** The first free block of each order, and a bit for each order that has one. */
    private final @Nullable Block[] free = new @Nullable Block[ORDERS];
    private int freeOrders;
    /** The same of loose blocks. */
    private final @Nullable Block[] loose = new @Nullable Block[ORDERS];
    private int looseOrders;
    private long slabBytes;
    private long usedBytes;

    BufferPool(long limitBytes) {
        this.limitBytes = limitBytes;
    }

    boolean owns(MemorySegment memory) {
        return memory.scope().equals(scope);
    }

    /**
     * Takes a block.
     *
     * @param bytes at least so many, from 1 to {@link #BLOCK_BYTES_MAX}
     * @return a block of the next power of two, and at least of a unit
     */
    Block take(long bytes) {
        int order = Long.SIZE - Long.numberOfLeadingZeros((bytes - 1) >> UNIT_SHIFT);
        lock.lock();
        try {
            Block block = take(order);
            usedBytes += block.bytes();
            return block;
        } finally {
            lock.unlock();
        }
    }

    void give(Block block) {
        lock.lock();
        try {
            assert block.place == Place.IN_USE : block.place;
            usedBytes -= block.bytes();
            block.place = Place.LOOSE;
            push(loose, block);
            looseOrders |= 1 << block.order;
        } finally {
            lock.unlock();
        }
    }

    private Block take(int order) {
        if ((looseOrders & (1 << order)) != 0) {
            Block block = popLoose(order);
            block.place = Place.IN_USE;
            return block;
        }
        if (freeOrders >>> order == 0) {
            joinLoose();
        }
        if (freeOrders >>> order == 0) {
            addSlab(1L << (UNIT_SHIFT + order));
        }
        return cut(order);
    }

    // ---- cutting and joining

    /** Takes a free block of an order, from the smallest that is large enough. There is one. */
    private Block cut(int order) {
        int from = order + Integer.numberOfTrailingZeros(freeOrders >>> order);
        Block block = Objects.requireNonNull(free[from]);
        removeFree(block);
        while (block.order > order) {
            block.order--;
            addFree(block.slab.block(block.unit + (1 << block.order), block.order));
        }
        block.place = Place.IN_USE;
        return block;
    }

    private void joinLoose() {
        while (looseOrders != 0) {
            join(popLoose(Integer.numberOfTrailingZeros(looseOrders)));
        }
    }

    /** A block becomes free, together with its other half, if that is so, and so on. */
    private void join(Block given) {
        Block block = given;
        while (block.order < block.slab.order) {
            Block half = block.slab.blocks[block.unit ^ (1 << block.order)];
            if (half == null || half.place != Place.FREE || half.order != block.order) {
                break;
            }
            removeFree(half);
            Block upper = half.unit > block.unit ? half : block;
            block = half.unit > block.unit ? block : half;
            upper.place = Place.NONE;
            block.order++;
        }
        addFree(block);
    }

    private void addFree(Block block) {
        block.place = Place.FREE;
        push(free, block);
        freeOrders |= 1 << block.order;
    }

    private void removeFree(Block block) {
        Block next = block.next;
        Block previous = block.previous;
        if (next != null) {
            next.previous = previous;
        }
        if (previous != null) {
            previous.next = next;
        } else {
            free[block.order] = next;
            if (next == null) {
                freeOrders &= ~(1 << block.order);
            }
        }
        block.next = null;
        block.previous = null;
    }

    private Block popLoose(int order) {
        Block block = Objects.requireNonNull(loose[order]);
        Block next = block.next;
        loose[order] = next;
        if (next == null) {
            looseOrders &= ~(1 << order);
        } else {
            next.previous = null;
        }
        block.next = null;
        return block;
    }

    private static void push(@Nullable Block[] lists, Block block) {
        Block first = lists[block.order];
        block.previous = null;
        block.next = first;
        if (first != null) {
            first.previous = block;
        }
        lists[block.order] = block;
    }

    // ---- slabs

    /** Adds a slab of so many bytes, or larger: as a part of what there is, if that is possible. */
    private void addSlab(long bytesMin) {
        long least = Math.max(bytesMin, SLAB_BYTES_MIN);
        long room = limitBytes - slabBytes;
        if (least > room) {
            // The limit need not be whole slabs.
            least = bytesMin;
        }
        if (least > room) {
            throw new OutOfMemoryError(
                    "I/O memory: " + slabBytes + " bytes are in the pool, and " + usedBytes + " of them in use; "
                            + bytesMin + " in one piece are not free, and as many more would exceed the limit of "
                            + limitBytes + " (-Dblkmq.memory.maxBytes)");
        }
        long wanted = Long.highestOneBit(Math.max(1, Math.min(slabBytes / 4, room)));
        MemorySegment memory = allocate(Math.clamp(wanted, least, BLOCK_BYTES_MAX), least);
        // First all that needs memory of the heap: what is counted is also there to be taken.
        Slab slab = new Slab(memory);
        Block whole = slab.block(0, slab.order);
        slabs.add(memory);
        slabBytes += memory.byteSize();
        addFree(whole);
        for (Consumer<MemorySegment> observer : observers) {
            try {
                observer.accept(memory);
            } catch (RuntimeException | Error e) {
                FailureLog.log(LOG, System.Logger.Level.ERROR, () -> "an observer of the pool's slabs failed", e);
            }
        }
    }

    /** Memory from the system, which may have less than the limit says: then half as much, and so on. */
    private MemorySegment allocate(long bytes, long bytesMin) {
        for (long size = bytes;; size /= 2) {
            try {
                return arena.allocate(size, IoBuffer.ALIGNMENT_BYTES);
            } catch (OutOfMemoryError e) {
                if (size == bytesMin) {
                    throw e;
                }
            }
        }
    }

    Registration observe(Consumer<MemorySegment> observer) {
        // One of its own, which only its own registration takes away.
        Consumer<MemorySegment> registered = slab -> observer.accept(slab);
        lock.lock();
        try {
            slabs.forEach(registered);
            observers.add(registered);
        } finally {
            lock.unlock();
        }
        return () -> {
            lock.lock();
            try {
                observers.remove(registered);
            } finally {
                lock.unlock();
            }
        };
    }

    IoBufferUsage usage() {
        lock.lock();
        try {
            joinLoose();
            long largest = freeOrders == 0
                    ? 0
                    : Integer.toUnsignedLong(Integer.highestOneBit(freeOrders)) << UNIT_SHIFT;
            return new IoBufferUsage(limitBytes, usedBytes, slabBytes - usedBytes, largest);
        } finally {
            lock.unlock();
        }
    }

    /** Where a block is. */
    private enum Place {
        /** It is a part of another block. */
        NONE, IN_USE, LOOSE, FREE
    }

    /** A part of a slab: 2^order units from one whose number is a multiple of as many. */
    static final class Block {
        private final Slab slab;
        private final int unit;
        private int order;
        private Place place = Place.NONE;
        private @Nullable Block next;
        private @Nullable Block previous;

        private Block(Slab slab, int unit) {
            this.slab = slab;
            this.unit = unit;
        }

        private long bytes() {
            return 1L << (UNIT_SHIFT + order);
        }

        /**
         * Its memory. Called by who has taken it.
         *
         * @param bytes of its beginning
         */
        MemorySegment memory(long bytes) {
            return slab.memory.asSlice((long) unit << UNIT_SHIFT, bytes);
        }
    }

    private static final class Slab {
        final MemorySegment memory;
        final int order;
        /** By the number of the first unit; made when first needed. */
        final @Nullable Block[] blocks;

        Slab(MemorySegment memory) {
            this.memory = memory;
            this.order = Long.numberOfTrailingZeros(memory.byteSize()) - UNIT_SHIFT;
            this.blocks = new @Nullable Block[1 << order];
        }

        Block block(int unit, int blockOrder) {
            Block block = blocks[unit];
            if (block == null) {
                block = new Block(this, unit);
                blocks[unit] = block;
            }
            block.order = blockOrder;
            return block;
        }
    }
}
