package io.blkmq.runtime;

import java.lang.foreign.MemorySegment;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;

/**
 * Page-aligned memory from a process-wide pool, which goes to the engine as it is. No arena of the application can close it, so
 * blkmq neither copies it nor checks it per operation: this is the memory for zero-copy I/O.
 *
 * <p>A buffer takes the next power of two, 4096 bytes at least. What is closed is kept for the next caller, of whatever size: the pool
 * cuts blocks and joins them again. It never gives memory back to the operating system. Its bound is the JVM's maximum heap size, or
 * the system property {@code blkmq.memory.maxBytes}; {@link #usage} tells how much of that is in use. Under the bound it gets memory in
 * pieces of about a quarter of what it has, and blocks of two pieces are not joined: who needs a few buffers that are large against
 * the bound allocates them first.
 *
 * <p>Allocating and closing are thread-safe; the content is the caller's. A buffer must not be closed while an operation uses
 * it: the memory would be handed to another caller.
 *
 * @since 0.1.0
 */
public final class IoBuffer implements AutoCloseable {
    /** Every buffer begins at a multiple of this many bytes. */
    public static final int ALIGNMENT_BYTES = 4096;

    private static final BufferPool POOL = new BufferPool(limitBytes());

    private final BufferPool.Block block;
    private final MemorySegment memory;
    private final AtomicBoolean closed = new AtomicBoolean();

    private static long limitBytes() {
        String name = "blkmq.memory.maxBytes";
        String asked = System.getProperty(name);
        long heapBytes = java.lang.Runtime.getRuntime().maxMemory();
        if (asked == null) {
            return heapBytes;
        }
        try {
            return Long.decode(asked);
        } catch (NumberFormatException _) {
            // An exception from here would leave a process without this class, and without the reason after the first time.
            System.getLogger(IoBuffer.class.getName()).log(System.Logger.Level.ERROR, "-D" + name + "=" + asked
                    + " is no number of bytes: the limit of I/O memory is " + heapBytes + " bytes, as without it");
            return heapBytes;
        }
    }

    private IoBuffer(BufferPool.Block block, long bytes) {
        this.block = block;
        this.memory = block.memory(bytes);
    }

    /**
     * Takes a buffer from the pool. Its content is undefined.
     *
     * @param bytes its size, at least 1
     * @return a buffer of exactly that size
     * @throws IllegalArgumentException if {@code bytes} is not positive or above 1 GiB
     * @throws OutOfMemoryError if no free block is large enough, and the pool's bound, or that of the JVM for memory outside of the heap
     *         ({@code -XX:MaxDirectMemorySize}), allows no more
     */
    public static IoBuffer allocate(long bytes) {
        if (bytes <= 0 || bytes > BufferPool.BLOCK_BYTES_MAX) {
            throw new IllegalArgumentException(
                    "buffer of " + bytes + " bytes: 1 to " + BufferPool.BLOCK_BYTES_MAX + " are possible");
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
    public static boolean owns(MemorySegment memory) {
        return POOL.owns(memory);
    }

    /**
     * How much of the pool is in use. Takes the pool's lock, and joins all that can be joined: a figure for people and monitors, and not for
     * each I/O.
     *
     * @return the figures as they are now; any thread, at any time
     */
    public static IoBufferUsage usage() {
        return POOL.usage();
    }

    /**
     * Tells of every slab of the pool, those that exist and those to come, so that an engine can register them. The observer is
     * called on the thread that makes the slab, under the pool's lock: it must be quick and must not allocate buffers.
     *
     * @param observer gets each slab once
     * @return ends the observation when closed
     */
    public static Registration observeSlabs(Consumer<MemorySegment> observer) {
        return POOL.observe(observer);
    }
}
