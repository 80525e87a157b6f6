package io.blkmq.core.elevator;

import io.blkmq.core.Bio;
import io.blkmq.core.IoPriority;
import io.blkmq.core.Operation;
import io.blkmq.core.QueueLimits;
import io.blkmq.core.driver.Elevator;
import io.blkmq.core.driver.ElevatorAttribute;
import io.blkmq.core.driver.ElevatorQueue;
import io.blkmq.core.driver.Request;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.Lock;
import org.jspecify.annotations.Nullable;

/**
 * Serves requests by sector, in batches of one direction, and none much later than its deadline. The kernel's counterpart is
 * {@code mq-deadline}.
 *
 * <p>For each priority (real-time, best effort, idle) and direction there are two orders of the same requests: by sector, and by
 * age. What is dispatched next:
 *
 * <ol>
 * <li>By priority: a lower one only when nothing of a higher one waits or is in flight; but what has waited longer than
 * {@code prio_aging_expire} goes first.
 * <li>Within a priority, what was inserted at the head.
 * <li>The next request by sector of the batch under way, until it has {@code fifo_batch} requests.
 * <li>A new batch. Of reads, unless writes wait and reads have been preferred {@code writes_starved} times. It begins with the oldest
 * request if that is past its deadline or the last sector has been reached, else where the last one of its direction ended.
 * </ol>
 *
 * <p>All waiting requests are guarded by one lock for all hardware contexts. What is counted under it is written with release, which is
 * all that the order within the lock leaves to do: a full fence follows each insertion ({@link Elevator#insert}), and with that a lower
 * priority is not forgotten ({@link #finished}).
 */
final class MqDeadline implements Elevator {
    private static final int READ = 0;
    private static final int WRITE = 1;
    private static final int PRIORITIES = 3;
    private static final int BEST_EFFORT = 1;

    private static final VarHandle WAITING;
    private static final VarHandle INSERTED;

    static {
        try {
            MethodHandles.Lookup lookup = MethodHandles.lookup();
            WAITING = lookup.findVarHandle(MqDeadline.class, "waiting", int.class);
            INSERTED = lookup.findVarHandle(PerPriority.class, "inserted", int.class);
        } catch (ReflectiveOperationException e) {
            throw new ExceptionInInitializerError(e);
        }
    }

    private final ElevatorQueue queue;
    private final Lock lock;
    private final PerPriority[] priorities = new PerPriority[PRIORITIES];
    private final Map<String, ElevatorAttribute> attributes = new LinkedHashMap<>();

    private volatile long readExpireMillis = 500;
    private volatile long writeExpireMillis = 5_000;
    private volatile long agingExpireMillis = 10_000;
    private volatile int writesStarved = 2;
    private volatile int fifoBatch = 16;
    private volatile boolean frontMerges = true;
    private volatile int asyncDepth;

    /** The batch under way. Guarded by the lock. */
    private int direction = READ;
    private int batched;
    /** How many times reads were preferred while writes waited. Guarded by the lock. */
    private int starved;
    /** Written under the lock, by release. */
    private volatile int waiting;

    /** Guarded by the lock, but for the counters. */
    private static final class PerPriority {
        final WaitingList<Entry> head = new WaitingList<>();
        final SectorOrder[] sorted = {new SectorOrder(), new SectorOrder()};
        final WaitingList<Entry>[] byAge = lists();
        /** Where the last request of each direction ended. */
        final long[] position = new long[2];
        /** How many were ever inserted; written under the lock, by release. And how many of them have finished. Both may overflow. */
        volatile int inserted;
        final AtomicInteger finished = new AtomicInteger();

        /** Under the lock. */
        void countInserted() {
            int now = inserted + 1;
            INSERTED.setRelease(this, now);
        }

        /** Whether some were inserted and have not finished. Under the lock. */
        boolean hasUnfinished() {
            return finished.get() != inserted;
        }

        @SuppressWarnings({"unchecked", "rawtypes"})
        private static WaitingList<Entry>[] lists() {
            return new WaitingList[]{new WaitingList<Entry>(), new WaitingList<Entry>()};
        }
    }

    /** The note on a request. */
    private static final class Entry extends SectorTree.Node {
        final MqDeadline elevator;
        /** Where it is counted until it has finished. Goes with the request. */
        @Nullable
        PerPriority counted;
        long deadlineNanos;

        Entry(Request request, MqDeadline elevator) {
            super(request);
            this.elevator = elevator;
        }
    }

    MqDeadline(ElevatorQueue queue) {
        this.queue = queue;
        this.lock = queue.runtime().newLock();
        for (int i = 0; i < PRIORITIES; i++) {
            priorities[i] = new PerPriority();
        }
        this.asyncDepth = Math.max(1, queue.depth());
        int most = Integer.MAX_VALUE;
        add(new ElevatorAttribute("read_expire", "milliseconds", 0, most, () -> readExpireMillis,
                value -> readExpireMillis = value));
        add(new ElevatorAttribute("write_expire", "milliseconds", 0, most, () -> writeExpireMillis,
                value -> writeExpireMillis = value));
        add(new ElevatorAttribute("prio_aging_expire", "milliseconds", 0, most, () -> agingExpireMillis,
                value -> agingExpireMillis = value));
        add(new ElevatorAttribute("writes_starved", "", Integer.MIN_VALUE, most, () -> writesStarved,
                value -> writesStarved = (int) value));
        add(new ElevatorAttribute("front_merges", "", 0, 1, () -> frontMerges ? 1 : 0,
                value -> frontMerges = value != 0));
        add(new ElevatorAttribute("async_depth", "", 1, most, () -> asyncDepth, value -> asyncDepth = (int) value));
        add(new ElevatorAttribute("fifo_batch", "", 0, most, () -> fifoBatch, value -> fifoBatch = (int) value));
    }

    private void add(ElevatorAttribute attribute) {
        attributes.put(attribute.name(), attribute);
    }

    private static int directionOf(Operation operation) {
        return operation.isWrite() ? WRITE : READ;
    }

    private PerPriority priorityOf(IoPriority priority) {
        return priorities[switch (priority.ioClass()) {
            case REAL_TIME -> 0;
            case NONE, BEST_EFFORT -> BEST_EFFORT;
            case IDLE -> 2;
        }];
    }

    /** An entry of another elevator stays with the request until then. */
    @SuppressWarnings("ReferenceEquality")
    private Entry entryOf(Request rq) {
        if (rq.elevatorData() instanceof Entry entry && entry.elevator == this) {
            return entry;
        }
        Entry entry = new Entry(rq, this);
        rq.setElevatorData(entry);
        return entry;
    }

    @Override
    public Lock lock(int hctx) {
        return lock;
    }

    // ---- in

    @Override
    public void insert(int hctx, Request rq, boolean atHead, long nowNanos) {
        PerPriority priority = priorityOf(rq.priority());
        Entry entry = entryOf(rq);
        entry.hctx = hctx;
        entry.insertedNanos = nowNanos;
        if (entry.counted == null) {
            entry.counted = priority;
            priority.countInserted();
        }
        if (atHead) {
            priority.head.addFirst(entry);
        } else {
            int dir = directionOf(rq.operation());
            entry.deadlineNanos = nowNanos
                    + TimeUnit.MILLISECONDS.toNanos(dir == READ ? readExpireMillis : writeExpireMillis);
            priority.sorted[dir].insert(entry);
            priority.byAge[dir].addLast(entry);
        }
        count(1);
    }

    private void count(int change) {
        int now = waiting + change;
        WAITING.setRelease(this, now);
    }

    @Override
    public int depthLimit(Operation operation, int flags) {
        return operation == Operation.READ ? Integer.MAX_VALUE : asyncDepth;
    }

    @Override
    public void depthChanged(int depth) {
        asyncDepth = Math.max(1, depth);
    }

    // ---- merges

    @Override
    public @Nullable Request endingAt(int hctx, Bio bio) {
        return endingAt(bio.deviceSector(), bio.operation(), bio.priority());
    }

    @Override
    public @Nullable Request beginningAt(int hctx, Bio bio) {
        return frontMerges
                ? beginningAt(bio.deviceSector() + bio.bytes() / QueueLimits.SECTOR_BYTES, bio.operation(),
                        bio.priority())
                : null;
    }

    @Override
    public @Nullable Request following(int hctx, Request rq) {
        return beginningAt(Waiting.endOf(rq), rq.operation(), rq.priority());
    }

    @Override
    public @Nullable Request preceding(int hctx, Request rq) {
        return endingAt(rq.sector(), rq.operation(), rq.priority());
    }

    private @Nullable Request endingAt(long sector, Operation operation, IoPriority priority) {
        SectorTree.Node node = priorityOf(priority).sorted[directionOf(operation)].endingAt(sector);
        return node == null ? null : ifAlike(node.request, operation, priority);
    }

    private @Nullable Request beginningAt(long sector, Operation operation, IoPriority priority) {
        SectorTree.Node node = priorityOf(priority).sorted[directionOf(operation)].beginningAt(sector);
        return node == null ? null : ifAlike(node.request, operation, priority);
    }

    private static @Nullable Request ifAlike(Request rq, Operation operation, IoPriority priority) {
        return rq.operation() == operation && rq.priority().equals(priority) ? rq : null;
    }

    @Override
    public void merged(int hctx, Request rq, boolean atFront) {
        Entry entry = entryOf(rq);
        SectorOrder order = priorityOf(rq.priority()).sorted[directionOf(rq.operation())];
        if (atFront) {
            order.remove(entry);
            order.insert(entry);
        } else {
            order.grown(entry);
        }
    }

    @Override
    public void absorbed(int hctx, Request kept, Request gone) {
        Entry stays = entryOf(kept);
        Entry goes = entryOf(gone);
        PerPriority priority = priorityOf(gone.priority());
        int dir = directionOf(gone.operation());
        if (goes.deadlineNanos - stays.deadlineNanos < 0) {
            // The bios of the one that goes keep their deadline and their age.
            priority.byAge[dir].moveBefore(stays, goes);
            stays.deadlineNanos = goes.deadlineNanos;
            stays.insertedNanos = goes.insertedNanos;
        }
        take(priority, dir, goes);
        priority.sorted[dir].grown(stays);
    }

    private void take(PerPriority priority, int dir, Entry entry) {
        priority.sorted[dir].remove(entry);
        priority.byAge[dir].remove(entry);
        count(-1);
    }

    // ---- out

    @Override
    public boolean hasWork(int hctx) {
        return waiting != 0;
    }

    @Override
    public @Nullable Request dispatch(int hctx, long nowNanos) {
        Entry entry = dispatchAged(nowNanos);
        for (int i = 0; entry == null && i < PRIORITIES; i++) {
            PerPriority priority = priorities[i];
            entry = next(priority, nowNanos);
            if (entry == null && priority.hasUnfinished()) {
                break;
            }
        }
        return entry == null ? null : entry.request;
    }

    /** What has waited too long behind a higher priority: the oldest first. It leaves the batch under way as it is. */
    private @Nullable Entry dispatchAged(long nowNanos) {
        int used = 0;
        for (PerPriority priority : priorities) {
            used += priority.hasUnfinished() ? 1 : 0;
        }
        if (used < 2) {
            return null;
        }
        long aging = TimeUnit.MILLISECONDS.toNanos(agingExpireMillis);
        for (int i = BEST_EFFORT; i < PRIORITIES; i++) {
            PerPriority priority = priorities[i];
            Entry oldest = older(older(priority.head.first(), priority.byAge[READ].first()),
                    priority.byAge[WRITE].first());
            if (oldest != null && nowNanos - oldest.insertedNanos >= aging) {
                return takeOldest(priority, oldest);
            }
        }
        return null;
    }

    private static @Nullable Entry older(@Nullable Entry a, @Nullable Entry b) {
        return a == null || (b != null && b.insertedNanos - a.insertedNanos < 0) ? b : a;
    }

    @SuppressWarnings("ReferenceEquality")
    private Entry takeOldest(PerPriority priority, Entry oldest) {
        if (oldest.list == priority.head) {
            takeHead(priority, oldest);
        } else {
            take(priority, directionOf(oldest.request.operation()), oldest);
        }
        return oldest;
    }

    private void takeHead(PerPriority priority, Entry first) {
        priority.head.remove(first);
        count(-1);
    }

    /** Takes the next request of a priority. */
    private @Nullable Entry next(PerPriority priority, long nowNanos) {
        Entry first = priority.head.first();
        if (first != null) {
            takeHead(priority, first);
            return first;
        }
        Entry entry = batched < fifoBatch ? bySector(priority, direction) : null;
        if (entry == null) {
            int dir = nextDirection(priority);
            if (dir < 0) {
                return null;
            }
            direction = dir;
            batched = 0;
            entry = beginBatch(priority, dir, nowNanos);
        }
        batched++;
        priority.position[direction] = entry.endSector();
        take(priority, direction, entry);
        return entry;
    }

    private static Entry beginBatch(PerPriority priority, int dir, long nowNanos) {
        Entry oldest = Objects.requireNonNull(priority.byAge[dir].first());
        Entry entry = bySector(priority, dir);
        return entry == null || nowNanos - oldest.deadlineNanos >= 0 ? oldest : entry;
    }

    private static @Nullable Entry bySector(PerPriority priority, int dir) {
        return (Entry) priority.sorted[dir].from(priority.position[dir]);
    }

    /** The direction of a new batch; negative if nothing waits. */
    private int nextDirection(PerPriority priority) {
        boolean writes = !priority.byAge[WRITE].isEmpty();
        if (!priority.byAge[READ].isEmpty() && !(writes && starved++ >= writesStarved)) {
            return READ;
        }
        if (!writes) {
            return -1;
        }
        starved = 0;
        return WRITE;
    }

    // ---- afterwards

    @Override
    public void finished(Request rq) {
        Entry entry = entryOf(rq);
        PerPriority priority = entry.counted;
        if (priority == null) {
            return;
        }
        entry.counted = null;
        // Lower priorities may have waited for the last one of this. First this, then the look: who inserts counts first and
        // looks at this after that, with a fence between.
        if (priority.finished.incrementAndGet() == priority.inserted && waiting != 0) {
            // Any of them could give out what waits, but any may be held.
            for (int i = 0; i < queue.hardwareContexts(); i++) {
                queue.run(i);
            }
        }
    }

    @Override
    public Map<String, ElevatorAttribute> attributes() {
        return attributes;
    }

    @Override
    public String toString() {
        return "mq-deadline: " + waiting + " waiting, " + attributes.values();
    }
}
