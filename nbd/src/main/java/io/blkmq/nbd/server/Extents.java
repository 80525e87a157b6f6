package io.blkmq.nbd.server;

import java.io.IOException;

/** Which parts of an export are allocated. Any thread; may block. */
@FunctionalInterface
public interface Extents {
    /** All is data. */
    Extents UNKNOWN = (_, bytes) -> new Run(bytes, 0);

    /**
     * Looks from an offset on.
     *
     * @param offset where
     * @param bytes how far at the most
     * @return what begins there
     * @throws IOException if it cannot be told
     */
    Run at(long offset, long bytes) throws IOException;

    /**
     * What is the same.
     *
     * @param bytes how long, at least 1
     * @param state flags of the protocol
     */
    record Run(long bytes, int state) {}
}
