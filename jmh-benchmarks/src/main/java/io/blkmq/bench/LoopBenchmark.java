package io.blkmq.bench;

import io.blkmq.loop.LoopConfig;
import io.blkmq.loop.LoopDevice;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Objects;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * The loop device: 4 KiB random direct reads by one polling thread, on a file in memory and on one on disk, with each engine. One
 * operation is one I/O. The directories are those of {@code -Djmh.tmpfs} and {@code -Djmh.disk}.
 */
@BenchmarkMode(Mode.Throughput)
@OutputTimeUnit(TimeUnit.SECONDS)
@Warmup(iterations = 5, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(value = 1, jvmArgs = {"-XX:+UseSerialGC", "--enable-native-access=ALL-UNNAMED",
        "--sun-misc-unsafe-memory-access=allow"})
@State(Scope.Benchmark)
public class LoopBenchmark {
    private static final int IOS = 512;
    private static final int IMAGE_BYTES = 256 << 20;

    /** What carries out the I/O. */
    @Param({"io_uring", "libaio", "channel", "null"})
    public String engine = "io_uring";

    /** Where the file is. */
    @Param({"tmpfs", "disk"})
    public String place = "tmpfs";

    /** I/Os in flight. */
    @Param({"1", "64"})
    public int depth;

    private @Nullable Path image;
    private @Nullable LoopDevice device;
    private @Nullable ClosedLoop loop;

    /**
     * Makes an image with content, and attaches it.
     *
     * @throws IOException if that fails
     */
    @Setup
    public void attach() throws IOException {
        Path directory = Path.of(place.equals("tmpfs")
                ? System.getProperty("jmh.tmpfs", "/dev/shm")
                : System.getProperty("jmh.disk", "."));
        Path made = Files.createTempFile(directory, "blkmq-bench-", ".img");
        image = made;
        byte[] content = new byte[1 << 20];
        new Random(1).nextBytes(content);
        try (OutputStream out = Files.newOutputStream(made)) {
            for (int written = 0; written < IMAGE_BYTES; written += content.length) {
                out.write(content);
            }
        }
        LoopDevice attached = LoopDevice.attach(LoopConfig.builder(made).engine(engine).polled(true).build());
        device = attached;
        if (!attached.isDirect()) {
            throw new IOException(directory + " has no direct I/O");
        }
        loop = new ClosedLoop(attached.disk(), 0, depth);
    }

    /**
     * Detaches and deletes.
     *
     * @throws IOException if that fails
     */
    @TearDown
    public void detach() throws IOException {
        Objects.requireNonNull(loop).close();
        Objects.requireNonNull(device).close();
        Files.delete(Objects.requireNonNull(image));
    }

    /** Random reads. */
    @Benchmark
    @OperationsPerInvocation(IOS)
    public void randomRead() {
        Objects.requireNonNull(loop).run(IOS);
    }
}
