package io.blkmq.loop.work;

import io.blkmq.core.driver.Parking;
import io.blkmq.runtime.IoRuntime;
import io.blkmq.runtime.log.FailureLog;
import java.util.Arrays;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.Lock;
import java.util.function.Consumer;
import org.agrona.concurrent.Agent;
import org.jspecify.annotations.Nullable;

/**
 * The threads that do a device's blocking work: all I/O of a buffered one, discards of any, and flushes that no engine does. The kernel's counterpart is the
 * loop driver's work queue.
 *
 * <pre>
 *   add ──▶ incoming, the newest first ──▶ ready, the oldest first ──▶ a worker's part: run, run, ..., report
 *           any thread, lock-free          workers, under their lock
 * </pre>
 *
 * <p>With one worker, commands are done in the order in which they were added, and it takes all there are. Several take a part each, the
 * smaller the less is left, so that none has much while others have nothing. What a worker has done it reports together: when there is
 * nothing more of its part, when it has been {@value #REPORT_NANOS_MAX} ns or {@value #REPORT_MAX} commands since its last report, or when
 * something slow comes next.
 *
 * <p>Submitters add as many as they have and then {@link #wake}: one system call at the most. Who takes its part and leaves something
 * wakes the next. A worker is started when there is something to do and none sleeps.
 *
 * <p>As many work as it takes. Who is woken, or started, watches at first, and does nothing, as long as those at work get on: while none of
 * them has been in one command for {@value #SLOW_NANOS} ns. Where commands end at once, as in the page cache, one does more than
 * several that are in each other's way; where they wait for a disk, all that there may be are at work soon: who has done a slow command
 * calls the watcher.
 *
 * <pre>
 *   asleep --woken--> comes --nobody watches, nothing is slow--> watches --slow or stuck, or nobody at work--> at work --> asleep
 *                       +--------------------------------------------------------------------------------------^
 * </pre>
 *
 * <p>No wake-up is lost. A worker that goes to sleep says so, and then looks for work once more; a submitter adds, and then looks who
 * sleeps; both are volatile, so one of them sees the other. Who takes a worker's {@code asleep} from it owes it an unpark, and counts it as
 * {@code coming} until it looks for work again: a submitter that finds one coming may leave it at that. The watcher is one that is
 * coming. It says that it watches, and then looks whether somebody is at work; a submitter that finds nobody at work after it has added
 * calls the watcher.
 *
 * <p>Where the application runs the workers, as {@link WorkAgent}s, the queue starts no thread and wakes nobody: an agent looks whenever
 * it is run. While a caller waits for the commands in the queue ({@link #standIn}), a thread of the runtime does those that no agent takes,
 * so that the wait ends whether the agents are run or not. {@link #stop} does itself what is left, and waits for agents that are at work.
 *
 * <p>Never full: what is added has its link with it.
 */
public final class WorkQueue {
    /**
     * The most that one report has. A caller that sleeps is woken by a report, and a batch of tags goes back with it; who polls would
     * rather have each at once.
     */
    static final int REPORT_MAX = 4;
    /** After so long a worker reports what it has done, though there is more to do. */
    static final long REPORT_NANOS_MAX = 20_000;

    /** A command of more than that waits for something: others need not wait for it. */
    static final long SLOW_NANOS = 50_000;
    /** The longest time between two looks of the watcher. */
    private static final long WATCH_NANOS_MAX = 2_000_000;
    /** The most that a worker takes at a time while commands are quick: they may be slow. */
    private static final int PART_MAX = 8;

    private static final System.Logger LOG = System.getLogger(WorkQueue.class.getName());

    /** Is told what has been done. */
    @FunctionalInterface
    public interface Report {
        /**
         * On the worker.
         *
         * @param first a list in the order in which it was done, which is the receiver's now
         */
        void done(Work first);
    }

    /** How often a stand-in looks for commands. */
    private static final long STAND_IN_NANOS = 100_000;
    /** How often {@link #stop} looks whether agents are still at work. */
    private static final long PAUSE_NANOS = 10_000;

    private final IoRuntime runtime;
    private final String name;
    private final int threads;
    private final Report report;
    /** Pushed by submitters, the newest first, and taken all at once: so no link is ever read that may have gone elsewhere. */
    private final AtomicReference<@Nullable Work> incoming = new AtomicReference<>();
    private final Ready ready;
    /** How many workers sleep; at times one more, and never fewer. For those who only look. */
    private final AtomicInteger sleeping = new AtomicInteger();
    /** How many have been woken or started, and have not looked for work since. */
    private final AtomicInteger coming = new AtomicInteger();
    /** Whether the application runs the workers. */
    private final boolean agents;
    /** Agents that are at work, or look for some. Volatile steps: an agent raises it, then looks at {@code stopped}. */
    private final AtomicInteger atWork = new AtomicInteger();
    /** Whether there may be several workers, which the queue has started. */
    private final boolean several;
    /** Whether the command that ended last was a slow one. Written by workers, any of them: what they say is out of date at once. */
    private volatile boolean slow;
    /** The worker that watches; null if none does. Written by itself. */
    private final AtomicReference<@Nullable Worker> watcher = new AtomicReference<>();
    /** Held to start and stop workers. */
    private final Lock starting;
    /** Replaced under the lock. */
    private volatile Worker[] workers = {};
    /** How many have been started, those included that are not in the array yet. Written under the lock. */
    private volatile int started;
    /** Written under the lock. */
    private volatile boolean stopped;
    /** Whether the system has refused a thread that could have been done without. Written under the lock. */
    private volatile boolean refused;

    /**
     * A queue without threads.
     *
     * @param threads the most workers
     * @param report is told what they have done
     */
    public WorkQueue(IoRuntime runtime, String name, int threads, Report report) {
        this(runtime, name, threads, report, null);
    }

    /**
     * A queue without threads.
     *
     * @param threads the most workers
     * @param report is told what they have done
     * @param runner is given each worker, to run it; null where threads of the runtime are the workers
     */
    public WorkQueue(IoRuntime runtime, String name, int threads, Report report,
            @Nullable Consumer<? super Agent> runner) {
        this.agents = runner != null;
        this.runtime = runtime;
        this.name = name;
        this.threads = threads;
        this.several = threads > 1 && !agents;
        this.report = report;
        this.starting = runtime.newLock();
        this.ready = new Ready(runtime.newLock(), threads);
        for (int i = 0; runner != null && i < threads; i++) {
            runner.accept(new WorkAgent(this, "blkmq-" + name + "-worker-" + i));
        }
    }

    // ---- submitters

    /** Puts something behind what is there. {@link #wake} is due after the last. */
    public void add(Work work) {
        if (workers.length == 0) {
            if (!agents) {
                startFirst();
            } else if (stopped) {
                throw detached();
            }
        }
        Work before;
        do {
            before = incoming.get();
            work.next = before;
        } while (!incoming.compareAndSet(before, work));
    }

    /** Sees to it that what the caller has added is done. */
    public void wake() {
        // What is not there any more has been taken by a worker, which sees to the rest.
        if (incoming.get() != null) {
            call();
        }
    }

    /** Lets one more work, if there is one more and none is on its way: who comes calls the next. */
    private void call() {
        if (agents) {
            return;
        }
        if (coming.get() > 0) {
            Worker watching = several ? watcher.get() : null;
            if (watching != null && !isAnotherAtWork()) {
                runtime.unpark(watching.thread());
            }
            return;
        }
        if (sleeping.get() > 0) {
            for (Worker worker : workers) {
                if (worker.wake()) {
                    return;
                }
            }
        } else if (workers.length < threads && !refused) {
            startAnother();
        }
    }

    private void startFirst() {
        starting.lock();
        try {
            if (stopped) {
                throw detached();
            }
            if (workers.length == 0) {
                start();
            }
        } finally {
            starting.unlock();
        }
    }

    private IllegalStateException detached() {
        return new IllegalStateException(name + " is detached");
    }

    /** There is a worker, so nothing is lost if there is no other. */
    private void startAnother() {
        starting.lock();
        try {
            if (!stopped && workers.length < threads) {
                start();
            }
        } catch (Throwable t) {
            refused = true;
            FailureLog.log(LOG, System.Logger.Level.WARNING,
                    () -> name + ": there will be no more than " + workers.length + " workers", t);
        } finally {
            starting.unlock();
        }
    }

    private void start() {
        Worker worker = new Worker();
        int _ = coming.incrementAndGet();
        started = workers.length + 1;
        try {
            worker.thread = runtime.startAgent("blkmq-" + name + "-worker-" + workers.length, worker);
        } catch (Throwable t) {
            started = workers.length;
            int _ = coming.decrementAndGet();
            throw t;
        }
        Worker[] more = Arrays.copyOf(workers, workers.length + 1);
        more[workers.length] = worker;
        workers = more;
    }

    /** Whether some worker is awake. */
    public boolean isBusy() {
        return agents
                ? atWork.get() > 0 || incoming.get() != null
                : workers.length - (watcher.get() == null ? 0 : 1) > sleeping.get();
    }

    /** How many have been started. */
    public int workers() {
        return workers.length;
    }

    /** Ends the threads after what is there. Nobody adds anything any more. */
    public void stop() {
        starting.lock();
        try {
            stopped = true;
        } finally {
            starting.unlock();
        }
        for (Worker worker : workers) {
            boolean _ = worker.wake();
        }
        Worker watching = watcher.get();
        if (watching != null) {
            runtime.unpark(watching.thread());
        }
        for (Worker worker : workers) {
            Parking.join(runtime, worker.thread());
        }
        if (agents) {
            int _ = doAll();
            // An agent that comes from now on sees that it is stopped.
            while (atWork.get() > 0) {
                Parking.parkNanos(runtime, this, PAUSE_NANOS);
            }
        }
    }

    // ---- agents

    /** Does a part of the commands, and returns how many. An agent. */
    public int workAsAgent() {
        int _ = atWork.incrementAndGet();
        try {
            Work part = stopped ? null : takePart();
            return part == null ? 0 : carryOut(part, null);
        } finally {
            int _ = atWork.decrementAndGet();
        }
    }

    private int doAll() {
        int count = 0;
        for (Work part = takePart(); part != null; part = takePart()) {
            count += carryOut(part, null);
        }
        return count;
    }

    /**
     * Until it is closed, a thread of the runtime does what no agent takes. The caller is about to wait for commands that are in the
     * queue, and may be the thread that runs the agents. Where threads are the workers, there is nothing to do.
     */
    public StandIn standIn() {
        return new StandIn();
    }

    /** See {@link #standIn}. */
    public final class StandIn implements AutoCloseable {
        private final @Nullable Thread thread;
        private volatile boolean ended;

        private StandIn() {
            thread = agents ? runtime.startAgent("blkmq-" + name + "-stand-in", this::run) : null;
        }

        private void run() {
            while (!ended) {
                if (doAll() == 0) {
                    Parking.parkNanos(runtime, WorkQueue.this, STAND_IN_NANOS);
                }
            }
        }

        @Override
        public void close() {
            ended = true;
            if (thread != null) {
                runtime.unpark(thread);
                Parking.join(runtime, thread);
            }
        }
    }

    // ---- workers

    /** A thread of the queue's. */
    private final class Worker implements Runnable {
        /** Written by itself, and taken from it by who wakes it. */
        private final AtomicBoolean asleep = new AtomicBoolean();
        private volatile @Nullable Thread thread;
        /** When it began the command that it is in; 0 if it is in none. Written by itself, for the watcher. */
        private volatile long beganNanos;

        Thread thread() {
            return Objects.requireNonNull(thread);
        }

        /** Wakes it, if it sleeps and nobody else does. Returns whether it did. */
        boolean wake() {
            if (!rise()) {
                return false;
            }
            int _ = coming.incrementAndGet();
            runtime.unpark(thread());
            return true;
        }

        /** Takes its sleep from it. */
        private boolean rise() {
            if (!asleep.get() || !asleep.compareAndSet(true, false)) {
                return false;
            }
            int _ = sleeping.decrementAndGet();
            return true;
        }

        @Override
        public void run() {
            // Also here: whoever starts it may note it only after it has gone to sleep, and another may find it then.
            thread = Thread.currentThread();
            boolean called = true;
            for (;;) {
                if (called) {
                    if (several) {
                        watch();
                    }
                    // Before the look: who added something and found it coming is seen to by it.
                    int _ = coming.decrementAndGet();
                }
                // Before the look: what was added before the stop is done.
                boolean last = stopped;
                Work part = takePart();
                if (part != null) {
                    int _ = carryOut(part, this);
                    called = false;
                } else if (last) {
                    return;
                } else {
                    called = sleep();
                }
            }
        }

        /** Waits while others get on with what there is. */
        private void watch() {
            if (slow || !watcher.compareAndSet(null, this)) {
                return;
            }
            // After saying that it watches: who adds something from now on, and finds nobody at work, calls it.
            for (long pause = SLOW_NANOS; !stopped && !slow && hasWork() && isAnotherAtWork() && !isAnyStuck(); //
                    pause = Math.min(2 * pause, WATCH_NANOS_MAX)) {
                Parking.parkNanos(runtime, WorkQueue.this, pause);
                boolean _ = Thread.interrupted();
            }
            watcher.set(null);
        }

        /** Returns whether it has been woken, and not found something to do by itself. */
        private boolean sleep() {
            int _ = sleeping.incrementAndGet();
            asleep.set(true);
            // After saying that it sleeps: who added something before this look finds it awake, who adds later finds it asleep.
            if (hasWork() || stopped) {
                // Another may have been faster, and counts it as coming.
                return !rise();
            }
            while (asleep.get()) {
                Parking.park(runtime, WorkQueue.this);
                if (Thread.interrupted()) {
                    // Nobody has a reason to interrupt it, and the commands must go on.
                    FailureLog.log(LOG, System.Logger.Level.WARNING,
                            () -> name + ": the interrupt of a worker is ignored", null);
                }
            }
            return true;
        }

        @Override
        public String toString() {
            return "a worker of " + name;
        }
    }

    private boolean hasWork() {
        return incoming.get() != null || !ready.isEmpty();
    }

    /** Whether any but the watcher is awake, and so looks for work before it sleeps. */
    private boolean isAnotherAtWork() {
        return started - sleeping.get() > 1;
    }

    /** Whether a worker has been in one command for too long. */
    private boolean isAnyStuck() {
        long now = runtime.nanoTime();
        for (Worker worker : workers) {
            long began = worker.beganNanos;
            if (began != 0 && now - began >= SLOW_NANOS) {
                return true;
            }
        }
        return false;
    }

    /** Says how long a command has taken. */
    private void judge(long nanos) {
        boolean isSlow = nanos >= SLOW_NANOS;
        if (slow != isSlow) {
            slow = isSlow;
        }
        if (isSlow) {
            Worker watching = watcher.get();
            if (watching != null) {
                runtime.unpark(watching.thread());
            }
        }
    }

    private @Nullable Work takePart() {
        Work part = ready.take(incoming, several && !slow);
        if (part != null && threads > 1 && !ready.isEmpty()) {
            call();
        }
        return part;
    }

    /** Does a list of commands, and reports them in parts. Returns how many there were. */
    private int carryOut(Work first, @Nullable Worker by) {
        Work unreported = first;
        int all = 0;
        int count = 0;
        Worker judged = several ? by : null;
        // One that comes alone to an only worker is not worth a look at the clock.
        long began = first.next == null && judged == null ? 0 : runtime.nanoTime();
        long commandBegan = began;
        for (Work work = first; work != null;) {
            Work following = work.next;
            if (judged != null) {
                // 0 stands for no command.
                judged.beganNanos = commandBegan == 0 ? 1 : commandBegan;
            }
            run(work);
            if (judged != null) {
                long ended = runtime.nanoTime();
                judge(ended - commandBegan);
                commandBegan = ended;
            }
            all++;
            count++;
            if (following == null) {
                report(unreported);
            } else {
                long now = runtime.nanoTime();
                if (count == REPORT_MAX || now - began >= REPORT_NANOS_MAX || following.isSlow()) {
                    work.next = null;
                    report(unreported);
                    unreported = following;
                    count = 0;
                    began = now;
                }
            }
            work = following;
        }
        if (judged != null) {
            judged.beganNanos = 0;
        }
        return all;
    }

    private void run(Work work) {
        try {
            work.run();
        } catch (Throwable t) {
            FailureLog.log(LOG, System.Logger.Level.ERROR, () -> name + ": a command failed", t);
        }
    }

    private void report(Work first) {
        try {
            report.done(first);
        } catch (Throwable t) {
            FailureLog.log(LOG, System.Logger.Level.ERROR, () -> name + ": who was told of what has been done failed",
                    t);
        }
    }

    /** What workers have taken from the submitters and not begun. Guarded by the lock, but for those who only look. */
    private static final class Ready {
        private final Lock lock;
        private final int threads;
        private @Nullable Work first;
        private @Nullable Work last;
        private int count;
        /** Whether there is something. Volatile for those who only look. */
        private volatile boolean some;

        Ready(Lock lock, int threads) {
            this.lock = lock;
            this.threads = threads;
        }

        boolean isEmpty() {
            return !some;
        }

        /** Takes over what has come in, and gives the caller its part of all that is there: null if there is nothing. */
        @Nullable
        Work take(AtomicReference<@Nullable Work> incoming, boolean quick) {
            lock.lock();
            try {
                Work newest = incoming.get() == null ? null : incoming.getAndSet(null);
                if (threads == 1) {
                    return newest == null ? null : Work.turn(newest);
                }
                if (newest != null) {
                    append(newest);
                }
                Work part = part(quick);
                if (some != count > 0) {
                    some = count > 0;
                }
                return part;
            } finally {
                lock.unlock();
            }
        }

        private void append(Work newest) {
            int more = 0;
            for (Work work = newest; work != null; work = work.next) {
                more++;
            }
            Work oldest = Work.turn(newest);
            if (last == null) {
                first = oldest;
            } else {
                last.next = oldest;
            }
            last = newest;
            count += more;
        }

        /**
         * Half of what would be its share if all took theirs now: what is left evens out who gets the slow ones. While commands are
         * quick, few are at work, and a part is larger.
         */
        private @Nullable Work part(boolean quick) {
            Work taken = first;
            if (taken == null) {
                return null;
            }
            int share = count / (2 * threads);
            int size = Math.max(1, quick ? Math.max(share, Math.min(PART_MAX, count / 2)) : share);
            Work end = taken;
            for (int i = 1; i < size; i++) {
                end = Objects.requireNonNull(end.next);
            }
            first = end.next;
            end.next = null;
            if (first == null) {
                last = null;
            }
            count -= size;
            return taken;
        }
    }
}
