package io.blkmq.core;

import io.blkmq.core.mq.EntryContext;
import io.blkmq.runtime.IoBuffer;
import io.blkmq.runtime.IoRuntime;
import java.lang.foreign.MemorySegment;
import java.nio.channels.AsynchronousCloseException;
import java.nio.channels.Channel;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * One transfer of a {@link DiskChannel}: its own buffer, the blocks that it has locked, and the operations on them, one after the
 * other.
 *
 * <p>A thread that waits for an operation leaves at once when its channel is closed, by another thread or by its own interrupt.
 * The device may still be at work then. So buffer and lock have users: the thread is one, each operation in flight is another,
 * and the last of them to go gives both back.
 *
 * <p>On a polled disk the thread stays until the operation has ended, because it is the one that finds the completion.
 */
final class ChannelTransfer implements AutoCloseable {
    private final DeviceNode node;
    private final DiskSectors disk;
    private final Channel channel;
    private final @Nullable IoBuffer buffer;
    private final BlockRangeLock.@Nullable Hold hold;
    private final AtomicInteger users = new AtomicInteger(1);

    /**
     * Begins a transfer, on the thread that will wait.
     *
     * @param channel whose
     * @param node what it has opened
     * @param buffer the memory, null if none is needed; given back here
     * @param hold the blocks, null if they need no lock; given back here
     */
    ChannelTransfer(Channel channel, DeviceNode node, @Nullable IoBuffer buffer, BlockRangeLock.@Nullable Hold hold) {
        this.channel = channel;
        this.node = node;
        this.disk = node.disk();
        this.buffer = buffer;
        this.hold = hold;
    }

    /** Reads or writes a part of the buffer, and waits. */
    void run(Operation operation, long offset, MemorySegment part) throws BlockIOException, AsynchronousCloseException {
        long bytes = part.byteSize();
        run(operation, offset, bytes, step -> disk.bio(operation, offset, part, node.flags(operation), step));
    }

    /** Flushes, and waits. */
    void flush() throws BlockIOException, AsynchronousCloseException {
        run(Operation.FLUSH, 0, 0, step -> disk.bio(Operation.FLUSH, 0, 0, 0, step));
    }

    private void run(Operation operation, long offset, long bytes, Function<Step, Bio> bios)
            throws BlockIOException, AsynchronousCloseException {
        if (!channel.isOpen()) {
            throw new AsynchronousCloseException();
        }
        Step step = new Step();
        users.incrementAndGet();
        Bio bio = null;
        try {
            bio = bios.apply(step);
            step.submit(bio);
        } catch (WrongThreadException e) {
            // No error of the disk, and none of the channel.
            leave();
            throw e;
        } catch (RuntimeException e) {
            // Nothing is in flight.
            leave();
            throw node.refusal(operation, offset, bytes, e);
        } catch (Error e) {
            if (bio == null || !bio.isInFlight()) {
                leave();
            }
            // Else it gives back what it uses when it ends.
            throw e;
        }
        step.await(operation, offset, bytes);
    }

    /** The thread leaves. */
    @Override
    public void close() {
        leave();
    }

    private void leave() {
        if (users.decrementAndGet() == 0) {
            if (buffer != null) {
                buffer.close();
            }
            if (hold != null) {
                hold.close();
            }
        }
    }

    /** One operation in flight. */
    private final class Step implements IoCompletion {
        private final IoRuntime runtime = node.runtime();
        private final boolean polled = disk.queue().tagSet().isPolled();
        private final EntryContext context = disk.deviceQueue().contextOfCurrentThread();
        private final Thread waiter = Thread.currentThread();
        private volatile @Nullable Status status;

        /**
         * The thread does not wait before it has submitted, so that the end of its channel finds it where it leaves. Where
         * it polls it stays anyway.
         */
        void submit(Bio bio) {
            if (polled) {
                disk.submit(bio, context);
            } else {
                disk.submitWithoutWaiting(bio, context);
            }
        }

        @Override
        public void ended(Status result) {
            status = result;
            leave();
            runtime.unpark(waiter);
        }

        void await(Operation operation, long offset, long bytes) throws BlockIOException, AsynchronousCloseException {
            Status result;
            for (int looks = 0; (result = status) == null; looks++) {
                if (!polled && !channel.isOpen()) {
                    throw new AsynchronousCloseException();
                }
                disk.deviceQueue().awaitEnd(channel, context, 0, looks, Long.MAX_VALUE);
            }
            if (result != Status.OK) {
                throw node.failure(operation, offset, bytes, result);
            }
        }
    }
}
