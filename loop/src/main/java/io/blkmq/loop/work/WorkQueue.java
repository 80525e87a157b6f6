package io.blkmq.loop.work;

import io.blkmq.core.driver.Parking;
import io.blkmq.runtime.IoRuntime;
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
 * wakes the next, so that as many work as there is work for. A worker is started when there is something to do and none sleeps.
 *
 * <p>No wake-up is lost. A worker that goes to sleep says so, and then looks for work once more; a submitter adds, and then looks who
 * sleeps; both are volatile, so one of them sees the other. Who takes a worker's {@code asleep} from it owes it an unpark, and counts it as
 * {@code coming} until it looks for work again: a submitter that finds one coming may leave it at that.
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
    /** Held to start and stop workers. */
    private final Lock starting;
    /** Replaced under the lock. */
    private volatile Worker[] workers = {};
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
        if (agents || coming.get() > 0) {
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
            LOG.log(System.Logger.Level.WARNING, name + ": there will be no more than " + workers.length + " workers",
                    t);
        } finally {
            starting.unlock();
        }
    }

    private void start() {
        Worker worker = new Worker();
        int _ = coming.incrementAndGet();
        try {
            worker.thread = runtime.startAgent("blkmq-" + name + "-worker-" + workers.length, worker);
        } catch (Throwable t) {
            int _ = coming.decrementAndGet();
            throw t;
        }
        Worker[] more = Arrays.copyOf(workers, workers.length + 1);
        more[workers.length] = worker;
        workers = more;
    }

    /** Whether some worker is awake. */
    public boolean isBusy() {
        return agents ? atWork.get() > 0 || incoming.get() != null : workers.length > sleeping.get();
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
            return part == null ? 0 : carryOut(part);
        } finally {
            int _ = atWork.decrementAndGet();
        }
    }

    private int doAll() {
        int count = 0;
        for (Work part = takePart(); part != null; part = takePart()) {
            count += carryOut(part);
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
                    // Before the look: who added something and found it coming is seen to by it.
                    int _ = coming.decrementAndGet();
                }
                // Before the look: what was added before the stop is done.
                boolean last = stopped;
                Work part = takePart();
                if (part != null) {
                    int _ = carryOut(part);
                    called = false;
                } else if (last) {
                    return;
                } else {
                    called = sleep();
                }
            }
        }

        /** Returns whether it has been woken, and not found something to do by itself. */
        private boolean sleep() {
            int _ = sleeping.incrementAndGet();
            asleep.set(true);
            // After saying that it sleeps: who added something before this look finds it awake, who adds later finds it asleep.
            if (incoming.get() != null || !ready.isEmpty() || stopped) {
                // Another may have been faster, and counts it as coming.
                return !rise();
            }
            while (asleep.get()) {
                Parking.park(runtime, WorkQueue.this);
                if (Thread.interrupted()) {
                    // Nobody has a reason to interrupt it, and the commands must go on.
                    LOG.log(System.Logger.Level.WARNING, "{0}: the interrupt of a worker is ignored", name);
                }
            }
            return true;
        }

        @Override
        public String toString() {
            return "a worker of " + name;
        }
    }

    private @Nullable Work takePart() {
        Work part = ready.take(incoming);
        if (part != null && threads > 1 && !ready.isEmpty()) {
            call();
        }
        return part;
    }

    /** Does a list of commands, and reports them in parts. Returns how many there were. */
    private int carryOut(Work first) {
        Work unreported = first;
        int all = 0;
        int count = 0;
        // One that comes alone, as those of a slow device do, is not worth a look at the clock.
        long began = first.next == null ? 0 : runtime.nanoTime();
        for (Work work = first; work != null;) {
            Work following = work.next;
            run(work);
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
        return all;
    }

    private void run(Work work) {
        try {
            work.run();
        } catch (Throwable t) {
            LOG.log(System.Logger.Level.ERROR, name + ": a command failed", t);
        }
    }

    private void report(Work first) {
        try {
            report.done(first);
        } catch (Throwable t) {
            LOG.log(System.Logger.Level.ERROR, name + ": who was told of what has been done failed", t);
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
        Work take(AtomicReference<@Nullable Work> incoming) {
            lock.lock();
            try {
                Work newest = incoming.get() == null ? null : incoming.getAndSet(null);
                if (threads == 1) {
                    return newest == null ? null : Work.turn(newest);
                }
                if (newest != null) {
                    append(newest);
                }
                Work part = part();
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

        /** Half of what would be its share if all took theirs now: what is left evens out who gets the slow ones. */
        private @Nullable Work part() {
            Work taken = first;
            if (taken == null) {
                return null;
            }
            int size = Math.max(1, count / (2 * threads));
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
