package io.blkmq.testkit.tree;

import java.nio.charset.StandardCharsets;

/** An inode with a path. */
final class SymbolicLink extends Inode {
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
    long size() {
        return target.getBytes(StandardCharsets.UTF_8).length;
    }
}
