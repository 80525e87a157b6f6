package io.blkmq.aio;

import java.io.IOException;

/** What is closed with a channel. */
@FunctionalInterface
interface ChannelEnd {
    /** Of a channel whose file stays open. */
    ChannelEnd NOTHING = () -> {
        // The file has its owner.
    };

    void close() throws IOException;
}
