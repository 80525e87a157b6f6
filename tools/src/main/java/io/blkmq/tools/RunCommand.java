package io.blkmq.tools;

import io.blkmq.tools.device.Backing;
import io.blkmq.tools.job.JobFile;
import io.blkmq.tools.job.JobSpec;
import io.blkmq.tools.job.Key;
import io.blkmq.tools.job.Location;
import io.blkmq.tools.job.Quantity;
import io.blkmq.tools.job.UsageException;
import io.blkmq.tools.report.Comparison;
import io.blkmq.tools.report.JsonReport;
import io.blkmq.tools.report.TextReport;
import io.blkmq.tools.run.Run;
import io.blkmq.tools.run.RunControl;
import io.blkmq.tools.run.RunPlan;
import io.blkmq.tools.run.RunResult;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.Writer;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** Runs a job file. */
@Command(name = "run", mixinStandardHelpOptions = true, versionProvider = Blkmq.Version.class, sortOptions = false, //
        description = "Runs a fio job file on block devices of blkmq.", footer = {"",
                "A filename in a job is only a name: no file or device node of the host is opened through it.",
                "A name that is not attached is a sparse temporary image of the job's size, removed at the end.", "",
                "BACKING is a PATH, mem:SIZE or null:SIZE, with options behind commas:",
                "  hw=N       hardware queues (1)", //
                "  depth=N    requests of each (128, or what the jobs need)",
                "  poll       the jobs' threads look for completions; each needs a hardware queue of its own",
                "  reaper     a thread of the device looks for completions",
                "  buffered   the file is used through the page cache and the work queue, whatever the job says",
                "  ro         writes are refused", //
                "  offset=BYTES, sizelimit=BYTES   a part of the file",
                "  workers=N  the most threads for a file's blocking I/O (1 to 1024); overrides the job's", "",
                "Keys of a job, as in fio: rw, rwmixread, bs, bsrange, size, offset, runtime (timeout), time_based,",
                "numjobs, ioengine, iodepth, iodepth_batch_submit, iodepth_batch_complete_min,",
                "iodepth_batch_complete_max, direct, ioscheduler, filename, group_reporting, fsync, verify (crc32c),",
                "do_verify, randseed, norandommap, gtod_reduce. Without iodepth_batch_submit all free operations are",
                "submitted together and none is held back. workers=N is not a key of fio: see workers=N above.", "",
                "Engines (ioengine): io_uring, libaio; sync, psync, vsync, pvsync all stand for a pool of threads;",
                "memory reads an attached file once and keeps written data to itself; null does nothing. The work",
                "queue does all I/O through the page cache, except with memory and null.", "", "Examples:",
                "  blkmq run docs/jobs/loop-randread.fio", //
                "  blkmq run --attach /dev/loop0=disk.img docs/jobs/loop-randread.fio",
                "  blkmq run --attach /dev/loop0=null:32g,hw=2 --json - docs/jobs/loop-randread.fio",
                "  blkmq run docs/jobs/verify.fio --ioengine libaio",
                "  blkmq run --compare docs/jobs/loop-randread.fio", "",
                "Exit status: 0 all went well, 1 I/O or verification errors, 2 usage."})
final class RunCommand implements Callable<Integer> {
    /** Null where the line was read without picocli ({@link PlainLine}), which tells where to print. */
    @Spec
    private @Nullable CommandSpec spec;
    private @Nullable PrintWriter plainOut;
    private @Nullable PrintWriter plainErr;

    @Parameters(index = "0", paramLabel = "JOBFILE", description = "The job file.")
    private Path jobFile = Path.of("");

    @Option(names = "--attach", paramLabel = "NAME=BACKING", description = "Attaches a device to a name; may be given several times.")
    private List<String> attach = new ArrayList<>();

    @Option(names = "--json", paramLabel = "FILE|-", description = "Also write the report as JSON; with -, write only JSON, to standard output.")
    private @Nullable String json;

    @Option(names = "--ioengine", paramLabel = "NAME", description = "Overrides the job file's engine: io_uring, libaio, sync, psync, memory, null.")
    private @Nullable String engine;

    @Option(names = "--runtime", paramLabel = "TIME", description = "Overrides the job file's time: seconds, or with a unit.")
    private @Nullable String runtime;

    @Option(names = "--compare", description = "Run in turn on the driver as it was before asynchronous I/O, on a pool of threads, and on asynchronous I/O, all on one written file.")
    private boolean compare;

    @Option(names = "--compare-size", paramLabel = "SIZE", defaultValue = "1g", description = "The largest size of the file (${DEFAULT-VALUE}).")
    private String compareSize = "1g";

    @Option(names = "--compare-dir", paramLabel = "DIR", defaultValue = ".", description = "The directory of the file (${DEFAULT-VALUE}).")
    private Path compareDirectory = Path.of(".");

    /** For picocli. */
    RunCommand() {}

    /** What a line asks for, without --compare. */
    record Asked(Path jobFile, List<String> attach, @Nullable String json, @Nullable String engine,
            @Nullable String runtime) {}

    /** For a line that was read without picocli. */
    static RunCommand of(Asked asked, PrintWriter out, PrintWriter err) {
        RunCommand command = new RunCommand();
        command.plainOut = out;
        command.plainErr = err;
        command.jobFile = asked.jobFile;
        command.attach = asked.attach;
        command.json = asked.json;
        command.engine = asked.engine;
        command.runtime = asked.runtime;
        return command;
    }

    Asked asked() {
        return new Asked(jobFile, attach, json, engine, runtime);
    }

    private PrintWriter out() {
        return plainOut != null ? plainOut : Objects.requireNonNull(spec).commandLine().getOut();
    }

    private PrintWriter err() {
        return plainErr != null ? plainErr : Objects.requireNonNull(spec).commandLine().getErr();
    }

    @Override
    public Integer call() throws UsageException, IOException {
        PrintWriter out = out();
        PrintWriter err = err();
        boolean jsonOnly = "-".equals(json);
        TextReport report = new TextReport(jsonOnly ? new PrintWriter(Writer.nullWriter()) : out);
        RunControl control = new RunControl();
        try (Interruption _ = Interruption.watch(control)) {
            List<JobSpec> jobs = jobs();
            boolean errors = compare ? compare(jobs, control, report, err) : run(jobs, control, report, err);
            out.flush();
            return errors ? Blkmq.IO_ERRORS : Blkmq.OK;
        }
    }

    private List<JobSpec> jobs() throws UsageException {
        List<JobSpec> jobs = new ArrayList<>();
        for (JobSpec job : JobFile.read(jobFile)) {
            JobSpec changed = job;
            if (engine != null) {
                changed = changed.with(Key.IOENGINE, engine, Location.ofOption("--ioengine"));
            }
            if (runtime != null) {
                changed = changed.with(Key.RUNTIME, runtime, Location.ofOption("--runtime"));
            }
            jobs.add(changed);
        }
        return jobs;
    }

    private Map<String, Backing> attachments() throws UsageException {
        Map<String, Backing> backings = new LinkedHashMap<>();
        for (String text : attach) {
            int equals = text.indexOf('=');
            if (equals <= 0) {
                throw new UsageException("--attach " + text + ": NAME=BACKING is needed");
            }
            String name = text.substring(0, equals);
            if (backings.put(name, Backing.parse(text.substring(equals + 1))) != null) {
                throw new UsageException("--attach " + name + ": given twice");
            }
        }
        return backings;
    }

    private boolean run(List<JobSpec> jobs, RunControl control, TextReport report, PrintWriter err)
            throws UsageException, IOException {
        RunPlan plan = RunPlan.of(jobs, attachments(), 0);
        try (JsonOutput output = JsonOutput.open(json, out())) {
            ProgressLine progress = progress(jobs, report, err);
            RunResult result = Run.execute(plan, control, progress);
            progress.clear();
            result.notes().forEach(note -> err.println("blkmq: note: " + note));
            report.result(result);
            output.write(JsonReport.of(Blkmq.version(), result, System.currentTimeMillis()));
            return result.hasErrors();
        }
    }

    private boolean compare(List<JobSpec> jobs, RunControl control, TextReport report, PrintWriter err)
            throws UsageException, IOException {
        ProgressLine progress = progress(jobs, report, err);
        Comparer comparer = new Comparer(jobs, control, progress);
        Map<String, Backing> attached = attachments();
        RunPlan.of(jobs, attached, 0);
        try (JsonOutput output = JsonOutput.open(json, out())) {
            Comparison comparison = attached.isEmpty()
                    ? comparer.onNewImage(compareDirectory, comparer.imageBytes(compareBytes()))
                    : comparer.onFile(attached.values().iterator().next());
            progress.clear();
            comparison.ways().stream().flatMap(way -> way.result().notes().stream()).distinct()
                    .forEach(note -> err.println("blkmq: note: " + note));
            comparison.ways().forEach(way -> report.result(way.result()));
            report.comparison(comparison);
            output.write(JsonReport.of(Blkmq.version(), comparison, System.currentTimeMillis()));
            return comparison.hasErrors();
        }
    }

    private ProgressLine progress(List<JobSpec> jobs, TextReport report, PrintWriter err) {
        return new ProgressLine(err, () -> {
            report.header(jobs);
            out().flush();
        });
    }

    private long compareBytes() throws UsageException {
        try {
            long bytes = Quantity.bytes(compareSize);
            if (bytes < 4096) {
                throw new IllegalArgumentException("at least 4096 bytes are needed");
            }
            return bytes;
        } catch (IllegalArgumentException e) {
            throw new UsageException("--compare-size " + compareSize + ": " + e.getMessage(), e);
        }
    }

    /** Where the JSON goes. Opened before anything runs, so that a run is not lost to a wrong path. */
    private record JsonOutput(@Nullable Writer writer, boolean owned) implements AutoCloseable {
        static JsonOutput open(@Nullable String target, PrintWriter out) throws UsageException {
            if (target == null) {
                return new JsonOutput(null, false);
            }
            if (target.equals("-")) {
                return new JsonOutput(out, false);
            }
            try {
                return new JsonOutput(Files.newBufferedWriter(Path.of(target)), true);
            } catch (NoSuchFileException e) {
                throw new UsageException("--json " + target + ": there is no such directory", e);
            } catch (IOException e) {
                throw new UsageException("--json " + target + ": cannot be written: " + e, e);
            }
        }

        void write(String text) throws IOException {
            if (writer != null) {
                writer.write(text);
                writer.flush();
            }
        }

        @Override
        public void close() throws IOException {
            if (writer != null && owned) {
                writer.close();
            }
        }
    }
}
