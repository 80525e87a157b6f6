package io.blkmq.tools;

import io.blkmq.tools.device.Backing;
import io.blkmq.tools.device.ImageRequest;
import io.blkmq.tools.job.JobOptions;
import io.blkmq.tools.job.JobSpec;
import io.blkmq.tools.job.JobText;
import io.blkmq.tools.job.Quantity;
import io.blkmq.tools.job.UsageException;
import io.blkmq.tools.report.Comparison;
import io.blkmq.tools.report.HtmlReport;
import io.blkmq.tools.report.JsonReport;
import io.blkmq.tools.report.TerseReport;
import io.blkmq.tools.report.TextReport;
import io.blkmq.tools.run.Run;
import io.blkmq.tools.run.RunControl;
import io.blkmq.tools.run.RunPlan;
import io.blkmq.tools.run.RunResult;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** Runs jobs. */
@Command(name = "run", mixinStandardHelpOptions = true, versionProvider = Blkmq.Version.class, sortOptions = false, //
        preprocessor = JobArguments.class, //
        description = "Runs fio jobs on block devices of blkmq.", footer = {"",
                "A filename in a job is only a name: no file or device node of the host is opened through it.",
                "A name that is not attached is a temporary image of the job's size, removed at the end; it is",
                "written before it is read.", "",
                "BACKING is a PATH, mem:SIZE, null:SIZE, an image on Ceph: rbd:POOL/IMAGE[@SNAP][:conf=FILE][:id=USER],",
                "or the export of an NBD server: nbd://HOST[:PORT]/EXPORT or",
                "nbd+unix:///EXPORT?socket=PATH, and nbds or nbds+unix with tls-certificates=DIR in the query.",
                "Options stand behind commas; \\, is a comma in a path or an address:",
                "  hw=N       hardware queues (1); connections to an NBD server (4)", //
                "  depth=N    requests of each (128, or what the jobs need)",
                "  poll       the jobs' threads look for completions; each needs a hardware queue of its own",
                "  reaper     a thread of the device looks for completions",
                "  buffered   the file is used through the page cache and the work queue, whatever the job says",
                "  ro         writes are refused", //
                "  offset=BYTES, sizelimit=BYTES   a part of the file",
                "  workers=N  the most threads for a file's blocking I/O (1 to 1024); overrides the job's", "",
                "A key of a job is an option too: --rw=randread. Behind --name=NAME the keys describe a job, as in",
                "fio; without a --name they replace what the job files say. --cmdhelp lists all keys.", "",
                "Engines (ioengine): io_uring, libaio; rbd is an image on Ceph; posixaio is a pool of threads; psync, sync, vsync, pvsync,",
                "pvsync2, mmap and splice all stand for blocking calls, one at a time; memory reads an attached file",
                "once and keeps written data to itself; null does nothing. The work queue does all I/O through the",
                "page cache, except with memory and null.", "", "Examples:", "  blkmq run docs/jobs/randread.fio",
                "  blkmq run --name=a --rw=randwrite --size=1g --direct=1 --ioengine=io_uring --iodepth=32",
                "  blkmq run --attach /dev/loop0=disk.img docs/jobs/loop-randread.fio",
                "  blkmq run --attach /dev/loop0=null:32g,hw=2 --json - docs/jobs/loop-randread.fio",
                "  blkmq run --attach 'verify=nbd+unix:///?socket=/tmp/disk.sock' docs/jobs/verify.fio",
                "  blkmq run docs/jobs/verify.fio --ioengine libaio",
                "  blkmq run --compare docs/jobs/loop-randread.fio",
                "  blkmq run --html report.html docs/jobs/depths.fio", "",
                "Exit status: 0 all went well, 1 I/O or verification errors, 2 usage; 130 after Ctrl-C and 143 after",
                "SIGTERM if all went well until then."})
final class RunCommand implements Callable<Integer> {
    private static final long PATIENCE_SECONDS = 60;
    private static final int IMAGE_BYTES_MIN = 4096;
    private static final String ATTACH = "--attach";
    private static final String JSON = "--json";

    /** Null where the line was read without picocli ({@link PlainLine}), which tells where to print. */
    @Spec
    private @Nullable CommandSpec spec;
    private @Nullable PrintWriter plainOut;
    private @Nullable PrintWriter plainErr;

    private final JobOptions jobOptions = new JobOptions();

    @Parameters(arity = "0..*", paramLabel = "JOBFILE", description = "Job files; - for standard input.")
    private List<String> jobFiles = new ArrayList<>();

    @Option(names = ATTACH, paramLabel = "NAME=BACKING", description = "Attaches a device to a name; may be given several times.")
    private List<String> attach = new ArrayList<>();

    @Option(names = "--section", paramLabel = "NAME", description = "Run only this job of the job files; may be given several times.")
    private List<String> sections = new ArrayList<>();

    @Option(names = "--output", paramLabel = "FILE", description = "Where the report goes, in place of standard output.")
    private @Nullable String output;

    @Option(names = "--output-format", paramLabel = "FORMAT", split = ",", description = "normal, terse, json or json+; several with commas between (normal).")
    private List<String> formats = new ArrayList<>();

    @Option(names = JSON, paramLabel = "FILE|-", description = "Also write the report as JSON; with -, write only JSON, to standard output.")
    private @Nullable String json;

    @Option(names = "--html", paramLabel = "FILE|-", description = "Also write the report as a page with charts, to be looked at with a browser; with -, write only that, to standard output.")
    private @Nullable String html;

    @Option(names = "--parse-only", description = "Only read the jobs, and tell all that is wrong with them and can be told without their devices.")
    private boolean parseOnly;

    @Option(names = "--cmdhelp", arity = "0..1", fallbackValue = "all", paramLabel = "KEY", description = "List all keys of jobs, or tell about one.")
    private @Nullable String keyHelp;

    @Option(names = "--eta", paramLabel = "WHEN", defaultValue = "auto", description = "When to show the progress: auto (on a terminal), always, never (${DEFAULT-VALUE}).")
    private String eta = "auto";

    @Option(names = "--status-interval", paramLabel = "TIME", defaultValue = "0", description = "Print a line about the progress in such intervals; seconds, or with a unit.")
    private String statusInterval = "0";

    @Option(names = "--image-dir", paramLabel = "DIR", description = "The directory of temporary images (${sys:java.io.tmpdir}).")
    private @Nullable Path imageDirectory;

    @Option(names = "--layout-max", paramLabel = "SIZE", defaultValue = "8g", description = "A temporary image up to this size is written before it is read; a larger one stays a hole (${DEFAULT-VALUE}).")
    private String layoutMax = "8g";

    @Option(names = "--compare", description = "Run in turn on the driver as it was before asynchronous I/O, on a pool of threads, and on asynchronous I/O, all on one written file.")
    private boolean compare;

    @Option(names = "--compare-size", paramLabel = "SIZE", defaultValue = "1g", description = "The largest size of the file (${DEFAULT-VALUE}).")
    private String compareSize = "1g";

    @Option(names = "--compare-dir", paramLabel = "DIR", defaultValue = ".", description = "The directory of the file (${DEFAULT-VALUE}).")
    private Path compareDirectory = Path.of(".");

    @Option(names = "--compare-slices", paramLabel = "N", defaultValue = "5", description = "How often each way has its turn (${DEFAULT-VALUE}).")
    private int compareSlices = 5;

    /** For picocli. */
    RunCommand() {}

    /**
     * The options that {@link PlainLine} reads too: their names, which are those of the annotations, and what they set, which is what picocli
     * sets.
     */
    enum Plain {
        /** May be given several times. */
        ATTACH(RunCommand.ATTACH) {
            @Override
            boolean set(RunCommand command, String value) {
                return command.attach.add(value);
            }
        },
        /** Once. */
        JSON(RunCommand.JSON) {
            @Override
            boolean set(RunCommand command, String value) {
                boolean first = command.json == null;
                command.json = value;
                return first;
            }
        };

        private final String option;

        Plain(String option) {
            this.option = option;
        }

        String option() {
            return option;
        }

        /** Returns false if it may not be given again. */
        abstract boolean set(RunCommand command, String value);

        static @Nullable Plain find(String name) {
            for (Plain each : values()) {
                if (each.option.equals(name)) {
                    return each;
                }
            }
            return null;
        }
    }

    /** All that a plain line can ask for. */
    record Asked(List<String> jobFiles, List<String> attach, @Nullable String json, List<String> jobOptions) {}

    Asked asked() {
        return new Asked(jobFiles, attach, json, jobOptions.lines());
    }

    void addJobFile(String file) {
        jobFiles.add(file);
    }

    /** Runs where the line was read without picocli. */
    int call(PrintWriter out, PrintWriter err) throws UsageException, IOException {
        plainOut = out;
        plainErr = err;
        return call();
    }

    private PrintWriter out() {
        return plainOut != null ? plainOut : Objects.requireNonNull(spec).commandLine().getOut();
    }

    private PrintWriter err() {
        return plainErr != null ? plainErr : Objects.requireNonNull(spec).commandLine().getErr();
    }

    /** The keys of jobs among the arguments. */
    JobOptions jobOptions() {
        return jobOptions;
    }

    @Override
    public Integer call() throws UsageException, IOException {
        PrintWriter out = out();
        if (keyHelp != null) {
            return finished(out, KeyHelp.print(keyHelp, out));
        }
        Set<String> wanted = formats();
        if ("-".equals(html) && "-".equals(json)) {
            throw new UsageException("--html - and --json -: only one of them fits on standard output");
        }
        if (output == null && ("-".equals(html) || "-".equals(json)) && !wanted.equals(Set.of("normal"))) {
            throw new UsageException(
                    ("-".equals(html) ? "--html" : "--json") + " - and --output-format " + String.join(",", wanted)
                            + ": only one of them fits on standard output; --output FILE takes the report elsewhere");
        }
        ProgressLine.When when = when();
        long statusNanos = option("--status-interval", statusInterval, Quantity::nanos);
        RunControl control = new RunControl();
        return Interruption.during(control::stop, PATIENCE_SECONDS, this::fail,
                () -> runJobs(control, wanted, when, statusNanos));
    }

    private int fail(Exception failure) {
        return spec == null ? Blkmq.fail(failure, err(), false) : Blkmq.fail(failure, spec.commandLine());
    }

    private int runJobs(RunControl control, Set<String> wanted, ProgressLine.When when, long statusNanos)
            throws UsageException, IOException {
        PrintWriter out = out();
        List<JobSpec> jobs = jobs();
        if (parseOnly) {
            var _ = plan(jobs);
            return finished(out, Blkmq.OK);
        }
        boolean text = wanted.contains("normal") && !"-".equals(json) && !"-".equals(html);
        // Only where it is the first of what is printed does the header come before the run.
        boolean early = text && output == null;
        ProgressLine progress = new ProgressLine(err(), when, statusNanos, () -> {
            if (early) {
                new TextReport(out).header(jobs);
                out.flush();
            }
        });
        List<Path> used = usedFiles();
        try (OwnCounters _ = OwnCounters.open(err());
                RunOutput report = RunOutput.open("--output", output, out, used);
                RunOutput jsonOutput = RunOutput.open("--json", json, out, used);
                RunOutput page = RunOutput.open("--html", html, out, used)) {
            Outcome outcome = compare ? compare(jobs, control, progress) : run(jobs, control, progress);
            progress.clear();
            long endMillis = System.currentTimeMillis();
            outcome.notes().forEach(note -> err().println("blkmq: note: " + note));
            if (text) {
                report.write(text(outcome, early ? List.of() : jobs));
            }
            for (String format : wanted) {
                if (!format.equals("normal")) {
                    report.write(outcome.machine(format, endMillis));
                }
            }
            if (json != null) {
                jsonOutput.write(outcome.machine("json", endMillis));
            }
            if (html != null) {
                page.write(outcome.page(endMillis));
            }
            return finished(out, outcome.hasErrors() ? Blkmq.IO_ERRORS : Blkmq.OK);
        }
    }

    private static int finished(PrintWriter out, int status) throws IOException {
        if (out.checkError()) {
            throw new IOException("standard output cannot be written; is it full, or closed?");
        }
        return status;
    }

    /** What became of a run or a comparison. */
    private interface Outcome {
        List<String> notes();

        void print(TextReport report);

        String machine(String format, long endMillis);

        String page(long endMillis);

        boolean hasErrors();
    }

    private static String text(Outcome outcome, List<JobSpec> header) {
        StringWriter text = new StringWriter();
        try (PrintWriter lines = new PrintWriter(text)) {
            TextReport report = new TextReport(lines);
            if (!header.isEmpty()) {
                report.header(header);
            }
            outcome.print(report);
        }
        return text.toString();
    }

    private Set<String> formats() throws UsageException {
        Set<String> wanted = new LinkedHashSet<>();
        for (String format : formats.isEmpty() ? List.of("normal") : formats) {
            if (!List.of("normal", "terse", "json", "json+").contains(format.strip())) {
                throw new UsageException("--output-format " + format + ": possible are normal, terse, json, json+");
            }
            wanted.add(format.strip());
        }
        return wanted;
    }

    private ProgressLine.When when() throws UsageException {
        try {
            return ProgressLine.When.valueOf(eta.toUpperCase(Locale.ROOT));
        } catch (IllegalArgumentException e) {
            throw new UsageException("--eta " + eta + ": possible are auto, always, never", e);
        }
    }

    private List<JobSpec> jobs() throws UsageException {
        if (jobFiles.isEmpty() && !jobOptions.hasJobs()) {
            throw new UsageException("a job is needed: a JOBFILE, or --name=NAME and its keys (try blkmq run --help)");
        }
        List<JobText> texts = new ArrayList<>();
        for (String file : jobFiles) {
            texts.add(JobText.read(file, System.in));
        }
        return jobOptions.jobs(texts, new LinkedHashSet<>(sections));
    }

    /** The files that a run reads or writes: no report goes there. */
    private List<Path> usedFiles() throws UsageException {
        List<Path> used = new ArrayList<>();
        for (Backing backing : attachments().values()) {
            if (backing.kind() == Backing.Kind.FILE) {
                used.add(backing.path());
            }
        }
        jobFiles.stream().filter(file -> !file.equals("-")).map(Path::of).forEach(used::add);
        return used;
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

    private ImageRequest images() throws UsageException {
        Path directory = imageDirectory == null ? ImageRequest.NONE.directory() : imageDirectory;
        if (!Files.isDirectory(directory)) {
            throw new UsageException("--image-dir " + directory + ": there is no such directory");
        }
        return new ImageRequest(directory, 0, option("--layout-max", layoutMax, Quantity::bytes));
    }

    /** Opens nothing. */
    private RunPlan plan(List<JobSpec> jobs) throws UsageException {
        return RunPlan.of(jobs, new RunPlan.Setup(attachments(), 0, images(), html != null));
    }

    private Outcome run(List<JobSpec> jobs, RunControl control, ProgressLine progress) throws UsageException {
        RunResult result = Run.execute(plan(jobs), control, progress);
        return new Outcome() {
            @Override
            public List<String> notes() {
                return result.notes();
            }

            @Override
            public void print(TextReport report) {
                report.result(result);
            }

            @Override
            public String machine(String format, long endMillis) {
                return format.equals("terse")
                        ? TerseReport.of(Blkmq.version(), result)
                        : JsonReport.of(Blkmq.version(), result, endMillis, format.equals("json+"));
            }

            @Override
            public String page(long endMillis) {
                return HtmlReport.of(Blkmq.version(), result, endMillis);
            }

            @Override
            public boolean hasErrors() {
                return result.hasErrors();
            }
        };
    }

    private Outcome compare(List<JobSpec> jobs, RunControl control, ProgressLine progress)
            throws UsageException, IOException {
        if (compareSlices < 1) {
            throw new UsageException("--compare-slices " + compareSlices + ": at least 1 is needed");
        }
        Map<String, Backing> attached = attachments();
        ImageRequest images = new ImageRequest(compareDirectory, 0, 0);
        Comparer comparer = new Comparer(jobs, compareSlices, images, html != null, control, progress);
        RunPlan.of(jobs, new RunPlan.Setup(attached, 0, images, html != null));
        Comparison comparison = attached.isEmpty()
                ? comparer.onNewImage(comparer.imageBytes(compareBytes()))
                : comparer.onFile(attached.values().iterator().next());
        return new Outcome() {
            @Override
            public List<String> notes() {
                return comparison.ways().stream().flatMap(way -> way.result().notes().stream()).distinct().toList();
            }

            @Override
            public void print(TextReport report) {
                comparison.ways().forEach(way -> report.way(way));
                report.comparison(comparison);
            }

            @Override
            public String machine(String format, long endMillis) {
                return format.equals("terse")
                        ? comparison.ways().stream().map(way -> TerseReport.of(Blkmq.version(), way.result()))
                                .collect(Collectors.joining())
                        : JsonReport.of(Blkmq.version(), comparison, endMillis, format.equals("json+"));
            }

            @Override
            public String page(long endMillis) {
                return HtmlReport.of(Blkmq.version(), comparison, endMillis);
            }

            @Override
            public boolean hasErrors() {
                return comparison.hasErrors();
            }
        };
    }

    private long compareBytes() throws UsageException {
        long bytes = option("--compare-size", compareSize, Quantity::bytes);
        if (bytes < IMAGE_BYTES_MIN) {
            throw new UsageException(
                    "--compare-size " + compareSize + ": at least " + IMAGE_BYTES_MIN + " bytes are needed");
        }
        return bytes;
    }

    /** Makes an amount of a text. */
    private interface Parser {
        long parse(String text);
    }

    private static long option(String name, String text, Parser parser) throws UsageException {
        try {
            return parser.parse(text);
        } catch (IllegalArgumentException e) {
            throw new UsageException(name + " " + text + ": " + e.getMessage(), e);
        }
    }
}
