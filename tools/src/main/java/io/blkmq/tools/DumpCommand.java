package io.blkmq.tools;

import io.blkmq.core.counters.CountersReader;
import io.blkmq.tools.job.UsageException;
import io.blkmq.tools.observe.Processes;
import java.io.IOException;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** Shows the state of a device of another process. */
@Command(name = "dump", mixinStandardHelpOptions = true, versionProvider = Blkmq.Version.class, description = "Shows the state of a device of another JVM: contexts, held tags, what waits where, and each request in flight with its age.", footer = {
        "",
        "The JVM is asked, and answers on a thread of its own; its I/O goes on. It has to have its counters in a file",
        "(see blkmq iostat --help).", "", "Examples:", "  blkmq ls", "  blkmq dump 4711 loop0", "",
        "Exit status: 0 all went well, 1 the JVM does not answer, or has no such device, 2 usage."})
final class DumpCommand implements Callable<Integer> {
    @Spec
    private CommandSpec spec = CommandSpec.create();

    @Parameters(index = "0", paramLabel = "PID", description = "Which JVM.")
    private long pid;

    @Parameters(index = "1", paramLabel = "DEVICE", description = "Which of its devices.")
    private String device = "";

    /** For picocli. */
    DumpCommand() {}

    @Override
    public Integer call() throws UsageException, IOException {
        List<CountersReader> readers = Processes.ofThisUser(_ -> {}).open("" + pid);
        try (CountersReader reader = readers.getFirst()) {
            if (!reader.isAlive()) {
                throw new IOException("process " + pid + " is dead; blkmq iostat " + pid + " shows its last counters");
            }
            // The state names devices of another process: nothing in it may change the terminal.
            spec.commandLine().getOut().print(reader.dump(device).replaceAll("[\\p{Cc}&&[^\\n]]", "?"));
            return Blkmq.OK;
        }
    }
}
