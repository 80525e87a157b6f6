package io.blkmq.testkit.tree;

import org.jspecify.annotations.Nullable;

/** 4096 bytes of a file. */
final class Page {
    static final int BYTES = 4096;

    /** Space that is reserved and reads as zeroes. Belongs to nobody. */
    static final Page ZEROES = new Page(new Owner(), new byte[BYTES]);

    private final Owner owner;
    private final byte[] bytes;
    /** Null after a change. Several threads may compute it: all find the same, and it is immutable. */
    private @Nullable Fingerprint digest;

    private Page(Owner owner, byte[] bytes) {
        this.owner = owner;
        this.bytes = bytes;
    }

    static Page empty(Owner owner) {
        return new Page(owner, new byte[BYTES]);
    }

    /** To read. */
    byte[] bytes() {
        return bytes;
    }

    /** This one or a copy, to be modified by an owner. */
    Page of(Owner modifier) {
        return owner == modifier ? this : new Page(modifier, bytes.clone());
    }

    /** To write; the page has to be of the one who writes. */
    byte[] modified() {
        digest = null;
        return bytes;
    }

    Fingerprint digest() {
        Fingerprint known = digest;
        if (known == null) {
            known = Fingerprint.ofPage(bytes);
            digest = known;
        }
        return known;
    }
}
