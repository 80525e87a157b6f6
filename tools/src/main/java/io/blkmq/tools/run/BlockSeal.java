package io.blkmq.tools.run;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;

/**
 * The content of a verified block: a header that says which block it is, and a pattern that depends on all of it, under a CRC-32C.
 * All numbers are little-endian.
 *
 * <pre>
 *   0  magic "blkq"         4  CRC-32C of everything from byte 8 on
 *   8  offset on the device, bytes
 *  16  seed of the job that wrote it
 *  24  sequence of the write within the job
 *  28  length of the block, bytes
 *  32  pattern
 * </pre>
 *
 * <p>For one thread: the CRC is kept for reuse.
 */
final class BlockSeal {
    static final int MAGIC = 0x716B_6C62;
    static final int HEADER_BYTES = 32;

    private static final int CRC_FROM = 8;
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private final MemorySegment memory;
    private final ByteBuffer bytes;
    private final CRC32C crc = new CRC32C();

    /** Seals and checks blocks in some memory. */
    BlockSeal(MemorySegment memory) {
        this.memory = memory;
        this.bytes = memory.asByteBuffer();
    }

    /** Fills a block of memory. */
    void seal(int at, int length, long offsetBytes, long seed, int sequence) {
        memory.set(INT, at, MAGIC);
        memory.set(LONG, at + 8L, offsetBytes);
        memory.set(LONG, at + 16L, seed);
        memory.set(INT, at + 24L, sequence);
        memory.set(INT, at + 28L, length);
        long pattern = XorShift.mix(seed ^ offsetBytes ^ (long) sequence << 40) | 1;
        for (int i = HEADER_BYTES; i + Long.BYTES <= length; i += Long.BYTES) {
            pattern ^= pattern << 13;
            pattern ^= pattern >>> 7;
            pattern ^= pattern << 17;
            memory.set(LONG, at + (long) i, pattern);
        }
        memory.set(INT, at + 4L, crcOf(at, length));
    }

    /** What is wrong with a block of memory, null if nothing is. */
    @Nullable
    String fault(int at, int length, long offsetBytes) {
        int magic = memory.get(INT, at);
        if (magic != MAGIC) {
            return String.format("expected magic 0x%08x, found 0x%08x", MAGIC, magic);
        }
        int foundLength = memory.get(INT, at + 28L);
        if (foundLength != length) {
            return "expected a block of " + length + " bytes, found one of " + foundLength;
        }
        int expected = crcOf(at, length);
        int found = memory.get(INT, at + 4L);
        if (found != expected) {
            return String.format("expected crc32c 0x%08x of the data, found 0x%08x in the header", expected, found);
        }
        long foundOffset = memory.get(LONG, at + 8L);
        return foundOffset == offsetBytes
                ? null
                : "expected the block of offset " + offsetBytes + ", found that of offset " + foundOffset;
    }

    /** What is wrong with a block that passed {@link #fault}, if it has to be a certain write of a certain job. */
    @Nullable
    String staleness(int at, long seed, int sequence) {
        long foundSeed = memory.get(LONG, at + 16L);
        int foundSequence = memory.get(INT, at + 24L);
        return foundSeed == seed && foundSequence == sequence
                ? null
                : "expected write " + sequence + " of seed " + Long.toHexString(seed) + ", found write " + foundSequence
                        + " of seed " + Long.toHexString(foundSeed);
    }

    private int crcOf(int at, int length) {
        bytes.limit(at + length).position(at + CRC_FROM);
        crc.reset();
        crc.update(bytes);
        return (int) crc.getValue();
    }
}
