package io.blkmq.tools.run;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.core.IoGroup;
import io.blkmq.core.Operation;
import io.blkmq.core.Status;
import io.blkmq.nbd.NbdExport;
import io.blkmq.nbd.NbdServer;
import io.blkmq.testing.NoRescues;
import io.blkmq.testkit.disk.Fault;
import io.blkmq.testkit.disk.FaultRule;
import io.blkmq.testkit.disk.SimulatedDisk;
import io.blkmq.tools.job.UsageException;
import io.blkmq.tools.job.VerifyMethod;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** A verified job reads back all that it wrote, from the medium, and finds what is wrong there. */
@Timeout(300)
@NoRescues
class VerifiedJobsTest {
    private static final String D = "[a]\nfilename=d\n";
    private static final int BLOCK = 4096;

    @TempDir
    private Path directory;

    private static JobResult only(String text, String... attachments) throws UsageException {
        RunResult result = RunFixture.run(text.replace('~', '\n'), attachments);
        assertThat(result.jobs()).hasSize(1);
        return result.jobs().getFirst();
    }

    private Path image(long bytes) throws IOException {
        Path image = directory.resolve("image");
        try (RandomAccessFile file = new RandomAccessFile(image.toFile(), "rw")) {
            file.setLength(bytes);
        }
        return image;
    }

    // ---- all of it

    @ParameterizedTest
    @ValueSource(strings = {"", "~verify_backlog=1000000~verify_backlog_batch=1"})
    void aRatedJobThatItsTimeEndsVerifiesWhatItWrote(String more) throws UsageException {
        JobResult job = only(D + "rw=write~size=1m~rate_iops=100~runtime=300ms~verify=crc32c" + more, "d=mem:1m");
        assertThat(job.failures().told()).isEmpty();
        assertThat(job.writes().operations()).isPositive();
        assertThat(job.reads().bytes()).isEqualTo(job.writes().bytes());
    }

    @ParameterizedTest
    @ValueSource(strings = {"verify_backlog=8~verify_backlog_batch=2",
            "verify_backlog=8~verify_backlog_batch=2~rate=100m", "verify_backlog=5~verify_backlog_batch=100",
            "verify_backlog=3", "verify_backlog=16~fsync=16", "verify_backlog=16~fsync=16~iodepth=4",
            "verify_backlog=16~fsync=16~thinktime=1us~thinktime_blocks=3", "thinktime=1us~thinktime_blocks=16~fsync=16",
            "verify_backlog=4~thinktime=1us~thinktime_blocks=3"})
    void eachBlockIsReadBackOnce(String lines) throws UsageException {
        JobResult job = only(D + "rw=randwrite~size=64k~verify=crc32c~" + lines, "d=mem:64k");
        assertThat(job.failures().told()).isEmpty();
        assertThat(job.writes().bytes()).isEqualTo(64 << 10);
        assertThat(job.reads().bytes()).isEqualTo(64 << 10);
    }

    @Test
    void aBlockThatIsWrittenAgainIsReadBackAgain() throws UsageException {
        JobResult job = only(D + "rw=write~size=64k~loops=2~verify=crc32c~verify_backlog=16", "d=mem:64k");
        assertThat(job.failures().told()).isEmpty();
        assertThat(job.reads().bytes()).isEqualTo(128 << 10);
    }

    // ---- from the medium

    @Test
    void whatWasWrittenIsFlushedBeforeItIsReadBackAndThatFlushIsNotTheJobs() throws UsageException, IOException {
        RunResult result = RunFixture.run(D + "rw=write\nsize=64k\nverify=crc32c\n", "d=" + image(64 << 10));
        assertThat(result.hasErrors()).isFalse();
        assertThat(result.devices().getFirst().statistics().ios(IoGroup.FLUSH)).isEqualTo(1);
        assertThat(result.jobs().getFirst().flushes().count()).isZero();
        RunResult other = RunFixture.run(D + "rw=write\nsize=64k\nverify=crc32c\ndo_verify=0\n",
                "d=" + image(64 << 10));
        assertThat(other.devices().getFirst().statistics().ios(IoGroup.FLUSH)).isZero();
    }

    @Test
    void aJobWhoseFlushFailsReadsNothingBack() throws Exception {
        try (SimulatedDisk disk = SimulatedDisk.builder().capacityBytes(64 << 10).writeCache(true, false).build();
                NbdServer server = serve(disk)) {
            disk.faults().add(FaultRule.on(Operation.FLUSH).then(Fault.status(Status.IOERR)));
            JobResult job = only(D + "rw=write~size=64k~verify=crc32c", "d=" + server.uris("d").getFirst());
            assertThat(job.failures().told()).anyMatch(line -> line.contains("FLUSH failed"));
            assertThat(job.reads().operations()).isZero();
            disk.faults().clear();
        }
    }

    // ---- only what would be written

    private static int blocksThatAreWritten(Path image) throws IOException {
        byte[] all = Files.readAllBytes(image);
        int written = 0;
        for (int at = 0; at < all.length; at += BLOCK) {
            boolean any = false;
            for (int i = 0; i < BLOCK; i++) {
                any |= all[at + i] != 0;
            }
            written += any ? 1 : 0;
        }
        return written;
    }

    @ParameterizedTest
    @ValueSource(strings = {"rw=randwrite~io_size=256k", "rw=write~io_size=256k", "rw=randrw~io_size=512k",
            "rw=rw~io_size=512k", "rw=randrw~bs=4k,16k~verify_interval=4k", "rw=randrw~io_size=3m~iodepth=16~workers=4",
            "rw=randwrite~number_ios=10", "rw=randwrite~norandommap~io_size=512k",
            "rw=randwrite~random_distribution=zipf:1.2~io_size=256k", "rw=randwrite~bssplit=4k/50:16k/50~io_size=512k",
            "rw=randtrimwrite~io_size=256k", "rw=write:8k", "rw=randwrite~io_size=256k~fsync=3",
            "rw=randwrite~nrfiles=4~io_size=256k"})
    void theBlocksThatAJobWouldWriteAreCheckedAndNoOthers(String lines) throws UsageException, IOException {
        Path image = image(1 << 20);
        // nrfiles is of jobs without a filename.
        String job = "[d]~filename_format=d~size=1m~verify=crc32c~" + lines + "~";
        assertThat(only(job, "d=" + image).failures().told()).isEmpty();
        byte[] before = Files.readAllBytes(image);
        int written = blocksThatAreWritten(image);
        assertThat(written).isPositive();
        JobResult checked = only(job + "verify_only", "d=" + image);
        assertThat(checked.failures().told()).isEmpty();
        assertThat(checked.reads().bytes()).isEqualTo((long) written * BLOCK);
        assertThat(checked.writes().operations() + checked.trims().operations()).isZero();
        assertThat(Files.readAllBytes(image)).isEqualTo(before);
        Files.write(image, new byte[1 << 20]);
        assertThat(only(job + "verify_only", "d=" + image + ",ro").failures().verifyErrors()).isEqualTo(written);
    }

    @Test
    void aJobThatOnlyVerifiesChecksEachBlockOnceWhateverItsTime() throws UsageException, IOException {
        Path image = image(64 << 10);
        String job = D + "rw=randwrite~size=64k~verify=md5~";
        assertThat(only(job, "d=" + image).failures().told()).isEmpty();
        JobResult checked = only(job + "verify_only~time_based~runtime=1h", "d=" + image);
        assertThat(checked.failures().told()).isEmpty();
        assertThat(checked.reads().bytes()).isEqualTo(64 << 10);
    }

    // ---- an older write

    private static NbdServer serve(SimulatedDisk disk) throws IOException {
        NbdServer server = NbdServer.builder().loopback(0).start();
        server.addExport(NbdExport.builder("d", disk.disk()).build());
        return server;
    }

    @ParameterizedTest
    @EnumSource(mode = EnumSource.Mode.EXCLUDE, names = {"NONE", "PATTERN"})
    void aBlockWhoseLastWriteWasLostIsFound(VerifyMethod method) throws Exception {
        try (SimulatedDisk disk = SimulatedDisk.builder().capacityBytes(64 << 10).build();
                NbdServer server = serve(disk)) {
            disk.faults().add(FaultRule.on(Operation.WRITE).range(3 * BLOCK, BLOCK).nth(2).then(Fault.lose()));
            JobResult job = only(D + "rw=write~loops=2~size=64k~verify=" + method.keyValue(),
                    "d=" + server.uris("d").getFirst());
            assertThat(job.failures().verifyErrors()).isEqualTo(1);
            assertThat(job.failures().told()).singleElement().asString().contains("offset " + 3 * BLOCK,
                    "an older write");
        }
    }
}
