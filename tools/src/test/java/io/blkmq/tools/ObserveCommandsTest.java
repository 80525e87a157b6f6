package io.blkmq.tools;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.gson.Gson;
import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import io.blkmq.core.Disk;
import io.blkmq.core.Plug;
import io.blkmq.core.Bio;
import io.blkmq.core.Operation;
import io.blkmq.core.counters.CountersDirectory;
import io.blkmq.core.counters.CountersFile;
import io.blkmq.core.driver.TagSet;
import io.blkmq.core.nullblk.NullBlk;
import io.blkmq.runtime.IoBuffer;
import io.blkmq.testing.Eventually;
import io.blkmq.testing.JavaProcess;
import java.io.OutputStreamWriter;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.api.parallel.ResourceLock;

/** {@code blkmq iostat}, {@code ls} and {@code dump} on this process and on others. */
@Timeout(value = 300, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
@ResourceLock(ObserveCommandsTest.DEVICES)
class ObserveCommandsTest {
    /** Here no other test of this process has any. */
    static final String DEVICES = "the devices of the process";

    private static final long PID = ProcessHandle.current().pid();

    @TempDir
    private Path folder;
    private final StringWriter out = new StringWriter();
    private final StringWriter err = new StringWriter();

    @BeforeEach
    void useADirectoryOfOurOwn() {
        System.setProperty(CountersDirectory.PROPERTY, folder.resolve("counters").toString());
    }

    @AfterEach
    void useTheUsersDirectory() {
        System.clearProperty(CountersDirectory.PROPERTY);
    }

    private int run(String... arguments) {
        out.getBuffer().setLength(0);
        err.getBuffer().setLength(0);
        return Blkmq.execute(new PrintWriter(out), new PrintWriter(err), arguments);
    }

    private JsonObject only(String device) {
        JsonArray devices = new Gson().fromJson(out.toString(), JsonObject.class).getAsJsonArray("devices");
        return devices.asList().stream().map(each -> each.getAsJsonObject())
                .filter(each -> each.get("device").getAsString().equals(device)).findFirst().orElseThrow();
    }

    @Test
    void theFiguresAreThoseOfTheDevice() throws Exception {
        try (Disk disk = NullBlk.builder().name("figures0").completion(NullBlk.Completion.INLINE)
                .flag(TagSet.Flag.MERGE).build();
                IoBuffer buffer = disk.allocate(16_384);
                CountersFile file = CountersFile.open()) {
            disk.read(0, buffer.memory());
            disk.read(65_536, buffer.memory().asSlice(0, 8192));
            try (Plug plug = disk.plug()) {
                plug.submit(new Bio().reset(Operation.WRITE, 0).add(buffer.memory().asSlice(0, 4096)));
                plug.submit(new Bio().reset(Operation.WRITE, 8).add(buffer.memory().asSlice(4096, 4096)));
            }
            file.refresh();
            assertThat(run("iostat", "" + PID, "--json")).isZero();
            JsonObject line = only("figures0");
            double seconds = line.get("seconds").getAsDouble();
            assertThat(seconds).isPositive();
            assertThat(line.get("r/s").getAsDouble() * seconds).isCloseTo(2, within());
            assertThat(line.get("rkB/s").getAsDouble() * seconds).isCloseTo(24, within());
            assertThat(line.get("rareq-sz").getAsDouble()).isCloseTo(12, within());
            assertThat(line.get("w/s").getAsDouble() * seconds).isCloseTo(1, within());
            assertThat(line.get("wrqm/s").getAsDouble() * seconds).isCloseTo(1, within());
            assertThat(line.get("%wrqm").getAsDouble()).isCloseTo(50, within());
            assertThat(line.get("wareq-sz").getAsDouble()).isCloseTo(8, within());
            assertThat(line.get("d/s").getAsDouble()).isZero();
            assertThat(line.get("%util").getAsDouble()).isBetween(0.0, 100.0);
            assertThat(line.get("r_await").getAsDouble())
                    .isCloseTo(disk.statistics().meanNanos(io.blkmq.core.IoGroup.READ) / 1e6, within());
            assertThat(line.get("alive").getAsBoolean()).isTrue();
            assertThat(line.get("pid").getAsLong()).isEqualTo(PID);
            assertThat(run("iostat")).isZero();
            assertThat(out.toString()).contains("r/s").contains("%util").containsPattern(PID + " figures0 .* 12\\.00 ");
        }
    }

    private static org.assertj.core.data.Offset<Double> within() {
        return org.assertj.core.data.Offset.offset(1e-6);
    }

    @Test
    void aLaterReportIsOfTheTimeSinceTheOneBefore() throws Exception {
        try (Disk disk = NullBlk.builder().name("later0").completion(NullBlk.Completion.INLINE).build();
                IoBuffer buffer = disk.allocate(4096);
                CountersFile file = CountersFile.open()) {
            disk.read(0, buffer.memory());
            file.refresh();
            assertThat(run("iostat", "all", "0.01", "3", "--json")).isZero();
            List<String> reports = out.toString().lines().toList();
            assertThat(reports).hasSize(3);
            out.getBuffer().setLength(0);
            out.append(reports.getFirst());
            assertThat(only("later0").get("r/s").getAsDouble()).isPositive();
            out.getBuffer().setLength(0);
            out.append(reports.getLast());
            assertThat(only("later0").get("r/s").getAsDouble()).isZero();
            assertThat(run("iostat", "all", "0.01", "--once", "--json")).isZero();
            assertThat(out.toString().lines()).hasSize(1);
            assertThat(only("later0").get("r/s").getAsDouble()).isZero();
        }
    }

    @Test
    void devicesAreListedAndShown() throws Exception {
        try (Disk disk = NullBlk.builder().name("listed0").capacityBytes(1 << 20).build();
                CountersFile file = CountersFile.open()) {
            file.refresh();
            assertThat(run("ls")).isZero();
            assertThat(out.toString()).containsPattern(PID + " alive listed0 +1048576 null +none +polled");
            assertThat(run("ls", "--json")).isZero();
            assertThat(new Gson().fromJson(out.toString(), JsonArray.class).asList())
                    .anyMatch(row -> row.getAsJsonObject().get("device").getAsString().equals("listed0"));
            assertThat(run("dump", "" + PID, "listed0")).isZero();
            assertThat(out.toString()).isEqualTo(disk.queue().dump());
            assertThat(run("dump", "" + PID, "nowhere0")).isOne();
            assertThat(err.toString()).contains("no device 'nowhere0'").contains("listed0");
        }
    }

    @Test
    void whatMakesNoSenseIsRefusedWithTheReason() throws Exception {
        assertThat(run("iostat")).isZero();
        assertThat(out.toString()).contains("no devices");
        assertThat(run("iostat", "999999999")).isEqualTo(2);
        assertThat(err.toString()).contains("process 999999999 has no counters").contains("blkmq.counters=true");
        assertThat(run("iostat", "loop0")).isEqualTo(2);
        assertThat(err.toString()).contains("loop0: the number of a process is needed, or all");
        assertThat(run("iostat", "all", "0")).isEqualTo(2);
        assertThat(run("iostat", "all", "1", "0")).isEqualTo(2);
        assertThat(run("dump", "999999999", "loop0")).isEqualTo(2);
        try (CountersFile file = CountersFile.open()) {
            Files.writeString(file.path().resolveSibling("1.counters"), "garbage");
            assertThat(run("ls")).isZero();
            assertThat(err.toString()).contains("1.counters is no counters file").contains("it has 7 bytes");
        }
    }

    /** As a command whose user has pressed Ctrl-C at once: its counters come too late. */
    static final class Ending {
        public static void main(String[] none) {
            PrintWriter all = new PrintWriter(new OutputStreamWriter(System.out, StandardCharsets.UTF_8), true);
            Runtime.getRuntime().addShutdownHook(new Thread(() -> new OwnCounters().openNow(all)));
        }
    }

    @Test
    void aProcessThatIsEndingHasNothingToSayOfItsCounters() throws Exception {
        Process process = JavaProcess.start("-D" + CountersDirectory.PROPERTY + "=" + folder.resolve("counters"), "-cp",
                JavaProcess.classPath(), Ending.class.getName());
        assertThat(process.inputReader().lines()).isEmpty();
        assertThat(process.waitFor()).isZero();
    }

    @Test
    void aRunOfAnotherProcessIsSeenAndItsCountersAlsoWhenItIsKilled() throws Exception {
        Path job = Files.writeString(folder.resolve("job.fio"),
                "[null]\nfilename=d\nrw=randread\nbs=4k\nsize=1g\niodepth=4\ntime_based=1\nruntime=1h\n");
        Process process = JavaProcess.start("-D" + CountersDirectory.PROPERTY + "=" + folder.resolve("counters"),
                "--enable-native-access=ALL-UNNAMED", "-cp", JavaProcess.classPath(), Blkmq.class.getName(), "run",
                job.toString(), "--attach", "d=null:1g");
        try {
            Eventually.until("reads of the other process",
                    () -> Files.isDirectory(folder.resolve("counters")) && run("iostat", "--json") == 0
                            && out.toString().contains("\"pid\":" + process.pid() + ",")
                            && !out.toString().contains("\"r/s\":0.0,"));
            assertThat(run("ls")).isZero();
            assertThat(out.toString()).containsPattern(process.pid() + " alive");
            assertThat(process.destroyForcibly().waitFor(100, TimeUnit.SECONDS)).isTrue();
            assertThat(run("iostat", "" + process.pid())).isZero();
            assertThat(out.toString()).contains("  dead");
            // Would go on for ever: it ends with the process.
            assertThat(run("iostat", "" + process.pid(), "0.01")).isZero();
            assertThat(out.toString()).contains("  dead").doesNotContain("no devices");
            assertThat(run("iostat", "" + process.pid(), "0.01", "-y", "--json")).isZero();
            assertThat(out.toString()).isEmpty();
            assertThat(err.toString()).contains("process " + process.pid() + " has ended");
            assertThat(run("iostat", "all", "0.01", "--once")).isZero();
            assertThat(out.toString()).doesNotContain("" + process.pid());
            assertThat(run("ls")).isZero();
            assertThat(out.toString()).containsPattern(process.pid() + " dead");
            assertThat(run("ls", "--clean")).isZero();
            assertThat(out.toString()).contains("no devices");
            try (var left = Files.list(folder.resolve("counters"))) {
                assertThat(left).isEmpty();
            }
        } finally {
            process.destroyForcibly();
        }
    }
}
