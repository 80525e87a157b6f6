package io.blkmq.core.nullblk;

import io.blkmq.core.Bio;
import io.blkmq.core.Disk;
import io.blkmq.core.IoRuntime;
import io.blkmq.core.Operation;
import io.blkmq.core.QueueLimits;
import io.blkmq.core.Status;
import io.blkmq.core.driver.BlockDriver;
import io.blkmq.core.driver.CompletionBatch;
import io.blkmq.core.driver.HardwareContext;
import io.blkmq.core.driver.Request;
import io.blkmq.core.driver.RequestBatch;
import io.blkmq.core.driver.RequestQueue;
import io.blkmq.core.driver.SoftwareContext;
import io.blkmq.core.driver.TagSet;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * A device that does nothing, or keeps its data in memory, as fast as the block layer goes. The kernel's counterpart is
 * {@code null_blk}.
 *
 * <p>Without memory reads leave the caller's memory as it is and writes go nowhere. With memory the device is sparse: what was
 * never written, and what was discarded, reads as zeroes and takes no room.
 */
public final class NullBlk implements BlockDriver {
    /** Who completes a request. */
    public enum Completion {
        /** The submitting thread, at once. */
        INLINE,
        /** A thread of the device, one for each hardware queue. */
        REAPER,
        /** Whoever calls {@link Disk#poll}. */
        POLLED
    }

    private final Completion completion;
    private final @Nullable SparseMemory memory;
    private final List<Reaper> reapers = new ArrayList<>();

    private NullBlk(Completion completion, @Nullable SparseMemory memory) {
        this.completion = completion;
        this.memory = memory;
    }

    /**
     * Begins with the defaults: 1 GiB without memory, polled, one hardware queue of depth 128, blocks of 512 bytes.
     *
     * @return a new builder
     */
    public static Builder builder() {
        return new Builder();
    }

    @Override
    public void initHctx(HardwareContext hctx, @Nullable Object driverData, int index) {
        CompletionLists completions = new CompletionLists(hctx.queue().contexts(), hctx.queue().tagSet().depth());
        hctx.setDriverData(completions);
        if (completion == Completion.REAPER) {
            reapers.add(new Reaper(hctx, completions));
        }
    }

    @Override
    public Status queueRq(HardwareContext hctx, Request rq, boolean last) {
        Status status = memory == null ? Status.OK : memory.transfer(rq);
        if (completion == Completion.INLINE) {
            rq.complete(status);
        } else {
            CompletionLists completions = completionsOf(hctx);
            completions.noteStatus(rq.tag(), status);
            completions.push(rq.softwareContext().index(), rq.tag(), rq.tag());
            wakeReaper(hctx);
        }
        return Status.OK;
    }

    @Override
    public int queueRqs(HardwareContext hctx, RequestBatch batch) {
        if (memory != null || completion == Completion.INLINE) {
            return 0;
        }
        CompletionLists completions = completionsOf(hctx);
        int size = batch.size();
        int newest = batch.request(size - 1).tag();
        for (int i = size - 1, tag = newest; i > 0; i--) {
            int older = batch.request(i - 1).tag();
            completions.link(tag, older);
            tag = older;
        }
        Request first = batch.request(0);
        completions.push(first.softwareContext().index(), newest, first.tag());
        wakeReaper(hctx);
        return size;
    }

    @Override
    public int poll(HardwareContext hctx, SoftwareContext ctx) {
        return completionsOf(hctx).complete(hctx, ctx.index());
    }

    private static CompletionLists completionsOf(HardwareContext hctx) {
        return (CompletionLists) Objects.requireNonNull(hctx.driverData());
    }

    private void wakeReaper(HardwareContext hctx) {
        if (completion == Completion.REAPER) {
            reapers.get(hctx.index()).wake();
        }
    }

    /** Completes what is queued on one hardware context, and sleeps when there is nothing. */
    private static final class Reaper implements Runnable {
        private final HardwareContext hctx;
        private final CompletionLists completions;
        private final IoRuntime runtime;
        private final Thread thread;
        /** Raised before the last look at the list, and looked at after a push: one of the two sees the other. */
        private volatile boolean asleep;
        private volatile boolean stopped;

        Reaper(HardwareContext hctx, CompletionLists completions) {
            this.hctx = hctx;
            this.completions = completions;
            this.runtime = hctx.queue().tagSet().runtime();
            this.thread = runtime.startAgent("blkmq-" + hctx.queue().name() + "-reaper-" + hctx.index(), this);
        }

        @Override
        public void run() {
            while (!stopped) {
                if (reap() == 0) {
                    asleep = true;
                    if (completions.isEmpty() && !stopped) {
                        runtime.park(this);
                    }
                    asleep = false;
                }
            }
        }

        private int reap() {
            try (CompletionBatch _ = CompletionBatch.open()) {
                return completions.completeAll(hctx);
            }
        }

        void wake() {
            if (asleep) {
                runtime.unpark(thread);
            }
        }

        void stop() {
            stopped = true;
            runtime.unpark(thread);
            runtime.join(thread);
        }
    }

    /** Describes a null block device. For one thread. */
    public static final class Builder {
        private String name = "nullb0";
        private long capacityBytes = 1L << 30;
        private int blockBytes = QueueLimits.SECTOR_BYTES;
        private int hardwareQueues = 1;
        private int depth = 128;
        private Completion completion = Completion.POLLED;
        private boolean memoryBacked;
        private boolean readOnly;
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
         * Sets who completes.
         *
         * @param value the mode
         * @return this
         */
        public Builder completion(Completion value) {
            this.completion = value;
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
         * @throws IllegalArgumentException naming what is wrong
         * @throws IOException never, unless the runtime fails
         */
        public Disk build() throws IOException {
            QueueLimits limits = QueueLimits.builder().logicalBlockBytes(blockBytes).anyMemory(true).readOnly(readOnly)
                    .discardBytesMax(memoryBacked ? 1L << 30 : 0).writeZeroesBytesMax(memoryBacked ? 1L << 30 : 0)
                    .build();
            if (capacityBytes <= 0 || capacityBytes % blockBytes != 0) {
                throw new IllegalArgumentException("capacityBytes " + capacityBytes
                        + ": must be a positive multiple of the block size of " + blockBytes + " bytes");
            }
            NullBlk driver = new NullBlk(completion, memoryBacked ? new SparseMemory(capacityBytes) : null);
            TagSet.Builder set = TagSet.builder(driver).hardwareQueues(hardwareQueues).depth(depth).runtime(runtime);
            TagSet tags = (completion == Completion.POLLED ? set.flag(TagSet.Flag.POLLED) : set).build();
            RequestQueue queue = tags.newQueue(name, limits, capacityBytes / QueueLimits.SECTOR_BYTES, null);
            return Disk.of(queue, () -> {
                driver.reapers.forEach(Reaper::stop);
                tags.close();
            });
        }
    }
}
