package io.blkmq.tools;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.blkmq.testing.Command;
import io.blkmq.testing.Eventually;
import io.blkmq.testing.JavaProcess;
import io.blkmq.tools.report.JsonText;
import java.io.Writer;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.RandomAccessFile;
import java.io.StringWriter;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What a run reports is what happened. */
@Timeout(300)
class RunReportTest {
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

    private Object firstJob() {
        return JsonText.list(JsonText.parse(out.toString()), "jobs").getFirst();
    }

    // ---- rates

    @Test
    void allJobsTogetherHaveTheBytesOfAllByTheTimeOfTheLongest() throws IOException {
        Path json = directory.resolve("report.json");
        assertThat(execute("run", "--json", json, "--attach", "d=null:64m,hw=2",
                job("[global]\nfilename=d\nsize=32m\n[quick]\n[slow]\nrate_iops=100\nio_size=128k\n"))).isZero();
        Matcher line = Pattern.compile("READ: IOPS=([0-9.]+)k?, .*run=(\\d+)-(\\d+) ms").matcher(out.toString());
        assertThat(line.find()).isTrue();
        List<Object> jobs = JsonText.list(JsonText.parse(read(json)), "jobs");
        double longest = Math.max(JsonText.number(jobs.get(0), "read", "runtime"),
                JsonText.number(jobs.get(1), "read", "runtime"));
        assertThat(longest).as("32 operations at 100 a second take longer").isGreaterThanOrEqualTo(300);
        assertThat(Double.parseDouble(line.group(3))).isEqualTo(longest);
        double operations = JsonText.number(jobs.get(0), "read", "total_ios")
                + JsonText.number(jobs.get(1), "read", "total_ios");
        double said = Double.parseDouble(line.group(1)) * (line.group().contains("k, bw") ? 1000 : 1);
        assertThat(said).isEqualTo(operations * 1000 / longest, within(said / 50));
    }

    private static String read(Path file) throws IOException {
        return Files.readString(file);
    }

    @Test
    void allDirectionsTogetherAreOnceInALineAndAPartOfTheirGroup() throws IOException {
        Path json = directory.resolve("report.json");
        Path job = job("[global]\nfilename=d\nsize=1m\nrw=randrw\nunified_rw_reporting=mixed\n[a]\n[b]\n");
        assertThat(execute("run", "--output-format", "terse", "--output", directory.resolve("terse"), "--json", json,
                "--attach", "d=mem:1m,hw=2", job)).isZero();
        for (String line : Files.readAllLines(directory.resolve("terse"))) {
            List<String> fields = List.of(line.split(";"));
            assertThat(fields.get(5)).isEqualTo("1024");
            assertThat(fields.subList(46, 50)).containsOnly("0");
        }
        List<Object> jobs = JsonText.list(JsonText.parse(read(json)), "jobs");
        double parts = 0;
        for (Object each : jobs) {
            double part = JsonText.number(each, "mixed", "bw_agg");
            assertThat(part).isBetween(1.0, 99.0);
            parts += part;
        }
        assertThat(parts).isCloseTo(100, within(0.01));
    }

    @Test
    void disabledLatenciesAreInNoReport() throws IOException {
        Path json = directory.resolve("report.json");
        Path report = directory.resolve("report");
        assertThat(execute("run", "--output-format", "normal,terse", "--output", report, "--json", json, "--attach",
                "d=mem:1m", job("[a]\nfilename=d\nsize=1m\ndisable_clat=1\ndisable_slat=1\ndisable_lat=1\n"))).isZero();
        Object read = JsonText.get(JsonText.list(JsonText.parse(read(json)), "jobs").getFirst(), "read");
        for (String kind : List.of("slat_ns", "clat_ns", "lat_ns")) {
            assertThat(JsonText.number(read, kind, "N")).as(kind).isZero();
            assertThat(JsonText.number(read, kind, "max")).as(kind).isZero();
        }
        assertThat(read(report)).doesNotContain("lat (", "percentiles", "%=1").contains("0%=0;");
    }

    // ---- what is read has been written

    @Test
    void anImageIsWrittenBeforeItIsRead() throws IOException {
        assertThat(execute("run", job("[a]\nrw=randread\nsize=1m\n"))).as(err.toString()).isZero();
        assertThat(out.toString()).contains("a.0.0: temporary image, written");
        assertThat(err.toString()).isEmpty();
        assertThat(execute("run", job("[a]\nrw=randwrite\nsize=1m\n"))).isZero();
        assertThat(out.toString()).contains("a.0.0: temporary image, sparse");
        assertThat(err.toString()).isEmpty();
    }

    @Test
    void readsOfHolesAreToldAsSuch() throws IOException {
        assertThat(execute("run", "--layout-max", "1m", job("[a]\nrw=randread\nsize=2m\n"))).isZero();
        assertThat(err.toString()).contains("the temporary image of 2097152 bytes is a hole", "--layout-max");
        Path image = directory.resolve("image");
        try (RandomAccessFile file = new RandomAccessFile(image.toFile(), "rw")) {
            file.setLength(2 << 20);
        }
        assertThat(execute("run", "--attach", "d=" + image, job("[a]\nfilename=d\n"))).isZero();
        assertThat(err.toString()).contains("d: " + image + " has holes");
    }

    @Test
    void imagesLieWhereTheUserWantsThemAndAreGoneAfterwards() throws IOException {
        Path images = Files.createDirectory(directory.resolve("images"));
        assertThat(execute("run", "--image-dir", images, job("[a]\nrw=read\nsize=1m\n"))).isZero();
        try (Stream<Path> left = Files.list(images)) {
            assertThat(left).isEmpty();
        }
        assertThat(execute("run", "--image-dir", directory.resolve("none"), job("[a]\nsize=1m\n"))).isEqualTo(2);
        assertThat(err.toString()).contains("--image-dir " + directory.resolve("none"));
    }

    @Test
    void anImageThatCannotBeIsToldWithItsPlaceAndSize() throws IOException {
        assertThat(execute("run", "--image-dir", directory, job("[a]\nrw=write\nsize=7000p\n"))).isEqualTo(2);
        assertThat(err.toString()).contains(
                "a temporary image of 7881299347898368000 bytes cannot be made in " + directory,
                "bytes are free there");
        assertThat(execute("run", "--image-dir", directory, job("[a]\nrw=read\nsize=1p\n"), "--layout-max", "4p"))
                .isEqualTo(2);
    }

    @ParameterizedTest
    @CsvSource({"invalidate=1, false", "invalidate=0, true"})
    void thePageCacheIsDroppedBefore(String line, boolean stays) throws IOException, InterruptedException {
        Command.require("fincore");
        Path image = Files.createTempFile(Path.of("").toAbsolutePath(), "blkmq-", ".img");
        try {
            assumeTrue(!Files.getFileStore(image).type().equals("tmpfs"), "skipped: tmpfs is its page cache");
            Files.write(image, new byte[4 << 20]);
            Command.run("", "sync", image.toString());
            assertThat(execute("run", "--attach", "d=" + image, job("[a]\nfilename=d\nsize=4k\n" + line + "\n")))
                    .as(err.toString()).isZero();
            long pages = Long.parseLong(
                    Command.run("", "fincore", "--noheadings", "--output", "PAGES", image.toString()).strip());
            assertThat(pages == 1024).as(pages + " pages are cached").isEqualTo(stays);
        } finally {
            Files.delete(image);
        }
    }

    /** By the count of the kernel of what this process had read from disks. */
    @ParameterizedTest
    @CsvSource({"invalidate=1, true", "invalidate=0, false", "invalidate=1~do_verify=0, false"})
    void whatIsReadBackComesFromTheDisk(String lines, boolean comes) throws IOException {
        assumeTrue(Files.isReadable(Path.of("/proc/self/io")), "skipped: the system does not count");
        Path image = Files.createTempFile(Path.of("").toAbsolutePath(), "blkmq-", ".img");
        try {
            assumeTrue(!Files.getFileStore(image).type().equals("tmpfs"), "skipped: tmpfs is its page cache");
            Files.write(image, new byte[16 << 20]);
            long before = bytesReadFromDisks();
            assertThat(execute("run", "--attach", "d=" + image,
                    job("[a]\nfilename=d\nrw=write\nbs=64k\nverify=crc32c\n" + lines.replace('~', '\n') + "\n")))
                    .as(err.toString()).isZero();
            long read = bytesReadFromDisks() - before;
            assertThat(read >= 16 << 20).as(read + " bytes were read").isEqualTo(comes);
        } finally {
            Files.delete(image);
        }
    }

    private static long bytesReadFromDisks() throws IOException {
        return Files.readAllLines(Path.of("/proc/self/io")).stream().filter(line -> line.startsWith("read_bytes: "))
                .mapToLong(line -> Long.parseLong(line.substring("read_bytes: ".length()))).findFirst().orElseThrow();
    }

    // ---- processor time, depths, latencies

    @Test
    void theTimeOfPoolsAndReapersIsReported() throws IOException {
        assertThat(execute("run", "--json", "-", job("[a]\nsize=64m\nrw=write\nioengine=posixaio\niodepth=8\nbs=4k\n")))
                .as(err.toString()).isZero();
        assertThat(JsonText.number(firstJob(), "device_cpu")).isPositive();
        assertThat(JsonText.number(firstJob(), "usr_cpu") + JsonText.number(firstJob(), "sys_cpu"))
                .isGreaterThan(JsonText.number(firstJob(), "device_cpu"));
    }

    @Test
    void operationsAreSubmittedOneByOneUnlessTheJobSaysOtherwise() throws IOException {
        assertThat(execute("run", "--json", "-", "--attach", "d=null:1m", job("[a]\nfilename=d\niodepth=16\n")))
                .isZero();
        assertThat(JsonText.number(firstJob(), "iodepth_submit", "4")).isEqualTo(100);
        out.getBuffer().setLength(0);
        assertThat(execute("run", "--json", "-", "--attach", "d=null:1m",
                job("[a]\nfilename=d\niodepth=16\niodepth_batch=16\niodepth_batch_complete_min=16\n"))).isZero();
        assertThat(JsonText.number(firstJob(), "iodepth_submit", "16")).isEqualTo(100);
    }

    @Test
    void aBlockingCallHasOneOperationInFlight() throws IOException {
        assertThat(execute("run", "--json", "-", job("[a]\nsize=1m\niodepth=32\nioengine=psync\n"))).isZero();
        assertThat(JsonText.number(firstJob(), "iodepth_level", "1")).isEqualTo(100);
        out.getBuffer().setLength(0);
        assertThat(
                execute("run", "--json", "-", job("[a]\nsize=1m\niodepth=32\niodepth_batch=32\nioengine=posixaio\n")))
                .isZero();
        assertThat(JsonText.number(firstJob(), "iodepth_level", "1")).isLessThan(100);
    }

    @ParameterizedTest
    @ValueSource(strings = {"poll", "reaper"})
    void latenciesAddUpAndAreNeverNothing(String completion) throws IOException {
        assertThat(execute("run", "--json", "-", "--attach", "d=null:8m," + completion,
                job("[a]\nfilename=d\niodepth=8\nrw=randread\n"))).isZero();
        Object read = JsonText.get(firstJob(), "read");
        double slat = JsonText.number(read, "slat_ns", "mean");
        double clat = JsonText.number(read, "clat_ns", "mean");
        assertThat(JsonText.number(read, "clat_ns", "min")).isPositive();
        assertThat(JsonText.number(read, "clat_ns", "percentile", "99.900000")).isPositive();
        assertThat(JsonText.number(read, "lat_ns", "mean")).isBetween(clat, slat + clat + 1);
    }

    // ---- many jobs, full devices, other people's permissions

    @Test
    void aThousandJobsFitIntoASmallHeap() throws IOException, InterruptedException {
        Path file = job("[a]\nfilename=d\nsize=64k\nrw=randrw\nnumjobs=1000\n");
        Process process = JavaProcess.start("-Xmx192m", "--enable-native-access=ALL-UNNAMED", "-cp",
                JavaProcess.classPath(), Blkmq.class.getName(), "run", "--attach", "d=null:1m", file.toString());
        String text = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor()).as(text).isZero();
        assertThat(text).contains("starting 1000 threads", "all jobs:");
    }

    @Test
    void whereTheSystemHasTooFewThreadsNothingRunsAndTheErrorSaysHowMany() throws IOException, InterruptedException {
        Command.require("prlimit");
        ProcessBuilder run = JavaProcess.of("java",
                List.of("-Xmx64m", "-Xss64m", "--enable-native-access=ALL-UNNAMED", "-cp", JavaProcess.classPath(),
                        Blkmq.class.getName(), "run", "--attach", "d=null:1m",
                        job("[a]\nfilename=d\nsize=64k\nnumjobs=1000\n").toString()));
        // Less address space than their stacks take.
        run.command().addAll(0, List.of("prlimit", "--as=" + (8L << 30)));
        Process process = run.redirectErrorStream(true).start();
        String text = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor()).as(text).isEqualTo(2);
        assertThat(text).containsPattern("blkmq: only [1-9]\\d* of 1000 threads can be started").contains("numjobs")
                .doesNotContain("all jobs:");
    }

    @ParameterizedTest
    @ValueSource(strings = {"normal", "json"})
    void aReportThatCannotBeWrittenIsAnError(String format) throws IOException, InterruptedException {
        assumeTrue(Files.exists(Path.of("/dev/full")), "skipped: there is no /dev/full");
        Path file = job("[a]\nfilename=d\nsize=64k\n");
        Process process = JavaProcess.of("java",
                List.of("--enable-native-access=ALL-UNNAMED", "-cp", JavaProcess.classPath(), Blkmq.class.getName(),
                        "run", "--output-format", format, "--attach", "d=null:1m", file.toString()))
                .redirectOutput(Path.of("/dev/full").toFile()).start();
        String text = new String(process.getErrorStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor()).as(text).isEqualTo(1);
        assertThat(text).contains("standard output cannot be written");
        assertThat(execute("run", "--json", "/dev/full", "--attach", "d=null:1m", file)).isEqualTo(1);
    }

    @ParameterizedTest
    @ValueSource(strings = {"engines", "ls", "completion bash", "run --cmdhelp"})
    void aListingThatCannotBeWrittenIsAnError(String line) {
        PrintWriter full = new PrintWriter(new Writer() {
            @Override
            public void write(char[] characters, int from, int count) throws IOException {
                throw new IOException("No space left on device");
            }

            @Override
            public void flush() {}

            @Override
            public void close() {}
        });
        StringWriter errors = new StringWriter();
        assertThat(Blkmq.execute(full, new PrintWriter(errors, true), line.split(" "))).isEqualTo(1);
        assertThat(errors.toString()).contains("standard output cannot be written");
    }

    @Test
    void aComparisonThatIsKilledLeavesNothingBehind() throws IOException, InterruptedException {
        Path images = Files.createDirectory(directory.resolve("images"));
        Path file = job("[a]\nfilename=d\nsize=16m\nruntime=1h\ntime_based\nrw=randread\n");
        Process process = JavaProcess.start("--enable-native-access=ALL-UNNAMED", "-cp", JavaProcess.classPath(),
                Blkmq.class.getName(), "run", "--compare", "--compare-dir", images.toString(), file.toString());
        Eventually.until("an image is there", () -> !isEmpty(images));
        process.destroyForcibly().waitFor();
        Eventually.until("the image is gone", () -> isEmpty(images));
    }

    /** Large enough that it is being written when it is found. */
    @Test
    void aRunThatIsKilledWhileItsImageIsWrittenLeavesNothingBehind() throws IOException, InterruptedException {
        Path images = Files.createDirectory(directory.resolve("images"));
        Process process = JavaProcess.start("--enable-native-access=ALL-UNNAMED", "-cp", JavaProcess.classPath(),
                Blkmq.class.getName(), "run", "--image-dir", images.toString(),
                job("[a]\nsize=4g\nrw=randread\n").toString());
        Eventually.until("an image is there", () -> !isEmpty(images));
        process.destroyForcibly().waitFor();
        Eventually.until("the image is gone", () -> isEmpty(images));
    }

    private static boolean isEmpty(Path directory) {
        try (Stream<Path> there = Files.list(directory)) {
            return there.findAny().isEmpty();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
