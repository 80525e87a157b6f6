package io.blkmq.tools;

import com.google.gson.Gson;
import io.blkmq.tools.job.UsageException;
import io.blkmq.tools.observe.Iostat;
import io.blkmq.tools.observe.IostatLine;
import io.blkmq.tools.observe.Processes;
import java.io.IOException;
import java.io.PrintWriter;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** Shows what the devices of other processes do. */
@Command(name = "iostat", mixinStandardHelpOptions = true, versionProvider = Blkmq.Version.class, sortOptions = false, //
        description = "Shows what the devices of other JVMs do, in the columns of iostat -x, without touching those JVMs.", footer = {
                "",
                "A JVM is shown that was started with -Dblkmq.counters=true, or calls CountersFile.open(); blkmq run and",
                "blkmq serve do. Its counters are at most 100 ms old, or 1 ms for each device if it has more than 100.",
                "The first report is of the time since each device was made, later ones of the time since the one before.",
                "Without INTERVAL there is the first alone. A JVM that was killed is in the first report, marked as dead.",
                "Reports of one JVM end with it.", "", "Examples:", "  blkmq iostat", "  blkmq iostat all 1",
                "  blkmq iostat 4711 5 12", "  blkmq iostat --once", "  blkmq iostat all 1 --json", "",
                "Exit status: 0 all went well, 1 I/O errors, 2 usage."})
final class IostatCommand implements Callable<Integer> {
    private static final double SECONDS_MAX = 86_400;

    @Spec
    private CommandSpec spec = CommandSpec.create();

    @Parameters(index = "0", arity = "0..1", paramLabel = "PID|all", defaultValue = Processes.ALL, description = "Which JVM (${DEFAULT-VALUE}).")
    private String which = Processes.ALL;

    @Parameters(index = "1", arity = "0..1", paramLabel = "INTERVAL", description = "Seconds between two reports.")
    private @Nullable Double interval;

    @Parameters(index = "2", arity = "0..1", paramLabel = "COUNT", description = "How many reports; without end unless given.")
    private @Nullable Integer count;

    @Option(names = "-y", description = "Leave out the first report, of the time since the devices were made.")
    private boolean withoutFirst;

    @Option(names = "--once", description = "One report, of the next second, or of one INTERVAL: as -y with a COUNT of 1.")
    private boolean once;

    @Option(names = "--json", description = "Each report as one line of JSON.")
    private boolean json;

    /** For picocli. */
    IostatCommand() {}

    @Override
    public Integer call() throws UsageException, IOException, InterruptedException {
        require();
        PrintWriter out = spec.commandLine().getOut();
        PrintWriter err = spec.commandLine().getErr();
        Iostat iostat = new Iostat(Processes.ofThisUser(note -> err.println("blkmq: note: " + note)), which);
        double seconds = interval == null ? 1 : interval;
        boolean omitted = withoutFirst || once;
        long reports = once ? 1 : count != null ? count : interval == null && !withoutFirst ? 1 : Long.MAX_VALUE;
        long next = System.nanoTime();
        for (long done = 0; done < reports;) {
            List<IostatLine> lines = iostat.next();
            if (iostat.isOver() && (omitted || lines.isEmpty())) {
                err.println("blkmq: process " + which + " has ended");
                break;
            }
            if (!omitted) {
                print(lines, out);
                done++;
                if (out.checkError()) {
                    throw new IOException("standard output cannot be written; is it full, or closed?");
                }
            }
            omitted = false;
            if (iostat.isOver()) {
                break;
            }
            if (done < reports) {
                next += (long) (seconds * TimeUnit.SECONDS.toNanos(1));
                long wait = next - System.nanoTime();
                if (wait > 0) {
                    TimeUnit.NANOSECONDS.sleep(wait);
                } else {
                    // Whoever was stopped reports of that time once, and not as often as it has missed.
                    next -= wait;
                }
            }
        }
        return Blkmq.OK;
    }

    private void require() throws UsageException {
        Double seconds = interval;
        if (seconds != null && !(seconds > 0 && seconds <= SECONDS_MAX)) {
            throw new UsageException("INTERVAL " + seconds + ": above 0 to " + SECONDS_MAX + " seconds are possible");
        }
        Integer reports = count;
        if (reports != null && reports < 1) {
            throw new UsageException("COUNT " + reports + ": at least 1 is needed");
        }
    }

    private void print(List<IostatLine> lines, PrintWriter out) {
        if (json) {
            Map<String, Object> report = new LinkedHashMap<>();
            report.put("time", Instant.now().truncatedTo(ChronoUnit.MILLIS).toString());
            report.put("devices", lines.stream().map(IostatLine::fields).toList());
            out.println(new Gson().toJson(report));
            return;
        }
        if (lines.isEmpty()) {
            out.println("no devices");
            return;
        }
        out.println(IostatLine.heading());
        lines.forEach(line -> out.println(line.text()));
        out.println();
    }
}
