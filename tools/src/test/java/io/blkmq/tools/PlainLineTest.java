package io.blkmq.tools;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.testing.RandomSeed;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import picocli.CommandLine;

/** What is read without picocli is what picocli reads. */
class PlainLineTest {
    private static final List<String> PIECES = List.of("run", "job.fio", "a b", "--attach", "d=null:1M",
            "--attach=d=null:1M", "--attach=", "--json", "-", "--json=-", "--json=out.json", "--ioengine", "libaio",
            "--ioengine=null", "--runtime", "4", "--runtime=4s", "--compare", "--compare-size=1m", "--help", "-h", "-V",
            "--stacktrace", "--", "@file", "\"quoted\"", "'q'", "", "=", "--runtime==", "--unknown", "--unknown=1",
            "-j", "trace", "--att", "${sys:user.home}", "a,b", "\\");

    @Test
    void whatItReadsPicocliReadsTheSame() {
        long seed = RandomSeed.of(PlainLineTest.class);
        Random random = new Random(seed);
        int read = 0;
        for (int i = 0; i < 100_000; i++) {
            List<String> line = new ArrayList<>(List.of("run"));
            for (int pieces = random.nextInt(7); pieces > 0; pieces--) {
                line.add(PIECES.get(random.nextInt(PIECES.size())));
            }
            String[] arguments = line.toArray(String[]::new);
            RunCommand.Asked asked = PlainLine.read(arguments);
            if (asked != null && read++ < 3_000) {
                assertThat(asked).as("%s, seed %d", line, seed).isEqualTo(picocli(arguments));
            }
        }
        assertThat(read).as("lines that it read").isGreaterThan(1_000);
    }

    private static RunCommand.Asked picocli(String... arguments) {
        CommandLine command = new CommandLine(new Blkmq());
        CommandLine.ParseResult parsed = command.parseArgs(arguments);
        return ((RunCommand) parsed.subcommand().commandSpec().userObject()).asked();
    }

    @Test
    void itReadsALineWithAllThatItKnows() {
        assertThat(PlainLine.read("run", "--attach", "a=null:1M", "job.fio", "--json=-", "--attach=b=mem:1M",
                "--runtime", "4", "--ioengine=libaio")).isEqualTo(
                        new RunCommand.Asked(Path.of("job.fio"), List.of("a=null:1M", "b=mem:1M"), "-", "libaio", "4"));
        assertThat(PlainLine.read("run", "job.fio"))
                .isEqualTo(new RunCommand.Asked(Path.of("job.fio"), List.of(), null, null, null));
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "trace x", "--version", "run", "run --help", "run a b", "run a --json x --json y",
            "run a --json", "run a --attach -x", "run a --compare", "run a --stacktrace", "run @a", "run a --",
            "--stacktrace run a", "run a --runtime= ", "run a --unknown 1"})
    void whatIsNotPlainIsLeftToPicocli(String line) {
        String[] arguments = Arrays.stream(line.split(" ")).filter(word -> !word.isEmpty()).toArray(String[]::new);
        assertThat(PlainLine.read(arguments)).isNull();
    }
}
