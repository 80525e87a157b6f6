package io.blkmq.core.nullblk;

import io.blkmq.core.Disk;
import io.blkmq.core.QueueLimits;
import io.blkmq.core.Status;
import io.blkmq.core.driver.BlockDriver;
import io.blkmq.core.driver.CompletionAffinity;
import io.blkmq.core.driver.DeviceDescription;
import io.blkmq.core.driver.HardwareContext;
import io.blkmq.core.driver.Parking;
import io.blkmq.core.driver.Request;
import io.blkmq.core.driver.RequestBatch;
import io.blkmq.core.driver.RequestQueue;
import io.blkmq.core.driver.SoftwareContext;
import io.blkmq.core.driver.TagSet;
import io.blkmq.core.driver.TimeoutAction;
import io.blkmq.runtime.IoRuntime;
import java.io.IOException;
import java.util.EnumSet;
import java.util.Locale;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * A device that does nothing, or keeps its data in memory, as fast as the block layer goes, or as slowly and badly as a test wants it.
 * The kernel's counterpart is {@code null_blk}.
 *
 * <p>Without memory a read leaves the caller's memory as it is, and a write does nothing. With memory the device is sparse: blocks that
 * were never written, or were discarded, read as zeroes and take no room. It may have a volatile write cache
 * ({@link Builder#cacheBytes}), which {@link #losePower} empties.
 *
 * @since 0.1.0
 */
public final class NullBlk implements BlockDriver {
    /** Which thread completes a request. */
    public enum Completion {
        /** The submitting thread, at once. */
        INLINE,
        /** A thread of the device, one for each hardware queue. */
        REAPER,
        /** A timer of the runtime, {@link Builder#completionNanos} later. */
        TIMER,
        /** The thread that calls {@link Disk#poll}. */
        POLLED
    }

    private final Completion completion;
    /** Whether a request is queued to be polled for, and nothing else. */
    private final boolean plainPolled;
    /** Whether whole batches are. */
    private final boolean takesBatches;
    private final long completionNanos;
    private final long blockNanos;
    private final @Nullable Injection timeouts;
    private final @Nullable Injection requeues;
    private final @Nullable Injection initFailures;
    private final @Nullable BadBlocks badBlocks;
    private final IoRuntime runtime;
    /** Counts injected requeues, which go either way in turn. */
    private final AtomicInteger requeued = new AtomicInteger();

    private NullBlk(Builder b) {
        this.completion = b.completion;
        boolean plain = !b.memoryBacked && b.bytesPerSecond == 0 && b.blockNanos == 0 && b.timeouts == null
                && b.requeues == null && b.badBlocks == null;
        this.plainPolled = plain && completion == Completion.POLLED;
        this.takesBatches = plainPolled || (plain && completion == Completion.REAPER);
        this.completionNanos = b.completionNanos;
        this.blockNanos = b.blockNanos;
        this.timeouts = b.timeouts;
        this.requeues = b.requeues;
        this.initFailures = b.initFailures;
        this.badBlocks = b.badBlocks;
        this.runtime = b.runtime;
    }

    /**
     * Begins with the defaults: 1 GiB without memory, polled, one hardware queue of depth 128, blocks of 512 bytes.
     *
     * @return a new builder
     */
    public static Builder builder() {
        return new Builder();
    }

    /**
     * The power of a device fails and comes back at once: the content of its write cache is gone. It happens between two requests; the
     * requests at the device go on. Any thread may call it.
     *
     * @param disk a null block device
     * @throws IllegalArgumentException if it is another
     */
    public static void losePower(Disk disk) {
        if (!(disk.queue().queueData() instanceof NullDevice device)) {
            throw new IllegalArgumentException(disk.name() + " is no null block device");
        }
        if (device.medium() != null) {
            device.medium().losePower();
        }
    }

    @Override
    public void initHctx(HardwareContext hctx, @Nullable Object driverData, int index) throws IOException {
        if (initFailures != null && initFailures.strikes()) {
            throw new IOException("injected: hardware context " + index + " cannot be made");
        }
        NullQueue queue = new NullQueue(hctx, (NullDevice) Objects.requireNonNull(hctx.queue().queueData()));
        hctx.setDriverData(queue);
        if (completion == Completion.REAPER) {
            queue.startReaper();
        }
    }

    @Override
    public void exitHctx(HardwareContext hctx, int index) {
        queueOf(hctx).stop();
    }

    @Override
    public Status queueRq(HardwareContext hctx, Request rq, boolean last) {
        if (!plainPolled) {
            return queueInFull(hctx, queueOf(hctx), rq);
        }
        queueOf(hctx).push(rq.softwareContext().index(), rq.tag(), rq.tag());
        return Status.OK;
    }

    private Status queueInFull(HardwareContext hctx, NullQueue queue, Request rq) {
        if (blockNanos > 0) {
            block();
        }
        if (requeues != null && requeues.strikes()) {
            if ((requeued.getAndIncrement() & 1) == 0) {
                return Status.RESOURCE;
            }
            rq.requeue(true);
            return Status.OK;
        }
        if (timeouts != null && timeouts.strikes()) {
            queue.lose(rq);
            return Status.OK;
        }
        Throttle throttle = queue.device.throttle();
        if (throttle != null) {
            long wait = throttle.nanosUntil(rq.bytes(), runtime.nanoTime());
            if (wait > 0) {
                queue.rerunIn(wait);
                return Status.RESOURCE;
            }
        }
        finish(hctx, queue, rq, carryOut(queue.device, rq));
        return Status.OK;
    }

    private void block() {
        long begin = runtime.nanoTime();
        for (long left = blockNanos; left > 0; left = blockNanos - (runtime.nanoTime() - begin)) {
            Parking.parkNanos(runtime, this, left);
        }
    }

    private Status carryOut(NullDevice device, Request rq) {
        boolean ranged = rq.operation().hasRange();
        long sectors = rq.bytes() / QueueLimits.SECTOR_BYTES;
        if (ranged && rq.sector() + sectors > rq.queue().capacitySectors()) {
            return Status.IOERR;
        }
        if (ranged && badBlocks != null && badBlocks.isAnyBad(rq.sector(), sectors)) {
            return Status.MEDIUM;
        }
        if (device.medium() != null) {
            device.medium().transfer(rq);
        }
        return Status.OK;
    }

    private void finish(HardwareContext hctx, NullQueue queue, Request rq, Status status) {
        boolean polled = hctx.isPolled();
        if (completion == Completion.INLINE && !polled) {
            rq.complete(status);
        } else if (completion == Completion.TIMER && !polled) {
            long generation = rq.generation();
            var _ = runtime.schedule(completionNanos, () -> rq.complete(generation, status));
        } else {
            queue.noteStatus(rq.tag(), status);
            int context = rq.softwareContext().index();
            if (polled) {
                queue.push(context, rq.tag(), rq.tag());
            } else {
                queue.pushForReaper(context, rq.tag(), rq.tag());
                queue.wakeReaper();
            }
        }
    }

    @Override
    public int queueRqs(HardwareContext hctx, RequestBatch batch) {
        if (!takesBatches) {
            return 0;
        }
        NullQueue queue = queueOf(hctx);
        int size = batch.size();
        int newest = batch.tag(size - 1);
        for (int i = size - 1, tag = newest; i > 0; i--) {
            int older = batch.tag(i - 1);
            queue.link(tag, older);
            tag = older;
        }
        int oldest = batch.tag(0);
        int context = batch.request(0).softwareContext().index();
        if (completion == Completion.REAPER && !hctx.isPolled()) {
            queue.pushForReaper(context, newest, oldest);
            queue.wakeReaper();
        } else {
            queue.push(context, newest, oldest);
        }
        return size;
    }

    @Override
    public int poll(HardwareContext hctx, SoftwareContext ctx) {
        return queueOf(hctx).complete(hctx, ctx.index());
    }

    /** Only what was lost is ended: anything else is on its way, and would come back under a tag that is in use again. */
    @Override
    public TimeoutAction timeout(Request rq) {
        if (!queueOf(rq.hardwareContext()).findLost(rq)) {
            return TimeoutAction.RESET_TIMER;
        }
        rq.complete(rq.generation(), Status.TIMEOUT);
        return TimeoutAction.DONE;
    }

    @Override
    public DeviceDescription describe(RequestQueue queue) {
        return new DeviceDescription("null",
                ((NullDevice) Objects.requireNonNull(queue.queueData())).medium() == null ? "" : "memory",
                completion.name().toLowerCase(Locale.ROOT), "");
    }

    private static NullQueue queueOf(HardwareContext hctx) {
        return (NullQueue) Objects.requireNonNull(hctx.driverData());
    }

    /** Describes a null block device. For one thread. */
    public static final class Builder {
        private String name = "nullb0";
        long capacityBytes = 1L << 30;
        int blockBytes = QueueLimits.SECTOR_BYTES;
        private int hardwareQueues = 1;
        private int readQueues;
        private int pollQueues;
        private int depth = 128;
        private int reservedTags;
        private final Set<TagSet.Flag> flags = EnumSet.of(TagSet.Flag.MERGE);
        private CompletionAffinity completionAffinity = CompletionAffinity.ANY;
        private Completion completion = Completion.POLLED;
        private long completionNanos = 10_000;
        private long timeoutNanos = TagSet.TIMEOUT_NANOS_DEFAULT;
        private long blockNanos;
        boolean memoryBacked;
        private boolean discard = true;
        long cacheBytes;
        private boolean fua;
        long bytesPerSecond;
        private boolean readOnly;
        private @Nullable Injection timeouts;
        private @Nullable Injection requeues;
        private @Nullable Injection initFailures;
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
         * Sets the size.
         *
         * @param value bytes, a positive multiple of the block size
         * @return this
         */
        public Builder capacityBytes(long value) {
            this.capacityBytes = value;
            return this;
        }

        /**
         * Sets the logical block size.
         *
         * @param value bytes
         * @return this
         */
        public Builder blockBytes(int value) {
            this.blockBytes = value;
            return this;
        }

        /**
         * Sets the number of hardware queues, apart from queues for reads and for polled I/O.
         *
         * @param value at least 1
         * @return this
         */
        public Builder hardwareQueues(int value) {
            this.hardwareQueues = value;
            return this;
        }

        /**
         * Sets the number of hardware queues for reads; without any they go with the rest.
         *
         * @param value 0 or more
         * @return this
         */
        public Builder readQueues(int value) {
            this.readQueues = value;
            return this;
        }

        /**
         * Sets the number of hardware queues whose completions are found by polling, for bios that say {@link io.blkmq.core.Bio#POLLED}.
         * With {@link Completion#POLLED} all are.
         *
         * @param value 0 or more
         * @return this
         */
        public Builder pollQueues(int value) {
            this.pollQueues = value;
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
         * Sets how many requests of each hardware queue are kept for commands without bios.
         *
         * @param value 0 to depth - 1
         * @return this
         */
        public Builder reservedTags(int value) {
            this.reservedTags = value;
            return this;
        }

        /**
         * Adds a property of the tags: host-wide, handed out in turn. {@link Completion#POLLED} adds its own, and
         * {@link TagSet.Flag#MERGE} is always there.
         *
         * @param value the property; {@link TagSet.Flag#BLOCKING} for a driver that may block
         * @return this
         */
        public Builder flag(TagSet.Flag value) {
            this.flags.add(value);
            return this;
        }

        /**
         * Lets {@code queueRq} block for a time, by the runtime's clock. Needs {@link TagSet.Flag#BLOCKING}.
         *
         * @param value nanoseconds, 0 for not at all
         * @return this
         */
        public Builder blockNanos(long value) {
            this.blockNanos = value;
            return this;
        }

        /**
         * Sets where completions run that another thread than the submitter's finds.
         *
         * @param value where
         * @return this
         */
        public Builder completionAffinity(CompletionAffinity value) {
            this.completionAffinity = value;
            return this;
        }

        /**
         * Sets which thread completes requests.
         *
         * @param value the mode
         * @return this
         */
        public Builder completion(Completion value) {
            this.completion = value;
            return this;
        }

        /**
         * Sets how long a request takes with {@link Completion#TIMER}.
         *
         * @param value nanoseconds, 0 or more; 10 microseconds unless set
         * @return this
         */
        public Builder completionNanos(long value) {
            this.completionNanos = value;
            return this;
        }

        /**
         * Sets how long a request may be in flight before it has timed out.
         *
         * @param value nanoseconds
         * @return this
         */
        public Builder timeoutNanos(long value) {
            this.timeoutNanos = value;
            return this;
        }

        /**
         * Sets whether data is kept.
         *
         * @param value true for a device in memory
         * @return this
         */
        public Builder memoryBacked(boolean value) {
            this.memoryBacked = value;
            return this;
        }

        /**
         * Sets whether a device in memory can discard.
         *
         * @param value true unless set
         * @return this
         */
        public Builder discard(boolean value) {
            this.discard = value;
            return this;
        }

        /**
         * Gives a device in memory a volatile write cache.
         *
         * @param value bytes, a multiple of the block size; 0 for none
         * @return this
         */
        public Builder cacheBytes(long value) {
            this.cacheBytes = value;
            return this;
        }

        /**
         * Sets whether the device with a write cache has writes that go through it; without, the block layer flushes after them.
         *
         * @param value true for FUA
         * @return this
         */
        public Builder fua(boolean value) {
            this.fua = value;
            return this;
        }

        /**
         * Bounds how many bytes a second go through, by the runtime's clock, in bursts of a hundredth of a second.
         *
         * @param value bytes; 0 for no bound
         * @return this
         */
        public Builder bytesPerSecond(long value) {
            this.bytesPerSecond = value;
            return this;
        }

        /**
         * Sets whether writes are refused.
         *
         * @param value true for a read-only device
         * @return this
         */
        public Builder readOnly(boolean value) {
            this.readOnly = value;
            return this;
        }

        /**
         * Lets requests get lost: they end with {@link Status#TIMEOUT} when their time is over.
         *
         * @param value which
         * @return this
         */
        public Builder injectTimeouts(Injection value) {
            this.timeouts = value;
            return this;
        }

        /**
         * Lets requests be refused with {@link Status#RESOURCE}, and be given back to the requeue list, in turn.
         *
         * @param value which
         * @return this
         */
        public Builder injectRequeues(Injection value) {
            this.requeues = value;
            return this;
        }

        /**
         * Lets hardware contexts fail to be made.
         *
         * @param value which
         * @return this
         */
        public Builder injectInitFailures(Injection value) {
            this.initFailures = value;
            return this;
        }

        /**
         * Sets which sectors fail.
         *
         * @param value the same for all disks that share tags
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
         * Makes the device.
         *
         * @return its disk; closing it frees everything
         * @throws IllegalArgumentException with the name and the value of the wrong property
         * @throws IOException if a hardware context could not be made: only where that is injected
         */
        public Disk build() throws IOException {
            NullTags tags = buildTags();
            try {
                return Disk.of(tags.newQueue(name), tags);
            } catch (Throwable t) {
                tags.close();
                throw t;
            }
        }

        /**
         * Makes tags that several null block devices share.
         *
         * @return without a disk yet
         * @throws IllegalArgumentException with the name and the value of the wrong property
         * @throws IOException if there is no memory for the requests
         */
        public NullTags buildTags() throws IOException {
            boolean discards = memoryBacked && discard;
            QueueLimits limits = QueueLimits.builder().logicalBlockBytes(blockBytes).anyMemory(true).readOnly(readOnly)
                    .discardBytesMax(discards ? 1L << 30 : 0).writeZeroesBytesMax(memoryBacked ? 1L << 30 : 0)
                    .writeCache(cacheBytes > 0, fua).build();
            require(capacityBytes > 0 && capacityBytes % blockBytes == 0, "capacityBytes", capacityBytes,
                    "must be a positive multiple of the block size of " + blockBytes + " bytes");
            require(cacheBytes >= 0 && cacheBytes % blockBytes == 0, "cacheBytes", cacheBytes,
                    "must be a multiple of the block size of " + blockBytes + " bytes, or 0");
            require(cacheBytes == 0 || memoryBacked, "cacheBytes", cacheBytes,
                    "only a device in memory has something to cache");
            require(completionNanos >= 0, "completionNanos", completionNanos, "must be 0 or more");
            require(blockNanos >= 0, "blockNanos", blockNanos, "must be 0 or more");
            require(blockNanos == 0 || flags.contains(TagSet.Flag.BLOCKING), "blockNanos", blockNanos,
                    "only with the flag BLOCKING may the driver block");
            require(bytesPerSecond >= 0, "bytesPerSecond", bytesPerSecond, "must be 0 or more");
            TagSet.Builder set = TagSet.builder(new NullBlk(this)).hardwareQueues(hardwareQueues).readQueues(readQueues)
                    .pollQueues(pollQueues).depth(depth).reservedTags(reservedTags)
                    .completionAffinity(completionAffinity).timeoutNanos(timeoutNanos).runtime(runtime);
            flags.forEach(set::flag);
            if (completion == Completion.POLLED) {
                set.flag(TagSet.Flag.POLLED);
            }
            return new NullTags(set.build(), limits, capacityBytes / QueueLimits.SECTOR_BYTES, devices());
        }

        /** What each disk gets of its own; the builder may be changed for others meanwhile. */
        private Supplier<NullDevice> devices() {
            boolean keeps = memoryBacked;
            int block = blockBytes;
            long cache = cacheBytes;
            long rate = bytesPerSecond;
            IoRuntime used = runtime;
            return () -> {
                Medium medium = !keeps ? null : cache == 0 ? new SparseMemory() : new CachedMemory(block, cache, used);
                return new NullDevice(medium, rate == 0 ? null : new Throttle(rate, used.nanoTime()));
            };
        }

        private static void require(boolean holds, String parameter, long value, String rule) {
            if (!holds) {
                throw new IllegalArgumentException(parameter + " " + value + ": " + rule);
            }
        }
    }
}
