package io.blkmq.aio;

import io.blkmq.aio.life.FileTail;
import io.blkmq.runtime.IoBuffer;
import io.blkmq.runtime.channel.Pieces;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/**
 * Reads that are begun together, and the thread that waits for all of them. The results are written by who completes, and read by that
 * thread when none is left.
 */
final class ReadBatch implements AioCompletion {

    /** What a batch takes of the pool at once; what it would copy over that is read piece by piece afterwards. */
    static final long COPIED_BYTES_MAX = 64 << 20;

    private final AsyncFile front;
    private final AioEngine engine;
    private final AioFile file;
    private final BlockIo io;
    private final FileRead[] reads;
    private final @Nullable IoBuffer[] copies;
    private final @Nullable Kiocb[] kiocbs;
    private final long[] results;
    private final AtomicInteger inFlight = new AtomicInteger();
    private final Thread waiter = Thread.currentThread();
    /** When the reads began: {@link FileTail#now}. */
    private final int tails;
    /** Bytes of the copies. The waiter's. */
    private long copiedBytes;

    ReadBatch(AsyncFile front, AioEngine engine, AioFile file, List<FileRead> reads) {
        this.front = front;
        this.engine = engine;
        this.file = file;
        io = front.io();
        this.reads = reads.toArray(FileRead[]::new);
        copies = new IoBuffer[this.reads.length];
        kiocbs = new Kiocb[this.reads.length];
        results = new long[this.reads.length];
        tails = front.shared().tail().now();
    }

    @Override
    public void complete(long userData, long result) {
        results[(int) userData] = result;
        // Releases the result to who sees the count fall.
        int _ = inFlight.decrementAndGet();
        LockSupport.unpark(waiter);
    }

    long[] run() throws IOException {
        try {
            beginAll();
            for (int i = 0; i < reads.length; i++) {
                results[i] = end(i);
            }
            return results;
        } finally {
            // Whoever ended it: those that were used are closed by now, and nothing is in flight.
            for (IoBuffer copy : copies) {
                if (copy != null) {
                    copy.close();
                }
            }
        }
    }

    /** How much it took of the pool, when it has ended; for tests. */
    long copiedBytes() {
        return copiedBytes;
    }

    /** Begins all that there is memory for. When this returns, or throws, nothing is in flight. */
    private void beginAll() {
        try {
            for (int i = 0; i < reads.length; i++) {
                begin(i);
            }
        } finally {
            // Whatever went wrong: memory is the engine's until its operation has ended.
            try {
                engine.commit();
            } finally {
                await(0);
            }
        }
    }

    private void begin(int i) {
        FileRead read = reads[i];
        MemorySegment target = read.memory();
        long offset = read.offset();
        if (!front.isStraight(offset, target)) {
            long first = io.down(offset);
            long bytes = copied(read);
            if (bytes > Pieces.BYTES || bytes == 0 || bytes > COPIED_BYTES_MAX - copiedBytes) {
                // Large, or nothing, or one too many: in its pieces, when the others have ended.
                return;
            }
            IoBuffer copy = io.take(bytes);
            copiedBytes += copy.bytes();
            copies[i] = copy;
            target = io.aligned(copy, bytes);
            offset = first;
        }
        Kiocb kiocb = front.takeKiocb();
        kiocbs[i] = kiocb;
        submit(kiocb.prepareRead(file, offset, this, i).addSegment(target), i);
    }

    /** Bytes of all blocks of a read. */
    private long copied(FileRead read) {
        return io.up(read.offset() + read.memory().byteSize()) - io.down(read.offset());
    }

    /** An interrupt does not end the wait for room; it is there again afterwards. Until then it would end each pause at once. */
    private void submit(Kiocb kiocb, int i) {
        boolean interrupted = false;
        try {
            for (int left = trySubmit(kiocb, i); left >= 0; left = trySubmit(kiocb, i)) {
                interrupted |= Thread.interrupted();
                // No room: it comes with what is in flight, of this batch or of others.
                engine.commit();
                if (left > 0) {
                    await(left - 1);
                } else {
                    LockSupport.parkNanos(this, BlockIo.NO_ROOM_PAUSE_NANOS);
                }
                interrupted |= Thread.interrupted();
            }
        } finally {
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }

    /** Where the engine has no room, how many are in flight; otherwise -1: it has taken it, or refused it for good. */
    private int trySubmit(Kiocb kiocb, int i) {
        int _ = inFlight.incrementAndGet();
        int refused;
        try {
            refused = engine.submit(kiocb);
        } catch (Throwable t) {
            int _ = inFlight.decrementAndGet();
            throw t;
        }
        if (refused == 0) {
            return -1;
        }
        int left = inFlight.decrementAndGet();
        if (refused != -Errno.EAGAIN) {
            results[i] = refused;
            return -1;
        }
        return left;
    }

    /** Waits until no more than so many are in flight. */
    private void await(int most) {
        boolean interrupted = false;
        while (inFlight.get() > most) {
            LockSupport.park(this);
            interrupted |= Thread.interrupted();
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    /** Copies what was copied, gives back what was taken, and tells the result. */
    private long end(int i) throws IOException {
        FileRead read = reads[i];
        Kiocb kiocb = kiocbs[i];
        if (kiocb == null) {
            return front.read(read.offset(), read.memory());
        }
        front.giveBack(kiocb);
        try (IoBuffer copy = copies[i]) {
            long result = results[i];
            if (result < 0) {
                throw AioException.of(result, file.path(),
                        BlockIo.inWords("read", read.offset(), read.memory().byteSize()));
            }
            if (result > 0 && front.shared().tail().wasSeen(tails)) {
                // A write was about to cut off some of it.
                return front.read(read.offset(), read.memory());
            }
            long skipped = copy == null ? 0 : read.offset() - io.down(read.offset());
            long asked = copy == null ? read.memory().byteSize() : copied(read);
            if (result < asked && io.isCutShort(read.offset() - skipped + result)) {
                throw AioException.of(-Errno.ECANCELED, file.path(),
                        BlockIo.inWords("read", read.offset(), read.memory().byteSize()));
            }
            if (copy == null) {
                return result;
            }
            long moved = Math.clamp(result - skipped, 0, read.memory().byteSize());
            MemorySegment.copy(io.aligned(copy, asked), skipped, read.memory(), 0, moved);
            return moved;
        }
    }
}
