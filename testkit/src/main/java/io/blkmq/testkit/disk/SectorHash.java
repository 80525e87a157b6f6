package io.blkmq.testkit.disk;

import io.blkmq.core.QueueLimits;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;

/**
 * What sectors contribute to a fingerprint: for each sector that is not all zeroes, a mixed hash of its number and its content. The sum
 * over all sectors does not depend on the order in which they were written, and a sector of zeroes counts as one that was never written.
 *
 * <p>Each half has lanes of its own: eight bytes go into one lane of each, and each step of a lane can be undone for a given input. So
 * contents that differ in one place alone always differ in both halves before the last mixing.
 */
final class SectorHash {
    private static final VarHandle LONGS = MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);
    private static final int SECTOR_BYTES = QueueLimits.SECTOR_BYTES;
    private static final int STEP_BYTES = 4 * Long.BYTES;

    /** Odd numbers without a pattern: fractions of square roots. */
    private static final long M1 = 0x6A09E667F3BCC909L;
    private static final long M2 = 0xBB67AE8584CAA73BL;
    private static final long M3 = 0x3C6EF372FE94F82BL;
    private static final long M4 = 0xA54FF53A5F1D36F1L;
    private static final long GOLDEN = 0x9E3779B97F4A7C15L;

    private long high;
    private long low;

    /** Adds the sectors of a block. */
    void add(byte[] block, long firstSector) {
        for (int at = 0; at < block.length; at += SECTOR_BYTES) {
            addSector(block, at, firstSector + at / SECTOR_BYTES);
        }
    }

    void add(ImageFingerprint sum) {
        high += sum.high();
        low += sum.low();
    }

    ImageFingerprint sum() {
        return high == 0 && low == 0 ? ImageFingerprint.ZERO : new ImageFingerprint(high, low);
    }

    private void addSector(byte[] block, int from, long sector) {
        long any = 0;
        long a = 1;
        long b = 2;
        long c = 3;
        long d = 4;
        long e = 5;
        long f = 6;
        long g = 7;
        long h = 8;
        for (int at = from; at < from + SECTOR_BYTES; at += STEP_BYTES) {
            long first = (long) LONGS.get(block, at);
            long second = (long) LONGS.get(block, at + Long.BYTES);
            long third = (long) LONGS.get(block, at + 2 * Long.BYTES);
            long fourth = (long) LONGS.get(block, at + 3 * Long.BYTES);
            any |= first | second | third | fourth;
            a = Long.rotateLeft(a + first * M1, 31) * M2;
            b = Long.rotateLeft(b + second * M1, 31) * M2;
            c = Long.rotateLeft(c + third * M1, 31) * M2;
            d = Long.rotateLeft(d + fourth * M1, 31) * M2;
            e = Long.rotateLeft(e ^ first * M3, 27) * M4;
            f = Long.rotateLeft(f ^ second * M3, 27) * M4;
            g = Long.rotateLeft(g ^ third * M3, 27) * M4;
            h = Long.rotateLeft(h ^ fourth * M3, 27) * M4;
        }
        if (any != 0) {
            high += mix(a + mix(b + mix(c + mix(d + sector * GOLDEN))));
            low += mix(e + mix(f + mix(g + mix(h ^ ~sector * M2))));
        }
    }

    /** David Stafford's thirteenth mixer, as in {@link java.util.SplittableRandom}. */
    static long mix(long value) {
        long mixed = (value ^ value >>> 30) * 0xBF58476D1CE4E5B9L;
        mixed = (mixed ^ mixed >>> 27) * 0x94D049BB133111EBL;
        return mixed ^ mixed >>> 31;
    }
}
