package io.blkmq.aio;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import org.jctools.queues.varhandle.MpmcVarHandleArrayQueue;
import org.jspecify.annotations.Nullable;

/**
 * Room for the segments of operations that have more of them than their kiocb has room for. One in each of a few sizes
 * (powers of two) is made when none is idle; at most {@value #IDLE_MAX} of each size stay idle, so the pool is bounded by
 * {@value #IDLE_MAX} of each size, under 3 MiB in all. Larger ones are made for one use. Any thread may call it.
 */
final class IovecPool {

    private static final int SMALLEST_SHIFT = 5;
    /** The kernel's limit for one operation (UIO_MAXIOV): more is rare, and never worth keeping. */
    private static final int LARGEST_SHIFT = 10;
    private static final int IDLE_MAX = 64;

    @SuppressWarnings({"unchecked", "rawtypes"})
    private static final MpmcVarHandleArrayQueue<Room>[] IDLE = new MpmcVarHandleArrayQueue[LARGEST_SHIFT
            - SMALLEST_SHIFT + 1];

    static {
        for (int i = 0; i < IDLE.length; i++) {
            IDLE[i] = new MpmcVarHandleArrayQueue<>(IDLE_MAX);
        }
    }

    /** An array of {@code struct iovec}, and beside it the segments that they stand for. */
    static final class Room {
        final MemorySegment iovecs;
        final @Nullable MemorySegment[] memory;

        private Room(int shift) {
            iovecs = Arena.ofAuto().allocate((long) Kiocb.SEGMENT_BYTES << shift, 8);
            memory = new MemorySegment[1 << shift];
        }
    }

    private IovecPool() {}

    /** Room for at least so many segments. */
    static Room borrow(int segments) {
        int shift = Math.max(SMALLEST_SHIFT, 32 - Integer.numberOfLeadingZeros(segments - 1));
        Room idle = shift <= LARGEST_SHIFT ? IDLE[shift - SMALLEST_SHIFT].poll() : null;
        return idle != null ? idle : new Room(shift);
    }

    /** Takes back what {@link #borrow} gave, of which so many are used; the kernel must be through with it. */
    static void giveBack(Room room, int used) {
        Arrays.fill(room.memory, 0, used, null);
        int shift = Integer.numberOfTrailingZeros(room.memory.length);
        if (shift <= LARGEST_SHIFT) {
            // Refused when enough are idle: then it goes with the garbage collector.
            boolean _ = IDLE[shift - SMALLEST_SHIFT].offer(room);
        }
    }
}
