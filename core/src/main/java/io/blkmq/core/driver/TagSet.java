package io.blkmq.core.driver;

import io.blkmq.core.IoRuntime;
import io.blkmq.core.QueueLimits;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;

/**
 * The requests of one or more queues: for each hardware context as many as it is deep, preallocated with the driver's part. A
 * driver makes one, makes queues from it, and closes it after them. The kernel's counterpart is {@code struct blk_mq_tag_set}.
 * Thread-safe.
 */
public final class TagSet implements AutoCloseable {
    /** The deepest a hardware context can be (BLK_MQ_MAX_DEPTH). */
    public static final int DEPTH_MAX = 10240;
    /** The most hardware contexts. */
    public static final int HARDWARE_QUEUES_MAX = 1024;
    /** The most bytes of a PDU. */
    public static final int PDU_BYTES_MAX = 1 << 20;

    /** How long a request may be in flight before its driver is asked, unless another time is set. */
    public static final long TIMEOUT_NANOS_DEFAULT = 30_000_000_000L;

    private static final int PDU_ALIGNMENT_BYTES = 64;

    private final BlockDriver driver;
    private final int hardwareQueues;
    private final int depth;
    private final int reservedTags;
    private final int pduBytes;
    private final Set<Flag> flags;
    private final @Nullable Object driverData;
    private final IoRuntime runtime;
    private final long timeoutNanos;
    private final Arena arena = Arena.ofShared();
    private final Tags[] tags;
    private final List<RequestQueue> queues = new CopyOnWriteArrayList<>();
    private final AtomicBoolean closed = new AtomicBoolean();

    /** Properties of a tag set's queues. */
    public enum Flag {
        /** Completions are found by {@link BlockDriver#poll}, which the submitting thread calls, and by nobody else. */
        POLLED
    }

    private TagSet(Builder b) throws IOException {
        this.driver = b.driver;
        this.hardwareQueues = b.hardwareQueues;
        this.depth = b.depth;
        this.reservedTags = b.reservedTags;
        this.pduBytes = b.pduBytes;
        this.flags = b.flags.isEmpty() ? Set.of() : EnumSet.copyOf(b.flags);
        this.driverData = b.driverData;
        this.runtime = b.runtime;
        this.timeoutNanos = b.timeoutNanos;
        this.tags = new Tags[hardwareQueues];
        List<Request> initialised = new ArrayList<>();
        try {
            for (int i = 0; i < hardwareQueues; i++) {
                tags[i] = newTags(i, initialised);
            }
        } catch (Throwable t) {
            for (int i = 0; i < initialised.size(); i++) {
                exitRequest(initialised.get(i), i / depth);
            }
            arena.close();
            throw t;
        }
    }

    private Tags newTags(int hctxIndex, List<Request> initialised) throws IOException {
        Tags made = new Tags(depth, reservedTags, runtime);
        MemorySegment slab = pduSlab(depth);
        for (int tag = 0; tag < depth; tag++) {
            Request rq = new Request(made, tag, pdu(slab, tag));
            made.place(tag, rq);
            initRequest(rq, hctxIndex);
            initialised.add(rq);
        }
        return made;
    }

    /** The requests that a queue needs for itself, one a hardware context. */
    Request newFlushRequest(int hctxIndex) throws IOException {
        Request rq = new Request(tags[hctxIndex], 0, pdu(pduSlab(1), 0));
        initRequest(rq, hctxIndex);
        return rq;
    }

    private MemorySegment pduSlab(int count) {
        return pduBytes == 0 ? MemorySegment.NULL : arena.allocate((long) count * pduStride(), PDU_ALIGNMENT_BYTES);
    }

    private MemorySegment pdu(MemorySegment slab, int index) {
        return pduBytes == 0 ? slab : slab.asSlice((long) index * pduStride(), pduBytes);
    }

    private int pduStride() {
        return (pduBytes + PDU_ALIGNMENT_BYTES - 1) & -PDU_ALIGNMENT_BYTES;
    }

    private void initRequest(Request rq, int hctxIndex) throws IOException {
        try {
            driver.initRequest(this, rq, hctxIndex);
        } catch (Exception e) {
            throw new IOException(
                    "the driver could not prepare request " + rq.tag() + " of hardware context " + hctxIndex, e);
        }
    }

    void exitRequest(Request rq, int hctxIndex) {
        try {
            driver.exitRequest(this, rq, hctxIndex);
        } catch (Throwable t) {
            CallbackFailures.report("exitRequest", t);
        }
    }

    /**
     * Begins to describe a tag set: one hardware context of depth 128, no reserved tags, no PDU.
     *
     * @param driver whose requests they are
     * @return a new builder
     */
    public static Builder builder(BlockDriver driver) {
        return new Builder(driver);
    }

    /**
     * Makes a queue of these tags.
     *
     * @param name for people
     * @param limits what its device can take
     * @param capacitySectors its device's size in sectors of 512 bytes
     * @param queueData an object of the driver's
     * @return the queue, ready
     * @throws IOException if the driver could not prepare it
     * @throws IllegalArgumentException if the capacity is negative
     * @throws IllegalStateException if the tag set is closed
     */
    public RequestQueue newQueue(String name, QueueLimits limits, long capacitySectors, @Nullable Object queueData)
            throws IOException {
        if (closed.get()) {
            throw new IllegalStateException("the tag set is closed");
        }
        RequestQueue queue = new RequestQueue(this, name, limits, capacitySectors, queueData);
        queues.add(queue);
        return queue;
    }

    /**
     * Frees the requests.
     *
     * @throws IllegalStateException if a queue is still using them
     */
    @Override
    public void close() {
        if (!queues.isEmpty()) {
            throw new IllegalStateException("the tag set is used by " + queues.size() + " queue(s): " + queues);
        }
        if (!closed.compareAndSet(false, true)) {
            return;
        }
        for (int i = 0; i < hardwareQueues; i++) {
            for (Request rq : tags[i].requests) {
                exitRequest(rq, i);
            }
        }
        arena.close();
    }

    void forget(RequestQueue queue) {
        queues.remove(queue);
    }

    List<RequestQueue> queues() {
        return queues;
    }

    Tags tags(int hctxIndex) {
        return tags[hctxIndex];
    }

    /**
     * The driver.
     *
     * @return always the same
     */
    public BlockDriver driver() {
        return driver;
    }

    /**
     * How many hardware contexts a queue has.
     *
     * @return at least 1
     */
    public int hardwareQueues() {
        return hardwareQueues;
    }

    /**
     * How many requests a hardware context has.
     *
     * @return with the reserved ones
     */
    public int depth() {
        return depth;
    }

    /**
     * How many of them are reserved.
     *
     * @return fewer than {@link #depth()}
     */
    public int reservedTags() {
        return reservedTags;
    }

    /**
     * How many bytes of each request are the driver's.
     *
     * @return bytes
     */
    public int pduBytes() {
        return pduBytes;
    }

    /**
     * Whether completions are found by polling.
     *
     * @return true with {@link Flag#POLLED}
     */
    public boolean isPolled() {
        return flags.contains(Flag.POLLED);
    }

    /**
     * The driver's object.
     *
     * @return what the builder was given
     */
    public @Nullable Object driverData() {
        return driverData;
    }

    /**
     * Threads and time.
     *
     * @return what the builder was given
     */
    public IoRuntime runtime() {
        return runtime;
    }

    /**
     * How long a request may be in flight before its driver is asked ({@link BlockDriver#timeout}).
     *
     * @return nanoseconds
     */
    public long timeoutNanos() {
        return timeoutNanos;
    }

    /** Builds tag sets. For one thread. */
    public static final class Builder {
        private final BlockDriver driver;
        private int hardwareQueues = 1;
        private int depth = 128;
        private int reservedTags;
        private int pduBytes;
        private final Set<Flag> flags = EnumSet.noneOf(Flag.class);
        private @Nullable Object driverData;
        private IoRuntime runtime = IoRuntime.system();
        private long timeoutNanos = TIMEOUT_NANOS_DEFAULT;

        private Builder(BlockDriver driver) {
            this.driver = driver;
        }

        /**
         * Sets the number of hardware contexts.
         *
         * @param value 1 to {@value TagSet#HARDWARE_QUEUES_MAX}
         * @return this
         */
        public Builder hardwareQueues(int value) {
            this.hardwareQueues = value;
            return this;
        }

        /**
         * Sets the number of requests of each hardware context.
         *
         * @param value 1 to {@value TagSet#DEPTH_MAX}
         * @return this
         */
        public Builder depth(int value) {
            this.depth = value;
            return this;
        }

        /**
         * Sets how many of them are kept for those who ask for reserved ones.
         *
         * @param value 0 to depth - 1
         * @return this
         */
        public Builder reservedTags(int value) {
            this.reservedTags = value;
            return this;
        }

        /**
         * Sets how many bytes of each request are the driver's (cmd_size).
         *
         * @param value 0 to {@value TagSet#PDU_BYTES_MAX}
         * @return this
         */
        public Builder pduBytes(int value) {
            this.pduBytes = value;
            return this;
        }

        /**
         * Adds a property.
         *
         * @param value the property
         * @return this
         */
        public Builder flag(Flag value) {
            this.flags.add(value);
            return this;
        }

        /**
         * Sets an object of the driver's, which its callbacks are given.
         *
         * @param value anything
         * @return this
         */
        public Builder driverData(@Nullable Object value) {
            this.driverData = value;
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
         * Sets how long a request may be in flight before its driver is asked.
         *
         * @param value nanoseconds, at least a millisecond
         * @return this
         */
        public Builder timeoutNanos(long value) {
            this.timeoutNanos = value;
            return this;
        }

        /**
         * Allocates the requests and lets the driver prepare them.
         *
         * @return the tag set
         * @throws IllegalArgumentException naming the parameter that is wrong, its value and its limit
         * @throws IOException if the driver could not prepare a request; those prepared before are undone
         */
        public TagSet build() throws IOException {
            require("hardwareQueues", hardwareQueues, 1, HARDWARE_QUEUES_MAX);
            require("depth", depth, 1, DEPTH_MAX);
            require("reservedTags", reservedTags, 0, depth - 1);
            require("pduBytes", pduBytes, 0, PDU_BYTES_MAX);
            require("timeoutNanos", timeoutNanos, 1_000_000, Long.MAX_VALUE / 2);
            return new TagSet(this);
        }

        private static void require(String name, long value, long min, long max) {
            if (value < min || value > max) {
                throw new IllegalArgumentException(name + " " + value + ": " + min + " to " + max + " are possible");
            }
        }
    }
}
