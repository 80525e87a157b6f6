package io.blkmq.testkit.provider;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;

/** Writes a file from its beginning, or its end, on. Other than a channel it is not closed by an interrupt. */
final class TreeOutputStream extends OutputStream {
    private final OpenFile file;
    private long position;

    TreeOutputStream(OpenFile file) {
        this.file = file;
    }

    @Override
    public void write(int value) throws IOException {
        write(new byte[]{(byte) value}, 0, 1);
    }

    @Override
    public synchronized void write(byte[] bytes, int offset, int length) throws IOException {
        ByteBuffer left = ByteBuffer.wrap(bytes, offset, length);
        while (left.hasRemaining()) {
            position += file.write(position, left);
        }
    }

    @Override
    public void close() {
        file.fileSystem().closed(this);
        file.close();
    }

    @Override
    public String toString() {
        return "output stream of " + file;
    }
}
