package io.blkmq.loop.transfer;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.security.GeneralSecurityException;
import java.util.Arrays;
import javax.crypto.Cipher;

/**
 * XTS-AES (IEEE Std 1619) for data units of whole blocks, on the JDK's AES, which has no XTS of its own.
 *
 * <pre>
 *   T(0) = AES(key 2, number of the unit)          T(j + 1) = T(j) * x in GF(2^128)
 *   C(j) = AES(key 1, P(j) ^ T(j)) ^ T(j)
 * </pre>
 *
 * <p>Units are done several at a time, so that each of the two ciphers gets a long run of blocks in one call.
 *
 * <p>The copies of the key that are ours are overwritten when it is closed, and with them what stands in the workplaces. The ciphers get
 * another key, so that nothing leads to the one they had any more; when that memory is overwritten is the JVM's affair.
 */
final class AesXts extends XtsTransfer<AesXts.Workplace> {
    private static final int BLOCK_BYTES = 16;
    /** How much is done at a time, at least two units. */
    private static final int RUN_BYTES = 8192;
    /** Of the reduction polynomial of the field. */
    private static final long FEEDBACK = 0x87;

    private static final VarHandle LONG = MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfLong MEMORY_LONG = ValueLayout.JAVA_LONG_UNALIGNED
            .withOrder(ByteOrder.LITTLE_ENDIAN);

    private final AesKey dataKey;
    private final AesKey tweakKey;
    private final int runUnits;

    /**
     * Begins to use a key.
     *
     * @param key both keys of AES, the one for data first
     * @param unitBytes the length of a data unit, in whole blocks
     */
    AesXts(byte[] key, int unitBytes) {
        super(unitBytes);
        int half = key.length / 2;
        this.dataKey = new AesKey(key, 0, half);
        this.tweakKey = new AesKey(key, half, half);
        // Even, since tweaks are made for two units at a time.
        this.runUnits = Math.max(2, RUN_BYTES / unitBytes & ~1);
        begin();
    }

    @Override
    Workplace newWorkplace() {
        return new Workplace();
    }

    @Override
    void transform(Workplace work, long unit, MemorySegment from, long fromOffset, MemorySegment to, long toOffset,
            long bytes, boolean encrypt) {
        int runBytes = runUnits * unitBytes;
        long next = unit;
        try {
            for (long at = 0; at < bytes; at += runBytes) {
                int length = (int) Math.min(runBytes, bytes - at);
                work.run(next, from, fromOffset + at, to, toOffset + at, length, encrypt);
                next += length / unitBytes;
            }
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException("the JDK's AES failed", e);
        }
    }

    @Override
    void destroyKeys() {
        dataKey.destroy();
        tweakKey.destroy();
    }

    @Override
    public String toString() {
        return "aes-xts with " + dataKey.length() * 8 + " bits" + (isClosed() ? ", closed" : "");
    }

    /** Ciphers and memory for one thread at a time. */
    final class Workplace implements XtsTransfer.Workplace {
        private final Cipher encryption = cipher(Cipher.ENCRYPT_MODE, dataKey);
        private final Cipher decryption = cipher(Cipher.DECRYPT_MODE, dataKey);
        private final Cipher tweaking = cipher(Cipher.ENCRYPT_MODE, tweakKey);
        private final byte[] numbers = new byte[runUnits * BLOCK_BYTES];
        private final byte[] firstTweaks = new byte[runUnits * BLOCK_BYTES];
        final byte[] tweaks = new byte[runUnits * unitBytes];
        final byte[] input = new byte[runUnits * unitBytes];
        final byte[] output = new byte[runUnits * unitBytes];

        private static Cipher cipher(int mode, AesKey key) {
            try {
                Cipher cipher = Cipher.getInstance("AES/ECB/NoPadding");
                cipher.init(mode, key);
                return cipher;
            } catch (GeneralSecurityException e) {
                throw new IllegalStateException("this JDK has no AES", e);
            }
        }

        void run(long unit, MemorySegment from, long fromOffset, MemorySegment to, long toOffset, int length,
                boolean encrypt) throws GeneralSecurityException {
            // Each pass is a loop of its own: the compiler makes less of tweaks that are in one loop with an exclusive or.
            makeTweaks(unit, length / unitBytes);
            for (int at = 0; at < length; at += Long.BYTES) {
                LONG.set(input, at, from.get(MEMORY_LONG, fromOffset + at) ^ (long) LONG.get(tweaks, at));
            }
            int done = (encrypt ? encryption : decryption).update(input, 0, length, output, 0);
            assert done == length;
            for (int at = 0; at < length; at += Long.BYTES) {
                to.set(MEMORY_LONG, toOffset + at, (long) LONG.get(output, at) ^ (long) LONG.get(tweaks, at));
            }
        }

        private void makeTweaks(long unit, int units) throws GeneralSecurityException {
            for (int i = 0; i < units; i++) {
                // The upper half stays 0: unit numbers are of 64 bits.
                LONG.set(numbers, i * BLOCK_BYTES, unit + i);
            }
            int done = tweaking.update(numbers, 0, units * BLOCK_BYTES, firstTweaks, 0);
            assert done == units * BLOCK_BYTES;
            // The steps of a unit wait for each other, so two units go side by side; the second of the last two may be one too many.
            for (int i = 0; i < units; i += 2) {
                long low = (long) LONG.get(firstTweaks, i * BLOCK_BYTES);
                long high = (long) LONG.get(firstTweaks, i * BLOCK_BYTES + Long.BYTES);
                long nextLow = (long) LONG.get(firstTweaks, (i + 1) * BLOCK_BYTES);
                long nextHigh = (long) LONG.get(firstTweaks, (i + 1) * BLOCK_BYTES + Long.BYTES);
                int end = (i + 1) * unitBytes;
                for (int at = i * unitBytes; at < end; at += BLOCK_BYTES) {
                    LONG.set(tweaks, at, low);
                    LONG.set(tweaks, at + Long.BYTES, high);
                    LONG.set(tweaks, at + unitBytes, nextLow);
                    LONG.set(tweaks, at + unitBytes + Long.BYTES, nextHigh);
                    long carry = high >> 63;
                    high = high << 1 | low >>> 63;
                    low = (low << 1) ^ (carry & FEEDBACK);
                    carry = nextHigh >> 63;
                    nextHigh = nextHigh << 1 | nextLow >>> 63;
                    nextLow = (nextLow << 1) ^ (carry & FEEDBACK);
                }
            }
        }

        @Override
        public void wipe() {
            // First: what follows may fail.
            for (byte[] memory : new byte[][]{numbers, firstTweaks, tweaks, input, output}) {
                Arrays.fill(memory, (byte) 0);
            }
            try {
                AesKey zero = AesKey.zero(dataKey.length());
                encryption.init(Cipher.ENCRYPT_MODE, zero);
                decryption.init(Cipher.DECRYPT_MODE, zero);
                tweaking.init(Cipher.ENCRYPT_MODE, zero);
            } catch (GeneralSecurityException e) {
                throw new IllegalStateException("the JDK's AES failed", e);
            }
        }
    }
}
