package io.blkmq.core.counters;

import io.blkmq.core.Disk;
import io.blkmq.core.counters.layout.CountersLayout;
import io.blkmq.core.counters.layout.CountersText;
import io.blkmq.runtime.IoRuntime;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * Where another process of the user asks this one for the state of a disk. The question is the disk's name, as it is or as its counters have it, and a line's end; the answer begins with {@code +} and is the
 * state, one after the other where several disks have that name, or begins with {@code -} and says why there is none. One question for each connection.
 *
 * <p>Only who may enter the directory can connect: the user.
 */
final class DumpSocket {
    private static final System.Logger LOG = System.getLogger("io.blkmq.core.counters");
    private static final int QUESTION_BYTES_MAX = 1024;
    private static final int ANSWER_BYTES_MAX = 64 << 20;
    /** A process that does not ask, or does not answer, within this time is not waited for. */
    private static final int PATIENCE_MILLIS = 5_000;
    /** After a failure. */
    private static final long REST_NANOS = 100_000_000;

    private final Path path;
    /** Null if there is none; why is in the log. */
    private final @Nullable ServerSocketChannel server;

    private DumpSocket(Path path, @Nullable ServerSocketChannel server) {
        this.path = path;
        this.server = server;
    }

    /** The socket beside a counters file. */
    static Path path(Path file, long pid) {
        return file.resolveSibling(pid + ".dump");
    }

    /** Opens the socket. Without one the counters can be read all the same. */
    static DumpSocket open(Path file, long pid) {
        Path path = path(file, pid);
        try {
            boolean _ = Files.deleteIfExists(path);
            ServerSocketChannel server = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
            DumpSocket socket = new DumpSocket(path, server);
            try {
                server.bind(UnixDomainSocketAddress.of(path));
                var _ = IoRuntime.system().startAgent("blkmq-dump", () -> socket.serve(server));
            } catch (Throwable t) {
                socket.close();
                throw t;
            }
            return socket;
        } catch (IOException | RuntimeException e) {
            LOG.log(System.Logger.Level.WARNING,
                    path + " cannot be opened, so blkmq dump cannot ask this process: " + e);
            return new DumpSocket(path, null);
        }
    }

    private void serve(ServerSocketChannel from) {
        while (from.isOpen()) {
            try (SocketChannel client = from.accept()) {
                answer(client);
            } catch (ClosedChannelException _) {
                // This one, and the loop ends; or that of somebody who has gone.
            } catch (Throwable t) {
                LOG.log(System.Logger.Level.DEBUG, path + ": somebody was not answered", t);
                // At the limit of open files each attempt fails at once, until somebody closes one.
                IoRuntime.system().parkNanos(this, REST_NANOS);
            }
        }
    }

    private static void answer(SocketChannel client) throws IOException {
        String question = new String(receive(client, QUESTION_BYTES_MAX, true), StandardCharsets.UTF_8);
        send(client, answer(question.strip()));
    }

    private static String answer(String name) {
        List<Disk> live = Disk.live();
        List<Disk> meant = live.stream().filter(disk -> disk.name().equals(name)).toList();
        if (meant.isEmpty()) {
            meant = live.stream().filter(disk -> nameInCounters(disk).equals(name)).toList();
        }
        if (meant.isEmpty()) {
            return "-the process has no device '" + name + "'; it has "
                    + (live.isEmpty() ? "none" : live.stream().map(Disk::name).collect(Collectors.joining(", ")));
        }
        try {
            return "+" + meant.stream().map(disk -> disk.queue().dump()).collect(Collectors.joining());
        } catch (Throwable t) {
            return "-" + name + " cannot be shown: " + t;
        }
    }

    /** A long name is cut there, and who asks may have read it there. */
    private static String nameInCounters(Disk disk) {
        return CountersText.fitting(disk.name(), CountersLayout.NAME_BYTES);
    }

    /** Asks another process. */
    static String ask(Path file, long pid, String name) throws IOException {
        Path path = path(file, pid);
        if (!Files.exists(path)) {
            throw new IOException("process " + pid + " cannot be asked: there is no " + path);
        }
        try (SocketChannel channel = SocketChannel.open(StandardProtocolFamily.UNIX)) {
            connect(channel, path, pid);
            send(channel, name + "\n");
            String answer = new String(receive(channel, ANSWER_BYTES_MAX, false), StandardCharsets.UTF_8);
            if (answer.isEmpty()) {
                throw new IOException("process " + pid + " has ended before it answered");
            }
            if (answer.charAt(0) != '+') {
                throw new IOException("process " + pid + ": " + answer.substring(1));
            }
            return answer.substring(1);
        }
    }

    private static void connect(SocketChannel channel, Path path, long pid) throws IOException {
        try {
            boolean _ = channel.connect(UnixDomainSocketAddress.of(path));
        } catch (IOException e) {
            throw new IOException("process " + pid + " cannot be asked by " + path + ": " + e.getMessage(), e);
        }
    }

    /** Reads to the end of the line, or of the stream. Gives up when the other side is silent. */
    private static byte[] receive(SocketChannel channel, int bytesMax, boolean line) throws IOException {
        ByteBuffer buffer = ByteBuffer.allocate(1024);
        try (Selector selector = Selector.open()) {
            channel.configureBlocking(false);
            SelectionKey _ = channel.register(selector, SelectionKey.OP_READ);
            for (;;) {
                if (selector.select(PATIENCE_MILLIS) == 0) {
                    throw new IOException("silent for " + PATIENCE_MILLIS / 1000 + " s");
                }
                selector.selectedKeys().clear();
                int read = channel.read(buffer);
                if (read < 0 || (line && buffer.position() > 0 && buffer.get(buffer.position() - 1) == '\n')) {
                    byte[] all = new byte[buffer.flip().remaining()];
                    buffer.get(all);
                    return all;
                }
                if (!buffer.hasRemaining()) {
                    if (buffer.capacity() >= bytesMax) {
                        throw new IOException("more than " + bytesMax + " bytes");
                    }
                    buffer = ByteBuffer.allocate(Math.min(buffer.capacity() * 4, bytesMax)).put(buffer.flip());
                }
            }
        }
    }

    /** Gives up when the other side does not read. */
    private static void send(SocketChannel channel, String text) throws IOException {
        ByteBuffer bytes = ByteBuffer.wrap(text.getBytes(StandardCharsets.UTF_8));
        try (Selector selector = Selector.open()) {
            channel.configureBlocking(false);
            SelectionKey _ = channel.register(selector, SelectionKey.OP_WRITE);
            while (bytes.hasRemaining()) {
                if (selector.select(PATIENCE_MILLIS) == 0) {
                    throw new IOException("not read for " + PATIENCE_MILLIS / 1000 + " s");
                }
                selector.selectedKeys().clear();
                channel.write(bytes);
            }
        }
    }

    /** Closes it, and removes its file. */
    void close() {
        ServerSocketChannel open = server;
        if (open == null) {
            return;
        }
        try {
            open.close();
            boolean _ = Files.deleteIfExists(path);
        } catch (IOException e) {
            LOG.log(System.Logger.Level.WARNING, path + " could not be removed", e);
        }
    }
}
