package io.blkmq.aio;

import java.nio.file.Path;

/**
 * A file of an engine that another module provides: see {@link EngineDriver}. Any thread may call any method. What a system tells of files on its
 * disks, and a storage may not know, has an answer here: no holes are found, there is no page cache, and nothing is allocated ahead.
 *
 * @since 0.1.0
 */
public abstract non-sealed class DrivenFile extends AioFile {

    /**
     * An open file.
     *
     * @param path its name
     * @param access what it is open for
     * @param direct what {@link #isDirect} says
     * @param alignmentBytes what offsets, lengths and memory of its I/O are to be multiples of: a power of two; 1 for any
     * @param blockBytes what holes are made of: a power of two
     * @throws IllegalArgumentException if a size is no power of two
     */
    protected DrivenFile(Path path, Access access, boolean direct, int alignmentBytes, int blockBytes) {
        super(Opening.of(path, access, direct), units(alignmentBytes, blockBytes));
    }

    private static Units units(int alignmentBytes, int blockBytes) {
        if (Integer.bitCount(alignmentBytes) != 1 || Integer.bitCount(blockBytes) != 1 || alignmentBytes < 0
                || blockBytes < 0) {
            throw new IllegalArgumentException(
                    "alignment " + alignmentBytes + " and block " + blockBytes + " must be powers of two");
        }
        return new Units(alignmentBytes, alignmentBytes, blockBytes);
    }

    /**
     * Keeps the file open for a blocking call. An operation of an engine has done that.
     *
     * @return false if it is closed; after true {@link #leave} must follow
     */
    protected final boolean enter() {
        return acquire();
    }

    /** Ends what {@link #enter} began: the file may be closed. */
    protected final void leave() {
        release();
    }

    /** Closes what the storage has open. Called once, by whoever used the file last, perhaps in a completion: does not wait for the storage there. */
    protected abstract void closeStorage();

    // Of channels over files that grow: a storage's files have no ranges to lock, and no descriptor.

    @Override
    final boolean hasDescriptor() {
        return false;
    }

    /** Two opens of one image may not write at a time, so each is a file of its own. */
    @Override
    final Object identity() {
        return this;
    }

    @Override
    final boolean tryLockRange(long position, long bytes, boolean shared) {
        throw new UnsupportedOperationException(path() + " has no descriptor whose ranges could be locked");
    }

    @Override
    final void unlockRange(long position, long bytes) {
        // None has been locked.
    }

    @Override
    final int closeNow() {
        closeStorage();
        return 0;
    }

    @Override
    public long nextHole(long offset) {
        return -Errno.EOPNOTSUPP;
    }

    @Override
    public int allocate(long offset, long bytes, boolean keepSize) {
        return isClosed() ? -Errno.EBADF : -Errno.EOPNOTSUPP;
    }

    @Override
    public int dropPageCache() {
        return isClosed() ? -Errno.EBADF : 0;
    }

    @Override
    public int advise(Advice advice, long offset, long bytes) {
        requireRange(offset, bytes);
        return isClosed() ? -Errno.EBADF : 0;
    }
}
