package io.blkmq.tools.job;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class JobFileTest {
    /** The job at the end of the patch series of 2014, letter by letter. */
    private static final String OF_2014 = """
        [global]
        direct=1
        size=32G
        bsrange=4k-4k
        timeout=20
        numjobs=1
        ioengine=libaio
        iodepth=64
        filename=/dev/loop0
        group_reporting=1

        [f]
        rw=randread
        """;

    private static JobSpec only(String text) throws UsageException {
        List<JobSpec> jobs = JobFile.parse("t.fio", text);
        assertThat(jobs).hasSize(1);
        return jobs.getFirst();
    }

    @Test
    void theJobOf2014IsAcceptedAsItStands() throws UsageException {
        JobSpec job = only(OF_2014);
        requireJobOf2014(job);
        assertThat(job.size()).contains(new Extent(32L << 30, false));
    }

    @Test
    void theJobFileOfTheRepositoryHasItsParametersAndASizeThatIsWrittenFirst() throws UsageException {
        JobSpec ours = JobFile.read(Path.of("../docs/jobs/loop-randread.fio")).getFirst();
        assertThat(ours.options()).isEqualTo(only(OF_2014.replace("size=32G", "size=1G")).options());
        requireJobOf2014(ours);
    }

    private static void requireJobOf2014(JobSpec job) {
        assertThat(job.name()).isEqualTo("f");
        assertThat(job.isDirect()).isTrue();
        assertThat(job.blockSizes(Direction.READ)).isEqualTo(BlockSizes.fixed(4096));
        assertThat(job.runtimeNanos()).isEqualTo(TimeUnit.SECONDS.toNanos(20));
        assertThat(job.isTimeBased()).isFalse();
        assertThat(job.clones()).isEqualTo(1);
        assertThat(job.engine()).isEqualTo(EngineName.LIBAIO);
        assertThat(job.depth()).isEqualTo(64);
        assertThat(job.deviceNames(0)).containsExactly("/dev/loop0");
        assertThat(job.isGroupReporting()).isTrue();
        assertThat(job.accessPattern()).isEqualTo(AccessPattern.RANDREAD);
        assertThat(job.mayRepeatOffsets()).isFalse();
        assertThat(job.isClockReduced()).isFalse();
    }

    @Test
    void whatIsNotMentionedHasFiosDefault() throws UsageException {
        JobSpec job = only("[a]\n");
        assertThat(job.accessPattern()).isEqualTo(AccessPattern.READ);
        assertThat(job.engine()).isEqualTo(EngineName.PSYNC);
        assertThat(job.depth()).isEqualTo(1);
        assertThat(job.blockSizes(Direction.READ).min()).isEqualTo(4096);
        assertThat(job.isDirect()).isFalse();
        assertThat(job.size()).isEmpty();
        assertThat(job.runtimeNanos()).isZero();
        assertThat(job.workers()).isEmpty();
        assertThat(job.flag(Key.DO_VERIFY)).isTrue();
        assertThat(job.isVerified()).isFalse();
        assertThat(job.deviceNames(0)).containsExactly("a.0.0");
        assertThat(job.deviceNames(3)).containsExactly("a.3.0");
    }

    @Test
    void globalSectionsHoldForTheJobsAfterThemAndAddUp() throws UsageException {
        List<JobSpec> jobs = JobFile.parse("t.fio", """
            [global]
            iodepth=2
            size=1m
            [a]
            [b]
            iodepth=3
            [global]
            iodepth=4
            [c]
            """);
        assertThat(jobs).extracting(JobSpec::name).containsExactly("a", "b", "c");
        assertThat(jobs).extracting(JobSpec::depth).containsExactly(2, 3, 4);
        assertThat(jobs).allMatch(job -> job.size().isPresent());
    }

    @Test
    void commentsBlankLinesAndSpacesAreNothing() throws UsageException {
        JobSpec job = only("; c\n# c\n\n  [ a ]  \n\t iodepth = 7 ; seven\nrw=randrw # mixed\r\n");
        assertThat(job.name()).isEqualTo("a");
        assertThat(job.depth()).isEqualTo(7);
        assertThat(job.accessPattern()).isEqualTo(AccessPattern.RANDRW);
    }

    @Test
    void aFlagMayStandAlone() throws UsageException {
        JobSpec job = only("[a]\nruntime=1\ntime_based\nnorandommap\ngroup_reporting\ngtod_reduce\ndirect\n");
        assertThat(job.isTimeBased()).isTrue();
        assertThat(job.mayRepeatOffsets()).isTrue();
        assertThat(job.isGroupReporting()).isTrue();
        assertThat(job.isClockReduced()).isTrue();
        assertThat(job.isDirect()).isTrue();
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {"bs=8k|8192 8192 8192", "bs=4k,8k|4096 8192 8192", "bs=,8k|4096 8192 8192",
            "bs=8k,|8192 4096 4096", "bs=8k,16k,|8192 16384 4096", "bs=4k,8k,16k|4096 8192 16384",
            "bs=0x1000|4096 4096 4096", "blocksize=512|512 512 512", "bsrange=1k-4k|1024-4096 1024-4096 1024-4096",
            "bsrange=4k-1k|1024-4096 1024-4096 1024-4096", "bsrange=1k:4k,2k-8k|1024-4096 2048-8192 2048-8192",
            "bsrange=1k-4k/2k-8k|1024-4096 2048-8192 2048-8192",
            // The range goes before the size, whichever comes last.
            "bsrange=1k-4k~bs=16k|1024-4096 1024-4096 1024-4096", "bs=16k~bsrange=1k-4k|1024-4096 1024-4096 1024-4096",
            "bssplit=4k/50:1k/:32k/|1024-32768 1024-32768 1024-32768"})
    void blockSizesAreForReadsWritesAndTrims(String lines, String expected) throws UsageException {
        JobSpec job = only("[a]\n" + lines.replace('~', '\n'));
        assertThat(Stream.of(Direction.values()).map(job::blockSizes)
                .map(sizes -> sizes.isFixed() ? "" + sizes.min() : sizes.min() + "-" + sizes.max())
                .collect(Collectors.joining(" "))).isEqualTo(expected);
    }

    @ParameterizedTest
    @CsvSource({"randread, 100", "write, 0", "rw, 30", "readwrite, 30", "randrw, 30"})
    void theMixIsForMixedJobsOnly(String pattern, int readPercent) throws UsageException {
        assertThat(only("[a]\nrwmixread=30\nreadwrite=" + pattern).readPercent()).isEqualTo(readPercent);
    }

    @ParameterizedTest
    @ValueSource(strings = {"runtime=5", "timeout=5", "timeout=5s", "runtime=5000ms"})
    void timeoutIsAnotherNameOfRuntime(String line) throws UsageException {
        assertThat(only("[a]\n" + line).runtimeNanos()).isEqualTo(TimeUnit.SECONDS.toNanos(5));
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {"nosuchkey=1|unknown key \"nosuchkey\"",
            "ioengin=psync|unknown key \"ioengin\"; is it ioengine?", "BS=4k|unknown key \"BS\"",
            "rw=erase|rw=erase: \"erase\" is not known; possible are read, write",
            "read_iolog=x|read_iolog: replays a log of fio; record", "ioengine=rados|is about objects of Ceph",
            "ioscheduler=cfq|ioscheduler=cfq: unknown elevator 'cfq': there are [none, kyber, mq-deadline]",
            "ioengine=spdk|ioengine=spdk: \"spdk\" is not known; possible are io_uring, libaio, posixaio",
            "iodepth=0|iodepth=0: 1 to 10240 are possible", "iodepth=10241|iodepth=10241: 1 to 10240 are possible",
            "iodepth=-1|is negative", "iodepth|iodepth needs a value", "iodepth=|a number is needed",
            "numjobs=0|1 to 1024 are possible", "rwmixread=101|0 to 100 are possible",
            "bs=0|1 to 67108864 are possible", "bs=1g|1 to 67108864 are possible",
            "bs=4k,4k,4k,4k|values for reads, writes and trims are possible", "bs=abc|a size like",
            "bssplit=4k/50|add up to 50", "bssplit=4k/60:8k/50|add up to 110", "bsrange=4k|a range like",
            "size=0|at least one block", "size=-1|is negative", "size=1x|unknown unit",
            "size=101%|0 to 100 are possible", "offset=-512|is negative", "runtime=5y|unknown unit",
            "direct=2|0 and 1 are possible", "direct=yes|0 and 1 are possible", "verify=adler|possible are crc32c",
            "include x.fio|there is no such job file", "random_distribution=zipf:1|a theta above 0 that is not 1",
            "startdelay=soon|a time like", "percentile_list=50:101|101.00: above 0 up to 100",
            "buffer_pattern=0x|hexadecimal digits are needed", "randseed=x|a number of 64 bits",
            "filename=|a name is needed", "filename=a::b|a name is needed", "fsync=-1|is negative",
            "workers=0|workers=0: 1 to 1024 are possible", "workers=1025|1 to 1024 are possible",
            "iodepth_batch_submit=99999|0 to 10240 are possible", "random_distribution=zipf:1e999|a theta above 0",
            "random_distribution=zipf:NaN|a theta above 0", "random_distribution=normal:NaN|a deviation from 0 to 100",
            "random_distribution=pareto:NaN|a power", "random_distribution=zipf:1.2:-1|a place from 0 to 1",
            "random_distribution=zipf:1.2:NaN|a place from 0 to 1",
            "random_distribution=normal:5:1.1|a place from 0 to 1", "latency_percentile=NaN|0 to 100 is possible",
            "latency_percentile=200|0 to 100 is possible", "latency_percentile=-1|0 to 100 is possible",
            "latency_percentile=x|is not a number", "pre_read=1|only 0 is possible", "pre_read|only 0 is possible",
            "kb_base=1000|only 1024 is possible", "ignore_error=EIO|use continue_on_error",
            "thinktime_blocks_type=issue|only complete is possible", "ss=iops:NaN|a limit of 0 or more"})
    void aLineThatMakesNoSenseIsRefusedByFileLineAndKey(String line, String message) {
        assertThatExceptionOfType(UsageException.class)
                .isThrownBy(() -> JobFile.parse("jobs/t.fio", "; comment\n[a]\n" + line + "\n"))
                .withMessageStartingWith("jobs/t.fio:3: ").withMessageContaining(message);
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {"iodepth=1|t.fio:1: iodepth=1: stands before the first section",
            "[a|t.fio:1: [a: a section is a name in brackets", "[]|t.fio:1: []: a section is a name",
            "[|t.fio:1: [: a section is a name", "''|t.fio: has no job", "[global]|t.fio: has no job"})
    void aFileWithoutJobsOrWithBrokenSectionsIsRefused(String text, String message) {
        assertThatExceptionOfType(UsageException.class).isThrownBy(() -> JobFile.parse("t.fio", text))
                .withMessageStartingWith(message);
    }

    @Test
    void aFileThatCannotBeReadIsNamed(@TempDir Path directory) throws IOException {
        Path missing = directory.resolve("missing.fio");
        assertThatExceptionOfType(UsageException.class).isThrownBy(() -> JobFile.read(missing))
                .withMessage(missing + ": there is no such job file");
        assertThatExceptionOfType(UsageException.class).isThrownBy(() -> JobFile.read(directory))
                .withMessageContaining("is a directory");
    }

    @Test
    void aFileInAnyEncodingIsRead(@TempDir Path directory) throws IOException, UsageException {
        Path latin = Files.write(directory.resolve("latin.fio"),
                "; Gr\u00f6\u00dfe\n[a]\nbs=8k\n".getBytes(StandardCharsets.ISO_8859_1));
        assertThat(JobFile.read(latin).getFirst().blockSizes(Direction.READ).min()).isEqualTo(8192);
    }

    @Test
    void everySectionWhoseNameBeginsWithGlobalIsGlobal() throws UsageException {
        List<JobSpec> jobs = JobFile.parse("t.fio", "[global settings]\niodepth=3\n[a]\n[GLOBAL]\n");
        assertThat(jobs).extracting(JobSpec::name).containsExactly("a", "GLOBAL");
        assertThat(jobs.getFirst().depth()).isEqualTo(3);
    }

    @Test
    void allThatIsWrongIsToldAtOnceWithItsLine() {
        assertThatExceptionOfType(UsageException.class)
                .isThrownBy(() -> JobFile.parse("t.fio", "[a]\nfoo=1\niodepth=x\n[b]\nbar\nexec_prerun=ls\n"))
                .satisfies(refused -> assertThat(refused.getMessage()).hasLineCount(4).contains(
                        "t.fio:2: unknown key \"foo\"", "t.fio:3: iodepth=x: ", "t.fio:5: unknown key \"bar\"",
                        "t.fio:6: exec_prerun: runs another program"));
    }

    @Test
    void keysWithoutEffectAreKept() throws UsageException {
        assertThat(only("[a]\npre_read=0\nkb_base=1024\nthinktime_blocks_type=complete\n").unusedKeys()).hasSize(3);
        assertThat(only("[global]\nthread\n[a]\nrandom_generator=lfsr\nbs=4k\n").unusedKeys())
                .containsExactlyInAnyOrder("thread", "random_generator");
    }

    @Test
    void filesAreIncludedAndVariablesReplaced(@TempDir Path directory) throws IOException, UsageException {
        Files.writeString(directory.resolve("common.inc"), "iodepth=5\n");
        Path file = Files.writeString(directory.resolve("t.fio"),
                "[a]\ninclude common.inc\nsize=$pagesize\nfilename=${HOME}/x\ndescription=[${NO_SUCH_VARIABLE}]\n");
        JobSpec job = JobFile.read(file).getFirst();
        assertThat(job.depth()).isEqualTo(5);
        assertThat(job.size()).contains(new Extent(4096, false));
        assertThat(job.deviceNames(0)).containsExactly(System.getenv("HOME") + "/x");
        assertThat(job.word(Key.DESCRIPTION)).isEqualTo("[]");
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {"filename=a:b|a b", "filename=a\\:b|a:b", "filename=a~directory=/x|/x/a",
            "directory=/x|/x/a.0.0", "filename_format=$jobname-$jobnum-$filenum|a-0-0", "name=c|c.0.0"})
    void namesOfDevicesAreMadeAsFioMakesThoseOfFiles(String lines, String names) throws UsageException {
        assertThat(only("[a]\n" + lines.replace('~', '\n')).deviceNames(0)).containsExactly(names.split(" "));
    }

    @ParameterizedTest
    @CsvSource({"rwmixread=30, 30", "rwmixwrite=30, 70", "rwmixread=30~rwmixwrite=40, 60",
            "rwmixwrite=40~rwmixread=30, 30", "bs=4k, 50"})
    void theMixIsOfReadsOrOfWrites(String lines, int readPercent) throws UsageException {
        assertThat(only("[a]\nrw=rw\n" + lines.replace('~', '\n')).readPercent()).isEqualTo(readPercent);
    }

    @ParameterizedTest
    @CsvSource({"bs=4k, false", "direct=1, true", "buffered=0, true", "buffered=1, false", "buffered=0~direct=0, false",
            "direct=0~buffered=0, true", "direct=1~buffered=1, false", "buffered=1~direct=1, true"})
    void bufferedIsTheOppositeOfDirect(String lines, boolean direct) throws UsageException {
        assertThat(only("[a]\n" + lines.replace('~', '\n')).isDirect()).isEqualTo(direct);
    }

    @Test
    void theLastOfTwoOppositesHoldsWhereverItStands() throws UsageException {
        assertThat(only("[global]\ndirect=1\nrwmixread=10\n[a]\nrw=rw\nbuffered=1\nrwmixwrite=20\n")).satisfies(job -> {
            assertThat(job.isDirect()).isFalse();
            assertThat(job.readPercent()).isEqualTo(80);
            assertThat(job.options()).doesNotContainKeys("direct", "rwmixread");
        });
        JobSpec option = only("[a]\ndirect=0\n").with(Key.BUFFERED, "0", Location.ofOption("--buffered"));
        assertThat(option.isDirect()).isTrue();
    }

    @Test
    void anOptionOfTheCommandLineReplacesAValueAndIsNamedInItsError() throws UsageException {
        JobSpec job = only(OF_2014);
        Location option = Location.ofOption("--ioengine");
        assertThat(job.with(Key.IOENGINE, "psync", option).engine()).isEqualTo(EngineName.PSYNC);
        assertThat(job.engine()).isEqualTo(EngineName.LIBAIO);
        assertThatExceptionOfType(UsageException.class).isThrownBy(() -> job.with(Key.IOENGINE, "x", option))
                .withMessageStartingWith("--ioengine: ioengine=x: ");
    }
}
