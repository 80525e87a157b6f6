package io.blkmq.loop;

import io.blkmq.aio.AioEngineConfig;
import io.blkmq.aio.AioEngines;
import io.blkmq.core.IoRuntime;
import io.blkmq.core.PartitionListener;
import io.blkmq.core.driver.TagSet;
import io.blkmq.loop.transfer.TransferFunction;
import io.blkmq.loop.transfer.TransferFunctions;
import io.blkmq.loop.transfer.TransferKey;
import java.nio.file.Path;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** How a file is to become a device. Immutable; checked when it is built. The kernel's counterpart is {@code struct loop_config}. */
public final class LoopConfig {
    /** The depth of a hardware queue, as the kernel's. */
    public static final int DEPTH_DEFAULT = 128;

    private final Path file;
    private final String name;
    private final boolean readOnly;
    private final boolean direct;
    private final @Nullable String engine;
    private final boolean polled;
    private final int hardwareQueues;
    private final int depth;
    private final long offsetBytes;
    private final long sizeLimitBytes;
    private final int workers;
    private final boolean partScan;
    private final @Nullable PartitionListener partitionListener;
    private final TransferFunction transfer;
    private final TransferKey transferKey;
    private final IoRuntime runtime;

    private LoopConfig(Builder b) {
        this.file = b.file;
        this.name = b.name;
        this.readOnly = b.readOnly;
        this.direct = b.direct;
        this.engine = b.engine;
        this.polled = b.polled;
        this.hardwareQueues = b.hardwareQueues;
        this.depth = b.depth;
        this.offsetBytes = b.offsetBytes;
        this.sizeLimitBytes = b.sizeLimitBytes;
        this.workers = b.workers;
        this.partScan = b.partScan;
        this.partitionListener = b.partitionListener;
        this.transfer = b.transfer;
        this.transferKey = b.transferKey;
        this.runtime = b.runtime;
    }

    /**
     * Begins with the defaults: direct I/O by the fastest engine there is, completed by a reaper, one hardware queue of depth
     * 128, the whole file, writable.
     *
     * @param file an existing regular file or block device
     * @return a new builder
     */
    public static Builder builder(Path file) {
        return new Builder(file);
    }

    /**
     * The file.
     *
     * @return as given
     */
    public Path file() {
        return file;
    }

    /**
     * The device's name.
     *
     * @return for people
     */
    public String name() {
        return name;
    }

    /**
     * Whether the device only reads.
     *
     * @return true if writes are refused
     */
    public boolean isReadOnly() {
        return readOnly;
    }

    /**
     * Whether direct I/O through an engine is wanted (LO_FLAGS_DIRECT_IO, once USE_AIO), or buffered I/O through the work queue.
     *
     * @return true for direct
     */
    public boolean isDirect() {
        return direct;
    }

    /**
     * The engine for direct I/O.
     *
     * @return its name; the fastest there is if none was set
     */
    public String engine() {
        String name = engine;
        return name != null ? name : AioEngines.best();
    }

    /**
     * Whether completions are found by the submitting thread.
     *
     * @return true for polled, false for a reaper
     */
    public boolean isPolled() {
        return polled;
    }

    /**
     * How many hardware queues, each with an engine of its own.
     *
     * @return at least 1
     */
    public int hardwareQueues() {
        return hardwareQueues;
    }

    /**
     * How many requests a hardware queue has.
     *
     * @return at least 1
     */
    public int depth() {
        return depth;
    }

    /**
     * Where in the file the device begins.
     *
     * @return bytes
     */
    public long offsetBytes() {
        return offsetBytes;
    }

    /**
     * The device's size at the most.
     *
     * @return bytes; 0 for no limit
     */
    public long sizeLimitBytes() {
        return sizeLimitBytes;
    }

    /**
     * How many threads do blocking I/O: of the work queue, or of the {@code channel} engine.
     *
     * @return 0 for the default: 1 for the work queue, 16 for the engine
     */
    public int workers() {
        return workers;
    }

    /**
     * Whether the device reads its partition table by itself (LO_FLAGS_PARTSCAN).
     *
     * @return true if it does
     */
    public boolean isPartScan() {
        return partScan;
    }

    /**
     * Who is told of partitions from the attachment on.
     *
     * @return null for nobody
     */
    public @Nullable PartitionListener partitionListener() {
        return partitionListener;
    }

    /**
     * What stands in the file in place of the data (lo_encrypt_type).
     *
     * @return {@link TransferFunctions#NONE} for the data itself
     */
    public TransferFunction transfer() {
        return transfer;
    }

    /** The transfer function's key, which the device wipes. */
    TransferKey transferKey() {
        return transferKey;
    }

    /**
     * Threads and time.
     *
     * @return the runtime
     */
    public IoRuntime runtime() {
        return runtime;
    }

    /** Builds configurations. For one thread. */
    public static final class Builder {
        private final Path file;
        private String name = "loop0";
        private boolean readOnly;
        private boolean direct = true;
        private @Nullable String engine;
        private boolean polled;
        private int hardwareQueues = 1;
        private int depth = DEPTH_DEFAULT;
        private long offsetBytes;
        private long sizeLimitBytes;
        private int workers;
        private boolean partScan;
        private @Nullable PartitionListener partitionListener;
        private TransferFunction transfer = TransferFunctions.NONE;
        private TransferKey transferKey = TransferKey.none();
        private IoRuntime runtime = IoRuntime.system();

        private Builder(Path file) {
            this.file = Objects.requireNonNull(file, "file");
        }

        /**
         * Sets the device's name.
         *
         * @param value for people
         * @return this
         */
        public Builder name(String value) {
            this.name = value;
            return this;
        }

        /**
         * Opens the file for reading only.
         *
         * @param value true for a read-only device
         * @return this
         */
        public Builder readOnly(boolean value) {
            this.readOnly = value;
            return this;
        }

        /**
         * Chooses direct I/O through an engine, or buffered I/O through the work queue. A file that cannot do direct I/O gets
         * buffered: {@link LoopDevice#isDirect} tells.
         *
         * @param value true for direct
         * @return this
         */
        public Builder direct(boolean value) {
            this.direct = value;
            return this;
        }

        /**
         * Sets the engine for direct I/O.
         *
         * @param value one of {@link AioEngines#providers}
         * @return this
         */
        public Builder engine(String value) {
            this.engine = value;
            return this;
        }

        /**
         * Lets the submitting thread find completions. Each hardware queue then belongs to the platform thread that uses it
         * first.
         *
         * @param value true for polled
         * @return this
         */
        public Builder polled(boolean value) {
            this.polled = value;
            return this;
        }

        /**
         * Sets the number of hardware queues.
         *
         * @param value 1 to {@value TagSet#HARDWARE_QUEUES_MAX}
         * @return this
         */
        public Builder hardwareQueues(int value) {
            this.hardwareQueues = value;
            return this;
        }

        /**
         * Sets the depth of each hardware queue.
         *
         * @param value 1 to {@value TagSet#DEPTH_MAX}
         * @return this
         */
        public Builder depth(int value) {
            this.depth = value;
            return this;
        }

        /**
         * Sets where in the file the device begins.
         *
         * @param value bytes, any number from 0; direct I/O needs an aligned one
         * @return this
         */
        public Builder offsetBytes(long value) {
            this.offsetBytes = value;
            return this;
        }

        /**
         * Sets the device's size at the most.
         *
         * @param value bytes; 0 for no limit
         * @return this
         */
        public Builder sizeLimitBytes(long value) {
            this.sizeLimitBytes = value;
            return this;
        }

        /**
         * Sets how many threads do blocking I/O.
         *
         * @param value 0 for the default
         * @return this
         */
        public Builder workers(int value) {
            this.workers = value;
            return this;
        }

        /**
         * Lets the device read its partition table when it is attached, and again when its file or its size changes:
         * {@link io.blkmq.core.Disk#partitions()}. Not on a polled device, whose ring would belong to the attaching thread from then
         * on; there the owner calls {@link io.blkmq.core.Partitions#rescan}.
         *
         * @param value true for partitions
         * @return this
         */
        public Builder partScan(boolean value) {
            this.partScan = value;
            return this;
        }

        /**
         * Sets who is told of partitions, those included that the attachment finds.
         *
         * @param value null for nobody
         * @return this
         */
        public Builder partitionListener(@Nullable PartitionListener value) {
            this.partitionListener = value;
            return this;
        }

        /**
         * Sets what stands in the file in place of the data. A device with a transfer function has no discard, and writes zeroes by
         * writing them.
         *
         * @param function one of {@link TransferFunctions#all}, or another
         * @param key its key; the device that is attached with it wipes it when it is detached, so that it serves for one device
         * @return this
         */
        public Builder transfer(TransferFunction function, TransferKey key) {
            this.transfer = function;
            this.transferKey = key;
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
         * Checks and builds.
         *
         * @return the configuration
         * @throws IllegalArgumentException naming what is wrong, its value and its limit
         */
        public LoopConfig build() {
            require("hardwareQueues", hardwareQueues, 1, TagSet.HARDWARE_QUEUES_MAX);
            require("depth", depth, 1, TagSet.DEPTH_MAX);
            require("offsetBytes", offsetBytes, 0, Long.MAX_VALUE);
            require("sizeLimitBytes", sizeLimitBytes, 0, Long.MAX_VALUE);
            require("workers", workers, 0, AioEngineConfig.WORKERS_MAX);
            if (partScan && polled) {
                throw new IllegalArgumentException(
                        "partScan of a polled device: the ring would belong to the thread that"
                                + " attaches it; let its owner call disk().partitions().rescan()");
            }
            transfer.checkKeyBytes(transferKey.length());
            if (engine != null) {
                AioEngines.find(engine);
            }
            return new LoopConfig(this);
        }

        private static void require(String name, long value, long min, long max) {
            if (value < min || value > max) {
                throw new IllegalArgumentException(name + " " + value + ": " + min + " to " + max + " are possible");
            }
        }
    }
}
