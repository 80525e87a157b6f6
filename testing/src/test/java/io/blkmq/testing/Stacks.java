package io.blkmq.testing;

import java.util.Map;
import java.util.concurrent.TimeUnit;

/**
 * Prints the stacks of all platform threads if a test goes on for long: for one that ends a hang by itself, and does not say where it was. To
 * be closed when the test has ended.
 */
public final class Stacks implements AutoCloseable {
    private final Thread watch;

    private Stacks(long seconds) {
        watch = Thread.ofPlatform().daemon().name("stacks").start(() -> {
            try {
                TimeUnit.SECONDS.sleep(seconds);
            } catch (InterruptedException _) {
                // The test has ended.
                return;
            }
            StringBuilder out = new StringBuilder("It goes on after " + seconds + " s:\n");
            for (Map.Entry<Thread, StackTraceElement[]> of : Thread.getAllStackTraces().entrySet()) {
                out.append(of.getKey()).append(' ').append(of.getKey().getState()).append('\n');
                for (StackTraceElement frame : of.getValue()) {
                    out.append("    at ").append(frame).append('\n');
                }
            }
            System.out.println(out);
        });
    }

    /** Begins to watch. */
    public static Stacks printedAfter(long seconds) {
        return new Stacks(seconds);
    }

    @Override
    public void close() {
        watch.interrupt();
    }
}
