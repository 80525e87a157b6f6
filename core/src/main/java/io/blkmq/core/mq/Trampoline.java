package io.blkmq.core.mq;

import io.blkmq.core.Bio;
import io.blkmq.core.Status;
import io.blkmq.core.driver.CompletionBatch;
import io.blkmq.core.driver.Parking;
import io.blkmq.core.driver.Request;
import io.blkmq.core.jfr.DiskEvents;
import io.blkmq.runtime.IoRuntime;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;

/**
 * What one thread has to finish before it leaves the block layer: the trampoline on which completions bounce.
 *
 * <p>A completion may happen inside a submission, and a completion's callback may submit. Done on the spot, that would recurse
 * without bound, run user code inside a driver's {@code queueRq}, and make a completing thread wait for a tag that only it can
 * free. So a thread that is in the block layer has one of these, and
 *
 * <pre>
 *   a request ends ...                 inside queueRq   its end is put off until queueRq has returned
 *                                      otherwise        its bios are told at once, its tag is collected
 *   a completion's callback submits    the bio is put off until the tags collected so far are free
 * </pre>
 *
 * <p>What was put off is done in {@link #leave} by the outermost entry, in a loop: the stack stays flat, also for a device on a
 * device. Tags are freed together, one atomic step for those that share a word; bios that were put off go down together as a
 * batch.
 *
 * <p>A driver whose completions come in bursts opens one around each burst ({@code try (var b = Trampoline.open())}): that
 * makes one batch of them.
 *
 * <p>Finding the thread's own: a table of slots, without thread-locals (a virtual thread would allocate one). A thread has eight places
 * by its id, and keeps the slot that it had last as long as nobody else needs it: so threads whose ids meet in the same eight find
 * their own without a look at those of the others, and the table does not grow with the number of threads that there ever were. A slot
 * is taken from a thread that is not in the block layer, or by who {@linkplain #forget closes a queue}, who gives it back as nobody's. Where nine threads of the same eight are in there at once, the ninth uses a map.
 *
 * <p>All fields but {@link #life} are those of the thread that the slot is taken by; {@code life} is changed by compare-and-set on
 * entry, and by a release on leaving, which publishes the slot's fields to its next owner's entry. {@link #LAST} only says where to look,
 * and may be out of date for all but the thread that it names and that is inside.
 */
public final class Trampoline extends CompletionBatch {
    private static final VarHandle LIFE;
    private static final VarHandle LAST_ID;
    private static final VarHandle ENTRIES;
    /** The places of a thread are next to each other. */
    private static final int WAYS = 8;
    private static final int PLACES = 32;
    private static final int SLOTS = PLACES * WAYS;
    /** By slot, the id of the thread that has taken it last: written when that becomes another, so that to look costs nothing. */
    private static final long[] LAST = new long[SLOTS];
    private static final Trampoline[] TABLE = new Trampoline[SLOTS];
    private static final ConcurrentHashMap<Thread, Trampoline> COLLIDED = new ConcurrentHashMap<>();
    /** How many threads are in the map. Above zero from before a thread's entry until after it. */
    private static final AtomicInteger COLLISIONS = new AtomicInteger();
    /** How {@link #awaitOthers} looks: so often at once, then with pauses. */
    private static final int PAUSE_SPINS = 200;
    private static final long PAUSE_NANOS = 50_000;
    /** Beside the id of the thread that has a slot: it is in the block layer. */
    private static final long INSIDE = 1;
    /** A slot that nobody has. */
    private static final long NOBODY = 0;
    /** Where the search for a slot to be taken from another thread begins. Written without order: any place will do. */
    private static int victim;

    static {
        try {
            MethodHandles.Lookup lookup = MethodHandles.lookup();
            LIFE = lookup.findVarHandle(Trampoline.class, "life", long.class);
            LAST_ID = MethodHandles.arrayElementVarHandle(long[].class);
            ENTRIES = lookup.findVarHandle(Trampoline.class, "entries", long.class);
        } catch (ReflectiveOperationException e) {
            throw new ExceptionInInitializerError(e);
        }
        for (int i = 0; i < SLOTS; i++) {
            TABLE[i] = new Trampoline(true);
        }
    }

    private final boolean inTable;
    /** Twice the id of the thread that has the slot, and {@link #INSIDE}; {@link #NOBODY} before it is used; {@link #INSIDE} alone while {@link #forget} has it. */
    private long life;
    /** Counts the outermost entries: tells a thread that has come again from one that is still there. */
    private long entries;
    private int depth;
    /** How many calls of a driver's queueRq, queueRqs or commitRqs are on the stack. */
    private int issuing;

    /** Requests that ended while issuing, and all those of flush sequences. */
    private @Nullable TagRequest endedFirst;
    private @Nullable TagRequest endedLast;
    /** Bios that ended while issuing, before their request did. */
    private final BioChain told = new BioChain();
    /** Bios that have waited without a thread and go on, with a tag or to look for one. */
    private final BioChain goingOn = new BioChain();
    /** Bios that were submitted by completions. */
    private final BioChain deferred = new BioChain();
    private Batch.@Nullable Deferred deferredBatch;
    private final ArrayDeque<DispatchContext> toRun = new ArrayDeque<>();

    /** Tags to free, all of one word of one hardware context. */
    private long putMask;
    private int putWord;
    private boolean putReserved;
    private @Nullable DispatchContext putHctx;
    /** The same of a scheduler's. */
    private long putScheduledMask;
    private int putScheduledWord;
    private @Nullable Tags putScheduledTags;

    /** The polled context that the calling thread may serve, if {@link #serving}: it polls it, or has come to submit to it. */
    private @Nullable DispatchContext served;
    private boolean serving;

    /** The time, read when it is first asked for. */
    private long nowNanos;
    private @Nullable IoRuntime clock;

    /** What has ended and is not counted yet. */
    private final Tally tally = new Tally();

    private Trampoline(boolean inTable) {
        this.inTable = inTable;
    }

    @Override
    public void close() {
        leave();
    }

    @Override
    public void complete(Request rq, Status status) {
        TagRequest own = (TagRequest) rq;
        if (own.endAtOnce(status)) {
            add(own);
        } else {
            own.complete(status);
        }
    }

    /** The first place where a thread looks; the others are the rest of the same eight. */
    private static int place(long id) {
        return ((int) id & (PLACES - 1)) * WAYS + ((int) (id / PLACES) & (WAYS - 1));
    }

    /** The one that is open on the calling thread; null if that is not in the block layer. */
    public static @Nullable Trampoline current() {
        Thread thread = Thread.currentThread();
        long id = thread.threadId();
        int place = place(id);
        // Opaque, both: only this thread writes its own id there, so it sees that exactly when it is so.
        if ((long) LAST_ID.getOpaque(LAST, place) == id) {
            Trampoline slot = TABLE[place];
            long life = (long) LIFE.getOpaque(slot);
            if (life >>> 1 == id) {
                return life == (id << 1 | INSIDE) ? slot : null;
            }
        }
        return currentElsewhere(thread, id, place);
    }

    private static @Nullable Trampoline currentElsewhere(Thread thread, long id, int place) {
        int first = place & -WAYS;
        for (int at = first; at < first + WAYS; at++) {
            if ((long) LAST_ID.getOpaque(LAST, at) == id && (long) LIFE.getOpaque(TABLE[at]) == (id << 1 | INSIDE)) {
                return TABLE[at];
            }
        }
        return COLLISIONS.getOpaque() == 0 ? null : COLLIDED.get(thread);
    }

    /** Opens one on the calling thread, or joins the one that is open. */
    public static Trampoline enter() {
        Thread thread = Thread.currentThread();
        long id = thread.threadId();
        int place = place(id);
        Trampoline batch = (long) LAST_ID.getOpaque(LAST, place) == id ? TABLE[place] : null;
        if (batch == null || !batch.isTakenBy(id)) {
            batch = enterElsewhere(thread, id, place);
        }
        if (batch.depth++ == 0) {
            // Opaque: awaitOthers sees it change in the end.
            ENTRIES.setOpaque(batch, batch.entries + 1);
        }
        return batch;
    }

    /** Takes the slot that a thread had last, or finds that it is in there. */
    private boolean isTakenBy(long id) {
        long outside = id << 1;
        long now = (long) LIFE.getOpaque(this);
        return now == (outside | INSIDE) || (now == outside && LIFE.compareAndSet(this, outside, outside | INSIDE));
    }

    private static Trampoline enterElsewhere(Thread thread, long id, int place) {
        int first = place & -WAYS;
        for (int at = first; at < first + WAYS; at++) {
            if ((long) LAST_ID.getOpaque(LAST, at) == id && TABLE[at].isTakenBy(id)) {
                return TABLE[at];
            }
        }
        // A thread that is in the map stays there, also if a slot has become free since.
        Trampoline collided = COLLISIONS.getOpaque() == 0 ? null : COLLIDED.get(thread);
        if (collided != null) {
            return collided;
        }
        Trampoline taken = take(id, first, place, true);
        if (taken == null) {
            // From whom must not follow from the ids: two threads could take the same slot from each other for ever.
            taken = take(id, first, victim++, false);
        }
        return taken == null ? collide(thread, id) : taken;
    }

    /** Takes a slot of eight: one that nobody has, or one whose thread is not in the block layer. */
    private static @Nullable Trampoline take(long id, int first, int begin, boolean fresh) {
        for (int i = 0; i < WAYS; i++) {
            int at = first + (begin + i & (WAYS - 1));
            Trampoline slot = TABLE[at];
            long now = (long) LIFE.getOpaque(slot);
            if ((fresh ? now == NOBODY : (now & INSIDE) == 0) && LIFE.compareAndSet(slot, now, id << 1 | INSIDE)) {
                LAST_ID.setOpaque(LAST, at, id);
                return slot;
            }
        }
        return null;
    }

    /**
     * Waits until every other thread that is in the block layer now, and may be there for the runtime, has left it, once. Whoever enters later sees what the caller
     * wrote before: entering is a volatile read-modify-write, and so is its look at what a dispatch looks at. A thread cannot be
     * in the block layer for long, since nothing in there blocks.
     */
    static void awaitOthers(IoRuntime runtime) {
        // All at once, so that the number of looks does not depend on where in the table whose slot is.
        List<Visit> visits = visitsOfOthers(runtime);
        visits.removeIf(Visit::isOver);
        for (int looks = 0; !visits.isEmpty(); looks++) {
            pause(runtime, looks);
            visits.removeIf(Visit::isOver);
        }
    }

    /** The stays in the block layer of all other threads that are there now, and may be there for the runtime. */
    static List<Visit> visitsOfOthers(IoRuntime runtime) {
        Thread self = Thread.currentThread();
        List<Visit> visits = new ArrayList<>();
        for (Trampoline slot : TABLE) {
            long now = (long) LIFE.getVolatile(slot);
            long entry = (long) ENTRIES.getVolatile(slot);
            if ((now & INSIDE) != 0 && now >>> 1 != self.threadId() && runtime.mayUse(now >>> 1)) {
                visits.add(() -> (long) LIFE.getVolatile(slot) != now || (long) ENTRIES.getVolatile(slot) != entry);
            }
        }
        if (COLLISIONS.get() != 0) {
            COLLIDED.forEach((thread, batch) -> {
                if (!thread.equals(self) && runtime.mayUse(thread.threadId())) {
                    visits.add(() -> !batch.equals(COLLIDED.get(thread)));
                }
            });
        }
        return visits;
    }

    /**
     * Slots of threads that are not in the block layer forget a queue, which has been closed: a thread that has ended would keep it and all
     * that it has, until another one needs the slot. A thread that is in the block layer now, for another queue, may keep it longer.
     */
    static void forget(QueueSettings queue) {
        for (Trampoline slot : TABLE) {
            if (slot.mayKnow(queue)) {
                long now = (long) LIFE.getVolatile(slot);
                if ((now & INSIDE) == 0 && LIFE.compareAndSet(slot, now, INSIDE)) {
                    slot.deferredBatch = null;
                    slot.putHctx = null;
                    slot.putScheduledTags = null;
                    slot.served = null;
                    // Nobody's: the thread that has had it may have taken another one meanwhile, and must not find both. Release: as on leaving.
                    LIFE.setRelease(slot, NOBODY);
                }
            }
        }
    }

    /** Whether it might keep a queue. Read without order: the thread that calls has seen the last request of the queue end. */
    private boolean mayKnow(QueueSettings queue) {
        DispatchContext put = putHctx;
        DispatchContext lastServed = served;
        Batch.Deferred batch = deferredBatch;
        // Of a scheduler's tags it cannot be told whose they are.
        return (put != null && put.queue().equals(queue)) || (lastServed != null && lastServed.queue().equals(queue))
                || (batch != null && batch.context().queue().equals(queue)) || putScheduledTags != null;
    }

    /** Another thread's stay in the block layer. */
    @FunctionalInterface
    interface Visit {
        boolean isOver();
    }

    /** How many threads have collided and are in the block layer. */
    static int threadsInMap() {
        return COLLIDED.size();
    }

    static void pause(IoRuntime runtime, int looks) {
        if (looks < PAUSE_SPINS) {
            Parking.spinWait(runtime);
        } else {
            Parking.parkNanos(runtime, Trampoline.class, PAUSE_NANOS);
        }
    }

    private static Trampoline collide(Thread thread, long id) {
        Trampoline batch = new Trampoline(false);
        batch.life = id << 1 | INSIDE;
        COLLISIONS.incrementAndGet();
        COLLIDED.put(thread, batch);
        return batch;
    }

    void leave() {
        if (depth > 1) {
            depth--;
            return;
        }
        try {
            drain();
        } catch (Throwable t) {
            forgetAll();
            throw t;
        } finally {
            // Also if an error breaks off what is left to do: the thread must not stay in the block layer for ever.
            release();
        }
    }

    /** What an error has broken off is lost; the slot's next owner must not find it. */
    private void forgetAll() {
        tally.close();
        issuing = 0;
        endedFirst = null;
        endedLast = null;
        told.clear();
        goingOn.clear();
        deferred.clear();
        deferredBatch = null;
        toRun.clear();
        putMask = 0;
        putScheduledMask = 0;
    }

    private void release() {
        depth = 0;
        // The next one reads the time anew; and a slot keeps no runtime.
        clock = null;
        serving = false;
        if (!inTable) {
            COLLIDED.remove(Thread.currentThread());
            COLLISIONS.decrementAndGet();
        } else {
            // Release: pairs with the next entry's compareAndSet, which may be another thread's.
            LIFE.setRelease(this, life & ~INSIDE);
        }
    }

    /** The time of what is being done, read once for all of it. */
    @SuppressWarnings("ReferenceEquality") // another clock, and nothing else, is another time
    long nowNanos(IoRuntime runtime) {
        if (clock != runtime) {
            clock = runtime;
            nowNanos = runtime.nanoTime();
        }
        return nowNanos;
    }

    /** What comes next is another thing: its time is read anew. */
    private void timeGoesOn() {
        tally.endRun();
        clock = null;
    }

    boolean isNested() {
        return depth > 1;
    }

    boolean isIssuing() {
        return issuing > 0;
    }

    void issueBegins() {
        issuing++;
    }

    void issueEnds() {
        issuing--;
        if (endedFirst != null) {
            // It has ended since the clock was read for its issue.
            timeGoesOn();
        }
    }

    /** A request has ended. */
    void add(TagRequest rq) {
        if (issuing == 0 && rq.flush == FlushSequence.NONE && !rq.flushesForOthers) {
            finish(rq);
            return;
        }
        addLater(rq);
    }

    /** A request has ended where nobody can be told: a lock is held, or a batch goes down. */
    void addLater(TagRequest rq) {
        assert rq.next == null;
        if (endedLast == null) {
            endedFirst = rq;
        } else {
            endedLast.next = rq;
        }
        endedLast = rq;
    }

    /** A bio has ended whose request goes on; how is noted with it. */
    void tell(Bio bio, EntryContext ctx) {
        if (issuing == 0) {
            BioState.finish(bio, Status.OK, ctx);
            return;
        }
        tellLater(bio, ctx);
    }

    /**
     * A bio that has no request has ended. A part tells its whole at once, since who cuts wants to know. Any other is told when all that
     * the thread is in the middle of is done: a chain of such bios needs no stack.
     */
    void end(Bio bio, EntryContext ctx, Status status) {
        BioState state = bio;
        if (state.isCut()) {
            BioState.finish(bio, status, ctx);
        } else {
            state.noteError(status);
            tellLater(bio, ctx);
        }
    }

    /**
     * Ends a bio that has no request, within the block layer like any other end: its completion may not wait, and what that submits is
     * put off.
     */
    static void endAlone(Bio bio, EntryContext ctx, Status status) {
        Trampoline batch = enter();
        try {
            batch.end(bio, ctx, status);
        } finally {
            batch.leave();
        }
    }

    private void tellLater(Bio bio, EntryContext ctx) {
        BioState state = bio;
        if (state.context != ctx) {
            state.context = ctx;
        }
        told.addLast(bio);
    }

    private void tellBios() {
        for (Bio bio = told.poll(); bio != null; bio = told.poll()) {
            BioState state = bio;
            BioState.finish(bio, Status.OK, Objects.requireNonNull(state.context));
        }
    }

    /** A bio has been submitted by a completion. */
    void defer(Bio bio, EntryContext ctx) {
        BioState state = bio;
        if (state.context != ctx) {
            state.context = ctx;
        }
        deferred.addLast(bio);
    }

    /**
     * A bio that has waited, and knows its context, goes on: before those that completions submit, which would find the tags that come
     * free taken otherwise.
     */
    void goOn(Bio bio) {
        goingOn.addLast(bio);
    }

    /** The calling thread polls a context, or submits to it. */
    void serve(DispatchContext hctx) {
        // Written where it changes: a store costs the collector's barrier.
        if (served != hctx) {
            served = hctx;
        }
        serving = true;
    }

    boolean serves(DispatchContext hctx) {
        return serving && served == hctx;
    }

    /** A hardware context has requests to dispatch. */
    void runLater(DispatchContext hctx) {
        if (!toRun.contains(hctx)) {
            toRun.addLast(hctx);
        }
    }

    private void finish(TagRequest rq) {
        if (rq.isPassThrough()) {
            rq.tellPassThrough();
            return;
        }
        TagRequest scheduled = rq.scheduled;
        if (scheduled == null && rq.scheduler == null) {
            count(rq);
            rq.finishBios();
            put(rq);
        } else {
            finishScheduled(rq, scheduled);
        }
    }

    /** A request whose bios are told next counts as an operation, and is not in flight any more. */
    void count(TagRequest rq) {
        tally.add(rq, this);
        if (DiskEvents.recordsRequests()) {
            rq.endTrace();
        }
    }

    /** A flush of the device has ended. */
    void countFlush(TagRequest rq) {
        tally.addFlush(rq, this);
    }

    /** A request has been absorbed by another, and is not in flight any more. */
    void countAbsorbed(TagRequest rq) {
        tally.addAbsorbed(rq, this);
    }

    /** Counts what has ended, for somebody who is told of it now. */
    static void countOwn() {
        Trampoline current = current();
        if (current != null) {
            current.tally.close();
        }
    }

    /** Ends a request of a scheduler's, and the one that carried it out if it got so far. */
    private void finishScheduled(TagRequest rq, @Nullable TagRequest scheduled) {
        TagRequest waited = scheduled == null ? rq : scheduled;
        Scheduler scheduler = Objects.requireNonNull(waited.scheduler);
        if (scheduled != null) {
            rq.scheduled = null;
            scheduler.completed(waited, this);
        }
        count(rq);
        rq.finishBios();
        if (scheduled != null) {
            put(rq);
        }
        scheduler.finished(waited);
        putScheduled(waited);
    }

    /** Collects the tag of a scheduler's request. */
    void putScheduled(TagRequest rq) {
        if (rq.word != putScheduledWord || rq.tags != putScheduledTags) {
            freeScheduledTags();
            putScheduledTags = rq.tags;
            putScheduledWord = rq.word;
        }
        putScheduledMask |= rq.mask;
    }

    private void freeScheduledTags() {
        long mask = putScheduledMask;
        if (mask != 0) {
            putScheduledMask = 0;
            Tags tags = Objects.requireNonNull(putScheduledTags);
            Scheduler scheduler = tags.request(putScheduledWord, Long.lowestOneBit(mask)).scheduler;
            Objects.requireNonNull(scheduler).putTags(tags, putScheduledWord, mask);
        }
    }

    /** Collects the tag of an ended request. */
    void put(TagRequest rq) {
        DispatchContext hctx = rq.hardwareContext();
        if (rq.word != putWord || hctx != putHctx || rq.reserved != putReserved) {
            freeTags();
            putHctx = hctx;
            putWord = rq.word;
            putReserved = rq.reserved;
        }
        putMask |= rq.mask;
    }

    private void freeTags() {
        long mask = putMask;
        if (mask != 0) {
            putMask = 0;
            DispatchContext hctx = Objects.requireNonNull(putHctx);
            hctx.putTags(putWord, mask, putReserved, this);
        }
    }

    private void drain() {
        for (;;) {
            if (!told.isEmpty()) {
                tellBios();
            } else if (endedFirst != null) {
                endEnded();
            } else if ((putMask | putScheduledMask) != 0) {
                // Before: who finds no tag held finds everything counted.
                tally.close();
                // The scheduler's first: a request whose carrier is still held has not left the queue.
                freeScheduledTags();
                freeTags();
            } else if (!toRun.isEmpty()) {
                timeGoesOn();
                toRun.removeFirst().run();
            } else if (!goingOn.isEmpty()) {
                submit(goingOn);
            } else if (!deferred.isEmpty()) {
                submit(deferred);
            } else {
                tally.close();
                return;
            }
        }
    }

    private void endEnded() {
        TagRequest rq = endedFirst;
        endedFirst = null;
        endedLast = null;
        while (rq != null) {
            TagRequest following = rq.next;
            rq.next = null;
            if (rq.flushesForOthers || rq.flush != FlushSequence.NONE) {
                rq.hardwareContext().sequenceStepEnded(rq, this);
            } else {
                finish(rq);
            }
            rq = following;
        }
    }

    /** Sends one batch of bios that came in the same way. What they end, or let go on, may add to the chain meanwhile. */
    private void submit(BioChain bios) {
        timeGoesOn();
        EntryContext ctx = Objects.requireNonNull(((BioState) Objects.requireNonNull(bios.first())).context);
        Batch.Deferred batch = deferredBatch;
        if (batch == null || batch.context() != ctx) {
            batch = new Batch.Deferred(ctx);
            deferredBatch = batch;
        }
        batch.submit(bios, bios == goingOn);
    }
}
