package io.blkmq.core.counters;

import io.blkmq.core.counters.layout.CountersLayout;
import io.blkmq.core.counters.layout.CountersText;
import io.blkmq.core.counters.layout.SlotSequence;
import io.blkmq.core.Disk;
import io.blkmq.core.DiskStatistics;
import io.blkmq.core.IoGroup;
import io.blkmq.core.driver.DeviceDescription;
import io.blkmq.runtime.IoRuntime;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileChannel.MapMode;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileTime;
import java.util.BitSet;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.WeakHashMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Lock;
import org.jspecify.annotations.Nullable;

/**
 * Writes the counters file of this process.
 *
 * <p>A sequence number in each slot tells a reader whether what it has read is of one time. The writer makes the number odd, writes, and
 * makes it even; a reader that finds it odd, or changed, reads again ({@link CountersReader}). The lock makes a single writer of the timer's turns, the calls of
 * {@link #refresh}, and the end.
 */
final class CountersWriter {
    /** Devices beyond a hundred make the timer slower by this, so that a thousand are copied at no more expense than a hundred. */
    private static final long DEVICE_NANOS = 1_000_000;
    /** So often is a device asked what it is. */
    private static final int ROUNDS_BETWEEN_DESCRIPTIONS = 10;
    /** The file of a process that was killed is kept for so long. */
    private static final long DEAD_KEPT_MILLIS = TimeUnit.HOURS.toMillis(1);
    /** Of a file that cannot be read yet. */
    private static final String BEGUN_SUFFIX = ".begun";
    private static final System.Logger LOG = System.getLogger("io.blkmq.core.counters");

    /** Of the open handles. Guarded by those who hand them out. */
    int users;
    private final Path directory;
    private final Path path;
    /** Guarded by the lock: an interrupt closes it, and then it is opened again. */
    private FileChannel channel;
    private final long periodNanos;
    private final Arena arena = Arena.ofShared();
    private final MemorySegment memory;
    private final DumpSocket socket;
    private final Thread atExit;
    private final IoRuntime runtime = IoRuntime.system();
    private final Lock lock = runtime.newLock();
    /** The slot of each device; one that nobody else holds is collected all the same. This and what follows is guarded by the lock. */
    private final Map<Disk, Integer> slots = new WeakHashMap<>();
    private final BitSet taken = new BitSet();
    /** Where the file is now: it is renamed when it can be read. */
    private Path place;
    /** How many slots have storage in the file: see {@link #provide}. */
    private int provided;
    private long lastId;
    private long rounds;
    private boolean stopped;
    private boolean failed;
    /** Whether it was told that there is no room for a device, since there was some. */
    private boolean toldNoRoom;
    private IoRuntime.@Nullable Timer timer;

    private CountersWriter(Path directory, Path path, Path begun, FileChannel channel, long periodNanos)
            throws IOException {
        this.directory = directory;
        this.path = path;
        this.place = begun;
        this.channel = channel;
        this.periodNanos = periodNanos;
        this.atExit = new Thread(this::stop, "blkmq-counters-exit");
        try {
            this.memory = channel.map(MapMode.READ_WRITE, 0, CountersLayout.FILE_BYTES, arena);
            writeHeader(memory);
            this.socket = DumpSocket.open(path, ProcessHandle.current().pid());
        } catch (Throwable t) {
            arena.close();
            throw t;
        }
    }

    /** Makes the file in a directory that {@link CountersDirectory#prepare} has looked at. Where that fails, nothing is left of it. */
    static CountersWriter start(Path directory, long periodNanos) throws IOException {
        // It would close the file, and is nothing to do with it.
        boolean interrupted = Thread.interrupted();
        try {
            return startUninterrupted(directory, periodNanos);
        } finally {
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }

    private static CountersWriter startUninterrupted(Path directory, long periodNanos) throws IOException {
        removeOldOfTheDead(directory);
        removeOldBegunOnes(directory);
        long pid = ProcessHandle.current().pid();
        Path path = directory.resolve(pid + CountersLayout.SUFFIX);
        // Under another name until it can be read.
        Path begun = directory.resolve(pid + BEGUN_SUFFIX);
        boolean _ = Files.deleteIfExists(begun);
        CountersWriter writer = make(directory, path, begun, periodNanos);
        try {
            writer.refresh();
            writer.rename();
            writer.stopAtExit();
            writer.scheduleNext();
        } catch (Throwable t) {
            writer.stop();
            throw t;
        }
        return writer;
    }

    /** Gives the file its name, in place of what a process with the same number has left. */
    private void rename() throws IOException {
        lock.lock();
        try {
            Files.move(place, path, StandardCopyOption.ATOMIC_MOVE);
            place = path;
        } finally {
            lock.unlock();
        }
    }

    private void stopAtExit() throws IOException {
        try {
            Runtime.getRuntime().addShutdownHook(atExit);
        } catch (IllegalStateException e) {
            throw new IOException(path + " is not made: the process is ending", e);
        }
    }

    private static CountersWriter make(Path directory, Path path, Path begun, long periodNanos) throws IOException {
        // CREATE_NEW follows no link, and opens nothing that somebody else has put there.
        FileChannel channel = FileChannel.open(begun,
                Set.of(StandardOpenOption.CREATE_NEW, StandardOpenOption.READ, StandardOpenOption.WRITE),
                CountersDirectory.OWN_FILE);
        try {
            // Written and not only sized: a page without storage, in a full file system, would end whoever touches it.
            write(channel, ByteBuffer.allocate(CountersLayout.HEADER_BYTES), 0);
            write(channel, ByteBuffer.allocate(1), CountersLayout.FILE_BYTES - 1);
            return new CountersWriter(directory, path, begun, channel, periodNanos);
        } catch (Throwable t) {
            channel.close();
            boolean _ = Files.deleteIfExists(begun);
            throw t;
        }
    }

    private static void write(FileChannel channel, ByteBuffer bytes, long offset) throws IOException {
        for (long at = offset; bytes.hasRemaining();) {
            at += channel.write(bytes, at);
        }
    }

    private static void writeHeader(MemorySegment memory) {
        ProcessHandle process = ProcessHandle.current();
        memory.set(CountersLayout.INT, CountersLayout.VERSION_AT, CountersLayout.VERSION);
        memory.set(CountersLayout.INT, CountersLayout.HEADER_BYTES_AT, CountersLayout.HEADER_BYTES);
        memory.set(CountersLayout.INT, CountersLayout.SLOT_BYTES_AT, CountersLayout.SLOT_BYTES);
        memory.set(CountersLayout.INT, CountersLayout.SLOTS_AT, CountersLayout.SLOTS);
        memory.set(CountersLayout.LONG, CountersLayout.PID_AT, process.pid());
        memory.set(CountersLayout.LONG, CountersLayout.STARTED_AT, ProcessStart.ticks(process.pid()));
        memory.set(CountersLayout.LONG, CountersLayout.OPENED_AT, System.currentTimeMillis());
        CountersText.put(memory, CountersLayout.COMMAND_AT, CountersLayout.COMMAND_BYTES, command());
        memory.set(CountersLayout.LONG, CountersLayout.MAGIC_AT, CountersLayout.MAGIC);
    }

    /** The class or module that was started; its arguments may be nobody's business. */
    private static String command() {
        String command = System.getProperty("sun.java.command", "");
        int space = command.indexOf(' ');
        return space < 0 ? command : command.substring(0, space);
    }

    private static void removeOldOfTheDead(Path directory) throws IOException {
        for (Path file : CountersDirectory.files(directory)) {
            try (CountersReader reader = CountersReader.open(file)) {
                if (!reader.isAlive() && System.currentTimeMillis() - reader.writtenMillis() > DEAD_KEPT_MILLIS) {
                    reader.remove();
                }
            } catch (IOException e) {
                LOG.log(System.Logger.Level.DEBUG, "left alone: " + e.getMessage());
            }
        }
    }

    /** Those of processes that were killed before the file could be read. */
    private static void removeOldBegunOnes(Path directory) throws IOException {
        FileTime keptFrom = FileTime.fromMillis(System.currentTimeMillis() - DEAD_KEPT_MILLIS);
        try (DirectoryStream<Path> begun = Files.newDirectoryStream(directory, "*" + BEGUN_SUFFIX)) {
            for (Path file : begun) {
                try {
                    if (Files.getLastModifiedTime(file, LinkOption.NOFOLLOW_LINKS).compareTo(keptFrom) < 0) {
                        boolean _ = Files.deleteIfExists(file);
                    }
                } catch (IOException e) {
                    LOG.log(System.Logger.Level.DEBUG, file + " is left alone: " + e);
                }
            }
        }
    }

    Path path() {
        return path;
    }

    Path directory() {
        return directory;
    }

    private void scheduleNext() {
        lock.lock();
        try {
            if (!stopped) {
                timer = runtime.schedule(Math.max(periodNanos, taken.cardinality() * DEVICE_NANOS), () -> {
                    try {
                        refresh();
                    } finally {
                        // Also if the logger throws that is told of a failure.
                        scheduleNext();
                    }
                });
            }
        } finally {
            lock.unlock();
        }
    }

    /** Copies the counters of all devices. */
    void refresh() {
        boolean interrupted = Thread.interrupted();
        lock.lock();
        try {
            if (!stopped) {
                copyAll(Disk.live());
            }
        } catch (RuntimeException | Error e) {
            // Once: it would be the same ten times a second.
            if (!failed) {
                failed = true;
                LOG.log(System.Logger.Level.ERROR, path + " could not be written", e);
            }
        } finally {
            lock.unlock();
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }

    private void copyAll(List<Disk> live) {
        freeSlotsOfOthersThan(live);
        long leftOut = 0;
        for (Disk disk : live) {
            if (!copy(disk)) {
                leftOut++;
            }
        }
        rounds++;
        memory.set(CountersLayout.LONG, CountersLayout.LEFT_OUT_AT, leftOut);
        memory.set(CountersLayout.LONG, CountersLayout.WRITTEN_AT, System.currentTimeMillis());
        // Release: who reads it finds the slots below it as they were made.
        CountersLayout.ORDERED.setRelease(memory, (long) CountersLayout.USED_AT, (long) taken.length());
        CountersLayout.ORDERED.setRelease(memory, (long) CountersLayout.ROUNDS_AT, rounds);
    }

    /** By the slots that stay, since a device that was collected has left the map. */
    private void freeSlotsOfOthersThan(List<Disk> live) {
        slots.keySet().retainAll(new HashSet<>(live));
        BitSet free = (BitSet) taken.clone();
        slots.values().forEach(free::clear);
        free.stream().forEach(slot -> {
            long at = CountersLayout.slotAt(slot);
            SlotSequence.begin(memory, at);
            memory.set(CountersLayout.LONG, at + CountersLayout.ID_AT, 0);
            SlotSequence.end(memory, at);
            taken.clear(slot);
        });
    }

    /** The slot of a device; negative if there is none left for it. */
    private int slotOf(Disk disk) {
        Integer known = slots.get(disk);
        if (known != null) {
            return known;
        }
        int slot = taken.nextClearBit(0);
        if (slot >= CountersLayout.SLOTS || !provide(slot)) {
            return -1;
        }
        taken.set(slot);
        slots.put(disk, slot);
        return slot;
    }

    /** Gives a slot storage in the file. Writing through the mapping what has none would end the process in a full file system. */
    private boolean provide(int slot) {
        try {
            if (!channel.isOpen()) {
                // By an interrupt that came in the middle of the last time. The mapping does not need it.
                channel = FileChannel.open(place, StandardOpenOption.WRITE, LinkOption.NOFOLLOW_LINKS);
            }
            while (provided <= slot) {
                write(channel, ByteBuffer.allocate(CountersLayout.SLOT_BYTES), CountersLayout.slotAt(provided));
                provided++;
            }
            toldNoRoom = false;
            return true;
        } catch (IOException e) {
            // Once: it would be the same ten times a second.
            if (!toldNoRoom) {
                toldNoRoom = true;
                LOG.log(System.Logger.Level.WARNING, path + " has no room for device " + slot + ": " + e);
            }
            return false;
        }
    }

    /** Returns whether it could be copied: not one that has no slot, nor one that cannot say at the moment what it is. */
    private boolean copy(Disk disk) {
        boolean isNew = !slots.containsKey(disk);
        DiskStatistics now;
        DeviceDescription description;
        try {
            now = disk.statistics();
            description = isNew || rounds % ROUNDS_BETWEEN_DESCRIPTIONS == 0 ? disk.description() : null;
        } catch (RuntimeException | Error e) {
            // Of its driver: the other devices have their counters all the same.
            LOG.log(System.Logger.Level.DEBUG, "the counters of " + disk.name() + " cannot be read now", e);
            return false;
        }
        int slot = slotOf(disk);
        if (slot >= 0) {
            copy(disk, CountersLayout.slotAt(slot), isNew, now, description);
        }
        return slot >= 0;
    }

    private void copy(Disk disk, long at, boolean isNew, DiskStatistics now, @Nullable DeviceDescription description) {
        SlotSequence.begin(memory, at);
        try {
            if (isNew) {
                memory.set(CountersLayout.LONG, at + CountersLayout.ID_AT, ++lastId);
                memory.set(CountersLayout.LONG, at + CountersLayout.CREATED_NANOS_AT, disk.createdNanos());
                CountersText.put(memory, at + CountersLayout.NAME_AT, CountersLayout.NAME_BYTES, disk.name());
            }
            if (description != null) {
                CountersText.put(memory, at + CountersLayout.DRIVER_AT, CountersLayout.DRIVER_BYTES,
                        description.driver());
                CountersText.put(memory, at + CountersLayout.MODE_AT, CountersLayout.MODE_BYTES, description.mode());
                CountersText.put(memory, at + CountersLayout.ENGINE_AT, CountersLayout.ENGINE_BYTES,
                        description.engine());
                CountersText.put(memory, at + CountersLayout.BACKING_AT, CountersLayout.BACKING_BYTES,
                        description.backing());
                CountersText.put(memory, at + CountersLayout.ELEVATOR_AT, CountersLayout.ELEVATOR_BYTES,
                        disk.queue().elevator());
            }
            memory.set(CountersLayout.LONG, at + CountersLayout.SIZE_BYTES_AT, disk.sizeBytes());
            putFigures(now, at);
        } finally {
            SlotSequence.end(memory, at);
        }
    }

    private void putFigures(DiskStatistics now, long at) {
        memory.set(CountersLayout.LONG, at + CountersLayout.AT_NANOS_AT, now.atNanos());
        memory.set(CountersLayout.LONG, at + CountersLayout.BUSY_NANOS_AT, now.busyNanos());
        memory.set(CountersLayout.LONG, at + CountersLayout.READS_IN_FLIGHT_AT, now.readsInFlight());
        memory.set(CountersLayout.LONG, at + CountersLayout.WRITES_IN_FLIGHT_AT, now.writesInFlight());
        for (IoGroup group : IoGroup.values()) {
            long figure = at + CountersLayout.GROUPS_AT + (long) DeviceCounters.firstFigureOf(group) * Long.BYTES;
            memory.set(CountersLayout.LONG, figure, now.ios(group));
            memory.set(CountersLayout.LONG, figure + 8, now.merges(group));
            memory.set(CountersLayout.LONG, figure + 16, now.sectors(group));
            memory.set(CountersLayout.LONG, figure + 24, now.nanos(group));
            memory.set(CountersLayout.LONG, figure + 32, now.waitNanos(group));
        }
    }

    /** Removes the file. Nobody writes after that. */
    void stop() {
        lock.lock();
        try {
            if (stopped) {
                return;
            }
            stopped = true;
            IoRuntime.Timer next = timer;
            if (next != null) {
                boolean _ = next.cancel();
            }
            arena.close();
            channel.close();
            boolean _ = Files.deleteIfExists(place);
        } catch (IOException e) {
            LOG.log(System.Logger.Level.WARNING, place + " could not be removed", e);
        } finally {
            lock.unlock();
        }
        socket.close();
        if (!Thread.currentThread().equals(atExit)) {
            forgetExit();
        }
    }

    private void forgetExit() {
        try {
            boolean _ = Runtime.getRuntime().removeShutdownHook(atExit);
        } catch (IllegalStateException _) {
            // The process is ending, and the hook finds that all is done.
        }
    }
}
