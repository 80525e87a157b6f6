package io.blkmq.tools;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.blkmq.testing.BesideOthers;
import io.blkmq.tools.report.JsonText;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.api.parallel.ResourceAccessMode;
import org.junit.jupiter.api.parallel.ResourceLock;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The page of a run holds what its JSON holds, and draws it. */
@Timeout(300)
@BesideOthers
@ResourceLock(value = ObserveCommandsTest.DEVICES, mode = ResourceAccessMode.READ)
class HtmlReportTest {
    private static final Pattern DATA = Pattern.compile("<script type=\"application/json\" id=\"data\">(.*?)</script>",
            Pattern.DOTALL);

    @TempDir
    private Path directory;

    private final StringWriter out = new StringWriter();
    private final StringWriter err = new StringWriter();

    private int execute(Object... arguments) {
        return Blkmq.execute(new PrintWriter(out), new PrintWriter(err),
                Stream.of(arguments).map(Object::toString).toArray(String[]::new));
    }

    private Path page() {
        return directory.resolve("report.html");
    }

    /** Runs jobs, and returns the exit status; page and JSON are written. */
    private int run(String jobs, Object... options) throws IOException {
        Path file = Files.writeString(directory.resolve("job.fio"), jobs);
        return execute(Stream
                .concat(Stream.of("run", "--html", page(), "--output-format", "json+", "--output",
                        directory.resolve("report.json"), file, "--image-dir", directory), Stream.of(options))
                .toArray());
    }

    private Map<String, Object> data() throws IOException {
        Matcher data = DATA.matcher(Files.readString(page()));
        assertThat(data.find()).isTrue();
        assertThat(data.group(1)).doesNotContain("<");
        return JsonText.parse(data.group(1));
    }

    private Map<String, Object> json() throws IOException {
        return JsonText.parse(Files.readString(directory.resolve("report.json")));
    }

    private static List<?> numbers(Object from, String... names) {
        return JsonText.list(from, names);
    }

    @SuppressWarnings("unchecked")
    private static Set<String> names(Object object) {
        return ((Map<String, Object>) object).keySet();
    }

    /** What a timeline says was done in all. */
    private static double sum(Object timeline, String direction, String rate) {
        List<?> from = numbers(timeline, "from");
        List<?> to = numbers(timeline, "to");
        List<?> rates = numbers(timeline, direction, rate);
        return IntStream.range(0, from.size())
                .mapToDouble(i -> ((Double) to.get(i) - (Double) from.get(i)) * (Double) rates.get(i)).sum();
    }

    /** How long a timeline is. */
    private static double seconds(Object timeline) {
        List<?> from = numbers(timeline, "from");
        return from.isEmpty() ? 0 : (Double) numbers(timeline, "to").getLast() - (Double) from.getFirst();
    }

    // ---- the document

    @ParameterizedTest
    @ValueSource(strings = {"[a]\nrw=randrw\nsize=4m\nfilename=d\n",
            "[a]\nsize=4m\nfilename=d\n[b]\nsize=8m\nfilename=d\n",
            "[a]\nnumjobs=3\ngroup_reporting\nsize=4m\nfilename=d\n", "[a]\nnumjobs=2\nsize=4m\nfilename=d\n",
            "[a]\ntime_based\nruntime=350ms\nramp_time=150ms\nsize=1m\nfilename=d\nrw=write\n",
            "[a]\nrw=randwrite\nverify=crc32c\nsize=2m\nfilename=d\n", "[a]\nrw=trimwrite\nsize=2m\nfilename=d\n",
            "[a]\ngtod_reduce=1\nsize=2m\nfilename=d\n",
            "[a]\nunified_rw_reporting=both\nrw=randrw\nsize=2m\nfilename=d\n",
            "[a]\nclat_percentiles=0\nlat_percentiles=1\nsize=2m\nfilename=d\n"})
    void itHoldsTheJsonAndTimelinesThatAddUpToIt(String jobs) throws IOException {
        assertThat(run(jobs, "--attach", "d=mem:8m,hw=4")).as(err.toString()).isZero();
        Map<String, Object> data = data();
        assertThat(data.get("report")).isEqualTo(json());
        List<Object> all = JsonText.list(data, "report", "jobs");
        List<Object> timelines = JsonText.list(data, "timelines");
        assertThat(timelines).hasSameSizeAs(all);
        for (int i = 0; i < all.size(); i++) {
            for (String direction : List.of("read", "write", "trim")) {
                double operations = JsonText.number(all.get(i), direction, "total_ios");
                double bytes = JsonText.number(all.get(i), direction, "io_bytes");
                if (operations == 0) {
                    assertThat(names(timelines.get(i))).doesNotContain(direction);
                } else {
                    // Rates are rounded to whole numbers in each second.
                    double rounding = seconds(timelines.get(i)) + 1;
                    assertThat(sum(timelines.get(i), direction, "iops")).as(direction).isEqualTo(operations,
                            within(operations * 0.001 + rounding));
                    assertThat(sum(timelines.get(i), direction, "bw_bytes")).isEqualTo(bytes,
                            within(bytes * 0.001 + 4096 + rounding));
                }
            }
        }
    }

    @Test
    void aTimelineHasThePercentilesOfItsMoments() throws IOException {
        List<?> moments;
        int millis = 450;
        // More and more time: a job that sleeps through it has one moment.
        do {
            assertThat(millis).as("a job that goes on has more moments").isLessThan(100_000);
            assertThat(run("[a]\nsize=1m\ntime_based\nruntime=" + millis + "ms\nfilename=d\n", "--attach", "d=mem:1m"))
                    .isZero();
            moments = numbers(JsonText.list(data(), "timelines").getFirst(), "read", "p99_ns");
            millis *= 2;
        } while (moments.size() < 2);
        Object read = JsonText.get(JsonText.list(json(), "jobs").getFirst(), "read");
        // 0 of a moment without an operation.
        assertThat(moments).hasSizeLessThanOrEqualTo((int) JsonText.number(read, "runtime") / 100 + 2)
                .allSatisfy(nanos -> assertThat((Double) nanos).satisfiesAnyOf(none -> assertThat(none).isZero(),
                        one -> assertThat(one).isBetween(JsonText.number(read, "clat_ns", "min"),
                                JsonText.number(read, "clat_ns", "max") * 1.02)))
                .anySatisfy(nanos -> assertThat((Double) nanos).isPositive());
    }

    @Test
    void aComparisonShowsEachJobInAllWays() throws IOException {
        assertThat(run("[a]\nsize=1m\nfilename=d\nrw=randread\n[b]\nsize=1m\nfilename=d\nrw=randwrite\n", "--compare",
                "--compare-dir", directory, "--compare-size", "1m", "--compare-slices", "2")).as(err.toString())
                .isZero();
        Map<String, Object> data = data();
        assertThat(data.get("report")).isEqualTo(json());
        List<Object> jobs = JsonText.list(data, "report", "jobs");
        List<Object> panels = JsonText.list(data, "panels");
        assertThat(panels).extracting(panel -> JsonText.get(panel, "name")).containsExactly("a", "b");
        for (Object panel : panels) {
            List<Object> members = JsonText.list(panel, "members");
            assertThat(members).extracting(member -> JsonText.get(member, "label")).containsExactly("workqueue", "pool",
                    "aio");
            for (Object member : members) {
                Object job = jobs.get((int) JsonText.number(member, "job"));
                assertThat(JsonText.get(job, "jobname"))
                        .isEqualTo(JsonText.get(panel, "name") + "-" + JsonText.get(member, "label"));
            }
        }
        assertThat(JsonText.list(data, "timelines")).hasSize(6)
                .allSatisfy(timeline -> assertThat(numbers(timeline, "from")).isNotEmpty());
    }

    @Test
    void sectionsThatDifferInDepthAreASweep() throws IOException {
        String global = "[global]\nsize=64k\nfilename=d\nrw=randread\n";
        assertThat(
                run(global + "[c]\niodepth=8\n[other]\nbs=8k\n[a]\nstonewall\niodepth=1\n[b]\nstonewall\niodepth=2\n",
                        "--attach", "d=null:1m,hw=4"))
                .as(err.toString()).isZero();
        Map<String, Object> data = data();
        assertThat(JsonText.list(data, "sweeps")).hasSize(1);
        Object sweep = JsonText.list(data, "sweeps").getFirst();
        assertThat(JsonText.get(sweep, "name")).isEqualTo("c");
        List<Object> jobs = JsonText.list(JsonText.list(sweep, "ways").getFirst(), "jobs");
        assertThat(jobs).extracting(job -> JsonText
                .number(JsonText.list(data, "report", "jobs").get(((Double) job).intValue()), "latency_depth"))
                .containsExactly(1.0, 2.0, 8.0);
        assertThat(run(global + "[a]\niodepth=2\n[b]\niodepth=2\n[c]\nrw=write\n[d]\nrw=write\n", "--attach",
                "d=null:1m,hw=4")).isZero();
        assertThat(JsonText.list(data(), "sweeps")).as("the depths are the same").isEmpty();
    }

    @Test
    void namesAreTextAndNoTags() throws IOException {
        String name = "</script><script>window.hacked=1</script><b>\"&amp'";
        assertThat(run("[" + name + "]\nsize=64k\nfilename=d\ndescription=<!-- <i>\n", "--attach", "d=mem:1m"))
                .isZero();
        assertThat(Files.readString(page())).doesNotContain("hacked=1</script>", "<!-- <i>");
        assertThat(JsonText.get(JsonText.list(data(), "panels").getFirst(), "name")).isEqualTo(name);
    }

    @Test
    void whatWentWrongIsThereAndAJobThatDidNothing() throws IOException {
        assertThat(run(
                "[bad]\nsize=64k\nfilename=d\nverify=crc32c\nexitall\n[late]\nsize=64k\nfilename=d\nstartdelay=1h\n",
                "--attach", "d=mem:1m,hw=2")).isEqualTo(1);
        Map<String, Object> data = data();
        assertThat(data.get("report")).isEqualTo(json());
        List<Object> jobs = JsonText.list(data, "report", "jobs");
        assertThat(JsonText.list(jobs.getFirst(), "error_messages")).isNotEmpty();
        assertThat(JsonText.number(jobs.getLast(), "read", "total_ios")).isZero();
        assertThat(names(JsonText.list(data, "timelines").getLast())).containsExactlyInAnyOrder("from", "to");
    }

    @Test
    void aPageThatCannotBeWrittenIsRefusedBeforeAnythingRuns() throws IOException {
        Path job = Files.writeString(directory.resolve("job.fio"), "[a]\nsize=1m\nfilename=d\n");
        Path nowhere = directory.resolve("none/report.html");
        assertThat(execute("run", "--html", nowhere, "--attach", "d=mem:1m", job)).isEqualTo(2);
        assertThat(err.toString())
                .isEqualToIgnoringNewLines("blkmq: --html " + nowhere + ": there is no such directory");
        assertThat(out.toString()).isEmpty();
        assertThat(execute("run", "--html", directory, "--attach", "d=mem:1m", job)).isEqualTo(2);
        assertThat(err.toString()).contains("--html " + directory + ": cannot be written");
    }

    @Test
    void aPageOnStandardOutputStandsAlone() throws IOException {
        Path job = Files.writeString(directory.resolve("job.fio"), "[a]\nsize=1m\nfilename=d\n");
        assertThat(execute("run", "--html", "-", "--attach", "d=mem:1m", job)).isZero();
        assertThat(out.toString()).startsWith("<!DOCTYPE html>").endsWith("</html>\n");
        assertThat(out.toString()).as("the licence of the library").contains("Permission is hereby granted");
        assertThat(execute("run", "--html", "-", "--json", "-", "--attach", "d=mem:1m", job)).isEqualTo(2);
        assertThat(err.toString()).contains("--html - and --json -");
        assertThat(execute("run", "--html", "-", "--output-format", "json", "--attach", "d=mem:1m", job)).isEqualTo(2);
        assertThat(err.toString()).contains("--html - and --output-format json");
    }

    // ---- in a browser

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void aBrowserDrawsItAndFetchesNothing(boolean dark) throws IOException, InterruptedException {
        String jobs = """
            [global]
            size=1m
            filename=d
            rw=randrw
            [</script><i>]
            iodepth=2
            [second]
            stonewall
            iodepth=4
            [third]
            rw=read
            stonewall
            numjobs=2
            group_reporting
            """;
        assertThat(run(jobs, "--attach", "d=mem:8m,hw=4")).as(err.toString()).isZero();
        HeadlessBrowser.Seen seen = HeadlessBrowser.look(page(), dark);
        assertThat(seen.console()).isEmpty();
        assertThat(seen.fetched()).isEmpty();
        // Five charts of each job, and three of the depths; each canvas has lines in the color of its series.
        assertThat(seen.canvases()).hasSize(3 * 5 + 3).allSatisfy(colored -> assertThat(colored).isPositive());
        assertThat(seen.background()).isEqualTo(dark ? "rgb(20, 24, 31)" : "rgb(246, 247, 249)");
        assertThat(seen.headings()).contains("</script><i>", "second", "third", "Depths of </script><i>");
        assertThat(seen.unnamedCharts()).isZero();
        assertThat(seen.tables()).as("a table beside each chart, percentiles of each job, all jobs, devices")
                .isEqualTo(3 * 6 + 3 + 2);
    }

    @Test
    void aBrowserDrawsAComparison() throws IOException, InterruptedException {
        assertThat(run("[a]\nsize=1m\nfilename=d\nrw=randread\n", "--compare", "--compare-dir", directory,
                "--compare-size", "1m", "--compare-slices", "1")).isZero();
        HeadlessBrowser.Seen seen = HeadlessBrowser.look(page(), false);
        assertThat(seen.console()).isEmpty();
        assertThat(seen.canvases()).hasSize(5).allSatisfy(colored -> assertThat(colored).isPositive());
        assertThat(seen.tables()).as("beside each chart, percentiles, ways, all jobs, devices").isEqualTo(5 + 4);
    }

    @ParameterizedTest
    @CsvSource({"gtod_reduce=1, 2", "number_ios=1, 5", "clat_percentiles=0, 3", "percentile_list=90, 5",
            "startdelay=1h, 0", "verify=crc32c, 5", "bs=64k, 5"})
    void aBrowserDrawsWhatThereIs(String line, int charts) throws IOException, InterruptedException {
        // A job that begins in an hour ends with the other.
        String end = line.startsWith("startdelay") ? "exitall\n" : "";
        run("[quick]\nsize=4k\nfilename=d\n" + end + "gtod_reduce=1\n[a]\nsize=64k\nfilename=d\n" + line + "\n",
                "--attach", "d=mem:1m,hw=2");
        HeadlessBrowser.Seen seen = HeadlessBrowser.look(page(), false);
        assertThat(seen.console()).isEmpty();
        assertThat(seen.headings()).contains("blkmq run: quick, a", "a");
        assertThat(seen.canvases()).hasSize(2 + charts);
    }
}
