package io.blkmq.core.driver;

import io.blkmq.core.QueueLimits;
import io.blkmq.runtime.IoRuntime;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.locks.Lock;
import java.util.function.Predicate;
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

    /** The index that {@link BlockDriver#initRequest} is given for requests that belong to no hardware context. */
    public static final int HOST_WIDE = -1;

    private static final System.Logger LOG = System.getLogger(TagSet.class.getName());

    private final BlockDriver driver;
    private final int depth;
    private final int reservedTags;
    private final int pduBytes;
    private final Set<Flag> flags;
    private final boolean polled;
    private final @Nullable Object driverData;
    private final IoRuntime runtime;
    private final long timeoutNanos;
    private final CompletionAffinity completionAffinity;
    private final List<RequestQueue> queues = new CopyOnWriteArrayList<>();
    private final PollingPark parking;
    /** Held while the number of queues or of hardware contexts changes. */
    private final SleepingLock changing;
    /** Held while a depth changes, or tags are made as deep as the others. */
    private final Lock resizing;
    /** Written under {@link #changing}. */
    private volatile boolean closed;
    /** How often the whole set is frozen. Under {@link #changing}. */
    private int freezeDepth;
    private volatile QueueLayout layout;
    /** By hardware context; with host-wide tags the same for all. */
    private volatile Tags[] tags;
    /** Written under {@link #resizing}. */
    private volatile int resizedDepth;

    /** Contexts whose driver has refused a request: it may lack what requests of other contexts and queues have. */
    final StarvedContexts refused = new StarvedContexts();

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

    private TagSet(Builder b) throws IOException {
        this.driver = b.driver;
        this.layout = new QueueLayout(b.hardwareQueues, b.readQueues, b.pollQueues);
        this.reservedTags = b.reservedTags;
        this.pduBytes = b.pduBytes;
        this.flags = b.flags.isEmpty() ? Set.of() : EnumSet.copyOf(b.flags);
        this.polled = flags.contains(Flag.POLLED);
        this.driverData = b.driverData;
        this.runtime = b.runtime;
        this.timeoutNanos = b.timeoutNanos;
        this.completionAffinity = b.completionAffinity;
        this.parking = new PollingPark(runtime, this);
        this.changing = new SleepingLock(runtime, parking);
        this.resizing = runtime.newLock();
        this.tags = new Tags[0];
        int possible = b.depth;
        for (;;) {
            try {
                this.tags = newTags(layout.total(), possible);
                break;
            } catch (OutOfMemoryError e) {
                possible /= 2;
                if (possible < reservedTags + 1) {
                    throw new IOException("no memory for the requests of a tag set of depth " + b.depth + " with "
                            + reservedTags + " reserved, nor of any smaller depth tried", e);
                }
            }
        }
        this.depth = possible;
        this.resizedDepth = possible;
        if (possible < b.depth) {
            LOG.log(System.Logger.Level.WARNING,
                    "no memory for a tag set of depth " + b.depth + ": it is " + possible + " deep");
        }
    }

    // ---- tags

    /** The tags that there are, and new ones up to a number of hardware contexts. Makes all or none. */
    private Tags[] newTags(int total, int deep) throws IOException {
        Tags[] now = tags;
        Tags[] made = Arrays.copyOf(now, Math.max(total, now.length));
        int ready = now.length;
        try {
            for (; ready < made.length; ready++) {
                made[ready] = isHostWide() && ready > 0 ? made[0] : newTagsOf(isHostWide() ? HOST_WIDE : ready, deep);
            }
        } finally {
            if (ready < made.length) {
                exitTags(Arrays.copyOf(made, ready), now.length);
            }
        }
        return made;
    }

    private Tags newTagsOf(int hctxIndex, int deep) throws IOException {
        Tags made = new Tags(deep, reservedTags, flags.contains(Flag.ROUND_ROBIN), runtime);
        int ready = 0;
        try {
            MemorySegment slab = pduSlab(made.arena(), deep);
            for (; ready < deep; ready++) {
                Request rq = new Request(made, ready, pdu(slab, ready), null);
                made.place(ready, rq);
                initRequest(rq, hctxIndex);
            }
        } finally {
            if (ready < deep) {
                for (int tag = 0; tag < ready; tag++) {
                    exitRequest(made.requests[tag], hctxIndex);
                }
                made.close();
            }
        }
        return made;
    }

    /** Frees tags from a hardware context on. Nobody holds one. */
    private void exitTags(Tags[] all, int from) {
        for (int i = from; i < all.length; i++) {
            if (isHostWide() && i > 0) {
                return;
            }
            for (Request rq : all[i].requests) {
                exitRequest(rq, isHostWide() ? HOST_WIDE : i);
            }
            all[i].close();
        }
    }

    /** The request that a hardware context needs for itself. */
    Request newFlushRequest(HardwareContext hctx, Arena arena) throws IOException {
        Request rq = new Request(hctx.tags, 0, pdu(pduSlab(arena, 1), 0), null);
        initRequest(rq, hctx.index());
        return rq;
    }

    private MemorySegment pduSlab(Arena arena, int count) {
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
        changing.lock("newQueue");
        try {
            if (closed) {
                throw new IllegalStateException("the tag set is closed");
            }
            RequestQueue queue = new RequestQueue(this, name, limits, capacitySectors, queueData);
            for (int i = 0; i < freezeDepth; i++) {
                queue.freezeStart();
            }
            queues.add(queue);
            return queue;
        } finally {
            changing.unlock();
        }
    }

    /**
     * Frees the requests.
     *
     * @throws IllegalStateException if a queue is still using them
     */
    @Override
    public void close() {
        changing.lock("close");
        try {
            if (!queues.isEmpty()) {
                throw new IllegalStateException("the tag set is used by " + queues.size() + " queue(s): " + queues);
            }
            if (!closed) {
                closed = true;
                exitTags(tags, 0);
            }
        } finally {
            changing.unlock();
        }
    }

    /**
     * Undoes a queue that has no request any more. Not while its contexts are being changed, and once.
     *
     * @return false if a change of the tag set has taken longer than the time given
     */
    boolean undo(RequestQueue queue, long timeoutNanos) {
        if (!changing.lock("close", timeoutNanos)) {
            return false;
        }
        try {
            if (queues.remove(queue)) {
                queue.undo();
            }
            return true;
        } finally {
            changing.unlock();
        }
    }

    // ---- freeze

    /**
     * Freezes every queue: stops new requests and waits until none is in flight. Queues that are made meanwhile are frozen from the
     * beginning. Nestable, also with the queues' own freezes; each needs its {@link #unfreeze}.
     *
     * @throws IllegalStateException if called by a completion, or from within a callback of the driver that would wait for itself
     */
    public void freeze() {
        freezeStart();
        freezeWait(Long.MAX_VALUE);
    }

    /**
     * Stops new requests of every queue. Does not wait for those in flight, but for a change of the tag set that is under way.
     *
     * @throws IllegalStateException if called by a completion, or from within a callback of the driver that would wait for itself
     */
    public void freezeStart() {
        for (RequestQueue queue : queues) {
            queue.requireNoCompletion("freeze");
        }
        changing.lock("freeze");
        try {
            freezeDepth++;
            queues.forEach(RequestQueue::freezeStart);
        } finally {
            changing.unlock();
        }
    }

    /**
     * Waits until no request of any queue is in flight. Any thread, also another than that which began the freeze. An interrupt does
     * not end the wait and is kept for the caller.
     *
     * @param timeoutNanos at most this long; {@link Long#MAX_VALUE} for ever
     * @return whether there is none
     * @throws IllegalStateException if called by a completion, or if a queue is not frozen
     * @see RequestQueue#freezeWait
     */
    public boolean freezeWait(long timeoutNanos) {
        long start = runtime.nanoTime();
        for (RequestQueue queue : queues) {
            if (!queue.freezeWait(timeoutNanos - (runtime.nanoTime() - start))) {
                return false;
            }
        }
        return true;
    }

    /**
     * Takes one {@link #freeze} back; the last one lets requests in again.
     *
     * @throws IllegalStateException if the tag set is not frozen, or if called by a completion
     */
    public void unfreeze() {
        changing.lock("unfreeze");
        try {
            if (freezeDepth == 0) {
                throw new IllegalStateException("unfreeze of a tag set without freeze");
            }
            freezeDepth--;
            queues.forEach(RequestQueue::unfreeze);
        } finally {
            changing.unlock();
        }
    }

    // ---- changes

    /**
     * Changes the number of hardware contexts for I/O without contexts of its own type.
     *
     * @param count 1 to {@value #HARDWARE_QUEUES_MAX}
     * @throws IOException if contexts or requests could not be made: then everything is as before
     * @see #updateHardwareQueues(int, int, int)
     */
    public void updateHardwareQueues(int count) throws IOException {
        updateHardwareQueues(count, layout.reads(), layout.polls());
    }

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
    public void updateHardwareQueues(int defaults, int reads, int polls) throws IOException {
        QueueLayout wanted = new QueueLayout(defaults, reads, polls);
        requireLayout(wanted);
        requirePolledAlike(flags, wanted);
        for (RequestQueue queue : queues) {
            queue.requireNoCompletion("updateHardwareQueues");
        }
        changing.lock("updateHardwareQueues");
        try {
            if (closed) {
                throw new IllegalStateException("the tag set is closed");
            }
            if (!wanted.equals(layout)) {
                change(wanted);
            }
        } finally {
            changing.unlock();
        }
    }

    private void change(QueueLayout wanted) throws IOException {
        List<RequestQueue> all = List.copyOf(queues);
        all.forEach(RequestQueue::freezeStart);
        try {
            all.forEach(queue -> queue.freezeWait(Long.MAX_VALUE));
            all.forEach(RequestQueue::setElevatorAside);
            Tags[] before = tags;
            useMoreTags(wanted.total());
            try {
                changeContexts(all, wanted);
            } catch (Throwable t) {
                exitTags(tags, before.length);
                tags = before;
                throw t;
            }
            Tags[] made = tags;
            layout = wanted;
            tags = Arrays.copyOf(made, wanted.total());
            exitTags(made, wanted.total());
        } catch (IOException e) {
            throw new IOException("hardware queues could not be changed from " + layout + " to " + wanted
                    + " and stay as they are: " + e.getMessage(), e);
        } finally {
            for (RequestQueue queue : all) {
                queue.takeElevatorBack();
                queue.unfreeze();
            }
        }
    }

    /** Adds tags that are like those that there are. */
    private void useMoreTags(int total) throws IOException {
        Tags[] now = tags;
        Tags[] made;
        try {
            made = newTags(total, depth);
        } catch (OutOfMemoryError e) {
            throw new IOException("no memory for the requests of " + total + " hardware contexts", e);
        }
        resizing.lock();
        try {
            for (int i = now.length; i < made.length; i++) {
                made[i].resize(resizedDepth);
            }
            tags = made;
        } finally {
            resizing.unlock();
        }
    }

    /** Makes everything that can fail before anything that is in use goes. */
    private static void changeContexts(List<RequestQueue> all, QueueLayout wanted) throws IOException {
        List<HardwareContext[]> contexts = new ArrayList<>();
        List<QueueMaps> maps = new ArrayList<>();
        try {
            for (RequestQueue queue : all) {
                contexts.add(queue.newContexts(wanted.total()));
                maps.add(queue.newMaps(wanted));
            }
        } catch (Throwable t) {
            for (int i = 0; i < contexts.size(); i++) {
                all.get(i).exitContexts(contexts.get(i), all.get(i).hardwareContexts());
            }
            throw t;
        }
        for (int i = 0; i < all.size(); i++) {
            all.get(i).useContexts(contexts.get(i), maps.get(i), wanted);
        }
    }

    /**
     * Changes how many tags of each hardware context are handed out. Requests above the new depth that are in flight end as always.
     * Never waits, and may be called from anywhere: by a completion that says that the device's queue is full, for one.
     *
     * @param value {@link #reservedTags()} + 1 to {@link #depth()}
     * @throws IllegalArgumentException if it is not within these
     */
    public void resize(int value) {
        Builder.require("depth", value, reservedTags + 1, depth);
        Tags[] resized;
        resizing.lock();
        try {
            resized = tags;
            for (Tags each : resized) {
                each.resize(value);
            }
            resizedDepth = value;
        } finally {
            resizing.unlock();
        }
        // Without the lock: it may call drivers.
        for (Tags each : resized) {
            each.serveWaiters();
        }
        for (RequestQueue queue : queues) {
            queue.tagsAdded();
        }
    }

    /**
     * Shows every request that the driver has, of all queues.
     *
     * @param visitor says whether to go on
     * @see RequestQueue#busyIter
     */
    public void busyIter(Predicate<Request> visitor) {
        boolean[] goOn = {true};
        for (RequestQueue queue : queues) {
            queue.busyIter(rq -> goOn[0] = visitor.test(rq));
            if (!goOn[0]) {
                return;
            }
        }
    }

    // ---- what it is

    List<RequestQueue> queues() {
        return queues;
    }

    Tags tags(int hctxIndex) {
        return tags[hctxIndex];
    }

    /** Whether the driver has been given a request that has not ended yet. A look at all tags that are held, until it finds one. */
    boolean isAnyBegun() {
        for (Tags some : tags) {
            if (some.isAnyBegun()) {
                return true;
            }
        }
        return false;
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
     * How many hardware contexts a queue has, of all types.
     *
     * @return at least 1
     */
    public int hardwareQueues() {
        return layout.total();
    }

    /**
     * How many hardware contexts of a type a queue has.
     *
     * @param type what for
     * @return 0 or more, at least 1 for {@link QueueType#DEFAULT}
     */
    public int hardwareQueues(QueueType type) {
        QueueLayout now = layout;
        return switch (type) {
            case DEFAULT -> now.defaults();
            case READ -> now.reads();
            case POLL -> now.polls();
        };
    }

    QueueLayout layout() {
        return layout;
    }

    /**
     * How many requests a hardware context has.
     *
     * @return with the reserved ones; less than was asked for if there was no memory for so many
     */
    public int depth() {
        return depth;
    }

    /**
     * How many requests of a hardware context are handed out.
     *
     * @return {@link #depth()}, or what {@link #resize} was given
     */
    public int resizedDepth() {
        return resizedDepth;
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
     * Whether completions of all hardware contexts are found by polling.
     *
     * @return true with {@link Flag#POLLED}
     */
    public boolean isPolled() {
        return polled;
    }

    /** Whether completions of some hardware contexts are found by polling. */
    boolean hasPolledContexts() {
        return polled || layout.polls() > 0;
    }

    /** How threads wait for what others of this tag set's do. */
    PollingPark parking() {
        return parking;
    }

    /**
     * Whether neighbours may be merged into one request.
     *
     * @return true with {@link Flag#MERGE}
     */
    public boolean isMerging() {
        return flags.contains(Flag.MERGE);
    }

    /**
     * Whether the queues take no elevator.
     *
     * @return true with {@link Flag#NO_ELEVATOR}
     */
    public boolean isWithoutElevator() {
        return flags.contains(Flag.NO_ELEVATOR);
    }

    SleepingLock changing() {
        return changing;
    }

    /**
     * Whether the driver may block.
     *
     * @return true with {@link Flag#BLOCKING}
     */
    public boolean isBlocking() {
        return flags.contains(Flag.BLOCKING);
    }

    /**
     * Whether all hardware contexts share their tags.
     *
     * @return true with {@link Flag#HOST_WIDE_TAGS}
     */
    public boolean isHostWide() {
        return flags.contains(Flag.HOST_WIDE_TAGS);
    }

    /**
     * Where completions of new queues run.
     *
     * @return what the builder was given
     */
    public CompletionAffinity completionAffinity() {
        return completionAffinity;
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

    private static void requireLayout(QueueLayout asked) {
        Builder.require("hardwareQueues", asked.defaults(), 1, HARDWARE_QUEUES_MAX);
        Builder.require("readQueues", asked.reads(), 0, HARDWARE_QUEUES_MAX - asked.defaults());
        Builder.require("pollQueues", asked.polls(), 0, HARDWARE_QUEUES_MAX - asked.defaults() - asked.reads());
    }

    private static void requirePolledAlike(Set<Flag> flags, QueueLayout asked) {
        if (flags.contains(Flag.POLLED) && (flags.contains(Flag.BLOCKING) || asked.reads() > 0 || asked.polls() > 0)) {
            throw new IllegalArgumentException(
                    "POLLED is for drivers that do not block, and whose queues are all alike: flags " + flags + ", "
                            + asked.reads() + " read queues, " + asked.polls() + " poll queues");
        }
    }

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
            requireLayout(new QueueLayout(hardwareQueues, readQueues, pollQueues));
            requirePolledAlike(flags, new QueueLayout(hardwareQueues, readQueues, pollQueues));
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
