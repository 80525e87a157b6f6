package io.blkmq.testkit.tree;

/** An inode with data. */
final class RegularFile extends Inode {
    final Content content;

    RegularFile(Owner owner, long number, int mode, long nowNanos) {
        super(owner, number, mode, nowNanos);
        this.content = new Content();
    }

    private RegularFile(Owner owner, RegularFile other) {
        super(owner, other);
        this.content = other.content.copy();
    }

    @Override
    RegularFile copyFor(Owner modifier) {
        return new RegularFile(modifier, this);
    }

    @Override
    Kind kind() {
        return Kind.FILE;
    }

    @Override
    long size() {
        return content.size();
    }

    @Override
    Fingerprint identity() {
        return content.digest();
    }

    @Override
    long pages() {
        return content.pages();
    }
}
