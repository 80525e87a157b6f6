package io.blkmq.nbd;

import io.blkmq.runtime.IoRuntime;
import io.blkmq.testing.Eventually;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;

/** A clock that stands still until its test moves it. Its timers run on the thread that does so; all else is the system's. */
final class TestClock {
    private final List<Task> tasks = new ArrayList<>();
    /** Guarded by {@link #tasks}. Not 0, which may mean that there is no time. */
    private long now = TimeUnit.HOURS.toNanos(1);
    private final IoRuntime runtime = (IoRuntime) Proxy.newProxyInstance(IoRuntime.class.getClassLoader(),
            new Class<?>[]{IoRuntime.class}, this::call);

    private record Task(long due, Runnable work) {}

    /** With this clock. */
    IoRuntime runtime() {
        return runtime;
    }

    private @Nullable Object call(Object proxy, Method method, Object @Nullable [] arguments) throws Throwable {
        if (method.getName().equals("nanoTime")) {
            synchronized (tasks) {
                return now;
            }
        }
        if (method.getName().equals("schedule") && arguments != null) {
            return schedule((long) arguments[0], (Runnable) arguments[1]);
        }
        try {
            return method.invoke(IoRuntime.system(), arguments);
        } catch (InvocationTargetException e) {
            throw e.getCause();
        }
    }

    private IoRuntime.Timer schedule(long delayNanos, Runnable work) {
        synchronized (tasks) {
            Task task = new Task(now + delayNanos, work);
            tasks.add(task);
            return () -> {
                synchronized (tasks) {
                    return tasks.remove(task);
                }
            };
        }
    }

    /** Moves it, and does what becomes due on the way, also what that has scheduled. */
    void advance(Duration step) {
        long until;
        synchronized (tasks) {
            until = now + step.toNanos();
        }
        for (Task task = nextDue(until); task != null; task = nextDue(until)) {
            task.work.run();
        }
        synchronized (tasks) {
            now = until;
        }
    }

    private @Nullable Task nextDue(long until) {
        synchronized (tasks) {
            Task next = tasks.stream().min(Comparator.comparingLong(Task::due)).orElse(null);
            if (next == null || next.due > until) {
                return null;
            }
            tasks.remove(next);
            now = Math.max(now, next.due);
            return next;
        }
    }

    /** Moves it until something has happened: those who look at it may do so late. */
    void advanceUntil(String what, Duration step, BooleanSupplier happened) {
        Eventually.until(what, () -> {
            boolean done = happened.getAsBoolean();
            if (!done) {
                advance(step);
            }
            return done;
        });
    }
}
