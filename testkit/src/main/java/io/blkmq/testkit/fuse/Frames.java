package io.blkmq.testkit.fuse;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import org.jspecify.annotations.Nullable;

/**
 * Messages between a {@link FuseDoor} and its {@link FuseServer}: a length in four bytes, and as many bytes. The door sends a
 * {@link Command} and what that takes; the server answers with {@link #DONE} and what the command gives, or with {@link #REFUSED} and why.
 */
final class Frames {
    static final byte DONE = 0;
    static final byte REFUSED = 1;
    /** The largest message. A log or a difference of trees that is larger is refused. */
    static final int BYTES_MAX = 1 << 30;

    private Frames() {}

    /** A message that is being written. Not thread-safe. */
    static final class Message extends DataOutputStream {
        private final ByteArrayOutputStream bytes;

        Message(int first) throws IOException {
            this(new ByteArrayOutputStream());
            writeByte(first);
        }

        private Message(ByteArrayOutputStream bytes) {
            super(bytes);
            this.bytes = bytes;
        }

        @Override
        public synchronized void write(byte[] data, int from, int length) throws IOException {
            requireLength((long) bytes.size() + length);
            super.write(data, from, length);
        }

        /** Refuses a message that is too long to be sent. */
        void requireLength() throws IOException {
            requireLength(bytes.size());
        }

        private static void requireLength(long length) throws IOException {
            if (length > BYTES_MAX) {
                throw new IOException("a message of " + length + " bytes: " + BYTES_MAX + " are possible");
            }
        }

        void sendTo(OutputStream out) throws IOException {
            int length = bytes.size();
            out.write(new byte[]{(byte) (length >>> 24), (byte) (length >>> 16), (byte) (length >>> 8), (byte) length});
            bytes.writeTo(out);
            out.flush();
        }
    }

    /**
     * Waits for a message.
     *
     * @return null at the end of the stream
     * @throws EOFException if the stream ends within a message
     */
    static @Nullable DataInputStream receive(InputStream in) throws IOException {
        byte[] head = in.readNBytes(Integer.BYTES);
        if (head.length == 0) {
            return null;
        }
        int length = head.length < Integer.BYTES
                ? 0
                : ((head[0] & 0xFF) << 24) | ((head[1] & 0xFF) << 16) | ((head[2] & 0xFF) << 8) | (head[3] & 0xFF);
        if (length < 1 || length > BYTES_MAX) {
            throw new IOException("a message of " + length + " bytes: 1 to " + BYTES_MAX + " are possible");
        }
        byte[] bytes = in.readNBytes(length);
        if (bytes.length < length) {
            throw new EOFException("the stream ended within a message of " + length + " bytes");
        }
        return new DataInputStream(new ByteArrayInputStream(bytes));
    }
}
