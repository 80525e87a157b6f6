package io.blkmq.testing;

import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;

/** Waits for servers of other processes. */
public final class Listening {
    private Listening() {}

    /**
     * Waits until a server takes connections at a Unix socket: its file is there a little earlier.
     *
     * @param server the process
     * @param socket where it is to listen
     * @throws IOException if it ends before
     */
    public static void await(Process server, Path socket) throws IOException {
        Eventually.until("a server listens at " + socket, () -> isListenedAt(socket) || !server.isAlive());
        if (!server.isAlive()) {
            throw new IOException("the server at " + socket + " has ended with " + server.exitValue());
        }
    }

    private static boolean isListenedAt(Path socket) {
        try (SocketChannel probe = SocketChannel.open(StandardProtocolFamily.UNIX)) {
            return probe.connect(UnixDomainSocketAddress.of(socket));
        } catch (IOException e) {
            return false;
        }
    }
}
