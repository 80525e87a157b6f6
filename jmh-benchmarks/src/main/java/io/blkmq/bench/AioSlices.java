package io.blkmq.bench;

import io.blkmq.aio.AioEngine;
import io.blkmq.aio.AioFile;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Several ways of reading a file in one process, a slice of time each, in turn and over again, so that a disk that is fast in one
 * minute and slow in the next is the same to all. Prints the median rate of each, and the quartiles of its ratio to the first,
 * slice by slice. Arguments are {@code file=}, {@code slices=} (of each, 30), {@code millis=} (of a slice, 150), and then the
 * subjects: arguments of {@link AioIops}, with blanks written as {@code +}.
 */
public final class AioSlices {
    private static final int ROUND = 512;
    /** Slices that do not count. */
    private static final int WARM_UP = 4;

    private AioSlices() {}

    /** One way of reading, and what it has reached. */
    private static final class Lane implements AutoCloseable {
        final String name;
        final RandomReads reads;
        final double[] rates;
        private final @Nullable AioEngine engine;
        private final @Nullable AioFile file;
        private long systemCalls;
        private long done;

        Lane(String name, String file, int slices) throws IOException {
            this.name = name;
            RandomReads.Subject subject = RandomReads.Subject.of((name + "+" + file).split("\\+", -1));
            if (subject.isOurs()) {
                AioEngine opened = subject.openEngine();
                AioFile openedFile = opened.open(subject.file(), AioFile.Access.READ_ONLY, subject.is("direct"));
                reads = subject.reads(opened, openedFile, 0);
                engine = opened;
                this.file = openedFile;
            } else {
                reads = subject.othersReads(0);
                engine = null;
                this.file = null;
            }
            rates = new double[slices];
        }

        /** Reads for so long. The slice counts if it has a number of 0 or above. */
        void run(int slice, long nanos) throws IOException {
            // To its depth, and over what the others have left in the processor's caches.
            reads.run(ROUND);
            long callsBefore = calls();
            long count = 0;
            long began = System.nanoTime();
            while (System.nanoTime() - began < nanos) {
                reads.run(ROUND);
                count += ROUND;
            }
            long took = System.nanoTime() - began;
            if (slice >= 0) {
                rates[slice] = count * 1e9 / took;
                done += count;
                systemCalls += calls() - callsBefore;
            }
            reads.drain();
        }

        private long calls() {
            return engine == null ? 0 : engine.statistics().systemCalls();
        }

        void print(Lane first) {
            double[] ratios = new double[rates.length];
            Arrays.setAll(ratios, slice -> rates[slice] / first.rates[slice]);
            System.out.printf("%-44s %,11.0f/s  %.3f %.3f %.3f%s%n", name, quantile(rates, 2), quantile(ratios, 1),
                    quantile(ratios, 2), quantile(ratios, 3),
                    systemCalls == 0 ? "" : "  %.1f reads a system call".formatted((double) done / systemCalls));
        }

        private static double quantile(double[] values, int quarter) {
            double[] sorted = values.clone();
            Arrays.sort(sorted);
            return sorted[(sorted.length - 1) * quarter / 4];
        }

        @Override
        public void close() throws IOException {
            reads.close();
            if (file != null) {
                file.close();
            }
            if (engine != null) {
                engine.close();
            }
        }
    }

    /**
     * Runs it.
     *
     * @param arguments see above
     * @throws IOException if a read fails
     */
    public static void main(String[] arguments) throws IOException {
        String file = "";
        int slices = 30;
        long nanos = 150_000_000L;
        List<String> subjects = new ArrayList<>();
        for (String argument : arguments) {
            String value = argument.substring(argument.indexOf('=') + 1);
            switch (argument.substring(0, Math.max(argument.indexOf('='), 0))) {
                case "file" -> file = argument;
                case "slices" -> slices = Integer.parseInt(value);
                case "millis" -> nanos = Long.parseLong(value) * 1_000_000L;
                default -> subjects.add(argument);
            }
        }
        if (file.isEmpty() || subjects.isEmpty() || slices < 1) {
            System.err.println(
                    "usage: AioSlices file=FILE [slices=30] [millis=150] SUBJECT ..., such as engine=io_uring+depth=64");
            System.exit(2);
        }
        List<Lane> lanes = new ArrayList<>();
        for (String subject : subjects) {
            lanes.add(new Lane(subject, file, slices));
        }
        for (int slice = -WARM_UP; slice < slices; slice++) {
            // Each round begins with another, so that nobody always comes after the same one.
            for (int i = 0; i < lanes.size(); i++) {
                lanes.get(Math.floorMod(i + slice, lanes.size())).run(slice, nanos);
            }
        }
        for (Lane lane : lanes) {
            lane.print(lanes.getFirst());
        }
        for (Lane lane : lanes) {
            lane.close();
        }
    }
}
