package io.blkmq.tools;

import java.util.concurrent.Callable;
import picocli.AutoComplete;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** Prints what a shell needs to complete the command's words. */
@Command(name = "completion", mixinStandardHelpOptions = true, versionProvider = Blkmq.Version.class, description = "Prints a script that completes the words of blkmq in a shell.", footer = {
        "", "Examples:", "  source <(blkmq completion bash)",
        "  blkmq completion zsh > ~/.blkmq-completion; echo 'source ~/.blkmq-completion' >> ~/.zshrc"})
final class CompletionCommand implements Callable<Integer> {
    @Spec
    private CommandSpec spec = CommandSpec.create();

    /** A shell whose words can be completed. */
    enum Shell {
        /** GNU Bash. */
        bash,
        /** The Z shell, by its functions for those of Bash. */
        zsh
    }

    @Parameters(index = "0", paramLabel = "SHELL", description = "${COMPLETION-CANDIDATES}")
    private Shell shell = Shell.bash;

    /** For picocli. */
    CompletionCommand() {}

    @Override
    public Integer call() {
        String script = AutoComplete.bash("blkmq", spec.root().commandLine());
        if (shell == Shell.zsh) {
            spec.commandLine().getOut().println("autoload -U +X compinit && compinit");
            spec.commandLine().getOut().println("autoload -U +X bashcompinit && bashcompinit");
        }
        spec.commandLine().getOut().println(script);
        return Blkmq.OK;
    }
}
