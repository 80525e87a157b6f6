package io.blkmq.loop;

import io.blkmq.core.Disk;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * A device that is open: it is not removed, and not detached from its file by others, until it is closed. The kernel's counterpart is
 * an open descriptor of the device's node. Thread-safe.
 *
 * @since 0.1.0
 */
public final class LoopHandle implements AutoCloseable {
    private final LoopDevice device;
    private final AtomicBoolean closed = new AtomicBoolean();

    LoopHandle(LoopDevice device) {
        this.device = device;
    }

    /**
     * The device.
     *
     * @return always the same
     */
    public LoopDevice device() {
        return device;
    }

    /**
     * The device as a disk. It is the device's: closing it removes the device.
     *
     * @return always the same
     */
    public Disk disk() {
        return device.disk();
    }

    /**
     * Detaches the file (LOOP_CLR_FD). If this is the only handle, at once: I/O fails from then on, and with {@link #close} the device
     * is unbound. If there are others, the device goes on working until the last one is closed, unless AUTOCLEAR is cleared before.
     *
     * @throws LoopException with ENXIO if the device has no file
     * @throws IllegalStateException if this handle is closed, or if called by a completion
     */
    public void detach() throws LoopException {
        if (closed.get()) {
            throw new IllegalStateException("the handle of " + device.name() + " is closed");
        }
        device.detachBy(1);
    }

    /**
     * Closes it. Closing again does nothing.
     *
     * @throws IllegalStateException if called by a completion
     */
    @Override
    public void close() {
        device.requireNoCompletion("close");
        if (closed.compareAndSet(false, true)) {
            device.release();
        }
    }

    /** Closes it without telling what happens to the device, and those below it; where that is to be told. */
    List<LoopEvents> closeUntold() {
        return closed.compareAndSet(false, true) ? device.releaseUntold() : List.of();
    }

    @Override
    public String toString() {
        return "handle of " + device;
    }
}
