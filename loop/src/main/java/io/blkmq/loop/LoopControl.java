package io.blkmq.loop;

import io.blkmq.aio.Errno;
import io.blkmq.core.driver.Parking;
import io.blkmq.runtime.Registration;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.NavigableMap;
import java.util.TreeMap;
import java.util.concurrent.locks.Lock;
import org.jspecify.annotations.Nullable;

/**
 * Loop devices by their index. The kernel's counterpart is {@code /dev/loop-control}. Thread-safe.
 *
 * <pre>{@code
 * try (LoopControl control = LoopControl.open()) {
 *     LoopDevice device = control.attach(LoopConfig.builder(Path.of("disk.img")).build());   // losetup -f
 *     try (LoopHandle handle = device.open()) {
 *         handle.disk()...
 *     }
 *     device.detach();
 * }
 * }</pre>
 *
 * <p>A process may have several controls. They do not know of each other, and share only the locks on files.
 *
 * @since 0.1.0
 */
public final class LoopControl implements AutoCloseable {
    /** The largest index: the system's minor numbers have 20 bits. */
    public static final int INDEX_MAX = (1 << 20) - 1;

    private final LoopParameters parameters;
    private final LoopEvents events = new LoopEvents();
    private final Lock lock;
    /** Guarded by the lock. */
    private final NavigableMap<Integer, LoopDevice> devices = new TreeMap<>();
    private volatile boolean closed;

    private LoopControl(LoopParameters parameters) {
        this.parameters = parameters;
        this.lock = parameters.runtime().newLock();
    }

    /**
     * A control without devices, for devices with the default parameters.
     *
     * @return a new control
     */
    public static LoopControl open() {
        return open(LoopParameters.builder().build());
    }

    /**
     * A control without devices.
     *
     * @param parameters of all its devices
     * @return a new control
     */
    public static LoopControl open(LoopParameters parameters) {
        return new LoopControl(parameters);
    }

    /**
     * Adds a device without a file (LOOP_CTL_ADD).
     *
     * @param index from 0 to {@value #INDEX_MAX}
     * @return the device
     * @throws LoopException with EEXIST if there is one, EINVAL if the index is not possible
     * @throws IOException if the system refuses resources
     */
    public LoopDevice add(int index) throws IOException {
        if (index < 0 || index > INDEX_MAX) {
            throw new LoopException(Errno.EINVAL, "index " + index + ": 0 to " + INDEX_MAX + " are possible");
        }
        Parking.lock(lock);
        try {
            requireOpen();
            LoopDevice there = devices.get(index);
            if (there != null) {
                throw new LoopException(Errno.EEXIST, "there is a " + there);
            }
            return make(index);
        } finally {
            end();
        }
    }

    /**
     * Adds a device without a file, of the lowest index that is free (LOOP_CTL_ADD of a negative index).
     *
     * @return the device
     * @throws IOException if the system refuses resources
     */
    public LoopDevice add() throws IOException {
        Parking.lock(lock);
        try {
            requireOpen();
            return make(nextIndex());
        } finally {
            end();
        }
    }

    /**
     * The first device without a file; a new one if all have one (LOOP_CTL_GET_FREE). It is not reserved: another caller may get the
     * same, and the second of the two finds it busy. {@link #attach} goes on looking then.
     *
     * @return the device
     * @throws IOException if the system refuses resources
     */
    public LoopDevice getFree() throws IOException {
        Parking.lock(lock);
        try {
            requireOpen();
            for (LoopDevice device : devices.values()) {
                if (device.state() == LoopState.UNBOUND) {
                    return device;
                }
            }
            return make(nextIndex());
        } finally {
            end();
        }
    }

    /**
     * Attaches a file to the first free device ({@code losetup --find}).
     *
     * @param config the file, and how
     * @return the device
     * @throws IOException as of {@link LoopDevice#configure}
     */
    public LoopDevice attach(LoopConfig config) throws IOException {
        for (;;) {
            LoopDevice device = getFree();
            try {
                device.configure(config);
                return device;
            } catch (LoopException e) {
                boolean lost = e.errno() == Errno.EBUSY && device.state() != LoopState.UNBOUND;
                // A disk that was to be behind it may be gone as well, and always will be.
                boolean removed = e.errno() == Errno.ENODEV && device.isRemoved();
                if (!lost && !removed) {
                    throw e;
                }
                requireOpen();
            }
        }
    }

    /**
     * Removes a device (LOOP_CTL_REMOVE).
     *
     * @param index which
     * @throws LoopException with EINVAL if the index is negative, ENODEV if no device has that index, EBUSY if it has a file or is open
     * @throws IllegalStateException if called by a completion
     */
    public void remove(int index) throws LoopException {
        if (index < 0) {
            throw new LoopException(Errno.EINVAL, "index " + index + ": 0 to " + INDEX_MAX + " are possible");
        }
        LoopDevice device = device(index);
        device.beginRemoval();
        device.close();
    }

    /**
     * A device.
     *
     * @param index which
     * @return the device
     * @throws LoopException with ENODEV if no device has that index
     */
    public LoopDevice device(int index) throws LoopException {
        Parking.lock(lock);
        try {
            LoopDevice device = devices.get(index);
            if (device == null) {
                throw new LoopException(Errno.ENODEV, "there is no loop" + index);
            }
            return device;
        } finally {
            lock.unlock();
        }
    }

    /**
     * All devices.
     *
     * @return the present devices, by index
     */
    public List<LoopDevice> devices() {
        Parking.lock(lock);
        try {
            return List.copyOf(devices.values());
        } finally {
            lock.unlock();
        }
    }

    /**
     * The devices that have a file ({@code losetup --associated}).
     *
     * @param file a path of the file
     * @return none, one, or several that only read
     */
    public List<LoopDevice> find(Path file) {
        return devices().stream().filter(device -> isSame(device.backingFile(), file)).toList();
    }

    private static boolean isSame(@Nullable Path one, Path other) {
        if (one == null) {
            return false;
        }
        try {
            return Files.isSameFile(one, other);
        } catch (IOException e) {
            // It has no name any more.
            return one.toAbsolutePath().normalize().equals(other.toAbsolutePath().normalize());
        }
    }

    /**
     * Tells a listener of all events of all devices from now on.
     *
     * @param listener is told
     * @return closing it ends that
     */
    public Registration listen(LoopListener listener) {
        return events.add(listener);
    }

    /**
     * Closes all devices, also those that are open, and adds no more.
     *
     * @throws IllegalStateException if called by a completion
     */
    @Override
    public void close() {
        Parking.lock(lock);
        try {
            closed = true;
        } finally {
            lock.unlock();
        }
        RuntimeException first = null;
        for (LoopDevice device : devices()) {
            try {
                device.close();
            } catch (RuntimeException e) {
                if (first == null) {
                    first = e;
                } else {
                    first.addSuppressed(e);
                }
            }
        }
        if (first != null) {
            throw first;
        }
    }

    /** A device is gone. */
    void forget(LoopDevice device) {
        Parking.lock(lock);
        try {
            var _ = devices.remove(device.index(), device);
        } finally {
            lock.unlock();
        }
    }

    private LoopDevice make(int index) throws IOException {
        LoopDevice device = new LoopDevice(this, index, "loop" + index, parameters, events);
        devices.put(index, device);
        events.note(LoopEvent.Kind.ADD, device);
        return device;
    }

    private int nextIndex() throws LoopException {
        int next = 0;
        for (int used : devices.keySet()) {
            if (used != next) {
                break;
            }
            next++;
        }
        if (next > INDEX_MAX) {
            throw new LoopException(Errno.ENOSPC, "all " + (INDEX_MAX + 1) + " indices are in use");
        }
        return next;
    }

    private void requireOpen() throws LoopException {
        if (closed) {
            throw new LoopException(Errno.ENODEV, "the control of loop devices is closed");
        }
    }

    private void end() {
        lock.unlock();
        events.tell();
    }

    @Override
    public String toString() {
        return "loop control of " + devices();
    }
}
