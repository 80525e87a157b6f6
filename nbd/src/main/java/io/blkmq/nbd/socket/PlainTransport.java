package io.blkmq.nbd.socket;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;

/** The socket as it is. */
public final class PlainTransport implements Transport {
    private final SocketChannel channel;

    /**
     * Makes one.
     *
     * @param channel does not block
     */
    public PlainTransport(SocketChannel channel) {
        this.channel = channel;
    }

    @Override
    public long read(ByteBuffer[] into) throws IOException {
        return into.length == 1 ? channel.read(into[0]) : channel.read(into);
    }

    @Override
    public long write(ByteBuffer[] from, int count) throws IOException {
        return count == 1 ? channel.write(from[0]) : channel.write(from, 0, count);
    }

    @Override
    public boolean flush() {
        return true;
    }

    @Override
    public boolean hasUnread() {
        return false;
    }

    @Override
    public void shutdown() {
        // Closing says it all.
    }
}
