package io.blkmq.nbd;

import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.Set;

/**
 * Stands between a client and a server, and cuts all connections on command. On platform threads: once the JDK did not wake a virtual one
 * that waited in accept, while a connection waited for it.
 */
final class Proxy implements AutoCloseable {
    private final Path server;
    private final ServerSocketChannel listener;
    /** Guarded by itself. */
    private final Set<SocketChannel> open = new HashSet<>();
    private volatile boolean refusing;

    Proxy(Path socket, Path server) throws IOException {
        this.server = server;
        this.listener = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
        listener.bind(UnixDomainSocketAddress.of(socket));
        Thread.ofPlatform().daemon().start(this::accept);
    }

    private void accept() {
        while (listener.isOpen()) {
            try {
                SocketChannel client = listener.accept();
                SocketChannel to = SocketChannel.open(StandardProtocolFamily.UNIX);
                if (refusing) {
                    client.close();
                    to.close();
                    continue;
                }
                boolean _ = to.connect(UnixDomainSocketAddress.of(server));
                synchronized (open) {
                    open.add(client);
                    open.add(to);
                }
                Thread.ofPlatform().daemon().start(() -> pump(client, to));
                Thread.ofPlatform().daemon().start(() -> pump(to, client));
            } catch (IOException e) {
                // Closed, or the server is not there: the client hears of it.
                assert !e.toString().isEmpty();
            }
        }
    }

    private void pump(SocketChannel from, SocketChannel to) {
        ByteBuffer buffer = ByteBuffer.allocateDirect(64 << 10);
        try (from; to) {
            while (from.read(buffer.clear()) >= 0) {
                buffer.flip();
                while (buffer.hasRemaining()) {
                    int _ = to.write(buffer);
                }
            }
        } catch (IOException e) {
            // Cut.
            assert !e.toString().isEmpty();
        }
    }

    /** Cuts all connections and accepts none; what happens meanwhile happens without anybody connected. */
    void cut(Runnable meanwhile) throws IOException {
        refusing = true;
        synchronized (open) {
            for (SocketChannel channel : open) {
                channel.close();
            }
            open.clear();
        }
        meanwhile.run();
        refusing = false;
    }

    @Override
    public void close() throws IOException {
        listener.close();
        cut(() -> {});
    }
}
