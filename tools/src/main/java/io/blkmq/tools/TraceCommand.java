package io.blkmq.tools;

import io.blkmq.core.Operation;
import io.blkmq.testkit.disk.TraceReplay;
import io.blkmq.testkit.disk.TraceSummary;
import io.blkmq.tools.device.Backing;
import io.blkmq.tools.device.Device;
import io.blkmq.tools.job.EngineName;
import io.blkmq.tools.job.UsageException;
import io.blkmq.tools.trace.ReplayDevice;
import io.blkmq.tools.trace.TraceListing;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.AccessDeniedException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.EnumSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** Prints, summarises and replays traces of disks. */
@Command(name = "trace", mixinStandardHelpOptions = true, versionProvider = Blkmq.Version.class, subcommands = {
        TraceCommand.Print.class, TraceCommand.Summary.class,
        TraceCommand.Replay.class}, description = "Prints, summarises and replays what a TraceRecorder of blkmq-testkit has recorded.", footer = {
                "", "Examples:", "  blkmq trace summary run.trace", "  blkmq trace print --limit 20 run.trace",
                "  blkmq trace replay --attach mem:1g run.trace", "",
                "Exit status: 0 all went well, 1 I/O errors, 2 usage."})
final class TraceCommand implements Runnable {
    @Spec
    private CommandSpec spec = CommandSpec.create();

    /** For picocli. */
    TraceCommand() {}

    @Override
    public void run() {
        throw new ParameterException(spec.commandLine(), "a command is needed: print, summary or replay");
    }

    /** Does something with a trace. */
    private interface Work {
        void run() throws IOException, InterruptedException, UsageException;
    }

    /** What is wrong with a file is the user's to know, in one line. */
    private static void onTrace(Path file, Work work) throws UsageException, IOException, InterruptedException {
        try {
            work.run();
        } catch (NoSuchFileException e) {
            throw new UsageException(file + ": there is no such file", e);
        } catch (AccessDeniedException e) {
            throw new UsageException(file + ": access is denied", e);
        } catch (IllegalArgumentException e) {
            throw new UsageException(String.valueOf(e.getMessage()), e);
        }
    }

    /** Prints the bios. */
    @Command(name = "print", mixinStandardHelpOptions = true, versionProvider = Blkmq.Version.class, sortOptions = false, description = "Prints the bios of a trace in the order in which they were submitted.")
    static final class Print implements Callable<Integer> {
        @Spec
        private CommandSpec spec = CommandSpec.create();

        @Parameters(index = "0", paramLabel = "FILE", description = "The trace.")
        private Path file = Path.of("");

        @Option(names = "--limit", paramLabel = "N", defaultValue = "0", description = "Print at most N bios; 0 for all (${DEFAULT-VALUE}).")
        private long limit;

        @Option(names = "--operation", paramLabel = "NAME", split = ",", description = "Only these: ${COMPLETION-CANDIDATES}.")
        private List<Operation> operations = List.of();

        /** For picocli. */
        Print() {}

        @Override
        public Integer call() throws UsageException, IOException, InterruptedException {
            if (limit < 0) {
                throw new UsageException("--limit " + limit + ": 0 or more is possible");
            }
            Set<Operation> listed = operations.isEmpty() ? EnumSet.allOf(Operation.class) : EnumSet.copyOf(operations);
            onTrace(file, () -> new TraceListing(listed, limit).print(file, spec.commandLine().getOut()));
            return Blkmq.OK;
        }
    }

    /** Adds up. */
    @Command(name = "summary", mixinStandardHelpOptions = true, versionProvider = Blkmq.Version.class, description = "Prints counts, sizes, latencies, depth, and how much of a trace is sequential.")
    static final class Summary implements Callable<Integer> {
        @Spec
        private CommandSpec spec = CommandSpec.create();

        @Parameters(index = "0", paramLabel = "FILE", description = "The trace.")
        private Path file = Path.of("");

        /** For picocli. */
        Summary() {}

        @Override
        public Integer call() throws UsageException, IOException, InterruptedException {
            onTrace(file, () -> spec.commandLine().getOut().println(TraceSummary.of(file)));
            return Blkmq.OK;
        }
    }

    /** Submits the bios again. */
    @Command(name = "replay", mixinStandardHelpOptions = true, versionProvider = Blkmq.Version.class, sortOptions = false, description = "Submits the bios of a trace to another device.", footer = {
            "",
            "BACKING is a PATH, mem:SIZE, null:SIZE, an image on Ceph (rbd:POOL/IMAGE) or the export of an NBD server",
            "(nbd://HOST[:PORT]/EXPORT), with options behind commas, as for blkmq run.",
            "A trace has no data: writes write a pattern."})
    static final class Replay implements Callable<Integer> {
        private static final double NANOS_PER_SECOND = 1e9;
        private static final double NANOS_PER_MICRO = 1e3;

        @Spec
        private CommandSpec spec = CommandSpec.create();

        @Parameters(index = "0", paramLabel = "FILE", description = "The trace.")
        private Path file = Path.of("");

        @Option(names = "--attach", paramLabel = "BACKING", required = true, description = "What is behind the device.")
        private String attach = "";

        @Option(names = "--timed", description = "At the times of the trace; else as fast as it goes.")
        private boolean timed;

        @Option(names = "--depth", paramLabel = "N", defaultValue = "32", description = "The most bios in flight (${DEFAULT-VALUE}).")
        private int depth;

        @Option(names = "--ioengine", paramLabel = "NAME", defaultValue = "psync", description = "How a file is read and written, as for blkmq run (${DEFAULT-VALUE}).")
        private String engine = "psync";

        @Option(names = "--direct", description = "Past the page cache.")
        private boolean direct;

        @Option(names = "--overwrite", description = "The writes of the trace may overwrite the file.")
        private boolean overwrite;

        /** For picocli. */
        Replay() {}

        @Override
        public Integer call() throws UsageException, IOException, InterruptedException {
            boolean[] errors = new boolean[1];
            onTrace(file, () -> errors[0] = replay());
            return errors[0] ? Blkmq.IO_ERRORS : Blkmq.OK;
        }

        /** Returns whether there were errors. */
        private boolean replay() throws UsageException, IOException, InterruptedException {
            TraceReplay replay = TraceReplay.of(file).depth(depth);
            Backing backing = Backing.parse(attach);
            ReplayDevice.requireMayWrite(backing, TraceSummary.of(file), overwrite);
            try (Device device = ReplayDevice.open(backing, EngineName.parse(engine), direct, depth,
                    overwrite || !backing.hasDataBefore())) {
                TraceReplay.Result result = (timed ? replay.timed() : replay).run(device.disk());
                print(device, result);
                return result.failed() > 0;
            }
        }

        private void print(Device device, TraceReplay.Result result) {
            PrintWriter out = spec.commandLine().getOut();
            out.println(device);
            out.println(String.format(Locale.ROOT, "%d bios and %d bytes in %.6f s, %.0f bios a second",
                    result.submitted(), result.bytes(), result.nanos() / NANOS_PER_SECOND,
                    result.submitted() * NANOS_PER_SECOND / Math.max(1, result.nanos())));
            if (timed) {
                out.println(String.format(Locale.ROOT, "at most %.1f us late", result.lateNanos() / NANOS_PER_MICRO));
            }
            if (result.skipped() > 0) {
                out.println(result.skipped() + " bios skipped: the device has no such operation");
            }
            if (result.failed() > 0) {
                out.println(result.failed() + " bios failed");
            }
        }
    }
}
