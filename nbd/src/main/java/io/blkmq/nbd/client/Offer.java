package io.blkmq.nbd.client;

import io.blkmq.nbd.wire.Nbd;
import io.blkmq.nbd.wire.ReplyStyle;

/**
 * What a server has told of an export.
 *
 * @param sizeBytes the export's size
 * @param flags of transmission
 * @param style of replies
 * @param blockBytes the least block
 * @param requestBytes the most data of one request
 */
public record Offer(long sizeBytes, int flags, ReplyStyle style, int blockBytes, int requestBytes) {
    /**
     * Whether the server has told of a feature.
     *
     * @param flag one of the transmission flags
     * @return true if so
     */
    public boolean has(int flag) {
        return (flags & flag) != 0;
    }

    /**
     * Whether several connections are one device.
     *
     * @return true if so
     */
    public boolean isMultiConn() {
        return has(Nbd.FLAG_CAN_MULTI_CONN);
    }
}
