package io.blkmq.tools.run;

import io.blkmq.tools.job.VerifyMethod;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
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
            case CRC64 -> new TableCrc(3, Long.BYTES, 0x95AC9329AC4BC9B5L);
            case CRC16 -> new TableCrc(7, Short.BYTES, 0xA001L);
            case CRC7 -> new Crc7();
            case XXHASH -> new XxHash();
            case MD5 -> new Digest(2, 16, "MD5", false);
            case SHA1 -> new Digest(16, 20, "SHA-1", true);
            case SHA256 -> new Digest(9, 64, "SHA-256", false);
            case SHA512 -> new Digest(10, 128, "SHA-512", false);
            case SHA3_224 -> new Digest(11, 28, "SHA3-224", false);
            case SHA3_256 -> new Digest(12, 32, "SHA3-256", false);
            case SHA3_384 -> new Digest(13, 48, "SHA3-384", false);
            case SHA3_512 -> new Digest(14, 64, "SHA3-512", false);
        };
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
