package io.blkmq.testkit.disk;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.blkmq.core.Disk;
import io.blkmq.core.Operation;
import io.blkmq.runtime.IoBuffer;
import io.blkmq.sim.DeterministicRuntime;
import io.blkmq.testing.NoRescues;
import io.blkmq.testkit.CrashFailure;
import io.blkmq.testkit.CrashReport;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;
import jdk.jfr.Recording;
import jdk.jfr.consumer.RecordingFile;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

@NoRescues
class CrashExplorerTest {
    private static final int UNIT = 4096;

    private static SimulatedDisk.Builder small() {
        return SimulatedDisk.builder().capacityBytes(1 << 20).writeCache(true, true).atomicUnitBytes(UNIT);
    }

    private static void write(Disk disk, int block, String text) throws IOException {
        try (IoBuffer buffer = disk.allocate(UNIT)) {
            buffer.memory().setString(0, text);
            disk.write((long) block * UNIT, buffer.memory());
        }
    }

    private static String read(Disk disk, int block) throws IOException {
        try (IoBuffer buffer = disk.allocate(UNIT)) {
            disk.read((long) block * UNIT, buffer.memory());
            return buffer.memory().getString(0);
        }
    }

    private static String contents(Disk disk, int blocks) throws IOException {
        StringBuilder text = new StringBuilder();
        for (int block = 0; block < blocks; block++) {
            String content = read(disk, block);
            text.append(content.isEmpty() ? "." : content);
        }
        return text.toString();
    }

    @Test
    void unflushedWritesSurviveInAnyCombination() throws Exception {
        Set<String> seen = new TreeSet<>();
        CrashReport report = CrashExplorer.<String>on(small()).run((disk, _) -> {
            write(disk, 0, "a");
            write(disk, 1, "b");
        }).check((disk, _) -> seen.add(contents(disk, 2)));
        assertThat(seen).containsExactly("..", ".b", "a.", "ab");
        assertThat(report.checked()).isEqualTo(4);
        assertThat(report.completePoints()).isEqualTo(report.points());
    }

    @Test
    void whatWasFlushedSurvivesAndALaterWriteOfTheSamePlaceIsOldOrNew() throws Exception {
        List<String> states = new ArrayList<>();
        CrashExplorer.<String>on(small()).run((disk, acknowledged) -> {
            write(disk, 0, "a");
            disk.flush();
            acknowledged.add("a");
            write(disk, 0, "b");
            write(disk, 0, "c");
        }).check((disk, acknowledged) -> {
            if (!acknowledged.isEmpty()) {
                states.add(contents(disk, 1));
            }
        });
        assertThat(states).containsExactlyInAnyOrder("a", "b", "c");
    }

    @Test
    void aWriteIsTornAtTheAtomicUnit() throws Exception {
        Set<String> seen = new TreeSet<>();
        CrashExplorer.<String>on(small()).run((disk, _) -> {
            try (IoBuffer buffer = disk.allocate(2 * UNIT)) {
                buffer.memory().setString(0, "a");
                buffer.memory().setString(UNIT, "b");
                disk.write(0, buffer.memory());
            }
        }).check((disk, _) -> seen.add(contents(disk, 2)));
        assertThat(seen).containsExactly("..", ".b", "a.", "ab");
    }

    @Test
    void theFlightRecorderIsToldOfAFinding(@TempDir Path folder) throws Exception {
        Path recorded = folder.resolve("findings.jfr");
        CrashReport report;
        try (Recording recording = new Recording()) {
            recording.enable("io.blkmq.CrashFinding");
            recording.start();
            report = CrashExplorer.<Integer>on(small()).run((disk, acknowledged) -> {
                write(disk, 0, "x");
                acknowledged.add(0);
            }).explore((disk, acknowledged) -> {
                for (int block : acknowledged) {
                    assertThat(read(disk, block)).isEqualTo("x");
                }
            });
            recording.dump(recorded);
        }
        CrashReport.Failure failure = Objects.requireNonNull(report.failure());
        assertThat(RecordingFile.readAllEvents(recorded).stream()
                .filter(event -> event.getEventType().getName().equals("io.blkmq.CrashFinding"))).singleElement()
                .satisfies(event -> {
                    assertThat(event.getString("subject")).isEqualTo(report.subject());
                    assertThat(event.getString("crash")).isEqualTo(failure.crash());
                    assertThat(event.getString("acknowledged")).isEqualTo("1 [0]");
                    assertThat(event.getInt("lost")).isOne();
                    assertThat(event.getString("failure")).isEqualTo(failure.cause().toString());
                    assertThat(event.getString("replay")).isEqualTo(failure.code());
                    assertThat(event.getLong("seed")).isEqualTo(report.seed());
                    assertThat(event.getEventType().getCategoryNames()).containsExactly("blkmq");
                });
    }

    @Test
    void aWriteWithoutAFlushIsFoundWithItsSmallestCrash() throws Exception {
        CrashReport report = CrashExplorer.<Integer>on(small()).run((disk, acknowledged) -> {
            for (int block = 0; block < 4; block++) {
                write(disk, block, "x");
                if (block != 2) {
                    disk.flush();
                }
                acknowledged.add(block);
            }
        }).explore((disk, acknowledged) -> {
            for (int block : acknowledged) {
                assertThat(read(disk, block)).isEqualTo("x");
            }
        });
        CrashReport.Failure failure = Objects.requireNonNull(report.failure());
        assertThat(failure.acknowledged()).isEqualTo("3 [0, 1, 2]");
        assertThat(failure.lost()).hasSize(1).first().asString().contains("offset 8192");
        assertThatThrownBy(() -> {
            throw new CrashFailure(report);
        }).hasMessageContaining("a crash breaks a promise: simulated");
    }

    @Test
    void aLyingFlushIsFound() throws Exception {
        SimulatedDisk.Builder disk = small();
        CrashReport report = CrashExplorer.<String>on(disk)
                .faults(List.of(FaultRule.on(Operation.FLUSH).then(Fault.lie()))).run((it, acknowledged) -> {
                    write(it, 0, "a");
                    it.flush();
                    acknowledged.add("a");
                })
                .explore((it, acknowledged) -> assertThat(acknowledged.isEmpty() || read(it, 0).equals("a")).isTrue());
        assertThat(report.holds()).isFalse();
    }

    @Test
    void theSameSeedOfASimulationHasTheSameEvents() {
        List<List<String>> runs = new ArrayList<>();
        for (int i = 0; i < 100; i++) {
            DeterministicRuntime.run(42, runtime -> {
                CrashExplorer<String>.Recorded recorded = CrashExplorer
                        .<String>on(SimulatedDisk.consumerSsd().capacityBytes(1 << 20).runtime(runtime))
                        .run((disk, acknowledged) -> {
                            Thread one = runtime.spawn("one", () -> writer(disk, 0, acknowledged));
                            Thread other = runtime.spawn("other", () -> writer(disk, 8, acknowledged));
                            runtime.join(one);
                            runtime.join(other);
                        });
                runs.add(recorded.events());
            });
        }
        assertThat(runs).allSatisfy(run -> assertThat(run).isEqualTo(runs.getFirst()).hasSizeGreaterThan(30));
    }

    private static void writer(Disk disk, int block, List<String> acknowledged) throws Exception {
        for (int i = 0; i < 3; i++) {
            write(disk, block + i, "x");
            disk.flush();
            acknowledged.add("" + (block + i));
        }
    }

    @Test
    void aCheckThatClosesTheDiskIsToldSo() {
        assertThatThrownBy(() -> CrashExplorer.<String>on(small()).run((disk, _) -> write(disk, 0, "a"))
                .check((disk, _) -> disk.close())).isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("closed the disk");
    }

    @Test
    void preparedBlocksSurvive() throws Exception {
        CrashReport report = CrashExplorer.<String>on(small()).prepared(disk -> write(disk, 3, "p"))
                .run((disk, _) -> write(disk, 0, "a")).check((disk, _) -> assertThat(read(disk, 3)).isEqualTo("p"));
        assertThat(report.checked()).isEqualTo(2);
    }
}
