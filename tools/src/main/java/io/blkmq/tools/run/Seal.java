package io.blkmq.tools.run;

import io.blkmq.tools.job.FillPattern;
import io.blkmq.tools.job.VerifyMethod;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;

/**
 * The content of a verified block, as fio 3.33 writes and checks it: a header, a checksum, and data that the checksum is of. All
 * numbers are little-endian.
 *
 * <pre>
 *   0  magic 0xacca          2  method
 *   4  length of the block   8  seed of the write
 *  16  offset on the device
 *  24  time, seconds        28  time, nanoseconds
 *  32  thread, 16 bits      34  number of the write in it, 16 bits
 *  36  CRC-32C of everything before, without the last inversion
 *  40  checksum of everything behind it
 * </pre>
 *
 * <p>Where the checksum is blind ({@link Checksum#isBlind}), the seconds are a CRC-32C of the data, and the nanoseconds say so: no time has
 * such ones.
 *
 * <p>Of these fio checks the magic, the method, the length, the offset and both checksums when it reads what another wrote. The seed
 * is different for each write of a job; by it a job that verifies its own writes finds an old one in the place of the last.
 *
 * <p>For one thread: checksums are kept for reuse.
 */
final class Seal {
    static final int MAGIC = 0xACCA;
    private static final int HEADER_BYTES = 40;
    private static final int SECONDS_AT = 24;
    private static final int NANOS_AT = 28;
    private static final int NANOS_OF_CRC = -1;
    private static final int CRC_AT = 36;
    private static final int CHECKSUM_BYTES_MAX = 128;
    private static final ValueLayout.OfShort SHORT = ValueLayout.JAVA_SHORT_UNALIGNED
            .withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private final MemorySegment memory;
    private final ByteBuffer bytes;
    /** Null where there is no header: the pattern is everything. */
    private final @Nullable Checksum checksum;
    private final @Nullable FillPattern pattern;
    private final byte[] patternBytes;
    private final int thread;
    private final CRC32C headerCrc = new CRC32C();
    private final CRC32C dataCrc = new CRC32C();
    private final byte[] found = new byte[CHECKSUM_BYTES_MAX];
    private final byte[] expected = new byte[CHECKSUM_BYTES_MAX];

    /**
     * Seals and checks blocks in some memory.
     *
     * @param memory where they are
     * @param method how
     * @param pattern what they are filled with; null for random data
     * @param thread the number that headers name
     */
    Seal(MemorySegment memory, VerifyMethod method, @Nullable FillPattern pattern, int thread) {
        this.memory = memory;
        this.bytes = memory.asByteBuffer();
        this.checksum = method == VerifyMethod.PATTERN ? null : Checksum.of(method);
        this.pattern = pattern;
        this.patternBytes = pattern == null ? new byte[1] : pattern.bytes();
        this.thread = thread;
    }

    /** How many bytes of a block are not data. */
    static int headerBytes(VerifyMethod method) {
        return method == VerifyMethod.PATTERN ? 1 : HEADER_BYTES + Checksum.of(method).fieldBytes;
    }

    /**
     * Fills a block of memory.
     *
     * @param at where in the memory
     * @param length how long it is
     * @param offsetBytes where on the device it goes
     * @param seed of the write
     * @param number of the write
     */
    void seal(int at, int length, long offsetBytes, long seed, int number) {
        if (pattern == null) {
            fillRandom(at, length, seed ^ offsetBytes);
        } else {
            fillPattern(at, length, offsetBytes);
        }
        if (checksum == null) {
            return;
        }
        memory.set(SHORT, at, (short) MAGIC);
        memory.set(SHORT, at + 2L, (short) checksum.code);
        memory.set(INT, at + 4L, length);
        memory.set(LONG, at + 8L, seed);
        memory.set(LONG, at + 16L, offsetBytes);
        memory.set(INT, at + (long) SECONDS_AT, checksum.isBlind() ? dataCrc(checksum, at, length) : 0);
        memory.set(INT, at + (long) NANOS_AT, checksum.isBlind() ? NANOS_OF_CRC : 0);
        memory.set(SHORT, at + 32L, (short) thread);
        memory.set(SHORT, at + 34L, (short) number);
        memory.set(INT, at + (long) CRC_AT, headerCrc(at));
        checksum(checksum, at, length);
        MemorySegment.copy(expected, 0, memory, ValueLayout.JAVA_BYTE, at + (long) HEADER_BYTES, checksum.bytes);
        for (int i = checksum.bytes; i < checksum.fieldBytes; i++) {
            memory.set(ValueLayout.JAVA_BYTE, at + (long) HEADER_BYTES + i, (byte) 0);
        }
    }

    private void fillRandom(int at, int length, long seed) {
        long word = XorShift.mix(seed) | 1;
        int i = 0;
        for (; i + Long.BYTES <= length; i += Long.BYTES) {
            word ^= word << 13;
            word ^= word >>> 7;
            word ^= word << 17;
            memory.set(LONG, at + (long) i, word);
        }
        for (; i < length; i++) {
            memory.set(ValueLayout.JAVA_BYTE, at + (long) i, (byte) i);
        }
    }

    private void fillPattern(int at, int length, long offsetBytes) {
        placeOffset(offsetBytes);
        for (int i = 0; i < length; i += patternBytes.length) {
            MemorySegment.copy(patternBytes, 0, memory, ValueLayout.JAVA_BYTE, at + (long) i,
                    Math.min(patternBytes.length, length - i));
        }
    }

    private void placeOffset(long offsetBytes) {
        if (pattern == null) {
            return;
        }
        for (int place : pattern.offsets()) {
            for (int i = 0; i < Long.BYTES; i++) {
                patternBytes[place + i] = (byte) (offsetBytes >>> (i * Byte.SIZE));
            }
        }
    }

    /**
     * What is wrong with a block of memory.
     *
     * @param at where in the memory
     * @param length how long it is
     * @param offsetBytes where on the device it was read
     * @return words; null if nothing is wrong
     */
    @Nullable
    String fault(int at, int length, long offsetBytes) {
        if (checksum == null) {
            return patternFault(at, length, offsetBytes);
        }
        int magic = Short.toUnsignedInt(memory.get(SHORT, at));
        if (magic != MAGIC) {
            return String.format("expected magic 0x%04x, found 0x%04x", MAGIC, magic);
        }
        int crc = headerCrc(at);
        int foundCrc = memory.get(INT, at + (long) CRC_AT);
        if (foundCrc != crc) {
            return String.format("expected crc32c 0x%08x of the header, found 0x%08x", crc, foundCrc);
        }
        int method = memory.get(SHORT, at + 2L);
        if (method != checksum.code) {
            return "expected method " + checksum.code + ", found " + method;
        }
        int foundLength = memory.get(INT, at + 4L);
        if (foundLength != length) {
            return "expected a block of " + length + " bytes, found one of " + foundLength;
        }
        long foundOffset = memory.get(LONG, at + 16L);
        if (foundOffset != offsetBytes) {
            return "expected the block of offset " + offsetBytes + ", found that of offset " + foundOffset;
        }
        return checksumFault(checksum, at, length);
    }

    private @Nullable String checksumFault(Checksum sum, int at, int length) {
        int foundData = memory.get(INT, at + (long) SECONDS_AT);
        if (sum.isBlind() && memory.get(INT, at + (long) NANOS_AT) == NANOS_OF_CRC
                && foundData != dataCrc(sum, at, length)) {
            return String.format("expected checksum %08x (crc32c) of the data, found %08x in the header",
                    dataCrc(sum, at, length), foundData);
        }
        checksum(sum, at, length);
        MemorySegment.copy(memory, ValueLayout.JAVA_BYTE, at + (long) HEADER_BYTES, found, 0, sum.bytes);
        if (Arrays.equals(expected, 0, sum.bytes, found, 0, sum.bytes)) {
            return null;
        }
        return "expected checksum " + hexadecimal(expected, sum.bytes) + " of the data, found "
                + hexadecimal(found, sum.bytes) + " in the header";
    }

    private static String hexadecimal(byte[] value, int length) {
        return HexFormat.of().formatHex(value, 0, length);
    }

    private @Nullable String patternFault(int at, int length, long offsetBytes) {
        placeOffset(offsetBytes);
        for (int i = 0; i < length; i++) {
            byte there = memory.get(ValueLayout.JAVA_BYTE, at + (long) i);
            byte wanted = patternBytes[i % patternBytes.length];
            if (there != wanted) {
                return String.format("expected 0x%02x at byte %d of the block, found 0x%02x", wanted, i, there);
            }
        }
        return null;
    }

    /**
     * What is wrong with a block that passed {@link #fault}, if it has to be a certain write.
     *
     * @param at where in the memory
     * @param seed of that write
     * @return words; null if nothing is wrong
     */
    @Nullable
    String staleness(int at, long seed) {
        if (checksum == null) {
            return null;
        }
        long foundSeed = memory.get(LONG, at + 8L);
        return foundSeed == seed
                ? null
                : "expected the write with seed " + Long.toHexString(seed) + ", found that with seed "
                        + Long.toHexString(foundSeed) + ": an older write";
    }

    private int headerCrc(int at) {
        bytes.limit(at + CRC_AT).position(at);
        headerCrc.reset();
        headerCrc.update(bytes);
        return (int) ~headerCrc.getValue();
    }

    private int dataCrc(Checksum sum, int at, int length) {
        bytes.limit(at + length).position(at + HEADER_BYTES + sum.fieldBytes);
        dataCrc.reset();
        dataCrc.update(bytes);
        return (int) dataCrc.getValue();
    }

    private void checksum(Checksum sum, int at, int length) {
        bytes.limit(at + length).position(at + HEADER_BYTES + sum.fieldBytes);
        sum.of(bytes, expected);
    }
}
