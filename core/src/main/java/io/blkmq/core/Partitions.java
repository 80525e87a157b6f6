package io.blkmq.core;

import io.blkmq.core.mq.CallbackFailures;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.Objects;
import java.util.Queue;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;

/**
 * The present partitions of a disk: those of its table when the table was last read. A new disk has none until {@link #rescan}. The
 * kernel's counterpart is the {@code part_tbl} of a {@code struct gendisk}. Thread-safe.
 *
 * <p>A user opens a partition and closes it. The table is not read again in between, so a partition never changes under its users.
 *
 * <p>One thread at a time changes the partitions; others that want to park. Listeners are called without that lock and in the order of the
 * changes, by the thread that changes or by another one that is calling listeners already.
 *
 * @since 0.1.0
 */
public final class Partitions {
    private final Disk disk;
    private final BlockRangeLock changing;
    /** Replaced under the lock. */
    private volatile PartitionTable table = PartitionTable.NONE;
    /** Changed under the lock. */
    private final List<Handle> handles = new ArrayList<>();
    /** How many handles there are, for those who only look. */
    private volatile int openers;
    private volatile Runnable unused = () -> {};
    private final List<PartitionListener> listeners = new CopyOnWriteArrayList<>();
    /** Joined under the lock, taken by who is telling. */
    private final Queue<Event> events = new ConcurrentLinkedQueue<>();
    /** How often somebody wanted to tell; who finds it 0 does. */
    private final AtomicInteger telling = new AtomicInteger();

    /** Somebody's use of a partition. */
    private final class Handle implements AutoCloseable {
        private final int index;
        /** Guarded by the lock. */
        private @Nullable Disk opened;

        Handle(int index) {
            this.index = index;
        }

        @Override
        public void close() {
            boolean last = change("closing a partition of " + disk.name(), () -> {
                boolean removed = handles.remove(this);
                openers = handles.size();
                return removed && handles.isEmpty();
            });
            if (last) {
                unused.run();
            }
        }
    }

    private record Event(boolean added, Partition partition) {}

    /** What is done under the lock. */
    @FunctionalInterface
    private interface Change<T, E extends Exception> {
        T run() throws E;
    }

    Partitions(Disk disk) {
        this.disk = disk;
        this.changing = DiskSectors.newBlockLock(disk.queue());
    }

    /**
     * The table when it was read last.
     *
     * @return of kind {@link PartitionTable.Scheme#NONE} if it never was, or all partitions were removed
     */
    public PartitionTable table() {
        return table;
    }

    /**
     * The partitions.
     *
     * @return in ascending order of their numbers
     */
    public List<Partition> list() {
        return table.partitions();
    }

    /**
     * The name of a partition: the disk's name and its number, with a {@code p} between two digits.
     *
     * @param index its number
     * @return as the kernel names it
     */
    public String nameOf(int index) {
        String name = disk.name();
        boolean digit = !name.isEmpty() && Character.isDigit(name.charAt(name.length() - 1));
        return name + (digit ? "p" : "") + index;
    }

    /**
     * Opens a partition. It is in use until the disk that this returns is closed.
     *
     * @param index its number
     * @return a disk of its own
     * @throws NoSuchElementException if there is no such partition
     * @throws IllegalArgumentException if the disk's blocks are larger now than when the table was read, and the partition does not begin
     *         with one, or if the disk is too small for it now
     * @throws IllegalStateException if the disk is closed, or if called by a completion
     */
    public Disk open(int index) {
        return change("opening a partition of " + disk.name(), () -> {
            Partition partition = table.find(index)
                    .orElseThrow(() -> new NoSuchElementException(nameOf(index) + ": no such partition, " + disk.name()
                            + " has " + list().stream().map(Partition::index).toList()));
            Handle handle = new Handle(index);
            Disk opened = disk.partition(nameOf(index), partition.startBytes(), partition.sizeBytes(), handle);
            handle.opened = opened;
            handles.add(handle);
            openers = handles.size();
            return opened;
        });
    }

    /**
     * The number of open partitions.
     *
     * @return of all partitions together
     */
    public int openers() {
        return openers;
    }

    /**
     * Sets an action that runs when the last open partition has been closed. For the disk's driver, whose device may wait for that; the
     * kernel calls a driver's {@code release} for partitions, too.
     *
     * @param action run by the thread that closes; takes the place of the one that was set before
     */
    public void whenUnused(Runnable action) {
        unused = action;
    }

    /**
     * Reads the table and takes it over. Unchanged partitions stay, and listeners do not hear of them; the kernel removes and adds
     * those, too. A disk of size 0 has no partitions.
     *
     * @return the present table
     * @throws DiskBusyException if a partition is in use; nothing has changed then
     * @throws BlockIOException if the disk cannot be read; then no partition is left. If the calling thread was interrupted while it waited
     *         ({@link Status#INTR}), nothing has changed
     * @throws IllegalStateException if the disk is closed, or if called by a completion
     */
    public PartitionTable rescan() throws DiskBusyException, BlockIOException {
        disk.queue().requireNoCompletion("reading the partitions of " + disk.name());
        try {
            return this.<PartitionTable, java.io.IOException>change("rescan", () -> {
                requireUnused();
                PartitionTable read = PartitionTable.NONE;
                boolean known = true;
                try {
                    read = PartitionTable.read(disk);
                } catch (BlockIOException e) {
                    known = e.status() != Status.INTR;
                    throw e;
                } finally {
                    if (known) {
                        replace(read);
                    }
                }
                return read;
            });
        } catch (DiskBusyException | BlockIOException e) {
            throw e;
        } catch (java.io.IOException e) {
            throw new AssertionError(e);
        }
    }

    /**
     * Forgets all partitions, since their medium has gone.
     *
     * @throws DiskBusyException if one is in use; nothing has changed then
     * @throws IllegalStateException if called by a completion
     */
    public void removeAll() throws DiskBusyException {
        disk.queue().requireNoCompletion("removing the partitions of " + disk.name());
        this.<Boolean, DiskBusyException>change("removal", () -> {
            requireUnused();
            replace(PartitionTable.NONE);
            return true;
        });
    }

    /**
     * The medium has gone: all partitions are removed, and open ones are closed. For the disk's driver; it waits for I/O in flight.
     *
     * @throws IllegalStateException if called by a completion
     */
    public void mediumGone() {
        List<Disk> inUse = change("removal", () -> {
            List<Disk> all = new ArrayList<>();
            handles.forEach(handle -> all.add(Objects.requireNonNull(handle.opened)));
            handles.clear();
            openers = 0;
            replace(PartitionTable.NONE);
            return all;
        });
        inUse.forEach(Disk::close);
    }

    /** The disk has been closed, and its partitions with it. */
    void diskClosed() {
        change("removal", () -> {
            replace(PartitionTable.NONE);
            return true;
        });
    }

    /**
     * Adds a listener, which is told of changes from now on.
     *
     * @param listener called by threads that change the partitions; may open partitions, and must not wait for another thread
     */
    public void addListener(PartitionListener listener) {
        listeners.add(listener);
    }

    /**
     * Removes a listener. It may still be told of earlier changes.
     *
     * @param listener the same
     */
    public void removeListener(PartitionListener listener) {
        listeners.remove(listener);
    }

    private void requireUnused() throws DiskBusyException {
        if (!handles.isEmpty()) {
            SortedMap<String, Integer> uses = new TreeMap<>();
            handles.forEach(handle -> uses.merge(nameOf(handle.index), 1, Integer::sum));
            throw new DiskBusyException(
                    disk.name() + ": its partitions cannot change while some are in use, with their openers: " + uses);
        }
    }

    /** Under the lock. */
    private void replace(PartitionTable next) {
        Collection<Partition> before = table.partitions();
        table = next;
        for (Partition old : before) {
            if (!next.partitions().contains(old)) {
                events.add(new Event(false, old));
            }
        }
        for (Partition now : next.partitions()) {
            if (!before.contains(now)) {
                events.add(new Event(true, now));
            }
        }
    }

    private <T, E extends Exception> T change(String what, Change<T, E> change) throws E {
        disk.queue().requireNoCompletion(what);
        boolean[] interrupted = {false};
        // Cleared, or the thread would not park; kept for the caller.
        BlockRangeLock.Hold hold = changing.lock(0, 1, () -> {
            interrupted[0] |= Thread.interrupted();
            return true;
        });
        if (hold == null) {
            throw new AssertionError("nobody gives up");
        }
        try (hold) {
            return change.run();
        } finally {
            if (interrupted[0]) {
                Thread.currentThread().interrupt();
            }
            tell();
        }
    }

    /** Tells what has happened, in order, unless somebody is telling: then that thread looks once more. */
    private void tell() {
        if (telling.getAndIncrement() != 0) {
            return;
        }
        int seen;
        do {
            seen = telling.get();
            for (Event event = events.poll(); event != null; event = events.poll()) {
                for (PartitionListener listener : listeners) {
                    tell(listener, event);
                }
            }
        } while (telling.addAndGet(-seen) != 0);
    }

    private void tell(PartitionListener listener, Event event) {
        try {
            if (event.added) {
                listener.partitionAdded(disk, event.partition);
            } else {
                listener.partitionRemoved(disk, event.partition);
            }
        } catch (Throwable t) {
            CallbackFailures.report("a listener of " + disk.name() + " at " + event, t);
        }
    }

    @Override
    public String toString() {
        return "partitions of " + disk.name() + ": " + list();
    }
}
