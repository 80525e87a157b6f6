package io.blkmq.nbd.client;

import io.blkmq.core.Status;
import io.blkmq.core.driver.CompletionBatch;
import io.blkmq.nbd.socket.HandOver;
import io.blkmq.nbd.socket.Loop;
import io.blkmq.nbd.socket.Transport;
import io.blkmq.nbd.wire.Nbd;
import io.blkmq.nbd.wire.ReplyStyle;
import io.blkmq.nbd.wire.RequestHeader;
import io.blkmq.runtime.log.FailureLog;
import java.io.IOException;
import java.lang.System.Logger.Level;
import java.nio.ByteBuffer;
import java.nio.channels.SelectionKey;
import java.nio.channels.SocketChannel;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.function.Consumer;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * One hardware context's connection. What is given to it goes out at once; replies come back in any order, and each is matched with its
 * request by a number that is never used twice. A reply that does not fit what was asked breaks the connection, as its end does. When a
 * connection of another link breaks, this one leaves its own too, and all begin together again.
 *
 * <pre>
 *   CONNECTED ──broken──▶ WAITING ──after a moment──▶ GREETING ──▶ READY ──all others are, too──▶ CONNECTED: all that has no
 *                          ▲   ▲          failed         │           │                            reply is sent again
 *                          │   └─────────────────────────┤           │
 *                          └─────────────────broken──────│───────────┘
 *                                                        │ too late, or another export
 *                                                        ▼
 *                                                       DEAD: everything fails
 * </pre>
 *
 * <p>For its loop's thread, except for the list of what is given to it.
 */
final class Link implements Loop.Handler {
    private static final System.Logger LOG = System.getLogger(Link.class.getName());
    private static final int IN_BYTES = 64 << 10;
    private static final int READS_PER_TURN = 16;
    private static final int BUFFERS_PER_WRITE = 256;
    /** A request that has broken so many connections fails. */
    private static final int TRIES_MAX = 8;
    private static final long RETRY_NANOS_MIN = 20_000_000L;
    private static final long RETRY_NANOS_MAX = 1_000_000_000L;
    /** The longest piece of a reply that is no data of a read: a text of an error. */
    private static final int PAYLOAD_BYTES_MAX = 8192;

    private enum State {
        CONNECTED, WAITING, GREETING, READY, DEAD
    }

    final Device device;
    private final int depth;
    /** By tag, what was sent or is about to be, and has no reply. */
    private final @Nullable ClientRequest[] pending;
    /** To be sent: a request's buffers are added whole. */
    private final ArrayDeque<ByteBuffer> out = new ArrayDeque<>();
    private final ByteBuffer[] gather = new ByteBuffer[BUFFERS_PER_WRITE];
    private final ByteBuffer in = ByteBuffer.allocateDirect(IN_BYTES);
    private final ByteBuffer[] intoIn = {in};
    /** Given and not looked at. */
    private final HandOver<ClientRequest> given = new HandOver<>();
    private final Consumer<ClientRequest> taker = this::take;
    private State state = State.WAITING;
    private @Nullable SocketChannel channel;
    private @Nullable SelectionKey key;
    private @Nullable Transport transport;
    private ReplyStyle style = ReplyStyle.SIMPLE;
    private long cookies;
    /** The read whose data are coming, and where they belong, with the rest of the input behind them. */
    private @Nullable ClientRequest reading;
    private ByteBuffer[] readInto = new ByteBuffer[0];
    private boolean lastPiece;
    private long retryAt;
    private long retryNanos = RETRY_NANOS_MIN;
    /** Since when nothing has come from a server that should have; 0 while all is well. */
    private long brokenSince;
    /** Whether it has tried to connect again since then. */
    private boolean tried;
    /** Why it has no connection, or had none when it tried last. */
    private String lastReason = "";
    /** Since when this connection may be asked: nothing was asked of it before. */
    private long connectedSince;
    private boolean closing;

    Link(Device device, int depth) {
        this.device = device;
        this.depth = depth;
        this.pending = new ClientRequest[depth];
    }

    // ---- what is given to it

    /** Any thread. */
    void give(ClientRequest request) {
        boolean _ = given.add(request);
    }

    boolean isGivenSomething() {
        return !given.isEmpty();
    }

    /** Takes what was given, and sends it. */
    void turn(long now) {
        boolean _ = given.takeAll(taker);
        if (state == State.WAITING && now - retryAt >= 0 && !closing) {
            greet();
        }
        if (state == State.CONNECTED && !out.isEmpty()) {
            send();
        }
    }

    private void take(ClientRequest request) {
        if (state == State.DEAD) {
            end(request, Status.TRANSPORT);
            return;
        }
        if (request.header.command == Nbd.CMD_FLUSH && device.isLost()) {
            device.tellLoss();
            end(request, Status.TRANSPORT);
            return;
        }
        pending[request.rq.tag()] = request;
        if (state == State.CONNECTED) {
            put(request);
        }
    }

    /** Makes a request ready to be sent. */
    private void put(ClientRequest request) {
        boolean extended = style == ReplyStyle.EXTENDED;
        boolean write = request.header.command == Nbd.CMD_WRITE;
        request.header.flags &= ~Nbd.CMD_FLAG_PAYLOAD_LEN;
        if (extended && write) {
            request.header.flags |= Nbd.CMD_FLAG_PAYLOAD_LEN;
        }
        request.covers = device.acknowledged();
        request.beginTry(++cookies * depth + request.rq.tag(), extended);
        out.add(request.head);
        if (write) {
            out.addAll(request.pieces);
        }
    }

    // ---- out and in

    @Override
    public void ready(int ready) {
        if ((ready & SelectionKey.OP_READ) != 0) {
            receive();
        }
        if (state == State.CONNECTED && (ready & SelectionKey.OP_WRITE) != 0) {
            send();
        }
    }

    private void send() {
        Transport to = transport;
        if (to == null) {
            return;
        }
        try {
            boolean all = to.flush();
            while (all && !out.isEmpty()) {
                int count = 0;
                for (ByteBuffer buffer : out) {
                    if (count == gather.length) {
                        break;
                    }
                    gather[count++] = buffer;
                }
                long _ = to.write(gather, count);
                while (!out.isEmpty() && !out.element().hasRemaining()) {
                    out.remove();
                }
                all = !gather[count - 1].hasRemaining() && to.flush();
            }
            SelectionKey own = key;
            if (own != null && own.isValid()) {
                own.interestOps(SelectionKey.OP_READ | (out.isEmpty() && to.flush() ? 0 : SelectionKey.OP_WRITE));
            }
        } catch (IOException | RuntimeException | Error e) {
            failed(e, request -> request.header.command == Nbd.CMD_WRITE && !request.isSent());
        }
    }

    private void receive() {
        Transport from = transport;
        if (from == null) {
            return;
        }
        try (CompletionBatch _ = CompletionBatch.open()) {
            for (int i = 0; i < READS_PER_TURN || from.hasUnread(); i++) {
                long bytes = from.read(reading == null ? intoIn : readInto);
                if (bytes < 0) {
                    broken("the server closed the connection", null);
                    return;
                }
                if (bytes == 0) {
                    return;
                }
                if (state == State.READY) {
                    // It might fit what was asked by the connection before this one.
                    broken("the server sent something before it was asked", null);
                    return;
                }
                in.flip();
                boolean right = understand();
                in.compact();
                if (!right) {
                    return;
                }
            }
        } catch (IOException | RuntimeException | Error e) {
            failed(e, request -> request.equals(reading));
        }
    }

    /**
     * What was to be sent or received could not be, which may be the fault of the memory that it comes from or belongs in: then the requests
     * without memory end, which would break each connection, and it counts for no other one. What came behind is not known any more.
     */
    private void failed(Throwable e, Predicate<ClientRequest> suspect) {
        boolean memory = false;
        for (ClientRequest request : pending) {
            memory = memory || (request != null && suspect.test(request) && !request.hasMemory());
        }
        List<ClientRequest> without = new ArrayList<>();
        for (ClientRequest request : pending) {
            if (memory && request != null && !request.hasMemory()) {
                without.add(request);
            }
        }
        broken(memory ? "the memory of a request is gone" : "the connection is lost", e, without);
    }

    /** Takes all whole messages; false once the connection is broken. */
    private boolean understand() {
        while (true) {
            int more;
            if (reading != null) {
                more = takeData(reading);
            } else {
                more = takeHeader();
            }
            if (more <= 0) {
                return more == 0;
            }
        }
    }

    /** Takes data of a read: 1 once all of the piece are there, 0 if more are to come, -1 if the connection is broken. */
    private int takeData(ClientRequest request) {
        for (int i = 0; i < readInto.length - 1; i++) {
            ByteBuffer piece = readInto[i];
            int bytes = Math.min(piece.remaining(), in.remaining());
            piece.put(in.slice(in.position(), bytes));
            in.position(in.position() + bytes);
            if (piece.hasRemaining()) {
                return 0;
            }
        }
        reading = null;
        return lastPiece ? finish(request) : 1;
    }

    /** Takes a reply up to its data: 1 if there was one, 0 if there is none yet, -1 if the connection is broken. */
    private int takeHeader() {
        int at = in.position();
        if (in.remaining() < 4) {
            return 0;
        }
        int magic = in.getInt(at);
        if (magic == Nbd.SIMPLE_REPLY_MAGIC && style != ReplyStyle.EXTENDED) {
            return in.remaining() < Nbd.SIMPLE_REPLY_BYTES ? 0 : takeSimple();
        }
        boolean extended = style == ReplyStyle.EXTENDED;
        if (style == ReplyStyle.SIMPLE || magic != (extended ? Nbd.EXTENDED_REPLY_MAGIC : Nbd.STRUCTURED_REPLY_MAGIC)) {
            return wrong("a reply that begins with 0x" + Integer.toHexString(magic));
        }
        int headBytes = extended ? Nbd.EXTENDED_REPLY_BYTES : Nbd.STRUCTURED_REPLY_BYTES;
        if (in.remaining() < headBytes) {
            return 0;
        }
        int flags = in.getShort(at + 4);
        int type = Short.toUnsignedInt(in.getShort(at + 6));
        ClientRequest request = find(in.getLong(at + 8));
        long length = extended ? in.getLong(at + 24) : Integer.toUnsignedLong(in.getInt(at + 16));
        if (request == null) {
            return wrong("a reply to something that was not asked");
        }
        if (extended && in.getLong(at + 16) != request.header.offset) {
            return wrong("a reply with another offset than the request's");
        }
        lastPiece = (flags & Nbd.REPLY_FLAG_DONE) != 0;
        if (type == Nbd.REPLY_OFFSET_DATA) {
            if (in.remaining() < headBytes + 8) {
                return 0;
            }
            long offset = in.getLong(at + headBytes);
            in.position(at + headBytes + 8);
            return beginData(request, offset, length - 8);
        }
        if (length < 0 || length > PAYLOAD_BYTES_MAX) {
            return wrong("a piece of " + Long.toUnsignedString(length) + " bytes");
        }
        if (in.remaining() < headBytes + length) {
            return 0;
        }
        ByteBuffer payload = in.slice(at + headBytes, (int) length);
        in.position(at + headBytes + (int) length);
        return takePiece(request, type, payload);
    }

    private int takeSimple() {
        int at = in.position();
        int error = in.getInt(at + 4);
        ClientRequest request = find(in.getLong(at + 8));
        if (request == null) {
            return wrong("a reply to something that was not asked");
        }
        boolean read = request.header.command == Nbd.CMD_READ;
        if (read && style != ReplyStyle.SIMPLE) {
            return wrong("a simple reply to a read, where structured ones were agreed on");
        }
        in.position(at + Nbd.SIMPLE_REPLY_BYTES);
        request.error = error;
        lastPiece = true;
        if (read && error == 0) {
            return beginData(request, request.header.offset, request.header.length);
        }
        return finish(request);
    }

    private int beginData(ClientRequest request, long offset, long length) {
        if (request.header.command != Nbd.CMD_READ || !request.arrive(offset, length)) {
            return wrong(
                    "data of " + length + " bytes for offset " + offset + " that were not asked for, or came twice");
        }
        List<ByteBuffer> memory = new ArrayList<>();
        int count = request.memoryOf(offset - request.header.offset, length, memory);
        memory.add(in);
        readInto = memory.toArray(new ByteBuffer[count + 1]);
        reading = request;
        return 1;
    }

    private int takePiece(ClientRequest request, int type, ByteBuffer payload) {
        if (type == Nbd.REPLY_NONE) {
            if (payload.hasRemaining() || !lastPiece) {
                return wrong("a piece of nothing that has something, or is not the last");
            }
        } else if (type == Nbd.REPLY_OFFSET_HOLE) {
            if (payload.remaining() != 12 || request.header.command != Nbd.CMD_READ) {
                return wrong("a hole that was not asked for");
            }
            long offset = payload.getLong();
            long length = Integer.toUnsignedLong(payload.getInt());
            if (!request.arrive(offset, length)) {
                return wrong("a hole of " + length + " bytes at offset " + offset
                        + " that was not asked for, or came twice");
            }
            List<ByteBuffer> memory = new ArrayList<>();
            int _ = request.memoryOf(offset - request.header.offset, length, memory);
            // For who looks into what has failed here.
            reading = request;
            memory.forEach(piece -> java.lang.foreign.MemorySegment.ofBuffer(piece).fill((byte) 0));
            reading = null;
        } else if ((type & Nbd.REPLY_ERROR_BIT) != 0) {
            if (payload.remaining() < 6 || payload.getInt(0) == 0
                    || Short.toUnsignedInt(payload.getShort(4)) > payload.remaining() - 6) {
                return wrong("an error that says nothing");
            }
            request.error = request.error == 0 ? payload.getInt(0) : request.error;
        } else {
            return wrong("a piece of type " + type);
        }
        return lastPiece ? finish(request) : 1;
    }

    private @Nullable ClientRequest find(long cookie) {
        ClientRequest request = pending[(int) Long.remainderUnsigned(cookie, depth)];
        // Before all of it was sent, there is nothing to reply to, and its memory is still needed.
        return request != null && request.header.cookie == cookie && request.isSent() ? request : null;
    }

    private int wrong(String what) {
        broken("the server sent " + what, null);
        return -1;
    }

    // ---- the end of a request

    private int finish(ClientRequest request) {
        int command = request.header.command;
        if (request.error == Nbd.ESHUTDOWN) {
            return wrong("word that it is going");
        }
        if (request.error == 0 && command == Nbd.CMD_READ && request.arrivedBytes != request.header.length) {
            return wrong("only " + request.arrivedBytes + " of " + request.header.length + " bytes");
        }
        brokenSince = 0;
        retryNanos = RETRY_NANOS_MIN;
        pending[request.rq.tag()] = null;
        if (request.error == 0 && request.dirties) {
            device.acknowledge();
        } else if (request.error == 0 && command == Nbd.CMD_FLUSH) {
            device.flushed(request.covers);
        }
        end(request, statusOf(request.error));
        return 1;
    }

    private static Status statusOf(int error) {
        return switch (error) {
            case 0 -> Status.OK;
            case Nbd.EPERM, Nbd.EINVAL, Nbd.EOVERFLOW -> Status.INVAL;
            case Nbd.ENOSPC -> Status.NOSPC;
            case Nbd.ENOTSUP -> Status.NOTSUPP;
            default -> Status.IOERR;
        };
    }

    private static void end(ClientRequest request, Status status) {
        request.rq.complete(request.generation, status);
    }

    // ---- the end of a connection, and another one

    private long now() {
        return device.target().runtime().nanoTime();
    }

    /**
     * A request has had no reply for too long since it was submitted. If that was before this connection began, the server behind it was
     * asked later, and has its time from then on.
     */
    void timedOut(ClientRequest request, long generation) {
        if (state == State.CONNECTED && pending[request.rq.tag()] == request && request.generation == generation
                && now() - connectedSince >= device.target().replyNanos()) {
            broken("no reply came in time", null);
        }
    }

    private void broken(String why, @Nullable Throwable e) {
        broken(why, e, List.of());
    }

    /** As that, by some requests, perhaps, which end. */
    private void broken(String why, @Nullable Throwable e, List<ClientRequest> culprits) {
        if (!hasConnection()) {
            return;
        }
        if (!closing) {
            FailureLog.log(LOG, Level.WARNING,
                    () -> device.name() + ": " + why + (e == null ? "" : ": " + e.getMessage()), null);
        }
        lastReason = why + (e == null ? "" : ": " + e.getMessage());
        long now = now();
        boolean first = brokenSince == 0;
        boolean asked = state == State.CONNECTED;
        leave();
        for (ClientRequest request : culprits) {
            pending[request.rq.tag()] = null;
            end(request, Status.IOERR);
        }
        boolean ofServer = culprits.isEmpty();
        if (!first && ofServer) {
            retryLater(now);
        }
        if (!asked) {
            // Nobody else has been asked anything, either: the others go on waiting for this one.
            return;
        }
        for (ClientRequest request : pending) {
            if (request != null && ofServer) {
                // Leaving alone does not count.
                request.tries++;
                if (request.tries >= TRIES_MAX) {
                    pending[request.rq.tag()] = null;
                    end(request, Status.TRANSPORT);
                }
            }
        }
        device.broke();
    }

    /** Leaves its connection, if it has one, for another one at once: the first time it is perhaps the connection alone. */
    void leave() {
        if (!hasConnection()) {
            return;
        }
        closeChannel();
        state = State.WAITING;
        retryAt = now();
        if (brokenSince == 0) {
            brokenSince = retryAt;
            tried = false;
        }
        out.clear();
        reading = null;
    }

    private boolean hasConnection() {
        return state == State.CONNECTED || state == State.READY;
    }

    private void retryLater(long now) {
        retryAt = now + retryNanos;
        retryNanos = Math.min(2 * retryNanos, RETRY_NANOS_MAX);
    }

    /** Flushes in flight cannot promise what they were asked for. */
    void failFlushes() {
        for (ClientRequest request : pending) {
            if (request != null && request.header.command == Nbd.CMD_FLUSH) {
                device.tellLoss();
                pending[request.rq.tag()] = null;
                end(request, Status.TRANSPORT);
            }
        }
    }

    private void closeChannel() {
        if (key != null) {
            key.cancel();
        }
        if (channel != null) {
            close(channel);
        }
        key = null;
        channel = null;
        transport = null;
    }

    private static void close(SocketChannel channel) {
        try {
            channel.close();
        } catch (IOException e) {
            FailureLog.log(LOG, Level.DEBUG, () -> "a connection could not be closed", e);
        }
    }

    private void greet() {
        long now = now();
        // Not without a try, however late it is: why it fails is what is told.
        if (tried && brokenSince != 0 && now - brokenSince > device.target().giveUpNanos()) {
            die("no connection in time; the last time: " + lastReason, null);
            return;
        }
        state = State.GREETING;
        CompletableFuture<Greeting.Established> greeting;
        try {
            greeting = Greeting.begin(device.target());
        } catch (RuntimeException | Error e) {
            // For example no thread: it is tried again as if the server had not been there.
            greeted(null, e);
            return;
        }
        var _ = greeting.whenComplete((established, failure) -> {
            if (!device.loop().execute(() -> greeted(established, failure)) && established != null) {
                // The device is closed, and nobody else knows of the connection.
                close(established.channel());
            }
        });
    }

    private void greeted(Greeting.@Nullable Established established, @Nullable Throwable failure) {
        tried = true;
        if (established == null) {
            FailureLog.log(LOG, Level.DEBUG, () -> device.name() + ": no connection", failure);
            lastReason = reason(failure instanceof CompletionException wrapped && wrapped.getCause() != null
                    ? wrapped.getCause()
                    : failure);
            state = State.WAITING;
            retryLater(now());
            if (closing) {
                die("closed", null);
            }
            return;
        }
        String other = device.difference(established.offer());
        if (closing || other != null) {
            channel = established.channel();
            closeChannel();
            die(closing ? "closed" : "the server offers something else now: " + other, null);
            return;
        }
        try {
            use(established);
        } catch (IOException | RuntimeException | Error e) {
            channel = established.channel();
            state = State.READY;
            broken("the connection is lost", e);
            return;
        }
        device.settled();
    }

    private static String reason(@Nullable Throwable failure) {
        String message = failure == null ? null : failure.getMessage();
        return failure instanceof IOException && message != null ? message : String.valueOf(failure);
    }

    /** Whether it has a connection, or is never going to have one. */
    boolean isSettled() {
        return state != State.WAITING && state != State.GREETING;
    }

    /** Goes on: all other links have a connection, too. */
    void goOn() {
        if (state != State.READY) {
            return;
        }
        state = State.CONNECTED;
        connectedSince = now();
        // What has no reply is asked anew, in the order in which it was asked before.
        List<ClientRequest> again = new ArrayList<>();
        for (ClientRequest request : pending) {
            if (request != null) {
                again.add(request);
            }
        }
        if (again.isEmpty()) {
            brokenSince = 0;
        }
        again.sort((a, b) -> Long.compareUnsigned(a.header.cookie, b.header.cookie));
        again.forEach(this::put);
        send();
    }

    /** Has a connection from now on, and sends nothing yet. */
    void use(Greeting.Established established) throws IOException {
        channel = established.channel();
        transport = established.transport();
        in.clear();
        style = established.offer().style();
        key = device.loop().register(established.channel(), SelectionKey.OP_READ, this);
        state = State.READY;
    }

    private void die(String why, @Nullable Exception e) {
        if (!closing) {
            FailureLog.log(LOG, Level.ERROR, () -> device.name() + " is given up: " + why, e);
        }
        state = State.DEAD;
        for (int i = 0; i < depth; i++) {
            ClientRequest request = pending[i];
            if (request != null) {
                pending[i] = null;
                end(request, Status.TRANSPORT);
            }
        }
        if (!closing) {
            device.settled();
        }
    }

    /** Says goodbye; nothing is in flight. */
    void close() {
        closing = true;
        Transport to = transport;
        if (hasConnection() && to != null) {
            RequestHeader goodbye = new RequestHeader();
            goodbye.command = Nbd.CMD_DISC;
            boolean extended = style == ReplyStyle.EXTENDED;
            ByteBuffer bytes = ByteBuffer.allocate(RequestHeader.bytes(extended));
            goodbye.write(bytes, extended);
            bytes.flip();
            try {
                long _ = to.write(new ByteBuffer[]{bytes}, 1);
                to.shutdown();
            } catch (IOException e) {
                FailureLog.log(LOG, Level.DEBUG, () -> "the server is gone already", e);
            }
        }
        closeChannel();
        die("closed", null);
    }
}
