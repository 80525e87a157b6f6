package example.lucene;

import java.io.EOFException;
import java.io.IOException;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.util.Objects;
import org.apache.lucene.store.AlreadyClosedException;
import org.apache.lucene.store.IndexInput;
import org.apache.lucene.store.RandomAccessInput;

/** A part of a file, and a window on it: whole blocks that were read at once. For one thread, as all inputs are. */
final class AioIndexInput extends IndexInput implements RandomAccessInput {
    private static final VarHandle SHORT = MethodHandles.byteArrayViewVarHandle(short[].class, ByteOrder.LITTLE_ENDIAN);
    private static final VarHandle INT = MethodHandles.byteArrayViewVarHandle(int[].class, ByteOrder.LITTLE_ENDIAN);
    private static final VarHandle LONG = MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);
    private static final byte[] NOTHING = {};

    private final SharedFile file;
    private final AioDirectory.Window window;
    /** Where in the file this begins. */
    private final long begin;
    private final long length;
    /** Whether closing this closes the file. */
    private boolean owner;
    private boolean closed;
    private long position;
    private byte[] buffer = NOTHING;
    /** Where in the file the buffer begins, and how much of it is valid. */
    private long bufferAt;
    private int buffered;

    AioIndexInput(String name, SharedFile file, AioDirectory.Window window) {
        this(name, file, window, 0, file.size());
        owner = true;
    }

    private AioIndexInput(String name, SharedFile file, AioDirectory.Window window, long begin, long length) {
        super(name);
        this.file = file;
        this.window = window;
        this.begin = begin;
        this.length = length;
    }

    // ---- the window

    private void requireOpen() {
        if (closed) {
            throw new AlreadyClosedException("Already closed: " + this);
        }
        file.requireOpen(this);
    }

    /** Where in the buffer a place of this input is, with so many bytes; -1 if they go across the end of a window. */
    private int indexOf(long at, int bytes) throws IOException {
        requireOpen();
        long inFile = begin + at;
        if (inFile < bufferAt || inFile >= bufferAt + buffered) {
            fill(inFile);
        }
        int index = (int) (inFile - bufferAt);
        return index + bytes <= buffered ? index : -1;
    }

    private void fill(long inFile) throws IOException {
        int bytes = Math.max(window.bytes(), file.alignment());
        if (buffer.length < bytes) {
            buffer = new byte[bytes];
        }
        buffered = 0;
        long first = inFile & -bytes;
        if (window.ahead()) {
            file.prefetch(inFile, first + bytes - inFile);
            file.prefetch(first + bytes, bytes);
            file.ring();
        }
        int there = file.readPrefetched(inFile, buffer, 0, bytes);
        bufferAt = inFile;
        if (there == 0) {
            there = (int) Math.min(bytes, file.size() - first);
            file.readNow(first, buffer, 0, there);
            bufferAt = first;
        }
        buffered = there;
    }

    private void requireNext(long bytes) throws EOFException {
        if (bytes > length - position) {
            throw new EOFException("read past EOF: " + bytes + " bytes at " + position + " of " + length + ": " + this);
        }
    }

    private void copy(long at, byte[] target, int from, int bytes) throws IOException {
        requireOpen();
        for (int done = 0; done < bytes;) {
            long inFile = begin + at + done;
            int left = bytes - done;
            boolean inBuffer = inFile >= bufferAt && inFile < bufferAt + buffered;
            if (!inBuffer && left >= window.bytes()) {
                // Large, and not through the window. What is left is less than a window.
                int straight = left / window.bytes() * window.bytes();
                file.read(inFile, target, from + done, straight);
                done += straight;
            } else {
                int index = indexOf(at + done, 1);
                int moved = Math.min(left, buffered - index);
                System.arraycopy(buffer, index, target, from + done, moved);
                done += moved;
            }
        }
    }

    // ---- from front to back

    @Override
    public byte readByte() throws IOException {
        requireNext(1);
        byte value = readByte(position);
        position++;
        return value;
    }

    @Override
    public short readShort() throws IOException {
        requireNext(Short.BYTES);
        short value = readShort(position);
        position += Short.BYTES;
        return value;
    }

    @Override
    public int readInt() throws IOException {
        requireNext(Integer.BYTES);
        int value = readInt(position);
        position += Integer.BYTES;
        return value;
    }

    @Override
    public long readLong() throws IOException {
        requireNext(Long.BYTES);
        long value = readLong(position);
        position += Long.BYTES;
        return value;
    }

    @Override
    public void readBytes(byte[] target, int from, int bytes) throws IOException {
        requireNext(bytes);
        copy(position, target, from, bytes);
        position += bytes;
    }

    @Override
    public long getFilePointer() {
        return position;
    }

    @Override
    public void seek(long to) throws IOException {
        requireOpen();
        if (to < 0) {
            throw new IllegalArgumentException("seek to " + to + ": " + this);
        }
        if (to > length) {
            throw new EOFException("seek past EOF: " + to + " of " + length + ": " + this);
        }
        position = to;
    }

    @Override
    public long length() {
        return length;
    }

    // ---- anywhere

    @Override
    public byte readByte(long at) throws IOException {
        Objects.checkFromIndexSize(at, 1, length);
        int index = indexOf(at, 1);
        return buffer[index];
    }

    @Override
    public void readBytes(long at, byte[] target, int from, int bytes) throws IOException {
        Objects.checkFromIndexSize(at, bytes, length);
        copy(at, target, from, bytes);
    }

    @Override
    public short readShort(long at) throws IOException {
        Objects.checkFromIndexSize(at, Short.BYTES, length);
        int index = indexOf(at, Short.BYTES);
        return index >= 0 ? (short) SHORT.get(buffer, index) : (short) SHORT.get(across(at, Short.BYTES), 0);
    }

    @Override
    public int readInt(long at) throws IOException {
        Objects.checkFromIndexSize(at, Integer.BYTES, length);
        int index = indexOf(at, Integer.BYTES);
        return index >= 0 ? (int) INT.get(buffer, index) : (int) INT.get(across(at, Integer.BYTES), 0);
    }

    @Override
    public long readLong(long at) throws IOException {
        Objects.checkFromIndexSize(at, Long.BYTES, length);
        int index = indexOf(at, Long.BYTES);
        return index >= 0 ? (long) LONG.get(buffer, index) : (long) LONG.get(across(at, Long.BYTES), 0);
    }

    private byte[] across(long at, int bytes) throws IOException {
        byte[] value = new byte[bytes];
        copy(at, value, 0, bytes);
        return value;
    }

    @Override
    public void prefetch(long at, long bytes) {
        requireOpen();
        Objects.checkFromIndexSize(at, bytes, length);
        long inFile = begin + at;
        if (inFile < bufferAt || inFile + bytes > bufferAt + buffered) {
            file.prefetch(inFile, bytes);
        }
    }

    // ---- clones and slices

    @Override
    public AioIndexInput clone() {
        requireOpen();
        AioIndexInput clone = (AioIndexInput) super.clone();
        clone.owner = false;
        clone.buffer = NOTHING;
        clone.buffered = 0;
        return clone;
    }

    @Override
    public IndexInput slice(String description, long from, long bytes) {
        requireOpen();
        if (from < 0 || bytes < 0 || from > length - bytes) {
            throw new IllegalArgumentException("slice() " + description + " out of bounds: " + bytes + " bytes at " + from + " of " + length + ": " + this);
        }
        return new AioIndexInput(getFullSliceDescription(description), file, window, begin + from, bytes);
    }

    @Override
    public void close() {
        if (!closed) {
            closed = true;
            buffer = NOTHING;
            buffered = 0;
            if (owner) {
                file.close();
            }
        }
    }
}
