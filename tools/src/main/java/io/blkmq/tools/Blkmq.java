package io.blkmq.tools;

import io.blkmq.tools.job.UsageException;
import java.io.BufferedOutputStream;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.OutputStreamWriter;
import java.io.PrintWriter;
import java.lang.module.ModuleDescriptor;
import java.nio.charset.StandardCharsets;
import java.util.Optional;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.IVersionProvider;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ScopeType;
import picocli.CommandLine.Spec;

/**
 * The {@code blkmq} command. Exit status: 0 if all went well, 1 for I/O or verification errors, 2 if what was asked for makes no
 * sense or cannot be had.
 */
@Command(name = "blkmq", mixinStandardHelpOptions = true, versionProvider = Blkmq.Version.class, subcommands = {
        RunCommand.class, ServeCommand.class, TraceCommand.class, EnginesCommand.class, InfoCommand.class,
        LsCommand.class, IostatCommand.class, DumpCommand.class,
        CompletionCommand.class}, description = "Block devices in user space: blk-mq and the loop driver on the JVM.", footer = {
                "", "Examples:", "  blkmq run docs/jobs/randread.fio", "  blkmq run --help", "",
                "Exit status: 0 all went well, 1 I/O or verification errors, 2 usage."})
public final class Blkmq implements Runnable {
    static final int OK = 0;
    static final int IO_ERRORS = 1;
    static final int USAGE = 2;

    private static final String STACKTRACE_PROPERTY = "blkmq.stacktrace";

    @Spec
    private CommandSpec spec = CommandSpec.create();

    @Option(names = "--stacktrace", scope = ScopeType.INHERIT, description = "Print where in the code an error comes from.")
    private boolean stacktrace;

    /** For picocli. */
    Blkmq() {}

    /** Runs the command and ends the process. */
    public static void main(String[] arguments) {
        PrintWriter out = new PrintWriter(new OutputStreamWriter(
                // Unlike System.out it tells what cannot be written.
                new BufferedOutputStream(new FileOutputStream(FileDescriptor.out)), StandardCharsets.UTF_8));
        PrintWriter err = new PrintWriter(new OutputStreamWriter(System.err, StandardCharsets.UTF_8), true);
        System.exit(execute(out, err, arguments));
    }

    /** Runs the command, and returns its exit status. */
    static int execute(PrintWriter out, PrintWriter err, String... arguments) {
        RunCommand plain = PlainLine.read(arguments);
        int status = plain != null ? run(plain, out, err) : executeAny(out, err, arguments);
        // Each command's: a listing that was cut short is none.
        if (out.checkError() && status == OK) {
            err.println("blkmq: failed: standard output cannot be written; is it full, or closed?");
            status = IO_ERRORS;
        }
        err.flush();
        return status;
    }

    /** Runs what was read without picocli, which is not loaded then. */
    private static int run(RunCommand command, PrintWriter out, PrintWriter err) {
        try {
            return command.call(out, err);
        } catch (Exception failure) {
            return fail(failure, err, false);
        }
    }

    private static int executeAny(PrintWriter out, PrintWriter err, String... arguments) {
        CommandLine command = new CommandLine(new Blkmq());
        command.setOut(out).setErr(err);
        command.setParameterExceptionHandler(Blkmq::refuse);
        command.setExecutionExceptionHandler(Blkmq::fail);
        return command.execute(arguments);
    }

    @Override
    public void run() {
        throw new ParameterException(spec.commandLine(),
                "a command is needed: run, serve, trace, ls, iostat, dump, engines, info or completion");
    }

    private static int refuse(ParameterException refused, String[] arguments) {
        CommandLine command = refused.getCommandLine();
        tell(command.getErr(), refused.getMessage() + " (try " + command.getCommandSpec().qualifiedName() + " --help)",
                refused, isStacktraceAsked(command));
        return USAGE;
    }

    private static int fail(Exception failure, CommandLine command, CommandLine.ParseResult parsed) {
        return fail(failure, command);
    }

    /** Tells why a command failed, and returns the status that is for that. */
    static int fail(Exception failure, CommandLine command) {
        return fail(failure, command.getErr(), isStacktraceAsked(command));
    }

    /** Tells why a command failed, and returns the status that is for that. */
    static int fail(Exception failure, PrintWriter err, boolean stacktrace) {
        boolean usage = failure instanceof UsageException;
        tell(err, usage ? String.valueOf(failure.getMessage()) : "failed: " + failure, failure, stacktrace);
        return usage ? USAGE : IO_ERRORS;
    }

    private static boolean isStacktraceAsked(CommandLine command) {
        return ((Blkmq) command.getCommandSpec().root().userObject()).stacktrace;
    }

    private static void tell(PrintWriter err, String message, Exception why, boolean stacktrace) {
        message.lines().forEach(line -> err.println("blkmq: " + line));
        if (stacktrace || Boolean.getBoolean(STACKTRACE_PROPERTY)) {
            why.printStackTrace(err);
        }
        err.flush();
    }

    /** The version, as the module's descriptor has it. */
    static String version() {
        return Optional.ofNullable(Blkmq.class.getModule().getDescriptor()).flatMap(ModuleDescriptor::rawVersion)
                .orElse("unpackaged");
    }

    /** Tells picocli the version. */
    static final class Version implements IVersionProvider {
        /** For picocli. */
        Version() {}

        @Override
        public String[] getVersion() {
            return new String[]{"blkmq " + version(), "Java " + Runtime.version()};
        }
    }
}
