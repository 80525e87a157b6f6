package io.blkmq.tools;

import io.blkmq.tools.device.FileReport;
import io.blkmq.tools.job.UsageException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** Tells what a file or device can do. */
@Command(name = "info", mixinStandardHelpOptions = true, versionProvider = Blkmq.Version.class, description = "Tells the size of a file or block device, the alignment of its I/O, and which operations it has. Changes nothing.")
final class InfoCommand implements Callable<Integer> {
    @Spec
    private CommandSpec spec = CommandSpec.create();

    @Parameters(index = "0", paramLabel = "FILE", description = "A file, or a block device.")
    private Path file = Path.of("");

    /** For picocli. */
    InfoCommand() {}

    @Override
    public Integer call() throws UsageException {
        PrintWriter out = spec.commandLine().getOut();
        FileReport.of(file).lines().forEach(out::println);
        return Blkmq.OK;
    }
}
