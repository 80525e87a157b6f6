package io.blkmq.aio.life;

import java.util.concurrent.atomic.AtomicInteger;

/**
 * Whether a file is longer than it should be: a direct write that ends in the middle of the last block writes all of the block, and then
 * cuts the file to size. Nobody may see what is in between. The number is odd as long as the file is too long.
 *
 * <pre>
 *   writer: begins -> writes whole blocks -> cuts -> ends      reader: now -> reads -> wasSeen? once more, with the writer kept out
 * </pre>
 *
 * <p>Of a reader's two looks the second comes after its read. So a write that began before the read ended, and had not ended when it began,
 * is seen by one of them: by the first as an odd number, or by the second as a change.
 */
public final class FileTail {

    /** Written by the writer, of whom there is one at a time; volatile, as what it announces is no memory of ours. */
    private final AtomicInteger count = new AtomicInteger();

    /** The file gets too long. The only writer. */
    public void begins() {
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

    /** Whether the file may have been too long at a time since then. Any thread. */
    public boolean wasSeen(int since) {
        return (since & 1) != 0 || count.get() != since;
    }
}
