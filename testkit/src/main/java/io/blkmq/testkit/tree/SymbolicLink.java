package io.blkmq.testkit.tree;

import java.nio.charset.StandardCharsets;

/** An inode with a path. */
final class SymbolicLink extends Inode {
    /** Tells a link from a file whose data has the fingerprint of the target. */
    private static final long TAG = 3;

    final String target;

    SymbolicLink(Owner owner, long number, String target, long nowNanos) {
        super(owner, number, 0777, nowNanos);
        this.target = target;
    }

    private SymbolicLink(Owner owner, SymbolicLink other) {
        super(owner, other);
        this.target = other.target;
    }

    @Override
    SymbolicLink copyFor(Owner modifier) {
        return new SymbolicLink(modifier, this);
    }

    @Override
    Kind kind() {
        return Kind.SYMLINK;
    }

    @Override
    Fingerprint identity() {
        return Fingerprint.ofText(target).and(TAG);
    }

    @Override
    long size() {
        return target.getBytes(StandardCharsets.UTF_8).length;
    }
}
