package io.blkmq.loop.transfer;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;

/** The oldest one: the key, repeated from the beginning of each sector. */
final class XorFunction implements TransferFunction {
    /** LO_CRYPT_XOR. */
    private static final int NUMBER = 1;

    private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG_UNALIGNED;

    @Override
    public int number() {
        return NUMBER;
    }

    @Override
    public String name() {
        return "xor";
    }

    @Override
    public void checkKeyBytes(int bytes) {
        if (bytes < 1 || bytes > Transfer.SECTOR_BYTES) {
            throw new IllegalArgumentException(
                    "xor takes keys of 1 to " + Transfer.SECTOR_BYTES + " bytes, not of " + bytes);
        }
    }

    @Override
    public Transfer open(byte[] key) {
        checkKeyBytes(key.length);
        return new Xor(key);
    }

    @Override
    public String toString() {
        return name();
    }

    /** What it does to one sector is the same for all. */
    private static final class Xor implements Transfer {
        private final byte[] pad = new byte[SECTOR_BYTES];
        private final MemorySegment padMemory = MemorySegment.ofArray(pad);

        Xor(byte[] key) {
            for (int i = 0; i < pad.length; i++) {
                pad[i] = key[i % key.length];
            }
        }

        @Override
        public void toFile(long sector, MemorySegment from, long fromOffset, MemorySegment to, long toOffset,
                long bytes) {
            assert bytes % SECTOR_BYTES == 0 : bytes;
            for (long at = 0; at < bytes; at += Long.BYTES) {
                to.set(LONG, toOffset + at,
                        from.get(LONG, fromOffset + at) ^ padMemory.get(LONG, at & (SECTOR_BYTES - 1)));
            }
        }

        @Override
        public void fromFile(long sector, MemorySegment from, long fromOffset, MemorySegment to, long toOffset,
                long bytes) {
            toFile(sector, from, fromOffset, to, toOffset, bytes);
        }

        @Override
        public void close() {
            Arrays.fill(pad, (byte) 0);
        }

        @Override
        public String toString() {
            return "xor";
        }
    }
}
