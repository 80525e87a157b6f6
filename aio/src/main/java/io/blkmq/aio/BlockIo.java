package io.blkmq.aio;

import io.blkmq.aio.life.FileTail;
import io.blkmq.runtime.IoBuffer;
import io.blkmq.runtime.channel.BufferRow;
import io.blkmq.runtime.channel.Pieces;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import org.jctools.queues.varhandle.MpmcVarHandleArrayQueue;

/**
 * Transfers of any offset, length and memory, for threads that wait: the part of {@link AsyncFile} and of its channels that knows of
 * kiocbs, blocks and alignment. Any thread may call it.
 *
 * <p>Memory that suits the file goes to the engine as it is. Any other is copied by way of pooled, aligned memory, a piece of
 * {@link Pieces#BYTES} at a time.
 */
final class BlockIo {

    /** Where transfers end at the latest: what is aligned behind it is a number, still. */
    static final long OFFSET_MAX = Long.MAX_VALUE - Pieces.BYTES;
    /** How long to wait for room in the engine where others have all of it. */
    static final long NO_ROOM_PAUSE_NANOS = 50_000;
    private static final int IDLE_MAX = 256;

    final AioEngine engine;
    final AioFile file;
    final SharedFile shared;
    /** Whether a platform thread carries its operation out itself. */
    private final boolean onCaller;
    /** How much more is taken of the pool, so that the memory is aligned for a file that wants more than the pool does. */
    private final int slack;
    /** Kiocbs that nobody uses; who finds none makes one. */
    private final MpmcVarHandleArrayQueue<Kiocb> idle = new MpmcVarHandleArrayQueue<>(IDLE_MAX);

    /**
     * Transfers of a file.
     *
     * @param onCaller whether a platform thread carries its operation out itself, by a system call: it waits anyhow, and to hand the
     *        operation to a ring and hear of its end by another thread takes longer. A virtual thread would keep its carrier. Of engines
     *        that are not the system's I/O all goes to the engine
     */
    BlockIo(AioEngine engine, AioFile file, SharedFile shared, boolean onCaller) {
        this.engine = engine;
        this.file = file;
        this.shared = shared;
        this.onCaller = onCaller && (engine instanceof NativeEngine || engine instanceof ChannelEngine);
        this.slack = Math.max(0, file.memoryAlignment() - IoBuffer.ALIGNMENT_BYTES);
    }

    private boolean isOnCaller() {
        return onCaller && !Thread.currentThread().isVirtual();
    }

    // Whole operations.

    /** Reads until the memory is full, or the file ends. */
    long read(long offset, MemorySegment memory) throws IOException {
        return isStraight(offset, memory) ? runRead(offset, memory) : readCopied(offset, memory);
    }

    /** Writes all of the memory. */
    void write(long offset, MemorySegment memory) throws IOException {
        if (isWhole(offset, memory.byteSize())) {
            long stamp = shared.share();
            try {
                writeWhole(offset, memory);
            } finally {
                shared.unshare(stamp);
            }
        } else {
            long stamp = shared.lockAlone();
            try {
                writeParts(offset, memory);
            } finally {
                shared.unlockAlone(stamp);
            }
        }
    }

    /** Writes all of the memory at the end of the file, and returns where that was. */
    long append(MemorySegment memory) throws IOException {
        long stamp = shared.lockAlone();
        try {
            long end = file.size();
            writeAlone(end, memory);
            return end;
        } finally {
            shared.unlockAlone(stamp);
        }
    }

    /** Reads into a row until it is full, or the file ends, or who asks does not go on, and moves the buffers' positions. */
    long read(long offset, BufferRow row, BooleanSupplier goesOn) throws IOException {
        ByteBuffer single = row.single();
        if (single != null) {
            MemorySegment memory = memoryOf(single);
            if (memory.byteSize() <= Pieces.BYTES || isStraight(offset, memory)) {
                int done = (int) read(offset, memory);
                single.position(single.position() + done);
                return done;
            }
        }
        long bytes = row.remaining();
        long done = 0;
        try {
            while (done < bytes && goesOn.getAsBoolean()) {
                int wanted = Pieces.length(offset + done, bytes - done);
                int moved = readPiece(offset + done, row, wanted);
                done += moved;
                if (moved < wanted) {
                    break;
                }
            }
        } catch (IOException e) {
            failUnlessSome(done, e);
        }
        return done;
    }

    private int readPiece(long at, BufferRow row, int wanted) throws IOException {
        long first = down(at);
        long bytes = up(at + wanted) - first;
        try (IoBuffer buffer = take(bytes)) {
            MemorySegment blocks = aligned(buffer, bytes);
            int moved = Math.clamp(runRead(first, blocks) - (at - first), 0, wanted);
            row.fill(blocks.asSlice(at - first, moved).asByteBuffer());
            return moved;
        }
    }

    /** Writes all of a row, and moves the buffers' positions. Returns less only if the rest has failed, or who asks does not go on. */
    long write(long offset, BufferRow row, BooleanSupplier goesOn) throws IOException {
        ByteBuffer single = row.single();
        if (single != null) {
            MemorySegment memory = memoryOf(single);
            if (memory.byteSize() <= Pieces.BYTES || isStraight(offset, memory)) {
                write(offset, memory);
                single.position(single.limit());
                return memory.byteSize();
            }
        }
        if (isWhole(offset, row.remaining())) {
            long stamp = shared.share();
            try {
                return writePieces(offset, row, goesOn);
            } finally {
                shared.unshare(stamp);
            }
        }
        long stamp = shared.lockAlone();
        try {
            return writePieces(offset, row, goesOn);
        } finally {
            shared.unlockAlone(stamp);
        }
    }

    /** Writes all of a row at the end of the file, else as {@link #write(long, BufferRow, BooleanSupplier)}. */
    long append(BufferRow row, BooleanSupplier goesOn) throws IOException {
        long stamp = shared.lockAlone();
        try {
            return writePieces(file.size(), row, goesOn);
        } finally {
            shared.unlockAlone(stamp);
        }
    }

    /** With the lock held alone, or shared if the row is of whole blocks: then each piece is. */
    private long writePieces(long offset, BufferRow row, BooleanSupplier goesOn) throws IOException {
        long bytes = row.remaining();
        long done = 0;
        try {
            while (done < bytes && goesOn.getAsBoolean()) {
                int length = Pieces.length(offset + done, bytes - done);
                try (IoBuffer buffer = take(length)) {
                    MemorySegment piece = aligned(buffer, length);
                    row.copyTo(piece.asByteBuffer());
                    writeAlone(offset + done, piece);
                }
                row.advance(length);
                done += length;
            }
        } catch (IOException e) {
            failUnlessSome(done, e);
        }
        return done;
    }

    /** The error comes again with the next call. */
    private static void failUnlessSome(long done, IOException e) throws IOException {
        if (done == 0) {
            throw e;
        }
    }

    /** With the lock held alone, or shared for whole blocks. */
    private void writeAlone(long offset, MemorySegment memory) throws IOException {
        if (isWhole(offset, memory.byteSize())) {
            writeWhole(offset, memory);
        } else {
            writeParts(offset, memory);
        }
    }

    void sync(boolean dataOnly) throws IOException {
        if (isOnCaller()) {
            long _ = file.check(file.sync(dataOnly), "sync");
            return;
        }
        Kiocb kiocb = takeKiocb();
        long result = runWithRoom(kiocb.prepareSync(file, dataOnly, AioCompletion.NONE, 0));
        giveBack(kiocb);
        long _ = file.check(result, "sync");
    }

    /**
     * The size; of a file that is about to be cut because of an unaligned write, the size before that. Waits for no other: the end of that
     * write may need the thread that asks.
     */
    long size() throws IOException {
        FileTail tail = shared.tail();
        while (true) {
            int now = tail.now();
            // The file tells also that it is closed.
            long systems = file.size();
            long size = FileTail.isTooLong(now) ? tail.sizeBefore() : systems;
            if (tail.now() == now) {
                return size;
            }
        }
    }

    /** Sets the size. No write goes on meanwhile. */
    void setSize(long bytes) throws IOException {
        long stamp = shared.lockAlone();
        try {
            setSizeAlone(bytes);
        } finally {
            shared.unlockAlone(stamp);
        }
    }

    /** Cuts what is longer. No write goes on meanwhile. */
    void cut(long bytes) throws IOException {
        long stamp = shared.lockAlone();
        try {
            if (bytes < file.size()) {
                setSizeAlone(bytes);
            }
        } finally {
            shared.unlockAlone(stamp);
        }
    }

    private void setSizeAlone(long bytes) throws IOException {
        long _ = file.check(file.setSize(bytes), "setting the size to " + bytes + " bytes");
    }

    /** What a buffer stands for. */
    private static MemorySegment memoryOf(ByteBuffer buffer) {
        MemorySegment memory = MemorySegment.ofBuffer(buffer);
        if (!memory.scope().isAlive()) {
            // As the JDK's channels say.
            throw new IllegalStateException("Already closed");
        }
        return memory;
    }

    // Transfers.

    /** Whether memory may go to the engine as it is. */
    boolean isStraight(long offset, MemorySegment memory) {
        return memory.isNative() && memory.isAccessibleBy(Thread.currentThread()) && isWhole(offset, memory.byteSize())
                && (memory.address() & file.memoryAlignment() - 1) == 0;
    }

    /** Whether a transfer begins and ends between blocks. */
    private boolean isWhole(long offset, long bytes) {
        return ((offset | bytes) & file.offsetAlignment() - 1) == 0;
    }

    /** One read of memory that goes as it is: of nothing that a write is about to cut off. */
    private long runRead(long offset, MemorySegment memory) throws IOException {
        int tails = shared.tail().now();
        long result = run(offset, memory, false);
        return shared.tail().wasSeen(tails) ? runReadAgain(offset, memory) : result;
    }

    /** The same while nobody writes a part of a block. */
    long runReadAgain(long offset, MemorySegment memory) throws IOException {
        long stamp = shared.share();
        try {
            return run(offset, memory, false);
        } finally {
            shared.unshare(stamp);
        }
    }

    /** One operation, of memory that goes as it is. */
    private long run(long offset, MemorySegment memory, boolean write) throws IOException {
        boolean onCaller = isOnCaller();
        if (onCaller && !memory.scope().isAlive()) {
            // As the engine says.
            throw new IllegalArgumentException("memory of a closed arena: " + memory);
        }
        long result = !onCaller
                ? runByEngine(offset, memory, write)
                : write ? file.write(offset, memory) : file.read(offset, memory);
        if (result < 0) {
            throw AioException.of(result, file.path(), inWords(write ? "write" : "read", offset, memory.byteSize()));
        }
        return result;
    }

    private long runByEngine(long offset, MemorySegment memory, boolean write) {
        Kiocb kiocb = takeKiocb();
        Kiocb prepared = write
                ? kiocb.prepareWrite(file, offset, AioCompletion.NONE, 0)
                : kiocb.prepareRead(file, offset, AioCompletion.NONE, 0);
        long result = runWithRoom(prepared.addSegment(memory));
        giveBack(kiocb);
        return !write && result >= 0 && result < memory.byteSize() && isCutShort(offset + result)
                ? -Errno.ECANCELED
                : result;
    }

    /**
     * Whether a read that has fewer bytes than it should has been ended because the engine is being closed: of a read that an engine ends early it
     * tells the bytes that it has.
     *
     * @param reached where the read has ended
     */
    boolean isCutShort(long reached) {
        if (engine.isOpen()) {
            return false;
        }
        try {
            return reached < file.size();
        } catch (IOException e) {
            // Closed, too: nobody knows where the file ends.
            return true;
        }
    }

    /** Who waits anyhow waits for room in the engine, too. */
    private long runWithRoom(Kiocb kiocb) {
        long result = engine.run(kiocb);
        return hadNoRoom(kiocb, result) ? runWhenThereIsRoom(kiocb) : result;
    }

    /** Refused, it is still prepared; the same number from the device comes with the end of the operation. */
    private static boolean hadNoRoom(Kiocb kiocb, long result) {
        return result == -Errno.EAGAIN && kiocb.isPrepared();
    }

    /** An interrupt does not end the wait; it is there again afterwards. Until then it would end each pause at once. */
    private long runWhenThereIsRoom(Kiocb kiocb) {
        boolean interrupted = false;
        try {
            long result;
            do {
                interrupted |= Thread.interrupted();
                LockSupport.parkNanos(this, NO_ROOM_PAUSE_NANOS);
                interrupted |= Thread.interrupted();
                result = engine.run(kiocb);
            } while (hadNoRoom(kiocb, result));
            return result;
        } finally {
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }

    static String inWords(String operation, long offset, long bytes) {
        return bytes == 0 ? operation : operation + " of " + bytes + " bytes at " + offset;
    }

    private long readCopied(long offset, MemorySegment memory) throws IOException {
        long bytes = memory.byteSize();
        long done = 0;
        while (done < bytes) {
            long at = offset + done;
            long first = down(at);
            long length = Math.min(up(offset + bytes) - first, Pieces.BYTES);
            long wanted = Math.min(first + length - at, bytes - done);
            try (IoBuffer buffer = take(length)) {
                MemorySegment blocks = aligned(buffer, length);
                long moved = Math.clamp(runRead(first, blocks) - (at - first), 0, wanted);
                MemorySegment.copy(blocks, at - first, memory, done, moved);
                done += moved;
                if (moved < wanted) {
                    break;
                }
            }
        }
        return done;
    }

    /** Writes whole blocks, of whatever memory. The caller holds the lock in either way. */
    private void writeWhole(long offset, MemorySegment memory) throws IOException {
        if (isStraight(offset, memory)) {
            long _ = run(offset, memory, true);
            return;
        }
        for (long done = 0; done < memory.byteSize();) {
            long length = Math.min(memory.byteSize() - done, Pieces.BYTES);
            try (IoBuffer buffer = take(length)) {
                MemorySegment blocks = aligned(buffer, length);
                MemorySegment.copy(memory, done, blocks, 0, length);
                long _ = run(offset + done, blocks, true);
            }
            done += length;
        }
    }

    /**
     * Writes parts of blocks, whose rest stays as it is. The caller holds the lock alone. A close does not come between the steps: a file that
     * has got too long is cut, and one that is to be durable synced.
     */
    private void writeParts(long offset, MemorySegment memory) throws IOException {
        long end = offset + memory.byteSize();
        if (end == offset) {
            return;
        }
        file.hold();
        try {
            writePartsHeld(offset, memory, end);
        } finally {
            file.letGo();
        }
    }

    /** The caller holds the file. */
    private void writePartsHeld(long offset, MemorySegment memory, long end) throws IOException {
        long size = file.size();
        if (up(end) <= Math.max(end, size)) {
            long _ = writeBlocks(offset, memory, end);
            return;
        }
        shared.tail().begins(size);
        try {
            writePastEnd(offset, memory, size, end);
        } finally {
            shared.tail().ends();
        }
    }

    /** Writes blocks of which the last is longer than the file is to be, and cuts the file. */
    private void writePastEnd(long offset, MemorySegment memory, long size, long end) throws IOException {
        long reached = size;
        try {
            reached = Math.max(size, writeBlocks(offset, memory, end));
        } finally {
            // After a failure, too: what is behind the old end then may be a part of what was to be written.
            long _ = file.check(file.setSize(reached), inWords("write", offset, memory.byteSize()));
        }
        if (file.opening().has(AioFile.Option.SYNC)) {
            // The write was durable when it ended, but not that the file is shorter than that.
            sync(false);
        } else if (file.opening().has(AioFile.Option.DSYNC)) {
            sync(true);
        }
    }

    /** Writes all blocks that a range touches, of which the first and the last are read where it covers them in part. Returns its end. */
    private long writeBlocks(long offset, MemorySegment memory, long end) throws IOException {
        for (long at = offset; at < end;) {
            long first = down(at);
            long length = Math.min(up(end) - first, Pieces.BYTES);
            long last = Math.min(first + length, end);
            try (IoBuffer buffer = take(length)) {
                MemorySegment blocks = aligned(buffer, length);
                if (at != first) {
                    fill(blocks, first, 0);
                }
                long tail = down(last);
                if (last != first + length && (tail != first || at == first)) {
                    fill(blocks, tail, tail - first);
                }
                MemorySegment.copy(memory, at - offset, blocks, at - first, last - at);
                long _ = run(first, blocks, true);
            }
            at = last;
        }
        return end;
    }

    /** Fills a block with what the file has there; behind its end there are zeroes. */
    private void fill(MemorySegment memory, long offset, long at) throws IOException {
        MemorySegment block = memory.asSlice(at, file.offsetAlignment());
        long read = run(offset, block, false);
        block.asSlice(read).fill((byte) 0);
    }

    /** Memory of the pool for a transfer; {@link #aligned} says which of it. */
    IoBuffer take(long bytes) {
        return IoBuffer.allocate(bytes + slack);
    }

    /** The part of it, of so many bytes, that is aligned as the file wants. */
    MemorySegment aligned(IoBuffer taken, long bytes) {
        MemorySegment memory = taken.memory();
        return slack == 0 ? memory : memory.asSlice(-memory.address() & file.memoryAlignment() - 1, bytes);
    }

    long down(long offset) {
        return offset & -file.offsetAlignment();
    }

    long up(long offset) {
        return offset + file.offsetAlignment() - 1 & -file.offsetAlignment();
    }

    Kiocb takeKiocb() {
        Kiocb kiocb = idle.poll();
        return kiocb != null ? kiocb : Kiocb.withSegments(1);
    }

    void giveBack(Kiocb kiocb) {
        // Refused when enough are idle: then it goes with the garbage collector.
        boolean _ = idle.offer(kiocb);
    }

    /** Refuses a call that waits, on a thread that has to call completions first. */
    void requireMayWait(String call) {
        if (engine instanceof OpenedEngine opened) {
            opened.requireMayWait(call);
        }
    }
}
