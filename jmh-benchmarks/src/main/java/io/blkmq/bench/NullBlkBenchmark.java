package io.blkmq.bench;

import io.blkmq.core.Disk;
import io.blkmq.core.nullblk.NullBlk;
import java.io.IOException;
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
import org.openjdk.jmh.annotations.Threads;
import org.openjdk.jmh.annotations.Warmup;
import org.openjdk.jmh.infra.ThreadParams;

/**
 * The block layer alone: 4 KiB random reads of a null device whose completions are queued and found by polling. One operation is
 * one I/O, from the bio to its completion. Run with {@code -prof gc} to see what it allocates.
 */
@BenchmarkMode(Mode.Throughput)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Warmup(iterations = 5, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(value = 1, jvmArgs = {"-XX:+UseSerialGC", "--sun-misc-unsafe-memory-access=allow"})
public class NullBlkBenchmark {
    private static final int IOS = 1024;

    /** The device, which the threads share. */
    @State(Scope.Benchmark)
    public static class Device {
        /** I/Os that each thread keeps in flight. */
        @Param({"1", "64"})
        public int depth;

        /** Whether each thread has a hardware queue of its own, or all share one of the depth. */
        @Param({"own", "shared"})
        public String hardwareQueue = "own";

        /** Whether the disk counts what it does. */
        @Param({"true", "false"})
        public boolean iostats = true;

        /** What orders the requests; none if they go to the driver as they come. */
        @Param("none")
        public String elevator = "none";

        private @Nullable Disk disk;

        /**
         * Makes the device.
         *
         * @param threads how many will use it
         * @throws IOException never
         */
        @Setup
        public void make(org.openjdk.jmh.infra.BenchmarkParams threads) throws IOException {
            int queues = hardwareQueue.equals("own") ? threads.getThreads() : 1;
            disk = NullBlk.builder().capacityBytes(32L << 30).hardwareQueues(queues).depth(depth).build();
            disk().queue().setIostats(iostats);
            disk().queue().setElevator(elevator);
        }

        /** Closes it. */
        @TearDown
        public void close() {
            disk().close();
        }

        Disk disk() {
            return Objects.requireNonNull(disk);
        }
    }

    /** One thread. Where threads share a queue they share its tags, so that each keeps its part of the depth in flight. */
    @State(Scope.Thread)
    public static class Submitter {
        private @Nullable ClosedLoop loop;

        /**
         * Makes the thread's bios.
         *
         * @param device what they go to
         * @param thread which it is
         */
        @Setup
        public void make(Device device, ThreadParams thread) {
            boolean shared = device.hardwareQueue.equals("shared");
            int depth = shared ? Math.max(1, device.depth / thread.getThreadCount()) : device.depth;
            loop = new ClosedLoop(device.disk(), thread.getThreadIndex(), depth);
        }

        ClosedLoop loop() {
            return Objects.requireNonNull(loop);
        }
    }

    /**
     * One thread.
     *
     * @param submitter its state
     */
    @Benchmark
    @Threads(1)
    @OperationsPerInvocation(IOS)
    public void oneThread(Submitter submitter) {
        submitter.loop().run(IOS);
    }

    /**
     * Two threads.
     *
     * @param submitter the state of one
     */
    @Benchmark
    @Threads(2)
    @OperationsPerInvocation(IOS)
    public void twoThreads(Submitter submitter) {
        submitter.loop().run(IOS);
    }
}
