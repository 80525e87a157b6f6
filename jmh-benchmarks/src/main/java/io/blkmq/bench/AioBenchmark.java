package io.blkmq.bench;

import io.blkmq.aio.AioEngine;
import io.blkmq.aio.AioFile;
import java.io.FileOutputStream;
import java.io.IOException;
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
 * The engines alone, beside what else reads files on the JVM: 4 KiB random direct reads by one thread, of a file in memory and of one
 * on disk. One operation is one read. The directories are those of {@code -Djmh.tmpfs} and {@code -Djmh.disk}.
 */
@BenchmarkMode(Mode.Throughput)
@OutputTimeUnit(TimeUnit.SECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 3, time = 1)
@Fork(value = 1, jvmArgs = {"-XX:+UseSerialGC", "--enable-native-access=ALL-UNNAMED",
        "--sun-misc-unsafe-memory-access=allow"})
@State(Scope.Benchmark)
public class AioBenchmark {
    private static final int READS = 512;
    private static final int FILE_BYTES = 256 << 20;

    /** Who reads: arguments of {@link AioIops}, with blanks written as {@code +}. */
    @Param({"engine=io_uring", "engine=io_uring+register=1", "engine=io_uring+mode=reaper",
            "engine=io_uring+mode=reaper+entry=reaper", "engine=libaio", "engine=libaio+mode=reaper", "engine=channel",
            "engine=memory", "engine=null", "engine=artemis", "engine=file-channel", "engine=async-channel"})
    public String who = "engine=io_uring";

    /** Where the file is. */
    @Param({"tmpfs", "disk"})
    public String place = "tmpfs";

    /** Reads in flight. */
    @Param({"1", "64"})
    public int depth;

    private @Nullable Path path;
    private @Nullable AioEngine engine;
    private @Nullable AioFile file;
    private @Nullable RandomReads reads;

    /**
     * Makes a file with content, and opens it.
     *
     * @throws IOException if that fails
     */
    @Setup
    public void open() throws IOException {
        Path directory = Path.of(place.equals("tmpfs")
                ? System.getProperty("jmh.tmpfs", "/dev/shm")
                : System.getProperty("jmh.disk", "."));
        Path made = Files.createTempFile(directory, "blkmq-bench-", ".img");
        path = made;
        byte[] content = new byte[1 << 20];
        new Random(1).nextBytes(content);
        try (FileOutputStream out = new FileOutputStream(made.toFile())) {
            for (int written = 0; written < FILE_BYTES; written += content.length) {
                out.write(content);
            }
            // What is written back meanwhile would be measured, too.
            out.getFD().sync();
        }
        RandomReads.Subject subject = RandomReads.Subject
                .of((who + "+depth=" + depth + "+file=" + made).split("\\+", -1));
        if (subject.isOurs()) {
            AioEngine opened = subject.openEngine();
            engine = opened;
            AioFile openedFile = opened.open(made, AioFile.Access.READ_ONLY, true);
            file = openedFile;
            reads = subject.reads(opened, openedFile, 0);
        } else {
            reads = subject.othersReads(0);
        }
    }

    /**
     * Closes and deletes.
     *
     * @throws IOException if that fails
     */
    @TearDown
    public void close() throws IOException {
        Objects.requireNonNull(reads).close();
        if (file != null) {
            file.close();
        }
        if (engine != null) {
            engine.close();
        }
        Files.delete(Objects.requireNonNull(path));
    }

    /**
     * Random reads.
     *
     * @throws IOException if one fails
     */
    @Benchmark
    @OperationsPerInvocation(READS)
    public void randomRead() throws IOException {
        Objects.requireNonNull(reads).run(READS);
    }
}
