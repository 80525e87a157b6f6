package io.blkmq.core;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Page-aligned memory from a process-wide pool, which goes to the engine as it is. No arena of the application can close it, so
 * blkmq neither copies it nor checks it per operation: this is the memory for zero-copy I/O.
 *
 * <p>The pool carves buffers of a power of two from slabs and keeps what is closed for the next caller; it is never given back
 * to the operating system. Its bound is the JVM's maximum heap size, or the system property {@code blkmq.memory.maxBytes}.
 *
 * <p>Allocating and closing are thread-safe; the content is the caller's. A buffer must not be closed while an operation uses
 * it: the memory would be handed to another caller.
 */
public final class IoBuffer implements AutoCloseable {
    /** Every buffer begins at a multiple of this many bytes. */
    public static final int ALIGNMENT_BYTES = 4096;

    private static final Pool POOL = new Pool(
            Long.getLong("blkmq.memory.maxBytes", java.lang.Runtime.getRuntime().maxMemory()));

    private final MemorySegment block;
    private final MemorySegment memory;
    private final AtomicBoolean closed = new AtomicBoolean();

    private IoBuffer(MemorySegment block, long bytes) {
        this.block = block;
        this.memory = block.asSlice(0, bytes);
    }

    /**
     * Takes a buffer from the pool. Its content is undefined.
     *
     * @param bytes its size, at least 1
     * @return a buffer of exactly that size
     * @throws IllegalArgumentException if {@code bytes} is not positive or above 1 GiB
     * @throws OutOfMemoryError if the pool's bound is reached
     */
    public static IoBuffer allocate(long bytes) {
        if (bytes <= 0 || bytes > Pool.BLOCK_BYTES_MAX) {
            throw new IllegalArgumentException(
                    "buffer of " + bytes + " bytes: 1 to " + Pool.BLOCK_BYTES_MAX + " are possible");
        }
        return new IoBuffer(POOL.take(bytes), bytes);
    }

    /**
     * The memory.
     *
     * @return a segment of exactly the size asked for; slices of it are as good
     */
    public MemorySegment memory() {
        return memory;
    }

    /**
     * The size.
     *
     * @return bytes
     */
    public long bytes() {
        return memory.byteSize();
    }

    /** Gives the memory back to the pool. Closing again does nothing. */
    @Override
    public void close() {
        if (closed.compareAndSet(false, true)) {
            POOL.give(block);
        }
    }

    /**
     * Whether memory comes from this pool.
     *
     * @param memory any segment
     * @return true for the memory of a buffer and for slices of it
     */
    static boolean owns(MemorySegment memory) {
        return POOL.owns(memory);
    }

    /**
     * Tells of every slab of the pool, those that exist and those to come, so that an engine can register them. The observer is
     * called on the thread that makes the slab, under the pool's lock: it must be quick and must not allocate buffers.
     *
     * @param observer gets each slab once
     * @return ends the observation when closed
     */
    public static AutoCloseable observeSlabs(Consumer<MemorySegment> observer) {
        return POOL.observe(observer);
    }

    /**
     * The pool. One automatic arena owns every slab, so a segment's scope tells whether it is ours; blocks of one size are kept
     * in a stack of their own. All state is guarded by the lock: allocation is not on the path of an I/O.
     */
    private static final class Pool {
        static final long BLOCK_BYTES_MAX = 1L << 30;
        private static final long SLAB_BYTES = 2L << 20;
        private static final int CLASSES = 31;

        private final Arena arena = Arena.ofAuto();
        private final MemorySegment.Scope scope = arena.scope();
        private final ReentrantLock lock = new ReentrantLock();
        private final List<ArrayDeque<MemorySegment>> free = new ArrayList<>();
        private final List<MemorySegment> slabs = new ArrayList<>();
        private final List<Consumer<MemorySegment>> observers = new ArrayList<>();
        private final long limitBytes;
        private long slabBytes;
        private @Nullable MemorySegment current;
        private long currentUsed;

        Pool(long limitBytes) {
            this.limitBytes = limitBytes;
            for (int i = 0; i < CLASSES; i++) {
                free.add(new ArrayDeque<>());
            }
        }

        boolean owns(MemorySegment memory) {
            return memory.scope().equals(scope);
        }

        MemorySegment take(long bytes) {
            long size = Math.max(ALIGNMENT_BYTES, Long.highestOneBit(bytes * 2 - 1));
            lock.lock();
            try {
                MemorySegment block = free.get(Long.numberOfTrailingZeros(size)).pollLast();
                return block != null ? block : carve(size);
            } finally {
                lock.unlock();
            }
        }

        void give(MemorySegment block) {
            lock.lock();
            try {
                free.get(Long.numberOfTrailingZeros(block.byteSize())).addLast(block);
            } finally {
                lock.unlock();
            }
        }

        private MemorySegment carve(long size) {
            if (size >= SLAB_BYTES) {
                return newSlab(size);
            }
            MemorySegment slab = current;
            if (slab == null || currentUsed + size > slab.byteSize()) {
                if (slab != null) {
                    recycleRest(slab);
                }
                slab = newSlab(SLAB_BYTES);
                current = slab;
                currentUsed = 0;
            }
            MemorySegment block = slab.asSlice(currentUsed, size);
            currentUsed += size;
            return block;
        }

        /** What is left of a slab becomes free blocks: the largest power of two that fits and is aligned to itself, and so on. */
        private void recycleRest(MemorySegment slab) {
            long left = slab.byteSize() - currentUsed;
            while (left > 0) {
                long size = Long.highestOneBit(left);
                free.get(Long.numberOfTrailingZeros(size)).addLast(slab.asSlice(currentUsed, size));
                currentUsed += size;
                left -= size;
            }
        }

        private MemorySegment newSlab(long size) {
            if (slabBytes + size > limitBytes) {
                throw new OutOfMemoryError("I/O memory: " + slabBytes + " bytes are in the pool, " + size
                        + " more would exceed the limit of " + limitBytes + " (-Dblkmq.memory.maxBytes)");
            }
            MemorySegment slab = arena.allocate(size, ALIGNMENT_BYTES);
            slabBytes += size;
            slabs.add(slab);
            observers.forEach(observer -> observer.accept(slab));
            return slab;
        }

        AutoCloseable observe(Consumer<MemorySegment> observer) {
            lock.lock();
            try {
                slabs.forEach(observer);
                observers.add(observer);
            } finally {
                lock.unlock();
            }
            return () -> {
                lock.lock();
                try {
                    observers.remove(observer);
                } finally {
                    lock.unlock();
                }
            };
        }
    }
}
