package io.blkmq.loop.transfer;

import java.lang.foreign.MemorySegment;

/** The file holds the user's data unchanged. A device never calls it. */
final class NoTransfer implements TransferFunction {
    /** LO_CRYPT_NONE. */
    private static final int NUMBER = 0;

    @Override
    public int number() {
        return NUMBER;
    }

    @Override
    public String name() {
        return "none";
    }

    @Override
    public void checkKeyBytes(int bytes) {
        if (bytes != 0) {
            throw new IllegalArgumentException("none takes no key, not one of " + bytes + " bytes");
        }
    }

    @Override
    public Transfer open(byte[] key) {
        checkKeyBytes(key.length);
        return new Copy();
    }

    @Override
    public String toString() {
        return name();
    }

    private static final class Copy implements Transfer {
        @Override
        public void toFile(long sector, MemorySegment from, long fromOffset, MemorySegment to, long toOffset,
                long bytes) {
            MemorySegment.copy(from, fromOffset, to, toOffset, bytes);
        }

        @Override
        public void fromFile(long sector, MemorySegment from, long fromOffset, MemorySegment to, long toOffset,
                long bytes) {
            MemorySegment.copy(from, fromOffset, to, toOffset, bytes);
        }

        @Override
        public void close() {}
    }
}
