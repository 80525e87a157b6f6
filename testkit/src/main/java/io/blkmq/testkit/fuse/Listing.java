package io.blkmq.testkit.fuse;

import io.blkmq.testkit.tree.Attributes;
import io.blkmq.testkit.tree.Kind;
import java.nio.charset.StandardCharsets;

/** The reply to a READDIR, or to a READDIRPLUS, whose names come with what a lookup of them would answer. */
final class Listing {
    private final FuseReply reply;
    private final long bytesMax;
    private final boolean hasAttributes;
    private long bytes;
    /** Where the last name began. */
    private long last;

    Listing(FuseReply reply, long bytesMax, boolean hasAttributes) {
        this.reply = reply;
        this.bytesMax = bytesMax;
        this.hasAttributes = hasAttributes;
    }

    boolean hasAttributes() {
        return hasAttributes;
    }

    long bytes() {
        return bytes;
    }

    /**
     * Adds a name, of which the kernel learns no more.
     *
     * @param cookie from which a listing goes on behind it
     * @return whether it fits
     */
    boolean add(String name, long node, long cookie, Kind kind) {
        byte[] encoded = name.getBytes(StandardCharsets.UTF_8);
        long described = hasAttributes ? FuseAbi.ENTRY_OUT.byteSize() : 0;
        if (bytes + described + FuseReply.nameBytes(encoded) > bytesMax) {
            return false;
        }
        last = bytes;
        if (hasAttributes) {
            bytes = reply.noEntry(bytes);
        }
        bytes = reply.name(bytes, node, cookie, kind, encoded);
        return true;
    }

    /** Tells of the last name what a lookup of it would. */
    void describe(long node, Attributes attributes) {
        reply.entry(last, node, attributes);
    }
}
