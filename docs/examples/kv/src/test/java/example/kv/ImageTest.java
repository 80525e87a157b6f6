package example.kv;

import static io.blkmq.testkit.fs.FileSystemModel.EXT4_ORDERED;
import static io.blkmq.testkit.fs.FileSystemModel.POSIX;
import static io.blkmq.testkit.fs.FileSystemModel.XFS;
import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.loop.LoopConfig;
import io.blkmq.loop.LoopDevice;
import io.blkmq.testkit.fs.CrashTest;
import io.blkmq.testkit.junit.PowerCuts;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;

/** The log on a disk in an image file, as {@link Main} has it: the crash is that of the file's system, from the file's making on. */
class ImageTest {
    private static final List<String> KEYS = List.of("a", "b", "c");

    private static LoopDevice attach(Path directory) throws IOException {
        // The files of a crash test are in memory: no kernel reaches them, and they have no direct I/O.
        return LoopDevice.attach(LoopConfig.builder(directory.resolve("disk.img")).engine("channel").direct(false).blockBytes(4096)
                .createBytes(64 << 10).build());
    }

    @PowerCuts(model = {EXT4_ORDERED, XFS, POSIX})
    void whatWasPutSurvives(CrashTest<String> test) throws Exception {
        test.run((directory, acknowledged) -> {
            try (LoopDevice device = attach(directory); KeyValueLog log = KeyValueLog.open(device.disk())) {
                for (String key : KEYS) {
                    log.putLater(bytes(key), bytes("later".repeat(1000)));
                    log.put(bytes(key), bytes("now"));
                    acknowledged.add(key);
                }
            }
        }).check((directory, acknowledged) -> {
            try (LoopDevice device = attach(directory); KeyValueLog log = KeyValueLog.open(device.disk())) {
                for (String key : acknowledged) {
                    assertThat(log.get(bytes(key))).isEqualTo(bytes("now"));
                }
                assertThat(log.keys().size()).isBetween(acknowledged.size(), acknowledged.size() + 1);
            }
        });
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }
}
