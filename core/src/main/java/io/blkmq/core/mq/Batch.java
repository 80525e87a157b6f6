package io.blkmq.core.mq;

import io.blkmq.core.Bio;
import io.blkmq.core.QueueLimits;
import io.blkmq.core.driver.RequestQueue;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * Requests of one software context that go down together: what a {@link io.blkmq.core.Plug} has collected, and what a driver's
 * {@code queueRqs} is given. It also keeps tags that were taken in advance. Belongs to one thread at a time.
 *
 * <pre>
 *   FILLING ──flushHeld──▶ GOING DOWN ──all have been given out──▶ FILLING, empty ──▶ completions are told
 * </pre>
 *
 * <p>A completion may use the very plug whose requests it ends, and it may run within the flush. Two rules keep one from the other:
 * <ul>
 * <li>Nobody is told anything while a batch goes down. What ends meanwhile is put off ({@link Trampoline#addLater}), until the
 * batch is empty and its plug one like any other.
 * <li>What is submitted to a batch that goes down, by a driver for one, does not join it: the thread is in the block layer then, and
 * it goes the way of all that is submitted there.
 * </ul>
 * So a flush may leave a plug that holds something again, and for another hardware context. Nothing that was read from a batch before
 * a flush holds after it; {@link #add} alone says which way the batch goes.
 */
public abstract class Batch extends IssueBatch {
    /** Once a request is as long as this, the batch goes down before another one is added (BLK_PLUG_FLUSH_SIZE). */
    private static final int GROWN_BYTES = 128 << 10;
    /** No slot of {@link OpenPlugs}. */
    static final int NO_SLOT = -1;
    /** No sector. */
    private static final long NOWHERE = -1;

    /** The tags, as numbers: storing a number costs less than storing a reference. */
    private final int[] tagNumbers = new int[REQUESTS_MAX];
    /** Their generations, noted when they were given to the driver as a batch. */
    private final long[] uses = new long[REQUESTS_MAX];
    private final EntryContext ctx;
    /** The way of all requests and tags in the batch; while it is empty it may change. */
    private DispatchContext hctx;
    /** Whose tags they are: the driver's, or a scheduler's. Changes like {@link #hctx}. */
    private Tags tags;
    private int size;
    /** Where the newest request begins and ends: only what meets it there can join it. Negative without one. */
    private long newestSector = NOWHERE;
    private long newestEnd = NOWHERE;
    /** Whether a request has grown so large that the batch goes down before another one is added. */
    private boolean grown;
    /** Whether the requests are being given to the driver or the elevator. */
    private boolean goingDown;
    /** The thread whose {@link OpenPlugs} know this batch, while it holds something; and the next of the same thread. */
    @Nullable
    Thread holder;
    @Nullable
    Batch nextOpen;
    /** Of the slots of {@link OpenPlugs}, the one that it has while it holds something, and had last after that. */
    int openSlot = NO_SLOT;

    /** Tags taken and not yet used, all of one word, and for whom: another user of the same tags has a bound of its own. */
    private long spareMask;
    private @Nullable TagShare spareOf;
    private int spareWord;
    /** How many more requests the owner is likely to bring. */
    private int expected;
    /** For bios that come when there are tags in reserve. */
    private final Shortcut shortcut;

    /**
     * For {@link io.blkmq.core.Plug} alone.
     *
     * @param ctx the way in for all requests of the batch
     */
    protected Batch(EntryContext ctx) {
        this.ctx = ctx;
        this.hctx = ctx.hardwareContext();
        this.tags = hctx.tags;
        this.shortcut = new Shortcut(ctx, GROWN_BYTES - 1);
    }

    /** Requests of a plug's thread that go to another queue than the plug's own. */
    protected static final class Side extends Batch {
        /**
         * Makes one.
         *
         * @param ctx of the other queue
         */
        public Side(EntryContext ctx) {
            super(ctx);
        }

        /**
         * Whether it is for a queue.
         *
         * @param queue another than the plug's own
         * @return true if it is
         */
        public boolean goesTo(RequestQueue queue) {
            return context().queue().equals(queue);
        }

        /** Sends everything down. */
        public void flush() {
            flushHeld();
        }

        /**
         * Whether nothing is left to send down.
         *
         * @return true after a flush, unless completions have submitted more
         */
        public boolean isDone() {
            return isEmpty();
        }
    }

    /** The batch in which bios that were put off go down. */
    static final class Deferred extends Batch {
        /** The tag of the bio that is being submitted, which it has waited for; null once it is used. */
        private @Nullable TagRequest granted;
        /** Whether it is that bio's turn to get a bounce buffer. */
        private boolean trying;

        Deferred(EntryContext ctx) {
            super(ctx);
        }

        /** Submits the first bios of a row that came in by the context, as many as go together, and sends them down. */
        void submit(BioChain bios, boolean waited) {
            QueueSettings queue = context().queue();
            int count = bios.countOf(context(), REQUESTS_MAX);
            expect(count);
            for (; count > 0; count--) {
                Bio bio = Objects.requireNonNull(bios.poll());
                if (waited) {
                    queue.submitWaited(bio, this);
                } else {
                    queue.submitDeferred(bio, this);
                }
            }
            flushHeld();
        }

        /** A bio that has waited is submitted next. */
        void begin(@Nullable TagRequest rq, boolean isTrying) {
            granted = rq;
            trying = isTrying;
        }

        @Override
        @Nullable
        TagRequest takeGranted() {
            TagRequest rq = granted;
            granted = null;
            return rq;
        }

        @Override
        boolean isTrying() {
            return trying;
        }

        @Override
        boolean endTrying() {
            boolean was = trying;
            trying = false;
            return was;
        }
    }

    /** The tag that was kept for the bio that is being submitted; null if there is none, or not any more. */
    @Nullable
    TagRequest takeGranted() {
        return null;
    }

    /** Whether the bio that is being submitted has waited for a bounce buffer, and it is its turn. */
    boolean isTrying() {
        return false;
    }

    /** Its turn is over. Returns whether it was its turn. */
    boolean endTrying() {
        return false;
    }

    @Override
    public final int size() {
        return size;
    }

    @Override
    public final TagRequest request(int index) {
        Objects.checkIndex(index, size);
        return tags.requests[tagNumbers[index]];
    }

    @Override
    public final int tag(int index) {
        Objects.checkIndex(index, size);
        return tagNumbers[index];
    }

    final EntryContext context() {
        return ctx;
    }

    final DispatchContext hardwareContext() {
        return hctx;
    }

    /** Whether requests of a hardware context can be added as it is. */
    private boolean goes(DispatchContext way, Tags source) {
        return hctx == way && tags == source;
    }

    /**
     * Lets requests of another hardware context be added: what goes the way of before goes down. Within a batch of completions, so that
     * nobody is told, and uses this one, before the caller has added what it has.
     */
    private void change(DispatchContext way, Tags source) {
        assert Trampoline.current() != null;
        flushHeld();
        hctx = way;
        tags = source;
    }

    /**
     * Announces how many requests are to come, so that their tags can be taken together.
     *
     * @param requests how many
     */
    protected final void expect(int requests) {
        expected = requests;
    }

    /**
     * A request with a tag, from those in reserve if there are any; null if there is none to be had now.
     *
     * @param way of the request
     * @param source whose tags it has: the way's own, or the scheduler's
     */
    final @Nullable TagRequest tryGet(DispatchContext way, TagShare source) {
        if (grown) {
            flushHeld();
        }
        if (goes(way, source.tags)) {
            return take(source);
        }
        Trampoline batch = Trampoline.enter();
        try {
            change(way, source.tags);
            return take(source);
        } finally {
            batch.leave();
        }
    }

    private @Nullable TagRequest take(TagShare source) {
        if (spareMask == 0 || source != spareOf) {
            if (spareMask != 0 || source.tags.isRoundRobin()) {
                return source.tryGet(ctx);
            }
            if (!takeSpares(source)) {
                return null;
            }
        }
        long mask = Long.lowestOneBit(spareMask);
        spareMask ^= mask;
        expected--;
        return tags.request(spareWord, mask);
    }

    private boolean takeSpares(TagShare source) {
        int count = Math.clamp(expected, 1, REQUESTS_MAX);
        int words = source.tags.words();
        int word = source.tags.hint(ctx);
        for (int i = 0; i < words; i++) {
            long mask = source.takeSome(word, count);
            if (mask != 0) {
                spareMask = mask;
                spareOf = source;
                // Noted here and not read from the hint, which other threads of the context write too.
                spareWord = word;
                ctx.hintWord = word;
                own();
                if (holder == null && isPlug()) {
                    OpenPlugs.add(this);
                }
                return true;
            }
            word = word + 1 == words ? 0 : word + 1;
        }
        return false;
    }

    /** From here on a freeze of this queue waits for the tags, and one of another queue that used them before does not. */
    private void own() {
        QueueSettings queue = ctx.queue();
        for (long left = spareMask; left != 0; left &= left - 1) {
            tags.request(spareWord, Long.lowestOneBit(left)).ownBy(queue);
        }
    }

    /** Gives back what was taken in advance and not used. */
    private void dropSpares(Trampoline batch) {
        long mask = spareMask;
        if (mask != 0) {
            spareMask = 0;
            Scheduler elevator = tags.request(spareWord, Long.lowestOneBit(mask)).scheduler;
            if (elevator == null) {
                hctx.putTags(spareWord, mask, false, batch);
            } else {
                elevator.putTags(tags, spareWord, mask);
            }
        }
    }

    /** The driver gets them all. */
    @Override
    final void start(int tick, long nowNanos) {
        TagRequest[] all = tags.requests;
        for (int i = 0; i < size; i++) {
            TagRequest rq = all[tagNumbers[i]];
            rq.sent(nowNanos);
            rq.issued(nowNanos);
            uses[i] = rq.start(tick);
        }
    }

    @Override
    final long use(int index) {
        return uses[index];
    }

    /**
     * Adds a bio of the whole device for which there is a tag in reserve, if it has no need of the whole way ({@link Shortcut}).
     *
     * @return false if it has, and is untouched
     */
    final boolean addShort(Bio bio) {
        long mask = spareMask;
        if (mask == 0 || goingDown || grown || size >= REQUESTS_MAX - 1 || !shortcut.takes(bio, hctx, meets(bio))) {
            return false;
        }
        long bit = Long.lowestOneBit(mask);
        spareMask = mask ^ bit;
        expected--;
        TagRequest rq = tags.request(spareWord, bit);
        rq.route(ctx, hctx);
        rq.init(bio);
        put(rq);
        return true;
    }

    /** A bio has gone the whole way: those that come while tags are in reserve may have a shorter one. */
    final void learn() {
        if (spareMask != 0) {
            shortcut.learn();
        }
    }

    /** Like {@link #touches}, for a bio of the whole device before it is submitted. */
    private boolean meets(Bio bio) {
        long sector = bio.sector();
        return sector == newestEnd || sector + (bio.bytes() >>> 9) == newestSector;
    }

    /** Adds a request that has its way, and sends all down if no more could be added. */
    final void add(TagRequest rq) {
        DispatchContext way = rq.hardwareContext();
        if (goes(way, rq.tags)) {
            put(rq);
        } else {
            Trampoline batch = Trampoline.enter();
            try {
                change(way, rq.tags);
                put(rq);
            } finally {
                batch.leave();
            }
        }
        if (size == REQUESTS_MAX) {
            flushHeld();
        }
    }

    private void put(TagRequest rq) {
        assert !goingDown && size < REQUESTS_MAX : this;
        if (holder == null && isPlug()) {
            OpenPlugs.add(this);
        }
        tagNumbers[size++] = rq.tag();
        noteNewest(rq);
    }

    private void noteNewest(TagRequest rq) {
        long sector = rq.sector();
        long bytes = rq.bytes();
        newestSector = sector;
        newestEnd = sector + (bytes >>> 9);
        if (bytes >= GROWN_BYTES) {
            grown = true;
        }
    }

    /** Whether a bio meets the newest request at its beginning or end. Asked for every bio. */
    final boolean touches(Bio bio) {
        long sector = bio.deviceSector();
        return sector == newestEnd || sector + (bio.bytes() >>> 9) == newestSector;
    }

    /** Lets a bio join the newest request, if it is the bio's neighbour and goes the same way. */
    final boolean merge(Bio bio, DispatchContext way, QueueLimits limits) {
        if (size == 0 || goingDown || hctx != way || !touches(bio)) {
            return false;
        }
        TagRequest newest = tags.requests[tagNumbers[size - 1]];
        if (!Merging.append(newest, bio, limits) && !Merging.prepend(newest, bio, limits)) {
            return false;
        }
        noteNewest(newest);
        return true;
    }

    /** Whether what it holds is being given to the driver or the elevator: nothing can be added until that is over. */
    final boolean isGoingDown() {
        return goingDown;
    }

    /**
     * Whether it holds nothing, no tag either.
     *
     * @return true after a flush, unless completions have submitted more
     */
    protected final boolean isEmpty() {
        return size == 0 && spareMask == 0;
    }

    private void clear() {
        size = 0;
        newestSector = NOWHERE;
        newestEnd = NOWHERE;
        grown = false;
    }

    /** Sends down what any plug of the calling thread holds back. */
    protected static void flushOwn() {
        OpenPlugs.flushOwn();
    }

    private boolean isPlug() {
        return !(this instanceof Deferred);
    }

    /**
     * Sends everything down. When it returns the batch may hold something again, which completions have submitted.
     */
    protected final void flushHeld() {
        if (goingDown || (isEmpty() && holder == null)) {
            return;
        }
        Trampoline batch = Trampoline.enter();
        try {
            goDown(batch);
        } finally {
            // Here, and not before, it is told what has ended meanwhile.
            batch.leave();
        }
    }

    /** Nobody is told anything meanwhile. */
    private void goDown(Trampoline batch) {
        goingDown = true;
        try {
            if (size != 0) {
                issue(batch);
            }
        } finally {
            goingDown = false;
            clear();
            dropSpares(batch);
            if (holder != null) {
                OpenPlugs.remove(this);
            }
        }
    }

    private void issue(Trampoline batch) {
        long now = ctx.queue().countSent(size, ctx, batch);
        Scheduler elevator = request(0).scheduler;
        if (elevator == null) {
            hctx.issue(this, now, !batch.isNested(), batch);
        } else {
            hctx.schedule(elevator, this, now, !batch.isNested(), batch);
        }
    }
}
