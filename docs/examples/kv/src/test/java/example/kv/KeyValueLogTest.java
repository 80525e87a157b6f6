package example.kv;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import io.blkmq.core.Disk;
import io.blkmq.core.IoGroup;
import io.blkmq.core.IoGroup;
import io.blkmq.core.Operation;
import io.blkmq.core.Status;
import io.blkmq.testkit.disk.CrashExplorer;
import io.blkmq.testkit.disk.Fault;
import io.blkmq.testkit.disk.FaultRule;
import io.blkmq.testkit.disk.PowerCut;
import io.blkmq.testkit.disk.SimulatedDisk;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(120)
class KeyValueLogTest {
    private static final int DISK_BYTES = 64 << 10;

    /** A change; what it makes of the log is the same that it makes of a map. */
    private record Step(Kind kind, String key, String value) {
        enum Kind {
            PUT, LATER, REMOVE, SYNC
        }

        void run(KeyValueLog log) throws IOException {
            switch (kind) {
                case PUT -> log.put(bytes(key), bytes(value));
                case LATER -> log.putLater(bytes(key), bytes(value));
                case REMOVE -> log.remove(bytes(key));
                case SYNC -> log.sync();
            }
        }

        void run(Map<String, String> model) {
            switch (kind) {
                case PUT, LATER -> model.put(key, value);
                case REMOVE -> model.remove(key);
                case SYNC -> {}
            }
        }
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    private static Map<String, String> content(KeyValueLog log) throws IOException {
        Map<String, String> content = new TreeMap<>();
        for (byte[] key : log.keys()) {
            content.put(new String(key, StandardCharsets.UTF_8), new String(log.get(key), StandardCharsets.UTF_8));
        }
        return content;
    }

    /** The contents after no step, one step, and so on. */
    private static List<Map<String, String>> contents(List<Step> steps) {
        List<Map<String, String>> contents = new ArrayList<>(List.of(Map.of()));
        for (Step step : steps) {
            Map<String, String> next = new TreeMap<>(contents.getLast());
            step.run(next);
            contents.add(next);
        }
        return contents;
    }

    private static SimulatedDisk.Builder disk() {
        return SimulatedDisk.builder().capacityBytes(DISK_BYTES);
    }

    // ---- power cuts

    /** At each moment, with any of the unflushed writes, each torn at a sector: what is left are the steps up to one. */
    @Test
    void aPowerCutLeavesEachDurableChangeAndNoneWithoutThoseBefore() throws Exception {
        List<Step> steps = List.of(new Step(Step.Kind.PUT, "a", "1"), new Step(Step.Kind.LATER, "b", "2".repeat(9000)),
                new Step(Step.Kind.LATER, "a", "3"), new Step(Step.Kind.PUT, "c", "4"), new Step(Step.Kind.REMOVE, "a", ""),
                new Step(Step.Kind.LATER, "b", "5"), new Step(Step.Kind.SYNC, "", ""), new Step(Step.Kind.LATER, "d", "6"));
        explore(steps);
    }

    /** An area has seven blocks: each few changes begin a new generation. */
    @Test
    void aPowerCutDuringACompactionLosesNothing() throws Exception {
        List<Step> steps = new ArrayList<>();
        for (int i = 0; i < 12; i++) {
            steps.add(new Step(i % 2 == 0 ? Step.Kind.PUT : Step.Kind.LATER, "k" + i % 3, Integer.toString(i % 10).repeat(3000)));
        }
        explore(steps);
    }

    private static void explore(List<Step> steps) throws Exception {
        List<Map<String, String>> contents = contents(steps);
        var report = CrashExplorer.<Integer>on(disk()).run((disk, acknowledged) -> {
            try (KeyValueLog log = KeyValueLog.open(disk)) {
                for (int i = 0; i < steps.size(); i++) {
                    steps.get(i).run(log);
                    if (steps.get(i).kind() != Step.Kind.LATER) {
                        acknowledged.add(i + 1);
                    }
                }
            }
        }).check((disk, acknowledged) -> {
            Map<String, String> content;
            try (KeyValueLog log = KeyValueLog.open(disk)) {
                content = content(log);
                assertThat(content).isIn(contents.subList(acknowledged.isEmpty() ? 0 : acknowledged.getLast(), contents.size()));
                log.putLater(bytes("after"), bytes("the crash"));
            }
            try (KeyValueLog log = KeyValueLog.open(disk)) {
                content.put("after", "the crash");
                assertThat(content(log)).isEqualTo(content);
            }
        });
        assertThat(report.checked()).isGreaterThan(100);
    }

    @Test
    void whatManyThreadsPutIsThere() throws Exception {
        CrashExplorer.<String>on(disk()).run((disk, acknowledged) -> {
            try (KeyValueLog log = KeyValueLog.open(disk)) {
                List<Thread> threads = new ArrayList<>();
                for (String key : List.of("a", "b", "c", "d")) {
                    threads.add(Thread.startVirtualThread(() -> {
                        try {
                            log.put(bytes(key), bytes(key.repeat(100)));
                            acknowledged.add(key);
                        } catch (IOException e) {
                            throw new IllegalStateException(e);
                        }
                    }));
                }
                for (Thread thread : threads) {
                    thread.join();
                }
                assertThat(acknowledged).hasSize(4);
            }
        }).check((disk, acknowledged) -> {
            try (KeyValueLog log = KeyValueLog.open(disk)) {
                for (String key : acknowledged) {
                    assertThat(log.get(bytes(key))).isEqualTo(bytes(key.repeat(100)));
                }
            }
        });
    }

    /** The power fails twice: batch 3 is lost and 4 is not, and then there is another 3. */
    @Test
    void whatAnEarlierPowerCutHasLeftNeverFollowsABatchOfToday() throws Exception {
        try (SimulatedDisk simulated = disk().build()) {
            KeyValueLog log = KeyValueLog.open(simulated.disk());
            log.put(bytes("a"), bytes("1"));
            simulated.faults().add(FaultRule.on(Operation.WRITE).nth(1).then(Fault.lose()));
            log.putLater(bytes("lost"), bytes("2"));
            log.putLater(bytes("left"), bytes("3"));
            simulated.powerCut(PowerCut.ALL_KEPT);
            try (KeyValueLog again = KeyValueLog.open(simulated.disk())) {
                assertThat(content(again)).isEqualTo(Map.of("a", "1"));
            }
            try (KeyValueLog third = KeyValueLog.open(simulated.disk())) {
                assertThat(content(third)).isEqualTo(Map.of("a", "1"));
            }
        }
    }

    // ---- group commit

    private interface Call {
        void run() throws IOException;
    }

    /** Runs calls, of which the first waits for the disk until all others have added their change. What they threw, null for nothing. */
    private static List<IOException> together(SimulatedDisk simulated, List<Call> calls) throws Exception {
        simulated.faults().add(FaultRule.on(Operation.WRITE).nth(1).then(Fault.hang()));
        IOException[] thrown = new IOException[calls.size()];
        List<Thread> threads = new ArrayList<>();
        for (int i = 0; i < calls.size(); i++) {
            int number = i;
            threads.add(Thread.ofPlatform().start(() -> {
                try {
                    calls.get(number).run();
                } catch (IOException e) {
                    thrown[number] = e;
                }
            }));
            while (!waitsInTheLog(threads.getLast()) || simulated.inFlight() == 0) {
                Thread.sleep(1);
            }
        }
        simulated.faults().release();
        for (Thread thread : threads) {
            thread.join();
        }
        return Arrays.asList(thrown);
    }

    private static boolean waitsInTheLog(Thread thread) {
        return thread.getState() == Thread.State.WAITING && Arrays.stream(thread.getStackTrace())
                .anyMatch(frame -> frame.getClassName().equals(KeyValueLog.class.getName()));
    }

    @Test
    void whatGathersWhileAThreadWritesTakesOneWrite() throws Exception {
        try (SimulatedDisk simulated = disk().build(); KeyValueLog log = KeyValueLog.open(simulated.disk())) {
            long before = simulated.disk().statistics().ios(IoGroup.WRITE);
            List<Call> puts = new ArrayList<>();
            for (int i = 0; i < 9; i++) {
                byte[] key = bytes("k" + i);
                puts.add(() -> log.put(key, key));
            }
            assertThat(together(simulated, puts)).containsOnlyNulls();
            assertThat(simulated.disk().statistics().ios(IoGroup.WRITE) - before).isEqualTo(2);
            simulated.powerCut(PowerCut.ALL_LOST);
            try (KeyValueLog again = KeyValueLog.open(simulated.disk())) {
                assertThat(again.keys()).hasSize(9);
            }
        }
    }

    @Test
    void aRemoveIsNotRefusedWithThePutBesideIt() throws Exception {
        try (SimulatedDisk simulated = disk().build(); KeyValueLog log = KeyValueLog.open(simulated.disk())) {
            log.put(bytes("a"), bytes("1"));
            List<IOException> thrown = together(simulated,
                    List.of(() -> log.put(bytes("b"), bytes("2")), () -> log.put(bytes("c"), new byte[60_000]), () -> log.remove(bytes("a"))));
            assertThat(thrown.get(0)).isNull();
            assertThat(thrown.get(1)).hasMessageContaining("is full");
            assertThat(thrown.get(2)).isNull();
            assertThat(content(log)).isEqualTo(Map.of("b", "2"));
        }
    }

    @Test
    void aFlushAfterAFailedOneIsRefused() throws Exception {
        try (SimulatedDisk simulated = disk().build()) {
            KeyValueLog log = KeyValueLog.open(simulated.disk());
            log.putLater(bytes("a"), bytes("1"));
            simulated.faults().add(FaultRule.on(Operation.FLUSH).nth(1).then(Fault.status(Status.IOERR)));
            assertThatExceptionOfType(IOException.class).isThrownBy(log::sync);
            assertThatExceptionOfType(IOException.class).isThrownBy(log::sync).withMessageContaining("open the log again");
        }
    }

    // ---- growth and its end

    @Test
    void changesMakeManyGenerationsAndAreAsInAMap() throws Exception {
        Random random = new Random(1);
        Map<String, String> model = new HashMap<>();
        try (SimulatedDisk simulated = SimulatedDisk.builder().capacityBytes(4 << 20).build()) {
            for (int opening = 0; opening < 5; opening++) {
                try (KeyValueLog log = KeyValueLog.open(simulated.disk())) {
                    assertThat(content(log)).isEqualTo(model);
                    for (int i = 0; i < 1000; i++) {
                        String key = "k" + random.nextInt(100);
                        Step.Kind kind = Step.Kind.values()[random.nextInt(3)];
                        Step step = new Step(kind, key, Integer.toString(i).repeat(random.nextInt(3000)));
                        step.run(log);
                        step.run(model);
                    }
                }
            }
        }
    }

    /** Old values lie behind the end of an area that is used once more, and a number in one of them says nothing. */
    @Test
    void whatLiesBehindTheEndIsNotReadForItsLength() throws Exception {
        try (SimulatedDisk simulated = SimulatedDisk.builder().capacityBytes(8L << 30).build()) {
            Disk disk = simulated.disk();
            try (KeyValueLog log = KeyValueLog.open(disk)) {
                log.put(bytes("a"), bytes("1"));
            }
            byte[] letters = new byte[1 << 20];
            Arrays.fill(letters, (byte) 'a');
            // The first area that is used is the second one, and what the opening and the put have written takes two blocks of it.
            disk.write(disk.sizeBytes() / 2 + 3 * 4096, MemorySegment.ofArray(letters));
            long before = disk.statistics().bytes(IoGroup.READ);
            try (KeyValueLog log = KeyValueLog.open(disk)) {
                assertThat(content(log)).isEqualTo(Map.of("a", "1"));
                assertThat(disk.statistics().bytes(IoGroup.READ) - before).isLessThan(1 << 20);
            }
        }
    }

    @Test
    void aFullLogRefusesAChangeAndStillRemoves() throws Exception {
        try (SimulatedDisk simulated = disk().build(); KeyValueLog log = KeyValueLog.open(simulated.disk())) {
            byte[] value = new byte[4000];
            log.put(bytes("a"), value);
            log.put(bytes("b"), value);
            log.put(bytes("c"), value);
            log.put(bytes("d"), value);
            assertThatExceptionOfType(IOException.class).isThrownBy(() -> log.put(bytes("e"), new byte[8000]))
                    .withMessageContaining("is full: its 4 values take");
            for (String key : List.of("a", "b", "c", "d", "none")) {
                log.remove(bytes(key));
            }
            assertThat(log.keys()).isEmpty();
            log.put(bytes("e"), new byte[8000]);
            assertThat(log.get(bytes("e"))).isEqualTo(new byte[8000]);
        }
    }

    // ---- what is refused

    @Test
    void aFailedWriteEndsTheLogAndNotWhatIsOnTheDisk() throws Exception {
        try (SimulatedDisk simulated = disk().build()) {
            KeyValueLog log = KeyValueLog.open(simulated.disk());
            log.put(bytes("a"), bytes("1"));
            simulated.faults().add(FaultRule.on(Operation.WRITE).nth(1).then(Fault.status(Status.MEDIUM)));
            assertThatExceptionOfType(IOException.class).isThrownBy(() -> log.put(bytes("a"), bytes("2")));
            assertThatExceptionOfType(IOException.class).isThrownBy(() -> log.put(bytes("a"), bytes("3")))
                    .withMessageContaining("open the log again");
            assertThat(log.get(bytes("a"))).isEqualTo(bytes("1"));
            try (KeyValueLog again = KeyValueLog.open(simulated.disk())) {
                assertThat(content(again)).isEqualTo(Map.of("a", "1"));
            }
        }
    }

    @Test
    void aDiskWithSomethingElseIsRefused() throws Exception {
        try (SimulatedDisk simulated = disk().build()) {
            Disk disk = simulated.disk();
            disk.write(4096, MemorySegment.ofArray("mine".repeat(128).getBytes(StandardCharsets.US_ASCII)));
            assertThatExceptionOfType(IOException.class).isThrownBy(() -> KeyValueLog.open(disk)).withMessageContaining("no key-value log of");
        }
        try (SimulatedDisk small = SimulatedDisk.builder().capacityBytes(DISK_BYTES - 512).build()) {
            assertThatIllegalArgumentException().isThrownBy(() -> KeyValueLog.open(small.disk())).withMessageContaining("65024 bytes")
                    .withMessageContaining("at least 65536");
        }
    }

    @Test
    void whatIsTooLongIsRefused() throws Exception {
        try (SimulatedDisk simulated = disk().build(); KeyValueLog log = KeyValueLog.open(simulated.disk())) {
            assertThatIllegalArgumentException().isThrownBy(() -> log.put(new byte[KeyValueLog.KEY_BYTES_MAX + 1], new byte[3]))
                    .withMessageContaining("1025").withMessageContaining("1024");
            assertThatIllegalArgumentException().isThrownBy(() -> log.put(new byte[1], new byte[KeyValueLog.VALUE_BYTES_MAX + 1]))
                    .withMessageContaining("1048577");
        }
    }
}
