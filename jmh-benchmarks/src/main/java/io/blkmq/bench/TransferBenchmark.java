package io.blkmq.bench;

import io.blkmq.loop.transfer.Transfer;
import io.blkmq.loop.transfer.TransferFunction;
import io.blkmq.loop.transfer.TransferFunctions;
import io.blkmq.runtime.IoBuffer;
import java.lang.foreign.MemorySegment;
import java.util.Objects;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.openjdk.jmh.annotations.AuxCounters;
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

/** Transfer functions alone, from one memory to another: calls and bytes a second. */
@BenchmarkMode(Mode.Throughput)
@OutputTimeUnit(TimeUnit.SECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 3, time = 1)
@Fork(value = 1, jvmArgs = {"-XX:+UseSerialGC", "--enable-native-access=ALL-UNNAMED"})
@State(Scope.Benchmark)
public class TransferBenchmark {
    /** Which, with the bits of the key of AES. */
    @Param({"none", "xor", "aes-xts-java-128", "aes-xts-java-256", "aes-xts-openssl-128", "aes-xts-openssl-256"})
    public String function = "none";

    /** Of each call. */
    @Param({"4096", "131072"})
    public int bytes;

    private @Nullable IoBuffer memory;
    private @Nullable Transfer transfer;
    private MemorySegment from = MemorySegment.NULL;
    private MemorySegment to = MemorySegment.NULL;
    private long sector;

    /** What was transformed. */
    @AuxCounters(AuxCounters.Type.OPERATIONS)
    @State(Scope.Thread)
    public static class Transformed {
        /** Counted by the benchmark, printed as a rate. */
        public long transformedBytes;
    }

    /**
     * The function of a parameter.
     *
     * @param name the name, with the bits of its key of AES behind it where it is one of XTS-AES
     * @return what is there under that name
     */
    static TransferFunction function(String name) {
        return TransferFunctions.find(name.startsWith("aes-xts") ? name.substring(0, name.lastIndexOf('-')) : name);
    }

    /**
     * A key for it.
     *
     * @param name the same
     * @return bytes that are no secret
     */
    static byte[] key(String name) {
        byte[] key = switch (name.substring(name.lastIndexOf('-') + 1)) {
            case "none" -> new byte[0];
            case "xor" -> new byte[16];
            case "128" -> new byte[32];
            case "256" -> new byte[64];
            default -> throw new IllegalArgumentException("no transfer function " + name);
        };
        new Random(1).nextBytes(key);
        return key;
    }

    /** Opens the function. */
    @Setup
    public void open() {
        transfer = function(function).open(key(function));
        IoBuffer buffer = IoBuffer.allocate(2L * bytes);
        memory = buffer;
        from = buffer.memory().asSlice(0, bytes);
        to = buffer.memory().asSlice(bytes, bytes);
    }

    /** Closes it. */
    @TearDown
    public void close() {
        Objects.requireNonNull(transfer).close();
        Objects.requireNonNull(memory).close();
    }

    /**
     * What a write does.
     *
     * @param done counts
     */
    @Benchmark
    public void toFile(Transformed done) {
        Objects.requireNonNull(transfer).toFile(sector, from, 0, to, 0, bytes);
        sector += bytes / Transfer.SECTOR_BYTES;
        done.transformedBytes += bytes;
    }

    /**
     * What a read does, in its place.
     *
     * @param done counts
     */
    @Benchmark
    public void fromFile(Transformed done) {
        Objects.requireNonNull(transfer).fromFile(sector, to, 0, to, 0, bytes);
        sector += bytes / Transfer.SECTOR_BYTES;
        done.transformedBytes += bytes;
    }
}
