package io.blkmq.nbd.server;

import java.nio.ByteBuffer;
import org.jspecify.annotations.Nullable;

/** What goes to a client: a head, and perhaps data. For the thread of its connection. */
abstract sealed class Message permits ServedRequest, Message.Plain {
    /** From position to limit. */
    abstract ByteBuffer head();

    /** From position to limit; null without data. */
    abstract @Nullable ByteBuffer data();

    /** A reply to an option. */
    static final class Plain extends Message {
        private final ByteBuffer bytes;

        Plain(ByteBuffer bytes) {
            this.bytes = bytes;
        }

        @Override
        ByteBuffer head() {
            return bytes;
        }

        @Override
        @Nullable
        ByteBuffer data() {
            return null;
        }
    }
}
