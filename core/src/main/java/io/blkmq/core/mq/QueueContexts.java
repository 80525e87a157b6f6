package io.blkmq.core.mq;

import io.blkmq.core.driver.BlockDriver;
import io.blkmq.core.driver.QueueType;
import io.blkmq.core.driver.TagSet;
import java.io.IOException;
import java.util.Arrays;
import java.util.Objects;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * The contexts of one queue: software contexts, by which threads come in, hardware contexts, by which requests go down, and the maps between
 * them. A change of their numbers ({@link RequestPool}) makes everything that can fail before anything that is in use goes, and takes place
 * while the queue is frozen and under the tag set's lock for changes; so the arrays are written by one thread at a time and read by all.
 */
final class QueueContexts {
    /** Lets new hardware contexts hold what the queue holds, and publishes them before a change of that is seen. */
    @FunctionalInterface
    interface Begin {
        void begin(DispatchContext[] made, Runnable publish);
    }

    private final QueueSettings queue;
    private final TagSet set;
    private final PoolParts shared;
    private final BlockDriver driver;
    private final BusyTime busyTime;
    private final Begin life;
    /**
     * The queue's share of host-wide tags; null where each hardware context has tags of its own. Whoever gives such a tag back asks the queue
     * from then on: it is made when the queue can answer, and stays.
     */
    private @Nullable TagShare hostShare;
    /** Replaced only while the queue is frozen. */
    private volatile DispatchContext[] hctxs = new DispatchContext[0];
    /** Their number is a power of two. Replaced only while the queue is frozen, by more of them. */
    private volatile EntryContext[] contexts = new EntryContext[0];
    /** Of each software context, what brings completions there. Grows before the contexts do. */
    private volatile CompletionRelay[] relays = new CompletionRelay[0];
    /** How many there are, or will be when the queue is made. */
    private volatile int contextCount;

    QueueContexts(QueueSettings queue, BusyTime busyTime, Begin life) {
        this.queue = queue;
        this.set = queue.set;
        this.shared = queue.shared;
        this.driver = set.driver();
        this.busyTime = busyTime;
        this.life = life;
    }

    /**
     * Makes the first ones.
     *
     * @throws IOException if the driver could not prepare one; then nothing is left of them
     */
    void make() throws IOException {
        QueueLayout layout = shared.layout;
        this.hostShare = set.isHostWide() ? TagShare.of(shared.tags(0), queue) : null;
        try {
            QueueMaps maps = newMaps(layout);
            this.contextCount = maps.byDefault().contexts();
            DispatchContext[] made = newContexts(layout);
            try {
                useContexts(made, maps, layout);
            } catch (Throwable t) {
                exitContexts(made, 0);
                throw t;
            }
        } catch (Throwable t) {
            dropHostShare();
            throw t;
        }
    }

    /** Undoes all of them. Nothing is in flight. */
    void undo() {
        exitContexts(hctxs, 0);
        for (CompletionRelay relay : relays) {
            relay.stop();
        }
        dropHostShare();
    }

    private void dropHostShare() {
        if (hostShare != null) {
            shared.tags(0).dropShare(hostShare);
        }
    }

    /** All hardware contexts. */
    DispatchContext[] hardware() {
        return hctxs;
    }

    /** All software contexts. Those that there are stay. */
    EntryContext[] software() {
        return contexts;
    }

    /** How many software contexts there are, or will be when the queue is made. */
    int softwareCount() {
        return contextCount;
    }

    EntryContext software(int index) {
        EntryContext[] all = contexts;
        return all[Objects.checkIndex(index, all.length)];
    }

    /** What brings completions to a software context. */
    CompletionRelay relay(int index) {
        CompletionRelay[] all = relays;
        return all[Objects.checkIndex(index, all.length)];
    }

    DispatchContext hardware(int index) {
        DispatchContext[] all = hctxs;
        return all[Objects.checkIndex(index, all.length)];
    }

    EntryContext ofCurrentThread() {
        EntryContext[] all = contexts;
        return all[set.runtime().threadIndex() & (all.length - 1)];
    }

    /** Whether tags of the queue may be held by what goes through other contexts, or belongs to other queues. */
    boolean areTagsShared(DispatchContext hctx) {
        return hostShare != null || hctx.tags.isShared();
    }

    /** How many bios wait for a tag of the driver's. */
    int waitingBios() {
        if (hostShare != null) {
            return hostShare.bioCount();
        }
        int waiting = 0;
        for (DispatchContext hctx : hctxs) {
            waiting += hctx.share.bioCount();
        }
        return waiting;
    }

    /**
     * Makes the hardware contexts that this queue has to have and has not yet.
     *
     * @param layout how many of each type
     * @return those that there are, and the new ones
     * @throws IOException if the driver could not prepare one; then nothing has changed
     */
    DispatchContext[] newContexts(QueueLayout layout) throws IOException {
        DispatchContext[] now = hctxs;
        DispatchContext[] made = Arrays.copyOf(now, Math.max(layout.total(), now.length));
        int ready = now.length;
        try {
            for (; ready < made.length; ready++) {
                TagShare share = hostShare != null ? hostShare : TagShare.of(shared.tags(ready), queue);
                made[ready] = new DispatchContext(queue, ready, layout.typeOf(ready), share);
                initContext(made[ready]);
            }
        } finally {
            if (ready < made.length) {
                exitContexts(Arrays.copyOf(made, ready), now.length);
                dropShare(made[ready]);
            }
        }
        return made;
    }

    private void dropShare(@Nullable DispatchContext hctx) {
        if (hctx != null && hostShare == null) {
            hctx.tags.dropShare(hctx.share);
        }
    }

    @SuppressWarnings("NullAway") // a driver that gave its tag set no data expects none
    private void initContext(DispatchContext hctx) throws IOException {
        try {
            driver.initHctx(hctx, set.driverData(), hctx.index());
        } catch (Exception e) {
            throw new IOException(queue.name() + ": the driver could not prepare hardware context " + hctx.index(), e);
        }
        try {
            hctx.useFlushQueue(newFlushQueue(hctx));
        } catch (IOException | RuntimeException | Error e) {
            exitHctx(hctx);
            throw e;
        }
    }

    private FlushQueue newFlushQueue(DispatchContext hctx) throws IOException {
        return new FlushQueue(queue, hctx.tags, hctx.index(), (rq, batch) -> hctx.issue(rq, false, batch));
    }

    /** Undoes contexts, from an index on. No request goes through them. */
    void exitContexts(DispatchContext[] all, int from) {
        for (int i = from; i < all.length; i++) {
            all[i].retire();
            all[i].flushQueue().close();
            exitHctx(all[i]);
            dropShare(all[i]);
        }
    }

    private void exitHctx(DispatchContext hctx) {
        try {
            driver.exitHctx(hctx, hctx.index());
        } catch (Throwable t) {
            CallbackFailures.report("exitHctx of " + queue.name(), t);
        }
    }

    /**
     * The driver's maps for other numbers of hardware contexts.
     *
     * @throws IOException if the driver could not make one
     */
    QueueMaps newMaps(QueueLayout layout) throws IOException {
        int most = Math.max(layout.total(), set.runtime().processors());
        int count = Math.max(contexts.length, Integer.highestOneBit(most * 2 - 1));
        try {
            return QueueMaps.of(layout, count, driver);
        } catch (RuntimeException e) {
            throw new IOException(queue.name() + ": the driver could not map its hardware queues", e);
        }
    }

    /** Goes over to other hardware contexts. While the queue is frozen, or new. */
    void useContexts(DispatchContext[] all, QueueMaps maps, QueueLayout layout) {
        DispatchContext[] before = hctxs;
        DispatchContext[] now = Arrays.copyOf(all, layout.total());
        for (DispatchContext hctx : now) {
            hctx.setType(layout.typeOf(hctx.index()));
        }
        life.begin(now, () -> hctxs = now);
        EntryContext[] ctxs = Arrays.copyOf(contexts, maps.byDefault().contexts());
        CompletionRelay[] theirs = Arrays.copyOf(relays, ctxs.length);
        for (int i = 0; i < ctxs.length; i++) {
            DispatchContext byDefault = now[maps.byDefault().hardwareQueue(i)];
            DispatchContext read = now[maps.reads().hardwareQueue(i)];
            DispatchContext poll = now[maps.polls().hardwareQueue(i)];
            if (i < contexts.length) {
                ctxs[i].map(byDefault, read, poll);
            } else {
                ContextCounters counters = new ContextCounters(i, busyTime, set.runtime().nanoTime());
                ctxs[i] = new EntryContext(i, queue, counters, byDefault, read, poll);
                theirs[i] = new CompletionRelay(set.runtime(), queue.name(), i, queue::completeHere);
            }
            ctxs[i].hintWord = i * byDefault.tags.words() / ctxs.length;
        }
        relays = theirs;
        contexts = ctxs;
        contextCount = ctxs.length;
        if (before.length > now.length) {
            exitContexts(before, now.length);
        }
    }

    boolean hasActiveShares() {
        for (DispatchContext hctx : hctxs) {
            if (hctx.share.isActive()) {
                return true;
            }
        }
        return false;
    }

    void sharesBecomeIdle() {
        for (DispatchContext hctx : hctxs) {
            if (!hctx.share.hasWaiters()) {
                hctx.share.becomeIdle();
            }
        }
    }

    /** Shows every request of this queue that holds a tag, or the flush request that borrows it. It may change at any moment. */
    void eachActive(Consumer<TagRequest> visitor) {
        if (hostShare != null) {
            hostShare.tags.eachActiveOf(queue, visitor);
            return;
        }
        for (DispatchContext hctx : hctxs) {
            hctx.tags.eachActiveOf(queue, visitor);
        }
    }

    /** Whether something holds a tag of the driver's: what has not been given out by an elevator has none. */
    boolean hasDriverTags() {
        if (hostShare != null) {
            return hostShare.tags.holdsAnyOf(queue);
        }
        for (DispatchContext hctx : hctxs) {
            if (hctx.tags.holdsAnyOf(queue)) {
                return true;
            }
        }
        return false;
    }

    int heldTags() {
        if (hostShare != null) {
            return hostShare.tags.heldCount();
        }
        int held = 0;
        for (DispatchContext hctx : hctxs) {
            held += hctx.tags.heldCount();
        }
        return held;
    }

    void runAll() {
        for (DispatchContext hctx : hctxs) {
            hctx.run();
        }
    }

    /** Whether the calling thread is in a callback of this queue's driver, which may block. */
    boolean isServedHere() {
        if (set.isBlocking()) {
            for (DispatchContext hctx : hctxs) {
                if (hctx.isServedHere()) {
                    return true;
                }
            }
        }
        return false;
    }

    boolean isPolled() {
        return contexts[0].hardwareContext(QueueType.POLL).isPolled();
    }
}
