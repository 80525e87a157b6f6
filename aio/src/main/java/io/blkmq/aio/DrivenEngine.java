package io.blkmq.aio;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.EnumSet;
import java.util.List;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * An engine whose operations a driver of another module carries out.
 *
 * <pre>
 *   submit -> InFlight.enter -> driver.begin -> the storage -> driver.reap -> told -> InFlight.leave
 * </pre>
 *
 * <p>Who reaps has {@link #reaping}: in REAPER mode the reaper, which otherwise sleeps in the driver; in AGENT mode the agent; in POLLED mode the
 * owner, who needs no lock, since nobody else may; and in each of them who closes, when the others do not any more.
 */
final class DrivenEngine extends OpenedEngine implements EngineDriver.Ended {

    /** A driver that fails over and over is not called more often than this. */
    private static final long SETBACK_PAUSE_NANOS = 10_000_000L;
    /** How often who closes looks whether all are home, should a wake-up have gone astray. */
    private static final long LOOK_NANOS = TimeUnit.SECONDS.toNanos(1);

    private final EngineDriver driver;
    private final Class<? extends AioFile> family;
    private final InFlight inFlight;
    /** Held by who reaps, but for the owner in POLLED mode. */
    private final CompleterLock reaping = new CompleterLock();
    /** Null in other modes than REAPER. */
    private final @Nullable Thread reaper;
    /** Whether the reaper is to end when nothing is in flight. Written by who closes. */
    private volatile boolean stopping;
    /** Calls that threads have carried out, for who reaps. */
    private final Queue<Kiocb> callsEnded = new ConcurrentLinkedQueue<>();
    /** How many have been told in this batch, which has begun if any have. Who reaps. */
    private int told;
    /** Whether the driver is closed, or about to be. Guarded by reaping. */
    private boolean retired;
    /** Whether the owner is in a batch. The owner's alone. */
    private boolean polling;

    private DrivenEngine(EngineDriver driver, AioEngineConfig config) {
        super(driver.name(), driver.operations(), Set.of(), false, config);
        this.driver = driver;
        family = driver.files();
        inFlight = new InFlight(config.inFlightMax());
        reaper = config.hasReaper() ? config.newThread(driver.name(), 0, this::reapUntilStopped) : null;
    }

    static DrivenEngine open(EngineDriver driver, AioEngineConfig config) {
        DrivenEngine engine = new DrivenEngine(driver, config);
        Thread thread = engine.reaper;
        if (thread != null) {
            if (thread.isVirtual()) {
                throw new IllegalArgumentException("the reaper of AIO engine " + driver.name()
                        + " needs a platform thread, and the thread factory makes virtual ones: it waits in the system");
            }
            thread.start();
        }
        return engine;
    }

    // Files.

    @Override
    public AioFile open(Path path, AioFile.Access access, boolean direct, AioFile.Option... options)
            throws IOException {
        Set<AioFile.Option> wanted = EnumSet.noneOf(AioFile.Option.class);
        wanted.addAll(Opening.of(path, access, direct, options).options());
        return driver.open(path, access, direct, wanted);
    }

    @Override
    public AioFile adopt(int descriptor, Path name) {
        throw new UnsupportedOperationException(
                "AIO engine " + name() + " opens no files of the system, and cannot adopt descriptor " + descriptor);
    }

    @Override
    public void rename(Path from, Path to) throws IOException {
        throw unnamed("rename " + from + " to " + to);
    }

    @Override
    public void delete(Path path) throws IOException {
        throw unnamed("delete " + path);
    }

    @Override
    public void syncDirectory(Path directory) throws IOException {
        throw unnamed("sync " + directory);
    }

    @Override
    AioFileAttributes attributes(Path path) throws IOException {
        throw unnamed("tell the attributes of " + path);
    }

    private IOException unnamed(String what) {
        return new IOException("AIO engine " + name() + " opens what is there, and cannot " + what);
    }

    @Override
    Class<? extends AioFile> family() {
        return family;
    }

    @Override
    public boolean syncsAlone() {
        return operations().contains(AioOperation.FSYNC);
    }

    @Override
    public boolean zeroesAlone() {
        return operations().contains(AioOperation.PUNCH_HOLE) && operations().contains(AioOperation.ZERO_RANGE);
    }

    @Override
    public boolean worksByThreads() {
        return true;
    }

    // Submitting.

    @Override
    int accept(Kiocb kiocb) {
        int full = inFlight.enter();
        if (full == 0) {
            driver.begin(kiocb);
        }
        return full;
    }

    @Override
    int acceptCall(FileCall<?> call) {
        int full = inFlight.enter();
        if (full == 0) {
            call.kiocb.claimCall();
            if (!call.isDeferred(() -> startCall(call))) {
                startCall(call);
            }
        }
        return full;
    }

    /** The driver's calls of that kind block. */
    private void startCall(FileCall<?> call) {
        if (!CallThreads.execute(() -> {
            call.run();
            callEnded(call);
        })) {
            call.failWithoutThread();
            callEnded(call);
        }
    }

    /**
     * Leaves a call to who reaps. Any thread: it is in flight, so the driver is open until it has been told, and with the visit until it
     * has been woken.
     */
    private void callEnded(FileCall<?> call) {
        boolean visiting = end.visit();
        callsEnded.add(call.kiocb);
        if (visiting) {
            driver.wake();
            int _ = end.leave();
        }
    }

    @Override
    public void commit() {
        // The driver begins an operation when it is submitted.
        if (polled) {
            boolean _ = owner.check(name());
        }
    }

    @Override
    public boolean isOpen() {
        return !inFlight.isClosed();
    }

    @Override
    long inFlight() {
        return inFlight.count();
    }

    // Reaping.

    /** Tells what has ended, and returns how many. Who reaps. */
    private int reap() {
        told = 0;
        try {
            for (Kiocb call = callsEnded.poll(); call != null; call = callsEnded.poll()) {
                ended(call, 0);
            }
            driver.reap(this);
        } finally {
            if (told > 0) {
                delivery.end(config.reapListener());
            }
        }
        return told;
    }

    /** By the driver, for who reaps. */
    @Override
    public void ended(Kiocb kiocb, long result) {
        if (told++ == 0) {
            delivery.begin(config.reapListener());
        }
        inFlight.leavePlace();
        delivery.tell(kiocb, result);
        inFlight.leave();
    }

    private int reapAsOwner() {
        polling = true;
        try {
            return reap();
        } finally {
            polling = false;
        }
    }

    @Override
    public int poll() {
        if (!polled || !owner.check(name()) || polling || !end.isInUse()) {
            return 0;
        }
        try {
            return reapAsOwner();
        } finally {
            letGoIfIdle();
        }
    }

    @Override
    public int await(long timeoutNanos) {
        if (!mayAwait()) {
            return 0;
        }
        if (polling) {
            throw new IllegalStateException("await inside a completion of AIO engine " + name());
        }
        if (!end.isInUse()) {
            return awaitWakeup(timeoutNanos);
        }
        try {
            return awaitInFlight(timeoutNanos);
        } finally {
            letGoIfIdle();
        }
    }

    /** The owner, with operations in flight. */
    private int awaitInFlight(long timeoutNanos) {
        // May wrap around, and is compared by difference.
        long deadline = config.nanoTime() + timeoutNanos;
        long left = timeoutNanos;
        while (true) {
            boolean woken = wakeup.take();
            int count = reapAsOwner();
            if (count > 0 || woken || left <= 0 || inFlight.count() == 0) {
                return count;
            }
            driver.await(left);
            if (timeoutNanos != Long.MAX_VALUE) {
                left = deadline - config.nanoTime();
            }
        }
    }

    @Override
    void wakeOwner() {
        driver.wake();
    }

    @Override
    int workAsAgent() {
        // Not inside of a completion, nor while somebody closes.
        if (!reaping.tryLock()) {
            return 0;
        }
        try {
            return retired ? 0 : reap();
        } finally {
            reaping.unlock();
        }
    }

    private void reapUntilStopped() {
        while (!stopping || inFlight.count() != 0) {
            try {
                driver.await(Long.MAX_VALUE);
                reaping.lock();
                try {
                    int _ = reap();
                } finally {
                    reaping.unlock();
                }
            } catch (RuntimeException | Error e) {
                // Operations are with the storage, and somebody has to bring them home.
                CompletionDelivery.log("the driver of AIO engine " + name() + " failed", e);
                Threads.pause(this, SETBACK_PAUSE_NANOS);
            }
        }
    }

    @Override
    boolean isInCompletion() {
        return reaping.isHeldByCurrentThread() || Thread.currentThread().equals(reaper)
                || (polling && owner.get() == Thread.currentThread());
    }

    // Memory, counts, the end.

    @Override
    public boolean registerMemory(MemorySegment slab) {
        if (!slab.isNative()) {
            throw new IllegalArgumentException("heap memory cannot be registered: " + slab);
        }
        return false;
    }

    @Override
    public boolean unregisterMemory(MemorySegment slab) {
        return false;
    }

    @Override
    public AioStatistics statistics() {
        long submitted = inFlight.submitted();
        return new AioStatistics(submitted, submitted - inFlight.count(), 0, 0, 0, 0, 0, 0, 0, delivery.thrown());
    }

    @Override
    boolean isKeptByOwner() {
        return inFlight.places() != 0;
    }

    @Override
    void acceptNoMore() {
        inFlight.close();
        tellOwnerOfEnd();
        driver.hasten();
    }

    @Override
    boolean tellWithin(long timeoutNanos) {
        // May wrap around, and is compared by difference.
        long deadline = config.nanoTime() + timeoutNanos;
        long left = timeoutNanos;
        reaping.lock();
        try {
            while (inFlight.count() != 0 && left > 0) {
                if (reap() == 0) {
                    driver.await(Math.min(left, LOOK_NANOS));
                }
                left = timeoutNanos == Long.MAX_VALUE ? left : deadline - config.nanoTime();
            }
            return inFlight.count() == 0;
        } finally {
            reaping.unlock();
        }
    }

    @Override
    void bringHome() {
        Thread thread = reaper;
        if (thread == null) {
            boolean _ = tellWithin(Long.MAX_VALUE);
        } else {
            inFlight.awaitNone();
            stopping = true;
            driver.wake();
            Threads.joinAll(List.of(thread));
        }
        reaping.lock();
        try {
            retired = true;
        } finally {
            reaping.unlock();
        }
    }

    @Override
    void giveBack() {
        // Nobody wakes the owner any more.
        end.shut();
        driver.close();
    }

    /** A storage of another module's ends what it has begun, soon enough when the engine is closed: {@link EngineDriver#hasten}. */
    @Override
    void cancelWanted() {
        // Nothing waits here.
    }

    @Override
    void cancelAll() {
        // It has been hastened.
    }

    @Override
    public String toString() {
        return name() + "[" + config + "]";
    }
}
