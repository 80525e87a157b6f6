package io.blkmq.tools;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.testing.Command;
import io.blkmq.tools.job.JobOptions;
import io.blkmq.tools.report.JsonText;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.RandomAccessFile;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** blkmq run and fio do the same with the same jobs. */
@Timeout(300)
class FioTest {
    @TempDir
    private Path directory;

    private final StringWriter out = new StringWriter();
    private final StringWriter err = new StringWriter();

    @BeforeEach
    void requireFio() {
        Command.require("fio");
    }

    private Path file(int number) {
        return directory.resolve("image" + number);
    }

    private void image(int number, long bytes) throws IOException {
        try (RandomAccessFile file = new RandomAccessFile(file(number).toFile(), "rw")) {
            file.setLength(bytes);
        }
    }

    /** A job on an image of its own. */
    private String job(int number, String lines) {
        return "[" + number + "]\nfilename=" + file(number) + "\n" + lines.replace('~', '\n') + "\n";
    }

    /** Runs a job on its image. Returns the exit status. */
    private int blkmq(int number, String lines, String... options) throws IOException {
        Path job = Files.writeString(directory.resolve("job.fio"), job(number, lines));
        String[] first = {"run", "--attach", file(number) + "=" + file(number), job.toString()};
        return Blkmq.execute(new PrintWriter(out), new PrintWriter(err),
                Stream.concat(Stream.of(first), Stream.of(options)).toArray(String[]::new));
    }

    /** Runs jobs on their images, side by side: fio takes longer to begin and to end than for any of them. Returns what its JSON says of each. */
    private List<Object> fio(List<String> jobs) throws IOException, InterruptedException {
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < jobs.size(); i++) {
            text.append(job(i, jobs.get(i)));
        }
        Path file = Files.writeString(directory.resolve("fio.fio"), text);
        ProcessBuilder builder = new ProcessBuilder("fio", "--output-format=json", file.toString());
        builder.directory(directory.toFile()).redirectErrorStream(false)
                .redirectError(directory.resolve("fio.err").toFile());
        Process process = builder.start();
        String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        process.waitFor();
        List<Object> all = JsonText.list(JsonText.parse(said.substring(said.indexOf('{'))), "jobs");
        assertThat(all).extracting(job -> JsonText.get(job, "jobname"))
                .isEqualTo(IntStream.range(0, jobs.size()).mapToObj(Integer::toString).toList());
        return all;
    }

    // ---- headers

    private static final List<String> METHODS = List.of("crc32c", "crc32", "crc64", "crc16", "crc7", "xxhash", "md5",
            "sha1", "sha256", "sha512", "sha256~verify_interval=512", "sha512~verify_interval=512",
            "sha256~verify_pattern=0x12345678", "sha512~verify_pattern=0x123456789a", "sha3-224", "sha3-256",
            "sha3-384", "sha3-512", "meta", "pattern~verify_pattern=0xdeadbeef",
            "pattern~verify_pattern=0xff%o\"ab\"-12", "crc32c~verify_interval=1024", "md5~verify_pattern=0x1234");

    private static String lines(String method, String pattern) {
        return "size=1m~bs=4k~verify=" + method + "~rw=" + pattern;
    }

    @Test
    void fioVerifiesWhatBlkmqWroteAndBlkmqWhatFioWrote() throws IOException, InterruptedException {
        for (int i = 0; i < METHODS.size(); i++) {
            image(i, 1 << 20);
            assertThat(blkmq(i, lines(METHODS.get(i), "randwrite~do_verify=0"))).as(METHODS.get(i) + err).isZero();
        }
        List<Object> read = fio(METHODS.stream().map(method -> lines(method, "read")).toList());
        for (int i = 0; i < METHODS.size(); i++) {
            assertThat(JsonText.number(read.get(i), "error"))
                    .as(METHODS.get(i) + Files.readString(directory.resolve("fio.err"))).isZero();
            assertThat(JsonText.number(read.get(i), "read", "total_ios")).as(METHODS.get(i)).isEqualTo(256);
            Files.delete(file(i));
            image(i, 1 << 20);
        }
        List<Object> written = fio(METHODS.stream().map(method -> lines(method, "randwrite~do_verify=0")).toList());
        for (int i = 0; i < METHODS.size(); i++) {
            assertThat(JsonText.number(written.get(i), "error")).as(METHODS.get(i)).isZero();
            assertThat(blkmq(i, lines(METHODS.get(i), "randread"))).as(METHODS.get(i) + out + err).isZero();
        }
    }

    @Test
    void bothFindAByteThatChanged() throws IOException, InterruptedException {
        List<String> methods = List.of("crc32c", "crc32", "crc64", "crc16", "xxhash", "md5", "sha1", "sha256",
                "sha3-256", "pattern~verify_pattern=0xdeadbeef");
        for (int i = 0; i < methods.size(); i++) {
            image(i, 1 << 20);
            assertThat(blkmq(i, lines(methods.get(i), "write"))).as(methods.get(i) + err).isZero();
            flip(i, 40_960 + 777);
        }
        List<Object> read = fio(methods.stream().map(method -> lines(method, "read")).toList());
        for (int i = 0; i < methods.size(); i++) {
            assertThat(JsonText.number(read.get(i), "error")).as(methods.get(i)).isEqualTo(84);
            out.getBuffer().setLength(0);
            assertThat(blkmq(i, lines(methods.get(i), "read"))).as(methods.get(i)).isEqualTo(1);
            assertThat(out.toString()).as(methods.get(i)).contains("bad block at offset 40960");
        }
    }

    /** fio's own {@code sha512} looks at the ends of the data. */
    @Test
    void blkmqFindsAByteThatChangedWhereTheMethodOfFioIsBlind() throws IOException, InterruptedException {
        image(0, 1 << 20);
        assertThat(blkmq(0, lines("sha512", "write"))).as(err.toString()).isZero();
        flip(0, 40_960 + 2000);
        assertThat(JsonText.number(fio(List.of(lines("sha512", "read"))).getFirst(), "error")).isZero();
        assertThat(blkmq(0, lines("sha512", "read"))).isEqualTo(1);
        assertThat(out.toString()).contains("bad block at offset 40960", "crc32c");
    }

    private void flip(int number, long at) throws IOException {
        try (RandomAccessFile file = new RandomAccessFile(file(number).toFile(), "rw")) {
            file.seek(at);
            int found = file.read();
            file.seek(at);
            file.write(found ^ 0x10);
        }
    }

    // ---- the amounts

    @Test
    void bothMoveTheSame() throws IOException, InterruptedException {
        List<String> jobs = List.of("rw=read~size=1m", "rw=randread~size=1m~bs=8k", "rw=write~size=1m~bs=64k",
                "rw=randread~size=1m~io_size=2m", "rw=randread~size=1m~io_size=256k", "rw=read~size=1m~number_ios=7",
                "rw=read~size=1m~loops=3", "rw=read~size=50%", "rw=read~offset=50%~size=25%", "rw=read~offset=33%",
                "rw=write~size=1m~fsync=16", "rw=write~size=1m~bs=4k~end_fsync=1", "rw=read:4k~size=1m",
                "rw=write~size=1m~verify=crc32c", "rw=write~size=1m~verify=crc32c~verify_backlog=16",
                "rw=randwrite~size=1m~verify=crc32c~verify_backlog=16~verify_backlog_batch=4",
                "rw=randwrite~size=1m~verify=crc32c~verify_backlog=16~fsync=16",
                "rw=write~size=64k~loops=2~verify=crc32c~verify_backlog=16",
                "rw=write~size=64k~rate_iops=1000~verify=crc32c", "rw=read~size=1m~rate_iops_min=1",
                "rw=randwrite~size=1m~verify=md5~do_verify=0", "rw=read~size=1m~bs=0x2000",
                "rw=read~size=1m~bs=8k,16k,");
        for (int i = 0; i < jobs.size(); i++) {
            image(i, 2 << 20);
        }
        List<Object> all = fio(jobs);
        for (int i = 0; i < jobs.size(); i++) {
            Object theirs = all.get(i);
            assertThat(JsonText.number(theirs, "error")).as(jobs.get(i)).isZero();
            out.getBuffer().setLength(0);
            assertThat(blkmq(i, jobs.get(i), "--json", "-")).as(jobs.get(i) + err).isZero();
            Object ours = JsonText.list(JsonText.parse(out.toString()), "jobs").getFirst();
            for (String direction : List.of("read", "write", "trim")) {
                assertThat(JsonText.number(ours, direction, "io_bytes")).as(jobs.get(i) + ": " + direction + " bytes")
                        .isEqualTo(JsonText.number(theirs, direction, "io_bytes"));
                assertThat(JsonText.number(ours, direction, "total_ios"))
                        .as(jobs.get(i) + ": " + direction + " operations")
                        .isEqualTo(JsonText.number(theirs, direction, "total_ios"));
            }
        }
    }

    // ---- what fio's own tools read

    @Test
    void fiosToolReadsTheBinsOfLatencies() throws IOException, InterruptedException {
        Command.require("fio_jsonplus_clat2csv");
        image(0, 1 << 20);
        Path report = directory.resolve("report.json");
        assertThat(blkmq(0, "rw=randrw~size=1m", "--output-format=json+", "--output", report.toString()))
                .as(err.toString()).isZero();
        Path csv = directory.resolve("report.csv");
        Command.run("", "fio_jsonplus_clat2csv", report.toString(), csv.toString());
        List<String> lines = Files.readAllLines(directory.resolve("report_job0.csv"));
        assertThat(lines.getFirst()).contains("nsec", "read_clat_ns_count", "write_clat_ns_count");
        assertThat(lines).hasSizeGreaterThan(2);
    }

    @Test
    void everyKeyOfFioIsKnown() throws IOException, InterruptedException {
        List<String> unknown = Command.run("", "fio", "--cmdhelp=all").lines().filter(line -> line.contains(":"))
                .map(line -> line.substring(0, line.indexOf(':')).strip()).filter(key -> key.matches("[a-z0-9_-]+"))
                .filter(key -> !JobOptions.isKey(key)).toList();
        assertThat(unknown).isEmpty();
    }
}
