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
    /** For picocli. */
    JobArguments() {}

    @Override
    @SuppressWarnings("JdkObsolete") // picocli's arguments are a Stack
    public boolean preprocess(Stack<String> arguments, CommandSpec command, ArgSpec argument,
            Map<String, Object> info) {
        RunCommand run = (RunCommand) command.userObject();
        Deque<String> words = new ArrayDeque<>();
        while (!arguments.isEmpty()) {
            words.add(arguments.pop());
        }
        Deque<String> others = new ArrayDeque<>();
        while (!words.isEmpty()) {
            String word = words.pop();
            if (!run.jobOptions().take(word, words)) {
                others.push(word);
            }
        }
        // What picocli takes first lies on top.
        others.forEach(arguments::push);
        return false;
    }
}
