package io.blkmq.core.mq;

import io.blkmq.core.QueueLimits;
import io.blkmq.core.driver.BlockDriver;
import io.blkmq.core.driver.CompletionAffinity;
import io.blkmq.core.driver.QueueType;
import io.blkmq.core.driver.Request;
import io.blkmq.core.driver.RequestQueue;
import io.blkmq.core.driver.TagSet;
import io.blkmq.runtime.IoRuntime;
import java.io.IOException;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * A tag set: what it is, and the queues that share its requests. Queues come and go, and the numbers of hardware contexts
 * change, under one lock that may be held for long ({@link SleepingLock}); depths change under another, which no I/O waits for ({@link PoolParts}).
 */
public final class RequestPool extends TagSet {

    private static final System.Logger LOG = System.getLogger(RequestPool.class.getName());

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
    private final List<DeviceQueue> queues = new CopyOnWriteArrayList<>();
    private final PoolParts parts;
    /** Held while the number of queues or of hardware contexts changes: that of the {@link #parts}. */
    private final SleepingLock changing;
    /** Written under {@link #changing}. */
    private volatile boolean closed;
    /** How often the whole set is frozen. Under {@link #changing}. */
    private int freezeDepth;

    /**
     * Makes the requests of a tag set and lets the driver prepare them.
     *
     * @param driver whose requests they are
     * @param shape what the builder was told, all of it within its limits
     * @throws IOException if the driver could not prepare a request, or if there is no memory for half as many as asked for, nor for half
     *         of that and so on; what was prepared before is undone
     */
    public RequestPool(BlockDriver driver, PoolShape shape) throws IOException {
        this.driver = driver;
        this.reservedTags = shape.reservedTags();
        this.pduBytes = shape.pduBytes();
        this.flags = shape.flags().isEmpty() ? Set.of() : EnumSet.copyOf(shape.flags());
        this.polled = flags.contains(Flag.POLLED);
        this.driverData = shape.driverData();
        this.runtime = shape.runtime();
        this.timeoutNanos = shape.timeoutNanos();
        this.completionAffinity = shape.completionAffinity();
        PollingPark parking = new PollingPark(runtime, polled());
        this.changing = new SleepingLock(runtime, parking);
        RequestSlab slab = new RequestSlab(this, driver, shape);
        this.parts = new PoolParts(runtime, parking, changing, slab, shape.layout(), this::undo);
        int possible = shape.depth();
        for (;;) {
            try {
                parts.makeTags(possible);
                break;
            } catch (OutOfMemoryError e) {
                possible /= 2;
                if (possible < reservedTags + 1) {
                    throw new IOException("no memory for the requests of a tag set of depth " + shape.depth() + " with "
                            + reservedTags + " reserved, nor of any smaller depth tried", e);
                }
            }
        }
        this.depth = possible;
        if (possible < shape.depth()) {
            LOG.log(System.Logger.Level.WARNING,
                    "no memory for a tag set of depth " + shape.depth() + ": it is " + possible + " deep");
        }
    }

    // ---- tags

    @Override
    public DeviceQueue newQueue(String name, QueueLimits limits, long capacitySectors, @Nullable Object queueData)
            throws IOException {
        changing.lock("newQueue");
        try {
            if (closed) {
                throw new IllegalStateException("the tag set is closed");
            }
            DeviceQueue queue = new DeviceQueue(this, parts, name, limits, capacitySectors, queueData);
            for (int i = 0; i < freezeDepth; i++) {
                queue.freezeStart();
            }
            queues.add(queue);
            return queue;
        } finally {
            changing.unlock();
        }
    }

    @Override
    public void close() {
        changing.lock("close");
        try {
            if (!queues.isEmpty()) {
                throw new IllegalStateException("the tag set is used by " + queues.size() + " queue(s): " + queues);
            }
            if (!closed) {
                closed = true;
                parts.slab.exitTags(parts.tags, 0);
            }
        } finally {
            changing.unlock();
        }
    }

    /** A queue leaves: see {@link PoolParts.Leaving}. */
    private boolean undo(RequestQueue queue, long timeoutNanos) {
        if (!changing.lock("close", timeoutNanos)) {
            return false;
        }
        try {
            DeviceQueue own = (DeviceQueue) queue;
            if (queues.remove(own)) {
                own.undo();
            }
            return true;
        } finally {
            changing.unlock();
        }
    }

    // ---- freeze

    @Override
    public void freeze() {
        freezeStart();
        freezeWait(Long.MAX_VALUE);
    }

    @Override
    public void freezeStart() {
        for (DeviceQueue queue : queues) {
            queue.requireNoCompletion("freeze");
        }
        changing.lock("freeze");
        try {
            freezeDepth++;
            queues.forEach(DeviceQueue::freezeStart);
        } finally {
            changing.unlock();
        }
    }

    @Override
    public boolean freezeWait(long timeoutNanos) {
        long start = runtime.nanoTime();
        for (DeviceQueue queue : queues) {
            if (!queue.freezeWait(timeoutNanos - (runtime.nanoTime() - start))) {
                return false;
            }
        }
        return true;
    }

    @Override
    public void unfreeze() {
        changing.lock("unfreeze");
        try {
            if (freezeDepth == 0) {
                throw new IllegalStateException("unfreeze of a tag set without freeze");
            }
            freezeDepth--;
            queues.forEach(DeviceQueue::unfreeze);
        } finally {
            changing.unlock();
        }
    }

    // ---- changes

    @Override
    public void updateHardwareQueues(int count) throws IOException {
        updateHardwareQueues(count, parts.layout.reads(), parts.layout.polls());
    }

    @Override
    public void updateHardwareQueues(int defaults, int reads, int polls) throws IOException {
        QueueLayout wanted = new QueueLayout(defaults, reads, polls);
        PoolShape.requireWithinLimits(wanted);
        PoolShape.requirePolledAlike(wanted, flags);
        for (DeviceQueue queue : queues) {
            queue.requireNoCompletion("updateHardwareQueues");
        }
        changing.lock("updateHardwareQueues");
        try {
            if (closed) {
                throw new IllegalStateException("the tag set is closed");
            }
            if (!wanted.equals(parts.layout)) {
                new PoolChange(parts, List.copyOf(queues)).to(wanted);
            }
        } finally {
            changing.unlock();
        }
    }

    @Override
    public void resize(int value) {
        requireWithin("depth", value, reservedTags + 1, depth);
        for (Tags each : parts.resize(value)) {
            each.serveWaiters();
        }
        for (DeviceQueue queue : queues) {
            queue.tagsAdded();
        }
    }

    @Override
    public void busyIter(Predicate<? super Request> visitor) {
        boolean[] goOn = {true};
        for (DeviceQueue queue : queues) {
            queue.busyIter(rq -> goOn[0] = visitor.test(rq));
            if (!goOn[0]) {
                return;
            }
        }
    }

    // ---- what it is

    List<DeviceQueue> queues() {
        return queues;
    }

    /** What its queues use of it. */
    PoolParts parts() {
        return parts;
    }

    @Override
    public BlockDriver driver() {
        return driver;
    }

    @Override
    public int hardwareQueues() {
        return parts.layout.total();
    }

    @Override
    public int hardwareQueues(QueueType type) {
        QueueLayout now = parts.layout;
        return switch (type) {
            case DEFAULT -> now.defaults();
            case READ -> now.reads();
            case POLL -> now.polls();
        };
    }

    @Override
    public int depth() {
        return depth;
    }

    @Override
    public int resizedDepth() {
        return parts.resizedDepth();
    }

    @Override
    public int reservedTags() {
        return reservedTags;
    }

    @Override
    public int pduBytes() {
        return pduBytes;
    }

    @Override
    public boolean isPolled() {
        return polled;
    }

    private PollingPark.Polled polled() {
        return new PollingPark.Polled() {
            @Override
            public boolean hasPolledContexts() {
                return polled || parts.layout.polls() > 0;
            }

            @Override
            public boolean isAllPolled() {
                return polled;
            }

            @Override
            public int pollInFlight() {
                int found = PollingPark.NOTHING;
                for (DeviceQueue queue : queues) {
                    found = queue.polling().pollInFlight(found);
                }
                return found;
            }
        };
    }

    @Override
    public boolean isMerging() {
        return flags.contains(Flag.MERGE);
    }

    @Override
    public boolean isWithoutElevator() {
        return flags.contains(Flag.NO_ELEVATOR);
    }

    @Override
    public boolean isBlocking() {
        return flags.contains(Flag.BLOCKING);
    }

    @Override
    public boolean isHostWide() {
        return flags.contains(Flag.HOST_WIDE_TAGS);
    }

    @Override
    public CompletionAffinity completionAffinity() {
        return completionAffinity;
    }

    @Override
    public @Nullable Object driverData() {
        return driverData;
    }

    @Override
    public IoRuntime runtime() {
        return runtime;
    }

    @Override
    public long timeoutNanos() {
        return timeoutNanos;
    }

    private static void requireWithin(String name, long value, long min, long max) {
        if (value < min || value > max) {
            throw new IllegalArgumentException(name + " " + value + ": " + min + " to " + max + " are possible");
        }
    }
}
