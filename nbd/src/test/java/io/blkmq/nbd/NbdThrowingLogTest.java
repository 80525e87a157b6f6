package io.blkmq.nbd;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.core.BlockIOException;
import io.blkmq.core.Disk;
import io.blkmq.testing.NoRescues;
import io.blkmq.testing.ThrowingLoggers;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** A log that throws costs no connection but its own, ends no thread, and keeps no request. */
@NoRescues
class NbdThrowingLogTest {
    private static final int BLOCK = 4096;

    @TempDir
    private Path directory = Path.of("");

    @Test
    @Timeout(300)
    void serversAndDisksGoOnWhateverTheLogThrows() throws Exception {
        assertThat(ThrowingLoggers.run(directory, Program.class, directory.toString()).lines().toList())
                .containsExactly("read", "server closed", "failed", "failed", "disk closed");
    }

    /** What is run in the other process. */
    static final class Program {
        private Program() {}

        public static void main(String[] arguments) throws IOException {
            Path directory = Path.of(arguments[0]);
            server(directory.resolve("s"));
            disk(directory.resolve("l"));
            // Also where a thread goes on for ever.
            System.exit(0);
        }

        private static void server(Path socket) throws IOException {
            try (Disk behind = Scratch.memory(16 * BLOCK);
                    NbdServer server = Patient.server().unix(socket).threads(1).start()) {
                server.addExport(NbdExport.builder("d", behind).build());
                for (int i = 0; i < 3; i++) {
                    try (SocketChannel rude = SocketChannel.open(StandardProtocolFamily.UNIX)) {
                        boolean _ = rude.connect(UnixDomainSocketAddress.of(socket));
                        int _ = rude.write(ByteBuffer.allocate(100));
                        ByteBuffer all = ByteBuffer.allocate(1000);
                        while (rude.read(all) >= 0) {
                            // On to the end.
                        }
                    } catch (IOException e) {
                        // The server has closed it.
                        assert !e.toString().isEmpty();
                    }
                }
                try (Disk disk = Patient.disk(NbdUri.parse("nbd+unix:///d?socket=" + socket)).open()) {
                    disk.read(0, ByteBuffer.allocate(BLOCK));
                    System.out.println("read");
                }
            }
            System.out.println("server closed");
        }

        /** What it gets does not fit what it asked for, and the next time the export is another one. */
        private static void disk(Path socket) throws IOException {
            try (LyingServer server = new LyingServer(socket, false, _ -> new byte[16]);
                    Disk disk = Patient.disk(NbdUri.parse("nbd+unix:///d?socket=" + socket)).open()) {
                server.sizeBytes = 2 << 20;
                for (int i = 0; i < 2; i++) {
                    try {
                        disk.write(0, ByteBuffer.allocate(BLOCK));
                    } catch (BlockIOException e) {
                        System.out.println("failed");
                    }
                }
            }
            System.out.println("disk closed");
        }
    }
}
