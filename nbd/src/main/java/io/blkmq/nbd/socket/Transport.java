package io.blkmq.nbd.socket;

import java.io.IOException;
import java.nio.ByteBuffer;

/** A connected socket that does not block. For the thread of its loop. */
public interface Transport {
    /**
     * Reads what is there.
     *
     * @param into buffers, the first of which may be full
     * @return bytes, 0 if nothing is there, -1 at the end
     * @throws IOException if the connection is broken
     */
    long read(ByteBuffer[] into) throws IOException;

    /**
     * Writes as much as goes.
     *
     * @param from buffers
     * @param count how many of them
     * @return bytes
     * @throws IOException if the connection is broken
     */
    long write(ByteBuffer[] from, int count) throws IOException;

    /**
     * Sends what was taken and is still here.
     *
     * @return whether nothing is left
     * @throws IOException if the connection is broken
     */
    boolean flush() throws IOException;

    /**
     * Whether something was received that no readiness of the socket will tell of.
     *
     * @return true if {@link #read} would find more
     */
    boolean hasUnread();

    /**
     * Says goodbye, as far as that goes without waiting. The socket stays open.
     *
     * @throws IOException if the connection is broken
     */
    void shutdown() throws IOException;
}
