package io.blkmq.tools.run;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import io.blkmq.core.IoGroup;
import io.blkmq.core.Status;
import io.blkmq.testing.NoRescues;
import io.blkmq.tools.job.Direction;
import io.blkmq.tools.job.Extent;
import io.blkmq.tools.job.JobFile;
import io.blkmq.tools.job.UsageException;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Each key does what the guide says. */
@Timeout(300)
@NoRescues
class JobKeysTest {
    private static final String D = "[a]\nfilename=d\n";

    /** Methods, of which some need further lines. {@code meta} looks at the header alone. */
    private static final List<String> METHODS = List.of("crc32c", "crc32", "crc64", "crc16", "crc7", "md5", "sha1",
            "sha256", "sha512", "sha3-224", "sha3-256", "sha3-384", "sha3-512", "xxhash", "meta",
            "pattern\nverify_pattern=0xfe%o\"ab\"-12", "crc32c\nverify_interval=512", "sha256\nverify_interval=512",
            "sha512\nverify_interval=512", "md5\nverify_pattern=0x123456", "sha512\nverify_pattern=0x123456789a",
            "crc32c\nverify_pattern=%o", "meta\nverify_interval=1k");

    @TempDir
    private Path directory;

    private static JobResult only(String text, String... attachments) throws UsageException {
        RunResult result = RunFixture.run(text, attachments);
        assertThat(result.jobs()).hasSize(1);
        return result.jobs().getFirst();
    }

    /** An operation that was chosen: {@code R}, {@code W} or {@code T}, where, how long. */
    private record Chosen(char kind, long offset, int bytes) {}

    /** The operations of a job on a device of 1 MiB, up to 5000. */
    private static List<Chosen> chosen(String lines) throws UsageException {
        try (RunFixture fixture = RunFixture.open(D + lines, "d=mem:1m")) {
            Choices choices = JobChoices.of(fixture.workload(), null);
            List<Chosen> all = new ArrayList<>();
            while (all.size() < 5000 && choices.next(true)) {
                char kind = switch (choices.operation) {
                    case READ -> 'R';
                    case WRITE -> 'W';
                    default -> 'T';
                };
                all.add(new Chosen(kind, choices.offsets.offsetBytes, choices.offsets.lengthBytes));
            }
            return all;
        }
    }

    // ---- what and where

    @Test
    void eachDirectionHasItsLengthsAndIsAlignedToThem() throws UsageException {
        List<Chosen> all = chosen("rw=randrw\nbs=4k,64k\n");
        assertThat(all).filteredOn(each -> each.kind == 'W').isNotEmpty()
                .allMatch(each -> each.bytes == 65_536 && each.offset % 65_536 == 0);
        assertThat(all).filteredOn(each -> each.kind == 'R').isNotEmpty()
                .allMatch(each -> each.bytes == 4096 && each.offset % 4096 == 0);
    }

    @Test
    void lengthsHaveTheirWeights() throws UsageException {
        Map<Integer, Integer> counts = new TreeMap<>();
        chosen("rw=randread\nbssplit=4k/60:8k/30:32k/10\nnorandommap\nio_size=64m\n")
                .forEach(each -> counts.merge(each.bytes, 1, Integer::sum));
        assertThat(counts.keySet()).containsExactly(4096, 8192, 32_768);
        assertThat(counts.get(4096)).isBetween(2700, 3300);
        assertThat(counts.get(32_768)).isBetween(350, 650);
    }

    @Test
    void aModifierLeavesGapsOrRepeats() throws UsageException {
        List<Chosen> backwards = chosen("rw=read:-8k\n");
        assertThat(backwards).hasSize(256);
        assertThat(backwards.getFirst().offset).isEqualTo((1 << 20) - 4096);
        assertThat(backwards.getLast().offset).isZero();
        assertThat(chosen("rw=read:4k\n")).hasSize(128).allMatch(each -> each.offset % 8192 == 0);
        List<Chosen> runs = chosen("rw=randread:4\nio_size=1m\n");
        int followers = 0;
        for (int i = 0; i + 1 < runs.size(); i++) {
            followers += runs.get(i + 1).offset == runs.get(i).offset + 4096 ? 1 : 0;
        }
        assertThat(followers).as("of 256, three in four").isBetween(180, 210);
        List<Chosen> same = chosen("rw=randread:4\nrw_sequencer=identical\n");
        assertThat(same.subList(0, 4)).containsOnly(same.getFirst());
    }

    @Test
    void aDiscardedBlockIsWrittenNext() throws UsageException {
        List<Chosen> all = chosen("rw=randtrimwrite\nsize=256k\n");
        assertThat(all).hasSize(128);
        for (int i = 0; i < all.size(); i += 2) {
            assertThat(all.get(i).kind).isEqualTo('T');
            assertThat(all.get(i + 1)).isEqualTo(new Chosen('W', all.get(i).offset, 4096));
        }
    }

    @Test
    void offsetsAreAlignedToWhatTheJobSays() throws UsageException {
        assertThat(chosen("rw=randread\nbs=4k\nblockalign=16k\n")).hasSize(256)
                .allMatch(each -> each.offset % 16_384 == 0);
        assertThat(chosen("rw=randread\npercentage_random=0\n")).isEqualTo(chosen("rw=read\n"));
    }

    @ParameterizedTest
    @CsvSource({"zipf:1.2:0, 0.5", "pareto:0.2:0, 0.5", "normal:5:0.05, 0.5", "'zoned:80/10:20/90', 0.7",
            "'zoned:70/5:10/5:/10:/', 0.7"})
    void distributionsPreferAPartOfTheDevice(String distribution, double least) throws UsageException {
        List<Chosen> all = chosen("rw=randread\nio_size=64m\nrandom_distribution=" + distribution + "\n");
        assertThat(all).hasSize(5000).allMatch(each -> each.offset >= 0 && each.offset <= (1 << 20) - 4096);
        long low = all.stream().filter(each -> each.offset < 1 << 17).count();
        assertThat(low / 5000.0).isGreaterThan(least);
    }

    @Test
    void absoluteZonesAreInBytes() throws UsageException {
        List<Chosen> all = chosen("rw=randread\nio_size=64m\nrandom_distribution=zoned_abs:90/64k:10/64k\n");
        assertThat(all).allMatch(each -> each.offset < 128 << 10);
        assertThat(all.stream().filter(each -> each.offset < 64 << 10).count()).isBetween(4300L, 4700L);
    }

    @ParameterizedTest
    @CsvSource({"io_size=2m, 512", "io_size=128k, 32", "number_ios=5, 5", "loops=2, 512", "offset=50%, 128",
            "offset=33%, 171", "size=100%, 256", "offset=512k~size=25%, 64", "number_ios=5~loops=2, 10",
            "filesize=512k~size=256k, 64", "filesize=512k~size=50%, 64", "filesize=256k~size=1m, 64",
            "filesize=512k~size=256k~io_size=384k, 96", "filesize=512k~size=256k~loops=3, 192"})
    void theAmountIsWhatTheJobSays(String lines, int operations) throws UsageException {
        assertThat(chosen("rw=read\n" + lines.replace('~', '\n'))).hasSize(operations)
                .allMatch(each -> each.offset % 4096 == 0);
    }

    @Test
    void aPercentageOfAnySizeIsExact() throws UsageException {
        // In floating point, 100% of some of these was a block less.
        for (long blocks = 1; blocks < 5000; blocks++) {
            assertThat(new Extent(100, true).of(blocks * 512)).isEqualTo(blocks * 512);
        }
        assertThat(new Extent(50, true).of(Long.MAX_VALUE)).isEqualTo(Long.MAX_VALUE / 2);
        assertThat(only(D + "size=100%\nbs=512\n", "d=null:" + 512 * 1001L).reads().bytes()).isEqualTo(512 * 1001L);
    }

    @Test
    void clonesBeginLater() throws UsageException {
        RunResult result = RunFixture.run(
                "[a]\nfilename=d\nrw=write\nsize=64k\nnumjobs=4\noffset_increment=64k\nverify=crc32c\n",
                "d=mem:256k,hw=4");
        assertThat(result.hasErrors()).isFalse();
        assertThat(result.jobs()).allMatch(job -> job.writes().bytes() == 64 << 10);
    }

    // ---- files and devices

    @ParameterizedTest
    @ValueSource(strings = {"roundrobin", "sequential", "random", "roundrobin:4"})
    void filesOfAJobAreAllUsed(String order) throws UsageException {
        JobResult job = only("[a]\nsize=1m\nnrfiles=8\nrw=randwrite\nverify=crc32c\nfile_service_type=" + order + "\n");
        assertThat(job.failures().told()).isEmpty();
        assertThat(job.writes().bytes()).isEqualTo(1 << 20);
        assertThat(job.reads().bytes()).as("each block is written once, and read back").isEqualTo(1 << 20);
        assertThat(only("[a]\nfilesize=64k\nnrfiles=4\nrw=write\n").writes().bytes()).isEqualTo(256 << 10);
    }

    @Test
    void aJobUsesSeveralDevices() throws UsageException {
        for (String shape : List.of("", ",reaper")) {
            RunResult result = RunFixture.run(
                    "[a]\nfilename=x:y\nrw=randwrite\nsize=512k\niodepth=8\niodepth_batch=4\nverify=crc32c\nend_fsync=1\n",
                    "x=mem:1m" + shape, "y=mem:1m");
            assertThat(result.hasErrors()).isFalse();
            assertThat(result.jobs().getFirst().writes().bytes()).isEqualTo(512 << 10);
            assertThat(result.devices()).hasSize(2)
                    .allMatch(device -> device.statistics().sectors(IoGroup.WRITE) == 512);
        }
    }

    // ---- time and order

    @Test
    void aJobBehindABarrierBeginsWhenAllBeforeItHaveEnded() throws UsageException {
        RunResult result = RunFixture.run("""
            [global]
            filename=d
            size=64k
            verify=crc32c
            [a]
            rw=write
            [b]
            rw=read
            stonewall
            [c]
            rw=randread
            wait_for=b
            [d]
            rw=read
            new_group
            startdelay=10ms
            wait_for=a
            """, "d=mem:64k,hw=4");
        assertThat(result.jobs()).allMatch(job -> job.failures().told().isEmpty());
        assertThat(result.jobs()).extracting(job -> job.job().group()).containsExactly(0, 1, 1, 2);
        assertThat(result.jobs()).extracting(job -> job.job().after()).containsExactly(List.of(), List.of(0),
                List.of(0, 1), List.of(0));
    }

    @Test
    void theOthersEndWithAJobThatSaysSo() throws UsageException {
        RunResult result = RunFixture.run("[global]\nfilename=d\nsize=64k\n[a]\nexitall\n[b]\ntime_based\nruntime=1h\n",
                "d=null:64k,hw=2");
        assertThat(result.jobs()).hasSize(2);
        assertThat(result.stopped()).as("nobody asked for an end").isFalse();
        assertThat(RunFixture.run("""
            [global]
            filename=d
            size=64k
            [a]
            exitall
            exit_what=all
            [b]
            new_group
            time_based
            runtime=1h
            """, "d=null:64k,hw=2").jobs()).hasSize(2);
        assertThat(RunFixture.run("[global]\nfilename=d\nsize=64k\n[a]\nexitall\n[b]\nstonewall\n", "d=null:64k").jobs()
                .getLast().reads().operations()).as("another group is not ended").isEqualTo(16);
    }

    @Test
    void whatIsDoneInTheRampIsNotCounted() throws UsageException {
        JobResult job = only(D + "size=64k\nrw=randread\ntime_based\nramp_time=50ms\nruntime=50ms\n", "d=null:64k");
        assertThat(job.runtimeNanos()).isBetween(TimeUnit.MILLISECONDS.toNanos(50), TimeUnit.SECONDS.toNanos(60));
        assertThat(job.reads().operations()).isEqualTo(job.reads().completion().count());
    }

    @ParameterizedTest
    @ValueSource(strings = {"rate_iops=200", "rate=800k", "rate_iops=200\nrate_process=poisson", "thinktime=5ms",
            "thinktime=10ms\nthinktime_blocks=2\nthinktime_spin=1ms"})
    void aRatedJobTakesItsTime(String lines) throws UsageException {
        for (String shape : List.of("poll", "reaper")) {
            JobResult job = only(D + "io_size=128k\nsize=128k\niodepth=4\n" + lines + "\n", "d=null:1m," + shape);
            assertThat(job.reads().operations()).isEqualTo(32);
            // 31 waits of 5 ms; half of that for random ones.
            assertThat(job.runtimeNanos()).isGreaterThan(TimeUnit.MILLISECONDS.toNanos(60));
        }
    }

    @Test
    void aJobThatIsTooSlowFails() throws UsageException {
        JobResult job = only(
                D + "rate_iops=50\nrate_iops_min=1000000\nsize=1m\ntime_based\nruntime=1h\nrate_cycle=100\n",
                "d=null:1m");
        assertThat(job.failures().errno()).isEqualTo(Status.TIMEOUT.errno());
        assertThat(job.failures().failedOperations()).isEmpty();
        assertThat(job.failures().told().getFirst()).contains("rate_iops_min: 1000000 operations a second are needed");
    }

    /** A byte a second, looked at each millisecond: between two looks a job does something. */
    @ParameterizedTest
    @ValueSource(strings = {"rw=write\nverify=crc32c", "rw=randrw\nverify=crc32c\nverify_backlog=16",
            "rw=read\ntime_based\nramp_time=50ms\nruntime=50ms"})
    void aJobHasToBeFastOnlyWhereItDoesWhatItSays(String lines) throws UsageException {
        JobResult job = only(D + "size=8m\nrate_min=1\nrate_cycle=1\n" + lines + "\n", "d=mem:8m");
        assertThat(job.failures().told()).isEmpty();
    }

    @Test
    void anOperationThatTakesTooLongEndsTheJob() throws UsageException {
        JobResult job = only(D + "size=1m\nmax_latency=1us\niodepth=64\niodepth_batch=64\n", "d=mem:1m,reaper");
        assertThat(job.failures().errno()).isEqualTo(Status.TIMEOUT.errno());
        assertThat(job.failures().told().getFirst()).contains("max_latency is 1 us");
        assertThat(job.failures().failedOperations()).isEmpty();
    }

    @Test
    void aDepthIsFoundForALatency() throws UsageException {
        RunResult result = RunFixture.run(D
                + "size=1m\nrw=randread\nnorandommap\ntime_based\nruntime=60s\niodepth=8\nlatency_target=1000s\nlatency_window=1000\n",
                "d=null:1m");
        assertThat(result.notes())
                .anyMatch(note -> note.contains("latency_target") && note.contains("iodepth 8 meets it"));
        assertThat(RunFixture
                .run(D + "size=1m\nrw=randread\nnorandommap\ntime_based\nruntime=60s\niodepth=8\nlatency_target=0.0\n"
                        .replace("0.0", "1us") + "latency_window=1000\nlatency_percentile=100\n", "d=null:1m,reaper")
                .notes()).anyMatch(note -> note.contains("latency_target"));
    }

    @ParameterizedTest
    @CsvSource({"max_latency=1", "latency_target=1", "write_bw_log=x", "write_lat_log=x", "write_iops_log=x"})
    void withoutTimesNothingThatNeedsThemIsPossible(String line) {
        assertThatExceptionOfType(UsageException.class)
                .isThrownBy(() -> RunFixture.run(D + "size=64k\ngtod_reduce=1\n" + line + "\n", "d=null:1m"))
                .withMessageContaining("job a: " + line.split("=")[0]).withMessageContaining("gtod_reduce");
    }

    @Test
    void withoutTimesNothingThatIsOffIsRefused() throws UsageException {
        assertThat(only(D + "size=64k\ngtod_reduce=1\nmax_latency=0\nlatency_target=0\n", "d=null:1m").operations())
                .isEqualTo(16);
    }

    @Test
    void disabledLatenciesAreNotKept() throws UsageException {
        DirectionStatistics reads = only(D + "size=64k\ndisable_clat=1\ndisable_slat=1\n", "d=null:1m").reads();
        assertThat(reads.submission().count()).isZero();
        assertThat(reads.completion().count()).isZero();
        assertThat(reads.completion().hasPercentiles()).isFalse();
        assertThat(reads.total().count()).isEqualTo(16);
        assertThat(only(D + "size=64k\ndisable_lat=1\n", "d=null:1m").mixed().total().count()).isZero();
    }

    @Test
    void aPlugHoldsNoMoreThanItSays() throws UsageException {
        assertThat(RunFixture.run(D + "size=1m\niodepth=64\niodepth_batch_submit=64\n", "d=null:1m").notes())
                .anyMatch(note -> note.contains("so 32 are submitted together and not 64"));
        assertThat(RunFixture.run(D + "size=1m\niodepth=32\niodepth_batch_submit=64\n", "d=null:1m").notes()).isEmpty();
        assertThat(RunFixture.run(D + "size=1m\niodepth=64\n", "d=null:1m").notes()).isEmpty();
    }

    @Test
    void theDepthThatWasFoundIsInTheResult() throws UsageException {
        JobResult job = only(D + "size=1m\nrw=randread\nnorandommap\ntime_based\nruntime=60s\niodepth=8\n"
                + "latency_target=1\nlatency_window=1000\nlatency_percentile=100\n", "d=mem:1m,reaper");
        assertThat(job.latencyDepth()).isEqualTo(1);
        assertThat(only(D + "size=64k\niodepth=8\n", "d=null:1m").latencyDepth()).isEqualTo(8);
    }

    @Test
    void aLogThatCannotBeWrittenIsToldBeforeAnythingRuns(@TempDir Path directory) throws IOException {
        Files.createDirectory(directory.resolve("l_bw.1.log"));
        for (String name : List.of(directory + "/none/l", directory + "/l")) {
            assertThatExceptionOfType(UsageException.class)
                    .isThrownBy(() -> RunFixture.plan(D + "size=64k\nwrite_bw_log=" + name + "\n", "d=null:1m"))
                    .withMessageContaining("the log " + name + "_bw.1.log cannot be written: ");
        }
        assertThat(directory.resolve("none")).doesNotExist();
    }

    // ---- durability

    @ParameterizedTest
    @CsvSource({"fsync=4, 4", "fdatasync=8, 2", "end_fsync=1, 1", "fsync_on_close=1, 1", "fsync=16~end_fsync=1, 2"})
    void flushesComeWhereTheyAreWanted(String lines, int flushes) throws UsageException {
        JobResult job = only(D + "rw=write\nsize=64k\n" + lines.replace('~', '\n') + "\n", "d=mem:64k");
        assertThat(job.flushes().count()).isEqualTo(flushes);
    }

    @Test
    void aSyncWriteIsDurableWhenItEnds() throws UsageException {
        for (String sync : List.of("sync=1", "sync=dsync", "dsync=1", "sync=sync")) {
            JobResult job = only("[a]\nrw=randrw\nsize=256k\ndirect=1\nioengine=io_uring\n" + sync + "\n");
            assertThat(job.failures().told()).isEmpty();
            assertThat(job.writes().operations()).isPositive();
        }
    }

    // ---- data

    private byte[] written(String lines) throws UsageException, IOException {
        Path image = directory.resolve("image");
        try (RandomAccessFile file = new RandomAccessFile(image.toFile(), "rw")) {
            file.setLength(64 << 10);
        }
        assertThat(only(D + "rw=write\nsize=64k\n" + lines + "\n", "d=" + image).failures().told()).isEmpty();
        return Files.readAllBytes(image);
    }

    @Test
    void dataIsWhatTheJobSays() throws UsageException, IOException {
        assertThat(written("zero_buffers")).containsOnly(0);
        byte[] pattern = written("buffer_pattern=0xdeadbeef");
        for (int i = 0; i < pattern.length; i++) {
            assertThat(pattern[i]).isEqualTo((byte) (0xdeadbeef >>> (24 - i % 4 * 8)));
        }
        byte[] half = written("buffer_compress_percentage=50\nrefill_buffers");
        int zeroes = 0;
        for (byte each : half) {
            zeroes += each == 0 ? 1 : 0;
        }
        assertThat(zeroes).isBetween(32_768, 34_000);
        assertThat(blocks(written("refill_buffers"))).hasSize(16);
        assertThat(blocks(written("dedupe_percentage=100"))).hasSize(1);
    }

    private static Set<String> blocks(byte[] bytes) {
        Set<String> blocks = new HashSet<>();
        for (int i = 0; i < bytes.length; i += 4096) {
            blocks.add(HexFormat.of().formatHex(bytes, i, i + 64));
        }
        return blocks;
    }

    // ---- verification

    /** Changes an image between a job that writes and one that reads. */
    private interface Damage {
        void to(RandomAccessFile file) throws IOException;
    }

    private JobResult afterDamage(String method, Damage damage) throws UsageException, IOException {
        Path image = Files.createTempFile(directory, "image", "");
        try (RandomAccessFile file = new RandomAccessFile(image.toFile(), "rw")) {
            file.setLength(256 << 10);
        }
        String lines = D + "size=256k\nverify=" + method + "\n";
        assertThat(only(lines + "rw=randwrite\n", "d=" + image).failures().told()).isEmpty();
        try (RandomAccessFile file = new RandomAccessFile(image.toFile(), "rw")) {
            damage.to(file);
        }
        return only(lines + "rw=read\n", "d=" + image);
    }

    private static byte[] block(RandomAccessFile file, int number) throws IOException {
        byte[] bytes = new byte[4096];
        file.seek(number * 4096L);
        file.readFully(bytes);
        return bytes;
    }

    private static void put(RandomAccessFile file, int number, byte[] bytes) throws IOException {
        file.seek(number * 4096L);
        file.write(bytes);
    }

    @Test
    void everyMethodFindsAFlippedByteASwapAndAZeroedBlock() throws UsageException, IOException {
        for (String method : METHODS) {
            int at = method.startsWith("meta") ? 8 : 2000;
            int headers = method.contains("verify_interval=512") ? 8 : method.contains("verify_interval=1k") ? 4 : 1;
            assertThat(afterDamage(method, file -> {
                byte[] block = block(file, 3);
                block[at] ^= 1;
                put(file, 3, block);
            }).failures().verifyErrors()).as(method + ": flipped").isEqualTo(1);
            assertThat(afterDamage(method, file -> {
                byte[] one = block(file, 3);
                put(file, 3, block(file, 4));
                put(file, 4, one);
            }).failures().verifyErrors()).as(method + ": swapped").isEqualTo(2L * headers);
            assertThat(afterDamage(method, file -> put(file, 3, new byte[4096])).failures().verifyErrors())
                    .as(method + ": zeroed").isEqualTo(headers);
            assertThat(afterDamage(method, _ -> {}).failures().verifyErrors()).as(method + ": whole").isZero();
        }
    }

    @Test
    void theFirstBadBlockEndsAJobThatSaysSo() throws UsageException {
        assertThat(only(D + "size=64k\nverify=md5\n", "d=mem:64k").failures().verifyErrors()).isEqualTo(16);
        assertThat(only(D + "size=64k\nverify=md5\nverify_fatal=1\n", "d=mem:64k").failures().verifyErrors())
                .isEqualTo(1);
    }

    @Test
    void whatWasWrittenIsReadBackInBetween() throws UsageException {
        JobResult job = only(D + "rw=randwrite\nsize=64k\nverify=crc32c\nverify_backlog=4\niodepth=4\n", "d=mem:64k");
        assertThat(job.failures().told()).isEmpty();
        assertThat(job.reads().bytes()).isEqualTo(64 << 10);
        assertThat(job.writes().bytes()).isEqualTo(64 << 10);
    }

    @Test
    void nothingIsWrittenByAJobThatOnlyVerifies() throws UsageException, IOException {
        Path image = Files.write(directory.resolve("image"), new byte[64 << 10]);
        String lines = D + "rw=randwrite\nsize=64k\nverify=crc32c\n";
        assertThat(only(lines + "verify_only\n", "d=" + image).failures().verifyErrors()).isEqualTo(16);
        assertThat(Files.readAllBytes(image)).containsOnly(0);
        assertThat(only(lines, "d=" + image).failures().told()).isEmpty();
        assertThat(only(lines + "verify_only\n", "d=" + image).failures().told()).isEmpty();
    }

    @Test
    void aDeviceWithoutDiscardIsRefusedForTrims() throws IOException {
        assertThatExceptionOfType(UsageException.class).isThrownBy(() -> only(D + "rw=trim\n", "d=mem:1m,ro"))
                .withMessageContaining("read-only");
    }

    // ---- the report

    @Test
    void reportsAreOfDirectionsOrOfTheirSum() throws UsageException {
        JobResult job = only(D + "rw=randrw\nsize=1m\n", "d=mem:1m");
        assertThat(job.mixed().operations()).isEqualTo(256);
        assertThat(job.of(Direction.READ).operations() + job.of(Direction.WRITE).operations()).isEqualTo(256);
    }

    @Test
    void logsHaveALineForEachOperationOrForATime() throws UsageException, IOException {
        Path log = directory.resolve("l");
        assertThat(only(D + "rw=randrw\nsize=64k\nwrite_lat_log=" + log + "\nwrite_iops_log=" + log + "\nwrite_bw_log="
                + log + "\nlog_offset=1\n", "d=mem:64k").failures().told()).isEmpty();
        for (String kind : List.of("slat", "clat", "lat")) {
            assertThat(Files.readAllLines(directory.resolve("l_" + kind + ".1.log"))).as(kind).hasSize(16)
                    .allMatch(line -> line.matches("\\d+, \\d+, [01], 4096, \\d+, 0"));
        }
        assertThat(Files.readAllLines(directory.resolve("l_iops.1.log"))).isNotEmpty()
                .allMatch(line -> line.matches("\\d+, \\d+, [01], 0, 0"));
        assertThat(directory.resolve("l_bw.1.log")).isNotEmptyFile();
        assertThat(only(
                D + "size=64k\nwrite_lat_log=" + directory.resolve("m") + "\nlog_avg_msec=1000000\nper_job_logs=0\n",
                "d=mem:64k").failures().told()).isEmpty();
        assertThat(Files.readAllLines(directory.resolve("m_lat.log"))).hasSizeBetween(1, 2);
    }

    /** The job with number 0 ends last, and has no log of bandwidth; of that there is one of a former run. */
    @Test
    void jobsThatShareALogAreAllInItAndNothingElseIs() throws UsageException, IOException {
        Path log = directory.resolve("s");
        Path bandwidth = Files.writeString(directory.resolve("s_bw.log"), "of a former run\n");
        RunResult result = RunFixture.run("""
            [global]
            size=64k
            per_job_logs=0
            write_lat_log=LOG
            [a]
            filename=a
            startdelay=50ms
            rw=write
            [b]
            filename=b
            write_bw_log=LOG
            """.replace("LOG", log.toString()), "a=mem:64k", "b=mem:64k");
        assertThat(result.hasErrors()).isFalse();
        List<String> lines = Files.readAllLines(directory.resolve("s_lat.log"));
        assertThat(lines).hasSize(32);
        assertThat(lines.subList(0, 16)).as("of the first job").allMatch(line -> line.contains(", 1, 4096, "));
        assertThat(lines.subList(16, 32)).as("of the second").allMatch(line -> line.contains(", 0, 4096, "));
        assertThat(Files.readAllLines(bandwidth)).isNotEmpty().allMatch(line -> line.matches("[\\d, ]+"));
    }

    @Test
    void whatIsDoneInTheRampIsNotLogged() throws UsageException, IOException {
        Path log = directory.resolve("r");
        JobResult job = only(
                D + "size=64k\ntime_based\nramp_time=50ms\nruntime=50ms\nrate_iops=1000\nwrite_lat_log=" + log + "\n",
                "d=null:64k");
        assertThat(Files.readAllLines(directory.resolve("r_lat.1.log"))).hasSize((int) job.reads().operations());
    }

    @Test
    void samplesAreOfDirectionsThatDidSomething() throws UsageException {
        JobResult job = only(D + "rw=write\nsize=1m\nverify=crc32c\n", "d=mem:1m");
        assertThat(job.failures().told()).isEmpty();
        assertThat(job.writes().iopsSamples().min()).isPositive();
        assertThat(job.writes().bandwidthSamples().min()).isPositive();
        assertThat(job.reads().iopsSamples().min()).isPositive();
    }

    @Test
    void keysWithoutEffectAreToldInOneLine() throws UsageException {
        assertThat(RunFixture.run("[global]\nthread\n" + D + "size=64k\nclocksource=cpu\n", "d=null:64k").notes())
                .containsExactly("keys without effect here: clocksource, thread; docs/guide/blkmq-run.md says why");
    }

    @Test
    void theJobsOfTheRepositoryAreRead() throws IOException, UsageException {
        try (var files = Files.list(Path.of("../docs/jobs"))) {
            for (Path file : files.toList()) {
                assertThat(JobFile.read(file)).as(file.toString()).isNotEmpty();
            }
        }
    }
}
