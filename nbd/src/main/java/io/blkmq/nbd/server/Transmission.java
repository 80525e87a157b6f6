package io.blkmq.nbd.server;

import io.blkmq.runtime.log.FailureLog;
import java.lang.System.Logger.Level;
import io.blkmq.core.Bio;
import io.blkmq.core.Operation;
import io.blkmq.core.QueueLimits;
import io.blkmq.core.Status;
import io.blkmq.nbd.wire.Nbd;
import io.blkmq.nbd.wire.ReplyStyle;
import io.blkmq.nbd.wire.RequestHeader;
import io.blkmq.runtime.IoBuffer;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The requests of one connection. Each is checked before anything is done, then goes to the disk, and is answered when it ends; they run
 * side by side.
 *
 * <p>What is read is bounded: a request that finds no free place, or no memory, waits in the socket with all that follow, and the
 * client with it. A connection that has nothing in progress always gets what it needs.
 *
 * <p>For its connection's thread.
 */
final class Transmission {
    private static final System.Logger LOG = System.getLogger(Transmission.class.getName());
    /** The least memory of a request, so that it fits the next one. */
    private static final int BUFFER_BYTES_MIN = 4096;
    /** Pieces of an operation that goes piece by piece. */
    private static final int PIECE_BYTES = 256 << 10;
    /** More data than this behind a header are not worth being skipped: the client is closed. */
    private static final long SKIP_BYTES_MAX = 1L << 32;
    /** Extents in one reply. */
    private static final int EXTENTS_MAX = 512;
    /**
     * Data of reads that are in progress at a time: a disk that is faster than the client would fill memory that has left the processor's
     * caches when it is sent. One read always goes on.
     */
    private static final long AHEAD_BYTES = 8 << 20;
    /** From so many bytes on, a copy takes longer than another worker takes to wake. */
    private static final int LENT_BYTES_MIN = 128 << 10;
    /** Without a request for so long, a connection gives the memory back that it keeps for the next ones. */
    private static final long IDLE_NANOS = 2_000_000_000L;

    /**
     * Zeroes, for disks that have no shorter way. Never given back, and never written to. By hand, and not by a class that is initialized:
     * one that once finds no memory is lost for ever.
     */
    private static volatile @Nullable IoBuffer zeroes;

    private final Connection connection;
    private final Export export;
    private final Lane lane;
    private final ReplyStyle style;
    private final boolean extended;
    /** The context that BLOCK_STATUS tells of; 0 if none was chosen. */
    private final int contextId;
    private final Limits limits;
    private final MemoryBudget budget;
    private final ByteBuffer heads;
    private final RequestHeader header = new RequestHeader();
    private final ArrayDeque<ServedRequest> free = new ArrayDeque<>();
    private int made;
    /** From the header to the last byte of the reply. */
    private int inProgress;
    /** Of reads, their data. */
    private long readBytes;
    private int lent;
    /** Of buffers, those that are kept for the next requests too. */
    private long memoryBytes;
    /** Whose data are being received; null between requests. */
    private @Nullable ServedRequest receiving;
    /** The answer to a request whose data are being skipped, and how much is left. */
    private @Nullable ServedRequest skipping;
    private long skipBytes;
    private boolean paused;
    private boolean disconnected;
    private long idleSince;

    Transmission(Connection connection, Export export, ReplyStyle style, int contextId) {
        this.connection = connection;
        this.export = export;
        this.lane = connection.worker.lane(export);
        this.style = style;
        this.extended = style == ReplyStyle.EXTENDED;
        this.contextId = contextId;
        this.limits = connection.server.limits();
        this.budget = connection.server.budget();
        this.heads = ByteBuffer.allocateDirect(limits.requests() * ReplyStyle.HEAD_BYTES_MAX);
        this.idleSince = connection.worker.now();
    }

    private static IoBuffer zeroed(IoBuffer buffer) {
        buffer.memory().fill((byte) 0);
        return buffer;
    }

    private static IoBuffer zeroes() {
        IoBuffer found = zeroes;
        if (found == null) {
            synchronized (Transmission.class) {
                found = zeroes;
                if (found == null) {
                    found = zeroed(IoBuffer.allocate(PIECE_BYTES));
                    zeroes = found;
                }
            }
        }
        return found;
    }

    Export export() {
        return export;
    }

    boolean isIdle() {
        return inProgress == 0;
    }

    /** Whether nothing is read until a request is answered, or memory comes back. */
    boolean isPaused() {
        return paused || disconnected;
    }

    /** Where the next bytes of the socket belong; null if they are a header. */
    @Nullable
    ByteBuffer payload() {
        return receiving == null ? null : receiving.view();
    }

    /** Whether the client has said that it is done. */
    boolean isDisconnected() {
        return disconnected;
    }

    /** Whether more data of a request are to come, be they used or skipped. */
    boolean isWithinData() {
        return receiving != null || skipping != null;
    }

    // ---- receiving

    /** Takes what was received: whole requests, and data of the last. */
    void take(ByteBuffer in) {
        while (!connection.isClosed() && !disconnected) {
            if (receiving != null) {
                if (!takePayload(receiving, in)) {
                    return;
                }
            } else if (skipping != null) {
                if (!skip(skipping, in)) {
                    return;
                }
            } else if (in.remaining() < RequestHeader.bytes(extended) || !takeHeader(in)) {
                return;
            }
        }
    }

    private boolean takePayload(ServedRequest request, ByteBuffer in) {
        ByteBuffer payload = request.view();
        int bytes = Math.min(payload.remaining(), in.remaining());
        if (bytes > 0) {
            payload.put(in.slice(in.position(), bytes));
            in.position(in.position() + bytes);
        }
        if (payload.hasRemaining()) {
            return false;
        }
        receiving = null;
        start(request);
        return true;
    }

    private boolean skip(ServedRequest request, ByteBuffer in) {
        int bytes = (int) Math.min(skipBytes, in.remaining());
        in.position(in.position() + bytes);
        skipBytes -= bytes;
        if (skipBytes > 0) {
            return false;
        }
        skipping = null;
        answer(request);
        return true;
    }

    /** Takes a request, if there is room for it. */
    private boolean takeHeader(ByteBuffer in) {
        if (!header.read(in, extended)) {
            connection.abort("a request without its magic");
            return false;
        }
        if (header.command == Nbd.CMD_DISC) {
            disconnected = true;
            connection.drain();
            return false;
        }
        long payload = header.payloadBytes(extended);
        if (payload < 0 || payload > SKIP_BYTES_MAX) {
            connection.abort("a request with " + Long.toUnsignedString(payload) + " bytes of data");
            return false;
        }
        int error = check(payload);
        long reads = error == 0 && header.command == Nbd.CMD_READ ? header.length : 0;
        if (reads > 0 && readBytes > 0 && readBytes + reads > AHEAD_BYTES) {
            paused = true;
            return false;
        }
        ServedRequest request = admit(error == 0 ? memoryFor() : 0);
        if (request == null) {
            paused = true;
            return false;
        }
        in.position(in.position() + RequestHeader.bytes(extended));
        request.begin(header);
        request.readBytes = reads;
        readBytes += reads;
        request.error = request.error == 0 ? error : request.error;
        begin(request, payload);
        return true;
    }

    private void begin(ServedRequest request, long payload) {
        boolean missing = request.bufferBytes() < memoryFor();
        if (request.error == 0 && missing) {
            request.error = Nbd.ENOMEM;
        }
        if (request.error != 0) {
            if (payload == 0) {
                answer(request);
            } else {
                skipping = request;
                skipBytes = payload;
            }
        } else if (payload > 0) {
            ByteBuffer _ = request.view((int) payload);
            receiving = request;
        } else {
            start(request);
        }
    }

    /** What is wrong with the request in the header; 0 if nothing is. */
    private int check(long payload) {
        int allowed = Nbd.CMD_FLAG_FUA | switch (header.command) {
            case Nbd.CMD_READ -> style == ReplyStyle.SIMPLE ? 0 : Nbd.CMD_FLAG_DF;
            case Nbd.CMD_WRITE -> extended ? Nbd.CMD_FLAG_PAYLOAD_LEN : 0;
            case Nbd.CMD_WRITE_ZEROES -> Nbd.CMD_FLAG_NO_HOLE | Nbd.CMD_FLAG_FAST_ZERO;
            case Nbd.CMD_BLOCK_STATUS -> Nbd.CMD_FLAG_REQ_ONE;
            default -> 0;
        };
        if ((header.flags & ~allowed) != 0) {
            return Nbd.EINVAL;
        }
        return switch (header.command) {
            case Nbd.CMD_FLUSH -> header.offset == 0 && header.length == 0 ? 0 : Nbd.EINVAL;
            case Nbd.CMD_READ -> checkRange(Nbd.EINVAL, true);
            case Nbd.CMD_WRITE -> header.length != payload ? Nbd.EINVAL : checkWrite(Nbd.ENOSPC, true);
            case Nbd.CMD_WRITE_ZEROES -> checkWrite(Nbd.ENOSPC, false);
            case Nbd.CMD_TRIM ->
                export.disk().limits().discardBytesMax() == 0 ? Nbd.EINVAL : checkWrite(Nbd.EINVAL, false);
            case Nbd.CMD_CACHE -> checkRange(Nbd.EINVAL, false);
            case Nbd.CMD_BLOCK_STATUS -> contextId == 0 ? Nbd.EINVAL : checkRange(Nbd.EINVAL, false);
            default -> Nbd.EINVAL;
        };
    }

    private int checkWrite(int pastEnd, boolean data) {
        return export.refusesWrites() ? Nbd.EPERM : checkRange(pastEnd, data);
    }

    private int checkRange(int pastEnd, boolean data) {
        long size = export.disk().sizeBytes();
        if (header.length == 0 || header.offset < 0 || header.length < 0) {
            return Nbd.EINVAL;
        }
        if (header.offset > size || header.length > size - header.offset) {
            return pastEnd;
        }
        if (data && header.length > limits.requestBytes()) {
            return Nbd.EOVERFLOW;
        }
        return (header.offset | header.length) % export.blockBytes() == 0 ? 0 : Nbd.EINVAL;
    }

    /** How much memory the request in the header needs. */
    private int memoryFor() {
        return switch (header.command) {
            case Nbd.CMD_READ, Nbd.CMD_WRITE -> (int) header.length;
            case Nbd.CMD_CACHE -> (int) Math.min(header.length, PIECE_BYTES);
            default -> 0;
        };
    }

    // ---- room

    /** A request with so much memory; null if there is no room now. It is without memory if there is none to be had at all. */
    private @Nullable ServedRequest admit(int bytes) {
        ServedRequest request = free.pollFirst();
        if (request == null) {
            if (made == limits.requests()) {
                return null;
            }
            ByteBuffer head = heads.slice(made * ReplyStyle.HEAD_BYTES_MAX, ReplyStyle.HEAD_BYTES_MAX);
            made++;
            request = new ServedRequest(connection, head);
        }
        if (request.bufferBytes() < bytes && !grow(request, bytes)) {
            free.addFirst(request);
            return null;
        }
        inProgress++;
        return request;
    }

    private boolean grow(ServedRequest request, int bytes) {
        freeBuffer(request);
        long wanted = Math.max(BUFFER_BYTES_MIN, Long.highestOneBit(2L * bytes - 1));
        boolean alone = inProgress == 0;
        if (memoryBytes + wanted > limits.connectionBytes()) {
            trim();
        }
        if (alone) {
            budget.take(wanted);
        } else if (memoryBytes + wanted > limits.connectionBytes() || !budget.tryTake(wanted)) {
            return false;
        }
        memoryBytes += wanted;
        try {
            // What was there before is none of the client's business, and a disk without a medium would leave it.
            request.useBuffer(zeroed(IoBuffer.allocate(wanted)));
        } catch (OutOfMemoryError e) {
            memoryBytes -= wanted;
            budget.give(wanted);
            FailureLog.log(LOG, Level.WARNING,
                    () -> "export '" + export.name() + "': no memory for a request of " + bytes + " bytes", e);
        }
        return true;
    }

    private void freeBuffer(ServedRequest request) {
        long bytes = request.bufferBytes();
        if (bytes > 0) {
            request.freeBuffer();
            memoryBytes -= bytes;
            budget.give(bytes);
        }
    }

    /** Gives back the memory that is kept for requests to come. */
    void trim() {
        free.forEach(this::freeBuffer);
    }

    void tick(long now) {
        boolean idle = inProgress == 0 && now - idleSince > IDLE_NANOS;
        if (memoryBytes > 0 && (idle || budget.isWanted())) {
            trim();
        }
    }

    /** Goes on reading, if it was paused. */
    void resume() {
        if (paused) {
            paused = false;
            connection.readSoon();
        }
    }

    /** A reply is sent, or is not going to be. */
    void release(ServedRequest request) {
        inProgress--;
        readBytes -= request.readBytes;
        if (inProgress == 0) {
            idleSince = connection.worker.now();
        }
        free.addFirst(request);
        if (connection.isClosed()) {
            freeBuffer(request);
            connection.leaveIfIdle();
        } else {
            resume();
        }
    }

    /** Forgets the request that has not been received in full. */
    void dropIncomplete() {
        ServedRequest incomplete = receiving != null ? receiving : skipping;
        receiving = null;
        skipping = null;
        if (incomplete != null) {
            release(incomplete);
        }
    }

    /** Frees what is left; nothing is in progress. */
    void free() {
        trim();
    }

    // ---- to the disk and back

    private void start(ServedRequest request) {
        switch (request.header.command) {
            case Nbd.CMD_WRITE_ZEROES -> zero(request);
            case Nbd.CMD_BLOCK_STATUS -> blockStatus(request);
            default -> submit(request);
        }
    }

    private void zero(ServedRequest request) {
        if (export.disk().limits().writeZeroesBytesMax() > 0) {
            submit(request);
        } else if ((request.header.flags & Nbd.CMD_FLAG_FAST_ZERO) != 0) {
            fail(request, Nbd.ENOTSUP);
        } else {
            request.phase = ServedRequest.Phase.ZEROING;
            submit(request);
        }
    }

    /** Describes in the request's bio what is to be done next. */
    private Bio describe(ServedRequest request) {
        RequestHeader asked = request.header;
        return switch (request.phase) {
            case FLUSHING -> request.bio.reset(Operation.FLUSH, 0);
            case ZEROING -> piece(request, Operation.WRITE, zeroes().memory());
            case OPERATION -> switch (asked.command) {
                case Nbd.CMD_READ -> reset(request, Operation.READ).add(request.memory(), 0, asked.length);
                case Nbd.CMD_WRITE -> reset(request, Operation.WRITE).add(request.memory(), 0, asked.length)
                        .flags((asked.flags & Nbd.CMD_FLAG_FUA) != 0 ? Bio.FUA : 0);
                case Nbd.CMD_FLUSH -> request.bio.reset(Operation.FLUSH, 0);
                case Nbd.CMD_TRIM -> reset(request, Operation.DISCARD).length(asked.length);
                case Nbd.CMD_WRITE_ZEROES -> reset(request, Operation.WRITE_ZEROES).length(asked.length)
                        .flags((asked.flags & Nbd.CMD_FLAG_NO_HOLE) != 0 ? Bio.NOUNMAP : 0);
                case Nbd.CMD_CACHE -> piece(request, Operation.READ, request.memory());
                default -> throw new IllegalStateException("command " + asked.command);
            };
        };
    }

    private static Bio reset(ServedRequest request, Operation operation) {
        return request.bio.reset(operation, request.header.offset / QueueLimits.SECTOR_BYTES);
    }

    private static Bio piece(ServedRequest request, Operation operation, MemorySegment memory) {
        RequestHeader asked = request.header;
        request.pieceBytes = Math.min(PIECE_BYTES, asked.length - request.doneBytes);
        return request.bio.reset(operation, (asked.offset + request.doneBytes) / QueueLimits.SECTOR_BYTES).add(memory,
                0, request.pieceBytes);
    }

    /** Submits what is to be done next, here or by another worker. Whatever happens, the request gets an answer. */
    private void submit(ServedRequest request) {
        if (connection.isClosed()) {
            // What a client that is gone has begun goes no further: others may have written there meanwhile.
            fail(request, Nbd.EIO);
            return;
        }
        try {
            Bio bio = describe(request);
            Worker helper = bio.bytes() < LENT_BYTES_MIN
                    ? connection.worker
                    : connection.server.helperOf(connection.worker, lent++);
            if (!helper.equals(connection.worker)) {
                helper.lend(request);
                return;
            }
            request.submit(lane);
        } catch (RuntimeException | Error e) {
            fail(request, refusal(request, e));
        }
    }

    /** What a request is answered with that its disk has refused; any worker's thread. */
    int refusal(ServedRequest request, Throwable e) {
        if (e instanceof IndexOutOfBoundsException) {
            // The disk has become smaller since the check.
            return request.header.command == Nbd.CMD_WRITE ? Nbd.ENOSPC : Nbd.EINVAL;
        }
        if (e instanceof UnsupportedOperationException) {
            return Nbd.EPERM;
        }
        if (e instanceof OutOfMemoryError) {
            FailureLog.log(LOG, Level.WARNING,
                    () -> "export '" + export.name() + "': no memory for a request (" + request.bio + ")", e);
            return Nbd.ENOMEM;
        }
        boolean state = e instanceof IllegalStateException;
        FailureLog.log(LOG, state ? Level.DEBUG : Level.WARNING, () -> "export '" + export.name() + "', disk "
                + export.disk().name() + ": a request was refused (" + request.bio + ")", e);
        return state && export.disk().isClosed() ? Nbd.ESHUTDOWN : Nbd.EIO;
    }

    /** A bio has ended: the request goes on, or is answered. */
    void ended(ServedRequest request) {
        if (request.status == Status.OK && request.error == 0) {
            proceed(request);
        } else if (request.status == Status.NOTSUPP && request.header.command == Nbd.CMD_WRITE_ZEROES
                && request.phase == ServedRequest.Phase.OPERATION
                && (request.header.flags & Nbd.CMD_FLAG_FAST_ZERO) == 0) {
            request.phase = ServedRequest.Phase.ZEROING;
            submit(request);
        } else {
            fail(request, request.error != 0 ? request.error : errorOf(request.status));
        }
    }

    private void proceed(ServedRequest request) {
        RequestHeader asked = request.header;
        request.doneBytes += request.pieceBytes;
        if (request.pieceBytes > 0 && request.doneBytes < asked.length) {
            submit(request);
            return;
        }
        request.pieceBytes = 0;
        boolean flush = (asked.flags & Nbd.CMD_FLAG_FUA) != 0 && request.phase != ServedRequest.Phase.FLUSHING
                && (asked.command == Nbd.CMD_TRIM || asked.command == Nbd.CMD_WRITE_ZEROES);
        if (flush) {
            request.phase = ServedRequest.Phase.FLUSHING;
            submit(request);
        } else {
            answer(request);
        }
    }

    private static int errorOf(Status status) {
        return switch (status) {
            case OK -> 0;
            case NOSPC -> Nbd.ENOSPC;
            case NOTSUPP -> Nbd.ENOTSUP;
            case INVAL -> Nbd.EINVAL;
            case RESOURCE, DEV_RESOURCE -> Nbd.ENOMEM;
            case NODEV -> Nbd.ESHUTDOWN;
            default -> Nbd.EIO;
        };
    }

    private void fail(ServedRequest request, int error) {
        request.error = error;
        answer(request);
    }

    private void answer(ServedRequest request) {
        Counters counters = connection.server.counters();
        int command = request.header.command;
        if (request.error != 0) {
            counters.errors.increment();
            request.replyResult(style);
        } else if (command == Nbd.CMD_READ) {
            counters.reads.increment();
            counters.bytesRead.add(request.header.length);
            request.replyData(style);
        } else if (command == Nbd.CMD_WRITE) {
            counters.writes.increment();
            counters.bytesWritten.add(request.header.length);
            request.replyResult(style);
        } else {
            counters.others.increment();
            if (command == Nbd.CMD_BLOCK_STATUS) {
                int type = extended ? Nbd.REPLY_BLOCK_STATUS_EXT : Nbd.REPLY_BLOCK_STATUS;
                request.replyPiece(style, Nbd.REPLY_FLAG_DONE, type, request.extents());
            } else {
                request.replyResult(style);
            }
        }
        connection.send(request);
    }

    // ---- what is allocated

    /** Looks on a thread of its own, since the backing may make it wait. */
    private void blockStatus(ServedRequest request) {
        request.status = Status.OK;
        // Until the extents are there: so it is answered, whatever the map throws.
        request.error = Nbd.EIO;
        try {
            Thread.ofVirtual().name("blkmq-nbd-extents").start(() -> look(request));
        } catch (RuntimeException | Error e) {
            fail(request, refusal(request, e));
        }
    }

    private void look(ServedRequest request) {
        try {
            request.useExtents(extents(request.header));
            request.error = 0;
        } catch (IOException | RuntimeException | Error e) {
            FailureLog.log(LOG, Level.WARNING,
                    () -> "what is allocated of export '" + export.name() + "' cannot be told", e);
        } finally {
            connection.worker.ended(request);
        }
    }

    private ByteBuffer extents(RequestHeader asked) throws IOException {
        long limit = extended ? Long.MAX_VALUE : 0xffff_ffffL / export.blockBytes() * export.blockBytes();
        boolean one = (asked.flags & Nbd.CMD_FLAG_REQ_ONE) != 0;
        List<Extents.Run> runs = new ArrayList<>();
        long at = asked.offset;
        long end = asked.offset + Math.min(asked.length, limit);
        while (at < end && runs.size() < (one ? 1 : EXTENTS_MAX)) {
            Extents.Run run = export.extents().at(at, end - at);
            long bytes = Math.min(run.bytes(), end - at);
            if (bytes <= 0) {
                throw new IOException("an extent of " + run.bytes() + " bytes at offset " + at);
            }
            Extents.Run last = runs.isEmpty() ? null : runs.getLast();
            if (last != null && last.state() == run.state()) {
                runs.set(runs.size() - 1, new Extents.Run(last.bytes() + bytes, run.state()));
            } else {
                runs.add(new Extents.Run(bytes, run.state()));
            }
            at += bytes;
        }
        ByteBuffer payload = ByteBuffer.allocate(8 + runs.size() * 16).putInt(contextId);
        if (extended) {
            payload.putInt(runs.size());
            runs.forEach(run -> payload.putLong(run.bytes()).putLong(run.state()));
        } else {
            runs.forEach(run -> payload.putInt((int) run.bytes()).putInt(run.state()));
        }
        return payload.flip();
    }
}
