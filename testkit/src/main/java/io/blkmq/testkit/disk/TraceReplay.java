package io.blkmq.testkit.disk;

import io.blkmq.core.Bio;
import io.blkmq.core.Disk;
import io.blkmq.core.Operation;
import io.blkmq.core.QueueLimits;
import io.blkmq.core.Status;
import io.blkmq.core.driver.Parking;
import io.blkmq.runtime.IoBuffer;
import io.blkmq.runtime.IoRuntime;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.channels.ClosedByInterruptException;
import java.nio.file.Path;
import java.util.SplittableRandom;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.BooleanSupplier;

/**
 * Submits the bios of a trace to another disk, from the calling thread: as fast as it goes with a number of them in flight, or at the
 * times at which they were submitted then. A trace has no data, so writes write a pattern: <b>what the disk holds is overwritten</b>.
 * Immutable; runs as often as it is asked to.
 *
 * @since 0.1.0
 */
public final class TraceReplay {
    /** The most bios in flight that can be asked for. */
    public static final int DEPTH_MAX = 65_536;

    private static final int DEPTH_DEFAULT = 32;
    /** Larger bios have this memory several times. */
    private static final int MEMORY_BYTES = 1 << 20;
    private static final long PATTERN_SEED = 0x7ACE;
    /** What is taken over: the others say how the submitter waits and whose memory it is. */
    private static final int FLAGS = Bio.PREFLUSH | Bio.FUA | Bio.NOMERGE | Bio.NOUNMAP | Bio.SYNC;

    private final Path trace;
    private final int depth;
    private final boolean timed;

    /**
     * What came of it.
     *
     * @param submitted how many bios were submitted
     * @param skipped how many were not, because the disk has no such operation
     * @param failed how many ended with an error
     * @param bytes how much those asked for that ended well
     * @param nanos how long it took
     * @param lateNanos by how much the bio that was most behind its time was late; 0 for a replay without times
     * @since 0.1.0
     */
    public record Result(long submitted, long skipped, long failed, long bytes, long nanos, long lateNanos) {}

    private TraceReplay(Path trace, int depth, boolean timed) {
        this.trace = trace;
        this.depth = depth;
        this.timed = timed;
    }

    /**
     * A replay as fast as it goes, with 32 bios in flight.
     *
     * @param trace a file of a {@link TraceRecorder}
     * @return the replay
     */
    public static TraceReplay of(Path trace) {
        return new TraceReplay(trace, DEPTH_DEFAULT, false);
    }

    /**
     * The same with another number of bios in flight.
     *
     * @param value at the most, 1 to {@value #DEPTH_MAX}
     * @return another replay
     * @throws IllegalArgumentException if it is out of range
     */
    public TraceReplay depth(int value) {
        if (value < 1 || value > DEPTH_MAX) {
            throw new IllegalArgumentException("depth " + value + ": 1 to " + DEPTH_MAX + " are possible");
        }
        return new TraceReplay(trace, value, timed);
    }

    /**
     * The same at the times of the trace. A bio whose time has come waits all the same while as many are in flight as there may be.
     *
     * @return another replay
     */
    public TraceReplay timed() {
        return new TraceReplay(trace, depth, true);
    }

    /**
     * Runs, and waits until all has ended.
     *
     * @param disk where to
     * @return what came of it; I/O errors are counted there
     * @throws IOException if the trace cannot be read
     * @throws IllegalArgumentException if it is no trace, or does not fit the disk: reaches past its end, is not in its blocks, or writes
     *         while the disk is read-only; then nothing has been submitted
     * @throws InterruptedException if the calling thread is interrupted: what had been submitted has ended
     */
    public Result run(Disk disk) throws IOException, InterruptedException {
        try {
            requireFits(disk);
            return replay(disk);
        } catch (ClosedByInterruptException e) {
            // The interrupt came while the trace was read.
            boolean _ = Thread.interrupted();
            throw interrupted(disk);
        }
    }

    private Result replay(Disk disk) throws IOException, InterruptedException {
        try (TraceReader reader = TraceReader.open(trace);
                IoBuffer writes = disk.allocate(MEMORY_BYTES);
                IoBuffer reads = disk.allocate(MEMORY_BYTES)) {
            byte[] pattern = new byte[MEMORY_BYTES];
            new SplittableRandom(PATTERN_SEED).nextBytes(pattern);
            MemorySegment.copy(pattern, 0, writes.memory(), ValueLayout.JAVA_BYTE, 0, pattern.length);
            return new Run(disk, writes, reads).run(reader);
        }
    }

    private InterruptedException interrupted(Disk disk) {
        return new InterruptedException("the replay of " + trace + " on " + disk.name());
    }

    private void requireFits(Disk disk) throws IOException {
        int block = disk.limits().logicalBlockBytes();
        try (TraceReader reader = TraceReader.open(trace)) {
            for (TraceRecord record = reader.next(); record != null; record = reader.next()) {
                long offset = record.sector() * QueueLimits.SECTOR_BYTES;
                require(disk, record, offset <= disk.sizeBytes() - record.bytes(),
                        "reaches past its end at " + disk.sizeBytes() + " bytes");
                require(disk, record, (offset | record.bytes()) % block == 0,
                        "is not in its blocks of " + block + " bytes");
                require(disk, record, !disk.limits().isReadOnly() || record.operation() == Operation.READ
                        || record.operation() == Operation.FLUSH, "writes, and the disk is read-only");
            }
        }
    }

    private void require(Disk disk, TraceRecord record, boolean holds, String otherwise) {
        if (!holds) {
            throw new IllegalArgumentException(trace + " does not fit " + disk.name() + ": " + record.operation()
                    + " of " + record.bytes() + " bytes at sector " + record.sector() + " " + otherwise);
        }
    }

    /** One run. */
    private final class Run {
        private final Disk disk;
        private final IoBuffer writes;
        private final IoBuffer reads;
        private final IoRuntime runtime;
        private final Thread thread = Thread.currentThread();
        private final AtomicInteger inFlight = new AtomicInteger();
        private final AtomicLong failed = new AtomicLong();
        private final AtomicLong bytes = new AtomicLong();
        private long submitted;
        private long skipped;
        private long lateNanos;

        Run(Disk disk, IoBuffer writes, IoBuffer reads) {
            this.disk = disk;
            this.writes = writes;
            this.reads = reads;
            this.runtime = disk.queue().tagSet().runtime();
        }

        Result run(TraceReader reader) throws IOException, InterruptedException {
            long begin = runtime.nanoTime();
            boolean interrupted = false;
            try {
                for (TraceRecord record = reader.next(); record != null && !interrupted; record = reader.next()) {
                    interrupted = submit(record, begin);
                }
            } finally {
                // Also if the trace cannot be read any further: the memory is the disk's until then.
                interrupted |= await(() -> inFlight.get() == 0, Long.MAX_VALUE);
            }
            if (interrupted) {
                throw interrupted(disk);
            }
            return new Result(submitted, skipped, failed.get(), bytes.get(), runtime.nanoTime() - begin, lateNanos);
        }

        /** Returns whether the thread was interrupted; then nothing was submitted. */
        private boolean submit(TraceRecord record, long begin) {
            if (!isPossible(record.operation())) {
                skipped++;
                return false;
            }
            boolean interrupted = false;
            if (timed) {
                long due = begin + record.submitNanos();
                interrupted = await(() -> false, due);
            }
            interrupted |= await(() -> inFlight.get() < depth, Long.MAX_VALUE);
            if (interrupted) {
                return true;
            }
            if (timed) {
                lateNanos = Math.max(lateNanos, runtime.nanoTime() - begin - record.submitNanos());
            }
            int _ = inFlight.incrementAndGet();
            submitted++;
            disk.submit(bioOf(record));
            return false;
        }

        private boolean isPossible(Operation operation) {
            return switch (operation) {
                case READ, WRITE, FLUSH -> true;
                case DISCARD -> disk.limits().discardBytesMax() > 0;
                case WRITE_ZEROES -> disk.limits().writeZeroesBytesMax() > 0;
            };
        }

        private Bio bioOf(TraceRecord record) {
            Operation operation = record.operation();
            int pieces = operation.hasData() ? Math.toIntExact(Math.ceilDiv(record.bytes(), MEMORY_BYTES)) : 0;
            Bio bio = new Bio(pieces).reset(operation, record.sector()).flags(record.flags() & FLAGS)
                    .onEnd(this::ended);
            if (!operation.hasData()) {
                return bio.length(record.bytes());
            }
            IoBuffer memory = operation == Operation.READ ? reads : writes;
            for (long left = record.bytes(); left > 0; left -= MEMORY_BYTES) {
                bio.add(memory.memory(), 0, Math.min(left, MEMORY_BYTES));
            }
            return bio;
        }

        private void ended(Bio bio) {
            if (bio.status() == Status.OK) {
                bytes.addAndGet(bio.bytes());
            } else {
                failed.incrementAndGet();
            }
            int _ = inFlight.decrementAndGet();
            runtime.unpark(thread);
        }

        /** Waits until something holds, or a time has come. Returns whether the thread was interrupted meanwhile. */
        private boolean await(BooleanSupplier condition, long until) {
            boolean interrupted = false;
            while (!condition.getAsBoolean()) {
                long left = until == Long.MAX_VALUE ? Long.MAX_VALUE : until - runtime.nanoTime();
                if (left <= 0) {
                    break;
                }
                if (disk.queue().isPolled()) {
                    if (disk.poll() == 0) {
                        Parking.spinWait(runtime);
                    }
                } else if (left == Long.MAX_VALUE) {
                    Parking.park(runtime, this);
                } else {
                    Parking.parkNanos(runtime, this, left);
                }
                interrupted |= Thread.interrupted();
            }
            return interrupted;
        }
    }
}
