package io.blkmq.nbd.wire;

import java.nio.ByteBuffer;

/** The three forms of a reply. Stateless. */
public enum ReplyStyle {
    /** Error and data. */
    SIMPLE,
    /** Pieces that say what they are. */
    STRUCTURED,
    /** The same with lengths of 64 bits, and the offset of the request. */
    EXTENDED;

    /** The longest head of a reply: an extended header, and the offset of the data. */
    public static final int HEAD_BYTES_MAX = Nbd.EXTENDED_REPLY_BYTES + 8;

    /**
     * Writes what stands before the data of a read that went well.
     *
     * @param out has {@link #HEAD_BYTES_MAX} bytes of room
     * @param cookie of the request
     * @param offset of the request
     * @param length of the data
     */
    public void putData(ByteBuffer out, long cookie, long offset, int length) {
        if (this == SIMPLE) {
            out.putInt(Nbd.SIMPLE_REPLY_MAGIC).putInt(0).putLong(cookie);
        } else {
            putHeader(out, Nbd.REPLY_FLAG_DONE, Nbd.REPLY_OFFSET_DATA, cookie, offset, length + 8L);
            out.putLong(offset);
        }
    }

    /**
     * Writes a reply without data.
     *
     * @param out has {@link #HEAD_BYTES_MAX} bytes of room
     * @param cookie of the request
     * @param offset of the request
     * @param error 0 if it went well
     */
    public void putResult(ByteBuffer out, long cookie, long offset, int error) {
        if (this == SIMPLE) {
            out.putInt(Nbd.SIMPLE_REPLY_MAGIC).putInt(error).putLong(cookie);
        } else if (error == 0) {
            putHeader(out, Nbd.REPLY_FLAG_DONE, Nbd.REPLY_NONE, cookie, offset, 0);
        } else {
            putHeader(out, Nbd.REPLY_FLAG_DONE, Nbd.REPLY_ERROR, cookie, offset, 6);
            out.putInt(error).putShort((short) 0);
        }
    }

    /**
     * Writes the header of a piece of a reply that is not simple.
     *
     * @param out has room
     * @param flags of the piece
     * @param type of the piece
     * @param cookie of the request
     * @param offset of the request
     * @param length of what follows
     */
    public void putHeader(ByteBuffer out, int flags, int type, long cookie, long offset, long length) {
        out.putInt(this == EXTENDED ? Nbd.EXTENDED_REPLY_MAGIC : Nbd.STRUCTURED_REPLY_MAGIC);
        out.putShort((short) flags).putShort((short) type).putLong(cookie);
        if (this == EXTENDED) {
            out.putLong(offset).putLong(length);
        } else {
            out.putInt((int) length);
        }
    }
}
