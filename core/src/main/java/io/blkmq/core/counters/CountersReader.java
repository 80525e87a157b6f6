package io.blkmq.core.counters;

import io.blkmq.core.counters.layout.CountersLayout;
import io.blkmq.core.counters.layout.CountersText;
import io.blkmq.core.counters.layout.SlotSequence;
import io.blkmq.core.driver.DeviceDescription;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.channels.FileChannel.MapMode;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.locks.LockSupport;

/**
 * Reads the counters file of a process, of this or another one, also when the process is dead. The process does not notice. Thread-safe, but for {@link #close}.
 *
 * <p>Nothing in the file is trusted: sizes and numbers are compared with what is possible, and a file that is none is refused.
 *
 * @since 0.1.0
 */
public final class CountersReader implements AutoCloseable {
    /** How often a slot that is being written is read anew at once. The writer needs less time for it than a reader for a few attempts, if it runs. */
    private static final int ATTEMPTS_AT_ONCE = 1_000;
    /** How often after that, if the writer lives: it has lost its processor in the middle, and is given a tenth of a second. */
    private static final int ATTEMPTS_AFTER_PAUSES = 1_000;
    private static final long PAUSE_NANOS = 100_000;

    private final Path file;
    private final Arena arena = Arena.ofShared();
    private final MemorySegment memory;
    private final int slots;

    private CountersReader(Path file) throws IOException {
        this.file = file;
        boolean usable = false;
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ, LinkOption.NOFOLLOW_LINKS)) {
            long size = channel.size();
            if (size < CountersLayout.HEADER_BYTES) {
                throw new CountersFormatException(file,
                        "it has " + size + " bytes, and the header " + CountersLayout.HEADER_BYTES);
            }
            this.memory = channel.map(MapMode.READ_ONLY, 0, size, arena);
            this.slots = requireHeader(size);
            usable = true;
        } finally {
            if (!usable) {
                arena.close();
            }
        }
    }

    /**
     * Opens a file.
     *
     * @param file which
     * @return to be closed
     * @throws CountersFormatException if it is no counters file, or of another version, with the reason
     * @throws IOException if it cannot be read
     */
    public static CountersReader open(Path file) throws IOException {
        return new CountersReader(file);
    }

    private int requireHeader(long size) throws CountersFormatException {
        long magic = memory.get(CountersLayout.LONG, CountersLayout.MAGIC_AT);
        if (magic != CountersLayout.MAGIC) {
            throw new CountersFormatException(file, "it does not begin with BLKMQCNT");
        }
        require("version", memory.get(CountersLayout.INT, CountersLayout.VERSION_AT), CountersLayout.VERSION);
        require("length of the header", memory.get(CountersLayout.INT, CountersLayout.HEADER_BYTES_AT),
                CountersLayout.HEADER_BYTES);
        require("length of a slot", memory.get(CountersLayout.INT, CountersLayout.SLOT_BYTES_AT),
                CountersLayout.SLOT_BYTES);
        int count = memory.get(CountersLayout.INT, CountersLayout.SLOTS_AT);
        if (count < 0 || count > CountersLayout.SLOTS) {
            throw new CountersFormatException(file,
                    "it has " + count + " slots, and 0 to " + CountersLayout.SLOTS + " are possible");
        }
        long needed = CountersLayout.slotAt(count);
        if (size < needed) {
            throw new CountersFormatException(file,
                    "it has " + size + " bytes, and " + count + " slots need " + needed);
        }
        if (pid() <= 0) {
            throw new CountersFormatException(file, "it is of process " + pid());
        }
        return count;
    }

    private void require(String what, int found, int expected) throws CountersFormatException {
        if (found != expected) {
            throw new CountersFormatException(file, "its " + what + " is " + found + ", and not " + expected);
        }
    }

    /**
     * The file.
     *
     * @return as it was given
     */
    public Path file() {
        return file;
    }

    /**
     * The process.
     *
     * @return its number
     */
    public long pid() {
        return memory.get(CountersLayout.LONG, CountersLayout.PID_AT);
    }

    /**
     * What the process runs.
     *
     * @return its main class
     */
    public String command() {
        return CountersText.get(memory, CountersLayout.COMMAND_AT, CountersLayout.COMMAND_BYTES);
    }

    /**
     * When the file was written last.
     *
     * @return milliseconds since 1970
     */
    public long writtenMillis() {
        return (long) CountersLayout.ORDERED.getAcquire(memory, (long) CountersLayout.WRITTEN_AT);
    }

    /**
     * How often the file has been written.
     *
     * @return grows as long as the process does not stand still
     */
    public long rounds() {
        return (long) CountersLayout.ORDERED.getAcquire(memory, (long) CountersLayout.ROUNDS_AT);
    }

    /**
     * How many devices the process has for which there is no place in the file.
     *
     * @return devices
     */
    public long leftOut() {
        return memory.get(CountersLayout.LONG, CountersLayout.LEFT_OUT_AT);
    }

    /**
     * Whether the process lives. A process of another PID namespace, in a container for one, looks dead from here.
     *
     * @return false also if another process has its number by now
     */
    public boolean isAlive() {
        long started = memory.get(CountersLayout.LONG, CountersLayout.STARTED_AT);
        return ProcessHandle.of(pid()).filter(ProcessHandle::isAlive).isPresent()
                && (started == 0 || ProcessStart.ticks(pid()) == started) && !ProcessStart.hasEnded(pid());
    }

    /**
     * The devices.
     *
     * @return those that have a slot now, in the order of the slots
     */
    public List<DeviceCounters> devices() {
        long used = (long) CountersLayout.ORDERED.getAcquire(memory, (long) CountersLayout.USED_AT);
        List<DeviceCounters> devices = new ArrayList<>();
        for (int slot = 0; slot < Math.clamp(used, 0, slots); slot++) {
            read(slot).ifPresent(devices::add);
        }
        return devices;
    }

    private Optional<DeviceCounters> read(int slot) {
        long at = CountersLayout.slotAt(slot);
        MemorySegment copy = MemorySegment.ofArray(new long[CountersLayout.SLOT_BYTES / Long.BYTES]);
        boolean whole = copy(at, copy);
        for (int again = 1; !whole && again < ATTEMPTS_AT_ONCE; again++) {
            whole = copy(at, copy);
        }
        for (int pause = 0; !whole && pause < ATTEMPTS_AFTER_PAUSES; pause++) {
            boolean ended = !isAlive();
            if (!ended) {
                LockSupport.parkNanos(this, PAUSE_NANOS);
            }
            whole = copy(at, copy);
            if (ended) {
                break;
            }
        }
        return device(copy, whole);
    }

    /** Returns whether the copy is of one time. */
    private boolean copy(long at, MemorySegment to) {
        long before = SlotSequence.beforeReading(memory, at);
        copyLongs(at, to);
        return SlotSequence.isUnchanged(memory, at, before);
    }

    /** One long after the other: each is read as it was written. */
    private void copyLongs(long at, MemorySegment to) {
        for (long offset = 0; offset < CountersLayout.SLOT_BYTES; offset += Long.BYTES) {
            to.set(CountersLayout.LONG, offset, (long) CountersLayout.ORDERED.getOpaque(memory, at + offset));
        }
    }

    private static Optional<DeviceCounters> device(MemorySegment slot, boolean whole) {
        long id = slot.get(CountersLayout.LONG, CountersLayout.ID_AT);
        if (id == 0) {
            return Optional.empty();
        }
        DeviceDescription description = new DeviceDescription(
                CountersText.get(slot, CountersLayout.DRIVER_AT, CountersLayout.DRIVER_BYTES),
                CountersText.get(slot, CountersLayout.BACKING_AT, CountersLayout.BACKING_BYTES),
                CountersText.get(slot, CountersLayout.MODE_AT, CountersLayout.MODE_BYTES),
                CountersText.get(slot, CountersLayout.ENGINE_AT, CountersLayout.ENGINE_BYTES));
        DeviceCounters.Identity identity = new DeviceCounters.Identity(id,
                CountersText.get(slot, CountersLayout.NAME_AT, CountersLayout.NAME_BYTES),
                slot.get(CountersLayout.LONG, CountersLayout.SIZE_BYTES_AT), description,
                CountersText.get(slot, CountersLayout.ELEVATOR_AT, CountersLayout.ELEVATOR_BYTES));
        long[] figures = new long[CountersLayout.GROUPS * CountersLayout.FIGURES];
        for (int i = 0; i < figures.length; i++) {
            figures[i] = slot.get(CountersLayout.LONG, CountersLayout.GROUPS_AT + (long) i * Long.BYTES);
        }
        return Optional
                .of(new DeviceCounters(identity, whole, slot.get(CountersLayout.LONG, CountersLayout.CREATED_NANOS_AT),
                        slot.get(CountersLayout.LONG, CountersLayout.AT_NANOS_AT),
                        slot.get(CountersLayout.LONG, CountersLayout.BUSY_NANOS_AT),
                        slot.get(CountersLayout.LONG, CountersLayout.READS_IN_FLIGHT_AT),
                        slot.get(CountersLayout.LONG, CountersLayout.WRITES_IN_FLIGHT_AT), figures));
    }

    /**
     * Asks the process for the state of a disk: its tags, contexts and lists. The process answers on a thread of its own.
     *
     * @param device the disk's name
     * @return the state, in words
     * @throws IOException if the process does not answer, or has no such disk, with the reason
     */
    public String dump(String device) throws IOException {
        return DumpSocket.ask(file.toAbsolutePath(), pid(), device);
    }

    /**
     * Removes the file of a dead process.
     *
     * @throws IOException if it cannot be removed
     * @throws IllegalStateException if the process lives
     */
    public void remove() throws IOException {
        if (isAlive()) {
            throw new IllegalStateException(file + " is in use by process " + pid());
        }
        boolean _ = Files.deleteIfExists(file);
        boolean _ = Files.deleteIfExists(DumpSocket.path(file.toAbsolutePath(), pid()));
    }

    /** Lets go of the file. */
    @Override
    public void close() {
        arena.close();
    }
}
