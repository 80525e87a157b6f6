package io.blkmq.bench;

import io.blkmq.aio.AioEngine;
import io.blkmq.aio.AioFile;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/**
 * Random 4 KiB reads of a file on an engine alone, without the block layer, for a number of seconds; prints their rate as fio's JSON
 * has it, so that the two can be compared. Arguments are {@code name=value}: {@code file}; {@code engine}, one of ours, or
 * {@code artemis}, {@code file-channel}, {@code aio-channel} (a file channel over the shared engine), {@code async-channel}; {@code mode=polled|reaper|agent}, {@code entry=submitters|reaper},
 * {@code taskwork}, {@code sqpoll}, {@code iopoll}, {@code depth}, {@code batch}, {@code runtime} in seconds, {@code direct},
 * {@code register}, {@code prompt} (0: one doorbell a batch), {@code spin} (polls, or runs the agent, without sleeping), {@code threads} (of an
 * engine with a reaper or an agent).
 */
public final class AioIops {
    private static final int ROUND = 2048;
    private static final long WARM_UP_NANOS = 1_500_000_000L;

    private AioIops() {}

    /**
     * Runs it.
     *
     * @param arguments see above
     * @throws Exception if that fails
     */
    public static void main(String[] arguments) throws Exception {
        RandomReads.Subject subject = RandomReads.Subject.of(arguments);
        double iops;
        if (subject.isOurs()) {
            try (AioEngine engine = subject.openEngine();
                    AioFile file = engine.open(subject.file(), AioFile.Access.READ_ONLY, subject.is("direct"))) {
                System.err.println(engine);
                iops = run(subject, seed -> subject.reads(engine, file, seed));
                System.err.println(engine.statistics());
            }
        } else {
            iops = run(subject, subject::othersReads);
        }
        System.out.printf("{\"jobs\": [{\"read\": {\"iops\": %.1f}}]}%n", iops);
    }

    private interface Maker {
        RandomReads make(int seed) throws IOException;
    }

    private static double run(RandomReads.Subject subject, Maker maker)
            throws InterruptedException, ExecutionException {
        int threads = subject.number("threads");
        double iops = 0;
        try (var pool = Executors.newFixedThreadPool(threads)) {
            List<Future<Double>> rates = new ArrayList<>();
            for (int t = 0; t < threads; t++) {
                int seed = t;
                Callable<Double> body = () -> {
                    try (RandomReads reads = maker.make(seed)) {
                        return rate(reads, (long) (Double.parseDouble(subject.get("runtime")) * 1e9));
                    }
                };
                rates.add(pool.submit(body));
            }
            for (Future<Double> rate : rates) {
                iops += rate.get();
            }
        }
        return iops;
    }

    private static double rate(RandomReads reads, long nanos) throws IOException {
        // Time for the compiler, which does not count.
        for (long began = System.nanoTime(); System.nanoTime() - began < WARM_UP_NANOS;) {
            reads.run(ROUND);
        }
        long done = 0;
        long began = System.nanoTime();
        while (System.nanoTime() - began < nanos) {
            reads.run(ROUND);
            done += ROUND;
        }
        return done * 1e9 / (System.nanoTime() - began);
    }
}
