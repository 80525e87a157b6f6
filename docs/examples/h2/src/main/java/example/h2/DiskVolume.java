package example.h2;

import io.blkmq.core.Bio;
import io.blkmq.core.BlockIOException;
import io.blkmq.core.Disk;
import io.blkmq.core.Status;
import io.blkmq.runtime.IoBuffer;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.NoSuchFileException;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import java.util.zip.CRC32C;

/**
 * Files on a disk: a table of names, and data in extents of {@value #EXTENT_BYTES} bytes. For a few files that grow, as a database has. Any thread
 * may call any method. An interrupt ends none of them, and is kept.
 *
 * <p><b>The table</b> is on the disk twice. A new one is written over the older of the two, with a higher number, a checksum, and the flags
 * {@code PREFLUSH | FUA}: what it tells of is durable before it is. The valid one with the higher number is in force.
 *
 * <p><b>Promises.</b> To make, rename, delete or cut a file is durable and whole when the call returns: an extent that was given back belongs to no
 * file of a table on the disk, and may be used again. What was written is durable after {@link File#sync}. A file that has grown has its
 * old size after a power cut, or one of a later sync: so no bytes appear that nobody has written.
 *
 * <p><b>Failures.</b> When a flush or a table has failed, what the disk has of it is not known, nor whether it still has what it was to make durable.
 * So it is the last: files can be read, and nothing can be changed or synced, until the disk is opened again.
 */
public final class DiskVolume {
    private static final int EXTENT_BYTES = 1 << 20;
    private static final int BLOCK_BYTES = 4096;
    private static final long MAGIC = 0x626c6b6d71206832L;
    /** Of a table: checksum (4), bytes (4), MAGIC (8), number (8), bytes of the disk (8), files (4). */
    private static final int HEADER_BYTES = 36;
    private static final int NAMES_BYTES = 64 << 10;

    private final Disk disk;
    /** Takes any offset and length. Another one, once it was closed by an interrupt of a thread that used it. */
    private volatile FileChannel bytes;
    private final int tableBytes;
    private final long dataOffset;
    private final int extents;
    /** Guards all that follows, and what files have. Who moves data in extents that a file has holds it shared. */
    private final ReentrantReadWriteLock lock = new ReentrantReadWriteLock();
    private final Map<String, File> files = new TreeMap<>();
    private final BitSet used = new BitSet();
    private long number;
    /** Whether a size or an extent is another than in the table on the disk. */
    private boolean changed;
    /** Has one flush at a time: one that succeeds beside another that fails has made nothing sure. */
    private final Object flushing = new Object();
    /** Not null for good, once it is. */
    private volatile Throwable failure;

    private DiskVolume(Disk disk) {
        this.disk = disk;
        this.bytes = disk.openChannel();
        this.tableBytes = (int) blocks(HEADER_BYTES + NAMES_BYTES + disk.sizeBytes() / EXTENT_BYTES * Integer.BYTES);
        this.dataOffset = 2L * tableBytes;
        this.extents = (int) Math.max(0, (disk.sizeBytes() - dataOffset) / EXTENT_BYTES);
    }

    /**
     * Opens the files of a disk, or makes an empty table on a disk that begins with zeroes. The disk stays open longer, and has one volume.
     *
     * @throws IllegalArgumentException if there is no room for an extent, or the disk's blocks are too large
     * @throws IOException if there is something else on the disk, or it fails
     */
    public static DiskVolume open(Disk disk) throws IOException {
        DiskVolume volume = new DiskVolume(disk);
        if (volume.extents == 0 || disk.limits().logicalBlockBytes() > BLOCK_BYTES) {
            throw new IllegalArgumentException(disk + ", in blocks of " + disk.limits().logicalBlockBytes() + " bytes: files need at least "
                    + (volume.dataOffset + EXTENT_BYTES) + " bytes, in blocks of at most " + BLOCK_BYTES);
        }
        volume.recover();
        return volume;
    }

    private static long blocks(long bytes) {
        return (bytes + BLOCK_BYTES - 1) / BLOCK_BYTES * BLOCK_BYTES;
    }

    // ---- the table

    private void recover() throws IOException {
        boolean empty = true;
        ByteBuffer newest = null;
        for (int i = 0; i < 2; i++) {
            byte[] content = new byte[tableBytes];
            disk.read((long) i * tableBytes, MemorySegment.ofArray(content));
            ByteBuffer table = ByteBuffer.wrap(content);
            empty &= MemorySegment.ofArray(content).mismatch(MemorySegment.ofArray(new byte[tableBytes])) < 0;
            int length = table.getInt(4);
            if (length >= HEADER_BYTES && length <= tableBytes && table.getInt(0) == checksum(content, length) && table.getLong(8) == MAGIC
                    && table.getLong(24) == disk.sizeBytes() && table.getLong(16) > number) {
                number = table.getLong(16);
                newest = table;
            }
        }
        if (newest == null) {
            if (!empty) {
                throw new IOException("no files of " + disk + ", and no room for a table, which wants zeroes in the first " + dataOffset + " bytes");
            }
            writeTable();
            return;
        }
        newest.position(HEADER_BYTES);
        for (int left = newest.getInt(32); left > 0; left--) {
            byte[] name = new byte[newest.getInt()];
            newest.get(name);
            File file = new File(new String(name, StandardCharsets.UTF_8));
            file.modifiedMillis = newest.getLong();
            file.size = newest.getLong();
            int counted = newest.getInt();
            file.readOnly = counted < 0;
            for (int more = counted < 0 ? ~counted : counted; more > 0; more--) {
                int extent = newest.getInt();
                file.extents.add(extent);
                used.set(extent);
            }
            files.put(file.name, file);
        }
    }

    /** With the lock held alone, and by who has made sure that nothing has failed before. */
    private void writeTable() throws IOException {
        ByteBuffer table = ByteBuffer.allocate(tableBytes);
        table.position(HEADER_BYTES);
        for (File file : files.values()) {
            byte[] name = file.name.getBytes(StandardCharsets.UTF_8);
            table.putInt(name.length).put(name).putLong(file.modifiedMillis).putLong(file.size);
            table.putInt(file.readOnly ? ~file.extents.size() : file.extents.size());
            file.extents.forEach(table::putInt);
        }
        int length = table.position();
        table.putInt(4, length).putLong(8, MAGIC).putLong(16, number + 1).putLong(24, disk.sizeBytes()).putInt(32, files.size());
        table.putInt(0, checksum(table.array(), length));
        try (IoBuffer buffer = disk.allocate(blocks(length))) {
            MemorySegment.copy(MemorySegment.ofArray(table.array()), 0, buffer.memory(), 0, buffer.bytes());
            uninterruptibly(() -> {
                disk.write((number + 1) % 2 * tableBytes, buffer.memory(), Bio.PREFLUSH | Bio.FUA);
                return true;
            });
        } catch (Throwable t) {
            throw fail(t);
        }
        number++;
        changed = false;
    }

    private static int checksum(byte[] table, int length) {
        CRC32C crc = new CRC32C();
        crc.update(table, Integer.BYTES, length - Integer.BYTES);
        return (int) crc.getValue();
    }

    private IOException fail(Throwable cause) {
        failure = cause;
        return new IOException("a flush or a table has failed, and what " + disk + " has of it is not known: open the files again", cause);
    }

    private void requireNoFailure() throws IOException {
        Throwable before = failure;
        if (before != null) {
            throw fail(before);
        }
    }

    private interface Change<T> {
        T make() throws IOException;
    }

    private <T> T alone(Change<T> change) throws IOException {
        lock.writeLock().lock();
        try {
            requireNoFailure();
            return change.make();
        } finally {
            lock.writeLock().unlock();
        }
    }

    private <T> T shared(Change<T> look) throws IOException {
        lock.readLock().lock();
        try {
            return look.make();
        } finally {
            lock.readLock().unlock();
        }
    }

    // ---- interrupts

    /** An access of the disk. */
    private interface Access {
        /** {@return whether it is done, and not to be done again} */
        boolean run() throws IOException;
    }

    /** An interrupt of one thread is no end for the files of all: it is kept, and the access is done. Where it has ended one, nothing has been changed. */
    private static void uninterruptibly(Access access) throws IOException {
        boolean interrupted = false;
        try {
            for (boolean done = false; !done;) {
                interrupted |= Thread.interrupted();
                try {
                    done = access.run();
                } catch (BlockIOException e) {
                    if (e.status() != Status.INTR) {
                        throw e;
                    }
                }
            }
        } finally {
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }

    private void transfer(ByteBuffer buffer, long at, boolean write) throws IOException {
        int first = buffer.position();
        uninterruptibly(() -> {
            while (buffer.hasRemaining()) {
                FileChannel channel = bytes;
                int from = buffer.position();
                long place = at + from - first;
                try {
                    var _ = write ? channel.write(buffer, place) : channel.read(buffer, place);
                } catch (ClosedChannelException e) {
                    if (channel.isOpen()) {
                        throw e;
                    }
                    // By this thread's interrupt or another's. What it has left on its way keeps its blocks locked until it is done.
                    buffer.position(from);
                    reopen(channel);
                    return false;
                }
            }
            return true;
        });
    }

    private synchronized void reopen(FileChannel closed) {
        if (bytes == closed) {
            bytes = disk.openChannel();
        }
    }

    // ---- names

    /** {@return the file; null if there is none} */
    public File get(String name) {
        lock.readLock().lock();
        try {
            return files.get(name);
        } finally {
            lock.readLock().unlock();
        }
    }

    /** {@return the names that begin so} */
    public List<String> names(String prefix) {
        lock.readLock().lock();
        try {
            return files.keySet().stream().filter(name -> name.startsWith(prefix)).toList();
        } finally {
            lock.readLock().unlock();
        }
    }

    /** {@return a new, empty file; null if there is one} */
    public File create(String name) throws IOException {
        return alone(() -> {
            if (files.containsKey(name)) {
                return null;
            }
            requireRoomFor(name, bytesOfNames());
            File made = new File(name);
            files.put(name, made);
            writeTable();
            return made;
        });
    }

    private static int bytesOfName(String name) {
        return 24 + name.getBytes(StandardCharsets.UTF_8).length;
    }

    private int bytesOfNames() {
        return files.keySet().stream().mapToInt(DiskVolume::bytesOfName).sum();
    }

    private void requireRoomFor(String name, int others) throws IOException {
        if (others + bytesOfName(name) > NAMES_BYTES) {
            throw new IOException(name + ": the names of " + files.size() + " files fill the table, which has " + NAMES_BYTES + " bytes for them");
        }
    }

    /** Gives a file another name, in one step; a file that has it is replaced. */
    public void rename(String from, String to) throws IOException {
        alone(() -> {
            if (!files.containsKey(from)) {
                throw new NoSuchFileException(from);
            }
            requireRoomFor(to, bytesOfNames() - bytesOfName(from));
            File moved = files.remove(from);
            File replaced = files.put(to, moved);
            moved.name = to;
            writeTable();
            if (replaced != null) {
                replaced.end();
            }
            return null;
        });
    }

    /** Deletes a file, if there is one. Who has it open can no longer use it. */
    public void delete(String name) throws IOException {
        alone(() -> {
            File file = files.remove(name);
            if (file != null) {
                writeTable();
                file.end();
            }
            return null;
        });
    }

    // ---- a file

    /** A file that is there. */
    public final class File {
        private String name;
        private long size;
        private volatile long modifiedMillis = System.currentTimeMillis();
        private final List<Integer> extents = new ArrayList<>();
        private boolean readOnly;
        private boolean deleted;
        private boolean locked;

        private File(String name) {
            this.name = name;
        }

        public long size() {
            lock.readLock().lock();
            try {
                return size;
            } finally {
                lock.readLock().unlock();
            }
        }

        public long modifiedMillis() {
            return modifiedMillis;
        }

        public boolean isReadOnly() {
            lock.readLock().lock();
            try {
                return readOnly;
            } finally {
                lock.readLock().unlock();
            }
        }

        /** For good, and durably. It is for who opens the file to look at it: who has it open may write. */
        public void setReadOnly() throws IOException {
            alone(() -> {
                requireThere();
                readOnly = true;
                writeTable();
                return null;
            });
        }

        private void requireThere() throws IOException {
            if (deleted) {
                throw new ClosedChannelException();
            }
        }

        /** Its extents are free, now that no table on the disk has it. */
        private void end() {
            deleted = true;
            extents.forEach(used::clear);
            extents.clear();
        }

        /** Reads up to the end of the file. {@return bytes, or -1 at the end} */
        public int read(ByteBuffer target, long at) throws IOException {
            return shared(() -> {
                requireThere();
                if (at >= size) {
                    return target.hasRemaining() ? -1 : 0;
                }
                int wanted = (int) Math.min(target.remaining(), size - at);
                move(target, at, wanted, false);
                return wanted;
            });
        }

        /** Writes all of the buffer. What is between the end of the file and the place reads as zeroes. */
        public int write(ByteBuffer source, long at) throws IOException {
            int wanted = source.remaining();
            boolean within = shared(() -> {
                requireThere();
                requireNoFailure();
                boolean inside = at + wanted <= size;
                if (inside) {
                    move(source, at, wanted, true);
                }
                return inside;
            });
            if (!within) {
                // Alone: so the size never covers what another thread is still writing.
                alone(() -> {
                    requireThere();
                    grow(at + wanted);
                    for (long zeroed = size; zeroed < at;) {
                        int part = (int) Math.min(at - zeroed, EXTENT_BYTES);
                        move(ByteBuffer.allocate(part), zeroed, part, true);
                        zeroed += part;
                    }
                    move(source, at, wanted, true);
                    size = Math.max(size, at + wanted);
                    return null;
                });
            }
            modifiedMillis = System.currentTimeMillis();
            return wanted;
        }

        private void grow(long bytesWanted) throws IOException {
            int wanted = Math.toIntExact((bytesWanted + EXTENT_BYTES - 1) / EXTENT_BYTES);
            if (wanted - extents.size() > DiskVolume.this.extents - used.cardinality()) {
                throw new IOException("No space left on " + disk + ": " + name + " wants " + wanted + " extents of " + EXTENT_BYTES + " bytes and has "
                        + extents.size() + ", and " + (DiskVolume.this.extents - used.cardinality()) + " are free");
            }
            while (extents.size() < wanted) {
                int free = used.nextClearBit(0);
                used.set(free);
                extents.add(free);
            }
            changed = true;
        }

        /**
         * Moves bytes between a buffer and extents that the file has. Only the buffer's position changes, and at the end: H2 reads pages of a
         * chunk out of the buffer that another thread is writing, and so wants its limit.
         */
        private void move(ByteBuffer buffer, long at, int wanted, boolean write) throws IOException {
            ByteBuffer own = buffer.duplicate();
            for (int done = 0; done < wanted;) {
                long place = at + done;
                int inExtent = (int) (place % EXTENT_BYTES);
                long onDisk = dataOffset + (long) extents.get((int) (place / EXTENT_BYTES)) * EXTENT_BYTES + inExtent;
                int part = Math.min(wanted - done, EXTENT_BYTES - inExtent);
                own.limit(own.position() + part);
                transfer(own, onDisk, write);
                done += part;
            }
            buffer.position(own.position());
        }

        /** Cuts the file, durably. A size that is no smaller changes nothing. */
        public void truncate(long to) throws IOException {
            alone(() -> {
                requireThere();
                if (to < size) {
                    size = to;
                    int kept = Math.toIntExact((to + EXTENT_BYTES - 1) / EXTENT_BYTES);
                    List<Integer> cut = List.copyOf(extents.subList(kept, extents.size()));
                    extents.subList(kept, extents.size()).clear();
                    writeTable();
                    cut.forEach(used::clear);
                }
                return null;
            });
        }

        /** Makes what was written durable: by a flush, or with the table where files have grown. */
        public void sync() throws IOException {
            boolean written = shared(() -> {
                requireThere();
                if (!changed) {
                    flush();
                }
                return !changed;
            });
            if (!written) {
                alone(() -> {
                    writeTable();
                    return null;
                });
            }
        }

        private void flush() throws IOException {
            synchronized (flushing) {
                requireNoFailure();
                try {
                    uninterruptibly(() -> {
                        disk.flush();
                        return true;
                    });
                } catch (Throwable t) {
                    throw fail(t);
                }
            }
        }

        /** {@return whether it was not locked by another} */
        boolean tryLock() {
            lock.writeLock().lock();
            try {
                boolean free = !locked;
                locked = true;
                return free;
            } finally {
                lock.writeLock().unlock();
            }
        }

        void unlock() {
            lock.writeLock().lock();
            locked = false;
            lock.writeLock().unlock();
        }
    }

    /** {@return what it has, for messages} */
    @Override
    public String toString() {
        return "files of " + disk;
    }
}
