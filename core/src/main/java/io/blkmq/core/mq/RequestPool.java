package io.blkmq.core.mq;

import io.blkmq.core.QueueLimits;
import io.blkmq.core.driver.BlockDriver;
import io.blkmq.core.driver.CompletionAffinity;
import io.blkmq.core.driver.QueueType;
import io.blkmq.core.driver.Request;
import io.blkmq.core.driver.TagSet;
import io.blkmq.runtime.IoRuntime;
import java.io.IOException;
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
 * The requests of a tag set, by hardware context, and the queues that share them. Queues come and go, and the numbers of hardware contexts
 * change, under one lock that may be held for long ({@link SleepingLock}); depths change under another, which no I/O waits for.
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
    private final RequestSlab slab;
    /** By hardware context; with host-wide tags the same for all. */
    private volatile Tags[] tags;
    /** Written under {@link #resizing}. */
    private volatile int resizedDepth;

    /** Contexts whose driver has refused a request: it may lack what requests of other contexts and queues have. */
    final StarvedContexts refused = new StarvedContexts();

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
        this.layout = shape.layout();
        this.reservedTags = shape.reservedTags();
        this.pduBytes = shape.pduBytes();
        this.flags = shape.flags().isEmpty() ? Set.of() : EnumSet.copyOf(shape.flags());
        this.polled = flags.contains(Flag.POLLED);
        this.driverData = shape.driverData();
        this.runtime = shape.runtime();
        this.timeoutNanos = shape.timeoutNanos();
        this.completionAffinity = shape.completionAffinity();
        this.parking = new PollingPark(runtime, polled());
        this.changing = new SleepingLock(runtime, parking);
        this.resizing = runtime.newLock();
        this.tags = new Tags[0];
        this.slab = new RequestSlab(this, driver, shape);
        int possible = shape.depth();
        for (;;) {
            try {
                this.tags = slab.newTags(tags, layout.total(), possible);
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
        this.resizedDepth = possible;
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
            DeviceQueue queue = new DeviceQueue(this, name, limits, capacitySectors, queueData);
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
                slab.exitTags(tags, 0);
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
    boolean undo(DeviceQueue queue, long timeoutNanos) {
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

    /** Makes and frees requests. */
    RequestSlab slab() {
        return slab;
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
        updateHardwareQueues(count, layout.reads(), layout.polls());
    }

    @Override
    public void updateHardwareQueues(int defaults, int reads, int polls) throws IOException {
        QueueLayout wanted = new QueueLayout(defaults, reads, polls);
        wanted.requireWithinLimits();
        wanted.requirePolledAlike(flags);
        for (DeviceQueue queue : queues) {
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
        List<DeviceQueue> all = List.copyOf(queues);
        all.forEach(DeviceQueue::freezeStart);
        try {
            all.forEach(queue -> queue.freezeWait(Long.MAX_VALUE));
            all.forEach(queue -> queue.elevators().setAside());
            Tags[] before = tags;
            useMoreTags(wanted.total());
            try {
                changeContexts(all, wanted);
            } catch (Throwable t) {
                slab.exitTags(tags, before.length);
                tags = before;
                throw t;
            }
            Tags[] made = tags;
            layout = wanted;
            tags = Arrays.copyOf(made, wanted.total());
            slab.exitTags(made, wanted.total());
        } catch (IOException e) {
            throw new IOException("hardware queues could not be changed from " + layout + " to " + wanted
                    + " and stay as they are: " + e.getMessage(), e);
        } finally {
            for (DeviceQueue queue : all) {
                queue.elevators().takeBack();
                queue.unfreeze();
            }
        }
    }

    /** Adds tags that are like those that there are. */
    private void useMoreTags(int total) throws IOException {
        Tags[] now = tags;
        Tags[] made;
        try {
            made = slab.newTags(now, total, depth);
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
    private static void changeContexts(List<DeviceQueue> all, QueueLayout wanted) throws IOException {
        List<DispatchContext[]> contexts = new ArrayList<>();
        List<QueueMaps> maps = new ArrayList<>();
        try {
            for (DeviceQueue queue : all) {
                contexts.add(queue.contextsOf().newContexts(wanted));
                maps.add(queue.contextsOf().newMaps(wanted));
            }
        } catch (Throwable t) {
            for (int i = 0; i < contexts.size(); i++) {
                all.get(i).contextsOf().exitContexts(contexts.get(i), all.get(i).hardwareContexts());
            }
            throw t;
        }
        for (int i = 0; i < all.size(); i++) {
            all.get(i).contextsOf().useContexts(contexts.get(i), maps.get(i), wanted);
        }
    }

    @Override
    public void resize(int value) {
        requireWithin("depth", value, reservedTags + 1, depth);
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

    @Override
    public BlockDriver driver() {
        return driver;
    }

    @Override
    public int hardwareQueues() {
        return layout.total();
    }

    @Override
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

    @Override
    public int depth() {
        return depth;
    }

    @Override
    public int resizedDepth() {
        return resizedDepth;
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
                return polled || layout.polls() > 0;
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

    /** How threads wait for what others of this tag set's do. */
    PollingPark parking() {
        return parking;
    }

    @Override
    public boolean isMerging() {
        return flags.contains(Flag.MERGE);
    }

    @Override
    public boolean isWithoutElevator() {
        return flags.contains(Flag.NO_ELEVATOR);
    }

    SleepingLock changing() {
        return changing;
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
