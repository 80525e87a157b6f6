package io.blkmq.tools.job;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Keys of jobs among the arguments: which words are values, and which are not. */
class JobOptionsTest {
    private static final String FILE = "[a]\nsize=1m\n";

    private final JobOptions options = new JobOptions();

    /** The words that are no keys of jobs. */
    private List<String> take(String line) {
        Deque<String> words = new ArrayDeque<>(Arrays.asList(line.split(" ")));
        List<String> others = new ArrayList<>();
        while (!words.isEmpty()) {
            String word = words.pop();
            if (!options.take(word, words)) {
                others.add(word);
            }
        }
        return others;
    }

    private List<JobSpec> jobs(boolean file) throws UsageException {
        return options.jobs(file ? List.of(new JobText("t.fio", FILE)) : List.of(), Set.of());
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {"--direct 1 x.fio|x.fio|direct=1", "--direct 0|''|direct=0",
            "--direct x.fio|x.fio|direct", "--time_based --runtime 4|''|time_based runtime=4",
            "--runtime --rw=write|''|runtime rw=write", "--rw write --bs|''|rw=write bs",
            "--offset_increment=--1 a b|a b|offset_increment=--1", "--thread 1 x.fio|x.fio|thread=1",
            "-direct 1 x.fio|x.fio|direct=1", "-rw=read -thread -V -|-V -|rw=read thread",
            "--runtime -rw=write|''|runtime rw=write", "--offset_increment -1 -h|-h|offset_increment=-1"})
    void aWordIsAValueUnlessItIsAnOptionOrTheKeyIsAFlag(String line, String others, String taken) {
        assertThat(String.join(" ", take(line))).isEqualTo(others);
        assertThat(String.join(" ", options.lines())).isEqualTo(taken);
    }

    @ParameterizedTest
    @CsvSource({"--runtime", "--rw=write --runtime", "--runtime --rw=write"})
    void aKeyWithoutItsValueIsRefused(String line) {
        take(line);
        assertThatExceptionOfType(UsageException.class).isThrownBy(() -> jobs(true))
                .withMessageStartingWith("--runtime: runtime needs a value").withMessageContaining("behind =");
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {"--name=a --runtime|--runtime: runtime needs a value",
            "--name --rw=write|--name: name needs a value", "--name=a --size=1m --bs --rw=write|--bs: bs needs a value",
            "--name=a --kb_base=1000|--kb_base: kb_base: "})
    void soItIsInAJobOfOptions(String line, String message) {
        take(line);
        assertThatExceptionOfType(UsageException.class).isThrownBy(() -> jobs(false)).withMessageStartingWith(message);
    }

    @Test
    void aLogAloneHasTheNameOfItsJob() throws UsageException {
        take("--write_bw_log --rw=write --write_lat_log");
        JobSpec job = jobs(true).getFirst();
        assertThat(job.optional(Key.WRITE_BW_LOG)).contains("");
        assertThat(job.optional(Key.WRITE_LAT_LOG)).contains("");
        assertThat(job.accessPattern()).isEqualTo(AccessPattern.WRITE);
    }

    @Test
    void aValueThatWouldHaveAnEffectIsRefused() {
        take("--kb_base=1000");
        assertThatExceptionOfType(UsageException.class).isThrownBy(() -> jobs(true))
                .withMessageStartingWith("--kb_base: kb_base: ").withMessageContaining("only 1024");
    }

    @Test
    void aFlagAloneIsYesAndTakesANumberBehindIt() throws UsageException {
        take("--direct --time_based 0 --norandommap 1");
        JobSpec job = jobs(true).getFirst();
        assertThat(job.isDirect()).isTrue();
        assertThat(job.flag(Key.TIME_BASED)).isFalse();
        assertThat(job.flag(Key.NORANDOMMAP)).isTrue();
    }
}
