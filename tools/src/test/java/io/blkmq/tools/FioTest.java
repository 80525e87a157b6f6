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
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

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

    private Path file() {
        return directory.resolve("image");
    }

    private Path image(long bytes) throws IOException {
        try (RandomAccessFile file = new RandomAccessFile(file().toFile(), "rw")) {
            file.setLength(bytes);
        }
        return file();
    }

    private Path job(String lines) throws IOException {
        return Files.writeString(directory.resolve("job.fio"),
                "[a]\nfilename=" + file() + "\n" + lines.replace('~', '\n') + "\n");
    }

    /** Runs a job on the image. Returns the exit status. */
    private int blkmq(String lines, String... options) throws IOException {
        String[] first = {"run", "--attach", file() + "=" + file(), job(lines).toString()};
        return Blkmq.execute(new PrintWriter(out), new PrintWriter(err),
                Stream.concat(Stream.of(first), Stream.of(options)).toArray(String[]::new));
    }

    /** Runs a job on the image, and returns the text of its JSON. */
    private Object fio(String lines) throws IOException, InterruptedException {
        ProcessBuilder builder = new ProcessBuilder("fio", "--output-format=json", job(lines).toString());
        builder.directory(directory.toFile()).redirectErrorStream(false)
                .redirectError(directory.resolve("fio.err").toFile());
        Process process = builder.start();
        String text = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        process.waitFor();
        return JsonText.list(JsonText.parse(text.substring(text.indexOf('{'))), "jobs").getFirst();
    }

    // ---- headers

    @ParameterizedTest
    @ValueSource(strings = {"crc32c", "crc32", "crc64", "crc16", "crc7", "xxhash", "md5", "sha1", "sha256", "sha512",
            "sha256~verify_interval=512", "sha512~verify_interval=512", "sha256~verify_pattern=0x12345678",
            "sha512~verify_pattern=0x123456789a", "sha3-224", "sha3-256", "sha3-384", "sha3-512", "meta",
            "pattern~verify_pattern=0xdeadbeef", "pattern~verify_pattern=0xff%o\"ab\"-12",
            "crc32c~verify_interval=1024", "md5~verify_pattern=0x1234"})
    void fioVerifiesWhatBlkmqWroteAndBlkmqWhatFioWrote(String method) throws IOException, InterruptedException {
        image(1 << 20);
        String lines = "size=1m~bs=4k~verify=" + method + "~rw=";
        assertThat(blkmq(lines + "randwrite~do_verify=0")).as(err.toString()).isZero();
        Object read = fio(lines + "read");
        assertThat(JsonText.number(read, "error")).as(Files.readString(directory.resolve("fio.err"))).isZero();
        assertThat(JsonText.number(read, "read", "total_ios")).isEqualTo(256);

        Files.delete(file());
        image(1 << 20);
        assertThat(JsonText.number(fio(lines + "randwrite~do_verify=0"), "error")).isZero();
        assertThat(blkmq(lines + "randread")).as(out.toString() + err).isZero();
    }

    @ParameterizedTest
    @ValueSource(strings = {"crc32c", "crc32", "crc64", "crc16", "xxhash", "md5", "sha1", "sha256", "sha3-256",
            "pattern~verify_pattern=0xdeadbeef"})
    void bothFindAByteThatChanged(String method) throws IOException, InterruptedException {
        image(1 << 20);
        String lines = "size=1m~bs=4k~verify=" + method + "~rw=";
        assertThat(blkmq(lines + "write")).as(err.toString()).isZero();
        flip(40_960 + 777);
        assertThat(JsonText.number(fio(lines + "read"), "error")).isEqualTo(84);
        assertThat(blkmq(lines + "read")).isEqualTo(1);
        assertThat(out.toString()).contains("bad block at offset 40960");
    }

    /** fio's own {@code sha512} looks at the ends of the data. */
    @Test
    void blkmqFindsAByteThatChangedWhereTheMethodOfFioIsBlind() throws IOException, InterruptedException {
        image(1 << 20);
        String lines = "size=1m~bs=4k~verify=sha512~rw=";
        assertThat(blkmq(lines + "write")).as(err.toString()).isZero();
        flip(40_960 + 2000);
        assertThat(JsonText.number(fio(lines + "read"), "error")).isZero();
        assertThat(blkmq(lines + "read")).isEqualTo(1);
        assertThat(out.toString()).contains("bad block at offset 40960", "crc32c");
    }

    private void flip(long at) throws IOException {
        try (RandomAccessFile file = new RandomAccessFile(file().toFile(), "rw")) {
            file.seek(at);
            int found = file.read();
            file.seek(at);
            file.write(found ^ 0x10);
        }
    }

    // ---- the amounts

    @ParameterizedTest
    @ValueSource(strings = {"rw=read~size=1m", "rw=randread~size=1m~bs=8k", "rw=write~size=1m~bs=64k",
            "rw=randread~size=1m~io_size=2m", "rw=randread~size=1m~io_size=256k", "rw=read~size=1m~number_ios=7",
            "rw=read~size=1m~loops=3", "rw=read~size=50%", "rw=read~offset=50%~size=25%", "rw=read~offset=33%",
            "rw=write~size=1m~fsync=16", "rw=write~size=1m~bs=4k~end_fsync=1", "rw=read:4k~size=1m",
            "rw=write~size=1m~verify=crc32c", "rw=write~size=1m~verify=crc32c~verify_backlog=16",
            "rw=randwrite~size=1m~verify=md5~do_verify=0", "rw=read~size=1m~bs=0x2000", "rw=read~size=1m~bs=8k,16k,"})
    void bothMoveTheSame(String lines) throws IOException, InterruptedException {
        image(2 << 20);
        Object theirs = fio(lines);
        assertThat(JsonText.number(theirs, "error")).isZero();
        assertThat(blkmq(lines, "--json", "-")).as(err.toString()).isZero();
        Object ours = JsonText.list(JsonText.parse(out.toString()), "jobs").getFirst();
        for (String direction : List.of("read", "write", "trim")) {
            assertThat(JsonText.number(ours, direction, "io_bytes")).as(direction + " bytes")
                    .isEqualTo(JsonText.number(theirs, direction, "io_bytes"));
            assertThat(JsonText.number(ours, direction, "total_ios")).as(direction + " operations")
                    .isEqualTo(JsonText.number(theirs, direction, "total_ios"));
        }
    }

    // ---- what fio's own tools read

    @Test
    void fiosToolReadsTheBinsOfLatencies() throws IOException, InterruptedException {
        Command.require("fio_jsonplus_clat2csv");
        image(1 << 20);
        Path report = directory.resolve("report.json");
        assertThat(blkmq("rw=randrw~size=1m", "--output-format=json+", "--output", report.toString()))
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
