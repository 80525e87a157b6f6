package io.blkmq.bench;

import io.blkmq.runtime.IoRuntime;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.ReentrantLock;
import org.agrona.DeadlineTimerWheel;
import org.agrona.collections.Long2ObjectHashMap;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * Timers of the system's runtime beside those of Agrona's timer wheel, with a number of other timers pending. A wheel with a lock and a table
 * of the work stands for a runtime that is built on it: that is less than it would need, since nobody waits for its next timer.
 */
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(value = 1, jvmArgs = "-XX:+UseSerialGC")
@State(Scope.Thread)
public class TimerBenchmark {
    private static final long HOUR_NANOS = TimeUnit.HOURS.toNanos(1);
    /** A fifth of a millisecond or so: a rerun after 3 ms may be late by as much. */
    private static final long TICK_NANOS = 1 << 18;
    private static final int TICKS = 1 << 12;

    /** How many timers are pending, due between one hour and two from now. */
    @Param({"1", "1000", "100000"})
    public int pending;

    private final List<IoRuntime.Timer> others = new ArrayList<>();
    private final ReentrantLock lock = new ReentrantLock();
    private final Long2ObjectHashMap<Runnable> work = new Long2ObjectHashMap<>();
    private DeadlineTimerWheel wheel = new DeadlineTimerWheel(TimeUnit.NANOSECONDS, 0, TICK_NANOS, TICKS);
    private long now;
    private long ran;
    private final DeadlineTimerWheel.TimerHandler handler = (_, _, id) -> {
        work.remove(id).run();
        return true;
    };

    /** Puts the other timers in. */
    @Setup(Level.Trial)
    public void fill() {
        wheel = new DeadlineTimerWheel(TimeUnit.NANOSECONDS, 0, TICK_NANOS, TICKS);
        for (int i = 0; i < pending; i++) {
            long delay = HOUR_NANOS + HOUR_NANOS * i / pending;
            others.add(IoRuntime.system().schedule(delay, this::run));
            long _ = add(delay);
        }
    }

    /** Takes them out. */
    @TearDown(Level.Trial)
    public void empty() {
        others.reversed().forEach(IoRuntime.Timer::cancel);
    }

    private void run() {
        ran++;
    }

    private long add(long deadline) {
        lock.lock();
        try {
            long id = wheel.scheduleTimer(deadline);
            Object _ = work.put(id, this::run);
            return id;
        } finally {
            lock.unlock();
        }
    }

    /**
     * A time-out that is set and called off: the common life of a timer.
     *
     * @return whether it was called off
     */
    @Benchmark
    public boolean scheduleAndCancel() {
        return IoRuntime.system().schedule(HOUR_NANOS + HOUR_NANOS / 2, this::run).cancel();
    }

    /**
     * The same on the wheel.
     *
     * @return whether it was called off
     */
    @Benchmark
    public boolean wheelScheduleAndCancel() {
        long id = add(now + HOUR_NANOS + HOUR_NANOS / 2);
        lock.lock();
        try {
            Object _ = work.remove(id);
            return wheel.cancelTimer(id);
        } finally {
            lock.unlock();
        }
    }

    /**
     * A timer of the runtime that is due at once, until it has run on another thread.
     *
     * @throws InterruptedException if the thread is interrupted
     */
    @Benchmark
    public void scheduleAndFire() throws InterruptedException {
        var fired = new java.util.concurrent.CountDownLatch(1);
        IoRuntime.Timer _ = IoRuntime.system().schedule(0, fired::countDown);
        fired.await();
    }

    /**
     * A timer of the wheel that is due with the next tick, until it has run on this thread: with no thread to wake.
     *
     * @return how many have run
     */
    @Benchmark
    public long wheelScheduleAndFire() {
        long before = ran;
        long _ = add(now);
        while (ran == before) {
            now += TICK_NANOS;
            lock.lock();
            try {
                int _ = wheel.poll(now, handler, Integer.MAX_VALUE);
            } finally {
                lock.unlock();
            }
        }
        return ran;
    }
}
