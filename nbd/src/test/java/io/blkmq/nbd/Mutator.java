package io.blkmq.nbd;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.Random;

/** Makes wrong input of right input. */
final class Mutator {
    private static final long[] NUMBERS = {0, 1, -1, 2, 7, 511, 512, 4096, 65535, 65536, Integer.MAX_VALUE,
            Integer.MIN_VALUE, 0xffff_ffffL, 1L << 40, Long.MAX_VALUE, Long.MIN_VALUE};

    private final Random random;

    Mutator(Random random) {
        this.random = random;
    }

    byte[] mutate(byte[] right) {
        byte[] wrong = right;
        for (int i = random.nextInt(4); i >= 0; i--) {
            wrong = mutateOnce(wrong);
        }
        return wrong;
    }

    private byte[] mutateOnce(byte[] from) {
        if (from.length < 16) {
            return from;
        }
        int at = random.nextInt(from.length);
        int length = Math.min(1 + random.nextInt(random.nextInt(64) + 1), from.length - at);
        byte[] to = from.clone();
        switch (random.nextInt(8)) {
            case 0 -> to[at] ^= (byte) (1 << random.nextInt(8));
            case 1 -> to[at] = (byte) random.nextInt();
            case 2 -> ByteBuffer.wrap(to).putInt(Math.min(at, from.length - 4), (int) number());
            case 3 -> ByteBuffer.wrap(to).putLong(Math.min(at, from.length - 8), number());
            case 4 -> ByteBuffer.wrap(to).putShort(Math.min(at, from.length - 2), (short) number());
            case 5 -> {
                return Arrays.copyOf(from, at);
            }
            case 6 -> {
                return joined(from, 0, at, from, at + length, from.length);
            }
            default -> {
                return joined(from, 0, at + length, from, at, from.length);
            }
        }
        return to;
    }

    private long number() {
        long number = NUMBERS[random.nextInt(NUMBERS.length)];
        return random.nextInt(4) == 0 ? number + random.nextInt(5) - 2 : number;
    }

    private static byte[] joined(byte[] first, int from, int to, byte[] second, int from2, int to2) {
        ByteArrayOutputStream all = new ByteArrayOutputStream();
        all.write(first, from, to - from);
        all.write(second, from2, to2 - from2);
        return all.toByteArray();
    }
}
