package io.blkmq.nbd.server;

import io.blkmq.core.Bio;
import io.blkmq.core.BioCompletion;
import io.blkmq.core.Status;
import io.blkmq.nbd.socket.HandOver;
import io.blkmq.nbd.wire.ReplyStyle;
import io.blkmq.nbd.wire.RequestHeader;
import io.blkmq.runtime.IoBuffer;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * A request of a client, from its header to the last byte of its reply. Its connection uses it again.
 *
 * <p>It belongs to the thread of its connection, except while its bio is in flight: then all that the thread which completes it does is
 * to hand it over to the worker. A large one is submitted by another worker, and handed over to that before.
 *
 * <pre>
 *   RECEIVING ──▶ IN FLIGHT ⇄ ENDED ──▶ REPLYING ──▶ free
 *   (a write's data)  (again for each piece, and for a flush behind it)
 * </pre>
 */
final class ServedRequest extends Message implements BioCompletion, HandOver.Item<ServedRequest> {
    /** What its bio is doing. */
    enum Phase {
        /** What was asked for. */
        OPERATION,
        /** Writing zeroes piece by piece, because the disk has no shorter way. */
        ZEROING,
        /** The flush that makes durable what has no FUA of its own. */
        FLUSHING
    }

    final Connection connection;
    /** The way that its bio has gone. Written before the bio is submitted. */
    private @Nullable Lane lane;
    final Bio bio = new Bio(1);
    final RequestHeader header = new RequestHeader();
    private final ByteBuffer head;
    private @Nullable IoBuffer buffer;
    private ByteBuffer view;
    private @Nullable ByteBuffer data;
    Phase phase = Phase.OPERATION;
    /** How its bio ended. Written before it is handed over. */
    Status status = Status.OK;
    /** The error that it is answered with, once it is known. */
    int error;
    /** Of a read that was not refused, its data. */
    long readBytes;
    /** Bytes that are done of an operation in pieces, and those of the piece in flight. */
    long doneBytes;
    long pieceBytes;
    private @Nullable ServedRequest before;

    ServedRequest(Connection connection, ByteBuffer head) {
        this.connection = connection;
        this.head = head;
        this.view = head;
        bio.onEnd(this);
    }

    @Override
    public @Nullable ServedRequest before() {
        return before;
    }

    @Override
    public void before(@Nullable ServedRequest item) {
        before = item;
    }

    /** Its bio has ended. */
    void proceed() {
        connection.ended(this);
    }

    /** Begins with a new header. */
    void begin(RequestHeader from) {
        header.command = from.command;
        header.flags = from.flags;
        header.cookie = from.cookie;
        header.offset = from.offset;
        header.length = from.length;
        phase = Phase.OPERATION;
        error = 0;
        doneBytes = 0;
        pieceBytes = 0;
        data = null;
    }

    long bufferBytes() {
        return buffer == null ? 0 : buffer.bytes();
    }

    /** Takes a new buffer; the old one was given back. */
    void useBuffer(IoBuffer taken) {
        buffer = taken;
        view = taken.memory().asByteBuffer();
    }

    void freeBuffer() {
        if (buffer != null) {
            buffer.close();
            buffer = null;
            view = head;
        }
    }

    MemorySegment memory() {
        if (buffer == null) {
            throw new IllegalStateException("a request without memory");
        }
        return buffer.memory();
    }

    /** Its memory, for so many bytes from the beginning. */
    ByteBuffer view(int bytes) {
        return view.clear().limit(bytes);
    }

    /** Its memory, as {@link #view(int)} has left it. */
    ByteBuffer view() {
        return view;
    }

    /**
     * Submits its bio.
     *
     * @param way of the calling worker
     */
    void submit(Lane way) {
        lane = way;
        way.submit(bio);
    }

    @Override
    public void ended(Bio ended) {
        Objects.requireNonNull(lane).ended();
        status = ended.status();
        connection.worker.ended(this);
    }

    /** Prepares a reply without data. */
    void replyResult(ReplyStyle style) {
        head.clear();
        style.putResult(head, header.cookie, header.offset, error);
        head.flip();
    }

    /** Prepares a reply with what was read. */
    void replyData(ReplyStyle style) {
        head.clear();
        style.putData(head, header.cookie, header.offset, (int) header.length);
        head.flip();
        data = view((int) header.length);
    }

    /** Prepares a reply of one piece. */
    void replyPiece(ReplyStyle style, int flags, int type, ByteBuffer payload) {
        head.clear();
        style.putHeader(head, flags, type, header.cookie, header.offset, payload.remaining());
        head.flip();
        data = payload;
    }

    /** What BLOCK_STATUS has found. */
    void useExtents(ByteBuffer payload) {
        data = payload;
    }

    ByteBuffer extents() {
        return Objects.requireNonNull(data);
    }

    @Override
    ByteBuffer head() {
        return head;
    }

    @Override
    @Nullable
    ByteBuffer data() {
        return data;
    }
}
