package io.blkmq.aio;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.jctools.queues.varhandle.MpmcVarHandleArrayQueue;

/**
 * Arrays of {@code struct iovec} for operations of more segments than their kiocb has room for. One array in each of
 * a few sizes (powers of two) is made when none is idle; at most {@value #IDLE_MAX} of each size stay idle, so the
 * pool is bounded by {@value #IDLE_MAX} arrays of each size, under 2 MiB in all. Larger arrays are made for one use.
 * Any thread may call it.
 */
final class IovecPool {

    private static final int SMALLEST_SHIFT = 5;
    /** The kernel's limit for one operation (UIO_MAXIOV): more is rare, and never worth keeping. */
    private static final int LARGEST_SHIFT = 10;
    private static final int IDLE_MAX = 64;

    @SuppressWarnings({"unchecked", "rawtypes"})
    private static final MpmcVarHandleArrayQueue<MemorySegment>[] IDLE = new MpmcVarHandleArrayQueue[LARGEST_SHIFT
            - SMALLEST_SHIFT + 1];

    static {
        for (int i = 0; i < IDLE.length; i++) {
            IDLE[i] = new MpmcVarHandleArrayQueue<>(IDLE_MAX);
        }
    }

    private IovecPool() {}

    /** An array with room for at least so many segments. */
    static MemorySegment borrow(int segments) {
        int shift = Math.max(SMALLEST_SHIFT, 32 - Integer.numberOfLeadingZeros(segments - 1));
        MemorySegment idle = shift <= LARGEST_SHIFT ? IDLE[shift - SMALLEST_SHIFT].poll() : null;
        return idle != null ? idle : Arena.ofAuto().allocate((long) Kiocb.SEGMENT_BYTES << shift, 8);
    }

    /** Takes back what {@link #borrow} gave; the kernel must be through with it. */
    static void giveBack(MemorySegment array) {
        int shift = Long.numberOfTrailingZeros(array.byteSize() / Kiocb.SEGMENT_BYTES);
        if (shift <= LARGEST_SHIFT) {
            // Refused when enough are idle: then it goes with the garbage collector.
            boolean _ = IDLE[shift - SMALLEST_SHIFT].offer(array);
        }
    }
}
