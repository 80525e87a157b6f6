package io.blkmq.nbd;

import io.blkmq.nbd.wire.Nbd;
import io.blkmq.nbd.wire.RequestHeader;
import java.io.EOFException;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import java.util.Map;
import java.util.Objects;
import java.util.Queue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.IntConsumer;
import java.util.function.IntFunction;

/** A server that negotiates as it should, and answers each request as its test says. */
final class LyingServer implements AutoCloseable {
    /** What it answers. */
    interface Answer {
        /** The bytes that go to the client for a request; null to say nothing. */
        byte @org.jspecify.annotations.Nullable [] to(RequestHeader request);
    }

    private final ServerSocketChannel listener;
    private final boolean structured;
    private final Answer answer;
    volatile long sizeBytes = 1 << 20;
    volatile int flags = Nbd.FLAG_HAS_FLAGS | Nbd.FLAG_SEND_FLUSH | Nbd.FLAG_SEND_FUA;
    /** Whether clients that come from now on get extended headers. */
    volatile boolean extended;
    final AtomicInteger connections = new AtomicInteger();
    /** How many of them have ended. */
    final AtomicInteger ended = new AtomicInteger();
    /** Gets the number of a connection, from 1, before the answer that chooses the export. */
    volatile IntConsumer beforeGo = _ -> {};
    private final Map<Integer, SocketChannel> clients = new ConcurrentHashMap<>();
    /** What it was asked in the negotiations. */
    final Queue<Integer> options = new ConcurrentLinkedQueue<>();
    /**
     * What it says to a connection, by its number, before that has asked for anything; null for nothing. By number, since several
     * negotiate at a time.
     */
    volatile IntFunction<byte @org.jspecify.annotations.Nullable []> unasked = _ -> null;

    LyingServer(Path socket, boolean structured, Answer answer) throws IOException {
        this.structured = structured;
        this.answer = answer;
        this.listener = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
        listener.bind(UnixDomainSocketAddress.of(socket));
        Thread.ofPlatform().daemon().start(() -> {
            while (listener.isOpen()) {
                try {
                    SocketChannel client = listener.accept();
                    int number = connections.incrementAndGet();
                    clients.put(number, client);
                    Thread.ofPlatform().daemon().start(() -> serve(client, number));
                } catch (IOException e) {
                    return;
                }
            }
        });
    }

    /** Ends a connection without a word. */
    void end(int number) throws IOException {
        Objects.requireNonNull(clients.get(number)).close();
    }

    private void serve(SocketChannel client, int number) {
        try (client) {
            write(client, ByteBuffer.allocate(18).putLong(Nbd.INIT_PASSWD).putLong(Nbd.OPTS_MAGIC).putShort((short) 3));
            read(client, 4);
            boolean haggling = true;
            boolean long64 = false;
            while (haggling) {
                ByteBuffer head = read(client, Nbd.OPTION_BYTES);
                head.getLong();
                int option = head.getInt();
                options.add(option);
                read(client, head.getInt());
                boolean go = option == Nbd.OPT_GO;
                if (go) {
                    beforeGo.accept(number);
                    reply(client, option, Nbd.REP_INFO,
                            ByteBuffer.allocate(12).putShort((short) 0).putLong(sizeBytes).putShort((short) flags));
                }
                long64 |= extended && option == Nbd.OPT_EXTENDED_HEADERS;
                boolean known = go || (long64 && option == Nbd.OPT_EXTENDED_HEADERS)
                        || (structured && option == Nbd.OPT_STRUCTURED_REPLY);
                reply(client, option, known ? Nbd.REP_ACK : Nbd.REP_ERR_UNSUP, ByteBuffer.allocate(0));
                haggling = !go;
            }
            byte @org.jspecify.annotations.Nullable [] first = unasked.apply(number);
            if (first != null) {
                write(client, ByteBuffer.wrap(first).position(first.length));
            }
            while (true) {
                RequestHeader request = new RequestHeader();
                boolean _ = request.read(read(client, RequestHeader.bytes(long64)), long64);
                read(client, (int) request.payloadBytes(long64));
                byte @org.jspecify.annotations.Nullable [] bytes = answer.to(request);
                if (bytes != null) {
                    write(client, ByteBuffer.wrap(bytes).position(bytes.length));
                }
            }
        } catch (IOException | java.io.UncheckedIOException e) {
            // The client is gone, or is to be.
            assert !e.toString().isEmpty();
        } finally {
            ended.incrementAndGet();
        }
    }

    private static void reply(SocketChannel client, int option, int type, ByteBuffer data) throws IOException {
        write(client, ByteBuffer.allocate(Nbd.OPTION_REPLY_BYTES + data.position()).putLong(Nbd.REP_MAGIC)
                .putInt(option).putInt(type).putInt(data.position()).put(data.flip()));
    }

    private static ByteBuffer read(SocketChannel client, int bytes) throws IOException {
        ByteBuffer into = ByteBuffer.allocate(bytes);
        while (into.hasRemaining()) {
            if (client.read(into) < 0) {
                throw new EOFException();
            }
        }
        return into.flip();
    }

    private static void write(SocketChannel client, ByteBuffer filled) throws IOException {
        filled.flip();
        while (filled.hasRemaining()) {
            int _ = client.write(filled);
        }
    }

    @Override
    public void close() throws IOException {
        listener.close();
    }
}
