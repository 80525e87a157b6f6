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
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.time.Instant;
import java.util.BitSet;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Set;
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
    private static final System.Logger LOG = System.getLogger(CountersFile.class.getName());

    /** Of the open handles. Guarded by those who hand them out. */
    int users;
    private final Path directory;
    private final Path path;
    private final FileChannel channel;
    private final Arena arena = Arena.ofShared();
    private final MemorySegment memory;
    private final DumpSocket socket;
    private final Thread atExit;
    private final IoRuntime runtime = IoRuntime.system();
    private final Lock lock = runtime.newLock();
    /** The slot of each device. This and what follows is guarded by the lock. */
    private final Map<Disk, Integer> slots = new HashMap<>();
    private final BitSet taken = new BitSet();
    /** How many slots have storage in the file: see {@link #provide}. */
    private int provided;
    private long lastId;
    private long rounds;
    private boolean stopped;
    private boolean failed;
    private IoRuntime.@Nullable Timer timer;

    private CountersWriter(Path directory, Path path, FileChannel channel) throws IOException {
        this.directory = directory;
        this.path = path;
        this.channel = channel;
        try {
            this.memory = channel.map(MapMode.READ_WRITE, 0, CountersLayout.FILE_BYTES, arena);
        } catch (IOException | RuntimeException e) {
            arena.close();
            throw e;
        }
        writeHeader(memory);
        this.socket = DumpSocket.open(path, ProcessHandle.current().pid());
        this.atExit = new Thread(this::stop, "blkmq-counters-exit");
    }

    static CountersWriter start(Path directory) throws IOException {
        CountersDirectory.prepare(directory);
        removeOldOfTheDead(directory);
        long pid = ProcessHandle.current().pid();
        Path path = directory.resolve(pid + CountersLayout.SUFFIX);
        // Under another name until it can be read.
        Path begun = directory.resolve(pid + ".begun");
        boolean _ = Files.deleteIfExists(begun);
        CountersWriter writer = make(directory, path, begun);
        writer.refresh();
        // In place of what a process with the same number has left.
        Files.move(begun, path, StandardCopyOption.ATOMIC_MOVE);
        Runtime.getRuntime().addShutdownHook(writer.atExit);
        writer.scheduleNext();
        return writer;
    }

    private static CountersWriter make(Path directory, Path path, Path begun) throws IOException {
        // CREATE_NEW follows no link, and opens nothing that somebody else has put there.
        FileChannel channel = FileChannel.open(begun,
                Set.of(StandardOpenOption.CREATE_NEW, StandardOpenOption.READ, StandardOpenOption.WRITE),
                CountersDirectory.OWN_FILE);
        try {
            // Written and not only sized: a page without storage, in a full file system, would end whoever touches it.
            write(channel, ByteBuffer.allocate(CountersLayout.HEADER_BYTES), 0);
            write(channel, ByteBuffer.allocate(1), CountersLayout.FILE_BYTES - 1);
            return new CountersWriter(directory, path, channel);
        } catch (IOException | RuntimeException e) {
            channel.close();
            boolean _ = Files.deleteIfExists(begun);
            throw e;
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
        memory.set(CountersLayout.LONG, CountersLayout.STARTED_AT, startedMillis(process));
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

    /** When a process was started; 0 where that is not known. */
    static long startedMillis(ProcessHandle process) {
        return process.info().startInstant().map(Instant::toEpochMilli).orElse(0L);
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
                timer = runtime.schedule(Math.max(CountersFile.PERIOD_NANOS, slots.size() * DEVICE_NANOS), () -> {
                    refresh();
                    scheduleNext();
                });
            }
        } finally {
            lock.unlock();
        }
    }

    /** Copies the counters of all devices. */
    void refresh() {
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
        }
    }

    private void copyAll(List<Disk> live) {
        freeSlotsOfOthersThan(new HashSet<>(live));
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

    private void freeSlotsOfOthersThan(Set<Disk> live) {
        for (Iterator<Map.Entry<Disk, Integer>> each = slots.entrySet().iterator(); each.hasNext();) {
            Map.Entry<Disk, Integer> entry = each.next();
            if (!live.contains(entry.getKey())) {
                long at = CountersLayout.slotAt(entry.getValue());
                SlotSequence.begin(memory, at);
                memory.set(CountersLayout.LONG, at + CountersLayout.ID_AT, 0);
                SlotSequence.end(memory, at);
                taken.clear(entry.getValue());
                each.remove();
            }
        }
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
            while (provided <= slot) {
                write(channel, ByteBuffer.allocate(CountersLayout.SLOT_BYTES), CountersLayout.slotAt(provided));
                provided++;
            }
            return true;
        } catch (IOException e) {
            LOG.log(System.Logger.Level.WARNING, path + " has no room for device " + slot + ": " + e.getMessage());
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
        } catch (RuntimeException e) {
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
            boolean _ = Files.deleteIfExists(path);
        } catch (IOException e) {
            LOG.log(System.Logger.Level.WARNING, path + " could not be removed", e);
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
