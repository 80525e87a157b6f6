package io.blkmq.testkit.tree;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.util.HexFormat;

/**
 * 128 bits that are the same for the same content, and differ for different content but for accidents. Not made against somebody who
 * looks for collisions. Immutable.
 *
 * @param high one half
 * @param low the other half, computed with other constants
 */
public record Fingerprint(long high, long low) {
    /** Of nothing: adding it changes nothing. */
    static final Fingerprint ZERO = new Fingerprint(0, 0);

    private static final VarHandle LONGS = MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);
    // Digits of pi: no structure that data could share.
    private static final long K1 = 0x243f_6a88_85a3_08d3L;
    private static final long K2 = 0x1319_8a2e_0370_7345L;
    private static final long K3 = 0xa409_3822_299f_31d1L;
    private static final long K4 = 0x082e_fa98_ec4e_6c89L;

    /** Of a page; of one that reads as zeroes {@link #ZERO}, so that it equals a hole. The length is a multiple of 16. */
    static Fingerprint ofPage(byte[] bytes) {
        long a = K3;
        long b = K4;
        long any = 0;
        for (int at = 0; at < bytes.length; at += 2 * Long.BYTES) {
            long x = (long) LONGS.get(bytes, at);
            long y = (long) LONGS.get(bytes, at + Long.BYTES);
            any |= x | y;
            a = fold(a ^ x ^ K1, y ^ K2);
            b = fold(b ^ y ^ K3, x ^ K4);
        }
        return any == 0 ? ZERO : new Fingerprint(a, b);
    }

    /** Of a name or a target. */
    static Fingerprint ofText(String text) {
        long a = K1 + text.length();
        long b = K2;
        for (int i = 0; i < text.length(); i++) {
            a = fold(a ^ text.charAt(i), K3);
            b = fold(b + text.charAt(i), K1);
        }
        return new Fingerprint(a, b);
    }

    /** Of this followed by a number. */
    Fingerprint and(long number) {
        return new Fingerprint(fold(high ^ number ^ K1, K2 + low), fold((low + number) ^ K3, K4 ^ high));
    }

    /** Of this followed by another. */
    Fingerprint and(Fingerprint other) {
        return and(other.high).and(other.low);
    }

    /** Of a collection to which another member comes: the order does not matter. */
    Fingerprint plus(Fingerprint other) {
        return new Fingerprint(high + other.high, low + other.low);
    }

    /** Of two halves of the same kind, the order of which matters. */
    static long mix(long one, long other) {
        return fold(one ^ K1, other ^ K4);
    }

    /** All bits of the product of two numbers, folded into half of them. */
    private static long fold(long x, long y) {
        return Math.unsignedMultiplyHigh(x, y) ^ (x * y);
    }

    /** Thirty-two hexadecimal digits. */
    @Override
    public String toString() {
        return HexFormat.of().toHexDigits(high) + HexFormat.of().toHexDigits(low);
    }
}
