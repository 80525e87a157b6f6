package io.blkmq.bench;

import io.blkmq.loop.LoopConfig;
import io.blkmq.loop.LoopDevice;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/**
 * Random 4 KiB reads of a loop device by threads that poll, each with a hardware queue of its own, for a number of seconds; prints their
 * rate as fio's JSON has it, so that the two can be compared. Arguments are {@code name=value}: {@code file}; {@code direct}, else
 * buffered through the work queue; {@code workers} of that, 0 for the default; {@code aio=true} for buffered I/O by the engine;
 * {@code engine}; {@code threads}; {@code depth} of each; {@code warmup} and {@code runtime} in seconds.
 */
public final class LoopIops {
    private static final int ROUND = 256;

    private LoopIops() {}

    /**
     * Runs it.
     *
     * @param arguments see above
     * @throws Exception if that fails
     */
    public static void main(String[] arguments) throws Exception {
        Map<String, String> options = new HashMap<>(Map.of("direct", "false", "workers", "0", "aio", "false", "engine",
                "io_uring", "threads", "1", "depth", "64", "warmup", "1", "runtime", "3"));
        for (String argument : arguments) {
            int at = argument.indexOf('=');
            if (at < 0) {
                throw new IllegalArgumentException("'" + argument + "': name=value is expected");
            }
            options.put(argument.substring(0, at), argument.substring(at + 1));
        }
        int threads = Integer.parseInt(option(options, "threads"));
        int depth = Integer.parseInt(option(options, "depth"));
        try (LoopDevice device = LoopDevice.attach(LoopConfig.builder(Path.of(option(options, "file"))).readOnly(true)
                .direct(Boolean.parseBoolean(option(options, "direct"))).engine(option(options, "engine")).polled(true)
                .hardwareQueues(threads).depth(depth).workers(Integer.parseInt(option(options, "workers"))).build())) {
            if (Boolean.parseBoolean(option(options, "aio"))) {
                device.setAio(true);
            }
            System.err.println(device);
            long warmUp = nanos(options, "warmup");
            System.out.printf("{\"jobs\": [{\"read\": {\"iops\": %.1f}}]}%n",
                    iops(device, threads, depth, warmUp, nanos(options, "runtime")));
        }
    }

    private static String option(Map<String, String> options, String name) {
        String value = options.get(name);
        if (value == null) {
            throw new IllegalArgumentException(name + "= is missing");
        }
        return value;
    }

    private static long nanos(Map<String, String> options, String name) {
        return (long) (Double.parseDouble(option(options, name)) * 1e9);
    }

    private static double iops(LoopDevice device, int threads, int depth, long warmUp, long runtime)
            throws InterruptedException, ExecutionException {
        CyclicBarrier warm = new CyclicBarrier(threads);
        double iops = 0;
        try (ExecutorService pool = Executors.newFixedThreadPool(threads)) {
            List<Future<Double>> rates = new ArrayList<>();
            for (int t = 0; t < threads; t++) {
                int context = t;
                rates.add(pool.submit(() -> {
                    try (ClosedLoop loop = new ClosedLoop(device.disk(), context, depth)) {
                        rounds(loop, warmUp);
                        warm.await();
                        return rounds(loop, runtime);
                    }
                }));
            }
            for (Future<Double> rate : rates) {
                iops += rate.get();
            }
        }
        return iops;
    }

    /** Runs for a time, and returns the rate. */
    private static double rounds(ClosedLoop loop, long nanos) {
        long done = 0;
        long began = System.nanoTime();
        while (System.nanoTime() - began < nanos) {
            loop.run(ROUND);
            done += ROUND;
        }
        return done * 1e9 / (System.nanoTime() - began);
    }
}
