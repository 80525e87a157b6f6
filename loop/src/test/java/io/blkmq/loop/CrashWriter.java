package io.blkmq.loop;

import io.blkmq.core.Bio;
import io.blkmq.core.Disk;
import io.blkmq.runtime.IoBuffer;
import java.io.IOException;
import java.io.PrintStream;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;

/** A program that writes records through a device, prints the number of each that is acknowledged as durable, and gets killed. */
final class CrashWriter {
    static final int RECORD_BYTES = 4096;
    private static final int THREADS = 4;

    private CrashWriter() {}

    /** Makes a record out of a number, all of its bytes. */
    static void fill(MemorySegment record, long number) {
        for (long i = 0; i < RECORD_BYTES; i += Long.BYTES) {
            record.set(ValueLayout.JAVA_LONG, i, number * 0x9E37_79B9_7F4A_7C15L + i);
        }
    }

    /**
     * Writes its records, then waits to be killed.
     *
     * @param args image, engine, "direct" or not, the numbers of the first record and of the one behind the last, whether the device may
     *     have FUA
     * @throws Exception if the device fails
     */
    public static void main(String[] args) throws Exception {
        LoopConfig config = LoopConfig.builder(Path.of(args[0])).engine(args[1]).direct(args[2].equals("direct"))
                .fua(Boolean.parseBoolean(args[5])).build();
        long first = Long.parseLong(args[3]);
        long end = Long.parseLong(args[4]);
        PrintStream out = new PrintStream(System.out, true, StandardCharsets.US_ASCII);
        try (LoopDevice device = LoopDevice.attach(config)) {
            List<Thread> threads = new ArrayList<>();
            for (int i = 0; i < THREADS; i++) {
                long from = first + i;
                threads.add(Thread.ofPlatform().start(() -> write(device.disk(), from, end, out)));
            }
            for (Thread thread : threads) {
                thread.join();
            }
            new CountDownLatch(1).await();
        }
    }

    private static void write(Disk disk, long from, long end, PrintStream out) {
        try (IoBuffer buffer = IoBuffer.allocate(RECORD_BYTES)) {
            for (long number = from; number < end; number += THREADS) {
                fill(buffer.memory(), number);
                if (number % 3 == 0) {
                    disk.write(number * RECORD_BYTES, buffer.memory());
                    disk.flush();
                } else {
                    disk.write(number * RECORD_BYTES, buffer.memory(),
                            number % 3 == 1 ? Bio.FUA : Bio.FUA | Bio.PREFLUSH);
                }
                out.println(number);
            }
        } catch (IOException e) {
            out.println("failed: " + e);
        }
    }
}
