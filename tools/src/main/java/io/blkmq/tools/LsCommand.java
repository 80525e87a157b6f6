package io.blkmq.tools;

import com.google.gson.Gson;
import io.blkmq.core.counters.CountersReader;
import io.blkmq.core.counters.DeviceCounters;
import io.blkmq.tools.job.UsageException;
import io.blkmq.tools.observe.Processes;
import java.io.IOException;
import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** Lists the devices of other processes. */
@Command(name = "ls", mixinStandardHelpOptions = true, versionProvider = Blkmq.Version.class, description = "Lists the devices of all JVMs of this user that have their counters in a file (see blkmq iostat --help).", footer = {
        "", "A JVM that was killed is listed as dead for an hour, or until --clean.", "", "Examples:", "  blkmq ls",
        "  blkmq ls --json", "", "Exit status: 0 all went well, 1 I/O errors, 2 usage."})
final class LsCommand implements Callable<Integer> {
    private static final String ROW = "%8s %-5s %-16s %14s %-10s %-8s %-18s %-12s %s%n";

    @Spec
    private CommandSpec spec = CommandSpec.create();

    @Option(names = "--json", description = "As JSON.")
    private boolean json;

    @Option(names = "--clean", description = "Removes what dead JVMs have left behind, and lists the others.")
    private boolean clean;

    /** For picocli. */
    LsCommand() {}

    @Override
    public Integer call() throws UsageException, IOException {
        PrintWriter err = spec.commandLine().getErr();
        Processes processes = Processes.ofThisUser(note -> err.println("blkmq: note: " + note));
        List<Map<String, Object>> rows = new ArrayList<>();
        for (CountersReader reader : processes.open(Processes.ALL)) {
            try (reader) {
                if (clean && !reader.isAlive()) {
                    remove(reader, err);
                } else {
                    reader.devices().forEach(device -> rows.add(row(reader, device)));
                    if (reader.leftOut() > 0) {
                        err.println("blkmq: note: process " + reader.pid() + " has " + reader.leftOut()
                                + " more devices, which its file has no place for");
                    }
                }
            }
        }
        print(rows, processes);
        return Blkmq.OK;
    }

    private static void remove(CountersReader reader, PrintWriter err) {
        try {
            reader.remove();
        } catch (IOException e) {
            err.println("blkmq: note: " + reader.file() + " cannot be removed: " + e.getMessage());
        }
    }

    private static Map<String, Object> row(CountersReader reader, DeviceCounters device) {
        DeviceCounters.Identity identity = device.identity();
        Map<String, Object> row = new LinkedHashMap<>();
        row.put("pid", reader.pid());
        row.put("state", reader.isAlive() ? "alive" : "dead");
        row.put("device", identity.name());
        row.put("bytes", identity.sizeBytes());
        row.put("driver", identity.description().driver());
        row.put("elevator", identity.elevator());
        row.put("mode", identity.description().mode());
        row.put("engine", identity.description().engine());
        row.put("backing", identity.description().backing());
        row.put("command", reader.command());
        return row;
    }

    private void print(List<Map<String, Object>> rows, Processes processes) {
        PrintWriter out = spec.commandLine().getOut();
        if (json) {
            out.println(new Gson().toJson(rows));
        } else if (rows.isEmpty()) {
            out.println("no devices in " + processes.directory());
        } else {
            out.printf(Locale.ROOT, ROW, "PID", "STATE", "DEVICE", "BYTES", "DRIVER", "ELEVATOR", "MODE", "ENGINE",
                    "BACKING");
            for (Map<String, Object> row : rows) {
                out.printf(Locale.ROOT, ROW, row.get("pid"), row.get("state"), row.get("device"), row.get("bytes"),
                        row.get("driver"), row.get("elevator"), row.get("mode"), row.get("engine"), row.get("backing"));
            }
        }
    }
}
