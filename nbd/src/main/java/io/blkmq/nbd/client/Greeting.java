package io.blkmq.nbd.client;

import io.blkmq.nbd.socket.PlainTransport;
import io.blkmq.nbd.socket.TlsTransport;
import io.blkmq.nbd.socket.Transport;
import io.blkmq.nbd.wire.Nbd;
import io.blkmq.nbd.wire.ReplyStyle;
import java.io.EOFException;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.net.StandardProtocolFamily;
import java.net.StandardSocketOptions;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.SSLParameters;
import org.jspecify.annotations.Nullable;

/**
 * The way to a connection that transmits: connects, negotiates, and waits for each answer. On a virtual thread of its own, and with a
 * bound: who waits for too long closes the socket.
 */
final class Greeting {
    private static final int REPLY_BYTES_MAX = 1 << 20;
    private static final int REPLIES_MAX = 1000;
    private static final int REQUEST_BYTES_DEFAULT = 32 << 20;
    private static final int REQUEST_BYTES_MAX = 32 << 20;

    private final Target target;
    private final SocketChannel channel;
    private Transport transport;
    private long sizeBytes = -1;
    private int flags;
    private int blockBytes = 1;
    private int requestBytes = REQUEST_BYTES_DEFAULT;

    /** A connection that transmits from here on. */
    record Established(SocketChannel channel, Transport transport, Offer offer) {}

    private Greeting(Target target, SocketChannel channel) {
        this.target = target;
        this.channel = channel;
        this.transport = new PlainTransport(channel);
    }

    /**
     * Begins.
     *
     * @return fails with what went wrong; who gets a connection closes it
     */
    static CompletableFuture<Established> begin(Target target) {
        CompletableFuture<Established> result = new CompletableFuture<>();
        Thread.ofVirtual().name("blkmq-nbd-greeting").start(() -> {
            try {
                result.complete(establish(target));
            } catch (Throwable e) {
                // Whatever it is, for example no memory: who waits for the connection waits for nothing else.
                result.completeExceptionally(e);
            }
        });
        return result;
    }

    private static Established establish(Target target) throws IOException {
        SocketAddress address = resolved(target);
        boolean unix = address instanceof UnixDomainSocketAddress;
        SocketChannel channel = unix ? SocketChannel.open(StandardProtocolFamily.UNIX) : SocketChannel.open();
        Thread watch = Thread.ofVirtual().name("blkmq-nbd-greeting-watch").start(() -> closeLater(channel, target));
        boolean established = false;
        try {
            boolean _ = channel.connect(address);
            if (!unix) {
                channel.setOption(StandardSocketOptions.TCP_NODELAY, true);
                channel.setOption(StandardSocketOptions.SO_KEEPALIVE, true);
            }
            Greeting greeting = new Greeting(target, channel);
            Offer offer = greeting.negotiate();
            watch.interrupt();
            channel.configureBlocking(false);
            established = true;
            return new Established(channel, greeting.transport, offer);
        } catch (ClosedChannelException e) {
            throw new IOException("no connection, or no answer, within "
                    + TimeUnit.NANOSECONDS.toMillis(target.connectNanos()) + " ms", e);
        } finally {
            watch.interrupt();
            if (!established) {
                channel.close();
            }
        }
    }

    /** Looks the host up: the server may have come back at another address. */
    private static SocketAddress resolved(Target target) throws IOException {
        if (!(target.address() instanceof InetSocketAddress inet) || !inet.isUnresolved()) {
            return target.address();
        }
        String host = inet.getHostString();
        CompletableFuture<InetAddress> found = new CompletableFuture<>();
        // A thread of its own, which nothing can end: the system's look-up waits as long as it likes.
        Thread.ofPlatform().daemon().name("blkmq-nbd-lookup").start(() -> {
            try {
                found.complete(target.lookup().address(host));
            } catch (Throwable e) {
                found.completeExceptionally(e);
            }
        });
        try {
            InetAddress address = found.get(target.connectNanos(), TimeUnit.NANOSECONDS);
            target.lastFound().set(address);
            return new InetSocketAddress(address, inet.getPort());
        } catch (ExecutionException e) {
            return lastFound(target, inet, "host " + host + " is not known", e.getCause());
        } catch (TimeoutException e) {
            return lastFound(target, inet, "host " + host + " has not been found within "
                    + TimeUnit.NANOSECONDS.toMillis(target.connectNanos()) + " ms", e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new InterruptedIOException("the look-up of host " + host + " was interrupted");
        }
    }

    /** Without an answer, the server may still be where it was. */
    private static SocketAddress lastFound(Target target, InetSocketAddress inet, String failure,
            @Nullable Throwable cause) throws IOException {
        InetAddress last = target.lastFound().get();
        if (last == null) {
            throw new IOException(failure, cause);
        }
        return new InetSocketAddress(last, inet.getPort());
    }

    /** Ends the wait of a thread that is in a call of the socket. */
    private static void closeLater(SocketChannel channel, Target target) {
        try {
            TimeUnit.NANOSECONDS.sleep(target.connectNanos());
            channel.close();
        } catch (InterruptedException e) {
            // It is connected, or has failed.
            Thread.currentThread().interrupt();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private Offer negotiate() throws IOException {
        ByteBuffer greeting = read(18);
        if (greeting.getLong() != Nbd.INIT_PASSWD || greeting.getLong() != Nbd.OPTS_MAGIC) {
            throw new IOException("it is no server of NBD, or one that only speaks the old style");
        }
        int offered = greeting.getShort();
        if ((offered & Nbd.FLAG_FIXED_NEWSTYLE) == 0) {
            throw new IOException("the server does not speak fixed newstyle");
        }
        write(ByteBuffer.allocate(4).putInt(Nbd.FLAG_FIXED_NEWSTYLE | (offered & Nbd.FLAG_NO_ZEROES)).flip());
        if (target.tls() != null) {
            startTls(target.tls());
        }
        ReplyStyle style = ask(Nbd.OPT_EXTENDED_HEADERS)
                ? ReplyStyle.EXTENDED
                : ask(Nbd.OPT_STRUCTURED_REPLY) ? ReplyStyle.STRUCTURED : ReplyStyle.SIMPLE;
        go();
        if (sizeBytes < 0 || blockBytes < 1 || Integer.bitCount(blockBytes) != 1 || requestBytes < blockBytes) {
            throw new IOException("the server offers " + sizeBytes + " bytes in blocks of " + blockBytes + " to "
                    + requestBytes + " bytes");
        }
        return new Offer(sizeBytes, flags, style, blockBytes, requestBytes);
    }

    private void startTls(SSLContext context) throws IOException {
        if (!ask(Nbd.OPT_STARTTLS)) {
            throw new IOException("the server has no TLS");
        }
        String host = target.tlsHost();
        SSLEngine engine = host == null ? context.createSSLEngine() : context.createSSLEngine(host, 0);
        engine.setUseClientMode(true);
        SSLParameters parameters = engine.getSSLParameters();
        parameters.setProtocols(new String[]{"TLSv1.3", "TLSv1.2"});
        if (host != null) {
            parameters.setEndpointIdentificationAlgorithm("HTTPS");
        }
        engine.setSSLParameters(parameters);
        TlsTransport tls = TlsTransport.blocking(channel, engine);
        while (!tls.handshake()) {
            Thread.onSpinWait();
        }
        transport = tls;
    }

    /** Sends an option without data; false if the server does not know it, or refuses. */
    private boolean ask(int option) throws IOException {
        sendOption(option, new byte[0]);
        return reply(option).type == Nbd.REP_ACK;
    }

    private void go() throws IOException {
        byte[] name = target.export().getBytes(StandardCharsets.UTF_8);
        sendOption(Nbd.OPT_GO, ByteBuffer.allocate(8 + name.length).putInt(name.length).put(name).putShort((short) 1)
                .putShort((short) Nbd.INFO_BLOCK_SIZE).array());
        for (int i = 0; i < REPLIES_MAX; i++) {
            OptionReply reply = reply(Nbd.OPT_GO);
            if (reply.type == Nbd.REP_ACK) {
                return;
            }
            if (reply.type == Nbd.REP_INFO) {
                info(reply.data);
            } else if (reply.type < 0) {
                throw new IOException("export '" + target.export() + "' is refused: " + refusal(reply));
            }
        }
        throw new IOException("the server does not come to an end");
    }

    private static String refusal(OptionReply reply) {
        String text = StandardCharsets.UTF_8.decode(reply.data).toString();
        String kind = switch (reply.type) {
            case Nbd.REP_ERR_UNKNOWN -> "there is none of that name";
            case Nbd.REP_ERR_TLS_REQD -> "the server wants TLS";
            case Nbd.REP_ERR_SHUTDOWN -> "the server is going";
            case Nbd.REP_ERR_POLICY -> "by the server's policy";
            case Nbd.REP_ERR_UNSUP -> "the server does not know GO";
            default -> "error 0x" + Integer.toHexString(reply.type);
        };
        return text.isEmpty() ? kind : kind + " (" + text + ")";
    }

    private void info(ByteBuffer data) throws IOException {
        int type = data.remaining() < 2 ? -1 : data.getShort();
        if (type == Nbd.INFO_EXPORT && data.remaining() == 10) {
            sizeBytes = data.getLong();
            flags = Short.toUnsignedInt(data.getShort());
        } else if (type == Nbd.INFO_BLOCK_SIZE && data.remaining() == 12) {
            blockBytes = data.getInt();
            data.getInt();
            long most = Integer.toUnsignedLong(data.getInt());
            requestBytes = (int) Math.min(most, REQUEST_BYTES_MAX);
        } else if (type == Nbd.INFO_EXPORT || type == Nbd.INFO_BLOCK_SIZE) {
            throw new IOException("information " + type + " with " + data.remaining() + " bytes");
        }
    }

    private void sendOption(int option, byte[] data) throws IOException {
        write(ByteBuffer.allocate(Nbd.OPTION_BYTES + data.length).putLong(Nbd.OPTS_MAGIC).putInt(option)
                .putInt(data.length).put(data).flip());
    }

    private record OptionReply(int type, ByteBuffer data) {}

    private OptionReply reply(int option) throws IOException {
        ByteBuffer head = read(Nbd.OPTION_REPLY_BYTES);
        long magic = head.getLong();
        int to = head.getInt();
        int type = head.getInt();
        long length = Integer.toUnsignedLong(head.getInt());
        if (magic != Nbd.REP_MAGIC || to != option || length > REPLY_BYTES_MAX) {
            throw new IOException(
                    "a reply to option " + to + " of " + length + " bytes where one to option " + option + " belongs");
        }
        return new OptionReply(type, read((int) length));
    }

    private ByteBuffer read(int bytes) throws IOException {
        ByteBuffer into = ByteBuffer.allocate(bytes);
        ByteBuffer[] only = {into};
        while (into.hasRemaining()) {
            if (transport.read(only) < 0) {
                throw new EOFException("the server closed the connection");
            }
        }
        return into.flip();
    }

    private void write(ByteBuffer bytes) throws IOException {
        ByteBuffer[] only = {bytes};
        while (bytes.hasRemaining() || !transport.flush()) {
            long _ = transport.write(only, 1);
        }
    }
}
