package io.blkmq.tools.job;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/**
 * Bytes that fill a buffer again and again: the values of {@code buffer_pattern} and {@code verify_pattern}. A {@code %o} in it
 * stands for eight bytes that hold the offset of the block, little-endian. Immutable.
 */
public final class FillPattern {
    private static final int BYTES_MAX = 512;
    private static final int BITS = 8;
    private static final int BYTE = 0xff;

    private final byte[] bytes;
    private final List<Integer> offsets;

    private FillPattern(byte[] bytes, List<Integer> offsets) {
        this.bytes = bytes;
        this.offsets = offsets;
    }

    /**
     * The pattern, with zeroes where an offset stands.
     *
     * @return a copy
     */
    public byte[] bytes() {
        return bytes.clone();
    }

    /**
     * Where in the pattern offsets stand.
     *
     * @return from the first on
     */
    public List<Integer> offsets() {
        return offsets;
    }

    static FillPattern parse(String text) {
        String rest = text.strip();
        if (rest.isEmpty()) {
            throw new IllegalArgumentException("a pattern is needed");
        }
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        List<Integer> offsets = new ArrayList<>();
        while (!rest.isEmpty()) {
            int used;
            if (rest.startsWith("\"")) {
                int end = rest.indexOf('"', 1);
                if (end < 0) {
                    throw new IllegalArgumentException("\"" + text.strip() + "\": a text has no end");
                }
                bytes.writeBytes(rest.substring(1, end).getBytes(StandardCharsets.UTF_8));
                used = end + 1;
            } else if (rest.startsWith("%o")) {
                offsets.add(bytes.size());
                bytes.writeBytes(new byte[Long.BYTES]);
                used = 2;
            } else if (rest.startsWith("0x") || rest.startsWith("0X")) {
                used = 2;
                while (used < rest.length() && Character.digit(rest.charAt(used), 16) >= 0) {
                    used++;
                }
                hexadecimal(rest.substring(2, used), text, bytes);
            } else {
                used = number(rest, text, bytes);
            }
            rest = rest.substring(used);
        }
        if (bytes.size() == 0 || bytes.size() > BYTES_MAX) {
            throw new IllegalArgumentException(
                    "\"" + text.strip() + "\" has " + bytes.size() + " bytes: 1 to " + BYTES_MAX + " are possible");
        }
        return new FillPattern(bytes.toByteArray(), List.copyOf(offsets));
    }

    private static void hexadecimal(String digits, String text, ByteArrayOutputStream bytes) {
        if (digits.isEmpty()) {
            throw new IllegalArgumentException("\"" + text.strip() + "\": hexadecimal digits are needed behind 0x");
        }
        String even = digits.length() % 2 == 0 ? digits : "0" + digits;
        for (int i = 0; i < even.length(); i += 2) {
            bytes.write(Integer.parseInt(even.substring(i, i + 2), 16));
        }
    }

    /** A decimal number of up to 32 bits: as many bytes as it needs, the lowest first. */
    private static int number(String rest, String text, ByteArrayOutputStream bytes) {
        int used = rest.startsWith("-") ? 1 : 0;
        while (used < rest.length() && Character.isDigit(rest.charAt(used))) {
            used++;
        }
        long value;
        try {
            value = Long.parseLong(rest.substring(0, used));
        } catch (NumberFormatException e) {
            throw new IllegalArgumentException(
                    "\"" + text.strip() + "\": 0x and digits, a number, \"text\" and %o are possible", e);
        }
        if (value > 0xffff_ffffL || value < Integer.MIN_VALUE) {
            throw new IllegalArgumentException("\"" + text.strip() + "\": a number of 32 bits is possible");
        }
        long left = value & 0xffff_ffffL;
        do {
            bytes.write((int) left & BYTE);
            left >>>= BITS;
        } while (left != 0);
        return used;
    }
}
