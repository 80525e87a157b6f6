package io.blkmq.core;

import io.blkmq.core.driver.CompletionBatch;
import io.blkmq.core.mq.DeviceQueue;
import io.blkmq.core.mq.EntryContext;
import io.blkmq.runtime.IoBuffer;
import io.blkmq.runtime.channel.AsyncResult;
import io.blkmq.runtime.channel.Pieces;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.AsynchronousCloseException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.Lock;
import org.jspecify.annotations.Nullable;

/**
 * One operation of an {@link AsyncDiskChannel}: pieces of {@link Pieces#BYTES}, one after the other, and each of them some
 * steps, each begun by the end of the one before.
 *
 * <pre>
 *   READ    read the piece's blocks into a buffer of its own; copy what was asked for to the caller
 *   WRITE   lock the blocks; read the first and the last, where they are covered in part; copy from the caller; write; unlock
 * </pre>
 *
 * <p>Memory of an {@link IoBuffer} that fits the blocks goes to the device as it is, in one piece of any length.
 *
 * <p>The operation is told to its user once: {@link #told} is set under the lock by whoever has its end, the close of the channel or
 * its cancellation. The caller's buffer is touched only under the lock and only before that, so nothing changes in it afterwards.
 * What the device still has in flight then goes on with the piece's own buffer, and the piece keeps its blocks locked until it ends.
 * With the caller's memory at the device the close of the channel only leaves word: the user is told when the device has given it back.
 */
final class AsyncTransfer {
    /** Whose it is: a channel. */
    interface Owner {
        boolean isOpen();

        /** It has nothing to do with the transfer any more. */
        void ended(AsyncTransfer transfer);
    }

    private final Owner channel;
    private final DeviceNode node;
    private final DiskSectors disk;
    private final Operation operation;
    private final long from;
    private final long number;
    private final AsyncResult<Integer> result;
    /** The caller's; null for a flush. */
    private final @Nullable ByteBuffer buffer;
    /** Its memory, if that is to go to the device as it is. */
    private @Nullable MemorySegment direct;
    /** How much there is to do. Written by {@link #begin}. */
    private long bytes;
    /** The thread within {@link #begin}: it alone finds itself here. */
    private @Nullable Thread beginner = Thread.currentThread();
    /** That thread's. */
    private final EntryContext beginnerContext;

    private final Lock lock;
    /** Guarded by the lock. */
    private boolean told;
    /** Guarded by the lock. */
    private @Nullable Piece piece;
    /** Of one step after the other. */
    private long done;

    AsyncTransfer(Owner channel, DeviceNode node, Operation operation, @Nullable ByteBuffer buffer,
            @Nullable MemorySegment memory, long from, long number, AsyncResult<Integer> result) {
        this.channel = channel;
        this.node = node;
        this.disk = node.disk();
        this.beginnerContext = disk.deviceQueue().contextOfCurrentThread();
        this.operation = operation;
        this.buffer = buffer;
        this.from = from;
        this.number = number;
        this.result = result;
        this.lock = node.runtime().newLock();
        if (memory != null) {
            boolean blocks = ((from | memory.byteSize()) & (node.blockBytes() - 1)) == 0;
            this.direct = blocks && IoBuffer.owns(memory) ? memory : null;
        }
    }

    AsyncResult<Integer> result() {
        return result;
    }

    /** Operations are numbered in the order in which they were begun. */
    long number() {
        return number;
    }

    // ---- the way to its end

    void begin() {
        try {
            disk.deviceQueue().requireSubmitter(operation, beginnerContext);
        } catch (WrongThreadException e) {
            fail(e);
            return;
        }
        if (buffer == null) {
            step(Operation.FLUSH, 0, null, new Piece(0, 0, null)::flushed);
            return;
        }
        try {
            bytes = operation == Operation.READ
                    ? node.readableBytes(from, buffer.remaining())
                    : node.writableBytes(from, buffer.remaining());
        } catch (IOException e) {
            fail(e);
            return;
        }
        if (bytes <= 0) {
            tell((int) bytes, null);
        } else {
            next();
        }
    }

    /** The call that began it returns: from now on an end of the operation is not within that call. */
    void hasBegun() {
        beginner = null;
    }

    private void next() {
        long at = from + done;
        MemorySegment whole = direct;
        Piece next = whole != null
                ? new Piece(at, bytes, whole.asSlice(0, bytes))
                : new Piece(at, Pieces.length(at, bytes - done), null);
        lock.lock();
        try {
            if (told) {
                return;
            }
            piece = next;
            if (operation == Operation.WRITE) {
                next.askForBlocks();
            }
        } finally {
            lock.unlock();
        }
        if (next.hasBlocks()) {
            next.start();
        }
    }

    private void pieceDone(int pieceBytes) {
        done += pieceBytes;
        if (done == bytes) {
            tell((int) done, null);
        } else {
            next();
        }
    }

    /** What pieces before this one have done is the result then; the error comes again with the next call. */
    private void fail(Throwable cause) {
        if (done > 0) {
            tell((int) done, null);
        } else {
            tell(0, cause);
        }
    }

    // ---- telling, once

    private void tell(int value, @Nullable Throwable cause) {
        Throwable failure = cause;
        lock.lock();
        try {
            if (told) {
                return;
            }
            told = true;
            if (direct != null && !channel.isOpen()) {
                failure = new AsynchronousCloseException();
            } else if (buffer != null && value > 0 && cause == null) {
                failure = moved(buffer, value);
            }
        } finally {
            lock.unlock();
        }
        channel.ended(this);
        // Not on the stack of the call that began it, and only where the block layer has made the stack flat.
        boolean here = CompletionBatch.current() != null && !Thread.currentThread().equals(beginner);
        if (failure != null) {
            result.failed(failure, here);
        } else {
            result.completed(value, here);
        }
    }

    /** Moves the caller's buffer. Returns why it cannot be. */
    private static @Nullable Throwable moved(ByteBuffer buffer, int bytes) {
        int from = buffer.position();
        int limit = buffer.limit();
        try {
            buffer.position(from + bytes);
            return null;
        } catch (IllegalArgumentException e) {
            return new IllegalStateException(
                    bytes + " bytes have been transferred, but the buffer was changed meanwhile: its position is "
                            + from + " and its limit " + limit,
                    e);
        }
    }

    /** Ends an operation that has not begun. */
    void refuse(Throwable cause) {
        if (claim()) {
            channel.ended(this);
            result.failed(cause, false);
        }
    }

    /** Ends it for the caller, if it has not ended. */
    boolean abandon() {
        if (!claim()) {
            return false;
        }
        giveUpWaiting();
        channel.ended(this);
        return true;
    }

    /**
     * The channel has been closed.
     *
     * @return whether the operation ends by that: then the caller has it give up waiting and tells its user. False if it has ended, or
     *         ends when the device gives the memory back
     */
    boolean endsByClose() {
        lock.lock();
        try {
            // At once: a piece that starts in between would have memory that its user has been told of.
            if (told || (direct != null && piece != null && piece.started)) {
                return false;
            }
            told = true;
            return true;
        } finally {
            lock.unlock();
        }
    }

    void tellClosed() {
        channel.ended(this);
        result.failed(new AsynchronousCloseException(), false);
    }

    /** Takes it upon the caller to tell. */
    private boolean claim() {
        lock.lock();
        try {
            boolean first = !told;
            told = true;
            return first;
        } finally {
            lock.unlock();
        }
    }

    /** An operation that has been claimed waits for its blocks no longer. */
    void giveUpWaiting() {
        Piece waiting;
        lock.lock();
        try {
            waiting = piece != null && !piece.started ? piece : null;
        } finally {
            lock.unlock();
        }
        if (waiting != null) {
            waiting.giveBack();
        }
    }

    // ---- one piece

    /**
     * Begins a step; one that the disk refuses ends at once. Within the block layer, where what is thrown has not been
     * submitted.
     */
    private void step(Operation what, long offset, @Nullable MemorySegment memory, StepEnd end) {
        assert CompletionBatch.current() != null;
        long length = memory == null ? 0 : memory.byteSize();
        IoCompletion completion = status -> end
                .ended(status == Status.OK ? null : node.failure(what, offset, length, status));
        try {
            if (memory == null) {
                disk.start(what, 0, 0, 0, completion);
            } else {
                disk.start(what, offset, memory, node.flags(what), context(), completion);
            }
        } catch (RuntimeException | Error e) {
            end.ended(node.refusal(what, offset, length, e));
        }
    }

    /** Whoever brings a polled disk's operation to its next step: its thread looks for the end in its own context. */
    private EntryContext context() {
        DeviceQueue queue = disk.deviceQueue();
        return queue.tagSet().isPolled() ? beginnerContext : queue.contextOfCurrentThread();
    }

    /** How a step ended. */
    @FunctionalInterface
    private interface StepEnd {
        void ended(@Nullable Throwable failure);
    }

    /** A part of the operation that is done as one. */
    private final class Piece {
        private final long at;
        private final int pieceBytes;
        /** The blocks that it touches. */
        private final long first;
        private final long end;
        /** The caller's, or what is allocated when the piece starts. */
        private @Nullable MemorySegment memory;
        private @Nullable IoBuffer own;
        /** Written under the lock. Null if the blocks need no lock. */
        private BlockRangeLock.@Nullable Hold hold;
        /** Written under the lock: from then on the piece ends by itself. */
        private boolean started;
        private final AtomicInteger reads = new AtomicInteger();
        /** Written by whichever read failed, before it counts itself. */
        private volatile @Nullable Throwable readFailure;

        Piece(long at, long pieceBytes, @Nullable MemorySegment memory) {
            this.at = at;
            this.pieceBytes = (int) pieceBytes;
            this.first = at & -node.blockBytes();
            this.end = node.roundedUp(at + pieceBytes);
            this.memory = memory;
        }

        void flushed(@Nullable Throwable failure) {
            tell(0, failure);
        }

        /** Under the lock. */
        void askForBlocks() {
            hold = disk.blockLock().request(node.deviceBlock(first), node.deviceBlock(end), this::granted);
        }

        boolean hasBlocks() {
            BlockRangeLock.Hold asked = hold;
            return asked == null || asked.wasFree();
        }

        /** Executed by the runtime. */
        private void granted() {
            try (var _ = CompletionBatch.open()) {
                start();
            }
        }

        void start() {
            boolean late;
            lock.lock();
            try {
                late = told;
                started = true;
            } finally {
                lock.unlock();
            }
            if (late) {
                giveBack();
                return;
            }
            try {
                if (memory == null) {
                    own = IoBuffer.allocate(end - first);
                    memory = own.memory();
                }
            } catch (RuntimeException | Error e) {
                failed(e);
                return;
            }
            if (operation == Operation.READ) {
                step(Operation.READ, first, memory, this::read);
            } else {
                readWhatIsCoveredInPart(memory);
            }
        }

        private void read(@Nullable Throwable failure) {
            if (failure != null) {
                failed(failure);
            } else {
                exchange();
            }
        }

        private void readWhatIsCoveredInPart(MemorySegment blocks) {
            int block = node.blockBytes();
            boolean head = at != first;
            boolean tail = at + pieceBytes != end && !(head && end - first == block);
            if (!head && !tail) {
                exchange();
                return;
            }
            reads.set((head ? 1 : 0) + (tail ? 1 : 0));
            if (head) {
                step(Operation.READ, first, blocks.asSlice(0, block), this::partRead);
            }
            if (tail) {
                step(Operation.READ, end - block, blocks.asSlice(end - block - first, block), this::partRead);
            }
        }

        private void partRead(@Nullable Throwable failure) {
            if (failure != null) {
                readFailure = failure;
            }
            if (reads.decrementAndGet() == 0) {
                read(readFailure);
            }
        }

        /** Copies from or to the caller, unless the caller has been told the end or the memory is the caller's own. */
        private void exchange() {
            Throwable failure = null;
            lock.lock();
            try {
                if (told) {
                    failure = new AsynchronousCloseException();
                } else if (own != null) {
                    copy(own.memory().asSlice(at - first, pieceBytes));
                }
            } catch (Throwable t) {
                // The arena of the caller's memory was closed, or the file that it maps was cut.
                failure = t;
            } finally {
                lock.unlock();
            }
            MemorySegment blocks = memory;
            if (failure != null || blocks == null) {
                failed(failure == null ? new AssertionError("a piece without memory") : failure);
            } else if (operation == Operation.READ) {
                succeeded();
            } else {
                step(Operation.WRITE, first, blocks, this::written);
            }
        }

        /** Under the lock. */
        private void copy(MemorySegment mine) {
            if (buffer == null) {
                return;
            }
            MemorySegment theirs = MemorySegment.ofBuffer(buffer).asSlice(done, pieceBytes);
            if (operation == Operation.READ) {
                theirs.copyFrom(mine);
            } else {
                mine.copyFrom(theirs);
            }
        }

        private void written(@Nullable Throwable failure) {
            if (failure != null) {
                failed(failure);
            } else {
                succeeded();
            }
        }

        private void succeeded() {
            giveBack();
            pieceDone(pieceBytes);
        }

        private void failed(Throwable cause) {
            giveBack();
            fail(cause);
        }

        private void giveBack() {
            if (own != null) {
                own.close();
            }
            if (hold != null) {
                hold.close();
            }
        }
    }
}
