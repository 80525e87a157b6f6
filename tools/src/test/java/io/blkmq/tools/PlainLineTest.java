package io.blkmq.tools;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.testing.RandomSeed;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import picocli.CommandLine;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;

/** What is read without picocli is what picocli reads. */
class PlainLineTest {
    private static final List<String> PIECES = List.of("run", "job.fio", "a b", "--attach", "d=null:1M",
            "--attach=d=null:1M", "--attach=", "--json", "-", "--json=-", "--json=out.json", "--ioengine", "libaio",
            "--ioengine=null", "--runtime", "4", "--runtime=4s", "--compare", "--compare-size=1m", "--help", "-h", "-V",
            "--stacktrace", "--", "@file", "\"quoted\"", "'q'", "", "=", "--runtime==", "--unknown", "--unknown=1",
            "--rw=randread", "--bs", "8k", "--time_based", "--time_based=0", "--name", "--name=a", "--thread", "-j",
            "trace", "--att", "${sys:user.home}", "a,b", "\\");

    @Test
    void whatItReadsPicocliReadsTheSame() {
        long seed = RandomSeed.of(PlainLineTest.class);
        Random random = new Random(seed);
        int read = 0;
        for (int i = 0; i < 15_000; i++) {
            List<String> line = new ArrayList<>(List.of("run"));
            for (int pieces = random.nextInt(7); pieces > 0; pieces--) {
                line.add(PIECES.get(random.nextInt(PIECES.size())));
            }
            String[] arguments = line.toArray(String[]::new);
            RunCommand plain = PlainLine.read(arguments);
            if (plain != null && read++ < 200) {
                assertThat(plain.asked()).as("%s, seed %d", line, seed).isEqualTo(picocli(arguments));
            }
        }
        assertThat(read).as("lines that it read").isGreaterThan(200);
    }

    private static RunCommand.Asked picocli(String... arguments) {
        CommandLine command = new CommandLine(new Blkmq());
        CommandLine.ParseResult parsed = command.parseArgs(arguments);
        return ((RunCommand) parsed.subcommand().commandSpec().userObject()).asked();
    }

    @Test
    void itsOptionsAreThoseOfTheCommandAndTakeOneValue() {
        CommandSpec spec = new CommandLine(new Blkmq()).getSubcommands().get("run").getCommandSpec();
        for (RunCommand.Plain plain : RunCommand.Plain.values()) {
            OptionSpec option = spec.findOption(plain.option());
            assertThat(option).as(plain.option()).isNotNull();
            assertThat(option.names()).containsExactly(plain.option());
            assertThat(option.arity().min()).isEqualTo(1);
            assertThat(option.splitRegex()).isEmpty();
            RunCommand command = new RunCommand();
            assertThat(plain.set(command, "a")).isTrue();
            assertThat(plain.set(command, "b")).as("%s again", plain.option()).isEqualTo(option.isMultiValue());
        }
    }

    @Test
    void itReadsALineWithAllThatItKnows() {
        assertThat(asked("run", "--attach", "a=null:1M", "job.fio", "--json=-", "--attach=b=mem:1M", "--runtime", "4",
                "--ioengine=libaio", "--time_based"))
                .isEqualTo(new RunCommand.Asked(List.of("job.fio"), List.of("a=null:1M", "b=mem:1M"), "-",
                        List.of("runtime=4", "ioengine=libaio", "time_based")));
        assertThat(asked("run", "job.fio"))
                .isEqualTo(new RunCommand.Asked(List.of("job.fio"), List.of(), null, List.of()));
    }

    private static RunCommand.Asked asked(String... arguments) {
        return Objects.requireNonNull(PlainLine.read(arguments)).asked();
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "trace x", "--version", "run", "run --help", "run a b", "run a --json x --json y",
            "run a --json", "run a --attach -x", "run a --compare", "run a --stacktrace", "run @a", "run a --",
            "--stacktrace run a", "run --name=a --size=1m", "run a --unknown 1"})
    void whatIsNotPlainIsLeftToPicocli(String line) {
        String[] arguments = Arrays.stream(line.split(" ")).filter(word -> !word.isEmpty()).toArray(String[]::new);
        assertThat(PlainLine.read(arguments)).isNull();
    }
}
