package io.blkmq.loop;

import io.blkmq.aio.AioEngine;
import io.blkmq.core.Status;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;

/**
 * What the driver keeps for one hardware context: its engine, and the commands that a worker has done for it. On a polled device
 * those wait here for the poller, so that its callers are told on their own thread.
 *
 * <p>{@link #owner} is written and read by submitters and pollers without order: a polled context has one, and any other thread
 * sees something that is not itself.
 */
final class LoopQueue {
    /** Opened with the device's first file, and kept. Volatile: a poller looks at it without having passed the gate of the queue. */
    private volatile @Nullable AioEngine engine;
    private final boolean polled;
    private @Nullable Thread owner;
    /** Commands that workers have done, the newest first. Pushed by workers, taken all at once by the poller. */
    private final AtomicReference<@Nullable LoopCommand> done = new AtomicReference<>();

    LoopQueue(boolean polled) {
        this.polled = polled;
    }

    void useEngine(AioEngine opened) {
        this.engine = opened;
    }

    boolean hasEngine() {
        return engine != null;
    }

    /** The engine of a device that has, or has had, a file. */
    AioEngine engine() {
        return Objects.requireNonNull(engine);
    }

    /** Rings the doorbell, if there is one. */
    void commit() {
        AioEngine opened = engine;
        if (opened != null) {
            opened.commit();
        }
    }

    /** The calling thread submits: on a polled device it is the owner from now on. */
    void submitting() {
        if (polled && owner == null) {
            owner = Thread.currentThread();
        }
    }

    /** Whether the calling thread may look for completions. */
    boolean isPollable() {
        Thread thread = owner;
        return thread == null || thread == Thread.currentThread();
    }

    /** A worker has done a command. */
    void workDone(LoopCommand command, Status status) {
        if (!polled) {
            command.complete(status);
            return;
        }
        command.noteStatus(status);
        LoopCommand before;
        do {
            before = done.get();
            command.follow(before);
        } while (!done.compareAndSet(before, command));
    }

    /** Completes what workers and the engine have done. The owner. */
    int poll() {
        int found = done.get() == null ? 0 : completeDone();
        AioEngine opened = engine;
        return opened == null ? found : found + opened.poll();
    }

    private int completeDone() {
        int count = 0;
        LoopCommand command = done.getAndSet(null);
        while (command != null) {
            // Before completing: after that the command may be used again.
            LoopCommand before = command.followed();
            command.completeNoted();
            count++;
            command = before;
        }
        return count;
    }
}
