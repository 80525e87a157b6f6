package io.blkmq.tools;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.loop.LoopConfig;
import io.blkmq.loop.LoopDevice;
import io.blkmq.tools.job.EngineName;
import io.blkmq.tools.report.JsonText;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(300)
class RunCommandTest {
    @TempDir
    private Path directory;

    private final StringWriter out = new StringWriter();
    private final StringWriter err = new StringWriter();

    private int execute(Object... arguments) {
        return Blkmq.execute(new PrintWriter(out), new PrintWriter(err),
                Stream.of(arguments).map(Object::toString).toArray(String[]::new));
    }

    private Path job(String text) throws IOException {
        return Files.writeString(directory.resolve("job.fio"), text);
    }

    @Test
    void aRunThatGoesWellPrintsAReportAndEndsWith0() throws IOException {
        Path job = job("[a]\nsize=1m\nfilename=/dev/loop0\nrw=randrw\n");
        assertThat(execute("run", "--attach", "/dev/loop0=mem:1m,hw=2", job)).isZero();
        assertThat(out.toString()).contains("a: rw=randrw", "a: jobs=1, err=0", "read: IOPS=", "write: IOPS=",
                "clat percentiles", "99.99th=[", "/dev/loop0: mem:1m", "hw=2 x depth=128, polled", "READ: ", "WRITE: ");
        assertThat(err.toString()).isEmpty();
    }

    @Test
    void verificationErrorsEndWith1AndAreTold() throws IOException {
        Path job = job("[a]\nsize=64k\nfilename=d\nrw=read\nverify=crc32c\n");
        assertThat(execute("run", job, "--attach", "d=mem:1m")).isEqualTo(1);
        assertThat(out.toString()).contains("err=84", "16 blocks failed verification", "bad block at offset 0");
    }

    @Test
    void usageErrorsEndWith2AndOneClearLine() throws IOException {
        Path job = job("[a]\nsize=1m\nioengin=libaio\n");
        assertThat(execute("run", job)).isEqualTo(2);
        assertThat(err.toString()).startsWith("blkmq: " + job + ":3: unknown key \"ioengin\"").hasLineCount(1);
        assertThat(out.toString()).isEmpty();
    }

    @Test
    void onlyOneResultFitsOnStandardOutput() throws IOException {
        Path job = job("[a]\nsize=64k\nfilename=d\n");
        assertThat(execute("run", "--json", "-", "--output-format", "terse", "--attach", "d=mem:1m", job)).isEqualTo(2);
        assertThat(err.toString()).contains("--json - and --output-format terse");
        assertThat(out.toString()).isEmpty();
    }

    @Test
    void aStackTraceIsPrintedOnlyWhereItIsAskedFor() throws IOException {
        Path job = job("[a]\nsize=x\n");
        assertThat(execute("run", job)).isEqualTo(2);
        assertThat(err.toString()).doesNotContain("\tat ");
        assertThat(execute("run", "--stacktrace", job)).isEqualTo(2);
        assertThat(err.toString()).contains("\tat ");
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "run", "nosuch", "run --nosuch x.fio", "run missing.fio", "run JOB --attach d",
            "run JOB --attach other=mem:1m", "run JOB --attach d=mem:1m --attach d=mem:2m", "run JOB --ioengine spdk",
            "run JOB --runtime soon", "run JOB --json /nonexistent/x.json", "run JOB --compare --compare-size 1x",
            "run JOB --compare --compare-dir /nonexistent", "run JOB --compare --attach d=mem:1m", "run JOB more.fio",
            "run JOB --attach d=mem:1m --eta soon"})
    void whatMakesNoSenseEndsWith2(String line) throws IOException {
        Path job = job("[a]\nsize=1m\nfilename=d\n");
        Object[] arguments = line.isEmpty() ? new Object[0] : line.replace("JOB", job.toString()).split(" ");
        assertThat(execute(arguments)).isEqualTo(2);
        assertThat(err.toString()).startsWith("blkmq: ").doesNotContain("Exception");
        assertThat(out.toString()).isEmpty();
    }

    @Test
    void helpAndVersionEndWith0() {
        assertThat(execute("--help")).isZero();
        assertThat(execute("run", "--help")).isZero();
        assertThat(execute("--version")).isZero();
        assertThat(out.toString()).contains("Examples:", "--attach", "null:SIZE", "Exit status", "blkmq ");
        assertThat(err.toString()).isEmpty();
    }

    @Test
    void jsonOnStandardOutputStandsAloneAndHasTheNamesOfFio() throws IOException {
        Path job = job("[global]\nsize=1m\nfilename=d\ngroup_reporting\n[a]\nrw=randread\n[b]\nrw=write\n");
        assertThat(execute("run", "--json", "-", "--attach", "d=mem:2m,hw=2", job)).isZero();
        Map<String, Object> report = JsonText.parse(out.toString());
        assertThat((String) JsonText.get(report, "fio version")).startsWith("blkmq-");
        List<Object> jobs = JsonText.list(report, "jobs");
        assertThat(jobs).hasSize(1);
        Object first = jobs.getFirst();
        assertThat(JsonText.get(first, "jobname")).isEqualTo("a");
        assertThat(JsonText.number(first, "error")).isZero();
        assertThat(JsonText.number(first, "groupid")).isZero();
        assertThat(JsonText.get(first, "job options", "rw")).isEqualTo("randread");
        for (String way : List.of("read", "write")) {
            assertThat(JsonText.number(first, way, "total_ios")).isEqualTo(256);
            assertThat(JsonText.number(first, way, "io_bytes")).isEqualTo(1 << 20);
            assertThat(JsonText.number(first, way, "iops")).isPositive();
            assertThat(JsonText.number(first, way, "bw_bytes") / 1024)
                    .isGreaterThan(JsonText.number(first, way, "bw") - 1);
            assertThat(JsonText.number(first, way, "clat_ns", "N")).isEqualTo(256);
            assertThat(JsonText.number(first, way, "clat_ns", "mean")).isPositive();
            assertThat(JsonText.number(first, way, "clat_ns", "percentile", "99.000000"))
                    .isGreaterThanOrEqualTo(JsonText.number(first, way, "clat_ns", "percentile", "50.000000"));
        }
        assertThat(JsonText.list(report, "blkmq", "devices")).hasSize(1);
    }

    @Test
    void whatTheBlockLayerMadeOfItIsShownAsFioShowsItOfTheKernels() throws IOException {
        Path json = directory.resolve("report.json");
        Path job = job(
                "[a]\nfilename=d\nrw=write\nbs=4k\niodepth=32\niodepth_batch=32\niodepth_batch_complete_min=32\n");
        assertThat(execute("run", "--json", json, "--attach", "d=mem:1m", job)).as(err.toString()).isZero();
        assertThat(out.toString()).contains("disk stats (read/write):",
                "d: ios=0/8, merge=0/248, size=0/128KiB, ticks=");
        Object disk = JsonText.list(JsonText.parse(Files.readString(json)), "disk_util").getFirst();
        assertThat(JsonText.get(disk, "name")).isEqualTo("d");
        assertThat(JsonText.number(disk, "read_ios")).isZero();
        assertThat(JsonText.number(disk, "write_ios")).isEqualTo(8);
        assertThat(JsonText.number(disk, "write_merges")).isEqualTo(248);
        assertThat(JsonText.number(disk, "write_sectors")).isEqualTo(2048);
        assertThat(JsonText.number(disk, "util")).isBetween(0.0, 100.0);
    }

    @Test
    void jsonInAFileStandsBesideTheText() throws IOException {
        Path json = directory.resolve("report.json");
        assertThat(execute("run", "--json", json, "--attach", "d=null:1m", job("[a]\nfilename=d\nnumjobs=2\n")))
                .isZero();
        assertThat(out.toString()).contains("a: jobs=1, err=0");
        List<Object> jobs = JsonText.list(JsonText.parse(Files.readString(json)), "jobs");
        assertThat(jobs).hasSize(2);
        assertThat(JsonText.number(jobs.getFirst(), "read", "total_ios")).isEqualTo(256);
    }

    @Test
    void theEngineOfTheCommandLineGoesBeforeThatOfTheFile() throws IOException {
        Path job = job("[a]\nsize=1m\ndirect=1\nioengine=io_uring\n");
        assertThat(execute("run", "--ioengine", "null", job)).isZero();
        assertThat(out.toString()).contains("ioengine=null", "engine null");
    }

    @Test
    void theHelpNamesEveryEngine() {
        assertThat(execute("run", "--help")).isZero();
        for (EngineName engine : EngineName.values()) {
            assertThat(out.toString()).containsPattern("Engines \\(ioengine\\):[^.]*\\b" + engine.fioName() + "\\b");
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"mq-deadline", "kyber"})
    void theElevatorIsSetAndShown(String elevator) throws IOException {
        Path job = job("[a]\nfilename=d\nrw=randrw\niodepth=16\nnumjobs=2\nioscheduler=" + elevator + "\n");
        assertThat(execute("run", "--attach", "d=mem:1m", job)).as(err.toString()).isZero();
        assertThat(out.toString()).contains("null block driver with memory, elevator " + elevator, "jobs=1, err=0");
        assertThat(execute("run", "--attach", "d=mem:1m",
                job("[a]\nfilename=d\nsize=512k\nioscheduler=" + elevator + "\n[b]\nfilename=d\nsize=512k\n")))
                .isNotZero();
        assertThat(err.toString()).contains("which says otherwise about ioscheduler");
    }

    @Test
    void theWorkersOfAFileAreSetAndShownAndThoseOfItsNameGoBeforeTheJobs() throws IOException {
        Path image = Files.write(directory.resolve("disk.img"), new byte[1 << 20]);
        Path job = job("[a]\nfilename=d\nsize=1m\niodepth=8\nworkers=3\n");
        assertThat(execute("run", job)).as(err.toString()).isZero();
        assertThat(out.toString()).contains("loop, buffered, work queue, workers=3");
        assertThat(execute("run", "--attach", "d=" + image + ",workers=2", job)).as(err.toString()).isZero();
        assertThat(out.toString()).contains("loop, buffered, work queue, workers=2");
        assertThat(execute("run", job("[a]\nfilename=d\nsize=1m\nworkers=3\n[b]\nfilename=d\nsize=1m\n"))).isEqualTo(2);
        assertThat(err.toString()).contains("which says otherwise about workers");
    }

    @ParameterizedTest
    @ValueSource(strings = {"io_uring", "libaio", "sync", "memory"})
    void theVerifyJobOfTheRepositoryGoesWellOnEveryEngine(String engine) throws IOException {
        String text = Files.readString(Path.of("../docs/jobs/verify.fio")).replace("size=128m", "size=4m");
        assertThat(execute("run", job(text), "--ioengine", engine)).as(err.toString()).isZero();
        assertThat(out.toString()).contains("verify: jobs=1, err=0", "read: IOPS", "1024 operations");
    }

    @Test
    void aComparisonShowsThreeWaysAndLeavesNothingBehind() throws IOException {
        Path job = job(
                "[a]\nsize=1g\nfilename=/dev/loop0\nrw=randread\niodepth=16\ndirect=1\nioengine=libaio\nworkers=5\n");
        Path images = Files.createDirectory(directory.resolve("images"));
        Path json = directory.resolve("compare.json");
        assertThat(execute("run", "--compare", "--compare-slices", "2", "--compare-size", "4m", "--compare-dir", images,
                "--json", json, job)).as(err.toString()).isZero();
        assertThat(out.toString()).contains("compared on", "work queue of 1 thread", "pool of 16 threads",
                "direct, AIO: libaio", "1.00 x", "work queue, workers=1;", "engine channel, workers=16;");
        Map<String, Object> report = JsonText.parse(Files.readString(json));
        assertThat(JsonText.list(report, "jobs")).hasSize(3)
                .allMatch(entry -> JsonText.number(entry, "read", "total_ios") == 2048);
        assertThat(JsonText.list(report, "blkmq", "compare")).hasSize(3)
                .allMatch(entry -> JsonText.number(entry, "ratio") > 0);
        try (Stream<Path> left = Files.list(images)) {
            assertThat(left).isEmpty();
        }
    }

    // ---- the command line

    @Test
    void aJobMayBeDescribedByOptions() {
        assertThat(execute("run", "--attach", "d=mem:1m", "--bs=8k", "--name=one", "--rw=randread", "--filename", "d",
                "--norandommap", "--name=two", "--rw=write", "--filename=d", "--thread")).as(err.toString()).isZero();
        assertThat(out.toString()).contains("one: rw=randread, bs=(R) 8.00KiB", "two: rw=write, bs=(W) 8.00KiB",
                "128 operations");
        assertThat(err.toString()).contains("keys without effect here: thread");
    }

    @Test
    void severalFilesStandardInputAndSectionsAreRead() throws IOException {
        Path first = job("[global]\nfilename=d\n[a]\n[b]\n");
        Path second = Files.writeString(directory.resolve("second.fio"), "[c]\nfilename=d\n");
        assertThat(execute("run", "--attach", "d=null:64k", first, second)).isZero();
        assertThat(out.toString()).contains("a: rw=read", "b: rw=read", "c: rw=read", "starting 3 threads");
        out.getBuffer().setLength(0);
        assertThat(execute("run", "--attach", "d=null:64k", "--section", "b", first)).isZero();
        assertThat(out.toString()).contains("b: rw=read", "starting 1 thread").doesNotContain("a: rw=read");
        assertThat(execute("run", "--section", "z", first)).isEqualTo(2);
        assertThat(err.toString()).contains("--section z: there is no such job");
        InputStream before = System.in;
        try {
            System.setIn(new ByteArrayInputStream("[piped]\nfilename=d\n".getBytes(StandardCharsets.UTF_8)));
            assertThat(execute("run", "--attach", "d=null:64k", "-")).isZero();
        } finally {
            System.setIn(before);
        }
        assertThat(out.toString()).contains("piped: rw=read");
    }

    @Test
    void aKeyOnTheCommandLineReplacesThatOfTheFile() throws IOException {
        assertThat(execute("run", job("[a]\nfilename=d\nbs=4k\n"), "--bs", "16k", "--attach", "d=null:64k")).isZero();
        assertThat(out.toString()).contains("bs=(R) 16.0KiB-16.0KiB", " 4 operations");
        assertThat(execute("run", job("[a]\nfilename=d\n"), "--bs=1x", "--attach", "d=null:64k")).isEqualTo(2);
        assertThat(err.toString()).contains("--bs: bs=1x: ");
    }

    @Test
    void jobsAreOnlyReadIfThatIsAskedFor() throws IOException {
        assertThat(execute("run", "--parse-only", job("[a]\nsize=1m\n"))).isZero();
        assertThat(out.toString()).isEmpty();
        assertThat(execute("run", "--parse-only", job("[a]\nfoo\nbar\n"))).isEqualTo(2);
        assertThat(err.toString()).hasLineCount(2);
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {"[a]~size=1m~wait_for=b|no job before a has that name",
            "[a]~filename=d|needs size=", "[a]~size=1m~filename=d~[b]~size=1m~filename=d~ioengine=libaio|ioengine",
            "[a]~size=1m~filename=e|--attach d: no job uses that name",
            "[a]~size=1m~filename=d~write_bw_log=/nonexistent/l|cannot be written"})
    void whatIsWrongBetweenJobsIsToldWhereTheyAreOnlyRead(String text, String message) throws IOException {
        Path job = job(text.replace('~', '\n') + "\n");
        assertThat(message.contains("--attach")
                ? execute("run", "--parse-only", job, "--attach", "d=mem:1m")
                : execute("run", "--parse-only", job)).isEqualTo(2);
        assertThat(err.toString()).contains(message);
        if (message.contains("size")) {
            assertThat(execute("run", "--parse-only", job, "--attach", "d=mem:1m")).isZero();
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"--output", "--json", "--html"})
    void aRunThatIsRefusedLeavesTheLastReport(String option) throws IOException {
        Path job = job("[a]\nfilename=d\n");
        Path report = Files.writeString(directory.resolve("report"), "precious ".repeat(100_000));
        assertThat(execute("run", "--attach", "d=mem:64k", "--bs", "3", option, report, job)).isEqualTo(2);
        assertThat(report).hasContent("precious ".repeat(100_000));
        Path another = directory.resolve("another");
        assertThat(execute("run", "--attach", "d=mem:64k", "--bs", "3", option, another, job)).isEqualTo(2);
        assertThat(another).doesNotExist();

        assertThat(execute("run", "--attach", "d=mem:64k", option, report, job)).as(err.toString()).isZero();
        assertThat(Files.readString(report)).doesNotContain("precious").isNotBlank();
    }

    @Test
    void aReportDoesNotGoToAFileOfTheRun() throws IOException {
        Path job = job("[a]\nfilename=d\nrw=read\n");
        String lines = Files.readString(job);
        Path image = Files.write(directory.resolve("d.img"), new byte[1 << 20]);
        for (Path used : List.of(image, job)) {
            Path same = directory.resolve(".").resolve(used.getFileName());
            assertThat(execute("run", "--attach", "d=" + image, "--json", same, job)).isEqualTo(2);
            assertThat(err.toString()).contains("--json " + same + ": the run itself uses this file");
        }
        assertThat(image).hasSize(1 << 20);
        assertThat(job).hasContent(lines);
    }

    @Test
    void theReportHasTheFormatsThatAreAskedFor() throws IOException {
        Path job = job("[a]\nfilename=d\n");
        Path report = directory.resolve("report");
        assertThat(
                execute("run", "--attach", "d=null:64k", "--output", report, "--output-format=normal,terse,json+", job))
                .isZero();
        assertThat(out.toString()).isEmpty();
        List<String> lines = Files.readAllLines(report);
        assertThat(lines.getFirst()).startsWith("a: rw=read");
        String terse = lines.stream().filter(line -> line.startsWith("3;")).findFirst().orElseThrow();
        // 47 fields for each of two directions, and around them.
        assertThat(terse.split(";", -1)).hasSizeGreaterThanOrEqualTo(129).contains("a", "100.0%");
        String text = Files.readString(report);
        Object first = JsonText.list(JsonText.parse(text.substring(text.indexOf("\n{") + 1)), "jobs").getFirst();
        assertThat(((Map<?, ?>) JsonText.get(first, "read", "clat_ns", "bins")).values().stream()
                .mapToDouble(count -> (Double) count).sum()).isEqualTo(16);
        assertThat(execute("run", "--output-format=xml", job)).isEqualTo(2);
        assertThat(err.toString()).contains("possible are normal, terse, json, json+");
    }

    @Test
    void progressIsShownWhereItIsAskedFor() throws IOException {
        Pattern progress = Pattern
                .compile("\\d s: jobs: 1 of 1, \\d+\\.\\d%, read .* IOPS, write .* IOPS, eta \\d+:\\d\\d");
        // More and more time: on a machine that has none, who shows it may sleep until the job has ended.
        for (int millis = 1500; !progress.matcher(err.toString()).find(); millis *= 2) {
            assertThat(millis).as("progress of a job that goes on, beside %s", err).isLessThan(100_000);
            assertThat(execute("run", "--attach", "d=null:1m", "--status-interval", "1", "--eta=never",
                    job("[a]\nfilename=d\nrw=randrw\nnorandommap\ntime_based\nruntime=" + millis + "ms\n"))).isZero();
        }
    }

    @Test
    void keysAreExplained() {
        assertThat(execute("run", "--cmdhelp")).isZero();
        assertThat(out.toString()).contains("rw, readwrite", "Read and without effect here:", "Refused:", "read_iolog");
        assertThat(execute("run", "--cmdhelp=thinktime")).isZero();
        assertThat(execute("run", "--cmdhelp=zonemode")).isZero();
        assertThat(out.toString()).contains("thinktime: the job waits", "zonemode: refused: ");
        assertThat(execute("run", "--cmdhelp=nosuch")).isEqualTo(2);
    }

    // ---- other commands

    @Test
    void enginesAreListed() {
        assertThat(execute("engines")).isZero();
        assertThat(out.toString()).contains("io_uring", "libaio", "channel", "ioengine=posixaio", "the fastest");
    }

    @Test
    void aFileIsDescribedAndNotChanged() throws IOException {
        Path image = Files.write(directory.resolve("image"), new byte[1 << 20]);
        assertThat(execute("info", image)).as(err.toString()).isZero();
        assertThat(out.toString()).contains("1048576 bytes", "regular file", "direct I/O:", "READ, WRITE", "PUNCH_HOLE",
                "as a loop device:", "logical block:");
        assertThat(image).hasSize(1 << 20);
        assertThat(execute("info", directory.resolve("none"))).isEqualTo(2);
        assertThat(execute("info", directory)).isEqualTo(2);
        assertThat(err.toString()).contains("there is no such file", "is a directory");
    }

    @Test
    void aFileInUseIsDescribedAsFarAsItCanBe() throws IOException {
        Path image = Files.write(directory.resolve("image"), new byte[1 << 20]);
        try (LoopDevice device = LoopDevice.attach(LoopConfig.builder(image).build())) {
            assertThat(execute("info", image)).as(err.toString()).isZero();
            assertThat(out.toString()).contains("1048576 bytes", "direct I/O:", "as a loop device:      in use");
            assertThat(device.disk().isClosed()).isFalse();
        }
    }

    @Test
    void theExampleOfTheScriptForCephIsALineThatIsRead() throws IOException {
        Matcher line = Pattern.compile("\\./blkmq (run .*)").matcher(Files.readString(Path.of("../bin/ceph-small")));
        assertThat(line.find()).isTrue();
        assertThat(execute((Object[]) (line.group(1) + " --parse-only").split(" "))).as(err.toString()).isZero();
    }

    @Test
    void aReplayTakesWhatARunTakes() {
        assertThat(execute("trace", "replay", "--help")).isZero();
        assertThat(out.toString()).contains("rbd:POOL/IMAGE", "nbd://HOST");
    }

    @ParameterizedTest
    @ValueSource(strings = {"bash", "zsh"})
    void shellsCompleteTheWords(String shell) {
        assertThat(execute("completion", shell)).isZero();
        assertThat(out.toString()).contains("--output-format", "blkmq", "complete -F");
    }
}
