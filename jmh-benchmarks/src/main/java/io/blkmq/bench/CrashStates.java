package io.blkmq.bench;

import io.blkmq.core.Disk;
import io.blkmq.runtime.IoBuffer;
import io.blkmq.testkit.CrashReport;
import io.blkmq.testkit.disk.CrashExplorer;
import io.blkmq.testkit.disk.SimulatedDisk;
import java.io.IOException;
import java.time.Duration;
import java.util.SplittableRandom;

/**
 * How many states of a disk of 1 MiB a {@link CrashExplorer} visits in a second. The workload writes blocks of 4 KiB anywhere, and flushes after
 * each sixteen; the check is empty, or reads one block.
 */
public final class CrashStates {
    private static final int BLOCK = 4096;
    private static final int BLOCKS = 256;
    private static final int WRITES = 512;
    private static final int FLUSH_EVERY = 16;
    private static final Duration TIME = Duration.ofSeconds(5);

    private CrashStates() {}

    /**
     * Prints one line for each check, and each of three rounds.
     *
     * @param arguments none
     * @throws Exception if a disk fails
     */
    public static void main(String[] arguments) throws Exception {
        for (int round = 0; round < 3; round++) {
            print("an empty check", (_, _) -> {});
            print("a check that reads 4 KiB", (disk, _) -> {
                try (IoBuffer buffer = disk.allocate(BLOCK)) {
                    disk.read(0, buffer.memory());
                }
            });
        }
    }

    private static void print(String name, CrashExplorer.Check<Integer> check) throws Exception {
        CrashReport report = CrashExplorer
                .<Integer>on(SimulatedDisk.builder().capacityBytes((long) BLOCKS * BLOCK).atomicUnitBytes(BLOCK))
                .states(Long.MAX_VALUE).time(TIME).run((disk, _) -> write(disk)).explore(check);
        IO.println(String.format("%-25s %,10d states checked a second, %,10d made", name, report.checkedPerSecond(),
                (long) (report.made() * 1e9 / report.nanos())));
    }

    private static void write(Disk disk) throws IOException {
        SplittableRandom random = new SplittableRandom(1);
        try (IoBuffer buffer = disk.allocate(BLOCK)) {
            for (int i = 1; i <= WRITES; i++) {
                buffer.memory().fill((byte) i);
                disk.write((long) random.nextInt(BLOCKS) * BLOCK, buffer.memory());
                if (i % FLUSH_EVERY == 0) {
                    disk.flush();
                }
            }
        }
    }
}
