package io.blkmq.tools.run;

import io.blkmq.tools.job.VerifyMethod;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.zip.CRC32C;

/** The checksums of fio's verified blocks, as their headers hold them. For one thread: each instance is used again and again. */
abstract sealed class Checksum {
    /** Which it is, in a header. */
    final int code;
    /** How long it is, in a header. */
    final int bytes;
    /** How long the field that holds it is. */
    final int fieldBytes;

    private Checksum(int code, int bytes, int fieldBytes) {
        this.code = code;
        this.bytes = bytes;
        this.fieldBytes = fieldBytes;
    }

    static Checksum of(VerifyMethod method) {
        return switch (method) {
            case NONE, PATTERN -> throw new IllegalArgumentException(method + " has no header");
            case META -> new Nothing();
            case CRC32C -> new Crc32c();
            case CRC32 -> new Crc32();
            case CRC64 -> new TableCrc(3, Long.BYTES, 0x95AC9329AC4BC9B5L);
            case CRC16 -> new TableCrc(7, Short.BYTES, 0xA001L);
            case CRC7 -> new Crc7();
            case XXHASH -> new XxHash();
            case MD5 -> new Digest(2, 16, "MD5", false);
            case SHA1 -> new Digest(16, 20, "SHA-1", true);
            case SHA256 -> new LowBytesOfSha256();
            case SHA512 -> new Ends();
            case SHA3_224 -> new Digest(11, 28, "SHA3-224", false);
            case SHA3_256 -> new Digest(12, 32, "SHA3-256", false);
            case SHA3_384 -> new Digest(13, 48, "SHA3-384", false);
            case SHA3_512 -> new Digest(14, 64, "SHA3-512", false);
        };
    }

    /** Whether data can change and the checksum stay, so that a header needs more than that. */
    boolean isBlind() {
        return false;
    }

    /** Writes the checksum of the buffer's remaining bytes to an array. */
    abstract void of(ByteBuffer data, byte[] into);

    /** A number, with its lowest byte first. */
    private static void put(long value, int length, byte[] into) {
        for (int i = 0; i < length; i++) {
            into[i] = (byte) (value >>> (i * Byte.SIZE));
        }
    }

    /** No checksum: the header alone is checked. */
    private static final class Nothing extends Checksum {
        Nothing() {
            super(1, 0, 0);
        }

        @Override
        void of(ByteBuffer data, byte[] into) {}
    }

    /** CRC-32C, without the last inversion. */
    private static final class Crc32c extends Checksum {
        private final CRC32C crc = new CRC32C();

        Crc32c() {
            super(5, Integer.BYTES, Integer.BYTES);
        }

        @Override
        void of(ByteBuffer data, byte[] into) {
            crc.reset();
            crc.update(data);
            put(~crc.getValue(), Integer.BYTES, into);
        }
    }

    /** The CRC of Ethernet's polynomial whose highest bit comes first, that begins with 0 and is not inverted. */
    private static final class Crc32 extends Checksum {
        private static final int POLYNOMIAL = 0x04C11DB7;

        private final int[] table = new int[1 << Byte.SIZE];

        Crc32() {
            super(4, Integer.BYTES, Integer.BYTES);
            for (int i = 0; i < table.length; i++) {
                int value = i << 24;
                for (int bit = 0; bit < Byte.SIZE; bit++) {
                    value = value < 0 ? (value << 1) ^ POLYNOMIAL : value << 1;
                }
                table[i] = value;
            }
        }

        @Override
        void of(ByteBuffer data, byte[] into) {
            int crc = 0;
            while (data.hasRemaining()) {
                crc = (crc << Byte.SIZE) ^ table[((crc >>> 24) ^ data.get()) & 0xff];
            }
            put(crc, Integer.BYTES, into);
        }
    }

    /** A CRC whose lowest bit comes first, that begins with 0. */
    private static final class TableCrc extends Checksum {
        private static final int BYTE = 0xff;

        private final long[] table = new long[1 << Byte.SIZE];

        TableCrc(int code, int bytes, long polynomial) {
            super(code, bytes, bytes);
            for (int i = 0; i < table.length; i++) {
                long value = i;
                for (int bit = 0; bit < Byte.SIZE; bit++) {
                    value = (value & 1) != 0 ? value >>> 1 ^ polynomial : value >>> 1;
                }
                table[i] = value;
            }
        }

        @Override
        void of(ByteBuffer data, byte[] into) {
            long crc = 0;
            while (data.hasRemaining()) {
                crc = table[(int) (crc ^ data.get()) & BYTE] ^ crc >>> Byte.SIZE;
            }
            put(crc, bytes, into);
        }
    }

    /** The CRC of 7 bits that memory cards use. */
    private static final class Crc7 extends Checksum {
        private static final int POLYNOMIAL = 9;

        private final byte[] table = new byte[1 << Byte.SIZE];

        Crc7() {
            super(8, 1, 1);
            for (int i = 0; i < table.length; i++) {
                int value = i;
                for (int bit = 0; bit < Byte.SIZE; bit++) {
                    value = (value & 0x80) != 0 ? value << 1 ^ POLYNOMIAL << 1 : value << 1;
                }
                table[i] = (byte) ((value & 0xff) >>> 1);
            }
        }

        @Override
        void of(ByteBuffer data, byte[] into) {
            int crc = 0;
            while (data.hasRemaining()) {
                crc = table[(crc << 1 ^ data.get()) & 0xff];
            }
            put(crc, 1, into);
        }
    }

    /** XXH32 with the seed 1. */
    private static final class XxHash extends Checksum {
        private static final int PRIME_1 = 0x9E3779B1;
        private static final int PRIME_2 = 0x85EBCA77;
        private static final int PRIME_3 = 0xC2B2AE3D;
        private static final int PRIME_4 = 0x27D4EB2F;
        private static final int PRIME_5 = 0x165667B1;
        private static final int SEED = 1;
        private static final int STRIPE_BYTES = 16;

        XxHash() {
            super(15, Integer.BYTES, Integer.BYTES);
        }

        @Override
        void of(ByteBuffer given, byte[] into) {
            ByteBuffer data = given.slice().order(ByteOrder.LITTLE_ENDIAN);
            int length = data.remaining();
            int hash = PRIME_5 + SEED;
            if (length >= STRIPE_BYTES) {
                int a = 0x24234429;
                int b = 0x85EBCA78;
                int c = SEED;
                int d = 0x61C88650;
                while (data.remaining() >= STRIPE_BYTES) {
                    a = round(a, data.getInt());
                    b = round(b, data.getInt());
                    c = round(c, data.getInt());
                    d = round(d, data.getInt());
                }
                hash = Integer.rotateLeft(a, 1) + Integer.rotateLeft(b, 7) + Integer.rotateLeft(c, 12)
                        + Integer.rotateLeft(d, 18);
            }
            hash += length;
            while (data.remaining() >= Integer.BYTES) {
                hash = Integer.rotateLeft(hash + data.getInt() * PRIME_3, 17) * PRIME_4;
            }
            while (data.hasRemaining()) {
                hash = Integer.rotateLeft(hash + (data.get() & 0xff) * PRIME_5, 11) * PRIME_1;
            }
            hash = (hash ^ hash >>> 15) * PRIME_2;
            hash = (hash ^ hash >>> 13) * PRIME_3;
            put(hash ^ hash >>> 16, Integer.BYTES, into);
        }

        private static int round(int lane, int word) {
            return Integer.rotateLeft(lane + word * PRIME_2, 13) * PRIME_1;
        }
    }

    /**
     * What fio 3.33 writes for SHA-256: the last block that was digested, with the lowest byte of each word of the digest in the place of its first
     * eight. The length at its end has the lowest byte first, so that the digest is not the standard's.
     */
    private static final class LowBytesOfSha256 extends Checksum {
        private static final int BLOCK_BYTES = 64;
        private static final int LENGTH_AT = 56;
        private static final int[] ROUNDS = new int[64];
        private static final int[] BEGIN = new int[8];

        static {
            // The first bits of the fractions of the cube and square roots of the first primes.
            int found = 0;
            for (int number = 2; found < ROUNDS.length; number++) {
                if (BigInteger.valueOf(number).isProbablePrime(30)) {
                    if (found < BEGIN.length) {
                        BEGIN[found] = BigInteger.valueOf(number).shiftLeft(64).sqrt().intValue();
                    }
                    ROUNDS[found++] = fractionOfCubeRoot(number);
                }
            }
        }

        private final int[] state = new int[BEGIN.length];
        private final int[] words = new int[ROUNDS.length];
        private final ByteBuffer last = ByteBuffer.allocate(BLOCK_BYTES);

        LowBytesOfSha256() {
            super(9, BLOCK_BYTES, BLOCK_BYTES);
        }

        private static int fractionOfCubeRoot(int number) {
            BigInteger cube = BigInteger.valueOf(number).shiftLeft(96);
            // The floating point is right but for the last bits.
            long root = (long) (Math.cbrt(number) * 0x1p32) - 4096;
            while (BigInteger.valueOf(root + 1).pow(3).compareTo(cube) <= 0) {
                root++;
            }
            return (int) root;
        }

        @Override
        void of(ByteBuffer data, byte[] into) {
            System.arraycopy(BEGIN, 0, state, 0, state.length);
            long bits = (long) data.remaining() * Byte.SIZE;
            while (data.remaining() >= BLOCK_BYTES) {
                digest(data);
            }
            last.clear();
            last.put(data).put((byte) 0x80);
            if (last.position() > LENGTH_AT) {
                fillUp(BLOCK_BYTES);
                digest(last.flip());
                last.clear();
            }
            fillUp(LENGTH_AT);
            last.putLong(Long.reverseBytes(bits)).flip();
            digest(last);
            last.get(0, into, 0, BLOCK_BYTES);
            for (int i = 0; i < state.length; i++) {
                into[i] = (byte) state[i];
            }
        }

        private void fillUp(int position) {
            while (last.position() < position) {
                last.put((byte) 0);
            }
        }

        /** The compression function of FIPS 180-4, of the next block. */
        private void digest(ByteBuffer block) {
            for (int i = 0; i < 16; i++) {
                words[i] = word(block);
            }
            for (int i = 16; i < words.length; i++) {
                int early = words[i - 15];
                int late = words[i - 2];
                words[i] = words[i - 16] + words[i - 7]
                        + (Integer.rotateRight(early, 7) ^ Integer.rotateRight(early, 18) ^ (early >>> 3))
                        + (Integer.rotateRight(late, 17) ^ Integer.rotateRight(late, 19) ^ (late >>> 10));
            }
            int a = state[0];
            int b = state[1];
            int c = state[2];
            int d = state[3];
            int e = state[4];
            int f = state[5];
            int g = state[6];
            int h = state[7];
            for (int i = 0; i < words.length; i++) {
                int one = h + (Integer.rotateRight(e, 6) ^ Integer.rotateRight(e, 11) ^ Integer.rotateRight(e, 25))
                        + ((e & f) ^ (~e & g)) + ROUNDS[i] + words[i];
                int two = (Integer.rotateRight(a, 2) ^ Integer.rotateRight(a, 13) ^ Integer.rotateRight(a, 22))
                        + ((a & b) ^ (a & c) ^ (b & c));
                h = g;
                g = f;
                f = e;
                e = d + one;
                d = c;
                c = b;
                b = a;
                a = one + two;
            }
            state[0] += a;
            state[1] += b;
            state[2] += c;
            state[3] += d;
            state[4] += e;
            state[5] += f;
            state[6] += g;
            state[7] += h;
        }

        private static int word(ByteBuffer block) {
            return ((block.get() & 0xff) << 24) | ((block.get() & 0xff) << 16) | ((block.get() & 0xff) << 8)
                    | (block.get() & 0xff);
        }
    }

    /**
     * What fio 3.33 writes for SHA-512: no digest, but the buffer of the algorithm as it is before the last step. It held the first block of the data,
     * of 128 bytes, and over that stands what is left at the end of the data behind the last whole block.
     */
    private static final class Ends extends Checksum {
        private static final int BLOCK_BYTES = 128;

        Ends() {
            super(10, BLOCK_BYTES, BLOCK_BYTES);
        }

        @Override
        boolean isBlind() {
            return true;
        }

        @Override
        void of(ByteBuffer data, byte[] into) {
            int rest = data.remaining() % BLOCK_BYTES;
            if (data.remaining() >= BLOCK_BYTES) {
                data.get(data.position(), into, 0, BLOCK_BYTES);
            } else {
                Arrays.fill(into, 0, BLOCK_BYTES, (byte) 0);
            }
            data.get(data.limit() - rest, into, 0, rest);
            data.position(data.limit());
        }
    }

    /** A digest of the JDK. */
    private static final class Digest extends Checksum {
        private final MessageDigest digest;
        /** Whether a header holds it as words of this machine, lowest byte first. */
        private final boolean words;

        Digest(int code, int fieldBytes, String algorithm, boolean words) {
            MessageDigest made = digest(algorithm);
            super(code, made.getDigestLength(), fieldBytes);
            this.digest = made;
            this.words = words;
        }

        private static MessageDigest digest(String algorithm) {
            try {
                return MessageDigest.getInstance(algorithm);
            } catch (NoSuchAlgorithmException e) {
                throw new IllegalArgumentException(algorithm + " is not in this JDK", e);
            }
        }

        @Override
        void of(ByteBuffer data, byte[] into) {
            digest.reset();
            digest.update(data);
            byte[] value = digest.digest();
            for (int i = 0; i < value.length; i++) {
                into[i] = value[words ? i ^ 3 : i];
            }
        }
    }
}
