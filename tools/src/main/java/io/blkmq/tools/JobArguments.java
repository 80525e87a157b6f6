package io.blkmq.tools;

import io.blkmq.tools.job.JobOptions;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Map;
import java.util.Stack;
import picocli.CommandLine.IParameterPreprocessor;
import picocli.CommandLine.Model.ArgSpec;
import picocli.CommandLine.Model.CommandSpec;

/**
 * Takes the keys of jobs out of the arguments of a command, before picocli sees them: {@code --rw=randread}, {@code --rw randread},
 * {@code --time_based}.
 */
final class JobArguments implements IParameterPreprocessor {
    private static final String OPTION = "--";

    /** For picocli. */
    JobArguments() {}

    @Override
    @SuppressWarnings("JdkObsolete") // picocli's arguments are a Stack
    public boolean preprocess(Stack<String> arguments, CommandSpec command, ArgSpec argument,
            Map<String, Object> info) {
        RunCommand run = (RunCommand) command.userObject();
        Deque<String> others = new ArrayDeque<>();
        while (!arguments.isEmpty()) {
            String word = arguments.pop();
            String name = word.startsWith(OPTION) ? word.substring(OPTION.length()).split("=", 2)[0] : "";
            if (!JobOptions.isKey(name)) {
                others.push(word);
                continue;
            }
            int equals = word.indexOf('=');
            String value = equals >= 0
                    ? word.substring(equals + 1)
                    : JobOptions.isFlag(name) || arguments.isEmpty() ? "" : arguments.pop();
            run.jobOptions().add(name, equals < 0 && value.isEmpty() ? null : value);
        }
        // What picocli takes first lies on top.
        others.forEach(arguments::push);
        return false;
    }
}
