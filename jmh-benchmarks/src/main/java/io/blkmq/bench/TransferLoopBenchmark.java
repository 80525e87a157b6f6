package io.blkmq.bench;

import io.blkmq.core.Operation;
import io.blkmq.loop.LoopConfig;
import io.blkmq.loop.LoopDevice;
import io.blkmq.loop.transfer.TransferKey;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Objects;
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
 * A loop device with each transfer function, over engines that do no I/O of the system's: 4 KiB random reads and writes by one polling
 * thread, 64 in flight. The {@code memory} engine copies, the {@code null} engine does not even that. One operation is one I/O.
 */
@BenchmarkMode(Mode.Throughput)
@OutputTimeUnit(TimeUnit.SECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 3, time = 1)
@Fork(value = 1, jvmArgs = {"-XX:+UseSerialGC", "--enable-native-access=ALL-UNNAMED",
        "--sun-misc-unsafe-memory-access=allow"})
@State(Scope.Benchmark)
public class TransferLoopBenchmark {
    private static final int IOS = 512;
    private static final int DEPTH = 64;
    private static final int IMAGE_BYTES = 64 << 20;

    /** Which, with the bits of the key of AES. */
    @Param({"none", "xor", "aes-xts-java-128", "aes-xts-java-256", "aes-xts-openssl-128", "aes-xts-openssl-256"})
    public String function = "none";

    /** What carries out the I/O. */
    @Param({"null", "memory"})
    public String engine = "null";

    /** What is done. */
    @Param({"READ", "WRITE"})
    public Operation operation = Operation.READ;

    private @Nullable Path image;
    private @Nullable LoopDevice device;
    private @Nullable ClosedLoop loop;

    /**
     * Makes a sparse image, and attaches it.
     *
     * @throws IOException if that fails
     */
    @Setup
    public void attach() throws IOException {
        Path made = Files.createTempFile("blkmq-bench-", ".img");
        image = made;
        try (RandomAccessFile file = new RandomAccessFile(made.toFile(), "rw")) {
            file.setLength(IMAGE_BYTES);
        }
        LoopDevice attached = LoopDevice.attach(LoopConfig.builder(made).engine(engine).polled(true)
                .transfer(TransferBenchmark.function(function), TransferKey.copyOf(TransferBenchmark.key(function)))
                .build());
        device = attached;
        loop = new ClosedLoop(attached.disk(), 0, DEPTH, operation);
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

    /** Random I/O. */
    @Benchmark
    @OperationsPerInvocation(IOS)
    public void randomIo() {
        Objects.requireNonNull(loop).run(IOS);
    }
}
