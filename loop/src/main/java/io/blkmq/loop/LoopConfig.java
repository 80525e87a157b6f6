package io.blkmq.loop;

import io.blkmq.aio.AioEngine;
import io.blkmq.aio.AioEngineProvider;
import io.blkmq.aio.AioEngines;
import io.blkmq.aio.AioFile;
import io.blkmq.aio.ReapListener;
import io.blkmq.core.Disk;
import io.blkmq.core.PartitionListener;
import io.blkmq.core.QueueLimits;
import io.blkmq.core.driver.CompletionBatch;
import io.blkmq.core.driver.TagSet;
import io.blkmq.loop.transfer.TransferFunction;
import io.blkmq.loop.transfer.TransferFunctions;
import io.blkmq.loop.transfer.TransferKey;
import io.blkmq.runtime.IoRuntime;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Objects;
import java.util.function.Consumer;
import org.agrona.concurrent.Agent;
import org.jspecify.annotations.Nullable;

/**
 * Describes how a file, or a disk, becomes a device. Immutable; checked when it is built. The kernel's counterpart is
 * {@code struct loop_config}.
 *
 * <p>For a device that is made for this one file ({@link LoopDevice#attach}) it also has the {@linkplain LoopParameters parameters}
 * and the name of the device. A device that exists already ({@link LoopDevice#configure}) has both; a value that is not set
 * here stays the device's.
 *
 * @since 0.1.0
 */
public final class LoopConfig {
    /**
     * Makes one batch for the block layer of the completions that an engine tells together: for an engine of the application's
     * ({@link Builder#engine(AioEngine)}), as the engines that devices open have it.
     */
    public static final ReapListener REAP_LISTENER = new OneBatch();
    /** The depth of a hardware queue, as the kernel's. */
    public static final int DEPTH_DEFAULT = LoopParameters.DEPTH_DEFAULT;
    /** The longest {@link #fileName}, in bytes of UTF-8: LO_NAME_SIZE less the byte that ends it. */
    public static final int FILE_NAME_BYTES_MAX = 63;

    private final @Nullable Path file;
    private final @Nullable Disk disk;
    private final @Nullable String name;
    private final String fileName;
    private final boolean readOnly;
    private final boolean exclusive;
    private final boolean direct;
    private final boolean autoclear;
    private final int blockBytes;
    private final long offsetBytes;
    private final long sizeLimitBytes;
    private final long createBytes;
    private final boolean partScan;
    private final @Nullable PartitionListener partitionListener;
    private final TransferFunction transfer;
    private final TransferKey transferKey;
    private final @Nullable LoopParameters parameters;

    private LoopConfig(Builder b) {
        this.file = b.file;
        this.disk = b.disk;
        this.name = b.name;
        this.fileName = b.fileName;
        this.readOnly = b.readOnly;
        this.exclusive = b.exclusive;
        this.direct = b.direct;
        this.autoclear = b.autoclear;
        this.blockBytes = b.blockBytes;
        this.offsetBytes = b.offsetBytes;
        this.sizeLimitBytes = b.sizeLimitBytes;
        this.createBytes = b.createBytes;
        this.partScan = b.partScan;
        this.partitionListener = b.partitionListener;
        this.transfer = b.transfer;
        this.transferKey = b.transferKey;
        this.parameters = b.parameters == null ? null : b.parameters.build();
    }

    /**
     * Begins with the defaults: direct I/O by the fastest engine there is, whose rings and reapers the devices of the process share, one
     * hardware queue of depth 128, the whole file, writable.
     *
     * @param file an existing regular file or block device; or the name of what {@linkplain AioEngines#namedBy one engine} alone can open, as
     *        {@code rbd:pool/image}
     * @return a new builder
     */
    public static Builder builder(Path file) {
        return new Builder(Objects.requireNonNull(file, "file"), null);
    }

    /**
     * Begins with the same defaults, for a device on a device: its I/O goes to another disk. No engine and no work queue takes part.
     *
     * @param disk an open disk that is not polled
     * @return a new builder
     */
    public static Builder builder(Disk disk) {
        return new Builder(null, Objects.requireNonNull(disk, "disk"));
    }

    /**
     * The file.
     *
     * @return as given; null if a disk was given
     */
    public @Nullable Path file() {
        return file;
    }

    /**
     * The disk.
     *
     * @return as given; null if a file was given
     */
    public @Nullable Disk disk() {
        return disk;
    }

    /**
     * The device's name.
     *
     * @return for people; {@code loop0} if none was set
     */
    public String name() {
        return name != null ? name : "loop0";
    }

    /** Whether a name was set. */
    boolean isNamed() {
        return name != null;
    }

    /**
     * The name that the caller gave the file (lo_file_name). The device does not look at it.
     *
     * @return empty if none was set
     */
    public String fileName() {
        return fileName;
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
     * Whether a block device is claimed for this device alone.
     *
     * @return true by default
     */
    public boolean isExclusive() {
        return exclusive;
    }

    /** What the file is opened for. */
    AioFile.Access access() {
        return readOnly
                ? AioFile.Access.READ_ONLY
                : exclusive ? AioFile.Access.READ_WRITE : AioFile.Access.READ_WRITE_SHARED;
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
     * Whether the file is detached with the device's last handle (LO_FLAGS_AUTOCLEAR).
     *
     * @return false by default
     */
    public boolean isAutoclear() {
        return autoclear;
    }

    /**
     * The logical block.
     *
     * @return bytes; 0 for the smallest that the file allows
     */
    public int blockBytes() {
        return blockBytes;
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
     * The size of the file that is made where there is none.
     *
     * @return bytes; 0 if none is made
     */
    public long createBytes() {
        return createBytes;
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
     * The listener that is told of partitions from the attachment on.
     *
     * @return null if there is no listener
     */
    public @Nullable PartitionListener partitionListener() {
        return partitionListener;
    }

    /**
     * The function that transforms data on its way to the file and back (lo_encrypt_type).
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
     * Queues, engine and threads of a device that is made for this file.
     *
     * @return the defaults where nothing was set: for a file that one engine alone can open, that engine
     */
    public LoopParameters parameters() {
        LoopParameters own = parameters;
        if (own != null) {
            return own;
        }
        LoopParameters.Builder defaults = LoopParameters.builder();
        AioEngineProvider alone = onlyEngine(file);
        return (alone == null ? defaults : defaults.engine(alone.name())).build();
    }

    /** The engine that alone can open what a name stands for; null for a file. */
    static @Nullable AioEngineProvider onlyEngine(@Nullable Path file) {
        return file == null ? null : AioEngines.namedBy(file).orElse(null);
    }

    /** Whether parameters were set. */
    boolean hasParameters() {
        return parameters != null;
    }

    /** Refuses a device that was made with another name or other parameters than this is for. */
    void requireSuits(String device, LoopParameters its) {
        if (isNamed() && !name().equals(device)) {
            throw new IllegalArgumentException(
                    "the configuration is for a device named " + name() + ", and this is " + device);
        }
        if (hasParameters() && !parameters().isLike(its)) {
            throw new IllegalArgumentException(
                    "the configuration is for a device with " + parameters() + ", and " + device + " has " + its);
        }
    }

    private static final class OneBatch implements ReapListener {
        @Override
        public void reapBegins() {
            CompletionBatch.open();
        }

        @Override
        public void reapEnds() {
            Objects.requireNonNull(CompletionBatch.current()).close();
        }
    }

    /** Builds configurations. For one thread. */
    public static final class Builder {
        private final @Nullable Path file;
        private final @Nullable Disk disk;
        private @Nullable String name;
        private String fileName = "";
        private boolean readOnly;
        private boolean exclusive = true;
        private boolean direct = true;
        private boolean autoclear;
        private int blockBytes;
        private long offsetBytes;
        private long sizeLimitBytes;
        private long createBytes;
        private boolean partScan;
        private @Nullable PartitionListener partitionListener;
        private TransferFunction transfer = TransferFunctions.NONE;
        private TransferKey transferKey = TransferKey.none();
        private LoopParameters.@Nullable Builder parameters;

        private Builder(@Nullable Path file, @Nullable Disk disk) {
            this.file = file;
            this.disk = disk;
        }

        private LoopParameters.Builder parameters() {
            LoopParameters.Builder own = parameters;
            if (own == null) {
                own = LoopParameters.builder();
                parameters = own;
            }
            return own;
        }

        /**
         * Sets the device's name. Several devices without one are all called {@code loop0}: give each its own where people or
         * {@link LoopDevice#registerMBean} tell them apart.
         *
         * @param value for people: in messages, counters and events
         * @return this
         */
        public Builder name(String value) {
            this.name = value;
            return this;
        }

        /**
         * Sets the name that the caller gives the file (lo_file_name).
         *
         * @param value at most {@value LoopConfig#FILE_NAME_BYTES_MAX} bytes of UTF-8
         * @return this
         */
        public Builder fileName(String value) {
            this.fileName = value;
            return this;
        }

        /**
         * Lets the file be detached with the device's last handle (LO_FLAGS_AUTOCLEAR).
         *
         * @param value true for that
         * @return this
         */
        public Builder autoclear(boolean value) {
            this.autoclear = value;
            return this;
        }

        /**
         * Sets the logical block, which offsets and lengths of I/O are multiples of.
         *
         * @param value a power of two from 512 to 65536; 0 for the smallest that the file allows
         * @return this
         */
        public Builder blockBytes(int value) {
            this.blockBytes = value;
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
         * Sets whether a block device that is written is claimed for this device alone (O_EXCL). One that is mounted cannot be
         * claimed, and so is refused: what a file system has in its cache and what is written below it would destroy each other.
         * An image on Ceph is locked as its module says. Means nothing for regular files, and for devices that only read.
         *
         * @param value false to write to a block device that is in use
         * @return this
         */
        public Builder exclusive(boolean value) {
            this.exclusive = value;
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
            var _ = parameters().engine(value);
            return this;
        }

        /**
         * Sets the engine for direct I/O: one that the application has opened, and closes after all devices that it was given to. See
         * {@link LoopParameters.Builder#engine(AioEngine)}.
         *
         * @param value an open engine
         * @return this
         */
        public Builder engine(AioEngine value) {
            var _ = parameters().engine(value);
            return this;
        }

        /**
         * Lets the submitting thread find completions. Each hardware queue then belongs to the platform thread that uses it
         * first: it polls, within its blocking calls or by {@link Disk#poll}. I/O that another thread begins there is refused with
         * {@link WrongThreadException}, which names the device and both threads.
         *
         * @param value true for polled
         * @return this
         */
        public Builder polled(boolean value) {
            var _ = parameters().polled(value);
            return this;
        }

        /**
         * Sets the number of hardware queues.
         *
         * @param value 1 to {@value TagSet#HARDWARE_QUEUES_MAX}
         * @return this
         */
        public Builder hardwareQueues(int value) {
            var _ = parameters().hardwareQueues(value);
            return this;
        }

        /**
         * Sets the depth of each hardware queue.
         *
         * @param value 1 to {@value TagSet#DEPTH_MAX}
         * @return this
         */
        public Builder depth(int value) {
            var _ = parameters().depth(value);
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
         * Lets the attachment make the file if it does not exist: sparse, of that size, all zeroes, and durable when the device is
         * attached. A file that exists stays as it is, whatever its size. The name appears when the file is whole; a process that is
         * killed before that leaves at most a file {@code .blkmq-*.new} in the same directory, which nobody needs.
         *
         * @param value bytes; 0 to make no file
         * @return this
         */
        public Builder createBytes(long value) {
            this.createBytes = value;
            return this;
        }

        /**
         * Sets how many threads do blocking I/O.
         *
         * @param value 0 for the default
         * @return this
         */
        public Builder workers(int value) {
            var _ = parameters().workers(value);
            return this;
        }

        /**
         * Lets writes with FUA go down to the file as such, where the engine has {@linkplain AioEngine#writesThrough durable writes},
         * or to the disk below, where that has FUA: {@link QueueLimits#hasFua} says so. Otherwise the block layer writes, and flushes
         * after that, which is what the kernel's driver has it do.
         *
         * @param value false for the kernel's way; true by default
         * @return this
         */
        public Builder fua(boolean value) {
            var _ = parameters().fua(value);
            return this;
        }

        /**
         * Lets the device read its partition table when it is attached, and again when its file, its size or its block changes:
         * {@link Disk#partitions()}. On a polled device nothing is read, since its ring would belong to the thread that changes it
         * from then on; there the owner calls {@link io.blkmq.core.Partitions#rescan}.
         *
         * @param value true for partitions
         * @return this
         */
        public Builder partScan(boolean value) {
            this.partScan = value;
            return this;
        }

        /**
         * Sets the listener for the partitions of a device that is made for this file, also for those that the attachment finds. A
         * device that is there already has {@link io.blkmq.core.Partitions#addListener}.
         *
         * @param value null for no listener
         * @return this
         */
        public Builder partitionListener(@Nullable PartitionListener value) {
            this.partitionListener = value;
            return this;
        }

        /**
         * Sets the function that transforms data on its way to the file and back. A device with such a function has no discard, and writes zeroes by
         * writing them.
         *
         * @param function one of {@link TransferFunctions#all}, or another
         * @param key its key; the device that is attached with it wipes it when it is detached, so that it serves for one attachment
         * @return this
         */
        public Builder transfer(TransferFunction function, TransferKey key) {
            this.transfer = function;
            this.transferKey = key;
            return this;
        }

        /**
         * Lets the application run the workers of the work queue: each is an {@link Agent} for a duty cycle of the application, which is
         * run by one thread. The device starts no thread for them. {@link Agent#doWork} carries out commands, and blocks as long as
         * the file does. An agent that is closed lets go of its thread, so that another may run it; the device stays as it is.
         *
         * <p>I/O of a buffered device, and discards of any, and flushes unless {@code io_uring} or {@code libaio} does them, wait until an agent is run. Changing, detaching and closing the device
         * does not: what is in flight ends then whether the agents are run or not.
         *
         * @param runner is given each of the workers once, when the device is made; null for threads of the runtime
         * @return this
         */
        @SuppressWarnings("exports") // who calls it has Agrona in a module of its own
        public Builder workerRunner(@Nullable Consumer<? super Agent> runner) {
            var _ = parameters().workerRunner(runner);
            return this;
        }

        /**
         * Sets where threads and time come from.
         *
         * @param value a runtime
         * @return this
         */
        public Builder runtime(IoRuntime value) {
            var _ = parameters().runtime(value);
            return this;
        }

        /**
         * Checks and builds.
         *
         * @return the configuration
         * @throws IllegalArgumentException with the name, the value and the limit of the wrong property
         */
        public LoopConfig build() {
            require("offsetBytes", offsetBytes, 0, Long.MAX_VALUE);
            require("sizeLimitBytes", sizeLimitBytes, 0, Long.MAX_VALUE);
            require("createBytes", createBytes, 0, Long.MAX_VALUE);
            if (createBytes > 0 && (file == null || readOnly)) {
                throw new IllegalArgumentException("createBytes " + createBytes + ": "
                        + (file == null
                                ? "a device on a disk has no file to make"
                                : "a read-only device makes no file"));
            }
            AioEngineProvider alone = onlyEngine(file);
            if (alone != null) {
                requireEngine(alone.name());
            }
            transfer.checkKeyBytes(transferKey.length());
            if (blockBytes != 0 && !isBlock(blockBytes)) {
                throw new IllegalArgumentException("blockBytes " + blockBytes + ": 0, or a power of two from "
                        + QueueLimits.SECTOR_BYTES + " to " + QueueLimits.LOGICAL_BLOCK_BYTES_MAX + ", is possible");
            }
            int bytes = fileName.getBytes(StandardCharsets.UTF_8).length;
            if (bytes > FILE_NAME_BYTES_MAX) {
                throw new IllegalArgumentException("fileName of " + bytes + " bytes: at most " + FILE_NAME_BYTES_MAX
                        + " are possible: " + fileName);
            }
            return new LoopConfig(this);
        }

        /** The file's name is of another storage than the file system: one engine alone can open it, and it is there already. */
        private void requireEngine(String alone) {
            if (createBytes > 0) {
                throw new IllegalArgumentException("createBytes " + createBytes + ": " + file
                        + " is no file that could be made; engine " + alone + " opens what is there");
            }
            LoopParameters.Builder own = parameters;
            if (own != null) {
                own.engineForName(alone, String.valueOf(file));
            }
        }
    }

    /** Whether that many bytes can be a logical block. */
    static boolean isBlock(int bytes) {
        return bytes >= QueueLimits.SECTOR_BYTES && bytes <= QueueLimits.LOGICAL_BLOCK_BYTES_MAX
                && Integer.bitCount(bytes) == 1;
    }

    static void require(String name, long value, long min, long max) {
        if (value < min || value > max) {
            throw new IllegalArgumentException(name + " " + value + ": " + min + " to " + max + " are possible");
        }
    }
}
