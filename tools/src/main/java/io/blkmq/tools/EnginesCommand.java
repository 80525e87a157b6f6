package io.blkmq.tools;

import io.blkmq.aio.AioEngineProvider;
import io.blkmq.aio.AioEngines;
import io.blkmq.tools.job.EngineName;
import java.io.PrintWriter;
import java.util.Arrays;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

/** Tells which engines there are, and why one is not. */
@Command(name = "engines", mixinStandardHelpOptions = true, versionProvider = Blkmq.Version.class, description = "Lists the engines of this machine, and why one cannot be used.")
final class EnginesCommand implements Callable<Integer> {
    @Spec
    private CommandSpec spec = CommandSpec.create();

    /** For picocli. */
    EnginesCommand() {}

    @Override
    public Integer call() {
        PrintWriter out = spec.commandLine().getOut();
        String best = AioEngines.best();
        for (AioEngineProvider provider : AioEngines.providers()) {
            String names = Arrays.stream(EngineName.values()).filter(name -> name.aioName().equals(provider.name()))
                    .flatMap(EngineName::names).collect(Collectors.joining(", "));
            out.printf("%-10s %s%s%n", provider.name(),
                    provider.unavailable().map(why -> "cannot be used: " + why).orElse("can be used"),
                    provider.name().equals(best) ? ", the fastest" : "");
            out.printf("%-10s ioengine=%s%n", "", names);
        }
        return Blkmq.OK;
    }
}
