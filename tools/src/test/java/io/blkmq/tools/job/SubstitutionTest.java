package io.blkmq.tools.job;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.blkmq.testing.Command;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What stands for variables and facts of the machine, by those of a machine of the test. */
class SubstitutionTest {
    private static final Machine MACHINE = new Machine(16_384, 3000, 6);

    private static String in(String line) throws UsageException {
        return Substitution.in(line, new Location("t.fio", 1), name -> name.equals("X") ? "2*3" : "", MACHINE);
    }

    @ParameterizedTest
    @CsvSource({"size=8*$mb_memory, size=24000", "bs=$pagesize, bs=16384", "iodepth=$ncpus*4-1, iodepth=23",
            "size=$pagesize+$pagesize/2, size=24576", "size=2*($pagesize - 4) / 3, size=10920",
            "size = 2 * $pagesize, size =32768", "size=${X}, size=2*3", "bs=${X}*$ncpus, bs=36",
            "filename=/dev/$ncpus-a, filename=/dev/6-a", "bssplit=$pagesize/50:4k/50, bssplit=16384/50:4k/50",
            "bsrange=4k-$pagesize, bsrange=4k-16384", "size=4*4, size=4*4"})
    void aFactIsANumberAndMayBePartOfAFormula(String line, String replaced) throws UsageException {
        assertThat(in(line)).isEqualTo(replaced);
    }

    @ParameterizedTest
    @CsvSource({"size=$pagesize/0, by zero", "size=$pagesize*, a number is missing", "size=($pagesize, ) is missing",
            "size=$pagesize*9223372036854775807, overflow", "size=$pagesize 4, is no formula", "a=${X, has no }"})
    void aFormulaThatIsNoneIsRefused(String line, String why) {
        assertThatExceptionOfType(UsageException.class).isThrownBy(() -> in(line)).withMessageStartingWith("t.fio:1: ")
                .withMessageContaining(why);
    }

    @Test
    void theFactsAreThoseOfTheSystem() throws Exception {
        Command.require("getconf");
        assumeTrue(Files.exists(Path.of("/proc/meminfo")), "the memory of a Linux system");
        Machine here = Machine.here();
        assertThat(here.pageBytes()).isEqualTo(Long.parseLong(Command.run("", "getconf", "PAGESIZE").strip()));
        long pages = Long.parseLong(Command.run("", "getconf", "_PHYS_PAGES").strip());
        assertThat(here.memoryMib()).isEqualTo((pages * here.pageBytes()) >> 20);
    }
}
