package example;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(120)
class FileServerTest {
    private final byte[] content = new byte[(3 << 20) + 4711];
    private Path path;
    private FileServer server;
    private Socket socket;
    private DataOutputStream requests;
    private DataInputStream answers;

    @BeforeEach
    void open() throws IOException {
        new Random(1).nextBytes(content);
        path = Files.write(Files.createTempFile(Files.createDirectories(Path.of("target")), "served", ".bin"), content);
        server = new FileServer(path);
        socket = new Socket(server.address().getAddress(), server.address().getPort());
        requests = new DataOutputStream(socket.getOutputStream());
        answers = new DataInputStream(socket.getInputStream());
    }

    @AfterEach
    void close() throws IOException {
        socket.close();
        server.close();
        Files.delete(path);
    }

    private void request(long offset, int length) throws IOException {
        requests.writeLong(offset);
        requests.writeInt(length);
    }

    @Test
    void manyPartsAtOnceComeInTheirOrder() throws IOException {
        Random random = new Random(2);
        int[][] parts = new int[200][];
        for (int i = 0; i < parts.length; i++) {
            parts[i] = new int[]{random.nextInt(content.length + 1000), random.nextInt(i % 2 == 0 ? 100 : 20_000)};
            request(parts[i][0], parts[i][1]);
        }
        for (int[] part : parts) {
            int end = Math.clamp((long) part[0] + part[1], part[0], Math.max(part[0], content.length));
            byte[] expected = part[0] > content.length ? new byte[0] : Arrays.copyOfRange(content, part[0], end);
            assertThat(answers.readInt()).isEqualTo(expected.length);
            assertThat(answers.readNBytes(expected.length)).isEqualTo(expected);
        }
    }

    /** Of descriptors, of which an engine has some, and of threads. */
    private static long opened() throws IOException {
        try (Stream<Path> descriptors = Files.list(Path.of("/proc/self/fd"));
                Stream<Path> threads = Files.list(Path.of("/proc/self/task"))) {
            return descriptors.count() + threads.count();
        }
    }

    @Test
    void aServerThatCannotOpenItsFileLeavesNothing() throws IOException {
        Assumptions.assumeTrue(Files.exists(Path.of("/proc/self/fd")));
        Path missing = path.resolveSibling("missing");
        assertThatExceptionOfType(NoSuchFileException.class).isThrownBy(() -> new FileServer(missing));
        long before = opened();
        for (int i = 0; i < 100; i++) {
            assertThatExceptionOfType(NoSuchFileException.class).isThrownBy(() -> new FileServer(missing));
        }
        // The JVM has a few of its own, which come and go.
        assertThat(opened()).isLessThan(before + 50);
    }

    @Test
    void aPartThatIsTooLargeEndsTheConnection() throws IOException {
        request(0, FileServer.PART_MAX + 1);
        assertThat(answers.read()).isEqualTo(-1);
    }
}
