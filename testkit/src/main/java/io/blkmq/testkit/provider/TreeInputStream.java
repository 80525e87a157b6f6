package io.blkmq.testkit.provider;

import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import org.jspecify.annotations.Nullable;

/** Reads a file from its beginning on. Other than a channel it is not closed by an interrupt. */
final class TreeInputStream extends InputStream {
    private final OpenFile file;
    private long position;

    TreeInputStream(OpenFile file) {
        this.file = file;
    }

    @Override
    public int read() throws IOException {
        byte[] one = new byte[1];
        return read(one, 0, 1) < 0 ? -1 : Byte.toUnsignedInt(one[0]);
    }

    @Override
    public synchronized int read(byte @Nullable [] bytes, int offset, int length) throws IOException {
        int count = file.read(position, ByteBuffer.wrap(bytes, offset, length));
        position += Math.max(0, count);
        return count;
    }

    @Override
    public synchronized long skip(long count) throws IOException {
        long skipped = Math.clamp(count, 0, Math.max(0, file.size() - position));
        position += skipped;
        return skipped;
    }

    @Override
    public synchronized int available() throws IOException {
        return Math.clamp(file.size() - position, 0, Integer.MAX_VALUE);
    }

    @Override
    public void close() {
        file.fileSystem().closed(this);
        file.close();
    }

    @Override
    public String toString() {
        return "input stream of " + file;
    }
}
