package io.blkmq.nbd.wire;

import java.nio.ByteBuffer;

/** A request as it was read from its header. Reused; for one thread. */
public final class RequestHeader {
    /** What to do. */
    public int command;
    /** Its flags. */
    public int flags;
    /** The client's number for it. */
    public long cookie;
    /** Where; as an unsigned number. */
    public long offset;
    /** How long; as an unsigned number. */
    public long length;

    /** Makes one that says nothing yet. */
    public RequestHeader() {}

    /**
     * How long a header is.
     *
     * @param extended whether headers are extended
     * @return bytes
     */
    public static int bytes(boolean extended) {
        return extended ? Nbd.EXTENDED_REQUEST_BYTES : Nbd.REQUEST_BYTES;
    }

    /**
     * Reads a header, and leaves the buffer where it is.
     *
     * @param in has a whole header from its position on
     * @param extended whether headers are extended
     * @return false if it does not begin as a request does
     */
    public boolean read(ByteBuffer in, boolean extended) {
        int at = in.position();
        if (in.getInt(at) != (extended ? Nbd.EXTENDED_REQUEST_MAGIC : Nbd.REQUEST_MAGIC)) {
            return false;
        }
        flags = Short.toUnsignedInt(in.getShort(at + 4));
        command = Short.toUnsignedInt(in.getShort(at + 6));
        cookie = in.getLong(at + 8);
        offset = in.getLong(at + 16);
        length = extended ? in.getLong(at + 24) : Integer.toUnsignedLong(in.getInt(at + 24));
        return true;
    }

    /**
     * Writes a header.
     *
     * @param out has room
     * @param extended whether headers are extended
     */
    public void write(ByteBuffer out, boolean extended) {
        out.putInt(extended ? Nbd.EXTENDED_REQUEST_MAGIC : Nbd.REQUEST_MAGIC);
        out.putShort((short) flags).putShort((short) command).putLong(cookie).putLong(offset);
        if (extended) {
            out.putLong(length);
        } else {
            out.putInt((int) length);
        }
    }

    /**
     * How much data follows the header.
     *
     * @param extended whether headers are extended
     * @return bytes; as an unsigned number
     */
    public long payloadBytes(boolean extended) {
        boolean payload = extended ? (flags & Nbd.CMD_FLAG_PAYLOAD_LEN) != 0 : command == Nbd.CMD_WRITE;
        return payload ? length : 0;
    }
}
