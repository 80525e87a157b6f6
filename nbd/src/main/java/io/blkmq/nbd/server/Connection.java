package io.blkmq.nbd.server;

import io.blkmq.runtime.log.FailureLog;
import java.lang.System.Logger.Level;
import io.blkmq.nbd.socket.Loop;
import io.blkmq.nbd.socket.PlainTransport;
import io.blkmq.nbd.socket.TlsTransport;
import io.blkmq.nbd.socket.Transport;
import io.blkmq.runtime.IoBuffer;
import java.io.IOException;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SelectionKey;
import java.nio.channels.SocketChannel;
import java.util.ArrayDeque;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * A client's connection: what comes in, what goes out, and the end. What comes in means something to the {@link Negotiation} first, and
 * to the {@link Transmission} from then on.
 *
 * <pre>
 *   OPEN ──DISC, or the server ends──▶ DRAINING ──nothing in flight, all sent──▶ CLOSED ──nothing in flight──▶ gone
 *     │                                  └──TCP, without DISC──▶ LINGERING ──────▶ ▲
 *     │                                                            the client's end │
 *     └──────────end of the stream, broken protocol, stall────────────────────────┘
 * </pre>
 *
 * <p>A TCP socket that is closed while something of the client's is unread, or before that comes, drops the replies that it has not sent
 * yet. So a lingering connection only says that no more is coming, and throws away what the client sends until that ends, too. By then
 * it uses no disk and no memory of requests.
 *
 * <p>For its worker's thread.
 */
final class Connection implements Loop.Handler {
    private static final System.Logger LOG = System.getLogger(Connection.class.getName());
    private static final int IN_BYTES = 128 << 10;
    /** Reads from the socket in one turn: then others come first. */
    private static final int READS_PER_TURN = 8;
    private static final int BUFFERS_PER_WRITE = 256;

    final Worker worker;
    final Server server;
    private final SocketChannel channel;
    private final boolean isUnix;
    private final SelectionKey key;
    private final IoBuffer inBuffer;
    /** Received and not understood yet; from 0 to its position. */
    private final ByteBuffer in;
    private final ByteBuffer[] intoIn;
    private final ByteBuffer[] intoPayload;
    private final ArrayDeque<Message> out = new ArrayDeque<>();
    private final ByteBuffer[] gather = new ByteBuffer[BUFFERS_PER_WRITE];
    private final Negotiation negotiation = new Negotiation(this);
    private @Nullable Transmission transmission;
    private Transport transport;
    private @Nullable TlsTransport handshaking;
    private boolean draining;
    /** All is done but for the client's end. Written before the server is told, and read under its lock. */
    private boolean lingering;
    /** Whether the client was told that no more is coming. */
    private boolean finished;
    private long lingerNanos;
    private boolean closed;
    private boolean gone;
    private boolean unsent;
    private boolean unread;
    private final long beginNanos;
    /** Whether the client has done something, or it has just become its turn, since the last tick. */
    private boolean progressed;
    /** The time at the tick that has seen that. */
    private long progressNanos;

    private Connection(Server server, Worker worker, SocketChannel channel, IoBuffer inBuffer) throws IOException {
        this.server = server;
        this.worker = worker;
        this.channel = channel;
        this.inBuffer = inBuffer;
        this.in = inBuffer.memory().asByteBuffer();
        this.intoIn = new ByteBuffer[]{in};
        this.intoPayload = new ByteBuffer[]{in, in};
        this.isUnix = channel.getLocalAddress() instanceof UnixDomainSocketAddress;
        this.transport = new PlainTransport(channel);
        this.beginNanos = worker.time();
        this.progressNanos = beginNanos;
        this.key = worker.loop.register(channel, SelectionKey.OP_READ, this);
    }

    /** Takes a client's socket. What it throws has changed nothing. */
    static Connection open(Server server, Worker worker, SocketChannel channel) throws IOException {
        IoBuffer memory = IoBuffer.allocate(IN_BYTES);
        try {
            return new Connection(server, worker, channel, memory);
        } catch (IOException | RuntimeException | Error e) {
            memory.close();
            throw e;
        }
    }

    /** Greets the client. What it throws leaves the connection to be closed. */
    void begin() throws IOException {
        worker.add(this);
        negotiation.greet();
    }

    // ---- what comes in

    @Override
    public void ready(int ready) {
        if (lingering) {
            linger();
            return;
        }
        if (handshaking != null) {
            handshake();
            return;
        }
        if ((ready & SelectionKey.OP_WRITE) != 0) {
            send();
        }
        if ((ready & SelectionKey.OP_READ) != 0 && !lingering) {
            receive();
        }
    }

    /** Something may have been received, or understood, that no selector tells of. */
    void readSoon() {
        if (!unread && !closed) {
            unread = true;
            // Only now is it the client's turn; but not to take its replies: that it was before.
            progressed |= out.isEmpty();
            worker.readAgain(this);
        }
    }

    void readAgain() {
        unread = false;
        if (!lingering) {
            receive();
        }
    }

    private void receive() {
        try {
            for (int i = 0; i < READS_PER_TURN; i++) {
                understand();
                if (!wantsMore()) {
                    break;
                }
                long bytes = transport.read(where());
                if (bytes < 0) {
                    // Without a word: it does not wait for what is still in flight.
                    close();
                    return;
                }
                if (bytes == 0) {
                    break;
                }
                // Who has replies to take makes progress by taking them, whatever it sends meanwhile.
                progressed |= out.isEmpty();
            }
            understand();
            if (wantsMore() && transport.hasUnread()) {
                readSoon();
            }
            watch();
        } catch (IOException | RuntimeException | Error e) {
            lost(e);
        }
    }

    private ByteBuffer[] where() {
        ByteBuffer payload = transmission == null ? null : transmission.payload();
        if (payload == null) {
            return intoIn;
        }
        intoPayload[0] = payload;
        return intoPayload;
    }

    private boolean wantsMore() {
        return !closed && !draining && handshaking == null && !isPaused();
    }

    /** Whether nothing more is read until something else has happened. */
    private boolean isPaused() {
        return transmission != null ? transmission.isPaused() : !out.isEmpty();
    }

    private void understand() {
        if (closed) {
            return;
        }
        in.flip();
        try {
            while (!closed && !draining && handshaking == null && transmission == null && negotiation.next(in)) {
                progressed = true;
            }
            if (transmission != null && !closed && !draining) {
                transmission.take(in);
            }
        } finally {
            // Once it is closed the memory may be another's.
            if (!closed) {
                in.compact();
            }
        }
    }

    /** The negotiation has come to an end. */
    void transmit(Transmission begun) {
        transmission = begun;
    }

    /** A request's bio has ended. */
    void ended(ServedRequest request) {
        Transmission running = transmission;
        if (running != null) {
            running.ended(request);
        }
    }

    /** The export of a request in progress, for the worker that submits it. */
    Export exportInUse() {
        return Objects.requireNonNull(transmission).export();
    }

    /** What a request is answered with that its disk has refused; any worker's thread. */
    int refusal(ServedRequest request, Throwable e) {
        return Objects.requireNonNull(transmission).refusal(request, e);
    }

    /** Somebody has given memory back: it tries again, if it waits for some. */
    void memoryIsBack() {
        if (transmission != null && !closed) {
            transmission.resume();
        }
    }

    // ---- TLS

    boolean isEncrypted() {
        return transport instanceof TlsTransport;
    }

    /** Goes on encrypted, once what is to be sent in plain is sent. */
    void encrypt() throws IOException {
        if (in.hasRemaining()) {
            // It was sent in plain, and would be taken for something that was sent encrypted.
            abort("data behind STARTTLS");
            return;
        }
        TlsTransport tls = new TlsTransport(channel, server.serverEngine(), worker.loop, this::handshake);
        handshaking = tls;
        send();
        handshake();
    }

    private void handshake() {
        TlsTransport tls = handshaking;
        if (tls == null || closed) {
            return;
        }
        try {
            if (!out.isEmpty()) {
                send();
            }
            if (!out.isEmpty()) {
                return;
            }
            boolean done = tls.handshake();
            if (done) {
                handshaking = null;
                transport = tls;
                readSoon();
            }
            watch();
        } catch (IOException | RuntimeException | Error e) {
            server.counters().aborted.increment();
            lost(e);
        }
    }

    // ---- what goes out

    /** Whether something waits to be sent. */
    boolean isSending() {
        return !out.isEmpty();
    }

    void send(Message message) {
        if (closed) {
            release(message);
            return;
        }
        progressed |= out.isEmpty();
        out.add(message);
        if (!unsent) {
            unsent = true;
            worker.sendSoon(this);
        }
    }

    /** Sends as much as goes. */
    void send() {
        unsent = false;
        if (closed || lingering) {
            return;
        }
        try {
            boolean all = sendTo(transport);
            if (all && draining && isIdle()) {
                transport.shutdown();
                if (mustLinger()) {
                    beginToLinger();
                } else {
                    close();
                }
                return;
            }
            if (all && transmission == null && handshaking == null && in.position() > 0) {
                readSoon();
            }
            watch();
        } catch (IOException | RuntimeException | Error e) {
            lost(e);
        }
    }

    private boolean sendTo(Transport to) throws IOException {
        while (!out.isEmpty()) {
            int count = gather();
            long bytes = to.write(gather, count);
            progressed |= bytes > 0;
            while (!out.isEmpty() && isSent(out.element())) {
                release(out.remove());
            }
            if (bytes == 0 || gather[count - 1].hasRemaining()) {
                break;
            }
        }
        return to.flush() && out.isEmpty();
    }

    private int gather() {
        int count = 0;
        for (Message message : out) {
            if (count + 2 > gather.length) {
                break;
            }
            if (message.head().hasRemaining()) {
                gather[count++] = message.head();
            }
            ByteBuffer data = message.data();
            if (data != null && data.hasRemaining()) {
                gather[count++] = data;
            }
        }
        return count;
    }

    private static boolean isSent(Message message) {
        ByteBuffer data = message.data();
        return !message.head().hasRemaining() && (data == null || !data.hasRemaining());
    }

    private void release(Message message) {
        if (message instanceof ServedRequest request && transmission != null) {
            transmission.release(request);
        }
    }

    /** Tells the selector what to look for. */
    private void watch() throws IOException {
        if (closed || lingering) {
            return;
        }
        boolean reads = handshaking == null ? wantsMore() : !handshaking.isComputing();
        int ops = reads ? SelectionKey.OP_READ : 0;
        if (!out.isEmpty() || !transport.flush() || (handshaking != null && !handshaking.flush())) {
            ops |= SelectionKey.OP_WRITE;
        }
        if (key.isValid() && key.interestOps() != ops) {
            key.interestOps(ops);
        }
    }

    // ---- the end

    boolean isClosed() {
        return closed;
    }

    private boolean isIdle() {
        return transmission == null || transmission.isIdle();
    }

    /** Takes nothing more, answers what was asked for, and closes. */
    void drain() {
        if (closed || draining) {
            return;
        }
        draining = true;
        if (transmission != null) {
            transmission.dropIncomplete();
        }
        // Also closes it if there is nothing to wait for.
        send();
    }

    /** Whether replies may be lost if the socket is closed now. A Unix socket keeps them, and after DISC a client sends no more. */
    private boolean mustLinger() {
        return transmission != null && !transmission.isDisconnected() && !isUnix;
    }

    private void beginToLinger() {
        lingering = true;
        lingerNanos = worker.time();
        Objects.requireNonNull(transmission).free();
        // The server may wait for it, but is done with the disk.
        server.lingers();
        linger();
    }

    private void linger() {
        try {
            if (!finished && transport.flush()) {
                finished = true;
                channel.shutdownOutput();
            }
            for (int i = 0; i < READS_PER_TURN; i++) {
                in.clear();
                int bytes = channel.read(in);
                if (bytes < 0) {
                    close();
                    return;
                }
                if (bytes == 0) {
                    break;
                }
            }
            key.interestOps(finished ? SelectionKey.OP_READ : SelectionKey.OP_READ | SelectionKey.OP_WRITE);
        } catch (IOException | RuntimeException | Error e) {
            lost(e);
        }
    }

    /** The client is gone, or what was done for it failed in the middle: in either case nobody knows what it would say next. */
    private void lost(Throwable cause) {
        close();
        FailureLog.log(LOG, cause instanceof IOException ? Level.DEBUG : Level.ERROR,
                () -> "connection to " + client() + " lost", cause);
    }

    /** For the log. */
    private String client() {
        return transmission == null ? "a client" : "a client of export '" + transmission.export().name() + "'";
    }

    /** The client broke the protocol. */
    void abort(String why) {
        if (!closed) {
            FailureLog.log(LOG, Level.DEBUG, () -> "connection to " + client() + " closed: " + why, null);
            server.counters().aborted.increment();
            close();
        }
    }

    void close() {
        if (closed) {
            return;
        }
        closed = true;
        key.cancel();
        try {
            channel.close();
        } catch (IOException e) {
            FailureLog.log(LOG, Level.DEBUG, () -> "the connection to " + client() + " could not be closed", e);
        }
        if (transmission != null) {
            transmission.dropIncomplete();
        }
        while (!out.isEmpty()) {
            release(out.remove());
        }
        leaveIfIdle();
    }

    /** Frees everything once nothing is in flight. */
    void leaveIfIdle() {
        if (closed && !gone && isIdle()) {
            gone = true;
            if (transmission != null) {
                transmission.free();
            }
            worker.remove(this);
            inBuffer.close();
            server.left(this);
        }
    }

    /**
     * Looks at the time. What it may hold against the client is the time before the sockets were looked at, since what came later may not
     * have been read; what it holds in its favour goes up to now.
     */
    void tick(long looked, long now) {
        if (closed) {
            return;
        }
        Limits limits = server.limits();
        if (lingering) {
            if (looked - lingerNanos > limits.drainNanos()) {
                close();
            }
            return;
        }
        if (progressed) {
            progressed = false;
            progressNanos = now;
        }
        if (transmission == null && looked - beginNanos > limits.handshakeNanos()) {
            abort("no export was chosen in time");
        } else if (looked - progressNanos > limits.stallNanos() && isOwedSomething()) {
            abort("nothing was sent or taken for too long");
        } else if (transmission != null) {
            transmission.tick(now);
        }
    }

    /** Whether it is the client's turn. */
    private boolean isOwedSomething() {
        return !out.isEmpty() || (transmission != null && !transmission.isPaused()
                && (transmission.isWithinData() || in.position() > 0));
    }

    /** What it uses; null before it has chosen, and once it is done with it. */
    @Nullable
    Export export() {
        return transmission == null || lingering ? null : transmission.export();
    }
}
