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
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.Lock;
import org.jspecify.annotations.Nullable;

/**
 * Keeps latencies near their targets by keeping queues short. The kernel's counterpart is {@code kyber}.
 *
 * <p>Requests fall in four domains (reads, writes, discards, other), each with tokens of its own: 256, 128, 64 and 16. A request
 * is dispatched with a token and gives it back when it has finished. Within a hardware context the domains take turns, in batches of
 * 16, 8, 1 and 1, each in the order of insertion.
 *
 * <p>Every 100 ms in which something completes the latencies are looked at. If in some domain more than a tenth of the requests took
 * longer at the driver than the target, the device is congested, and the domains that are well within their targets (99 of 100
 * requests, waiting included) get fewer tokens, in proportion. A domain that misses its target gets more.
 *
 * <p>The kernel looks by a timer; here the first completion after the 100 ms does it, so that no timer is left behind.
 *
 * <p>What waits is guarded by a lock for each hardware context.
 */
final class Kyber implements Elevator {
    static final int READ = 0;
    static final int WRITE = 1;
    static final int DISCARD = 2;
    static final int OTHER = 3;
    private static final int DOMAINS = 4;
    private static final int[] DEPTHS = {256, 128, 64, 16};
    private static final int[] BATCHES = {16, 8, 1, 1};
    /** Of the tags, how much writes nobody waits for may have. */
    private static final int ASYNC_PERCENT = 75;
    private static final long WINDOW_NANOS = 100_000_000;
    /** How many of the newest requests are looked at for a merge. */
    private static final int MERGE_LOOKS = 8;
    /** No window is open: no clock shows this. */
    private static final long NO_WINDOW = Long.MIN_VALUE;

    private static final VarHandle COUNT;

    static {
        try {
            COUNT = MethodHandles.lookup().findVarHandle(PerContext.class, "count", int.class);
        } catch (ReflectiveOperationException e) {
            throw new ExceptionInInitializerError(e);
        }
    }

    private final PerContext[] contexts;
    private final KyberDomain[] domains = new KyberDomain[DOMAINS];
    private final Map<String, ElevatorAttribute> attributes = new LinkedHashMap<>();
    private final AtomicLong targetRead = new AtomicLong(2_000_000);
    private final AtomicLong targetWrite = new AtomicLong(10_000_000);
    private final AtomicLong targetDiscard = new AtomicLong(5_000_000_000L);
    private final AtomicLong[] targets = {targetRead, targetWrite, targetDiscard};
    private volatile int asyncDepth;

    /** By domain, without {@link #OTHER}, which has no target. */
    private final KyberLatencies[] latencies = new KyberLatencies[OTHER];
    private final AtomicLong windowNanos = new AtomicLong(NO_WINDOW);
    private final Lock tuning;
    /** The last 99th percentile that has not been acted on, negative for none. Guarded by the tuning lock. */
    private final int[] lateBucket = new int[OTHER];

    /** What waits for one hardware context. Guarded by its lock. */
    private static final class PerContext {
        final Lock lock;
        /** By domain, with the sectors of what stands there. */
        final List<WaitingList<Entry>> waiting = new ArrayList<>();
        final SectorFilter[] sectors = new SectorFilter[DOMAINS];
        int domain = READ;
        int batched;
        /** Written under the lock, by release: a full fence follows each insertion ({@link Elevator#insert}). */
        volatile int count;

        PerContext(Lock lock) {
            this.lock = lock;
            for (int i = 0; i < DOMAINS; i++) {
                waiting.add(new WaitingList<>());
                sectors[i] = new SectorFilter();
            }
        }

        void add(int change) {
            int now = count + change;
            COUNT.setRelease(this, now);
        }
    }

    /** The note on a request. */
    private static final class Entry extends Waiting {
        final Kyber elevator;
        int domain;
        long dispatchedNanos;
        boolean hasToken;

        Entry(Request request, Kyber elevator) {
            super(request);
            this.elevator = elevator;
        }
    }

    Kyber(ElevatorQueue queue) {
        this.tuning = queue.runtime().newLock();
        this.contexts = new PerContext[queue.hardwareContexts()];
        for (int i = 0; i < contexts.length; i++) {
            contexts[i] = new PerContext(queue.runtime().newLock());
        }
        for (int i = 0; i < DOMAINS; i++) {
            domains[i] = new KyberDomain(queue, DEPTHS[i], BATCHES[i]);
        }
        for (int i = 0; i < OTHER; i++) {
            latencies[i] = new KyberLatencies(contexts.length);
        }
        Arrays.fill(lateBucket, -1);
        depthChanged(queue.depth());
        attributes.put("read_lat_nsec", new ElevatorAttribute("read_lat_nsec", "nanoseconds", 0, Long.MAX_VALUE,
                targetRead::get, targetRead::set));
        attributes.put("write_lat_nsec", new ElevatorAttribute("write_lat_nsec", "nanoseconds", 0, Long.MAX_VALUE,
                targetWrite::get, targetWrite::set));
    }

    private static int domainOf(Operation operation) {
        return switch (operation) {
            case READ -> READ;
            case WRITE -> WRITE;
            case DISCARD -> DISCARD;
            case WRITE_ZEROES, FLUSH -> OTHER;
        };
    }

    KyberDomain domain(int index) {
        return domains[index];
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
        return contexts[hctx].lock;
    }

    // ---- in

    @Override
    public void insert(int hctx, Request rq, boolean atHead, long nowNanos) {
        PerContext context = contexts[hctx];
        Entry entry = entryOf(rq);
        entry.hctx = hctx;
        entry.insertedNanos = nowNanos;
        entry.domain = domainOf(rq.operation());
        WaitingList<Entry> list = context.waiting.get(entry.domain);
        if (atHead) {
            list.addFirst(entry);
        } else {
            list.addLast(entry);
        }
        context.sectors[entry.domain].add(rq.sector(), entry.endSector());
        context.add(1);
    }

    @Override
    public int depthLimit(Operation operation, int flags) {
        boolean waitedFor = operation == Operation.READ || (flags & (Bio.SYNC | Bio.FUA | Bio.PREFLUSH)) != 0;
        return waitedFor ? Integer.MAX_VALUE : asyncDepth;
    }

    @Override
    public void depthChanged(int depth) {
        asyncDepth = Math.max(1, (int) ((long) depth * ASYNC_PERCENT / 100));
    }

    // ---- merges

    @Override
    public @Nullable Request endingAt(int hctx, Bio bio) {
        return neighbour(hctx, bio.deviceSector(), true, bio.operation(), bio.priority());
    }

    @Override
    public @Nullable Request beginningAt(int hctx, Bio bio) {
        return neighbour(hctx, bio.deviceSector() + bio.bytes() / QueueLimits.SECTOR_BYTES, false, bio.operation(),
                bio.priority());
    }

    @Override
    public @Nullable Request following(int hctx, Request rq) {
        return neighbour(hctx, Waiting.endOf(rq), false, rq.operation(), rq.priority());
    }

    @Override
    public @Nullable Request preceding(int hctx, Request rq) {
        return neighbour(hctx, rq.sector(), true, rq.operation(), rq.priority());
    }

    private @Nullable Request neighbour(int hctx, long sector, boolean ending, Operation operation,
            IoPriority priority) {
        int domain = domainOf(operation);
        SectorFilter sectors = contexts[hctx].sectors[domain];
        if (!(ending ? sectors.mayEnd(sector) : sectors.mayBegin(sector))) {
            return null;
        }
        WaitingList<Entry> list = contexts[hctx].waiting.get(domain);
        Entry entry = list.last();
        for (int i = 0; entry != null && i < MERGE_LOOKS; i++) {
            Request rq = entry.request;
            if ((ending ? entry.endSector() : rq.sector()) == sector && rq.operation() == operation
                    && rq.priority().equals(priority)) {
                return rq;
            }
            entry = list.before(entry);
        }
        return null;
    }

    @Override
    public void merged(int hctx, Request rq, boolean atFront) {
        // The order is that of insertion.
        SectorFilter sectors = contexts[hctx].sectors[domainOf(rq.operation())];
        if (atFront) {
            sectors.addBegin(rq.sector());
        } else {
            sectors.addEnd(Waiting.endOf(rq));
        }
    }

    @Override
    public void absorbed(int hctx, Request kept, Request gone) {
        Entry stays = entryOf(kept);
        Entry goes = entryOf(gone);
        if (goes.insertedNanos - stays.insertedNanos < 0) {
            stays.insertedNanos = goes.insertedNanos;
        }
        PerContext context = contexts[hctx];
        context.sectors[stays.domain].addEnd(stays.endSector());
        remove(context, goes);
    }

    private static void remove(PerContext context, Entry entry) {
        WaitingList<Entry> list = context.waiting.get(entry.domain);
        list.remove(entry);
        if (list.isEmpty()) {
            context.sectors[entry.domain].clear();
        }
        context.add(-1);
    }

    // ---- out

    @Override
    public boolean hasWork(int hctx) {
        return contexts[hctx].count != 0;
    }

    @Override
    public @Nullable Request dispatch(int hctx, long nowNanos) {
        PerContext context = contexts[hctx];
        Entry entry = context.batched < BATCHES[context.domain] ? take(context, hctx) : null;
        for (int turns = 0; entry == null && turns < DOMAINS; turns++) {
            context.domain = (context.domain + 1) % DOMAINS;
            context.batched = 0;
            entry = take(context, hctx);
        }
        if (entry == null) {
            return null;
        }
        context.batched++;
        entry.dispatchedNanos = nowNanos;
        return entry.request;
    }

    /** The first request of the domain whose turn it is, if there is a token for it. */
    private @Nullable Entry take(PerContext context, int hctx) {
        Entry entry = context.waiting.get(context.domain).first();
        if (entry == null || !domains[context.domain].take(hctx)) {
            return null;
        }
        entry.hasToken = true;
        remove(context, entry);
        return entry;
    }

    // ---- afterwards

    @Override
    public void completed(Request rq, long nowNanos) {
        Entry entry = entryOf(rq);
        if (entry.domain == OTHER) {
            return;
        }
        long target = targets[entry.domain].get();
        latencies[entry.domain].record(entry.hctx, nowNanos - entry.insertedNanos, nowNanos - entry.dispatchedNanos,
                target);
        long since = windowNanos.get();
        if (since == NO_WINDOW) {
            windowNanos.compareAndSet(NO_WINDOW, nowNanos);
        } else if (nowNanos - since >= WINDOW_NANOS && windowNanos.compareAndSet(since, NO_WINDOW)) {
            tune(nowNanos);
        }
    }

    @Override
    public void requeued(Request rq) {
        giveToken(entryOf(rq));
    }

    @Override
    public void finished(Request rq) {
        giveToken(entryOf(rq));
    }

    private void giveToken(Entry entry) {
        if (entry.hasToken) {
            entry.hasToken = false;
            domains[entry.domain].give();
        }
    }

    // ---- tuning

    private void tune(long nowNanos) {
        int[] tokens = new int[OTHER];
        tuning.lock();
        try {
            boolean congested = isCongested(nowNanos);
            for (int i = 0; i < OTHER; i++) {
                tokens[i] = newDepth(i, congested, nowNanos);
            }
        } finally {
            tuning.unlock();
        }
        // Not under the lock: it runs hardware contexts.
        for (int i = 0; i < OTHER; i++) {
            if (tokens[i] != domains[i].depth()) {
                domains[i].resize(tokens[i]);
            }
        }
    }

    private boolean isCongested(long nowNanos) {
        boolean congested = false;
        for (int i = 0; i < OTHER; i++) {
            latencies[i].collect();
            congested |= latencies[i].atDriver.percentile(90, nowNanos) >= KyberLatencies.GOOD_BUCKETS;
        }
        return congested;
    }

    private int newDepth(int domain, boolean congested, long nowNanos) {
        int depth = domains[domain].depth();
        int late = latencies[domain].total.percentile(99, nowNanos);
        // Domains do not have enough samples at the same time: what could not be acted on is kept until there is congestion,
        // and acted on once.
        if (congested) {
            if (late < 0) {
                late = lateBucket[domain];
            }
            lateBucket[domain] = -1;
        } else if (late >= 0) {
            lateBucket[domain] = late;
        }
        if (late < 0 || !(congested || late >= KyberLatencies.GOOD_BUCKETS)) {
            return depth;
        }
        return Math.clamp((long) depth * (late + 1) / KyberLatencies.GOOD_BUCKETS, 1, domains[domain].depthMax);
    }

    @Override
    public Map<String, ElevatorAttribute> attributes() {
        return attributes;
    }

    @Override
    public String toString() {
        StringBuilder text = new StringBuilder("kyber: ");
        String[] names = {"read", "write", "discard", "other"};
        for (int i = 0; i < DOMAINS; i++) {
            text.append(names[i]).append(' ').append(domains[i].used()).append(" of ").append(domains[i].depth())
                    .append(" tokens, ");
        }
        return text.append(attributes.values()).toString();
    }
}
