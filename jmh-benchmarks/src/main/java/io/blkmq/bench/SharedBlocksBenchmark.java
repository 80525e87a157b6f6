package io.blkmq.bench;

import io.blkmq.core.Disk;
import io.blkmq.core.nullblk.NullBlk;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.AsynchronousFileChannel;
import java.util.Objects;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * An appender that does not wait: so many writes of 1,000 bytes pending at once on an asynchronous channel, each of which shares a block
 * with the one before. The time grows with their number, and not with its square.
 */
@State(Scope.Thread)
@BenchmarkMode(Mode.SingleShotTime)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
@Warmup(iterations = 5)
@Measurement(iterations = 5)
@Fork(value = 1, jvmArgs = {"-XX:+UseSerialGC", "--sun-misc-unsafe-memory-access=allow"})
public class SharedBlocksBenchmark {
    private static final int BYTES = 1_000;

    /** How many writes. */
    @Param({"1000", "10000", "100000"})
    public int pending;

    private @Nullable Disk disk;
    private Future<?>[] writes = {};

    /**
     * Makes the disk.
     *
     * @throws IOException never
     */
    @Setup
    public void make() throws IOException {
        disk = NullBlk.builder().completion(NullBlk.Completion.REAPER).memoryBacked(true)
                .capacityBytes(Math.ceilDiv((long) pending * BYTES, 4096) * 4096).build();
        writes = new Future<?>[pending];
    }

    /** Closes it. */
    @TearDown
    public void close() {
        disk().close();
    }

    private Disk disk() {
        return Objects.requireNonNull(disk);
    }

    private void append(AsynchronousFileChannel channel) {
        ByteBuffer content = ByteBuffer.allocate(BYTES);
        for (int i = 0; i < pending; i++) {
            writes[i] = channel.write(content.duplicate(), (long) i * BYTES);
        }
    }

    /**
     * All are done.
     *
     * @throws IOException never
     * @throws InterruptedException never
     * @throws ExecutionException never
     */
    @Benchmark
    public void done() throws IOException, InterruptedException, ExecutionException {
        try (AsynchronousFileChannel channel = disk().openAsynchronousChannel()) {
            append(channel);
            for (Future<?> write : writes) {
                Objects.requireNonNull(write.get());
            }
        }
    }

    /**
     * The channel is closed while all of them are pending.
     *
     * @throws IOException never
     */
    @Benchmark
    public void closed() throws IOException {
        disk().freeze();
        try (AsynchronousFileChannel channel = disk().openAsynchronousChannel()) {
            append(channel);
        } finally {
            disk().unfreeze();
        }
    }
}
