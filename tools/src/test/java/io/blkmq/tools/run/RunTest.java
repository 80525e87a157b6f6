package io.blkmq.tools.run;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import io.blkmq.core.Status;
import io.blkmq.tools.job.UsageException;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.zip.CRC32C;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(300)
class RunTest {
    @TempDir
    private Path directory;

    private static JobResult only(RunResult result) {
        assertThat(result.jobs()).hasSize(1);
        return result.jobs().getFirst();
    }

    private Path image(long bytes) throws IOException {
        Path path = directory.resolve("image");
        try (RandomAccessFile file = new RandomAccessFile(path.toFile(), "rw")) {
            file.setLength(bytes);
        }
        return path;
    }

    @ParameterizedTest
    @CsvSource({"read, 256, 0", "randread, 256, 0", "write, 0, 256", "randwrite, 0, 256"})
    void aJobMovesItsSizeOnce(String pattern, long reads, long writes) throws UsageException {
        JobResult job = only(RunFixture.run("[a]\nsize=1m\nfilename=d\niodepth=8\nrw=" + pattern, "d=mem:4m"));
        assertThat(job.failures().errno()).isZero();
        assertThat(job.reads().operations()).isEqualTo(reads);
        assertThat(job.writes().operations()).isEqualTo(writes);
        assertThat(job.reads().bytes() + job.writes().bytes()).isEqualTo(1 << 20);
        assertThat(job.reads().completion().count()).isEqualTo(reads);
        assertThat(job.writes().completion().count()).isEqualTo(writes);
    }

    @ParameterizedTest
    @ValueSource(strings = {"rw", "randrw", "randrw\nnorandommap"})
    void aMixedJobReadsTheGivenPart(String pattern) throws UsageException {
        JobResult job = only(
                RunFixture.run("[a]\nsize=16m\nfilename=d\nrwmixread=70\niodepth=8\nrw=" + pattern, "d=null:16m"));
        assertThat(job.reads().operations() + job.writes().operations()).isEqualTo(4096);
        assertThat((double) job.reads().operations() / 4096).isBetween(0.6, 0.8);
    }

    @ParameterizedTest
    @ValueSource(strings = {"poll", "reaper", "hw=2", "hw=2,reaper", "depth=1", "depth=2,reaper", "hw=4,depth=3"})
    void everyShapeOfDeviceServesSeveralJobs(String shape) throws UsageException {
        RunResult result = RunFixture.run(
                "[a]\nsize=4m\nfilename=d\niodepth=16\nnumjobs=2\nrw=randread\ngroup_reporting", "d=null:4m," + shape);
        assertThat(result.jobs()).hasSize(2);
        assertThat(result.jobs()).allMatch(job -> job.reads().operations() == 1024 && job.failures().errno() == 0);
    }

    @ParameterizedTest
    @CsvSource({"1, 0, 1", "4, 2, 4", "16, 8, 8", "0, 0, 0"})
    void batchesOfAnySizeDoTheSame(int submit, int completeMin, int completeMax) throws UsageException {
        String text = "[a]\nsize=2m\nfilename=d\niodepth=16\nrw=randread\niodepth_batch_submit=" + submit
                + "\niodepth_batch_complete_min=" + completeMin + "\niodepth_batch_complete_max=" + completeMax;
        assertThat(only(RunFixture.run(text, "d=null:2m")).reads().operations()).isEqualTo(512);
        assertThat(only(RunFixture.run(text, "d=null:2m,reaper")).reads().operations()).isEqualTo(512);
    }

    @Test
    void variousLengthsCoverEveryByteOnce() throws UsageException {
        JobResult job = only(RunFixture
                .run("[a]\nsize=8m\nfilename=d\niodepth=8\nrw=randwrite\nbsrange=512-16k\nverify=crc32c", "d=mem:8m"));
        assertThat(job.failures().told()).isEmpty();
        assertThat(job.writes().bytes()).isEqualTo(8 << 20);
        assertThat(job.reads().bytes()).isEqualTo(8 << 20);
        assertThat(job.writes().operations()).isBetween(600L, 10_000L);
    }

    @Test
    void aSizeThatIsNoMultipleOfTheBlockIsRoundedDown() throws UsageException {
        assertThat(only(RunFixture.run("[a]\nsize=10k\nfilename=d\n", "d=null:1m")).reads().bytes()).isEqualTo(8192);
    }

    @Test
    void withoutASizeTheRestOfTheDeviceIsUsed() throws UsageException {
        assertThat(only(RunFixture.run("[a]\noffset=256k\nfilename=d\n", "d=null:1m")).reads().bytes())
                .isEqualTo(768 << 10);
        assertThat(only(RunFixture.run("[a]\noffset=50%\nsize=25%\nfilename=d\n", "d=null:1m")).reads().bytes())
                .isEqualTo(256 << 10);
    }

    @Test
    void aDeviceThatIsTooSmallIsUsedAsFarAsItGoesAndThatIsSaid() throws UsageException {
        RunResult result = RunFixture.run("[a]\nsize=32G\nfilename=d\n", "d=null:1m");
        assertThat(only(result).reads().bytes()).isEqualTo(1 << 20);
        assertThat(result.notes()).singleElement().asString().contains("34359738368", "device d", "1048576 bytes");
    }

    /** Gives a job more and more time: how many operations go into a time is up to who else has the processor. */
    private static JobResult untilMoreThan(int operations, String text, String device) throws UsageException {
        for (int millis = 100;; millis *= 2) {
            JobResult job = only(RunFixture.run(text + millis + "ms", device));
            assertThat(job.runtimeNanos()).isGreaterThanOrEqualTo(millis * 1_000_000L);
            if (job.reads().operations() + job.writes().operations() > operations) {
                return job;
            }
            assertThat(millis).as("a job that goes on does more").isLessThan(100_000);
        }
    }

    @Test
    void aTimeBasedJobGoesOnUntilItsTimeIsOver() throws UsageException {
        JobResult job = untilMoreThan(16, "[a]\nsize=64k\nfilename=d\nrw=randread\ntime_based\ngtod_reduce\nruntime=",
                "d=null:1m");
        assertThat(job.reads().completion().count()).isZero();
    }

    @Test
    void aStopEndsARunAndTheReportSaysSo() throws UsageException {
        RunControl control = new RunControl();
        RunResult result = RunFixture.run(control, progress -> {
            if (progress.all().operations() > 0) {
                control.stop();
            }
        }, "[a]\nsize=64k\nfilename=d\ntime_based\nruntime=1h\nnumjobs=2", "d=null:1m,reaper");
        assertThat(result.stopped()).isTrue();
        assertThat(result.jobs()).anyMatch(job -> job.reads().operations() > 0)
                .allMatch(job -> job.failures().errno() == 0);
    }

    @Test
    void flushesStandBetweenWrites() throws UsageException {
        JobResult job = only(RunFixture.run("[a]\nsize=64k\nrw=write\nfsync=4\niodepth=3\ndirect=1\n"));
        assertThat(job.writes().operations()).isEqualTo(16);
        assertThat(job.flushes().count()).isEqualTo(4);
        assertThat(job.failures().errno()).isZero();
    }

    // ---- verification

    @ParameterizedTest
    @ValueSource(strings = {"rw=write", "rw=randwrite", "rw=randwrite\nnorandommap", "rw=randrw\nnorandommap\nsize=4m",
            "rw=rw", "rw=randwrite\nfsync=100"})
    void whatIsWrittenIsFoundAgain(String lines) throws UsageException {
        String text = "[a]\nsize=1m\nbs=512\nfilename=d\niodepth=16\nverify=crc32c\n" + lines;
        for (String shape : List.of("poll", "reaper")) {
            JobResult job = only(RunFixture.run(text, "d=mem:4m," + shape));
            assertThat(job.failures().told()).isEmpty();
            assertThat(job.writes().operations()).isPositive();
            assertThat(job.reads().operations()).isPositive();
        }
    }

    @Test
    void blocksThatAreOverwrittenWhileOthersAreReadStayVerifiable() throws UsageException {
        JobResult job = untilMoreThan(256, "[a]\nsize=64k\nbs=512\nfilename=d\niodepth=32\nverify=crc32c\nrw=randrw\n"
                + "norandommap\ntime_based\nruntime=", "d=mem:64k,reaper");
        assertThat(job.failures().told()).isEmpty();
        assertThat(job.writes().operations()).isPositive();
    }

    @Test
    void withoutDoVerifyNothingIsReadBack() throws UsageException {
        JobResult job = only(
                RunFixture.run("[a]\nsize=1m\nrw=write\nverify=crc32c\ndo_verify=0\nfilename=d", "d=mem:1m"));
        assertThat(job.reads().operations()).isZero();
        assertThat(job.writes().operations()).isEqualTo(256);
    }

    @ParameterizedTest
    @ValueSource(strings = {"io_uring", "libaio", "psync"})
    void theImageHasTheBytesThatAPlainFileChannelExpects(String engine) throws UsageException, IOException {
        Path image = image(1 << 20);
        JobResult job = only(RunFixture.run("[a]\nsize=1m\nrw=randwrite\nverify=crc32c\niodepth=16\ndirect=1\n"
                + "filename=/dev/loop0\nioengine=" + engine, "/dev/loop0=" + image));
        assertThat(job.failures().told()).isEmpty();
        try (FileChannel channel = FileChannel.open(image)) {
            ByteBuffer block = ByteBuffer.allocate(4096).order(ByteOrder.LITTLE_ENDIAN);
            for (long offset = 0; offset < 1 << 20; offset += 4096) {
                assertThat(channel.read(block.clear(), offset)).isEqualTo(4096);
                CRC32C crc = new CRC32C();
                crc.update(block.slice(44, 4096 - 44));
                assertThat(Short.toUnsignedInt(block.getShort(0))).isEqualTo(0xacca);
                assertThat(block.getInt(40)).isEqualTo((int) ~crc.getValue());
                assertThat(block.getLong(16)).isEqualTo(offset);
            }
        }
    }

    @Test
    void corruptionBetweenTwoRunsIsFoundAndNamed() throws UsageException, IOException {
        Path image = image(1 << 20);
        String job = "[a]\nsize=1m\nverify=crc32c\niodepth=4\nfilename=d\n";
        assertThat(RunFixture.run(job + "rw=write\ndo_verify=0", "d=" + image).hasErrors()).isFalse();
        assertThat(RunFixture.run(job + "rw=read", "d=" + image).hasErrors()).isFalse();
        try (RandomAccessFile file = new RandomAccessFile(image.toFile(), "rw")) {
            file.seek(40_960 + 777);
            int found = file.read();
            file.seek(40_960 + 777);
            file.write(found ^ 0x10);
        }
        RunResult result = RunFixture.run(job + "rw=read", "d=" + image);
        assertThat(result.hasErrors()).isTrue();
        assertThat(only(result).failures().verifyErrors()).isEqualTo(1);
        assertThat(only(result).failures().errno()).isEqualTo(Status.PROTECTION.errno());
        assertThat(only(result).failures().told()).singleElement().asString().contains("offset 40960",
                "expected checksum", "in the header");
        assertThat(only(result).reads().operations()).isEqualTo(256);
    }

    @Test
    void blocksNeverWrittenFailVerificationAndOnlyTenAreTold() throws UsageException {
        JobResult job = only(RunFixture.run("[a]\nsize=1m\nrw=randread\nverify=crc32c\nfilename=d", "d=mem:1m"));
        assertThat(job.failures().verifyErrors()).isEqualTo(256);
        assertThat(job.failures().told()).hasSize(10).allMatch(line -> line.contains("expected magic"));
    }

    @ParameterizedTest
    @ValueSource(strings = {"rw=write:2k\nverify_interval=512", "rw=write:-2k\nverify_interval=1k", "rw=write:4k",
            "rw=randwrite\nblockalign=512\nverify_interval=512", "rw=randwrite\nblockalign=8k"})
    void blocksBetweenWhichThereIsAGapAreVerified(String lines) throws UsageException {
        JobResult job = only(RunFixture.run("[a]\nfilename=d\nsize=64k\nverify=crc32c\n" + lines, "d=mem:64k"));
        assertThat(job.failures().told()).isEmpty();
        assertThat(job.reads().bytes()).isPositive();
    }

    // ---- what is refused

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {"[a]~filename=d~rw=write~size=1m|d=null:1m,ro|test.fio:3: |is read-only",
            "[a]~filename=d~bs=1000|d=null:1m|test.fio:3: |not a multiple of the block size of 512",
            "[a]~filename=d~bsrange=500-1k|d=null:1m|test.fio:3: |operations of 500 bytes",
            "[a]~filename=d~offset=100|d=null:1m|test.fio:3: |offset 100: not a multiple",
            "[a]~filename=d~offset=2m|d=null:1m|test.fio:3: |past the end of device d of 1048576 bytes",
            "[a]~filename=d~size=1k|d=null:1m|test.fio:3: |no block of 4096 bytes",
            "[a]~filename=d~verify=crc32c|d=null:1m|test.fio:3: |keeps no data",
            "[a]~size=1m~rw=write~verify=crc32c~ioengine=null||test.fio:4: |keeps no data",
            "[a]~rw=read||test.fio:1: |needs size=", "[a]~size=50%||test.fio:2: |percent",
            "[a]~filename=d~bs=16m~iodepth=100|d=null:1g|test.fio:4: |1073741824 are possible",
            "[a]~filename=d~bs=512~verify=crc32c|d=null:1p|test.fio:4: |",
            "[a]~filename=d~rw=randread~bs=512|d=null:2t|test.fio:1: |the map of random offsets has room",
            "[a]~filename=d~rw=read:100|d=null:1m|test.fio:3: |leaves out 100 bytes, which is not a multiple of the 512 bytes",
            "[a]~filename=d~rw=write:-100|d=null:1m|test.fio:3: |leaves out 100 bytes",
            "[a]~filename=d~rw=randread~blockalign=1000|d=null:1m|test.fio:4: |blockalign of 1000 bytes",
            "[a]~filename=d~rw=write:2k~verify=crc32c|d=mem:1m|test.fio:3: |not a multiple of the 4096 bytes of a block that is verified",
            "[a]~filename=d~rw=randwrite~blockalign=512~verify=crc32c|d=mem:1m|test.fio:4: |blockalign of 512 bytes",
            "[a]~filename=d~rw=write~verify_only|d=mem:1m|test.fio:4: |verify_only needs verify",
            "[a]~filename=d~rw=trim~verify=md5~verify_only|d=mem:1m|test.fio:5: |writes nothing that could be verified",
            "[a]~rw=read~filesize=1p~nrfiles=10000||test.fio:3: |exceed 63 bits",
            "[a]~filename=d~size=4k~offset_increment=1p~numjobs=1000~offset=8000p|d=null:1m|test.fio:|past the end",
            "[a]~size=9223372036854775807||test.fio:2: |exceed 63 bits",
            "[a]~size=1m|x=null:1m|--attach x: |no job uses that name; the jobs use a.0.0",
            "[a]~filename=d~size=1m~direct=1~[b]~filename=d~size=1m|d=f|test.fio:5: |which says otherwise about direct",
            "[a]~filename=d~size=1m~rw=write~verify=crc32c~numjobs=2|d=mem:1m|test.fio:5: |cannot be verified",
            "[a]~filename=d~size=1m~numjobs=2~direct=1~ioengine=io_uring|d=IMAGE,poll|d: |hw=2 is needed",
            "[a]~filename=/dev/null|/dev/null=/nonexistent/image|/dev/null: |there is no file /nonexistent/image",
            "[a]~filename=d|d=.|d: |"})
    void whatCannotBeIsRefusedBeforeAnythingRuns(String job, String attach, String where, String why)
            throws IOException {
        String attachment = attach == null ? null : attach.replace("IMAGE", image(1 << 20).toString());
        String[] attachments = attachment == null ? new String[0] : new String[]{attachment};
        assertThatExceptionOfType(UsageException.class)
                .isThrownBy(() -> RunFixture.run(job.replace('~', '\n'), attachments)).withMessageStartingWith(where)
                .withMessageContaining(why == null ? "" : why);
    }

    @Test
    void anEmptyFileIsRefused() throws IOException {
        Path empty = image(0);
        assertThatExceptionOfType(UsageException.class)
                .isThrownBy(() -> RunFixture.run("[a]\nfilename=d", "d=" + empty)).withMessageContaining("empty");
    }

    @ParameterizedTest
    @ValueSource(strings = {"direct=0", "direct=1", "direct=1\nnumjobs=2\nsize=512k"})
    void theMemoryEngineKeepsWhatIsWrittenToItself(String more) throws UsageException, IOException {
        Path image = image(1 << 20);
        Files.write(image, "as it was".getBytes(StandardCharsets.US_ASCII), StandardOpenOption.WRITE);
        byte[] before = Files.readAllBytes(image);
        boolean shared = more.contains("numjobs");
        RunResult result = RunFixture.run("[a]\nrw=randwrite\niodepth=16\nioengine=memory\nfilename=d\n"
                + (shared ? "" : "verify=crc32c\n") + more, "d=" + image + (shared ? ",hw=2" : ""));
        assertThat(result.jobs()).allMatch(job -> job.failures().errno() == 0);
        assertThat(result.jobs().stream().mapToLong(job -> job.writes().bytes()).sum()).isEqualTo(1 << 20);
        assertThat(result.devices().getFirst().mode()).isEqualTo("loop, direct, engine memory");
        assertThat(result.notes()).isEmpty();
        assertThat(Files.readAllBytes(image)).isEqualTo(before);
    }

    @Test
    void theMemoryEngineReadsWhatTheFileHolds() throws UsageException, IOException {
        Path image = image(256 << 10);
        assertThat(RunFixture.run("[a]\nrw=write\nverify=crc32c\nfilename=d", "d=" + image).hasErrors()).isFalse();
        JobResult read = only(RunFixture.run("[a]\nrw=read\nverify=crc32c\nioengine=memory\nfilename=d", "d=" + image));
        assertThat(read.failures().told()).isEmpty();
        assertThat(read.reads().operations()).isEqualTo(64);
    }

    // ---- names are only names

    @Test
    void aNameThatLooksLikeAFileIsNeverOpened() throws UsageException, IOException {
        Path victim = Files.writeString(directory.resolve("victim"), "untouched");
        RunResult result = RunFixture.run("[a]\nsize=64k\nrw=write\nfilename=" + victim);
        assertThat(result.hasErrors()).isFalse();
        assertThat(result.devices().getFirst().backing()).isEqualTo("temporary image, sparse");
        assertThat(Files.readString(victim)).isEqualTo("untouched");
        Path absent = directory.resolve("absent");
        assertThat(RunFixture.run("[a]\nsize=64k\nrw=write\nfilename=" + absent).hasErrors()).isFalse();
        assertThat(absent).doesNotExist();
    }

    @Test
    void twoRunsWithTheSameSeedWriteTheSameBytes() throws UsageException, IOException {
        String job = "[a]\nsize=256k\nrw=randwrite\nverify=crc32c\nfilename=d\nrandseed=";
        byte[] first = bytesAfter(job + 7);
        assertThat(bytesAfter(job + 7)).isEqualTo(first);
        assertThat(bytesAfter(job + 8)).isNotEqualTo(first);
    }

    private byte[] bytesAfter(String job) throws UsageException, IOException {
        Path image = image(256 << 10);
        assertThat(RunFixture.run(job, "d=" + image).hasErrors()).isFalse();
        return Files.readAllBytes(image);
    }
}
