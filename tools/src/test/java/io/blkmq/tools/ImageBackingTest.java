package io.blkmq.tools;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.aio.AioEngines;
import io.blkmq.testing.BesideOthers;
import io.blkmq.testing.Command;
import io.blkmq.testing.JavaProcess;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.api.parallel.ResourceAccessMode;
import org.junit.jupiter.api.parallel.ResourceLock;

/** Jobs on images on Ceph: what is written there is found there, by a run of its own, and by fio's keys. */
@Timeout(300)
@BesideOthers
@ResourceLock(value = ObserveCommandsTest.DEVICES, mode = ResourceAccessMode.READ)
class ImageBackingTest {
    @TempDir
    private Path directory = Path.of("");

    private final StringWriter out = new StringWriter();
    private final StringWriter err = new StringWriter();

    private int execute(String... arguments) {
        return Blkmq.execute(new PrintWriter(out), new PrintWriter(err), arguments);
    }

    @Test
    void aJobOfFiosRbdEngineSaysPoolAndImage() {
        assertThat(execute("run", "--name=a", "--ioengine=rbd", "--pool=p")).isEqualTo(2);
        assertThat(err.toString()).contains("job a: ioengine=rbd needs rbdname=", "--attach NAME=rbd:POOL/IMAGE");
        assertThat(execute("run", "--attach", "d=" + directory.resolve("f"), "--name=a", "--filename=d",
                "--ioengine=rbd", "--pool=p", "--rbdname=i")).isEqualTo(2);
        assertThat(err.toString()).contains("ioengine=rbd is for images on Ceph");
    }

    @Test
    void whatIsWrittenToAnImageIsFoundThere() throws Exception {
        Command.require("ceph", "rbd", "ceph-mon", "ceph-osd");
        if (AioEngines.find("rbd").unavailable().isPresent()) {
            Command.lacking("librbd.so.1");
        }
        // It ends with this process, whatever becomes of it.
        Process cluster = new ProcessBuilder("../bin/ceph-small", "run", directory.resolve("ceph").toString(),
                "--store", "memstore", "--size", "1G").redirectErrorStream(true).start();
        try (OutputStream _ = cluster.getOutputStream()) {
            String conf = conf(cluster);
            Command.run("", "rbd", "-c", conf, "create", "rbd/disk", "--size", "32M");
            verify("rbd:rbd/disk:conf=" + conf, conf);
        } finally {
            cluster.waitFor();
        }
    }

    private static String conf(Process cluster) throws IOException {
        List<String> said = new ArrayList<>();
        BufferedReader lines = new BufferedReader(
                new InputStreamReader(cluster.getInputStream(), StandardCharsets.UTF_8));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            said.add(line);
            if (line.endsWith("ceph.conf")) {
                return line;
            }
        }
        throw new IOException("the small cluster does not start: " + said);
    }

    private void verify(String image, String conf) throws Exception {
        String lines = "[global]\nsize=100%\nbs=4k\niodepth=32\nverify=crc32c\nfsync=512\n[v]\n";
        Path write = Files.writeString(directory.resolve("write.fio"), lines + "filename=d\nrw=randwrite\n");
        Path read = Files.writeString(directory.resolve("read.fio"), lines + "filename=d\nrw=randread\n");
        assertThat(execute("run", "--attach", "d=" + image, write.toString())).as(out.toString() + err).isZero();
        assertThat(out.toString()).contains("engine rbd", "v: jobs=1, err=0");
        assertThat(execute("run", "--attach", "d=" + image + ",ro,reaper", read.toString())).as(out.toString() + err)
                .isZero();
        assertThat(execute("run", "--attach", "d=" + image.replace("disk", "none"), read.toString())).isEqualTo(2);
        assertThat(err.toString()).contains("there is no image rbd/none");
        // As fio's engine finds its cluster.
        Path keys = Files.writeString(directory.resolve("keys.fio"),
                lines + "ioengine=rbd\npool=rbd\nrbdname=disk\nrw=randread\n");
        ProcessBuilder command = JavaProcess.of("java", List.of("--enable-native-access=ALL-UNNAMED", "-cp",
                JavaProcess.classPath(), "io.blkmq.tools.Blkmq", "run", keys.toString()));
        command.environment().put("CEPH_CONF", conf);
        Process process = command.redirectErrorStream(true).start();
        String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor()).as(said).isZero();
        assertThat(said).contains("ioengine=rbd", "v: jobs=1, err=0");
    }
}
