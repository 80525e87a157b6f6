package io.blkmq.testkit.disk;

import io.blkmq.core.Bio;
import io.blkmq.core.BioObserver;
import io.blkmq.core.Disk;
import io.blkmq.core.QueueLimits;
import io.blkmq.core.Status;
import io.blkmq.core.driver.RequestQueue;
import io.blkmq.runtime.IoRuntime;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.ClosedByInterruptException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileChannel.MapMode;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/**
 * Records every bio of a disk, of any driver, into a file: what was asked when and by whom, and how it ended. A disk that is not recorded
 * does nothing for it but look whether it is.
 *
 * <pre>
 *   try (TraceRecorder trace = TraceRecorder.start(disk, Path.of("run.trace"))) {
 *       ...
 *   }
 *   System.out.println(TraceSummary.of(Path.of("run.trace")));
 * </pre>
 *
 * <p>Each bio takes 40 bytes and two looks at the clock. The file is written through a mapping: when the process dies, everything that it
 * had submitted by then is there, with what was in flight marked as such. Times are those of the disk's runtime, so that a simulation
 * with the same seed makes the same file. Thread-safe.
 *
 * @since 0.1.0
 */
public final class TraceRecorder implements AutoCloseable {
    /** How many records the file grows by. */
    static final int CHUNK_RECORDS = 1 << 14;
    private static final int CHUNK_BYTES = CHUNK_RECORDS * TraceFormat.RECORD_BYTES;

    private final RequestQueue queue;
    private final IoRuntime runtime;
    private final Path path;
    /** Another one after an interrupt. Guarded by the lock, and by who ends the record, once it is closed. */
    private FileChannel file;
    private final Arena arena = Arena.ofShared();
    private final long startNanos;
    private final BioObserver observer = this::submitted;
    /** For what follows. No call of the runtime is made under it. */
    private final ReentrantLock lock = new ReentrantLock();
    private final List<MemorySegment> chunks = new ArrayList<>();
    private long records;
    private boolean closed;
    private @Nullable IOException failure;

    private TraceRecorder(Disk disk, Path path, FileChannel file) {
        this.path = path;
        this.queue = disk.queue();
        this.runtime = queue.tagSet().runtime();
        this.file = file;
        this.startNanos = runtime.nanoTime();
    }

    /**
     * Begins to record.
     *
     * @param disk whose bios; of a partition, those of its whole device
     * @param file is made, or replaced
     * @return the recorder, to be closed
     * @throws IOException if the file cannot be written
     */
    public static TraceRecorder start(Disk disk, Path file) throws IOException {
        FileChannel channel = FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.READ,
                StandardOpenOption.WRITE, StandardOpenOption.TRUNCATE_EXISTING);
        try {
            RequestQueue queue = disk.queue();
            writeFully(channel, TraceFormat.header(queue.name(), queue.capacitySectors() * QueueLimits.SECTOR_BYTES,
                    queue.limits().logicalBlockBytes()), 0);
            TraceRecorder recorder = new TraceRecorder(disk, file.toAbsolutePath(), channel);
            queue.addObserver(recorder.observer);
            return recorder;
        } catch (Throwable t) {
            channel.close();
            throw t;
        }
    }

    private static void writeFully(FileChannel to, byte[] bytes, long at) throws IOException {
        ByteBuffer left = ByteBuffer.wrap(bytes);
        while (left.hasRemaining()) {
            int _ = to.write(left, at + left.position());
        }
    }

    /** Where a record stands. */
    private record Place(MemorySegment chunk, long at) {}

    private BioObserver.@Nullable End submitted(Bio bio) {
        long now = runtime.nanoTime();
        int thread = runtime.threadIndex();
        Place place = nextPlace();
        if (place == null) {
            return null;
        }
        boolean ranged = bio.operation().hasRange();
        try {
            TraceFormat.submit(place.chunk, place.at, new TraceRecord(now - startNanos, -1, bio.operation(),
                    ranged ? bio.deviceSector() : 0, bio.bytes(), bio.flags(), thread & 0xFFFF, null));
        } catch (IllegalStateException e) {
            // It has been closed since.
            return null;
        }
        return (_, status) -> ended(place, now, status);
    }

    private @Nullable Place nextPlace() {
        lock.lock();
        try {
            if (closed || failure != null) {
                return null;
            }
            long index = records++;
            int chunk = (int) (index / CHUNK_RECORDS);
            if (chunk == chunks.size()) {
                chunks.add(newChunk(chunk));
            }
            return new Place(chunks.get(chunk), index % CHUNK_RECORDS * TraceFormat.RECORD_BYTES);
        } catch (IOException e) {
            records--;
            failure = e;
            return null;
        } finally {
            lock.unlock();
        }
    }

    /** Room for more records, which is really there: a mapping of what has no room in the file system would fault. */
    private MemorySegment newChunk(int index) throws IOException {
        long at = TraceFormat.HEADER_BYTES + (long) index * CHUNK_BYTES;
        return uninterrupted(to -> {
            writeFully(to, new byte[CHUNK_BYTES], at);
            return to.map(MapMode.READ_WRITE, at, CHUNK_BYTES, arena);
        });
    }

    /** What is done to the file. */
    private interface Step<T> {
        T on(FileChannel file) throws IOException;
    }

    /**
     * Does something to the file, whatever interrupts the thread, which submits a bio or ends the record: an interrupt would close the
     * channel for all. The thread keeps its interrupt.
     */
    private <T> T uninterrupted(Step<T> step) throws IOException {
        boolean interrupted = Thread.interrupted();
        try {
            while (true) {
                try {
                    return step.on(file);
                } catch (ClosedByInterruptException e) {
                    interrupted |= Thread.interrupted();
                    file = FileChannel.open(path, StandardOpenOption.READ, StandardOpenOption.WRITE);
                }
            }
        } finally {
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }

    private void ended(Place place, long submittedNanos, Status status) {
        long now = runtime.nanoTime();
        try {
            TraceFormat.end(place.chunk, place.at, now - submittedNanos, status);
        } catch (IllegalStateException e) {
            // It has been closed since, and the bio stays in flight in it.
        }
    }

    /**
     * How many bios there are in the trace.
     *
     * @return also those in flight
     */
    public long recorded() {
        lock.lock();
        try {
            return records;
        } finally {
            lock.unlock();
        }
    }

    /**
     * Ends the record. Bios that are in flight stay in flight in it. Closing again does nothing.
     *
     * @throws IOException if the file could not be written: then it ends with what had been recorded until then
     */
    @Override
    public void close() throws IOException {
        queue.removeObserver(observer);
        lock.lock();
        try {
            if (closed) {
                return;
            }
            closed = true;
        } finally {
            lock.unlock();
        }
        arena.close();
        IOException stopped = failure == null
                ? null
                : new IOException("the trace of " + queue.name() + " has stopped after " + records + " bios", failure);
        try {
            var _ = uninterrupted(to -> to.truncate(TraceFormat.HEADER_BYTES + records * TraceFormat.RECORD_BYTES));
        } catch (IOException e) {
            if (stopped == null) {
                throw e;
            }
            stopped.addSuppressed(e);
        } finally {
            file.close();
        }
        if (stopped != null) {
            throw stopped;
        }
    }
}
