package io.blkmq.core.driver;

import io.blkmq.core.QueueLimits;
import io.blkmq.core.mq.PoolShape;
import io.blkmq.core.mq.QueueLayout;
import io.blkmq.core.mq.RequestPool;
import io.blkmq.runtime.IoRuntime;
import java.io.IOException;
import java.util.EnumSet;
import java.util.Set;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * A pool of preallocated requests shared by one or more queues: {@link #depth()} requests for each hardware context, each with room for the
 * driver's own data (its PDU). A driver makes a tag set, makes queues from it, and closes it after them. The kernel's counterpart is
 * {@code struct blk_mq_tag_set}. Thread-safe.
 *
 * @since 0.1.0
 */
public abstract sealed class TagSet implements AutoCloseable permits RequestPool {
    /** The deepest a hardware context can be (BLK_MQ_MAX_DEPTH). */
    public static final int DEPTH_MAX = 10240;
    /** The most hardware contexts. */
    public static final int HARDWARE_QUEUES_MAX = 1024;
    /** The most bytes of a PDU. */
    public static final int PDU_BYTES_MAX = 1 << 20;

    /** How long a request may be in flight before its driver is asked, unless another time is set. */
    public static final long TIMEOUT_NANOS_DEFAULT = 30_000_000_000L;

    /** The index that {@link BlockDriver#initRequest} is given for requests that belong to no hardware context. */
    public static final int HOST_WIDE = -1;

    /** Properties of a tag set's queues. */
    public enum Flag {
        /** Completions are found by {@link BlockDriver#poll}, which the submitting thread calls, and by nobody else. */
        POLLED,
        /**
         * {@link BlockDriver#queueRq} and its kin may block, on I/O of other disks too: they are called by a thread of the hardware
         * context's own and never by a submitter (BLK_MQ_F_BLOCKING). A completion within such a call is told within it.
         */
        BLOCKING,
        /** All hardware contexts share one set of tags, as deep as one of them would be (BLK_MQ_F_TAG_HCTX_SHARED). */
        HOST_WIDE_TAGS,
        /** Tags go out in ascending order and wrap: a tag just freed is not used again at once (BLK_MQ_F_TAG_RR). */
        ROUND_ROBIN,
        /** Neighbours may be merged into one request: the driver serves requests of several bios (BLK_MQ_F_SHOULD_MERGE). */
        MERGE,
        /** The queues take no elevator (BLK_MQ_F_NO_SCHED). */
        NO_ELEVATOR
    }

    /** For the one implementation in the engine room. */
    protected TagSet() {}

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
    public abstract RequestQueue newQueue(String name, QueueLimits limits, long capacitySectors,
            @Nullable Object queueData) throws IOException;

    /**
     * Frees the requests.
     *
     * @throws IllegalStateException if a queue is still using them
     */
    @Override
    public abstract void close();

    /**
     * Freezes every queue: stops new requests and waits until none is in flight. Queues that are made meanwhile are frozen from the
     * beginning. Nestable, also with the queues' own freezes; each needs its {@link #unfreeze}.
     *
     * @throws IllegalStateException if called by a completion, or from within a callback of the driver that would wait for itself
     */
    public abstract void freeze();

    /**
     * Stops new requests of every queue. Does not wait for those in flight, but for a change of the tag set that is under way.
     *
     * @throws IllegalStateException if called by a completion, or from within a callback of the driver that would wait for itself
     */
    public abstract void freezeStart();

    /**
     * Waits until no request of any queue is in flight. Any thread, also another than that which began the freeze. An interrupt does
     * not end the wait and is kept for the caller.
     *
     * @param timeoutNanos at most this long; {@link Long#MAX_VALUE} for ever
     * @return whether there is none
     * @throws IllegalStateException if called by a completion, or if a queue is not frozen
     * @see RequestQueue#freezeWait
     */
    public abstract boolean freezeWait(long timeoutNanos);

    /**
     * Takes one {@link #freeze} back; the last one lets requests in again.
     *
     * @throws IllegalStateException if the tag set is not frozen, or if called by a completion
     */
    public abstract void unfreeze();

    /**
     * Changes the number of hardware contexts for I/O without contexts of its own type.
     *
     * @param count 1 to {@value #HARDWARE_QUEUES_MAX}
     * @throws IOException if contexts or requests could not be made: then everything is as before
     * @see #updateHardwareQueues(int, int, int)
     */
    public abstract void updateHardwareQueues(int count) throws IOException;

    /**
     * Changes the numbers of hardware contexts: freezes every queue, makes what is new, maps the software contexts anew, undoes what is
     * too many, and lets the queues go on. Waits for what is in flight; an interrupt does not end that and is kept for the caller.
     * The kernel's counterpart is {@code blk_mq_update_nr_hw_queues}.
     *
     * @param defaults for I/O without contexts of its own type, at least 1
     * @param reads for reads, 0 or more
     * @param polls for polled I/O, 0 or more
     * @throws IllegalArgumentException naming the number that is wrong, and its limit
     * @throws IOException if contexts or requests could not be made, or the driver could not map them: then everything is as
     *         before
     * @throws IllegalStateException if the tag set is closed, or if called by a completion or from within a callback that is part of
     *         such a change
     */
    public abstract void updateHardwareQueues(int defaults, int reads, int polls) throws IOException;

    /**
     * Changes how many tags of each hardware context are handed out. Requests above the new depth that are in flight end as always.
     * Never waits, and may be called from anywhere: by a completion that says that the device's queue is full, for one.
     *
     * @param value {@link #reservedTags()} + 1 to {@link #depth()}
     * @throws IllegalArgumentException if it is not within these
     */
    public abstract void resize(int value);

    /**
     * Shows every request that the driver has, of all queues.
     *
     * @param visitor says whether to go on
     * @see RequestQueue#busyIter
     */
    public abstract void busyIter(Predicate<? super Request> visitor);

    /**
     * The driver.
     *
     * @return always the same
     */
    public abstract BlockDriver driver();

    /**
     * How many hardware contexts a queue has, of all types.
     *
     * @return at least 1
     */
    public abstract int hardwareQueues();

    /**
     * How many hardware contexts of a type a queue has.
     *
     * @param type what for
     * @return 0 or more, at least 1 for {@link QueueType#DEFAULT}
     */
    public abstract int hardwareQueues(QueueType type);

    /**
     * How many requests a hardware context has.
     *
     * @return with the reserved ones; less than was asked for if there was no memory for so many
     */
    public abstract int depth();

    /**
     * How many requests of a hardware context are handed out.
     *
     * @return {@link #depth()}, or what {@link #resize} was given
     */
    public abstract int resizedDepth();

    /**
     * How many of them are reserved.
     *
     * @return fewer than {@link #depth()}
     */
    public abstract int reservedTags();

    /**
     * How many bytes of each request are the driver's.
     *
     * @return bytes
     */
    public abstract int pduBytes();

    /**
     * Whether completions of all hardware contexts are found by polling.
     *
     * @return true with {@link Flag#POLLED}
     */
    public abstract boolean isPolled();

    /**
     * Whether neighbours may be merged into one request.
     *
     * @return true with {@link Flag#MERGE}
     */
    public abstract boolean isMerging();

    /**
     * Whether the queues take no elevator.
     *
     * @return true with {@link Flag#NO_ELEVATOR}
     */
    public abstract boolean isWithoutElevator();

    /**
     * Whether the driver may block.
     *
     * @return true with {@link Flag#BLOCKING}
     */
    public abstract boolean isBlocking();

    /**
     * Whether all hardware contexts share their tags.
     *
     * @return true with {@link Flag#HOST_WIDE_TAGS}
     */
    public abstract boolean isHostWide();

    /**
     * Where completions of new queues run.
     *
     * @return what the builder was given
     */
    public abstract CompletionAffinity completionAffinity();

    /**
     * The driver's object.
     *
     * @return what the builder was given
     */
    public abstract @Nullable Object driverData();

    /**
     * Threads and time.
     *
     * @return what the builder was given
     */
    public abstract IoRuntime runtime();

    /**
     * How long a request may be in flight before its driver is asked ({@link BlockDriver#timeout}).
     *
     * @return nanoseconds
     */
    public abstract long timeoutNanos();

    /** Builds tag sets. For one thread. */
    public static final class Builder {
        private final BlockDriver driver;
        private int hardwareQueues = 1;
        private int readQueues;
        private int pollQueues;
        private CompletionAffinity completionAffinity = CompletionAffinity.ANY;
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
         * Sets the number of hardware contexts, without those for reads and for polled I/O.
         *
         * @param value 1 or more, with the others at most {@value TagSet#HARDWARE_QUEUES_MAX}
         * @return this
         */
        public Builder hardwareQueues(int value) {
            this.hardwareQueues = value;
            return this;
        }

        /**
         * Sets the number of hardware contexts for reads; without any they go with the rest.
         *
         * @param value 0 or more
         * @return this
         */
        public Builder readQueues(int value) {
            this.readQueues = value;
            return this;
        }

        /**
         * Sets the number of hardware contexts for I/O whose submitters poll ({@link io.blkmq.core.Bio#POLLED}); without any it goes
         * with the rest.
         *
         * @param value 0 or more
         * @return this
         */
        public Builder pollQueues(int value) {
            this.pollQueues = value;
            return this;
        }

        /**
         * Sets where completions run that another thread than the submitter's finds.
         *
         * @param value {@link CompletionAffinity#ANY} unless set
         * @return this
         */
        public Builder completionAffinity(CompletionAffinity value) {
            this.completionAffinity = value;
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
         * @throws IOException if the driver could not prepare a request, or if there is no memory for half as many as asked for, nor
         *         for half of that and so on; what was prepared before is undone
         */
        public TagSet build() throws IOException {
            QueueLayout layout = new QueueLayout(hardwareQueues, readQueues, pollQueues);
            PoolShape.requireWithinLimits(layout);
            PoolShape.requirePolledAlike(layout, flags);
            require("depth", depth, 1, DEPTH_MAX);
            require("reservedTags", reservedTags, 0, depth - 1);
            require("pduBytes", pduBytes, 0, PDU_BYTES_MAX);
            require("timeoutNanos", timeoutNanos, 1_000_000, Long.MAX_VALUE / 2);
            return new RequestPool(driver, new PoolShape(layout, depth, reservedTags, pduBytes, Set.copyOf(flags),
                    driverData, runtime, timeoutNanos, completionAffinity));
        }

        private static void require(String name, long value, long min, long max) {
            if (value < min || value > max) {
                throw new IllegalArgumentException(name + " " + value + ": " + min + " to " + max + " are possible");
            }
        }
    }
}
