package io.blkmq.tools.report;

import com.google.gson.stream.JsonWriter;
import io.blkmq.tools.job.Direction;
import io.blkmq.tools.run.RunResult;
import io.blkmq.tools.run.Timeline;
import java.io.IOException;
import java.io.InputStream;
import java.io.StringWriter;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Objects;

/**
 * A run as a page to look at: one file that holds the JSON of {@link JsonReport}, what happened over time, and a script that draws both with
 * uPlot. The page fetches nothing, and forbids itself to. What is in it stands in the JSON alone, so that page and JSON cannot differ.
 */
public final class HtmlReport {
    private static final double NANOS_PER_SECOND = 1e9;

    private final StringWriter text = new StringWriter();
    private final JsonWriter json = new JsonWriter(text);

    private HtmlReport() {}

    /** A job as one way ran it, or the only way. */
    private record Member(int job, String label) {}

    /**
     * The page of a run.
     *
     * @param version of blkmq
     * @param result what became of it
     * @param timeMillis when it ended, since the epoch
     * @return an HTML document
     */
    public static String of(String version, RunResult result, long timeMillis) {
        List<ReportGroup> groups = ReportGroup.of(result);
        HtmlReport report = new HtmlReport();
        return report.page(JsonReport.of(version, result, timeMillis, true), List.of(""), List.of(groups),
                result.stopped());
    }

    /**
     * The page of a comparison: each job in all ways, side by side.
     *
     * @param version of blkmq
     * @param comparison the runs
     * @param timeMillis when it ended, since the epoch
     * @return an HTML document
     */
    public static String of(String version, Comparison comparison, long timeMillis) {
        List<RunResult> results = comparison.ways().stream().map(Comparison.Way::result).toList();
        HtmlReport report = new HtmlReport();
        return report.page(JsonReport.of(version, comparison, timeMillis, true),
                comparison.ways().stream().map(Comparison.Way::name).toList(),
                results.stream().map(ReportGroup::of).toList(),
                results.isEmpty() || results.stream().anyMatch(RunResult::stopped));
    }

    private String page(String jsonReport, List<String> labels, List<List<ReportGroup>> ways, boolean stopped) {
        try {
            json.beginObject().name("report").jsonValue(jsonReport.strip()).name("stopped").value(stopped);
            panels(labels, ways);
            sweeps(labels, ways);
            json.name("timelines").beginArray();
            for (List<ReportGroup> way : ways) {
                timelines(way);
            }
            json.endArray();
            json.endObject();
        } catch (IOException e) {
            throw new UncheckedIOException("a report in memory cannot be written", e);
        }
        // Between the tags of a script only the beginning of a tag means anything to a browser.
        String data = text.toString().replace("<", "\\u003c");
        return resource("report.html").replace("@license@", resource("uPlot-LICENSE").strip())
                .replace("@uplot.css@", resource("uPlot.min.css").strip()).replace("@css@", resource("report.css"))
                .replace("@uplot.js@", resource("uPlot.iife.min.js").strip()).replace("@js@", resource("report.js"))
                .replace("@data@", data);
    }

    private static String resource(String name) {
        try (InputStream in = HtmlReport.class.getResourceAsStream(name)) {
            return new String(Objects.requireNonNull(in, name + " is not in the program").readAllBytes(),
                    StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw new UncheckedIOException(name + " cannot be read", e);
        }
    }

    /** All ways have the same jobs, in the same order; the report has those of the first way, then those of the second, and so on. */
    private static List<Member> members(List<String> labels, List<List<ReportGroup>> ways, int job) {
        List<Member> members = new ArrayList<>();
        for (int way = 0; way < ways.size(); way++) {
            members.add(new Member(way * ways.getFirst().size() + job, labels.get(way)));
        }
        return members;
    }

    /** Empty where the command was stopped before the first way had its turn. */
    private static List<ReportGroup> firstOf(List<List<ReportGroup>> ways) {
        return ways.isEmpty() ? List.of() : ways.getFirst();
    }

    private void panels(List<String> labels, List<List<ReportGroup>> ways) throws IOException {
        json.name("panels").beginArray();
        List<ReportGroup> first = firstOf(ways);
        for (int job = 0; job < first.size(); job++) {
            json.beginObject().name("name").value(first.get(job).name()).name("threads").value(first.get(job).threads())
                    .name("members").beginArray();
            for (Member member : members(labels, ways, job)) {
                json.beginObject().name("job").value(member.job).name("label").value(member.label).endObject();
            }
            json.endArray().endObject();
        }
        json.endArray();
    }

    private void sweeps(List<String> labels, List<List<ReportGroup>> ways) throws IOException {
        json.name("sweeps").beginArray();
        for (DepthSweep sweep : DepthSweep.of(firstOf(ways))) {
            json.beginObject().name("name").value(sweep.name()).name("ways").beginArray();
            for (int way = 0; way < ways.size(); way++) {
                json.beginObject().name("label").value(labels.get(way)).name("jobs").beginArray();
                for (int job : sweep.jobs()) {
                    json.value((long) way * ways.getFirst().size() + job);
                }
                json.endArray().endObject();
            }
            json.endArray().endObject();
        }
        json.endArray();
    }

    /** Of each job of a way; seconds are from the first moment of it that counts. */
    private void timelines(List<ReportGroup> groups) throws IOException {
        long begin = groups.stream().flatMap(group -> group.timeline().samples().stream())
                .mapToLong(Timeline.Sample::fromNanos).min().orElse(0);
        for (ReportGroup group : groups) {
            List<Timeline.Sample> samples = group.timeline().samples();
            json.beginObject().name("from").beginArray();
            for (Timeline.Sample sample : samples) {
                json.value((sample.fromNanos() - begin) / NANOS_PER_SECOND);
            }
            json.endArray().name("to").beginArray();
            for (Timeline.Sample sample : samples) {
                json.value((sample.toNanos() - begin) / NANOS_PER_SECOND);
            }
            json.endArray();
            for (Direction direction : Direction.values()) {
                if (group.timeline().has(direction)) {
                    rates(direction, samples);
                }
            }
            json.endObject();
        }
    }

    private void rates(Direction direction, List<Timeline.Sample> samples) throws IOException {
        json.name(direction.name().toLowerCase(Locale.ROOT)).beginObject().name("iops").beginArray();
        for (Timeline.Sample sample : samples) {
            json.value(Math.round(sample.of(direction).operationsPerSecond()));
        }
        json.endArray().name("bw_bytes").beginArray();
        for (Timeline.Sample sample : samples) {
            json.value(Math.round(sample.of(direction).bytesPerSecond()));
        }
        json.endArray().name("p99_ns").beginArray();
        for (Timeline.Sample sample : samples) {
            long nanos = sample.of(direction).p99Nanos();
            if (nanos == 0) {
                json.nullValue();
            } else {
                json.value(nanos);
            }
        }
        json.endArray().endObject();
    }
}
