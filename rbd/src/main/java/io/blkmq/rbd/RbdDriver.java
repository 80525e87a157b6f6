package io.blkmq.rbd;

import io.blkmq.aio.AioFile;
import io.blkmq.aio.AioOperation;
import io.blkmq.aio.DrivenFile;
import io.blkmq.aio.EngineDriver;
import io.blkmq.aio.Errno;
import io.blkmq.aio.Kiocb;
import io.blkmq.rbd.ceph.Kernel;
import io.blkmq.rbd.life.Visits;
import io.blkmq.runtime.log.FailureLog;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.Objects;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * The part of an engine that knows librbd: it begins operations on images, and finds those that have ended.
 *
 * <pre>
 *   begin -> RbdImage.start -> librbd, its threads, Ceph -> the image's event -> await returns -> reap takes completions -> ended
 * </pre>
 *
 * <p>An image says that operations have ended by an event of its own, and hands them out to whoever asks, also those that another engine has begun. So an engine
 * waits for its own event and for those of all images that it has begun anything on ({@link #images}); and what it finds of another engine's it leaves in that
 * engine's {@link #home}, and raises that one's event. With one engine for an image, which is what there mostly is, nothing is handed on.
 *
 * <p>Fields belong to who reaps or waits, one thread at a time, unless they say otherwise.
 */
final class RbdDriver implements EngineDriver {
    /** How many completions are taken at once. */
    private static final int BATCH = 64;
    /** How many are told of an image before the next has its turn. */
    private static final int TURN_MAX = 1024;
    /** How often who waits for operations that are to end soon looks whether others have been begun: who begins one wakes nobody. */
    private static final long HASTENED_LOOK_NANOS = TimeUnit.SECONDS.toNanos(1);

    private static final Set<AioOperation> OPERATIONS = EnumSet.complementOf(EnumSet.of(AioOperation.ALLOCATE));

    private final int event;
    /** What has ended, found by another engine's thread, or before librbd had it. Any thread adds, and raises the event after that. */
    private final Queue<RbdOperation> home = new ConcurrentLinkedQueue<>();
    /** What no place was found for: ends with ENOMEM. Any thread adds, as above. */
    private final Queue<Kiocb> refused = new ConcurrentLinkedQueue<>();
    /** Threads that raise the event. Such a thread enters before it adds what this engine may end with. */
    private final Visits wakers = new Visits();
    /** Images that operations of this engine go to. Replaced under the monitor. */
    private volatile RbdImage[] images = {};
    /** When the end of the engine began to wait; meaningless without {@link #hastening}, which is written after it. */
    private long hastenedAt;
    private volatile boolean hastening;
    /** Whether the log says that this engine has given operations up. */
    private boolean said;

    /** Who reaps, while it does. Written by that thread; others find it is not theirs. */
    private volatile @Nullable Thread reaping;
    private final MemorySegment completions = Arena.ofAuto().allocate(8L * BATCH, 8);
    /** What is waited for, and the images that it was made for. */
    private Kernel.Events events;
    private RbdImage[] waited = {};

    RbdDriver() throws IOException {
        event = Kernel.event();
        events = new Kernel.Events(event);
    }

    @Override
    public String name() {
        return RbdEngineProvider.NAME;
    }

    @Override
    public Set<AioOperation> operations() {
        return OPERATIONS;
    }

    @Override
    public Class<? extends DrivenFile> files() {
        return RbdFile.class;
    }

    @Override
    public AioFile open(Path path, AioFile.Access access, boolean direct, Set<AioFile.Option> options)
            throws IOException {
        return RbdFile.open(path, access, direct, options);
    }

    // Beginning. Any thread.

    @Override
    public void begin(Kiocb kiocb) {
        RbdImage image = ((RbdFile) kiocb.file()).image();
        if (!image.isKnownTo(this)) {
            attach(image);
        }
        image.start(kiocb, this);
    }

    /** An operation has ended outside of {@link #reap}. */
    void comeHome(RbdOperation operation) {
        boolean entered = wakers.enter();
        assert entered : "closed before " + operation.kiocb;
        try {
            home.add(operation);
            Kernel.raise(event);
        } finally {
            wakers.leave();
        }
    }

    /** There is no memory for another operation. */
    void refuse(Kiocb kiocb) {
        boolean entered = wakers.enter();
        assert entered : "closed before " + kiocb;
        try {
            refused.add(kiocb);
            Kernel.raise(event);
        } finally {
            wakers.leave();
        }
    }

    private synchronized void attach(RbdImage image) {
        if (image.addDriver(this)) {
            RbdImage[] more = Arrays.copyOf(images, images.length + 1);
            more[images.length] = image;
            images = more;
            // Who waits, waits for this one's event, too, from now on.
            wake();
        }
    }

    /** The image is closed: nothing of it is in flight for this engine. */
    synchronized void detach(RbdImage image) {
        images = Arrays.stream(images).filter(one -> !one.equals(image)).toArray(RbdImage[]::new);
    }

    // Ending.

    @Override
    public void reap(Ended to) {
        reaping = Thread.currentThread();
        try {
            reapAll(to);
        } finally {
            reaping = null;
        }
    }

    /** Whether the calling thread is in a completion: it must not wait for Ceph then. */
    boolean isReapedByCaller() {
        return Thread.currentThread().equals(reaping);
    }

    private void reapAll(Ended to) {
        for (RbdOperation operation = home.poll(); operation != null; operation = home.poll()) {
            finish(operation, operation.result, to);
        }
        for (Kiocb kiocb = refused.poll(); kiocb != null; kiocb = refused.poll()) {
            to.ended(kiocb, -Errno.ENOMEM);
        }
        for (RbdImage image : images) {
            if (image.isAnyWaitedFor() && image.enter()) {
                try {
                    reap(image, to);
                    giveUpDue(image, to);
                } finally {
                    image.leave();
                }
            }
        }
    }

    private void reap(RbdImage image, Ended to) {
        int taken;
        int all = 0;
        do {
            taken = image.take(completions, BATCH);
            for (int i = 0; i < taken; i++) {
                RbdOperation operation = image.ended(completions, i);
                if (operation == null) {
                    continue;
                }
                RbdDriver whose = Objects.requireNonNull(operation.driver);
                if (whose.equals(this)) {
                    finish(operation, operation.result, to);
                } else {
                    whose.comeHome(operation);
                }
            }
            all += Math.max(taken, 0);
        } while (taken == BATCH && all < TURN_MAX);
        if (taken == BATCH) {
            // The event of the image has been taken back; the rest is looked for with the next turn, by whichever engine.
            Kernel.raise(image.event());
        }
    }

    /** Tells an operation that Ceph does not have any more, unless a flush is still to come. */
    private void finish(RbdOperation operation, long result, Ended to) {
        Kiocb kiocb = Objects.requireNonNull(operation.kiocb);
        RbdImage image = operation.image;
        long told = image.resultOf(operation, kiocb, result);
        if (told >= 0 && !operation.flushing && isDurable(kiocb)) {
            operation.flushing = true;
            image.flushAfter(operation, this);
            return;
        }
        image.giveBack(operation);
        to.ended(kiocb, told);
    }

    /** Whether an operation is a write that is to be flushed before it ends. */
    private static boolean isDurable(Kiocb kiocb) {
        return kiocb.operation() == AioOperation.WRITE
                && (kiocb.syncAfter() != null || ((RbdFile) kiocb.file()).isDurable());
    }

    /** Ends what is not waited for any more. */
    private void giveUpDue(RbdImage image, Ended to) {
        if (untilGivenUp(image) > 0) {
            return;
        }
        boolean ofImage = image.untilGivenUp() <= 0;
        for (int number = 1; number <= image.places(); number++) {
            Kiocb kiocb = image.operation(number).giveUp(this);
            if (kiocb != null) {
                image.gaveUp();
                say(image, ofImage, kiocb);
                to.ended(kiocb, -Errno.ETIMEDOUT);
            }
        }
    }

    /** Logs the first operation that is given up. The end of one engine is no other's: it ends none of their operations on the image. */
    private void say(RbdImage image, boolean ofImage, Kiocb kiocb) {
        boolean first = ofImage ? image.giveUpAll() : !said;
        said |= !ofImage;
        if (first) {
            FailureLog.log(System.getLogger("io.blkmq.rbd"), System.Logger.Level.WARNING,
                    () -> image.address() + ": Ceph has not ended " + RbdAddress.shown(kiocb.toString()) + " within "
                            + TimeUnit.NANOSECONDS.toSeconds(image.waitNanos()) + " s: it is given up, and all that "
                            + (ofImage ? "comes after it" : "its engine, which is being closed, has in flight"),
                    null);
        }
    }

    /** How long an image's operations are still waited for, in nanoseconds; for ever, as long as nobody wants to close it. */
    private long untilGivenUp(RbdImage image) {
        long ofImage = image.untilGivenUp();
        return hastening ? Math.min(ofImage, hastenedAt + image.waitNanos() - System.nanoTime()) : ofImage;
    }

    @Override
    public void hasten() {
        hastenedAt = System.nanoTime();
        hastening = true;
        wake();
    }

    // Waiting.

    @Override
    public void await(long timeoutNanos) {
        RbdImage[] now = images;
        if (!Arrays.equals(now, waited)) {
            waited = now;
            events = new Kernel.Events(descriptors(now));
        }
        long limit = timeoutNanos;
        for (RbdImage image : now) {
            if (hastening || image.isHastened()) {
                limit = Math.min(limit,
                        image.isWaitedForBy(this)
                                ? Math.min(untilGivenUp(image), HASTENED_LOOK_NANOS)
                                : HASTENED_LOOK_NANOS);
            }
        }
        events.await(limit);
        if (events.isRaised(0)) {
            Kernel.clear(event);
        }
        for (int i = 0; i < now.length; i++) {
            // One that is closed meanwhile may have another's descriptor.
            if (events.isRaised(i + 1) && now[i].enter()) {
                Kernel.clear(now[i].event());
                now[i].leave();
            }
        }
    }

    private int[] descriptors(RbdImage[] of) {
        int[] all = new int[of.length + 1];
        all[0] = event;
        for (int i = 0; i < of.length; i++) {
            all[i + 1] = of[i].event();
        }
        return all;
    }

    @Override
    public void wake() {
        if (wakers.enter()) {
            try {
                Kernel.raise(event);
            } finally {
                wakers.leave();
            }
        }
    }

    @Override
    public void close() {
        for (RbdImage image : images) {
            image.removeDriver(this);
        }
        images = new RbdImage[0];
        wakers.close();
        Kernel.close(event);
    }
}
