package example.kv;

import example.kv.LogDisk.Change;
import example.kv.LogDisk.Place;
import io.blkmq.core.Disk;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.locks.ReentrantLock;
import java.util.concurrent.locks.ReentrantReadWriteLock;

/**
 * Keys and values in a log that grows on a disk of fixed size. Keys are in memory, values on the disk. Any thread may call any method.
 *
 * <p><b>Promises.</b> When {@link #put} or {@link #remove} returns, the change and all before it survive a power cut. A change of
 * {@link #putLater} survives from the end of the next {@code put}, {@code remove} or {@link #sync} on. A power cut leaves the changes up to
 * some point in their order, and none after it.
 *
 * <p><b>Commits.</b> Changes gather in a batch. A thread takes its turn, and writes all that has gathered while another thread wrote (group
 * commit). {@link LogDisk} says how a batch becomes durable.
 *
 * <p><b>Room.</b> When its area is full, what is live is copied to the other area of the disk (compaction). So the disk has room for live
 * records of a little less than half its size. Where they take most of that, every few changes cost a compaction; where they take all, a
 * change that needs more is refused, and nothing has changed. To remove is always possible.
 *
 * <p>After a failed write or flush nothing is known about the disk's data: the log refuses changes until it is opened again.
 */
public final class KeyValueLog implements AutoCloseable {
    public static final int KEY_BYTES_MAX = 1 << 10;
    public static final int VALUE_BYTES_MAX = 1 << 20;
    public static final long DISK_BYTES_MIN = 64 << 10;

    /** Changes that are written together. They gather under the gate; then they belong to the thread that has added the first. */
    private static final class Batch {
        final List<Change> changes = new ArrayList<>();
        int bytes = LogDisk.BATCH_HEADER_BYTES;
        /** Whether a thread waits for it to be durable. */
        boolean durable;
        /** There was no room for the values, and only keys were taken away. Written before it has ended. */
        IOException noRoom;
        /** Written, or not for a reason. */
        final CompletableFuture<Void> ended = new CompletableFuture<>();

        boolean fits(Change change) {
            return bytes + change.bytes() <= LogDisk.BATCH_BYTES_MAX;
        }
    }

    private final Disk disk;
    /** Written by who has the turn. */
    private final LogDisk log;
    /** Held by the one thread that writes. */
    private final ReentrantLock turn = new ReentrantLock();
    /** Not null for good, once it is. */
    private volatile Throwable failure;
    /** Guards the index. Who reads a value holds it until it has read, so that the value's area is not written again meanwhile. */
    private final ReentrantReadWriteLock places = new ReentrantReadWriteLock();
    private Map<ByteBuffer, Place> index = new HashMap<>();
    /** Guards where changes gather. */
    private final Object gate = new Object();
    private Batch gathering = new Batch();

    private KeyValueLog(Disk disk) {
        this.disk = disk;
        this.log = new LogDisk(disk);
    }

    /**
     * Opens the log of a disk, or makes one on a disk that begins with zeroes. The disk stays open longer than the log.
     *
     * @throws IllegalArgumentException if the disk is too small, or its blocks are too large
     * @throws IOException if the disk has something else on it, or fails
     */
    public static KeyValueLog open(Disk disk) throws IOException {
        if (disk.sizeBytes() < DISK_BYTES_MIN || disk.limits().logicalBlockBytes() > LogDisk.BLOCK_BYTES) {
            throw new IllegalArgumentException(disk + ", in blocks of " + disk.limits().logicalBlockBytes()
                    + " bytes: a key-value log needs at least " + DISK_BYTES_MIN + " bytes, in blocks of at most " + LogDisk.BLOCK_BYTES);
        }
        KeyValueLog opened = new KeyValueLog(disk);
        opened.log.recover(opened::note);
        // The opening's own batch: see LogDisk.
        opened.write(List.of(), true);
        return opened;
    }

    private void note(ByteBuffer key, Place place) {
        if (place == null) {
            index.remove(key);
        } else {
            index.put(key, place);
        }
    }

    // ---- reading

    /** {@return the value of a key; null if it has none} */
    public byte[] get(byte[] key) throws IOException {
        places.readLock().lock();
        try {
            Place place = index.get(ByteBuffer.wrap(key));
            return place == null ? null : log.read(place);
        } finally {
            places.readLock().unlock();
        }
    }

    /** {@return all keys, in no order} */
    public List<byte[]> keys() {
        places.readLock().lock();
        try {
            return index.keySet().stream().map(key -> key.array().clone()).toList();
        } finally {
            places.readLock().unlock();
        }
    }

    // ---- changes

    /** Sets a value, durably. */
    public void put(byte[] key, byte[] value) throws IOException {
        commit(change(key, value), true);
    }

    /** Takes a key away, durably. */
    public void remove(byte[] key) throws IOException {
        commit(change(key, null), true);
    }

    /** Sets a value, to be made durable later. */
    public void putLater(byte[] key, byte[] value) throws IOException {
        commit(change(key, value), false);
    }

    /**
     * Makes durable what was put before. Of threads that come together one flushes, and the others find it done. No batch is written meanwhile: a
     * disk tells a failed flush once, so a write that goes on beside it would not hear that the batches before it are lost.
     */
    public void sync() throws IOException {
        turn.lock();
        try {
            requireNoFailure();
            long written = log.written();
            if (!log.isDurable(written)) {
                disk.flush();
                log.flushed(written);
            }
        } catch (IOException e) {
            throw failure == null ? fail(e) : e;
        } finally {
            turn.unlock();
        }
    }

    /** Syncs, and leaves the disk open. */
    @Override
    public void close() throws IOException {
        sync();
    }

    private static Change change(byte[] key, byte[] value) {
        if (key.length > KEY_BYTES_MAX || value != null && value.length > VALUE_BYTES_MAX) {
            throw new IllegalArgumentException("a key of " + key.length + " and a value of " + (value == null ? 0 : value.length)
                    + " bytes: at most " + KEY_BYTES_MAX + " and " + VALUE_BYTES_MAX + " are possible");
        }
        return new Change(ByteBuffer.wrap(key.clone()), value == null ? null : value.clone());
    }

    /** Returns when the change is written: with all that gathered while others wrote, by the thread whose change was the first. */
    private void commit(Change change, boolean durably) throws IOException {
        Batch batch;
        boolean first;
        synchronized (gate) {
            if (!gathering.fits(change)) {
                gathering = new Batch();
            }
            batch = gathering;
            batch.changes.add(change);
            batch.bytes += change.bytes();
            batch.durable |= durably;
            first = batch.changes.size() == 1;
        }
        if (first) {
            write(batch);
        }
        try {
            batch.ended.join();
        } catch (CompletionException e) {
            throw new IOException(e.getCause().getMessage(), e.getCause());
        }
        if (batch.noRoom != null && change.value() != null) {
            throw new IOException(batch.noRoom.getMessage(), batch.noRoom);
        }
    }

    /** Ends a batch, in whatever way. */
    private void write(Batch batch) {
        turn.lock();
        try {
            synchronized (gate) {
                if (gathering == batch) {
                    gathering = new Batch();
                }
            }
            requireNoFailure();
            try {
                write(batch.changes, batch.durable);
            } catch (NoRoom e) {
                batch.noRoom = e;
                write(batch.changes.stream().filter(change -> change.value() == null).toList(), batch.durable);
            }
            batch.ended.complete(null);
        } catch (Throwable t) {
            batch.ended.completeExceptionally(failure == null ? fail(t) : t);
        } finally {
            turn.unlock();
        }
    }

    /** What the disk has of a failed write or flush is not known: so it is the last. */
    private IOException fail(Throwable cause) {
        failure = cause;
        return new IOException("a write or flush has failed, and what " + disk + " has of it is not known: open the log again", cause);
    }

    private void requireNoFailure() throws IOException {
        Throwable before = failure;
        if (before != null) {
            throw fail(before);
        }
    }

    // ---- with the turn

    /** There is no room. Nothing was changed. */
    private static final class NoRoom extends IOException {
        NoRoom(String message) {
            super(message);
        }
    }

    /** Writes a batch at the end of the log, and then tells readers. */
    private void write(List<Change> changes, boolean durably) throws IOException {
        long bytes = LogDisk.blocks(LogDisk.BATCH_HEADER_BYTES + changes.stream().mapToLong(Change::bytes).sum());
        // What takes no room for good may use the reserve, so that it is possible when nothing else is.
        boolean grows = changes.stream().anyMatch(change -> change.value() != null);
        long reserve = grows ? Math.max(2 * LogDisk.BLOCK_BYTES, LogDisk.blocks(log.areaBytes() / 128)) : 0;
        if (bytes > log.room() - reserve) {
            compact(log.areaBytes() - reserve - bytes);
        }
        List<Place> written = log.append(changes, durably);
        places.writeLock().lock();
        try {
            for (int i = 0; i < changes.size(); i++) {
                note(changes.get(i).key(), written.get(i));
            }
        } finally {
            places.writeLock().unlock();
        }
    }

    /** Copies what is live to the other area, and makes that the log, if it takes no more than so many bytes there. */
    private void compact(long room) throws IOException {
        List<Map.Entry<ByteBuffer, Place>> live = new ArrayList<>(index.entrySet());
        live.sort(Comparator.comparingLong(entry -> entry.getValue().offset()));
        List<List<Map.Entry<ByteBuffer, Place>>> batches = new ArrayList<>();
        long needed = 0;
        long bytes = 0;
        for (Map.Entry<ByteBuffer, Place> entry : live) {
            int more = Change.bytes(entry.getKey(), entry.getValue().bytes());
            if (batches.isEmpty() || bytes + more > LogDisk.BATCH_BYTES_MAX) {
                needed += LogDisk.blocks(bytes);
                bytes = LogDisk.BATCH_HEADER_BYTES;
                batches.add(new ArrayList<>());
            }
            batches.getLast().add(entry);
            bytes += more;
        }
        needed += LogDisk.blocks(bytes);
        if (needed > room) {
            throw new NoRoom(disk + " is full: its " + live.size() + " values take " + needed + " bytes, and beside the change there is room for "
                    + Math.max(room, 0));
        }
        long before = log.written();
        log.beginGeneration();
        Map<ByteBuffer, Place> moved = new HashMap<>();
        for (List<Map.Entry<ByteBuffer, Place>> batch : batches) {
            List<Change> changes = new ArrayList<>(batch.size());
            for (Map.Entry<ByteBuffer, Place> entry : batch) {
                changes.add(new Change(entry.getKey(), log.read(entry.getValue())));
            }
            List<Place> written = log.append(changes, false);
            for (int i = 0; i < written.size(); i++) {
                moved.put(changes.get(i).key(), written.get(i));
            }
        }
        log.endGeneration(before);
        // Readers of the old places have ended, or end before this: only the next compaction writes there.
        places.writeLock().lock();
        index = moved;
        places.writeLock().unlock();
    }
}
