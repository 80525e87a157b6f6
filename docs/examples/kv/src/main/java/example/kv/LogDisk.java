package example.kv;

import io.blkmq.core.Bio;
import io.blkmq.core.Disk;
import io.blkmq.runtime.IoBuffer;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.BiConsumer;
import java.util.zip.CRC32C;

/**
 * What a {@link KeyValueLog} has on its disk: two heads of a block each, and two areas. Generation g has head and area {@code g % 2}, and the
 * valid head of the highest generation is in force. In its area the log is a row of batches, each in whole blocks. One thread at a time writes;
 * any reads.
 *
 * <p>A batch has a checksum, a sequence number, and the number of the <i>opening</i> that wrote it. Recovery ends at the first batch that
 * is torn, or does not continue the one before. Without the opening this could happen: batches 7 and 8 are on their way, the power
 * fails, and 8 is on the disk but 7 is not; another 7 is written, and 8 seems to follow it. So each opening begins with a durable batch
 * without changes, and a batch of an earlier opening does not follow that.
 */
final class LogDisk {
    static final int BLOCK_BYTES = 4096;
    private static final long MAGIC = 0x626c6b6d71206b76L;
    /** Of a head: checksum (4), nothing (4), MAGIC, bytes of an area, generation, the last sequence number and opening before it (8 each). */
    private static final int HEAD_BYTES = 48;
    /** Of a batch: checksum (4), bytes (4), sequence number (8), opening (8), changes (4). */
    static final int BATCH_HEADER_BYTES = 28;
    /** The most bytes of a batch, with its header. */
    static final int BATCH_BYTES_MAX = 2 << 20;
    /** Of a change: bytes of the key (4), and of the value or REMOVED (4). Both follow. */
    private static final int CHANGE_HEADER_BYTES = 8;
    private static final int REMOVED = -1;
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED;
    private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG_UNALIGNED;

    /** A new value; null takes the key away. */
    record Change(ByteBuffer key, byte[] value) {
        int bytes() {
            return bytes(key, value == null ? 0 : value.length);
        }

        static int bytes(ByteBuffer key, int valueBytes) {
            return CHANGE_HEADER_BYTES + key.remaining() + valueBytes;
        }
    }

    /** Where a value is on the disk. */
    record Place(long offset, int bytes) {}

    private final Disk disk;
    private final long areaBytes;
    private long generation;
    /** Number of the last batch. Written by the writer, read by any thread. */
    private volatile long sequence;
    /** Number of the last batch that is known to be durable. It grows, by any thread. */
    private final AtomicLong durable = new AtomicLong();
    private long opening;
    /** Where in the area the next batch begins. */
    private long end;

    LogDisk(Disk disk) {
        this.disk = disk;
        this.areaBytes = (disk.sizeBytes() / BLOCK_BYTES - 2) / 2 * BLOCK_BYTES;
    }

    // ---- recovery

    /** Reads the log, and tells the places of its changes in their order. A disk of zeroes gets the first head. */
    void recover(BiConsumer<ByteBuffer, Place> changes) throws IOException {
        try (IoBuffer heads = disk.allocate(2 * BLOCK_BYTES)) {
            disk.read(0, heads.memory());
            for (int i = 0; i < 2; i++) {
                MemorySegment head = heads.memory().asSlice((long) i * BLOCK_BYTES, BLOCK_BYTES);
                if (head.get(INT, 0) == checksum(head, HEAD_BYTES) && head.get(LONG, 8) == MAGIC && head.get(LONG, 16) == areaBytes
                        && head.get(LONG, 24) > generation) {
                    generation = head.get(LONG, 24);
                    sequence = head.get(LONG, 32);
                    opening = head.get(LONG, 40);
                }
            }
            if (generation == 0 && heads.memory().mismatch(MemorySegment.ofArray(new byte[2 * BLOCK_BYTES])) >= 0) {
                throw new IOException("no key-value log of " + disk + ", and no room for a new one, which wants zeroes in the first "
                        + 2 * BLOCK_BYTES + " bytes");
            }
        }
        if (generation == 0) {
            generation = 1;
            writeHead(0);
        }
        while (end < areaBytes && readBatch(changes)) {
            sequence++;
        }
        opening++;
    }

    /** Reads the batch at the end of those that were read, if it continues them. */
    private boolean readBatch(BiConsumer<ByteBuffer, Place> changes) throws IOException {
        int bytes;
        try (IoBuffer first = disk.allocate(BLOCK_BYTES)) {
            disk.read(at(end), first.memory());
            bytes = first.memory().get(INT, 4);
        }
        // Behind the end of an area that is used once more lies whatever there was: its numbers mean nothing.
        if (bytes < BATCH_HEADER_BYTES || bytes > Math.min(areaBytes - end, BATCH_BYTES_MAX)) {
            return false;
        }
        try (IoBuffer buffer = disk.allocate(blocks(bytes))) {
            MemorySegment batch = buffer.memory();
            disk.read(at(end), batch);
            if (batch.get(INT, 0) != checksum(batch, bytes)) {
                return false;
            }
            if (batch.get(LONG, 8) != sequence + 1 || batch.get(LONG, 16) < opening) {
                return false;
            }
            opening = batch.get(LONG, 16);
            long position = BATCH_HEADER_BYTES;
            for (int left = batch.get(INT, 24); left > 0; left--) {
                int length = batch.get(INT, position + 4);
                byte[] key = batch.asSlice(position + CHANGE_HEADER_BYTES, batch.get(INT, position)).toArray(ValueLayout.JAVA_BYTE);
                position += CHANGE_HEADER_BYTES + key.length;
                changes.accept(ByteBuffer.wrap(key), length == REMOVED ? null : new Place(at(end) + position, length));
                position += Math.max(length, 0);
            }
        }
        end += blocks(bytes);
        return true;
    }

    // ---- batches

    /** How many bytes of blocks there are behind the end. */
    long room() {
        return areaBytes - end;
    }

    long areaBytes() {
        return areaBytes;
    }

    /** Bytes of the blocks that have so many. */
    static long blocks(long bytes) {
        return (bytes + BLOCK_BYTES - 1) / BLOCK_BYTES * BLOCK_BYTES;
    }

    /**
     * Writes a batch, and returns where its values are; null for a key that was taken away. A durable one is written with FUA: it is durable when
     * the write ends, and nothing else is flushed. Only where batches before it are not durable yet, a flush goes before it (PREFLUSH).
     */
    List<Place> append(List<Change> changes, boolean durably) throws IOException {
        int bytes = BATCH_HEADER_BYTES + changes.stream().mapToInt(Change::bytes).sum();
        List<Place> written = new ArrayList<>(changes.size());
        try (IoBuffer buffer = disk.allocate(blocks(bytes))) {
            MemorySegment batch = buffer.memory();
            batch.set(INT, 4, bytes);
            batch.set(LONG, 8, sequence + 1);
            batch.set(LONG, 16, opening);
            batch.set(INT, 24, changes.size());
            long position = BATCH_HEADER_BYTES;
            for (Change change : changes) {
                int length = change.value() == null ? REMOVED : change.value().length;
                batch.set(INT, position, change.key().remaining());
                batch.set(INT, position + 4, length);
                position += CHANGE_HEADER_BYTES;
                batch.asSlice(position, change.key().remaining()).copyFrom(MemorySegment.ofBuffer(change.key()));
                position += change.key().remaining();
                written.add(length == REMOVED ? null : new Place(at(end) + position, length));
                if (length != REMOVED) {
                    batch.asSlice(position, length).copyFrom(MemorySegment.ofArray(change.value()));
                    position += length;
                }
            }
            batch.asSlice(bytes).fill((byte) 0);
            batch.set(INT, 0, checksum(batch, bytes));
            int flush = isDurable(sequence) ? 0 : Bio.PREFLUSH;
            disk.write(at(end), batch, durably ? Bio.FUA | flush : 0);
        }
        sequence++;
        if (durably) {
            flushed(sequence);
        }
        end += blocks(bytes);
        return written;
    }

    byte[] read(Place place) throws IOException {
        long first = place.offset() / BLOCK_BYTES * BLOCK_BYTES;
        try (IoBuffer buffer = disk.allocate(blocks(place.offset() + Math.max(place.bytes(), 1)) - first)) {
            disk.read(first, buffer.memory());
            return buffer.memory().asSlice(place.offset() - first, place.bytes()).toArray(ValueLayout.JAVA_BYTE);
        }
    }

    /** Number of the last batch that was written. Any thread may ask. */
    long written() {
        return sequence;
    }

    /** Whether it is known that a batch, and so all before it, are durable. Any thread may ask. */
    boolean isDurable(long batch) {
        return durable.get() >= batch;
    }

    /** A flush has ended that began when a batch had been written. Any thread may tell. */
    void flushed(long batch) {
        durable.accumulateAndGet(batch, Math::max);
    }

    // ---- generations

    /** Batches go to the other area from now on. It is not in force yet: what has places in this area stays where it is. */
    void beginGeneration() {
        generation++;
        end = 0;
    }

    /** Puts the generation in force that was begun, with the batches behind that number. They are durable then. */
    void endGeneration(long before) throws IOException {
        writeHead(before);
        flushed(sequence);
    }

    private void writeHead(long before) throws IOException {
        try (IoBuffer buffer = disk.allocate(BLOCK_BYTES)) {
            MemorySegment head = buffer.memory().fill((byte) 0);
            head.set(LONG, 8, MAGIC);
            head.set(LONG, 16, areaBytes);
            head.set(LONG, 24, generation);
            head.set(LONG, 32, before);
            head.set(LONG, 40, opening);
            head.set(INT, 0, checksum(head, HEAD_BYTES));
            disk.write(generation % 2 * BLOCK_BYTES, head, Bio.PREFLUSH | Bio.FUA);
        }
    }

    /** Where on the disk a place in the area is. */
    private long at(long offset) {
        return 2 * BLOCK_BYTES + generation % 2 * areaBytes + offset;
    }

    /** Of all but itself, which comes first. */
    private static int checksum(MemorySegment memory, int bytes) {
        CRC32C crc = new CRC32C();
        crc.update(memory.asSlice(Integer.BYTES, bytes - Integer.BYTES).asByteBuffer());
        return (int) crc.getValue();
    }

    @Override
    public String toString() {
        return disk.toString();
    }
}
