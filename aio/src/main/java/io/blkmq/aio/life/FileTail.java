package io.blkmq.aio.life;

import java.util.concurrent.atomic.AtomicInteger;

/**
 * Whether a file is longer than it should be: a direct write that ends in the middle of the last block writes all of the block, and then
 * cuts the file to size. Nobody may see what is in between. The number is odd as long as the file is too long; the size that it had before is
 * written down, for who asks meanwhile.
 *
 * <pre>
 *   writer: begins -> writes whole blocks -> cuts -> ends      reader: now -> reads -> wasSeen? once more, with the writer kept out
 * </pre>
 *
 * <p>Of a reader's two looks the second comes after its read. So a write that began before the read ended, and had not ended when it began,
 * is seen by one of them: by the first as an odd number, or by the second as a change. Who asks for the size waits for nobody:
 *
 * <pre>
 *   now -> even: the system's size; odd: {@link #sizeBefore} -> still the same number? that is it, else once more
 * </pre>
 *
 * <p>As long as the number is odd, and the same, the write has not ended, and the file counts as long as it was.
 */
public final class FileTail {

    /** Written by the writer, of whom there is one at a time; volatile, as what it announces is no memory of ours. */
    private final AtomicInteger count = new AtomicInteger();

    /** Written by the writer before the number gets odd. Volatile: who finds a newer one finds a newer number after it. */
    private volatile long sizeBefore;

    /**
     * The file gets too long. The only writer.
     *
     * @param size how long it is, in bytes
     */
    public void begins(long size) {
        sizeBefore = size;
        int _ = count.incrementAndGet();
    }

    /** The file is as long as it should be. The same writer. */
    public void ends() {
        int _ = count.incrementAndGet();
    }

    /** A number to be asked about by {@link #wasSeen}. Any thread. */
    public int now() {
        return count.get();
    }

    /** Whether a file is too long at that number. */
    public static boolean isTooLong(int now) {
        return (now & 1) != 0;
    }

    /** The size in bytes that the file had before it got too long; it counts if {@link #now} is the same odd number before and after. Any thread. */
    public long sizeBefore() {
        return sizeBefore;
    }

    /** Whether the file may have been too long at a time since then. Any thread. */
    public boolean wasSeen(int since) {
        return (since & 1) != 0 || count.get() != since;
    }
}
