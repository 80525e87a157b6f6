package io.blkmq.sim;

import io.blkmq.runtime.IoRuntime;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Objects;
import java.util.PriorityQueue;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Lock;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;

/**
 * A runtime on which a program with threads and timers runs the same way for the same seed, and takes no time for waiting.
 *
 * <p>Its threads pass a baton: who has it runs, all others stand still. Every call of the runtime is a step. A step takes a little
 * virtual time, and at each one the seed says who goes on ({@link Chooser} says how): the same thread, another, or one whose timer
 * has come. Where nobody can run, or all who can only poll for something, the clock jumps to the next timer. Between two steps
 * nothing else happens, so what a thread does there looks like one atomic action to the others; {@link #switchPoint} cuts it in two.
 *
 * <pre>
 *   Schedule schedule = new DeterministicRuntime(seed).run(runtime -&gt; {
 *       Disk disk = NullBlk.builder().runtime(runtime).build();
 *       Thread other = runtime.spawn("freezer", disk::freeze);
 *       disk.read(0, memory);
 *       runtime.join(other);
 *       ...
 *   });
 * </pre>
 *
 * <p>A simulation ends when its first thread and all that were spawned have ended. What is left then (agents, the worker, timers)
 * is ended with it, one by one: its next call of the runtime throws. So it is when a thread fails, when nobody can run and no timer
 * is set, and when a bound of {@link SimulationOptions} is reached: then {@link #run} throws a {@link SimulationFailure}.
 *
 * <p>What the program must keep to, or its seed does not replay, or it hangs (which is found and named, in real time): it waits
 * through the runtime only, never holds a monitor or a lock of the JDK across a call of the runtime, and reads no other clock,
 * random source, thread id or identity hash code that decides what it does. {@link Thread#interrupt} may be used.
 *
 * <p>Before and after the run the thread that made the runtime may call it, too, to set things up and to take them down: then
 * nobody else runs, no time goes by, and what would wait is refused. What is scheduled or started before the run happens in it.
 * Each runtime runs once.
 *
 * @since 0.1.0
 */
public final class DeterministicRuntime implements IoRuntime {
    /** Longer virtual times than this are for ever. */
    private static final long NANOS_MAX = Long.MAX_VALUE / 4;
    /** While all poll and no timer is set, time goes faster and faster, up to a second at a time. */
    private static final int POLL_SHIFT_MAX = 20;
    private static final long POLL_NANOS = 1_000;
    /** How often a thread may catch what ends it. */
    private static final int UNWINDS_MAX = 1_000;
    /** How many steps go by between two signs of life. */
    private static final int STEPS_A_BEAT = 1_024;
    private static final int FRAMES_MAX = 16;
    private static final Set<String> OWN_CLASSES = Set.of(DeterministicRuntime.class.getName(),
            SimulatedThread.class.getName(), SimulatedLock.class.getName());

    /** What a step is. */
    enum Entry {
        TIME(1), PARK(2), PARK_NANOS(3), UNPARK(4), LOCK(5), UNLOCK(6), SPIN(7), SLEEP(8), JOIN(9), SPAWN(10), EXECUTE(
                11), SCHEDULE(12), CANCEL(13), WORK(14), POINT(15);

        /** In the digest. */
        private final int code;

        Entry(int code) {
            this.code = code;
        }
    }

    private enum Phase {
        SET_UP, RUNNING, OVER
    }

    /** The first thread of a simulation. */
    @FunctionalInterface
    public interface Body {
        /**
         * Runs.
         *
         * @param runtime where it runs
         * @throws Exception which is the simulation's failure
         */
        void run(DeterministicRuntime runtime) throws Exception;
    }

    /** Work of a thread, which may fail. */
    @FunctionalInterface
    public interface Work {
        /**
         * Runs.
         *
         * @throws Exception which is the simulation's failure
         */
        void run() throws Exception;
    }

    private final long seed;
    private final SimulationOptions options;
    private final Chooser chooser;
    private volatile Phase phase = Phase.SET_UP;
    /** Who has the baton. What it wrote before it gave it away is seen by whoever has it next: all that follows is guarded by it. */
    private volatile @Nullable SimulatedThread running;

    /** Those that have not ended, in the order of their start. */
    private final List<SimulatedThread> threads = new ArrayList<>();
    private final List<SimulatedThread> candidates = new ArrayList<>();
    private final IdentityHashMap<Thread, SimulatedThread> byThread = new IdentityHashMap<>();
    private final Set<Long> ids = new HashSet<>();
    private final PriorityQueue<Task> tasks = new PriorityQueue<>();
    private @Nullable SimulatedThread worker;
    private long tasksScheduled;
    /** How many threads the simulation waits for. */
    private int spawned;
    private long now;
    private long steps;
    private long switches;
    /** How many choices in a row were between threads that poll, and how many jumps that led to. */
    private int pollRounds;
    private int pollJumps;
    /** Everything is being ended. */
    private boolean ending;
    private @Nullable SimulationFailure failure;

    /** Signs of life, for the thread that waits for the end. */
    private volatile long beats;
    private volatile @Nullable Thread waiter;
    /** Set by that thread: the simulation is to end. */
    private volatile boolean stopped;

    /**
     * A runtime with the usual bounds.
     *
     * @param seed what chooses
     */
    public DeterministicRuntime(long seed) {
        this(seed, SimulationOptions.DEFAULT);
    }

    /**
     * A runtime.
     *
     * @param seed what chooses
     * @param options its bounds
     */
    public DeterministicRuntime(long seed, SimulationOptions options) {
        this.seed = seed;
        this.options = options;
        this.chooser = new Chooser(seed, options.stepNanosMax());
    }

    /**
     * Runs a simulation of its own.
     *
     * @param seed what chooses
     * @param body its first thread
     * @return what happened
     * @throws SimulationFailure if it failed
     */
    public static Schedule run(long seed, Body body) {
        return new DeterministicRuntime(seed).run(body);
    }

    /**
     * Runs a simulation of its own.
     *
     * @param seed what chooses
     * @param options its bounds
     * @param body its first thread
     * @return what happened
     * @throws SimulationFailure if it failed
     */
    public static Schedule run(long seed, SimulationOptions options, Body body) {
        return new DeterministicRuntime(seed, options).run(body);
    }

    /**
     * What chooses.
     *
     * @return the seed
     */
    public long seed() {
        return seed;
    }

    // ---- the run, on the thread that waits for its end

    /**
     * Runs the simulation, on threads of its own, and waits until it has ended and none of them is left.
     *
     * @param body its first thread
     * @return what happened
     * @throws SimulationFailure if it failed
     * @throws IllegalStateException if this runtime has run before
     */
    public Schedule run(Body body) {
        if (phase != Phase.SET_UP) {
            throw new IllegalStateException("the simulation with seed " + seed + " has run before");
        }
        waiter = Thread.currentThread();
        SimulatedThread first = newThread("body", SimulatedThread.Kind.SPAWNED, () -> body.run(this));
        phase = Phase.RUNNING;
        handOver(first);
        awaitEnd();
        if (failure != null) {
            throw failure;
        }
        return new Schedule(seed, chooser.digest(), steps, switches, now);
    }

    private void awaitEnd() {
        boolean interrupted = false;
        long beatsSeen = beats;
        long seenAt = System.nanoTime();
        while (phase != Phase.OVER) {
            LockSupport.parkNanos(this, Math.min(options.hangNanos(), TimeUnit.SECONDS.toNanos(1)));
            if (Thread.interrupted()) {
                interrupted = true;
                stopped = true;
            }
            if (beats != beatsSeen) {
                beatsSeen = beats;
                seenAt = System.nanoTime();
            } else if (phase != Phase.OVER && System.nanoTime() - seenAt > options.hangNanos()) {
                stopped = true;
                if (interrupted) {
                    Thread.currentThread().interrupt();
                }
                throw hang();
            }
        }
        for (SimulatedThread thread : byThread.values()) {
            interrupted |= joinForReal(thread);
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    /** What has been abandoned does not end. */
    private static boolean joinForReal(SimulatedThread thread) {
        boolean interrupted = false;
        while (thread.thread.isAlive() && thread.unwinds <= UNWINDS_MAX) {
            try {
                thread.thread.join();
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        return interrupted;
    }

    /** Reads without the baton, which does not come back: what is wrong in it may be wrong, but the stack of the thread is not. */
    private SimulationFailure hang() {
        SimulatedThread thread = running;
        StringBuilder text = new StringBuilder("a thread has not called the runtime for ");
        text.append(TimeUnit.NANOSECONDS.toMillis(options.hangNanos()))
                .append(" ms of real time: it loops, waits past the")
                .append(" runtime, or waits for a monitor whose holder stands still");
        if (thread != null) {
            StackTraceElement[] stack = thread.thread.getStackTrace();
            text.append('\n').append(thread.describe(now));
            appendStack(text, stack);
            if (stack.length == 0 && thread.thread.isAlive()) {
                text.append(
                        "\n       it is not on any processor: threads of earlier simulations that hang may keep all")
                        .append(" carriers of virtual threads");
            }
        }
        return new SimulationFailure(SimulationFailure.Kind.HANG, seed, text + whereAndHow(), null);
    }

    // ---- threads of the simulation

    /**
     * Starts a thread that the simulation waits for.
     *
     * @param name its name
     * @param work runs once; what it throws is the simulation's failure
     * @return the thread, for {@link #join}, {@link #unpark} and {@link #interrupt}
     */
    public Thread spawn(String name, Work work) {
        SimulatedThread me = enter(Entry.SPAWN);
        SimulatedThread thread = newThread(name, SimulatedThread.Kind.SPAWNED, work);
        reschedule(me);
        return thread.thread;
    }

    @Override
    public Thread startAgent(String name, Runnable work) {
        SimulatedThread me = enter(Entry.SPAWN);
        SimulatedThread thread = newThread(name, SimulatedThread.Kind.AGENT, work::run);
        reschedule(me);
        return thread.thread;
    }

    private SimulatedThread newThread(String name, SimulatedThread.Kind kind, Work work) {
        if (phase == Phase.OVER) {
            throw new IllegalStateException("the simulation is over: \"" + name + "\" would never run");
        }
        SimulatedThread thread = new SimulatedThread(byThread.size(), kind, name, chooser.priority(),
                self -> live(self, work));
        threads.add(thread);
        byThread.put(thread.thread, thread);
        ids.add(thread.thread.threadId());
        if (kind == SimulatedThread.Kind.SPAWNED) {
            spawned++;
        }
        return thread;
    }

    private void live(SimulatedThread me, Work work) {
        me.await(this);
        try {
            work.run();
        } catch (SimulationEnded e) {
            // It is one of those that were left.
        } catch (Throwable t) {
            failed(me, t);
        }
        ended(me);
    }

    private void failed(SimulatedThread me, Throwable thrown) {
        if (failure == null && !ending) {
            failure = thrownBy(me, thrown);
        } else if (failure != null && failure.kind() != SimulationFailure.Kind.THROWN && wasThrownBefore(thrown)) {
            // What was thrown first made the program stop, and what it did on its way out got stuck.
            SimulationFailure stuck = failure;
            failure = thrownBy(me, thrown);
            failure.addSuppressed(stuck);
        }
        ending = true;
    }

    private static boolean wasThrownBefore(Throwable thrown) {
        for (Throwable suppressed : thrown.getSuppressed()) {
            if (suppressed instanceof SimulationEnded) {
                return true;
            }
        }
        return false;
    }

    private SimulationFailure thrownBy(SimulatedThread me, Throwable thrown) {
        return new SimulationFailure(SimulationFailure.Kind.THROWN, seed,
                "\"" + me.thread.getName() + "\" failed: " + thrown + whereAndHow(), thrown);
    }

    /** The last thing that a thread does. */
    private void ended(SimulatedThread me) {
        me.waits(SimulatedThread.State.ENDED, null, SimulatedThread.NEVER);
        threads.remove(me);
        if (me.kind == SimulatedThread.Kind.SPAWNED) {
            spawned--;
        }
        for (SimulatedThread thread : threads) {
            if (thread.state == SimulatedThread.State.JOINING && me.equals(thread.blocker)) {
                thread.goesOn();
            }
        }
        if (spawned == 0) {
            ending = true;
        }
        SimulatedThread next = ending ? null : choose(null);
        if (next != null) {
            handOver(next);
        } else {
            unwindNext();
        }
    }

    /** Everything is being ended: the next one that has begun gets the baton, to throw. */
    private void unwindNext() {
        threads.removeIf(thread -> !thread.begun);
        if (threads.isEmpty()) {
            tasks.clear();
            running = null;
            phase = Phase.OVER;
            LockSupport.unpark(waiter);
        } else {
            handOver(threads.getLast());
        }
    }

    private SimulationEnded unwound(SimulatedThread me) {
        me.unwinds++;
        if (me.unwinds > UNWINDS_MAX) {
            // It catches everything and goes on. All that is left is to let it stand.
            if (failure == null) {
                failure = new SimulationFailure(SimulationFailure.Kind.HANG, seed, "\"" + me.thread.getName()
                        + "\" catches what ends it, again and again" + stackOf(me) + whereAndHow(), null);
            }
            threads.remove(me);
            unwindNext();
            for (;;) {
                LockSupport.park(this);
            }
        }
        return new SimulationEnded();
    }

    // ---- steps

    /**
     * A step begins. Returns the calling thread, or null while nothing runs.
     *
     * @throws IllegalStateException if the simulation runs and the calling thread is none of its own
     */
    @Nullable
    SimulatedThread enter(Entry entry) {
        SimulatedThread me = running;
        if (me == null || me.thread != Thread.currentThread()) {
            requireNotRunning();
            return null;
        }
        if (ending) {
            throw unwound(me);
        }
        now += chooser.stepNanos();
        steps++;
        me.entered();
        chooser.note(me.index, entry.code, now);
        if (steps % STEPS_A_BEAT == 0) {
            beat();
        }
        checkBounds();
        if (entry == Entry.LOCK) {
            reschedule(me);
        }
        return me;
    }

    private void requireNotRunning() {
        if (phase == Phase.RUNNING) {
            throw new IllegalStateException("\"" + Thread.currentThread().getName()
                    + "\" is no thread of the simulation with seed " + seed + ", which is running");
        }
    }

    @SuppressWarnings("NonAtomicVolatileUpdate") // who has the baton is the only writer
    private void beat() {
        beats++;
    }

    private void checkBounds() {
        if (steps > options.stepsMax()) {
            throw stuck(SimulationFailure.Kind.STEPS, "still running after " + options.stepsMax() + " steps");
        }
        if (now > options.virtualNanosMax()) {
            throw stuck(SimulationFailure.Kind.TIME,
                    "still running after " + options.virtualNanosMax() + " ns of virtual time");
        }
        if (stopped) {
            throw stuck(SimulationFailure.Kind.INTERRUPTED, "the thread that waits for the simulation was interrupted");
        }
    }

    /** Ends the simulation with a report of what all threads are at. */
    private SimulationEnded stuck(SimulationFailure.Kind kind, String what) {
        ending = true;
        StringBuilder text = new StringBuilder(what);
        for (SimulatedThread thread : threads) {
            text.append('\n').append(describe(thread));
            if (thread.begun) {
                appendStack(text, thread.thread.getStackTrace());
            }
        }
        failure = new SimulationFailure(kind, seed, text + whereAndHow(), null);
        return new SimulationEnded();
    }

    private String describe(SimulatedThread thread) {
        try {
            return thread.describe(now);
        } catch (Throwable t) {
            // What it waits for cannot say what it is without the runtime.
            thread.blocker = "a " + Objects.requireNonNull(thread.blocker).getClass().getSimpleName();
            return thread.describe(now);
        }
    }

    private String stackOf(SimulatedThread thread) {
        StringBuilder text = new StringBuilder();
        appendStack(text, thread.thread.getStackTrace());
        return text.toString();
    }

    private static void appendStack(StringBuilder text, StackTraceElement[] stack) {
        int shown = 0;
        for (StackTraceElement frame : stack) {
            String type = frame.getClassName();
            if (!OWN_CLASSES.contains(type) && !type.startsWith("java.lang.")
                    && !type.startsWith("java.util.concurrent.locks.") && shown++ < FRAMES_MAX) {
                text.append("\n       at ").append(frame);
            }
        }
    }

    private String whereAndHow() {
        return "\nseed " + seed + ", virtual time " + now + " ns, step " + steps + "; replay with: " + options.replay();
    }

    /** Lets the seed say who goes on. Returns when the calling thread does. */
    private void reschedule(@Nullable SimulatedThread me) {
        if (me == null || chooser.keeps()) {
            return;
        }
        give(me);
    }

    /** The calling thread stands still until it is chosen. */
    private void give(SimulatedThread me) {
        SimulatedThread next = choose(me);
        if (next == null) {
            throw unwound(me);
        }
        if (next != me) {
            handOver(next);
            me.await(this);
            if (ending) {
                throw unwound(me);
            }
        }
    }

    private void handOver(SimulatedThread next) {
        switches++;
        beat();
        running = next;
        next.wake();
    }

    /** Chooses who goes on. Null if nobody ever will: the simulation is ending. */
    private @Nullable SimulatedThread choose(@Nullable SimulatedThread me) {
        for (;;) {
            int pollers = findCandidates();
            if (candidates.isEmpty()) {
                if (!jump()) {
                    var _ = stuck(SimulationFailure.Kind.DEADLOCK, "deadlock: no thread can run, and no timer is set");
                    return null;
                }
            } else if (pollers < candidates.size()) {
                pollRounds = 0;
                pollJumps = 0;
                return chosen(pollers);
            } else if ((me != null && me.looks()) || pollRounds++ <= 2 * pollers) {
                return chosen(pollers);
            } else {
                // All have looked, and found nothing: time has to go on.
                pollRounds = 0;
                if (!jump()) {
                    now += POLL_NANOS << pollJumps;
                    pollJumps = Math.min(pollJumps + 1, POLL_SHIFT_MAX);
                }
            }
        }
    }

    private SimulatedThread chosen(int pollers) {
        SimulatedThread next = candidates.size() == 1 ? candidates.getFirst() : chooser.choose(candidates, pollers);
        next.goesOn();
        return next;
    }

    /** Returns how many of them only poll. */
    private int findCandidates() {
        candidates.clear();
        int pollers = 0;
        for (SimulatedThread thread : threads) {
            if (thread.canRun(now)) {
                candidates.add(thread);
                pollers += thread.polls() ? 1 : 0;
            }
        }
        return pollers;
    }

    /** Moves the clock to the next timer. False if there is none. */
    private boolean jump() {
        long next = SimulatedThread.NEVER;
        for (SimulatedThread thread : threads) {
            next = Math.min(next, thread.deadline);
        }
        if (next == SimulatedThread.NEVER) {
            return false;
        }
        now = Math.max(now, next);
        return true;
    }

    /** The calling thread stands still until it is woken, or its time has come. */
    void waitFor(@Nullable SimulatedThread me, SimulatedThread.State how, @Nullable Object forWhat, long until) {
        if (me == null) {
            throw new IllegalStateException("a call would wait while no simulation runs: " + how + " " + forWhat);
        }
        me.waits(how, forWhat, until);
        give(me);
    }

    @Nullable
    SimulatedThread running() {
        return running;
    }

    long now() {
        return now;
    }

    /** A time from now; for ever if it is too far away. */
    long after(long nanos) {
        return nanos >= NANOS_MAX ? SimulatedThread.NEVER : now + Math.max(0, nanos);
    }

    // ---- time

    @Override
    public long nanoTime() {
        reschedule(enter(Entry.TIME));
        return now;
    }

    /**
     * Lets the calling thread stand still. An interrupt does not end it and is kept.
     *
     * @param nanos virtual time, at least
     */
    public void sleep(long nanos) {
        SimulatedThread me = enter(Entry.SLEEP);
        waitFor(me, SimulatedThread.State.SLEEPING, null, after(nanos));
    }

    /** Lets others run, or not, as the seed says: where a test wants an interleaving that the runtime's own calls do not give. */
    public void switchPoint() {
        reschedule(enter(Entry.POINT));
    }

    /**
     * Polls until a condition holds.
     *
     * @param what for the report, if it never does
     * @param condition looked at again and again, whenever others have done something
     */
    public void await(String what, BooleanSupplier condition) {
        while (!condition.getAsBoolean()) {
            poll(enter(Entry.SPIN), what);
        }
    }

    @Override
    public void spinWait() {
        SimulatedThread me = enter(Entry.SPIN);
        if (me != null) {
            poll(me, null);
        }
    }

    private void poll(@Nullable SimulatedThread me, @Nullable Object forWhat) {
        if (me == null) {
            throw new IllegalStateException("a call would wait while no simulation runs: " + forWhat);
        }
        me.polled(forWhat);
        give(me);
    }

    // ---- parking

    @Override
    public void park(Object blocker) {
        park(enter(Entry.PARK), blocker, SimulatedThread.NEVER);
    }

    @Override
    public void parkNanos(Object blocker, long nanos) {
        SimulatedThread me = enter(Entry.PARK_NANOS);
        if (nanos > 0) {
            park(me, blocker, after(nanos));
        }
    }

    private void park(@Nullable SimulatedThread me, Object blocker, long until) {
        reschedule(me);
        if (me == null || !(me.permit || me.isInterrupted() || chooser.returnsForNoReason())) {
            waitFor(me, SimulatedThread.State.PARKED, blocker, until);
        }
        if (me != null) {
            me.permit = false;
        }
    }

    @Override
    public void unpark(Thread thread) {
        if (isUnwinding()) {
            return;
        }
        SimulatedThread me = enter(Entry.UNPARK);
        givePermit(thread);
        reschedule(me);
    }

    @Override
    public void unparkAll(Iterable<Thread> toUnpark) {
        if (isUnwinding()) {
            return;
        }
        var _ = enter(Entry.UNPARK);
        toUnpark.forEach(this::givePermit);
    }

    /** Who is being ended may still wake others, and give up locks. */
    private boolean isUnwinding() {
        return ending && phase == Phase.RUNNING;
    }

    private void givePermit(Thread thread) {
        SimulatedThread unparked = byThread.get(thread);
        if (unparked == null) {
            // A thread that waits before or after the run.
            LockSupport.unpark(thread);
        } else {
            unparked.permit = true;
        }
    }

    /**
     * Interrupts a thread, like {@link Thread#interrupt}, and lets others run then.
     *
     * @param thread which
     */
    public void interrupt(Thread thread) {
        thread.interrupt();
        switchPoint();
    }

    @Override
    public void join(Thread thread) {
        SimulatedThread me = enter(Entry.JOIN);
        SimulatedThread other = byThread.get(thread);
        if (other == null) {
            throw new IllegalArgumentException("\"" + thread.getName() + "\" is no thread of the simulation");
        }
        if (other.state != SimulatedThread.State.ENDED && phase != Phase.OVER) {
            waitFor(me, SimulatedThread.State.JOINING, other, SimulatedThread.NEVER);
        }
    }

    // ---- locks

    @Override
    public Lock newLock() {
        return new SimulatedLock(this);
    }

    void unlocked(SimulatedLock lock) {
        for (SimulatedThread thread : threads) {
            if (thread.state == SimulatedThread.State.LOCKING && lock.equals(thread.blocker)) {
                thread.goesOn();
            }
        }
        if (!isUnwinding()) {
            reschedule(enter(Entry.UNLOCK));
        }
    }

    // ---- what threads are spread by

    @Override
    public int threadIndex() {
        SimulatedThread me = running;
        return me != null && me.thread == Thread.currentThread() ? me.index : 0;
    }

    @Override
    public boolean mayUse(long threadId) {
        return phase != Phase.RUNNING || ids.contains(threadId);
    }

    @Override
    public int processors() {
        return options.processors();
    }

    // ---- work

    /** Deferred work, in the order in which it is due. */
    private final class Task implements Timer, Comparable<Task> {
        private final long due;
        private final long number = tasksScheduled++;
        private final Runnable work;

        Task(long due, Runnable work) {
            this.due = due;
            this.work = work;
        }

        @Override
        public boolean cancel() {
            SimulatedThread me = isUnwinding() ? null : enter(Entry.CANCEL);
            boolean cancelled = tasks.removeIf(task -> task == this);
            setAlarm();
            reschedule(me);
            return cancelled;
        }

        @Override
        public int compareTo(Task other) {
            return due != other.due ? Long.compare(due, other.due) : Long.compare(number, other.number);
        }
    }

    @Override
    public void execute(Runnable work) {
        SimulatedThread me = enter(Entry.EXECUTE);
        var _ = add(0, work);
        reschedule(me);
    }

    @Override
    public Timer schedule(long delayNanos, Runnable work) {
        SimulatedThread me = enter(Entry.SCHEDULE);
        Timer timer = add(delayNanos, work);
        reschedule(me);
        return timer;
    }

    @Override
    public void tell(Runnable call) {
        SimulatedThread me = enter(Entry.SPAWN);
        if (phase != Phase.OVER) {
            newThread("tell", SimulatedThread.Kind.AGENT, call::run);
        }
        reschedule(me);
    }

    private Task add(long delayNanos, Runnable work) {
        Task task = new Task(after(delayNanos), work);
        if (phase != Phase.OVER) {
            tasks.add(task);
            if (worker == null) {
                worker = newThread("work", SimulatedThread.Kind.AGENT, this::serveTasks);
            }
            setAlarm();
        }
        return task;
    }

    /** An idle worker wakes when the first task is due. */
    private void setAlarm() {
        SimulatedThread thread = worker;
        if (thread != null && thread.state == SimulatedThread.State.IDLE) {
            thread.deadline = firstDue();
        }
    }

    private long firstDue() {
        Task first = tasks.peek();
        return first == null ? SimulatedThread.NEVER : first.due;
    }

    private void serveTasks() {
        for (;;) {
            SimulatedThread me = enter(Entry.WORK);
            reschedule(me);
            if (firstDue() <= now) {
                Objects.requireNonNull(tasks.poll()).work.run();
            } else {
                waitFor(me, SimulatedThread.State.IDLE, null, firstDue());
            }
        }
    }

    /**
     * How many timers are set.
     *
     * @return scheduled work that has not begun
     */
    public int timers() {
        return tasks.size();
    }

    @Override
    public String toString() {
        return "simulation with seed " + seed;
    }
}
