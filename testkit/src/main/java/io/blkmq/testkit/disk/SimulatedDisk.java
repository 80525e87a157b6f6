package io.blkmq.testkit.disk;

import io.blkmq.core.BioObserver;
import io.blkmq.core.Disk;
import io.blkmq.core.Operation;
import io.blkmq.core.QueueLimits;
import io.blkmq.core.driver.RequestQueue;
import io.blkmq.core.driver.TagSet;
import io.blkmq.core.nullblk.BadBlocks;
import io.blkmq.runtime.IoRuntime;
import java.io.IOException;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * A disk in memory that does what a test wants: it loses power, forgets, lies, fails and takes its time, and the same seed does the same
 * again. {@link #disk()} is what the tested code is given; this is the handle for commands.
 *
 * <pre>
 *   try (SimulatedDisk simulated = SimulatedDisk.consumerSsd().capacityBytes(1 &lt;&lt; 20).build()) {
 *       simulated.disk().write(0, page);
 *       simulated.powerCut(PowerCut.ALL_LOST);
 *       simulated.disk().read(0, page);         // as if it had never been written: nobody has flushed
 *   }
 * </pre>
 *
 * <p><b>The model.</b> A write is received, and takes effect when its time is over, in pieces of the <i>atomic unit</i>: a piece is there
 * as a whole or not at all. With a volatile write cache ({@link QueueLimits#hasWriteCache}) what has taken effect is seen by reads and is
 * not durable until a flush has ended that began later; a write with FUA is durable when it ends. Without a cache every write is. What is
 * not durable, and what is in flight, is at the mercy of a {@link PowerCut}. When the cache is full the device makes the older half of it
 * durable, as it may at any time.
 *
 * <p><b>A power cut</b> takes no time: the device comes back with what has survived. Requests that were in flight end with
 * {@link io.blkmq.core.Status#TRANSPORT}, whatever has become of them; those that were still in the block layer are carried out
 * afterwards.
 *
 * <p>Content and state are deterministic. On a {@link io.blkmq.sim.DeterministicRuntime} everything is; on the system's runtime, which is
 * the default, latencies are waited for in real time and requests meet as threads and timers have it. Thread-safe.
 *
 * @since 0.1.0
 */
public final class SimulatedDisk implements AutoCloseable {
    /** The largest atomic unit. */
    public static final int ATOMIC_UNIT_BYTES_MAX = 1 << 20;
    /** The most requests that a device serves at once, if there is a bound. */
    public static final int PARALLELISM_MAX = 65_536;

    private final Disk disk;
    private final SimulatedDevice device;
    private final BioObserver recorder;

    private SimulatedDisk(Disk disk, SimulatedDevice device) {
        this.disk = disk;
        this.device = device;
        this.recorder = device::submitted;
    }

    // ---- making one

    /**
     * Begins with a disk of 64 MiB without any latency, blocks and an atomic unit of 512 bytes, a volatile write cache without bound, FUA,
     * discards and writes of zeroes, one hardware queue of depth 128, on the system's runtime.
     *
     * @return a new builder
     */
    public static Builder builder() {
        return new Builder();
    }

    /**
     * Begins with a flash drive of a desktop computer: a volatile cache of 32 MiB with FUA, an atomic unit of 4096 bytes, reads of some
     * 80 microseconds with a long tail, writes to the cache of 20, flushes of a millisecond and more, 2 GB/s. The figures of this and the
     * other presets are of the usual order, and of no product.
     *
     * @return a new builder
     */
    public static Builder consumerSsd() {
        return builder().name("consumer-ssd").limits(ssd().writeCache(true, true).build()).cacheBytes(32L << 20)
                .atomicUnitBytes(4096).parallelism(32).bytesPerSecond(2_000_000_000L)
                .latency(LatencyModel.longTail(micros(20), micros(200)))
                .latency(Operation.READ, LatencyModel.longTail(micros(80), micros(600)))
                .latency(Operation.FLUSH, LatencyModel.longTail(micros(1_000), micros(8_000)));
    }

    /**
     * Begins with a flash drive of a server that has power-loss protection: for its host it has no volatile cache, and every write that has
     * ended is durable. A write that is in flight when the power fails can be torn at 4096 bytes.
     *
     * @return a new builder
     */
    public static Builder dataCentreSsd() {
        return builder().name("data-centre-ssd").limits(ssd().build()).atomicUnitBytes(4096).parallelism(64)
                .bytesPerSecond(3_000_000_000L).latency(LatencyModel.longTail(micros(15), micros(60)))
                .latency(Operation.READ, LatencyModel.longTail(micros(80), micros(250)));
    }

    /**
     * Begins with a disk of 7200 revolutions a minute: one arm whose way depends on where the last request ended, a volatile cache of
     * 64 MiB without FUA, physical blocks and an atomic unit of 4096 bytes, 200 MB/s. It can neither discard nor write zeroes by itself.
     *
     * @return a new builder
     */
    public static Builder hardDisk() {
        QueueLimits limits = QueueLimits.builder().physicalBlockBytes(4096).anyMemory(true).rotational(true)
                .writeCache(true, false).build();
        return builder().name("hard-disk").limits(limits).cacheBytes(64L << 20).atomicUnitBytes(4096).parallelism(1)
                .bytesPerSecond(200_000_000L).latency(LatencyModel.seek(micros(1_000), micros(16_000), micros(8_333)))
                .latency(Operation.WRITE, LatencyModel.fixed(micros(100)));
    }

    /**
     * Begins with a volume of a storage service: no volatile cache, since it answers when other machines have the data, half a
     * millisecond with a long tail for each operation, 250 MB/s, an atomic unit of 4096 bytes.
     *
     * @return a new builder
     */
    public static Builder networkDisk() {
        return builder().name("network-disk").limits(ssd().build()).atomicUnitBytes(4096).parallelism(64)
                .bytesPerSecond(250_000_000L).latency(LatencyModel.longTail(micros(500), micros(5_000)));
    }

    private static QueueLimits.Builder ssd() {
        return QueueLimits.builder().physicalBlockBytes(4096).anyMemory(true).discardBytesMax(1L << 30)
                .writeZeroesBytesMax(1L << 30);
    }

    private static long micros(long value) {
        return TimeUnit.MICROSECONDS.toNanos(value);
    }

    /**
     * A disk of the default kind with given content.
     *
     * @param image its content and size
     * @return the disk, to be closed
     * @throws IOException if there is no memory for its requests
     */
    public static SimulatedDisk of(DiskImage image) throws IOException {
        return builder().image(image).build();
    }

    // ---- what it is

    /**
     * The disk for the tested code.
     *
     * @return always the same; closing it closes the device, and its content can still be looked at
     */
    public Disk disk() {
        return disk;
    }

    /**
     * Its faults.
     *
     * @return always the same
     */
    public DiskFaults faults() {
        return device.faults();
    }

    /**
     * How many requests the device has.
     *
     * @return now
     */
    public int inFlight() {
        return device.inFlight();
    }

    /**
     * The latest requests that the device was given, also those that are in flight.
     *
     * @return the oldest first, at most 64
     */
    public List<SeenRequest> lastRequests() {
        return device.seen();
    }

    // ---- power

    /**
     * The power fails and comes back. Requests at the device end with {@link io.blkmq.core.Status#TRANSPORT}; their completions run on the
     * calling thread, within this call, as far as the disk's affinity leaves them there.
     *
     * @param policy what is left of what is not durable
     */
    public void powerCut(PowerCut policy) {
        device.powerCut(Objects.requireNonNull(policy, "policy"));
    }

    /**
     * The device disappears without warning, and stays away: what it has, and what it would have been given, ends with
     * {@link io.blkmq.core.Status#NODEV}. Its content stays as it was, for {@link #snapshot(PowerCut)}.
     */
    public void remove() {
        device.remove();
        disk.queue().markDead();
    }

    // ---- content

    /**
     * All of its content, as reads see it now.
     *
     * @return an image, which later writes do not change
     */
    public DiskImage snapshot() {
        return device.snapshot(null);
    }

    /**
     * The content that there would be after a power cut now. The disk stays as it is.
     *
     * @param policy what would be left of what is not durable
     * @return an image
     */
    public DiskImage snapshot(PowerCut policy) {
        return device.snapshot(Objects.requireNonNull(policy, "policy"));
    }

    /**
     * Exchanges the content for another, all of which is durable. It costs next to nothing, so that one disk can show thousands of images
     * one after the other. The latencies and the choices of the seed begin anew; the fault rules and their counts stay.
     *
     * @param image of the same size
     * @throws IllegalArgumentException if it is of another size
     * @throws IllegalStateException if requests are in flight
     */
    public void load(DiskImage image) {
        requireSize(image.sizeBytes(), disk.sizeBytes());
        device.exchange(image);
    }

    private static void requireSize(long imageBytes, long diskBytes) {
        if (imageBytes != diskBytes) {
            throw new IllegalArgumentException(
                    "image of " + imageBytes + " bytes for a disk of " + diskBytes + " bytes: they must be equal");
        }
    }

    /**
     * Whether a range would be the same after any power cut: nothing that was written there waits in the cache or is in flight.
     *
     * @param offset where it begins, in bytes
     * @param bytes how long it is
     * @return whether all of it is durable
     * @throws IndexOutOfBoundsException if it is not within the disk
     */
    public boolean isDurable(long offset, long bytes) {
        if (offset < 0 || bytes < 0 || offset > disk.sizeBytes() - bytes) {
            throw new IndexOutOfBoundsException(
                    bytes + " bytes at offset " + offset + ": the disk has " + disk.sizeBytes() + " bytes");
        }
        return device.isDurable(offset, bytes);
    }

    // ---- recording

    /**
     * Notes for a record that the workload has been told, or has told somebody, that something is safe.
     *
     * @return how many acknowledgements there are with this one
     */
    public int acknowledge() {
        return device.acknowledge();
    }

    /** Begins to record what happens. The log is to be read after {@link #stopRecording}. */
    DiskLog record() {
        DiskLog log = device.record();
        disk.queue().addObserver(recorder);
        return log;
    }

    /** Ends the record. */
    void stopRecording() {
        disk.queue().removeObserver(recorder);
        device.stopRecording();
    }

    /**
     * Closes the disk. What faults hold up ends with {@link io.blkmq.core.Status#NODEV}; everything else that is in flight is waited for.
     * It does not flush, and its content can still be looked at. Closing again does nothing.
     *
     * @throws IllegalStateException if called by a completion
     */
    @Override
    public void close() {
        if (!disk.isClosed()) {
            disk.queue().requireNoCompletion("close");
            faults().clear();
            device.giveUpHeld();
        }
        disk.close();
    }

    @Override
    public String toString() {
        return "simulated " + disk;
    }

    /** Describes a simulated disk. For one thread. */
    public static final class Builder {
        private String name = "sim0";
        private long capacityBytes = 64L << 20;
        private @Nullable DiskImage image;
        private QueueLimits limits = QueueLimits.builder().anyMemory(true).discardBytesMax(1L << 30)
                .writeZeroesBytesMax(1L << 30).writeCache(true, true).build();
        private int atomicUnitBytes;
        private long cacheBytes;
        private final Map<Operation, LatencyModel> latencies = new EnumMap<>(Operation.class);
        private long bytesPerSecond;
        private int parallelism;
        private int hardwareQueues = 1;
        private int depth = 128;
        private long timeoutNanos = TagSet.TIMEOUT_NANOS_DEFAULT;
        private boolean merging;
        private long seed;
        private @Nullable BadBlocks badBlocks;
        private IoRuntime runtime = IoRuntime.system();

        private Builder() {}

        /**
         * Sets the name.
         *
         * @param value for people
         * @return this
         */
        public Builder name(String value) {
            this.name = value;
            return this;
        }

        /**
         * Sets the size. Only what is written takes memory.
         *
         * @param value bytes, a positive multiple of the logical block size
         * @return this
         */
        public Builder capacityBytes(long value) {
            this.capacityBytes = value;
            this.image = null;
            return this;
        }

        /**
         * Sets the content, and the size with it.
         *
         * @param value what the disk begins with
         * @return this
         */
        public Builder image(DiskImage value) {
            this.image = value;
            this.capacityBytes = value.sizeBytes();
            return this;
        }

        /**
         * Sets all that the block layer is told about the device: block sizes, largest requests, what it can do, and whether it has a
         * volatile write cache and FUA.
         *
         * @param value the limits
         * @return this
         */
        public Builder limits(QueueLimits value) {
            this.limits = value;
            return this;
        }

        /**
         * Sets of the limits whether there is a volatile write cache, and whether single writes can go through it.
         *
         * @param cache whether there is one
         * @param fua whether there is FUA; without, the block layer flushes after such writes
         * @return this
         * @throws IllegalArgumentException if there is to be FUA without a cache
         */
        public Builder writeCache(boolean cache, boolean fua) {
            this.limits = limits.toBuilder().writeCache(cache, fua).build();
            return this;
        }

        /**
         * Bounds the volatile write cache: with more in it, the device makes the older half durable.
         *
         * @param value bytes, at least one atomic unit; 0 for no bound
         * @return this
         */
        public Builder cacheBytes(long value) {
            this.cacheBytes = value;
            return this;
        }

        /**
         * Sets what is written as a whole or not at all when the power fails: units begin at multiples of it.
         *
         * @param value bytes, a power of two from 512 to {@value SimulatedDisk#ATOMIC_UNIT_BYTES_MAX}; 0 for 512
         * @return this
         */
        public Builder atomicUnitBytes(int value) {
            this.atomicUnitBytes = value;
            return this;
        }

        /**
         * Sets how long all operations take.
         *
         * @param model for each of them
         * @return this
         */
        public Builder latency(LatencyModel model) {
            for (Operation operation : Operation.values()) {
                latencies.put(operation, model);
            }
            return this;
        }

        /**
         * Sets how long one operation takes.
         *
         * @param operation which
         * @param model for this one
         * @return this
         */
        public Builder latency(Operation operation, LatencyModel model) {
            latencies.put(operation, model);
            return this;
        }

        /**
         * Bounds how many bytes of reads and writes go through in a second, all together.
         *
         * @param value bytes; 0 for no bound
         * @return this
         */
        public Builder bytesPerSecond(long value) {
            this.bytesPerSecond = value;
            return this;
        }

        /**
         * Sets how many requests the device serves at once; the others wait their turn inside of it.
         *
         * @param value 1 to {@value SimulatedDisk#PARALLELISM_MAX}; 0 for no bound
         * @return this
         */
        public Builder parallelism(int value) {
            this.parallelism = value;
            return this;
        }

        /**
         * Sets the number of hardware queues.
         *
         * @param value at least 1
         * @return this
         */
        public Builder hardwareQueues(int value) {
            this.hardwareQueues = value;
            return this;
        }

        /**
         * Sets the depth of each hardware queue.
         *
         * @param value requests
         * @return this
         */
        public Builder depth(int value) {
            this.depth = value;
            return this;
        }

        /**
         * Sets how long a request may be in flight before it has timed out: when {@link Fault#timeOut} ends it.
         *
         * @param value nanoseconds, at least a millisecond
         * @return this
         */
        public Builder timeoutNanos(long value) {
            this.timeoutNanos = value;
            return this;
        }

        /**
         * Sets whether the block layer may make one request of neighbouring bios. Without, each bio, or part of one that is too large, is
         * a request, which is what counts for fault rules and power cuts.
         *
         * @param value false unless set
         * @return this
         */
        public Builder merging(boolean value) {
            this.merging = value;
            return this;
        }

        /**
         * Sets what decides where something is left to chance: latencies, and which bits are turned over.
         *
         * @param value any; 0 unless set
         * @return this
         */
        public Builder seed(long value) {
            this.seed = value;
            return this;
        }

        /**
         * Sets sectors that cannot be read or written: they fail with {@link io.blkmq.core.Status#MEDIUM}.
         *
         * @param value may change while the disk is in use
         * @return this
         */
        public Builder badBlocks(BadBlocks value) {
            this.badBlocks = value;
            return this;
        }

        /**
         * Sets where threads and time come from.
         *
         * @param value a runtime
         * @return this
         */
        public Builder runtime(IoRuntime value) {
            this.runtime = value;
            return this;
        }

        /**
         * Makes the disk.
         *
         * @return the disk, to be closed
         * @throws IllegalArgumentException with the name and the value of what is wrong or contradicts something else
         * @throws IOException if there is no memory for its requests
         */
        public SimulatedDisk build() throws IOException {
            long capacity = DiskImage.requireSize(capacityBytes);
            require(capacity % limits.logicalBlockBytes() == 0, "capacityBytes", capacity,
                    "must be a multiple of the logical block size of " + limits.logicalBlockBytes() + " bytes");
            int unit = requireUnit();
            require(cacheBytes == 0 || limits.hasWriteCache(), "cacheBytes", cacheBytes,
                    "the limits say that there is no volatile write cache");
            require(cacheBytes == 0 || cacheBytes >= unit, "cacheBytes", cacheBytes,
                    "must be at least the atomic unit of " + unit + " bytes, or 0 for no bound");
            require(bytesPerSecond >= 0, "bytesPerSecond", bytesPerSecond, "must be 0 or more");
            require(parallelism >= 0 && parallelism <= PARALLELISM_MAX, "parallelism", parallelism,
                    "0 to " + PARALLELISM_MAX + " are possible");
            DiskImage content = image != null ? image : DiskImage.zeroes(capacity);
            SimulatedDevice device = new SimulatedDevice(
                    new SimulatedDevice.Shape(runtime, limits, capacity, unit,
                            cacheBytes == 0 ? Long.MAX_VALUE : cacheBytes, seed, badBlocks),
                    new ServiceTimes(latencies, capacity, bytesPerSecond, parallelism), content);
            TagSet.Builder tags = TagSet.builder(device).hardwareQueues(hardwareQueues).depth(depth)
                    .timeoutNanos(timeoutNanos).runtime(runtime);
            return new SimulatedDisk(open(merging ? tags.flag(TagSet.Flag.MERGE) : tags, capacity), device);
        }

        private int requireUnit() {
            int unit = atomicUnitBytes == 0 ? QueueLimits.SECTOR_BYTES : atomicUnitBytes;
            require(Integer.bitCount(unit) == 1 && unit >= QueueLimits.SECTOR_BYTES && unit <= ATOMIC_UNIT_BYTES_MAX,
                    "atomicUnitBytes", unit, "a power of two from " + QueueLimits.SECTOR_BYTES + " to "
                            + ATOMIC_UNIT_BYTES_MAX + " is possible");
            return unit;
        }

        private Disk open(TagSet.Builder tags, long capacity) throws IOException {
            TagSet set = tags.build();
            try {
                RequestQueue queue = set.newQueue(name, limits, capacity / QueueLimits.SECTOR_BYTES, null);
                return Disk.of(queue, set);
            } catch (Throwable t) {
                set.close();
                throw t;
            }
        }

        private static void require(boolean holds, String parameter, long value, String rule) {
            if (!holds) {
                throw new IllegalArgumentException(parameter + " " + value + ": " + rule);
            }
        }
    }
}
