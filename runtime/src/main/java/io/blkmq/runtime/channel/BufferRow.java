package io.blkmq.runtime.channel;

import java.nio.ByteBuffer;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** The caller's buffers, one behind the other. Owner: the thread that transfers. */
public final class BufferRow {
    /** The only one; null if there are others, or none. */
    private final @Nullable ByteBuffer single;
    private final ByteBuffer[] buffers;
    private final int first;
    private final int end;

    private static final ByteBuffer[] NONE = {};

    private BufferRow(@Nullable ByteBuffer single, ByteBuffer[] buffers, int first, int end) {
        this.single = single;
        this.buffers = buffers;
        this.first = first;
        this.end = end;
    }

    /**
     * A buffer that is to be filled.
     *
     * @param buffer the buffer
     * @return a row of it
     * @throws NullPointerException if it is null
     * @throws IllegalArgumentException if it is read-only
     */
    public static BufferRow toFill(ByteBuffer buffer) {
        if (buffer.isReadOnly()) {
            throw new IllegalArgumentException("the buffer is read-only: nothing can be read into it");
        }
        return new BufferRow(buffer, NONE, 0, 1);
    }

    /**
     * Buffers that are to be filled.
     *
     * @param buffers some buffers
     * @param offset which of them is the first
     * @param length how many they are
     * @return a row of them
     * @throws NullPointerException if one is null
     * @throws IllegalArgumentException if one is read-only
     */
    public static BufferRow toFill(ByteBuffer[] buffers, int offset, int length) {
        BufferRow row = toDrain(buffers, offset, length);
        for (int i = 0; i < length; i++) {
            if (buffers[offset + i].isReadOnly()) {
                throw new IllegalArgumentException("buffer " + i + " is read-only: nothing can be read into it");
            }
        }
        return row;
    }

    /**
     * A buffer that is to be emptied.
     *
     * @param buffer the buffer
     * @return a row of it
     * @throws NullPointerException if it is null
     */
    public static BufferRow toDrain(ByteBuffer buffer) {
        return new BufferRow(Objects.requireNonNull(buffer, "buffer"), NONE, 0, 1);
    }

    /**
     * Buffers that are to be emptied.
     *
     * @param buffers some buffers
     * @param offset which of them is the first
     * @param length how many they are
     * @return a row of them
     * @throws NullPointerException if one is null
     */
    public static BufferRow toDrain(ByteBuffer[] buffers, int offset, int length) {
        for (int i = offset; i < offset + length; i++) {
            Objects.requireNonNull(buffers[i], "buffer");
        }
        return new BufferRow(length == 1 ? buffers[offset] : null, buffers, offset, offset + length);
    }

    /** {@return the only buffer; null if there are several, or none} */
    public @Nullable ByteBuffer single() {
        return single;
    }

    private ByteBuffer buffer(int i) {
        return single != null ? single : buffers[i];
    }

    /** {@return how many bytes can be put in, or taken out} */
    public long remaining() {
        long bytes = 0;
        for (int i = first; i < end; i++) {
            bytes += buffer(i).remaining();
        }
        return bytes;
    }

    /**
     * Puts all bytes of a source into the buffers, and moves their positions.
     *
     * @param source no more than there is room for
     */
    public void fill(ByteBuffer source) {
        for (int i = first; source.hasRemaining(); i++) {
            ByteBuffer buffer = buffer(i);
            int bytes = Math.min(buffer.remaining(), source.remaining());
            buffer.put(buffer.position(), source, source.position(), bytes);
            buffer.position(buffer.position() + bytes);
            source.position(source.position() + bytes);
        }
    }

    /**
     * Fills a target from the buffers, whose positions stay.
     *
     * @param target no more than there is
     */
    public void copyTo(ByteBuffer target) {
        for (int i = first; target.hasRemaining(); i++) {
            ByteBuffer buffer = buffer(i);
            int bytes = Math.min(buffer.remaining(), target.remaining());
            target.put(target.position(), buffer, buffer.position(), bytes);
            target.position(target.position() + bytes);
        }
    }

    /**
     * Moves the buffers' positions.
     *
     * @param bytes by how many, in all; no more than there are
     */
    public void advance(long bytes) {
        long left = bytes;
        for (int i = first; left > 0; i++) {
            ByteBuffer buffer = buffer(i);
            int step = (int) Math.min(buffer.remaining(), left);
            buffer.position(buffer.position() + step);
            left -= step;
        }
    }
}
